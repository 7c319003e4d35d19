"""What a system of record may do wrong with a write or a reading, while it says that all is well or says nothing."""

import re
from enum import StrEnum
from typing import Any

__all__ = ["ETAG_LIES", "HANGS_UP", "READ_LIES", "STORES_NOTHING_AT_FIRST", "WRITE_LIES", "Columns", "Lie", "spoiled"]

Columns = dict[str, Any]


class Lie(StrEnum):
    """`after` and `before` are meant of storing."""

    STORES_NOTHING = "says 201 and stores nothing"
    DROPS_A_FIELD = "drops one field"
    CHANGES_A_NUMBER = "changes a number"
    TRUNCATES_A_TEXT = "truncates a text"
    ANSWERS_ANOTHER = "stores it and answers with another record"
    REPLAYS_ANOTHER = "stores nothing and replays another record, as if it knew the key"
    STORES_TWICE = "stores it twice"
    ARRIVES_LATE = "hangs up, and stores it while it is being looked for"
    ARRIVES_TOO_LATE = "hangs up, and stores it when everybody has given up"
    FAILS_AFTER = "answers 500 after"
    FAILS_BEFORE = "answers 500 before"
    EMPTY_AFTER = "answers nothing after"
    EMPTY_BEFORE = "answers nothing before"
    GARBAGE_AFTER = "answers with HTML after"
    GARBAGE_BEFORE = "answers with HTML before"
    CLOSES_AFTER = "closes the connection after"
    CLOSES_BEFORE = "closes the connection before"
    LOSES_KEYED = "answers 500 to a write with a key, and stores nothing"
    IGNORES_ETAG = "changes another state than the one it was asked to change"
    LIST_MISSES = "lists without the newest record"
    LIST_REPEATS = "lists a record twice"
    PAGE_REPEATS = "answers with the first page for ever"


READ_LIES = (Lie.LIST_MISSES, Lie.LIST_REPEATS, Lie.PAGE_REPEATS)
ETAG_LIES = (Lie.IGNORES_ETAG,)
WRITE_LIES = tuple(lie for lie in Lie if lie not in {*READ_LIES, *ETAG_LIES})
HANGS_UP = {Lie.CLOSES_AFTER, Lie.CLOSES_BEFORE, Lie.ARRIVES_LATE, Lie.ARRIVES_TOO_LATE}
STORES_NOTHING_AT_FIRST = {
    Lie.STORES_NOTHING,
    Lie.REPLAYS_ANOTHER,
    Lie.ARRIVES_LATE,
    Lie.ARRIVES_TOO_LATE,
    Lie.FAILS_BEFORE,
    Lie.EMPTY_BEFORE,
    Lie.GARBAGE_BEFORE,
    Lie.CLOSES_BEFORE,
    Lie.LOSES_KEYED,
}
_NAMES = {"code", "machine"}
_MINUTES = re.compile(r":(\d)\d")


def spoiled(lie: Lie, body: Columns) -> Columns:
    """What is stored instead of the body; what the record is found by stays."""
    told = {name: value for name, value in body.items() if name not in _NAMES and value not in (None, [])}
    match lie:
        case Lie.DROPS_A_FIELD:
            return {name: value for name, value in body.items() if name != [*told][-1]}
        case Lie.CHANGES_A_NUMBER:
            return {**body, **_another_number(told)}
        case Lie.TRUNCATES_A_TEXT:
            name = max((n for n, v in told.items() if isinstance(v, str)), key=lambda n: len(told[n]))
            return {**body, name: told[name][:-3]}
        case _:
            return body


def _another_number(told: Columns) -> Columns:
    """The last number plus four; without one, other minutes of a time."""
    numbers = [name for name, value in told.items() if isinstance(value, int | float)]
    if numbers:
        return {numbers[-1]: told[numbers[-1]] + 4}
    name = next(n for n, v in told.items() if isinstance(v, str) and _MINUTES.search(v))
    return {name: _MINUTES.sub(lambda match: f":{match[1]}9", told[name], count=1)}
