"""Two or three next steps after a task, from what waits and the agent's declared follow-ups. No model is asked."""

from collections.abc import Iterable, Mapping
from string import Formatter
from typing import Any

from orchestrator_client.dialogue.completion import MARKER

__all__ = ["BACK", "MOST", "suggest"]

MOST = 3
BACK = "Go back to: "
"""Begins the suggestion of a parked task; said with the task's first message, it resumes that task."""

_LONGEST = 200


def suggest(
    follow_ups: Iterable[str], facts: Mapping[str, Any], parked: Iterable[str] = (), *, said: str = ""
) -> tuple[str, ...]:
    """At most three: the way back to a parked task, by the message that opened it, latest first, then follow-ups.

    Of the follow-ups those whose `{placeholders}` are all known facts, filled in; not what was just `said`.
    """
    back = [f"{BACK}{opening}" for opening in parked if len(opening) <= _LONGEST and "\n" not in opening]
    filled = [text.format_map(facts) for text in follow_ups if _names(text) <= facts.keys()]
    new = [text for text in filled if text.casefold() != said.strip().casefold()]
    return tuple(dict.fromkeys(line for line in (*back, *new) if MARKER not in line.upper()))[:MOST]


def _names(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}
