"""A trained classifier of messages: multinomial logistic regression over words and word parts, in plain Python.

`train.py` writes its weights; they are read at first use and kept.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from orchestrator_client.models.guided.features import features

__all__ = ["NOBODY", "WEIGHTS", "Classifier", "Vector", "softmax", "trained", "vector"]

WEIGHTS = Path(__file__).parent / "weights.json"
NOBODY = "general"
"""The class of what is for no specialist: small talk, other subjects, and what is unclear."""

_KINDS = {"~": 0.45, "^": 0.8, "+": 0.6}
_UNKNOWN_WEIGHT = 0.7
_SCALE = 100

Vector = dict[str, float]


@dataclass(frozen=True, slots=True)
class Classifier:
    """`weights` holds a row per feature, with a column per class; `rarity` the inverse document frequencies.

    `temperature` divides the scores, so that among messages with confidence 0.7 about seven of ten are right.
    `digest` names the data it was trained on.
    """

    classes: tuple[str, ...]
    bias: Sequence[float]
    weights: Mapping[str, Sequence[float]]
    rarity: Mapping[str, float]
    temperature: float
    digest: str = ""

    def probabilities(self, message: str) -> dict[str, float]:
        """One for each class, together 1."""
        scores = self.scores(vector(message, self.rarity))
        return dict(zip(self.classes, softmax([score / self.temperature for score in scores]), strict=True))

    def scores(self, wanted: Vector) -> list[float]:
        totals = list(self.bias)
        for feature, value in wanted.items():
            row = self.weights.get(feature)
            if row is not None:
                totals = [total + value * weight for total, weight in zip(totals, row, strict=True)]
        return totals

    def as_json(self) -> str:
        """Weights as hundredths; one feature a line, so that a change of the training data can be read."""
        lines = [f"{json.dumps(name)}:{_row(self.rarity[name], self.weights[name])}" for name in sorted(self.weights)]
        head = {
            "digest": self.digest,
            "classes": self.classes,
            "temperature": round(self.temperature, 3),
            "bias": [_hundredths(weight) for weight in self.bias],
        }
        return f'{json.dumps(head)[:-1]}, "features": {{\n' + ",\n".join(lines) + "\n}}\n"

    @classmethod
    def from_json(cls, text: str) -> "Classifier":
        stored = json.loads(text)
        rows: dict[str, list[int]] = stored["features"]
        return cls(
            classes=tuple(stored["classes"]),
            bias=[weight / _SCALE for weight in stored["bias"]],
            weights={name: [weight / _SCALE for weight in row[1:]] for name, row in rows.items()},
            rarity={name: row[0] / _SCALE for name, row in rows.items()},
            temperature=stored["temperature"],
            digest=stored["digest"],
        )


@cache
def trained() -> Classifier:
    """The classifier as shipped."""
    return Classifier.from_json(WEIGHTS.read_text(encoding="utf-8"))


def vector(message: str, rarity: Mapping[str, float]) -> Vector:
    """The known features, weighted. Unknown ones count in the length: little known means little certainty."""
    unknown = _UNKNOWN_WEIGHT * max(rarity.values(), default=1.0)
    known: Vector = {}
    square = 0.0
    for feature, count in features(message).items():
        rare = rarity.get(feature)
        weight = (1 + math.log(count)) * (unknown if rare is None else rare) * _KINDS.get(feature[0], 1.0)
        square += weight * weight
        if rare is not None:
            known[feature] = weight
    length = math.sqrt(square)
    return {feature: weight / length for feature, weight in known.items()}


def softmax(scores: Sequence[float]) -> list[float]:
    highest = max(scores)
    powers = [math.exp(score - highest) for score in scores]
    total = sum(powers)
    return [power / total for power in powers]


def _row(rarity: float, weights: Sequence[float]) -> str:
    return json.dumps([_hundredths(rarity), *map(_hundredths, weights)], separators=(",", ":"))


def _hundredths(weight: float) -> int:
    return round(weight * _SCALE)
