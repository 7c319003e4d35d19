"""The JSON Schemas the server publishes: flat, closed, without `$ref`, as hosts of every kind can read them."""

import copy
from typing import Any, Literal

from pydantic import BaseModel

__all__ = ["published_schema"]

_OUTLINE = {"type", "properties", "required", "items", "anyOf", "additionalProperties", "enum"}
"""What a result's schema keeps. Ranges and texts are for those who fill something in; context is dear."""

_LONGEST_ENUM = 4


def published_schema(model: type[BaseModel], mode: Literal["validation", "serialization"]) -> dict[str, Any]:
    """The schema of a request (`validation`), whole, or the outline of a result (`serialization`).

    References are inlined, titles dropped, and an optional field is one that may be left out: null is not offered as
    a value, since results leave absent fields out and requests need not send them.
    """
    schema = model.model_json_schema(mode=mode)
    definitions = schema.pop("$defs", {})
    flat: dict[str, Any] = _flatten(schema, definitions, outline=mode == "serialization")
    flat.pop("description", None)
    return flat


def _flatten(node: Any, definitions: dict[str, Any], *, outline: bool) -> Any:  # noqa: ANN401 - JSON of any shape
    if isinstance(node, list):
        return [_flatten(part, definitions, outline=outline) for part in node]  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(node, dict):
        return node
    schema = _resolved(dict(node), definitions)  # pyright: ignore[reportUnknownArgumentType]
    schema.pop("title", None)
    if schema.get("type") == "object":
        schema.setdefault("additionalProperties", False)
    if outline:
        if len(schema.get("enum", ())) > _LONGEST_ENUM:
            del schema["enum"]
        schema = {name: part for name, part in schema.items() if name in _OUTLINE}
    if "properties" in schema:
        properties = schema["properties"]
        schema["properties"] = {n: _flatten(p, definitions, outline=outline) for n, p in properties.items()}
    for name in ("items", "anyOf"):
        if name in schema:
            schema[name] = _flatten(schema[name], definitions, outline=outline)
    return schema


def _resolved(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema with its own reference followed and the null branch of an optional field removed."""
    if schema.get("default", ...) is None:
        del schema["default"]
    branches = [branch for branch in schema.get("anyOf", []) if branch.get("type") != "null"]
    if len(branches) == 1:
        del schema["anyOf"]
        schema = branches[0] | schema
    if "$ref" not in schema:
        return schema
    target = copy.deepcopy(definitions[schema.pop("$ref").rpartition("/")[2]])
    target.pop("description", None)  # a class docstring is for us; the field's description is for the caller
    return _resolved(target | schema, definitions)
