"""The last look at an answer: it must leave room in a model's context for the conversation it is part of."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

__all__ = ["MOST_CHARACTERS", "bounded"]

MOST_CHARACTERS = 75_000
"""Of an answer as compact JSON: under 25,000 tokens at 3 characters a token, which ids and numbers come to.

Pages of a list are made smaller than this; what remains is a single record with very many rows or steps.
"""


def bounded(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer, its largest lists shortened until it fits; a warning says what is missing and where it is whole."""
    if _size(answer) <= MOST_CHARACTERS:
        return answer
    shorter = deepcopy(answer)
    whole: dict[str, tuple[list[Any], int]] = {}
    while _size(shorter) > MOST_CHARACTERS:
        lists = list(_lists(shorter, ""))
        if not lists:
            break
        path, largest = max(lists, key=lambda found: _size(found[1]))
        whole.setdefault(path, (largest, len(largest)))
        del largest[len(largest) // 2 :]
    told = [f"{path}: {len(shown)} of {total} are shown; {_ELSEWHERE}" for path, (shown, total) in whole.items()]
    shorter["warnings"] = [*shorter.get("warnings", []), *told]
    return shorter


_ELSEWHERE = "the record's resource (plant://) has them all."


def _lists(value: Any, path: str) -> Iterator[tuple[str, list[Any]]]:  # noqa: ANN401 - JSON of any shape
    """Every list of more than one entry in an answer, but for its warnings."""
    if isinstance(value, dict):
        for name, part in value.items():  # pyright: ignore[reportUnknownVariableType] - JSON of any shape
            if name != "warnings":
                yield from _lists(part, f"{path}.{name}" if path else str(name))  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, list):
        if len(value) > 1:  # pyright: ignore[reportUnknownArgumentType]
            yield path, value  # pyright: ignore[reportUnknownVariableType]
        for position, part in enumerate(value):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            yield from _lists(part, f"{path}[{position}]")


def _size(value: Any) -> int:  # noqa: ANN401 - JSON of any shape
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
