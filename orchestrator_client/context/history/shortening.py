"""Entries of the ledger within a budget: the oldest are told ever more briefly before any of them is left out.

Left out is first what later entries repeat or a record holds, then the middle-aged: the opening and the newest stay.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

from orchestrator_client.context.history.facts import (
    bare_data,
    carries_data,
    data_in,
    keywords,
    sentences_of,
    windows_in,
)
from orchestrator_client.context.history.ledger import Given
from orchestrator_client.models.tokens import text_tokens

__all__ = ["first_that_fits", "given_forms", "instruction_forms", "size", "text_forms", "told_within"]

_MOST_OF_AN_ENTRY = 600  # characters
_MOST_OF_AN_INSTRUCTION = 300
_NEWEST_TO_ONE_OLD = 3

Forms = Callable[[Given], tuple[str, ...]]
"""An entry in its forms, each briefer than the one before."""


def told_within(entries: Sequence[Given], forms_of: Forms, budget: int) -> tuple[list[str], int]:
    """The entries as lines of at most `budget` tokens, and how many are left out."""
    newest = {(entry.text, entry.asked): entry for entry in entries}  # said twice, told once
    kept = sorted(newest.values(), key=lambda entry: entry.turn)
    forms = [forms_of(entry) for entry in kept]
    lines = [form[0] for form in forms]
    total = size(lines)
    for level in range(1, max(map(len, forms), default=1)):
        for place, form in enumerate(forms):
            if total <= budget:
                return lines, 0
            total += size([form[level]]) - size([lines[place]])
            lines[place] = form[level]
    return _most_wanted(lines, _by_worth(kept), budget)


def _most_wanted(lines: Sequence[str], places: Sequence[int], budget: int) -> tuple[list[str], int]:
    kept: list[int] = []
    for place in places:
        budget -= size([lines[place]])
        if budget < 0:
            break
        kept.append(place)
    return [lines[place] for place in sorted(kept)], len(lines) - len(kept)


def _by_worth(entries: Sequence[Given]) -> list[int]:
    """The places of the entries, the dearest first. What repeats an older entry takes that one's place."""
    last = len(entries) - 1
    distance = [min(place * _NEWEST_TO_ONE_OLD, last - place) for place in range(len(entries))]
    spare = {place for place, entry in enumerate(entries) if entry.stored}
    told: dict[tuple[str, frozenset[str]], int] = {}
    for place, entry in enumerate(entries):
        same = (entry.asked, frozenset(data_in(entry.text)))
        if same[1] and same in told:
            spare.add(told[same])
            distance[place] = min(distance[place], distance[told[same]])
        told[same] = place
    return sorted(range(len(entries)), key=lambda place: (place in spare, distance[place], -place))


@lru_cache(maxsize=4096)
def given_forms(entry: Given) -> tuple[str, ...]:
    """In full, its sentences with data, the data with few words around, the data."""
    _, _, windows, data = text_forms(entry.asked)
    brief = (windows, data) if data_in(entry.asked) else (keywords(entry.asked, most=4), keywords(entry.asked, most=2))
    texts = text_forms(entry.text)
    return tuple(
        _line(entry.turn, question, first_that_fits(texts[level:], _MOST_OF_AN_ENTRY))
        for level, question in enumerate((entry.asked, entry.asked, *brief))
    )


@lru_cache(maxsize=4096)
def instruction_forms(entry: Given) -> tuple[str, ...]:
    """In full, and without its filler: what it forbids or demands is never reduced to its data."""
    texts = (entry.text, windows_in(entry.text) or entry.text)
    return tuple(
        _line(entry.turn, entry.asked, first_that_fits(texts[level:], _MOST_OF_AN_INSTRUCTION)) for level in range(2)
    )


def _line(turn: int, asked: str, text: str) -> str:
    return f"- {turn}: {f'{asked} -> ' if asked else ''}{text}"


def text_forms(text: str) -> tuple[str, str, str, str]:
    with_data = " ".join(filter(carries_data, sentences_of(text))) or text
    windows = windows_in(text) or with_data
    return text, with_data, windows, bare_data(text) or windows


def first_that_fits(texts: Sequence[str], most: int) -> str:
    found = next((text for text in texts if len(text) <= most), texts[-1])
    return found if len(found) <= most else f"{found[:most]}…"


def size(lines: Sequence[str]) -> int:
    return sum(text_tokens(line) + 1 for line in lines)
