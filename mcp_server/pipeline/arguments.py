"""First stage: raw arguments become a typed request, or a failure that names the field and the way out.

Strict: unknown names are refused, nothing is coerced (`"1"` is no number, `2.0` no integer, `true` neither).
"""

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mcp_server.errors import InvalidInput
from mcp_server.pipeline.declaration import Request

__all__ = ["canonical_json", "parse"]

Req = TypeVar("Req", bound=Request)
_MAX_ALSO = 9
_ALLOWED_CONTROLS = frozenset("\n\t")


def parse(request: type[Req], arguments: Mapping[str, Any]) -> Req:
    """The request, checked against its model.

    Raises:
        InvalidInput: the first problem in `field` and `message`, further ones in `also`.
    """
    try:
        text = json.dumps(arguments)
    except (RecursionError, ValueError, TypeError) as error:
        raise InvalidInput("The arguments are not JSON that can be read.", suggestion="Send plain JSON.") from error
    for path, value in _strings(arguments, ""):
        _refuse_unprintable(path, value)
    try:
        return request.model_validate_json(text)
    except ValidationError as error:
        raise _failure(request, error.errors(include_url=False, include_input=False)) from None


def canonical_json(value: object) -> str:
    """The one spelling of a JSON value, for hashing: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _failure(request: type[Request], problems: list[ErrorDetails]) -> InvalidInput:
    told = [(_path(problem), *_explain(request, problem)) for problem in problems]
    field, message, suggestion, alternatives = told[0]
    return InvalidInput(
        f"{field}: {message}." if field else f"{message}.",
        field=field or None,
        suggestion=suggestion,
        alternatives=alternatives,
        also=[f"{path}: {text}" for path, text, _, _ in told[1 : _MAX_ALSO + 1]],
    )


def _explain(request: type[Request], problem: ErrorDetails) -> tuple[str, str, list[str]]:
    """What is wrong, what to do, and values that would do."""
    context = problem.get("ctx", {})
    match problem["type"]:
        case "missing":
            return "is required", f"Give {problem['loc'][-1]}{_hint(request, problem)}.", []
        case "extra_forbidden":
            known = _siblings(request, problem)
            close = get_close_matches(str(problem["loc"][-1]), known, n=3)
            return "is not an argument of this tool", f"Remove it, or use one of: {', '.join(known)}.", close
        case "enum" | "literal_error":
            allowed = [part.strip("' ") for part in str(context["expected"]).replace(" or ", ", ").split(", ")]
            return "is not one of the allowed values", "Use one of the alternatives.", allowed
        case "json_invalid":
            return "The arguments are not JSON that can be read", "Send plain JSON.", []
        case _:
            wording = problem["msg"].replace("Input should be", "must be").replace("should have", "must have")
            return wording[0].lower() + wording[1:], "Correct it and call again.", []


def _hint(request: type[Request], problem: ErrorDetails) -> str:
    field = request.model_fields.get(str(problem["loc"][-1])) if len(problem["loc"]) == 1 else None
    return f" ({field.description})" if field is not None and field.description else ""


def _siblings(request: type[Request], problem: ErrorDetails) -> list[str]:
    """The names that are known where the unknown one stands."""
    schema: Any = request.model_json_schema()
    definitions = schema.get("$defs", {})
    for part in problem["loc"][:-1]:
        schema = schema["items"] if isinstance(part, int) else schema["properties"][part]
        while "$ref" in schema:
            schema = definitions[schema["$ref"].rpartition("/")[2]]
    return list(schema.get("properties", {}))


def _path(problem: ErrorDetails) -> str:
    path = ""
    for part in problem["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path


def _strings(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for name, part in value.items():  # pyright: ignore[reportUnknownVariableType] - JSON of any shape
            yield from _strings(part, f"{path}.{name}" if path else str(name))  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, list | tuple):
        for position, part in enumerate(value):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            yield from _strings(part, f"{path}[{position}]")  # pyright: ignore[reportUnknownArgumentType]


def _refuse_unprintable(path: str, value: str) -> None:
    if not value.strip():
        raise InvalidInput(
            f"{path}: must not be blank.", field=path, suggestion="Give a value, or leave the field out."
        )
    if any(ord(character) < 32 and character not in _ALLOWED_CONTROLS for character in value):
        raise InvalidInput(f"{path}: holds control characters.", field=path, suggestion="Send plain text.")
    if any(0xD800 <= ord(character) <= 0xDFFF for character in value):
        raise InvalidInput(f"{path}: holds half a character.", field=path, suggestion="Send valid Unicode text.")
