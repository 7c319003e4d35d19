"""The JSON Schemas the server publishes: flat, closed, without `$ref`, as hosts of every kind can read them."""

import copy
from typing import Any, Literal

from pydantic import BaseModel

__all__ = ["published_schema"]

_OF_EVERY_READ = frozenset({"as_of", "source"})


def published_schema(model: type[BaseModel], mode: Literal["validation", "serialization"]) -> dict[str, Any]:
    """The schema of a request (`validation`), or the outline of a result (`serialization`).

    Every byte here is a byte of every conversation. A request is published whole, but for the lengths of its texts
    and lists: nobody counts letters, and a refusal names the limit. A result is there when it is read: its outline
    names what is always in it, beside `as_of` and `source` of every read, and leaves it open.

    References are inlined, titles dropped, and an optional field is one that may be left out: null is not offered as
    a value, since results leave absent fields out and requests need not send them.
    """
    schema = model.model_json_schema(mode=mode)
    definitions = schema.pop("$defs", {})
    schema.pop("description", None)  # a class docstring is for us
    flat = _flat(schema, definitions)
    if mode == "validation":
        return flat
    return {"type": "object", "required": [name for name in flat["required"] if name not in _OF_EVERY_READ]}


def _flat(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    schema = _resolved(dict(node), definitions)
    for unpublished in ("title", "minLength", "maxLength", "minItems", "maxItems"):
        schema.pop(unpublished, None)
    if schema.pop("x-listed-elsewhere", False):
        del schema["enum"]
    if "properties" in schema:
        schema["properties"] = {name: _flat(part, definitions) for name, part in schema["properties"].items()}
        schema.setdefault("additionalProperties", False)
    if "items" in schema:
        schema["items"] = _flat(schema["items"], definitions)
    return schema


def _resolved(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema with its own reference followed and the null branch of an optional field removed."""
    if not schema.get("default", True):  # what is left out is nothing: not given, not wanted, none
        del schema["default"]
    if "anyOf" in schema:
        (branch,) = (branch for branch in schema.pop("anyOf") if branch.get("type") != "null")
        schema = branch | schema
    if "$ref" not in schema:
        return schema
    target = copy.deepcopy(definitions[schema.pop("$ref").rpartition("/")[2]])
    target.pop("description", None)
    return _resolved(target | schema, definitions)
