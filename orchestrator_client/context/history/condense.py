"""The ledger in words, within a budget. Standing instructions go before all other words of the user."""

from collections.abc import Sequence

from orchestrator_client.context.history.ledger import Ledger, Stored
from orchestrator_client.context.history.shortening import (
    first_that_fits,
    given_forms,
    instruction_forms,
    size,
    text_forms,
    told_within,
)

__all__ = ["condensed_ledger"]

_MOST_OF_AN_OPENING = 1_000  # characters
_SHARE_OF_OPENING = 0.3
_SHARE_OF_STORED = 0.3
_SHARE_OF_ERRORS = 0.15
_CHARACTERS_PER_TOKEN = 3
_INSTRUCTIONS = "What the user wants kept to (turn: words):"
_GIVEN = "What the user gave (turn: words; older entries are shortened to their data):"
_STORED = "Stored so far, by tools that reported success:"
_ERRORS = "Errors met:"


def condensed_ledger(ledger: Ledger, *, most_tokens: int) -> str:
    """The ledger as text of at most about `most_tokens`; what is left out is said. Empty for an empty ledger."""
    head = _opening(ledger.opening, most_tokens)
    if ledger.project:
        head.append(f"Project named last: {ledger.project}")
    stored = _section(_STORED, _stored(ledger.stored, int(most_tokens * _SHARE_OF_STORED)))
    errors = _section(_ERRORS, _errors(ledger.errors, int(most_tokens * _SHARE_OF_ERRORS)))
    said = _said(ledger, most_tokens - size([*head, *stored, *errors]))
    return "\n".join([*head, *said, *stored, *errors])


def _opening(opening: str, most_tokens: int) -> list[str]:
    if not opening:
        return []
    most = min(_MOST_OF_AN_OPENING, int(most_tokens * _SHARE_OF_OPENING * _CHARACTERS_PER_TOKEN))
    return [f"The task was opened with: {first_that_fits(text_forms(opening), most)}"]


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [title, *lines] if lines else []


def _said(ledger: Ledger, budget: int) -> list[str]:
    """The words of the user. Other data find room once all standing instructions have."""
    entries = len(ledger.instructions) + len(ledger.given)
    spare = size([_GIVEN, _left_out(entries)]) if entries else 0
    lines, without = told_within(ledger.instructions, instruction_forms, budget - spare - size([_INSTRUCTIONS]))
    instructions = _section(_INSTRUCTIONS, lines)
    left = 0 if without else budget - size(instructions) - spare
    given, left_out = told_within(ledger.given, given_forms, left)
    if without + left_out:
        given.append(_left_out(without + left_out))
    return [*instructions, *_section(_GIVEN, given)]


def _left_out(count: int) -> str:
    return f"- {count} more left out for want of room"


def _newest(lines: Sequence[str], budget: int) -> list[str]:
    """As many of the newest lines as fit, and how many do not."""
    if size(lines) <= budget:
        return list(lines)
    kept: list[str] = []
    left = budget - size([_oldest_left_out(len(lines))])
    for line in reversed(lines):
        left -= size([line])
        if left < 0:
            break
        kept.insert(0, line)
    return [_oldest_left_out(len(lines) - len(kept)), *kept]


def _oldest_left_out(count: int) -> str:
    return f"- the {count} oldest left out for want of room"


def _stored(entries: Sequence[Stored], budget: int) -> list[str]:
    lines = [f"- {entry}" for entry in entries]
    if size(lines) <= budget:
        return lines
    return _newest([f"- {entry.tool}: {entry.record}" for entry in entries], budget)


def _errors(entries: Sequence[tuple[str, int]], budget: int) -> list[str]:
    return _newest([f"- {text}" + (f" ({count} times)" if count > 1 else "") for text, count in entries], budget)
