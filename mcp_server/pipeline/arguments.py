"""First stage: raw arguments become a typed request, or a failure that names the field and the way out.

Strict: unknown names are refused, nothing is coerced (`"1"` is no number, `2.0` no integer, `true` neither).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mcp_server.errors import InvalidInput
from mcp_server.pipeline.declaration import Request
from mcp_server.pipeline.schema import published_schema

__all__ = ["canonical_json", "parse"]

Req = TypeVar("Req", bound=Request)
_MOST_TOLD = 10
_LONGEST_NAME = 60
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters but tab and line ends, and halves of surrogate pairs."""

_WORDING = {
    "missing": "is required",
    "extra_forbidden": "is not an argument of this tool",
    "enum": "is not one of the allowed values",
    "literal_error": "is not one of the allowed values",
    "string_type": "must be text",
    "int_type": "must be a whole number, without quotes",
    "float_type": "must be a number, without quotes",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false, without quotes",
    "tuple_type": "must be a list",
    "model_type": "must be an object",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "timezone_aware": "must say its offset from UTC, such as 2026-11-22T08:00:00Z",
}


def parse(request: type[Req], arguments: Mapping[str, Any]) -> Req:
    """The request, checked against its model.

    Raises:
        InvalidInput: the first problem in `field` and `message`, further ones in `also`.
    """
    try:
        text = json.dumps(arguments)
    except (RecursionError, ValueError, TypeError) as error:
        raise _unreadable() from error
    for path, value in _strings(arguments, ""):
        _refuse_unprintable(path, value)
    try:
        return request.model_validate_json(text)
    except ValidationError as error:
        raise _failure(request, error.errors(include_url=False, include_input=False)) from None


def canonical_json(value: object) -> str:
    """The one spelling of a JSON value, for hashing: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _unreadable() -> InvalidInput:
    return InvalidInput(
        "The arguments are not JSON that can be read.",
        suggestion="Send one plain JSON object, nested no deeper than the tool's schema.",
    )


def _failure(request: type[Request], problems: Sequence[ErrorDetails]) -> InvalidInput:
    if problems[0]["type"] == "json_invalid":
        return _unreadable()
    told = [(_path(p["loc"]), _message(p), p) for p in _innermost(problems)[:_MOST_TOLD]]
    field, message, problem = told[0]
    suggestion, alternatives = _way_out(request, problem)
    return InvalidInput(
        f"{field}: {message}.",
        field=field,
        suggestion=suggestion,
        alternatives=alternatives,
        also=[f"{path}: {text}" for path, text, _ in told[1:]],
    )


def _innermost(problems: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """The problems without those that merely follow from one deeper inside: a list is not empty if its item is bad."""
    outer = {p["loc"][:length] for p in problems for length in range(len(p["loc"]))}
    return [problem for problem in problems if problem["loc"] not in outer]


def _message(problem: ErrorDetails) -> str:
    wording = _WORDING.get(problem["type"])
    if wording is None:
        return problem["msg"].replace("Input should be", "must be")
    text = wording.format(**problem.get("ctx", {}))
    return re.sub(r"\b1 (item|character)s$", r"1 \1", text)


def _way_out(request: type[Request], problem: ErrorDetails) -> tuple[str, Sequence[str]]:
    """What to do, and values that would do."""
    name = str(problem["loc"][-1])
    match problem["type"]:
        case "missing":
            description = _object_at(request, problem["loc"]).get(name, {}).get("description")
            return f"Give {name} ({description})." if description else f"Give {name}.", ()
        case "extra_forbidden":
            known = list(_object_at(request, problem["loc"]))
            return f"Remove it, or use one of: {', '.join(known)}.", get_close_matches(name[:_LONGEST_NAME], known)
        case "enum" | "literal_error":
            allowed = re.findall(r"'([^']+)'", str(problem.get("ctx", {}).get("expected")))
            return "Use one of the alternatives, as text.", allowed
        case _:
            return "Correct it and call again.", ()


def _object_at(request: type[Request], place: Sequence[str | int]) -> dict[str, Any]:
    """The published properties of the object that the last part of a place stands in."""
    schema = _schema(request)
    for part in place[:-1]:
        schema = schema["items"] if isinstance(part, int) else schema["properties"][part]
    return schema["properties"]


@cache
def _schema(request: type[Request]) -> dict[str, Any]:
    return published_schema(request, "validation")


def _path(place: Sequence[str | int]) -> str:
    path = ""
    for part in place:
        path = f"{path}[{part}]" if isinstance(part, int) else _joined(path, part)
    return path


def _joined(path: str, name: str) -> str:
    shown = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
    shown = _UNPRINTABLE.sub("?", shown)
    return f"{path}.{shown}" if path else shown


def _strings(value: Any, path: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - JSON of any shape
    match value:
        case str():
            yield path, value
        case dict():
            for name, part in value.items():  # pyright: ignore[reportUnknownVariableType] - JSON of any shape
                yield from _strings(part, _joined(path, str(name)))  # pyright: ignore[reportUnknownArgumentType]
        case list():
            for position, part in enumerate(value):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
                yield from _strings(part, f"{path}[{position}]")
        case _:
            pass


def _refuse_unprintable(path: str, value: str) -> None:
    if not value.strip():
        raise InvalidInput(
            f"{path}: must not be blank.", field=path, suggestion="Give a value, or leave the field out."
        )
    if _UNPRINTABLE.search(value):
        raise InvalidInput(
            f"{path}: holds characters that are no text.",
            field=path,
            suggestion="Send plain Unicode text, without control characters.",
        )
