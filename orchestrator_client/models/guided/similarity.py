"""Which of several labelled examples a message is most like: cosine of TF-IDF vectors over words and word parts."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["Match", "rank"]

_WORD = re.compile(r"[^\W_]+(?:[-/.][^\W_]+)*")
_PART_LENGTHS = (3, 4)
_PART_WEIGHT = 0.35
_UNKNOWN_WEIGHT = 0.5
_FIGURE = re.compile(r"\d+(?:[.,]\d+)*")


@dataclass(frozen=True, slots=True)
class Match:
    """A label and how like its best example is, 0 to 1."""

    label: str
    score: float


def rank(message: str, examples: Mapping[str, Sequence[str]]) -> list[Match]:
    """Every label, the likest first. Word parts let `svc` lines and typing errors count for something."""
    index = _indexed(tuple((label, tuple(texts)) for label, texts in examples.items()))
    wanted = _weighted(_features(message), index.rarity)
    matches = [
        Match(label, max((_cosine(wanted, vector) for vector in vectors), default=0.0))
        for label, vectors in index.vectors
    ]
    return sorted(matches, key=lambda match: -match.score)


@dataclass(frozen=True, slots=True)
class _Index:
    """The weighted features of every example, and how rare each feature is among them."""

    rarity: Mapping[str, float]
    vectors: tuple[tuple[str, tuple[Mapping[str, float], ...]], ...]


@lru_cache(maxsize=64)
def _indexed(examples: tuple[tuple[str, tuple[str, ...]], ...]) -> _Index:
    """Kept, because the same agents and goals are compared with message after message."""
    counted = [(label, [_features(text) for text in texts]) for label, texts in examples]
    rarity = _rarity([features for _, several in counted for features in several])
    vectors = tuple((label, tuple(_weighted(features, rarity) for features in several)) for label, several in counted)
    return _Index(rarity, vectors)


def _features(text: str) -> Counter[str]:
    """Words and their parts. One figure is as good as another: `250h` and `1000h` are one word, and 42 is none."""
    found: Counter[str] = Counter()
    for word in _WORD.findall(_FIGURE.sub("0", text.casefold())):
        if word == "0":
            continue
        found[word] += 1
        padded = f"^{word}$"
        for length in _PART_LENGTHS:
            for start in range(len(padded) - length + 1):
                found[f"~{padded[start : start + length]}"] += 1
    return found


def _rarity(documents: Sequence[Counter[str]]) -> dict[str, float]:
    """Inverse document frequency."""
    seen = Counter(feature for document in documents for feature in document)
    return {feature: math.log((1 + len(documents)) / (1 + count)) + 1 for feature, count in seen.items()}


def _weighted(features: Counter[str], rarity: Mapping[str, float]) -> dict[str, float]:
    """A vector of length 1. A feature no example has counts half as much as the rarest: lines are full of numbers."""
    unknown = _UNKNOWN_WEIGHT * max(rarity.values(), default=1.0)
    weights = {
        feature: (1 + math.log(count)) * rarity.get(feature, unknown) * (_PART_WEIGHT if feature[0] == "~" else 1.0)
        for feature, count in features.items()
    }
    length = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
    return {feature: weight / length for feature, weight in weights.items()}


def _cosine(left: Mapping[str, float], right: Mapping[str, float]) -> float:
    """Of two vectors of length 1."""
    fewer, more = (left, right) if len(left) <= len(right) else (right, left)
    return sum(weight * more.get(feature, 0.0) for feature, weight in fewer.items())
