"""Our numbers where nobody counts them for us."""

from collections.abc import Iterable

__all__ = ["next_id"]

_LEAST_DIGITS = 4
_MOST_DIGITS = 18
"""A longer number was not counted up to; somebody typed it."""


def next_id(prefix: str, taken: Iterable[str]) -> str:
    """The id after the highest one that is the prefix and a number; as long as that one, and four digits at least."""
    rests = [taken_id.removeprefix(prefix) for taken_id in taken if taken_id.startswith(prefix)]
    numbers = [rest for rest in rests if rest.isascii() and rest.isdecimal() and len(rest.lstrip("0")) <= _MOST_DIGITS]
    highest = max(numbers, key=lambda rest: (int(rest), len(rest)), default="0")
    return f"{prefix}{int(highest) + 1:0{max(len(highest), _LEAST_DIGITS)}d}"
