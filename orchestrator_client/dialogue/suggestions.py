"""Two or three next steps after a task, from the agent's declared follow-ups and the state. No model is asked."""

from collections.abc import Iterable, Mapping
from string import Formatter
from typing import Any

__all__ = ["MOST", "suggest"]

MOST = 3


def suggest(follow_ups: Iterable[str], facts: Mapping[str, Any]) -> tuple[str, ...]:
    """The follow-ups whose `{placeholders}` are all known facts, filled in; at most three."""
    filled = [text.format_map(facts) for text in follow_ups if _names(text) <= facts.keys()]
    return tuple(dict.fromkeys(filled))[:MOST]


def _names(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}
