from typing import Any

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from orchestrator_client.tools import validation
from orchestrator_client.tools.catalog import ToolDescriptor
from orchestrator_client.tools.validation import Problem, check_arguments, check_result


def tool(properties: dict[str, Any] | None = None, **schema: Any) -> ToolDescriptor:
    full = {"type": "object", "properties": properties or {}, "additionalProperties": False} | schema
    return ToolDescriptor("a_tool", "A tool", "", full, output_schema=full)


def said(descriptor: ToolDescriptor, arguments: object) -> list[str]:
    return [str(problem) for problem in check_arguments(descriptor, arguments)]


def test_what_fits_has_no_problem() -> None:
    assert check_arguments(tool({"note": {"type": "string"}}, required=["note"]), {"note": "n"}) == []


def test_every_missing_field_is_named_once() -> None:
    descriptor = tool({"a": {}, "b": {}, "c": {}}, required=["a", "b", "c"])
    assert check_arguments(descriptor, {"b": 1}) == [Problem("a", "is missing"), Problem("c", "is missing")]


def test_a_path_leads_into_lists_and_objects() -> None:
    row = {"type": "object", "properties": {"lsl": {"type": "number"}}, "required": ["lsl"]}
    descriptor = tool({"rows": {"type": "array", "items": row}})
    assert said(descriptor, {"rows": [{"lsl": "low"}, {}]}) == [
        "rows[0].lsl must be of type number",
        "rows[1].lsl is missing",
    ]


def test_an_unknown_field_is_named_beside_the_known_ones() -> None:
    descriptor = tool({"machine_id": {}, "line": {}})
    assert said(descriptor, {"machine": "M-1"}) == ["machine is not a known field; known: machine_id, line"]


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        ({"type": "integer"}, True, "x must be of type integer"),
        ({"type": ["integer", "null"]}, "a", "x must be of type integer, null"),
        ({"enum": ["low", "high"]}, "mid", "x must be one of: low, high"),
        ({"const": 1}, 2, "x must be 1"),
        ({"minimum": 1}, 0, "x must be at least 1"),
        ({"exclusiveMaximum": 1}, 1, "x must be less than 1"),
        ({"maxLength": 2}, "abc", "x must have at most 2 characters"),
        ({"pattern": "^M-"}, "N-1", "x must match the pattern ^M-"),
        ({"minItems": 1}, [], "x must have at least 1 entries"),
        ({"uniqueItems": True}, [1, 1], "x must not repeat an entry"),
        ({"format": "date"}, "2026-02-30", "x must be a valid date"),
        ({"not": {"type": "string"}}, "a", "x does not fit the schema (not)"),
        ({"anyOf": [{"type": "string", "enum": ["A", "B"]}, {"type": "null"}]}, "C", "x must be one of: A, B"),
    ],
)
def test_a_problem_says_what_would_be_right(schema: dict[str, Any], value: object, message: str) -> None:
    assert said(tool({"x": schema}), {"x": value}) == [message]


def test_dependent_fields_are_checked() -> None:
    descriptor = tool({"lsl": {}, "unit": {}}, dependentRequired={"lsl": ["unit"]})
    assert len(check_arguments(descriptor, {"lsl": 1})) == 1
    assert check_arguments(descriptor, {"lsl": 1, "unit": "mm"}) == []


def test_a_message_never_repeats_the_value_and_never_grows_with_it() -> None:
    descriptor = tool({"x": {"type": "integer"}, "y": {"enum": [f"{n}" * 100 for n in range(100)]}})
    arguments = {"x": "secret", "y": "secret", **{f"{number}" * 5_000: "secret" for number in range(50)}}
    text = " ".join(said(descriptor, arguments))
    assert "secret" not in text
    assert len(text) < 3_000


@pytest.mark.parametrize("value", [[], "text", 7, None])
def test_arguments_are_an_object(value: object) -> None:
    assert said(tool(), value) == ["must be of type object"]


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"next": value}
    return value


RECURSIVE = tool({"next": {"$ref": "#/$defs/node"}}, **{"$defs": {"node": {"properties": {"next": {"$ref": "#"}}}}})


def test_a_value_up_to_the_depth_limit_is_checked_through_a_recursive_schema() -> None:
    assert check_arguments(RECURSIVE, nested(validation.MAX_DEPTH)) == []


def test_a_deeper_value_is_refused_and_not_descended_into() -> None:
    refusal = [Problem("", "has more than 64 levels or 50000 values")]
    assert check_arguments(RECURSIVE, nested(validation.MAX_DEPTH + 1)) == refusal
    assert check_arguments(RECURSIVE, nested(100_000)) == refusal


def test_a_value_with_too_many_parts_is_refused() -> None:
    descriptor = tool({"rows": {"type": "array"}})
    assert check_arguments(descriptor, {"rows": [0] * 49_000}) == []
    assert len(check_arguments(descriptor, {"rows": [0] * 51_000})) == 1


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "objekt"}, "not valid"),
        ({"$ref": "#/$defs/absent"}, "refers to another document"),
        ({"$ref": "#"}, "has no end"),
    ],
)
def test_an_unusable_schema_is_the_schema_s_fault(schema: dict[str, Any], reason: str) -> None:
    (problem,) = check_arguments(ToolDescriptor("a_tool", "A tool", "", schema), {"x": 1})
    assert problem.fault == "schema"
    assert reason in problem.message


@pytest.mark.anyio
async def test_a_remote_reference_is_never_fetched() -> None:
    visits: list[str] = []

    async def visited(stream: SocketStream) -> None:
        async with stream:
            visits.append("somebody came")

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as canary, anyio.create_task_group() as tasks:
        tasks.start_soon(canary.serve, visited)
        address = f"http://127.0.0.1:{canary.extra(SocketAttribute.local_port)}/schema.json"
        descriptor = tool({"x": {"$ref": address}})
        found = await anyio.to_thread.run_sync(check_arguments, descriptor, {"x": 1})
        answer = await anyio.to_thread.run_sync(check_result, descriptor, {"x": 1})
        async with await anyio.connect_tcp("127.0.0.1", canary.extra(SocketAttribute.local_port)) as own:
            with pytest.raises(anyio.EndOfStream):
                await own.receive()
        tasks.cancel_scope.cancel()
    assert visits == ["somebody came"]  # our own visit, which shows that the canary sings
    assert [problem.fault for problem in found + answer] == ["schema", "schema"]


def test_a_result_is_checked_when_the_tool_promises_one() -> None:
    descriptor = tool({"n": {"type": "integer"}}, required=["n"])
    assert check_result(descriptor, {"n": 1}) == []
    assert check_result(descriptor, {"n": "one"}) == [Problem("n", "must be of type integer")]
    assert check_result(descriptor, None) == [Problem("", "the structured result is missing")]
    assert check_result(ToolDescriptor("a_tool", "A tool", "", {}), None) == []


def test_a_schema_is_compiled_once() -> None:
    descriptor = tool({"once": {"type": "string"}})
    before = validation._compiled.cache_info().misses
    for _ in range(5):
        check_arguments(descriptor, {})
    assert validation._compiled.cache_info().misses == before + 1
