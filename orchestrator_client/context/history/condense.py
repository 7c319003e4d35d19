"""The ledger in words, within a budget: the oldest data are told ever more briefly before any of them is left out."""

from collections.abc import Sequence
from functools import lru_cache

from orchestrator_client.context.history.facts import carries_data, data_in, keywords, sentences_of, windows_in
from orchestrator_client.context.history.ledger import Given, Ledger, Stored
from orchestrator_client.models.tokens import text_tokens

__all__ = ["condensed_ledger"]

_MOST_OF_AN_ENTRY = 600  # characters
_MOST_OF_AN_OPENING = 1_000
_SHARE_OF_OPENING = 0.3
_SHARE_OF_STORED = 0.3
_SHARE_OF_ERRORS = 0.15
_CHARACTERS_PER_TOKEN = 3
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
    rest = most_tokens - _size([*head, *stored, *errors])
    return "\n".join([*head, *_section(_GIVEN, _given(ledger.given, rest - _size([_GIVEN]))), *stored, *errors])


def _opening(opening: str, most_tokens: int) -> list[str]:
    if not opening:
        return []
    most = min(_MOST_OF_AN_OPENING, int(most_tokens * _SHARE_OF_OPENING * _CHARACTERS_PER_TOKEN))
    return [f"The task was opened with: {_first_that_fits(_texts(opening), most)}"]


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [title, *lines] if lines else []


def _given(entries: Sequence[Given], budget: int) -> list[str]:
    newest = {(entry.text, entry.asked): entry for entry in entries}  # said twice, told once
    forms = [_forms(entry) for entry in sorted(newest.values(), key=lambda entry: entry.turn)]
    briefest = max(map(len, forms), default=1)
    levels = [0] * len(forms)
    sizes = [_size([form[0]]) for form in forms]
    total = sum(sizes)
    for level in range(1, briefest):
        for place, form in enumerate(forms):
            if total <= budget:
                return [form[level] for form, level in zip(forms, levels, strict=True)]
            total -= sizes[place]
            sizes[place] = _size([form[level]])
            total += sizes[place]
            levels[place] = level
    return _newest([form[-1] for form in forms], budget)


def _newest(lines: Sequence[str], budget: int) -> list[str]:
    """As many of the newest lines as fit, and how many do not."""
    if _size(lines) <= budget:
        return list(lines)
    kept: list[str] = []
    left = budget - _size([_left_out(len(lines))])
    for line in reversed(lines):
        left -= _size([line])
        if left < 0:
            break
        kept.insert(0, line)
    return [_left_out(len(lines) - len(kept)), *kept]


def _left_out(count: int) -> str:
    return f"- the {count} oldest left out for want of room"


def _stored(entries: Sequence[Stored], budget: int) -> list[str]:
    lines = [f"- {entry}" for entry in entries]
    if _size(lines) <= budget:
        return lines
    return _newest([f"- {entry.tool}: {entry.record}" for entry in entries], budget)


def _errors(entries: Sequence[tuple[str, int]], budget: int) -> list[str]:
    return _newest([f"- {text}" + (f" ({count} times)" if count > 1 else "") for text, count in entries], budget)


@lru_cache(maxsize=4096)
def _forms(entry: Given) -> tuple[str, ...]:
    """An entry told ever more briefly: in full, its sentences with data, the data with few words around, the data."""
    _, _, windows, data = _texts(entry.asked)
    brief = (windows, data) if data_in(entry.asked) else (keywords(entry.asked, most=4), keywords(entry.asked, most=2))
    asked = (entry.asked, entry.asked, *brief)
    texts = _texts(entry.text)
    return tuple(
        f"- {entry.turn}: {f'{question} -> ' if question else ''}{_first_that_fits(texts[level:], _MOST_OF_AN_ENTRY)}"
        for level, question in enumerate(asked)
    )


def _texts(text: str) -> tuple[str, str, str, str]:
    with_data = " ".join(filter(carries_data, sentences_of(text))) or text
    windows = windows_in(text) or with_data
    return text, with_data, windows, ", ".join(dict.fromkeys(data_in(text))) or windows


def _first_that_fits(texts: Sequence[str], most: int) -> str:
    found = next((text for text in texts if len(text) <= most), texts[-1])
    return found if len(found) <= most else f"{found[:most]}…"


def _size(lines: Sequence[str]) -> int:
    return sum(text_tokens(line) + 1 for line in lines)
