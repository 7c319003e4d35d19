"""Tells a request that says too little ("MC-103", "quality") from small talk, which also fits no specialist."""

import re
from collections.abc import Sequence
from functools import lru_cache

from orchestrator_client.models.protocol import RouteOption

__all__ = ["concerns_the_plant"]

_WORD = re.compile(r"[^\W\d_]{4,}")
_ID = re.compile(r"\b[^\W\d_]{1,5}-?\d{2,}\b")
_COMMON = frozenset(
    _WORD.findall(
        "about also been could does each every from give have into just like list make more most much must need next"
        " only other please show should some take tell than that them then there they this times want were what when"
        " where which will with would your"
    )
)


def concerns_the_plant(message: str, options: Sequence[RouteOption], fallback: str) -> bool:
    """Whether the message holds an identifier, or a word by which one of the specialists is described."""
    return _ID.search(message) is not None or not _words(message).isdisjoint(_vocabulary(tuple(options), fallback))


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))


@lru_cache(maxsize=8)
def _vocabulary(options: tuple[RouteOption, ...], fallback: str) -> frozenset[str]:
    theirs = set[str]()
    talk = set[str]()
    for option in options:
        found = _words(" ".join((option.description, *option.examples)))
        if option.key == fallback:
            talk |= _words(" ".join(option.examples))
        else:
            theirs |= found
    return frozenset(theirs - talk - _COMMON)
