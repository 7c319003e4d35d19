"""The JSON Schemas the server publishes: flat, closed, without `$ref`, as hosts of every kind can read them."""

import copy
from typing import Any, Literal

from pydantic import BaseModel

__all__ = ["published_schema"]

_OUTLINED_LEVELS = 1
"""How deep the outline of a result names properties: the envelope and the records in it. Context is dear, and whoever
reads a result has it before them; what is filled in, a request, is published whole."""


def published_schema(model: type[BaseModel], mode: Literal["validation", "serialization"]) -> dict[str, Any]:
    """The schema of a request (`validation`), whole, or the outline of a result (`serialization`).

    References are inlined, titles dropped, and an optional field is one that may be left out: null is not offered as
    a value, since results leave absent fields out and requests need not send them.
    """
    schema = model.model_json_schema(mode=mode)
    definitions = schema.pop("$defs", {})
    schema.pop("description", None)  # a class docstring is for us
    flat = _flat(schema, definitions)
    if mode == "validation":
        return flat
    return _outline(flat, _OUTLINED_LEVELS) | {"required": flat["required"], "additionalProperties": False}


def _flat(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    schema = _resolved(dict(node), definitions)
    schema.pop("title", None)
    if "properties" in schema:
        schema["properties"] = {name: _flat(part, definitions) for name, part in schema["properties"].items()}
        schema.setdefault("additionalProperties", False)
    if "items" in schema:
        schema["items"] = _flat(schema["items"], definitions)
    return schema


def _resolved(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema with its own reference followed and the null branch of an optional field removed."""
    if schema.get("default", ...) is None:
        del schema["default"]
    if "anyOf" in schema:
        (branch,) = (branch for branch in schema.pop("anyOf") if branch.get("type") != "null")
        schema = branch | schema
    if "$ref" not in schema:
        return schema
    target = copy.deepcopy(definitions[schema.pop("$ref").rpartition("/")[2]])
    target.pop("description", None)
    return _resolved(target | schema, definitions)


def _outline(schema: dict[str, Any], levels: int) -> dict[str, Any]:
    """Types and, for so many levels of objects, the names of their properties."""
    outline: dict[str, Any] = {"type": schema["type"]}
    if "properties" in schema and levels:
        outline["properties"] = {name: _outline(part, levels - 1) for name, part in schema["properties"].items()}
    if "items" in schema:
        outline["items"] = _outline(schema["items"], levels)
    return outline
