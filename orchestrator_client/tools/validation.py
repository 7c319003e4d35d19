"""JSON Schema checks of what goes out and what comes back (Draft 2020-12).

Schemas come from a server we need not trust: a `$ref` that leaves the document is never fetched, and neither a
value nor a schema can exhaust the stack.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, Self, cast

from jsonschema import Draft202012Validator, FormatChecker, SchemaError, ValidationError, exceptions
from referencing import Registry
from referencing.exceptions import Unresolvable

from orchestrator_client.tools.catalog import ToolDescriptor

__all__ = ["Problem", "check_arguments", "check_result", "problem_of"]

MAX_DEPTH = 64  # jsonschema takes up to 8 frames a level through a recursive `$ref`; Python allows 1,000
MAX_VALUES = 50_000  # about half a second of checking, on the event loop
_MAX_PROBLEMS = 8
_NAME_LIMIT = 60
_CHOICES = 12


@dataclass(frozen=True, slots=True)
class Problem:
    """`path` reads like `rows[0].lsl`; empty means the whole value. `fault` says what is to blame."""

    path: str
    message: str
    fault: Literal["value", "schema"] = "value"

    def __str__(self) -> str:
        return f"{self.path} {self.message}" if self.path else self.message


def check_arguments(descriptor: ToolDescriptor, arguments: object) -> list[Problem]:
    """What the tool's input schema has against these arguments; empty when they may be sent."""
    return _check(descriptor.input_schema, arguments)


def check_result(descriptor: ToolDescriptor, structured: object) -> list[Problem]:
    """What the tool's output schema has against a result.

    A schema that describes something other than an object is left to the SDK, which checks the raw value.
    """
    schema = descriptor.output_schema
    if schema is None or schema.get("type", "object") != "object":
        return []
    if structured is None:
        return [Problem("", "the structured result is missing")]
    return _check(schema, structured)


def problem_of(error: ValidationError) -> Problem:
    """Say it without repeating the value, which may be long, secret, or an instruction to a model."""
    return _problems(error)[0]


def _check(schema: dict[str, Any], value: object) -> list[Problem]:
    if _too_large(value):
        return [Problem("", f"has more than {MAX_DEPTH} levels or {MAX_VALUES} values")]
    try:
        errors: Iterable[ValidationError] = _compiled(json.dumps(schema)).iter_errors(value)
        found = dict.fromkeys(problem for error in errors for problem in _problems(error))
    except SchemaError:
        return [Problem("", "cannot be checked: the published schema is not valid", "schema")]
    except Unresolvable:
        return [Problem("", "cannot be checked: the published schema refers to another document", "schema")]
    except RecursionError:
        return [Problem("", "cannot be checked: the published schema has no end", "schema")]
    return list(found)[:_MAX_PROBLEMS]


@lru_cache(maxsize=512)
def _compiled(schema_json: str) -> Any:  # noqa: ANN401  # jsonschema types its validators only in part
    """Raises SchemaError for what is not a schema. Compiling costs far more than checking, so it is done once."""
    schema = json.loads(schema_json)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, registry=Registry(), format_checker=FormatChecker(("date",)))


def _too_large(value: object) -> bool:
    level: list[object] = [value]
    seen = 0
    for _ in range(MAX_DEPTH + 1):
        seen += len(level)
        if not level or seen > MAX_VALUES:
            break
        level = [inner for outer in level for inner in _inside(outer)]
    return bool(level)


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return cast("dict[str, object]", value).values()  # isinstance leaves its type arguments unknown
    return cast("list[object]", value) if isinstance(value, list) else ()  # as above


@dataclass(frozen=True, slots=True)
class _Told:
    """The part of a jsonschema error we use, with types."""

    keyword: str
    wanted: Any  # the keyword's value in the schema: any JSON
    value: Any  # what broke it: any JSON
    schema: Mapping[str, Any]
    path: tuple[str | int, ...]

    @classmethod
    def of(cls, error: ValidationError) -> Self:
        told = cast("Any", exceptions.best_match([error]))  # pyright: ignore[reportUnknownMemberType]  # untyped there
        schema: Any = told.schema  # a mapping, or a bare true or false
        known = cast("dict[str, Any]", schema) if isinstance(schema, dict) else {}  # isinstance loses the types
        return cls(str(told.validator), told.validator_value, told.instance, known, tuple(told.absolute_path))


def _problems(error: ValidationError) -> list[Problem]:
    told = _Told.of(error)
    if told.keyword == "required":
        missing = [name for name in told.wanted if name not in told.value]
        return [Problem(_path(*told.path, name), "is missing") for name in missing]
    if told.keyword == "additionalProperties" and "patternProperties" not in told.schema:
        known = told.schema.get("properties", {})
        extra = [name for name in told.value if name not in known][:_MAX_PROBLEMS]
        return [Problem(_path(*told.path, name), f"is not a known field; known: {_listed(known)}") for name in extra]
    return [Problem(_path(*told.path), _demand(told.keyword, told.wanted))]


_DEMANDS = {
    "type": "must be of type {}",
    "const": "must be {}",
    "enum": "must be one of: {}",
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
    "multipleOf": "must be a multiple of {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minItems": "must have at least {} entries",
    "maxItems": "must have at most {} entries",
    "minProperties": "must have at least {} fields",
    "maxProperties": "must have at most {} fields",
    "pattern": "must match the pattern {}",
    "format": "must be a valid {}",
    "dependentRequired": "lacks a field that goes with another: {}",
}


def _demand(keyword: str, wanted: object) -> str:
    if keyword == "uniqueItems":
        return "must not repeat an entry"
    return _DEMANDS.get(keyword, "does not fit the schema (" + keyword + ")").format(_listed(wanted))


def _listed(wanted: object) -> str:
    """The value of a keyword; of an object, its names."""
    several = isinstance(wanted, list | dict)
    values = [str(value) for value in cast("Iterable[object]", wanted)] if several else [str(wanted)]  # JSON's arrays
    shown = ", ".join(_clip(value) for value in values[:_CHOICES])
    return f"{shown}, …" if len(values) > _CHOICES else shown


def _path(*steps: str | int) -> str:
    text = ""
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{_clip(step)}" if text else _clip(step)
    return text


def _clip(text: str) -> str:
    return text if len(text) <= _NAME_LIMIT else f"{text[:_NAME_LIMIT]}…"
