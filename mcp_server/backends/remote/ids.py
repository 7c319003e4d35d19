"""Our numbers where nobody counts them for us."""

from collections.abc import Iterable

__all__ = ["next_id"]

_DIGITS = 4


def next_id(prefix: str, taken: Iterable[str]) -> str:
    """The id after the highest one that is the prefix and a number; as long as that one, and four digits at least."""
    numbers = [rest for key in taken if key.startswith(prefix) and (rest := key.removeprefix(prefix)).isdecimal()]
    highest = max(numbers, key=lambda rest: (int(rest), len(rest)), default="0")
    return f"{prefix}{int(highest) + 1:0{max(len(highest), _DIGITS)}d}"
