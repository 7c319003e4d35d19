import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator_client.models.guided.schema import is_list_of_objects, is_object_with_fields, simplified

TOOLS = sorted((Path(__file__).parents[4] / "schemas" / "tools").glob("*.json"))


@pytest.mark.parametrize(
    ("schema", "simple"),
    [
        ({"type": ["integer", "null"], "minimum": 1}, {"type": "integer", "minimum": 1}),
        ({"anyOf": [{"type": "null"}, {"type": "number"}], "title": "T"}, {"type": "number", "title": "T"}),
        ({"oneOf": [{"type": "boolean"}, {"type": "string"}]}, {"type": "boolean"}),
        ({"const": "full"}, {"const": "full", "enum": ["full"], "type": "string"}),
        ({"enum": ["a", None]}, {"enum": ["a"], "type": "string"}),
        ({"items": {}}, {"items": {"type": "string"}, "type": "array"}),
        ({"properties": {}}, {"properties": {}, "type": "object"}),
        ({}, {"type": "string"}),
        ({"type": ["null"]}, {"type": "string"}),
        ({"anyOf": [{"type": "null"}]}, {"type": "string"}),
        ({"allOf": [{"type": "string"}, {"minLength": 2}]}, {"type": "string", "minLength": 2}),
    ],
)
def test_every_part_has_one_type(schema: dict[str, Any], simple: dict[str, Any]) -> None:
    assert simplified(schema) == simple


def test_references_inside_the_document_are_followed() -> None:
    schema = {
        "type": "object",
        "properties": {
            "row": {"$ref": "#/$defs/Row", "description": "one row"},
            "rows": {"items": {"$ref": "#/$defs/Row"}},
        },
        "$defs": {
            "Row": {"type": "object", "properties": {"size": {"$ref": "#/$defs/a~1b"}}},
            "a/b": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        },
    }
    parts = simplified(schema)["properties"]
    assert parts["row"]["description"] == "one row"
    assert parts["row"]["properties"]["size"] == {"type": "integer"}
    assert is_object_with_fields(parts["row"])
    assert is_list_of_objects(parts["rows"])


@pytest.mark.parametrize("reference", ["https://example.com/schema.json", "#/$defs/Missing", "other.json#/x"])
def test_a_reference_that_leads_nowhere_is_text(reference: str) -> None:
    assert simplified({"properties": {"a": {"$ref": reference}}})["properties"]["a"]["type"] == "string"


@pytest.mark.parametrize(
    "node",
    [
        {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}},
        {"$ref": "#/$defs/Node"},
        {"anyOf": [{"$ref": "#/$defs/Node"}]},
    ],
)
def test_a_type_that_contains_itself_comes_to_an_end(node: dict[str, Any]) -> None:
    schema = {"properties": {"node": {"$ref": "#/$defs/Node"}}, "$defs": {"Node": node}}
    here, depth = simplified(schema)["properties"]["node"], 0
    while is_object_with_fields(here):
        here, depth = here["properties"]["next"], depth + 1
    assert here["type"] == "object"
    assert depth < 20


@pytest.mark.parametrize("path", TOOLS, ids=lambda path: path.stem)
def test_our_own_schemas_mean_the_same_afterwards(path: Path) -> None:
    schema = json.loads(path.read_text())["inputSchema"]
    assert simplified(schema) == schema


def test_only_lists_of_objects_with_fields_are_asked_for_field_by_field() -> None:
    assert not is_list_of_objects({"type": "array", "items": {"type": "object"}})
    assert not is_list_of_objects({"type": "array", "items": {"type": "string"}})
    assert not is_object_with_fields({"type": "object"})
