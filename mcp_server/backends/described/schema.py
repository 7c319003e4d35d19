"""The JSON Schema of a description, for editors and for messages."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, cast

from mcp_server.backends.described.description import Description
from mcp_server.backends.described.kinds import RECORD_KINDS

__all__ = ["description_schema", "keys_at", "known_as"]

Schema = Mapping[str, Any]


@cache
def description_schema() -> dict[str, Any]:
    schema = Description.model_json_schema()
    schema["properties"]["records"]["propertyNames"] = {"enum": sorted(RECORD_KINDS)}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "A REST system of record: shopfloor-mcp serve --backend FILE.yaml",
        **schema,
    }


def keys_at(where: tuple[str | int, ...]) -> tuple[str, ...]:
    """The keys that may stand at a place of the file."""
    return tuple(dict.fromkeys(key for node in _nodes(where) for key in node.get("properties", {})))


def known_as(where: tuple[str | int, ...]) -> str:
    """What the key at a place of the file is for."""
    return next((node["description"] for node in _nodes(where, resolved=False) if "description" in node), "")


def _nodes(where: tuple[str | int, ...], *, resolved: bool = True) -> list[Schema]:
    nodes: list[Schema] = [description_schema()]
    for step in where:
        nodes = [below for node in nodes for branch in _branches(node) for below in _below(branch, step)]
    return [branch for node in nodes for branch in _branches(node)] if resolved else nodes


def _branches(node: Schema) -> Iterator[Schema]:
    """The node itself, or what it refers to or is one of."""
    if "$ref" in node:
        node = description_schema()["$defs"][node["$ref"].rpartition("/")[2]]
    inner = (*node.get("anyOf", ()), *node.get("oneOf", ()))
    yield node
    for part in inner:
        yield from _branches(part)


def _below(node: Schema, step: str | int) -> Iterator[Schema]:
    if isinstance(step, int):
        found = node.get("items")
    else:
        found = node.get("properties", {}).get(step, node.get("additionalProperties"))
    if isinstance(found, dict):
        yield cast("Schema", found)  # JSON objects have text keys
