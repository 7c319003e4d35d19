"""Limits of a characteristic. Either side may be missing; a missing side forbids nothing."""

__all__ = ["are_reversed", "excludes"]


def are_reversed(lsl: float | None, usl: float | None) -> bool:
    """Whether no value could lie between the limits."""
    return lsl is not None and usl is not None and lsl >= usl


def excludes(lsl: float | None, usl: float | None, value: float | None) -> bool:
    """Whether the value lies outside; a value on a limit is inside, and no value is never outside."""
    return value is not None and ((lsl is not None and value < lsl) or (usl is not None and value > usl))
