"""What holds for every tool, looked at all at once, so that a new one cannot be forgotten."""

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings

from mcp_server.app import published_tools
from mcp_server.bundled import schemas_dir
from mcp_server.errors import InvalidInput
from mcp_server.pipeline import arguments
from mcp_server.pipeline.declaration import Effect, Request
from mcp_server.published import compare_schemas
from mcp_server.tools import ALL_TOOLS
from tests.support.checks import case_modules
from tests.support.sample_plant import TOOLS
from tests.support.schema_values import values

PUBLISHED = {
    tool.name: tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in published_tools(ALL_TOOLS)
}
LARGEST_LIST_BYTES = 40_000
LARGEST_TOOL_BYTES = 5_000

VALID: dict[str, dict[str, Any]] = {name: given_ for module in case_modules() for name, given_ in module.VALID.items()}

every_tool = pytest.mark.parametrize("name", sorted(PUBLISHED))


def fields(schema: dict[str, Any], place: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every field of an input schema with its place; an item stands for all of a list."""
    for name, field in schema.get("properties", {}).items():
        yield (*place, name), field
        yield from fields(field, (*place, name))
        yield from fields(field.get("items", {}), (*place, name, 0))


def nodes(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from nodes(part)


def changed(arguments_: Any, place: tuple[str | int, ...], value: Any) -> Any:
    if not place:
        return value
    name, *rest = place
    if isinstance(name, int):
        return [changed(arguments_[0] if isinstance(arguments_, list) else {}, tuple(rest), value)]
    return arguments_ | {name: changed(arguments_.get(name, {}), tuple(rest), value)}


def shown(place: tuple[str | int, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")


EVERY_FIELD = [
    pytest.param(name, place, field, id=f"{name}-{shown(place)}")
    for name, tool in PUBLISHED.items()
    for place, field in fields(tool["inputSchema"])
]


def test_names_are_unique_and_of_one_spelling():
    assert len({tool.name for tool in ALL_TOOLS}) == len(ALL_TOOLS)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in PUBLISHED)


def test_the_written_schemas_are_the_published_ones():
    assert compare_schemas(schemas_dir(), PUBLISHED) == []


def test_there_are_valid_arguments_for_every_tool():
    assert set(VALID) == set(PUBLISHED)
    for name, given_ in VALID.items():
        jsonschema.validate(given_, PUBLISHED[name]["inputSchema"])
        arguments.parse(TOOLS[name].request, given_)


def test_the_list_of_tools_leaves_room_in_a_context():
    sizes = {name: len(json.dumps(tool, separators=(",", ":")).encode()) for name, tool in PUBLISHED.items()}
    assert max(sizes.values()) <= LARGEST_TOOL_BYTES
    assert sum(sizes.values()) <= LARGEST_LIST_BYTES


@every_tool
def test_a_tool_says_what_it_is(name: str):
    tool = PUBLISHED[name]
    assert len(tool["description"]) > 20
    assert tool["description"].endswith(".")


@every_tool
def test_hints_are_explicit_and_true(name: str):
    effect = TOOLS[name].effect
    assert PUBLISHED[name]["annotations"] == {
        "readOnlyHint": effect is Effect.READ,
        "destructiveHint": effect is Effect.DESTROY,
        "idempotentHint": True,
        "openWorldHint": False,
    }


@every_tool
def test_a_tool_that_reads_cannot_write(name: str):
    declared = TOOLS[name]
    assert declared.writes == ("dry_run" in declared.request.model_fields)
    assert declared.writes == ("verification" in declared.result.model_fields)


@every_tool
def test_schemas_are_valid_and_flat(name: str):
    tool = PUBLISHED[name]
    for schema in (tool["inputSchema"], tool["outputSchema"]):
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
        assert not {"$ref", "$defs", "anyOf"} & {key for node in nodes(schema) for key in node}


@every_tool
def test_what_is_filled_in_is_closed(name: str):
    objects = [node for node in nodes(PUBLISHED[name]["inputSchema"]) if node.get("type") == "object"]
    assert all(node["additionalProperties"] is False for node in objects)


@every_tool
def test_the_outline_of_a_result_names_what_is_always_there(name: str):
    result = TOOLS[name].result
    assert PUBLISHED[name]["outputSchema"]["required"] == [
        field
        for field, info in result.model_fields.items()
        if info.is_required() and field not in {"as_of", "source"}  # said once, of every read
    ]


@pytest.mark.parametrize(("name", "place", "field"), EVERY_FIELD)
def test_a_field_says_what_it_is_and_how_far_it_goes(name: str, place: tuple[str | int, ...], field: dict[str, Any]):
    assert field["description"], name
    assert field["type"] in {"integer", "number", "string", "array", "boolean"}
    if field["type"] == "array":
        field = field["items"]
    if field["type"] in {"integer", "number"}:
        assert field["minimum"] < field["maximum"]


def test_every_text_and_list_has_a_length_that_the_server_holds_it_to():
    """Lengths are not published: a host's context is dear, and nobody counts letters."""
    for tool in ALL_TOOLS:
        for place, node in typed(tool.request.model_json_schema(), "string"):
            assert {"enum", "maxLength", "format", "const"} & set(node), f"{tool.name}: {place}"
        for place, node in typed(tool.request.model_json_schema(), "array"):
            assert {"maxItems", "enum"} & set(node), f"{tool.name}: {place}"


def typed(node: Any, type_: str, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every part of a schema that has a type."""
    if isinstance(node, dict) and node.get("type") == type_:
        yield place, node
    for name, part in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from typed(part, type_, f"{place}/{name}")


LIMIT = re.compile(r"characters|items?\b|one of|allowed")

WRONG: dict[str, list[Any]] = {
    "integer": ["1", 2.0, True, [], 10**400, -(10**400), float("nan")],
    "number": ["1.5", True, {}, float("nan"), float("inf"), 10**400],
    "boolean": ["true", 1, 0.0, []],
    "string": [5, 1.5, True, ["x"], {"x": 1}, "", "  ", "a\x00b", "a\ud800b", "a\x1b[2Jb", "x" * 5_000],
    "array": ["ALPHA", {}, '["MC-101"]', 5, [None], [[[]]], ["x" * 5_000]],
}


@pytest.mark.parametrize(("name", "place", "field"), EVERY_FIELD)
def test_a_value_of_another_type_is_refused(name: str, place: tuple[str | int, ...], field: dict[str, Any]):
    for value in WRONG[field["type"]]:
        with pytest.raises(InvalidInput) as raised:
            arguments.parse(TOOLS[name].request, changed(VALID[name], place, value))
        assert (raised.value.field or "").startswith(shown(place)), value
        assert raised.value.suggestion
        assert not re.search("Input should|after validation|pydantic", f"{raised.value} {raised.value.also}")


@pytest.mark.parametrize(("name", "place", "field"), EVERY_FIELD)
def test_a_value_out_of_range_is_refused(name: str, place: tuple[str | int, ...], field: dict[str, Any]):
    beyond = {
        "minimum": lambda limit: limit - 1,
        "maximum": lambda limit: limit + 1,
        "minItems": lambda _: [],
        "maxItems": lambda limit: ["x"] * (limit + 1),
        "enum": lambda allowed: f"{allowed[0]}x",
        "format": lambda _: "1763805600",
    }
    for limit in beyond.keys() & field.keys():
        with pytest.raises(InvalidInput) as raised:
            arguments.parse(TOOLS[name].request, changed(VALID[name], place, beyond[limit](field[limit])))
        assert (raised.value.field or "").startswith(shown(place))


@every_tool
def test_an_unknown_name_is_refused_at_every_level(name: str):
    objects = [
        (*place, 0) if field["type"] == "array" else place
        for place, field in fields(PUBLISHED[name]["inputSchema"])
        if "properties" in field or "properties" in field.get("items", {})
    ]
    for place in [(), *objects]:
        inside = (*place, "colour")
        with pytest.raises(InvalidInput, match="is not an argument of this tool") as raised:
            arguments.parse(TOOLS[name].request, changed(VALID[name], inside, "red"))
        assert raised.value.field == shown(inside)
        assert "use one of" in raised.value.suggestion


@every_tool
def test_what_the_schema_allows_is_accepted_or_its_limit_is_named(name: str):
    @settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
    @given(values(PUBLISHED[name]["inputSchema"]))
    def accepted(allowed: dict[str, Any]) -> None:
        assert LIMIT.search(refusal(TOOLS[name].request, allowed) or "allowed")

    accepted()


def refusal(request: type[Request], given_: dict[str, Any]) -> str | None:
    try:
        arguments.parse(request, given_)
    except InvalidInput as failure:
        return f"{failure.message} {failure.suggestion}"
    return None
