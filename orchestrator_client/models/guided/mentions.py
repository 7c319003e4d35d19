"""Whether a message already names a value, so that it need not be asked for. Pure."""

import re

__all__ = ["is_mentioned", "is_said"]

_AROUND = re.compile(r"^\W+|\W+$")
_POSSESSIVE = ("'s", "\u2019s")


def is_mentioned(message: str, *, field: str, value: str, label: str = "") -> bool:
    """Whether the message names the value or its label as whole words.

    A bare figure means nothing, for a lot of 65 is no AQL of 65: it must follow the name of its field.
    """
    if value.replace(".", "").isdecimal():
        return is_said(message, f"{field} {value}") or is_said(message, f"{field} of {value}")
    return is_said(message, value) or is_said(message, label) or _is_shortened(message, value)


def _is_shortened(message: str, value: str) -> bool:
    """Whether the message names an id without what stands before its first hyphen: `OP70` for `ALPHA-OP70`."""
    tail = value.partition("-")[2]
    return any(map(str.isalpha, tail)) and any(map(str.isdigit, tail)) and is_said(message, tail)


def is_said(message: str, text: str) -> bool:
    """Whether these words stand in the message in this order, without case; `pre_launch` is also `pre-launch`."""
    said = _words(message)
    for wanted in (_words(text), _words(text.replace("_", " ")), _words(text.replace("_", "-"))):
        length = len(wanted)
        if sum(map(len, wanted)) > 1 and any(said[at : at + length] == wanted for at in range(len(said))):
            return True
    return False


def _words(text: str) -> list[str]:
    """Words without case and without what surrounds them; a point or hyphen inside one stays: `0.65`, `MC-105`."""
    words = (_AROUND.sub("", word) for word in text.casefold().split())
    return [word.removesuffix(_POSSESSIVE[0]).removesuffix(_POSSESSIVE[1]) for word in words if word]
