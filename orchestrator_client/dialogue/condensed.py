"""What stands for the older part of a long task."""

from dataclasses import dataclass

__all__ = ["Condensed"]


@dataclass(frozen=True, slots=True)
class Condensed:
    """The oldest `turns` of a task are left out of the window; `summary` tells of them, empty if none could be made.

    `cleared_turns` counts the oldest turns whose large tool results are shown as a stub; it is never less than `turns`.
    """

    turns: int
    summary: str
    cleared_turns: int = 0
