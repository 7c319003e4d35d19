"""What pydantic finds wrong with the shape of a description, in words that name the key and say what to write."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mcp_server.backends.described.schema import keys_at, known_as
from mcp_server.backends.described.source import Problem

__all__ = ["did_you_mean", "shape_problems"]

_WANTED = {
    "string_type": "must be a text; put it in quotes",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "dict_type": "must hold keys and values",
    "mapping_type": "must hold keys and values",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "model_type": "must hold keys and values",
    "model_attributes_type": "must hold keys and values",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "union_tag_not_found": "has no style; write style: none, offset, page, range or cursor",
}


def did_you_mean(given: str, known: Iterable[str]) -> str:
    known = list(known)
    close = get_close_matches(given, known, n=3, cutoff=0.6)
    return f"Did you mean {' or '.join(close)}?" if close else f"Known are {', '.join(known)}."


def shape_problems(error: ValidationError, data: Any) -> list[Problem]:  # noqa: ANN401 - YAML of any shape
    """One problem for every wrong key or value; of the forms a value may have, only the nearest is spoken of."""
    found: dict[tuple[str | int, ...], Problem] = {}
    for details in error.errors(include_url=False, include_input=False):
        where = _where(details["loc"], data, missing=details["type"] == "missing")
        found.setdefault(where, Problem(where, _message(details, where)))
    return list(found.values())


def _where(loc: Sequence[str | int], data: Any, *, missing: bool) -> tuple[str | int, ...]:  # noqa: ANN401 - as above
    """The place in the file: pydantic also names the form of a value it tried, which stands nowhere."""
    where: list[str | int] = []
    for index, step in enumerate(loc):
        if isinstance(data, Mapping) and step in data:
            data = data[step]  # pyright: ignore[reportUnknownVariableType] - YAML of any shape
        elif isinstance(data, Sequence) and not isinstance(data, str) and isinstance(step, int):
            data = data[step]  # pyright: ignore[reportUnknownVariableType] - as above
        elif not (missing and index == len(loc) - 1):
            continue
        where.append(step)
    return tuple(where)


def _message(details: ErrorDetails, where: tuple[str | int, ...]) -> str:
    context = details.get("ctx", {})
    match details["type"]:
        case "missing":
            return f"is missing. {_purpose(where)}"
        case "extra_forbidden":
            return f"is no known key. {did_you_mean(str(where[-1]), keys_at(where[:-1]))}"
        case "literal_error" | "enum":
            return f"must be {context['expected']}."
        case "union_tag_invalid":
            return f"has an unknown style. Known are {str(context['expected_tags']).replace(chr(39), '')}."
        case "value_error":
            return f"is wrong: {context['error']}."
        case "string_pattern_mismatch":
            return f"is not of the form that is needed. {_purpose(where)}"
        case kind if kind in _WANTED:
            return f"{_WANTED[kind]}. {_purpose(where)}".rstrip()
        case _:
            return f"is wrong: {details['msg']}. {_purpose(where)}".rstrip()


def _purpose(where: tuple[str | int, ...]) -> str:
    purpose = known_as(where)
    return f"It says: {purpose.rstrip('.')}." if purpose else ""
