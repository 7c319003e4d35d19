import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from mcp import Client, MCPError
from mcp.types import INVALID_PARAMS, CallToolResult

from mcp_server import identity
from mcp_server.app import DEADLINE_KEY, build_server, published_tools
from mcp_server.backends.opening import open_backend
from mcp_server.pipeline.idempotency import META_KEY
from mcp_server.settings import Settings
from mcp_server.surface.selection import TOOLSETS
from mcp_server.tools import ALL_TOOLS
from tests.support.checks import case_modules
from tests.support.sample_plant import CLOCK, TOOLS, SamplePlant, control_plan, plan_row, report, sample_plant

pytestmark = pytest.mark.anyio

ERAS = ["auto", "legacy"]
OUTPUTS = {tool.name: tool.output_schema for tool in published_tools(ALL_TOOLS)}

CALLS: dict[str, dict[str, Any]] = {name: given for module in case_modules() for name, given in module.VALID.items()}
"""A call of every tool that its schema allows."""


@asynccontextmanager
async def connected(directory: Path, era: str) -> AsyncGenerator[tuple[Client, SamplePlant]]:
    async with (
        sample_plant(directory) as plant,
        Client(build_server(plant.backend, CLOCK), mode=era, raise_exceptions=True) as client,
    ):
        yield client, plant


def content(result: CallToolResult) -> dict[str, Any]:
    """The structured content, which the text repeats."""
    assert result.structured_content is not None
    assert [json.loads(block.text) for block in result.content if block.type == "text"] == [result.structured_content]
    return result.structured_content


@pytest.mark.parametrize("era", ERAS)
async def test_hosts_of_both_eras_see_the_same_tools(tmp_path: Path, era: str):
    async with connected(tmp_path, era) as (client, _):
        listed = (await client.list_tools()).tools
        assert listed == list(published_tools(ALL_TOOLS))
        assert [tool.name for tool in listed] == sorted(TOOLS)


async def test_the_server_says_who_it_is(tmp_path: Path):
    async with connected(tmp_path, "auto") as (client, _):
        assert (client.server_info.name, client.server_info.version) == (identity.NAME, identity.VERSION)
        assert client.instructions == identity.INSTRUCTIONS
        assert all(toolset in identity.INSTRUCTIONS for toolset in TOOLSETS)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("name", OUTPUTS)
async def test_an_answer_fits_its_schema_and_its_text_says_the_same(tmp_path: Path, name: str, era: str):
    async with connected(tmp_path, era) as (client, _):
        result = await client.call_tool(name, CALLS[name])
        answer = content(result)
        if result.is_error:  # a rule of the trade, in a plant that is not prepared for this call
            assert TOOLS[name].writes
            assert answer["error"]["code"] in {"precondition", "conflict", "not_found", "confirmation_required"}
        else:
            jsonschema.validate(answer, OUTPUTS[name] or {})


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("name", OUTPUTS)
async def test_a_refusal_is_one_object_that_teaches(tmp_path: Path, name: str, era: str):
    async with connected(tmp_path, era) as (client, plant):
        before = plant.counts()
        result = await client.call_tool(name, CALLS[name] | {"colour": "red"})
        assert result.is_error
        error = content(result)["error"]
        assert (error["code"], error["field"]) == ("validation", "colour")
        assert error["message"].endswith(".")
        assert error["suggestion"]
        assert (error["retryable"], error["outcome_known"]) == (False, True)
        assert plant.counts() == before


@pytest.mark.parametrize("era", ERAS)
async def test_a_refusal_by_the_plant_names_what_would_work_and_leaves_only_its_audit(tmp_path: Path, era: str):
    async with connected(tmp_path, era) as (client, plant):
        before = plant.counts()
        error = content(await client.call_tool("log_issue", report(machine_id="LT-l31")))["error"]
        assert (error["code"], error["field"]) == ("not_found", "machine_id")
        assert "LT-131" in error["alternatives"]
        after = plant.counts()
        assert {table for table in after if after[table] != before.get(table)} <= {"audit_log", "sqlite_sequence"}


@pytest.mark.parametrize("era", ERAS)
async def test_a_tool_that_is_not_offered_is_not_listed_and_as_unknown_as_any(tmp_path: Path, era: str):
    offered = [tool for tool in ALL_TOOLS if not tool.writes]
    async with (
        sample_plant(tmp_path) as plant,
        Client(build_server(plant.backend, CLOCK, offered), mode=era, raise_exceptions=True) as client,
    ):
        before = plant.counts()
        assert {tool.name for tool in (await client.list_tools()).tools} == {tool.name for tool in offered}
        with pytest.raises(MCPError) as hidden:
            await client.call_tool("log_issue", report())
        with pytest.raises(MCPError) as unknown:
            await client.call_tool("log_issues", report())
        assert hidden.value.code == unknown.value.code == INVALID_PARAMS
        assert f"{hidden.value.message}s" == unknown.value.message
        assert plant.counts() == before


@pytest.mark.parametrize("era", ERAS)
async def test_an_unknown_tool_is_a_protocol_error(tmp_path: Path, era: str):
    async with connected(tmp_path, era) as (client, _):
        with pytest.raises(MCPError) as raised:
            await client.call_tool("drop_everything" * 50, {})
        assert raised.value.code == INVALID_PARAMS
        assert raised.value.message.startswith("Unknown tool: drop_everything")
        assert len(raised.value.message) < 120


@pytest.mark.parametrize("era", ERAS)
async def test_a_plan_is_written_and_read_again_through_the_protocol(tmp_path: Path, era: str):
    async with connected(tmp_path, era) as (client, _):
        plan = control_plan(plan_row("SP-001", lsl=57.002), plan_row("SP-003", gauge_id="GG-02"))
        written = content(await client.call_tool("create_quality_plan", plan))
        read = content(await client.call_tool("get_quality_plans", {"project": "ALPHA", "id": written["record"]["id"]}))
        [plan_read] = read["items"]
        assert plan_read | written["record"] == plan_read


@pytest.mark.parametrize("era", ERAS)
async def test_a_key_in_the_meta_makes_a_write_repeatable(tmp_path: Path, era: str):
    async with connected(tmp_path, era) as (client, _):
        meta: Any = {META_KEY: "session-1/turn-2/call-3"}
        first = content(await client.call_tool("log_issue", report(force_new=True), meta=meta))
        again = content(await client.call_tool("log_issue", report(force_new=True), meta=meta))
        assert again == first | {"replayed": True}
        other = content(await client.call_tool("log_issue", report(title="Something else"), meta=meta))
        assert other["error"]["code"] == "conflict"


@pytest.mark.parametrize(
    ("meta", "code"),
    [
        ({META_KEY: 12345678}, "validation"),
        ({META_KEY: ["a-key-of-mine"]}, "validation"),
        ({META_KEY: "short"}, "validation"),
        ({DEADLINE_KEY: "soon"}, "validation"),
        ({DEADLINE_KEY: True}, "validation"),
        ({DEADLINE_KEY: 0}, "deadline_exceeded"),
        ({DEADLINE_KEY: -(10**400)}, "deadline_exceeded"),
    ],
)
async def test_what_makes_no_sense_in_the_meta_is_refused_without_effect(tmp_path: Path, meta: Any, code: str):
    async with connected(tmp_path, "auto") as (client, plant):
        before = plant.counts()
        error = content(await client.call_tool("log_issue", report(), meta=meta))["error"]
        assert error["code"] == code
        assert error["suggestion"]
        assert plant.counts() == before


@pytest.mark.parametrize("deadline_ms", [60_000, 12_345.6, 10**400])
async def test_a_deadline_that_lies_ahead_lets_the_call_through(tmp_path: Path, deadline_ms: float):
    async with connected(tmp_path, "auto") as (client, _):
        meta: Any = {DEADLINE_KEY: deadline_ms}
        assert not (await client.call_tool("list_projects", {}, meta=meta)).is_error


async def test_the_settings_name_the_plant_that_is_opened(tmp_path: Path):
    backend = await open_backend(Settings(data_dir=tmp_path), CLOCK)
    try:
        assert "sqlite" in backend.source
        assert (tmp_path / "plant.sqlite3").exists()
    finally:
        await backend.aclose()
