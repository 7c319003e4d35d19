"""Tools in the words of the Messages API: the same bytes for equal input, or the prompt cache misses.

Two dicts are equal whatever the order of their keys. So tools go by name, keywords of a schema by the alphabet, and
properties as `required` lists them with the others after them: their order is the order in which a model writes.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from orchestrator_client.models.protocol import ToolSpec

if TYPE_CHECKING:
    from anthropic.types import ToolParam

__all__ = ["tool_parameters"]

_SCHEMAS_BY_NAME: Final = frozenset({"$defs", "definitions", "patternProperties", "dependentSchemas"})
_DATA: Final = frozenset({"const", "default", "enum", "examples", "required"})


def tool_parameters(tools: Iterable[ToolSpec], *, strict: bool) -> "list[ToolParam]":
    """`strict` says that the server can hold a model to a schema; which tools want it, each says for itself."""
    return [_tool(spec, strict=strict) for spec in sorted(tools, key=lambda spec: spec.name)]


def _tool(spec: ToolSpec, *, strict: bool) -> "ToolParam":
    tool: ToolParam = {"name": spec.name, "description": spec.description, "input_schema": _ordered(spec.input_schema)}
    if strict and spec.strict:
        tool["strict"] = True
    return tool


def _ordered(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {keyword: _value(keyword, schema[keyword], schema) for keyword in sorted(schema)}


def _value(keyword: str, value: object, schema: Mapping[str, Any]) -> object:
    if _is_object(value):
        if keyword == "properties":
            return {name: _schema(value[name]) for name in _required_first(value, schema.get("required"))}
        if keyword in _SCHEMAS_BY_NAME:
            return {name: _schema(value[name]) for name in sorted(value)}
    if keyword in _DATA:
        return _sorted_data(value)
    return [_schema(item) for item in value] if _is_list(value) else _schema(value)


def _schema(value: object) -> object:
    """A schema may also be true or false, and what is no schema stays as it is."""
    return _ordered(value) if _is_object(value) else value


def _required_first(properties: Mapping[str, object], required: object) -> list[str]:
    names = [name for name in required if name in properties] if _is_list(required) else []
    return [*dict.fromkeys(names), *sorted(properties.keys() - set(names))]


def _sorted_data(value: object) -> object:
    if _is_object(value):
        return {key: _sorted_data(value[key]) for key in sorted(value)}
    return [_sorted_data(item) for item in value] if _is_list(value) else value


def _is_object(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)
