"""What the classifier sees of a message: words, pairs of words, the first word, and parts of words."""

import re
from collections import Counter
from itertools import pairwise

__all__ = ["features"]

_WORD = re.compile(r"[^\W_]+(?:[-/.'][^\W_]+)*")
_FIGURE = re.compile(r"\d+(?:[.,]\d+)*")
_RECORD = re.compile(r"[a-z]{1,5}(?:-?[a-z])*-?0(?:-?\w)*")
_AMOUNT = re.compile(r"0\s+(?=(?:h|hr|hrs|hour|hours|d|day|days|wk|wks|week|weeks|m|mth|mths|month|months)\b)")
_POLITE = re.compile(
    r"\b(?:please|pls|kindly|(?:can|could|would|will) (?:you|we|i)|i would like to|i'd like to|i want to)\b"
)
_FOR_ME = re.compile(r"\b(show|give|get|find|tell|send|bring|make|write) me\b")
_PART_LENGTHS = (3, 4)


def features(text: str) -> Counter[str]:
    """Counted features. The first character tells the kind: `~` part of a word, `^` first word, `+` pair, else a word.

    One figure is as good as another: `250h` and `1000 hours` begin alike, 42 alone is nothing. A record's number counts
    as a record and by its prefix, and is not cut into parts: LT-131 and JA0341 are both records, and SOP-A-050 is an
    `sop`.
    """
    found: Counter[str] = Counter()
    words = [word for word in _WORD.findall(_plain(text)) if word != "0"]
    told = ["#" if _RECORD.fullmatch(word) else word for word in words]
    for word, name in zip(words, told, strict=True):
        found[word] += 1
        if name == "#":
            found.update((name, _prefix(word)))
        else:
            found.update(_parts(word))
    spoken = [name for name in told if name != "#"]
    found.update(f"^{word}" for word in spoken[:1])
    found.update(f"+{left} {right}" for left, right in pairwise(told))
    return found


def _plain(text: str) -> str:
    """Without courtesies, which say nothing about whom a message is for."""
    text = text.casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    text = _FOR_ME.sub(r"\1", _POLITE.sub(" ", text))
    return _AMOUNT.sub("0", _FIGURE.sub("0", text))


def _prefix(record: str) -> str:
    return record.partition("0")[0].partition("-")[0]


def _parts(word: str) -> list[str]:
    padded = f"<{word}>"
    return [
        f"~{padded[start : start + length]}" for length in _PART_LENGTHS for start in range(len(padded) - length + 1)
    ]
