"""The JSON Schemas the server publishes: flat, closed, without `$ref`, as hosts of every kind can read them."""

import copy
from typing import Any, Literal

from pydantic import BaseModel

__all__ = ["published_schema"]


def published_schema(model: type[BaseModel], mode: Literal["validation", "serialization"]) -> dict[str, Any]:
    """The schema of a request (`validation`), or the outline of a result (`serialization`).

    Every byte here is a byte of every conversation. A request is published whole, but for the lengths of its texts:
    nobody counts letters, and a refusal names the limit. A result is there when it is read: its outline names what is
    always in it, and leaves it open.

    References are inlined, titles dropped, and an optional field is one that may be left out: null is not offered as
    a value, since results leave absent fields out and requests need not send them.
    """
    schema = model.model_json_schema(mode=mode)
    definitions = schema.pop("$defs", {})
    schema.pop("description", None)  # a class docstring is for us
    flat = _flat(schema, definitions)
    return flat if mode == "validation" else {"type": "object", "required": flat["required"]}


def _flat(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    schema = _resolved(dict(node), definitions)
    for unpublished in ("title", "minLength", "maxLength"):
        schema.pop(unpublished, None)
    if "properties" in schema:
        schema["properties"] = {name: _flat(part, definitions) for name, part in schema["properties"].items()}
        schema.setdefault("additionalProperties", False)
    if "items" in schema:
        schema["items"] = _flat(schema["items"], definitions)
    return schema


def _resolved(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema with its own reference followed and the null branch of an optional field removed."""
    default = schema.get("default", ...)
    if default is None or default is False or default == []:  # what is left out is not wanted, and a list is empty
        schema.pop("default", None)
    if "anyOf" in schema:
        (branch,) = (branch for branch in schema.pop("anyOf") if branch.get("type") != "null")
        schema = branch | schema
    if "$ref" not in schema:
        return schema
    target = copy.deepcopy(definitions[schema.pop("$ref").rpartition("/")[2]])
    target.pop("description", None)
    return _resolved(target | schema, definitions)
