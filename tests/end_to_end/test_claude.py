"""The main job through the real `anthropic` SDK: streaming, against a loopback server of the Messages API."""

import itertools
import json
import sqlite3
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from orchestrator_client.agents.registry import load_agents
from orchestrator_client.events import TextPiece, TextWithdrawn, ToolFinished, TurnEvent
from orchestrator_client.models.messages_api import AnthropicModel
from orchestrator_client.orchestrator import Orchestrator
from orchestrator_client.sessions.store import SessionStore
from orchestrator_client.tools.connection import ToolConnection
from orchestrator_client.tools.targets import default_target
from tests.support.messages_api import MessagesApi, Scripted, http_error, messages_api, text, tool_use

pytestmark = pytest.mark.anyio

SESSION = "session-1"
ROUTED = tool_use(
    "route", {"agent": "quality_planning", "confidence": 0.97, "reason": "asks for a plan"}, id="toolu_route"
)
SAME = tool_use(
    "topic", {"switch": False, "agent": "general", "confidence": 0.9, "reason": "a detail"}, id="toolu_topic"
)
PLAN: dict[str, Any] = {
    "project": "ALPHA",
    "title": "FC57 housing control plan",
    "phase": "production",
    "material_id": "HSG-FC57",
    "rows": [
        {
            "spec_id": "SP-001",
            "machine_id": "MC-103",
            "sampling": "fixed",
            "sample_size": 5,
            "frequency": "every 2 hours",
            "control_method": "spc_chart",
            "reaction_plan": "Stop and sort since the last good check",
            "reaction_owner": "Line supervisor",
        }
    ],
}


@asynccontextmanager
async def claude(data_dir: Path, script: Sequence[Scripted]) -> AsyncGenerator[tuple[Orchestrator, MessagesApi]]:
    """The whole client on a scripted API and our own server over stdio."""
    target = default_target(["--data-dir", str(data_dir), "--as-of", "2026-11-22"])
    store = await SessionStore.open(data_dir / "sessions.sqlite3")
    async with messages_api(script) as api, ToolConnection(target) as connection:
        model = AnthropicModel(
            "claude-sonnet-5-5",
            api_key=SecretStr("sk-test"),
            base_url=api.base_url,
            capabilities={"strict_tools": True, "caching": True, "token_counting": False},  # as Claude's own API
        )
        yield (
            Orchestrator(model=model, routing_model=model, agents=load_agents(), connection=connection, store=store),
            api,
        )
        await model.aclose()
        await store.aclose()
    api.assert_finished()


def unfenced(content: str) -> dict[str, Any]:
    """A tool result as the model gets it, without the fence."""
    return json.loads(content.split("\n", 1)[1].rsplit("\n", 1)[0])


def shown(events: Sequence[TurnEvent]) -> str:
    """What stands on the screen in the end: withdrawn text does not."""
    pieces: list[str] = []
    for event in events:
        if isinstance(event, TextPiece):
            pieces.append(event.text)
        elif isinstance(event, TextWithdrawn):
            pieces.clear()
    return "".join(pieces)


def plans_in(data_dir: Path) -> list[Any]:
    with closing(sqlite3.connect(data_dir / "plant.sqlite3")) as plant:
        return plant.execute("SELECT id, title FROM quality_plans WHERE id LIKE 'QP-%'").fetchall()


@pytest.fixture
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator_client.models.messages_api.model._BACKOFF_INITIAL_S", 0.0)


async def test_a_conversation_with_questions_tools_and_a_split_marker_ends_in_a_stored_plan(tmp_path: Path):
    script = [
        ROUTED,
        tool_use("get_specs", {"project": "ALPHA", "material_id": "HSG-FC57"}, id="toolu_1", before="Let me look. "),
        text("Which machine makes the bore?"),
        tool_use("create_quality_plan", PLAN, id="toolu_2"),
        text("Stored as QP-0001 with one row.\n[TASK", "_COMP", "LETE", "]", write_bytes=7),
    ]
    events: list[TurnEvent] = []
    async with claude(tmp_path, script) as (orchestrator, api):
        asked = await orchestrator.handle_message(SESSION, "Create a quality plan for Project Alpha")
        done = await orchestrator.handle_message(SESSION, "MC-103", listener=events.append)

    assert (asked.outcome, asked.mode, asked.reply) == ("waiting", "task_active", "Which machine makes the bore?")
    assert (done.outcome, done.mode, done.reply) == ("completed", "orchestrator", "Stored as QP-0001 with one row.")
    assert shown(events) == "Stored as QP-0001 with one row."
    assert done.suggestions[0] == "Show the quality plans of ALPHA"
    assert plans_in(tmp_path) == [("QP-0001", "FC57 housing control plan")]
    result = api.requests[-1].body["messages"][-1]["content"][0]
    assert (result["type"], result["tool_use_id"]) == ("tool_result", "toolu_2")
    assert unfenced(result["content"])["verification"]["fields_checked"] > 20


async def test_a_refused_call_is_corrected_from_the_error_the_server_gave(tmp_path: Path):
    wrong = {**PLAN, "rows": [{**PLAN["rows"][0], "machine_id": "MC-104"}]}
    script = [
        ROUTED,
        tool_use("create_quality_plan", wrong, id="toolu_1"),
        tool_use("create_quality_plan", PLAN, id="toolu_2"),
        text("MC-104 is decommissioned, so I took MC-103. QP-0001 is stored.\n[TASK_COMPLETE]"),
    ]
    events: list[TurnEvent] = []
    async with claude(tmp_path, script) as (orchestrator, api):
        done = await orchestrator.handle_message(SESSION, "Quality plan for the FC57 housing", listener=events.append)

    assert [event.ok for event in events if isinstance(event, ToolFinished)] == [False, True]
    error = unfenced(api.requests[2].body["messages"][-1]["content"][0]["content"])["error"]
    assert (error["field"], error["alternatives"]) == ("rows[0].machine_id", ["MC-103", "MC-105"])
    assert done.outcome == "completed"
    assert len(plans_in(tmp_path)) == 1


async def test_an_overload_and_a_cut_stream_cost_nothing_but_time(tmp_path: Path, no_waits: None):
    script = [
        http_error(529, "overloaded_error"),
        ROUTED,
        tool_use("create_quality_plan", PLAN, id="toolu_1"),
        text("Stored as QP-0", "001", cut_after=4),
        text("Stored as QP-0001.\n[TASK_COMPLETE]"),
    ]
    events: list[TurnEvent] = []
    async with claude(tmp_path, script) as (orchestrator, _):
        done = await orchestrator.handle_message(SESSION, "Quality plan for the FC57 housing", listener=events.append)

    assert (done.outcome, done.reply) == ("completed", "Stored as QP-0001.")
    assert shown(events) == "Stored as QP-0001."
    assert TextWithdrawn() in events
    assert len(plans_in(tmp_path)) == 1


async def test_a_model_that_stays_away_leaves_the_task_open_to_go_on(tmp_path: Path, no_waits: None):
    script = [
        ROUTED,
        *[http_error(529, "overloaded_error")] * 3,
        tool_use("create_quality_plan", PLAN, id="toolu_1"),
        text("Stored as QP-0001.\n[TASK_COMPLETE]"),
    ]
    async with claude(tmp_path, script) as (orchestrator, _):
        away = await orchestrator.handle_message(SESSION, "Quality plan for the FC57 housing")
        back = await orchestrator.handle_message(SESSION, "go on")

    assert (away.outcome, away.mode) == ("interrupted", "task_active")
    assert "say continue" in away.reply
    assert back.outcome == "completed"


async def test_a_claim_without_evidence_is_refused_once_and_then_told(tmp_path: Path):
    script = [ROUTED, text("All done!\n[TASK_COMPLETE]"), text("Really done!\n[TASK_COMPLETE]")]
    async with claude(tmp_path, script) as (orchestrator, api):
        done = await orchestrator.handle_message(SESSION, "Quality plan for the FC57 housing")

    assert (done.outcome, done.mode) == ("gave_up", "orchestrator")
    assert "no tool has confirmed" in done.reply
    assert "was not accepted" in api.requests[2].body["messages"][-1]["content"][0]["text"]
    assert plans_in(tmp_path) == []


async def test_routing_and_agents_get_the_shape_the_api_expects(tmp_path: Path):
    script = [ROUTED, text("Which material?")]
    async with claude(tmp_path, script) as (orchestrator, api):
        await orchestrator.set_project(SESSION, "ALPHA")
        await orchestrator.handle_message(SESSION, "Create a quality plan")

    routing, agent = (request.body for request in api.requests)
    assert routing["tool_choice"] == {"type": "tool", "name": "route", "disable_parallel_tool_use": True}
    assert routing["tools"][0]["strict"] is True
    assert routing["stream"] is agent["stream"] is True
    assert {tool["name"] for tool in agent["tools"]} >= {"create_quality_plan", "get_specs"}
    assert "log_issue" not in {tool["name"] for tool in agent["tools"]}
    opening = json.dumps(agent["messages"][0], ensure_ascii=False)
    assert "## Machines (" in opening
    assert "## Specifications (" in opening
    assert "Project: ALPHA" in opening
    assert all(
        set(tool["input_schema"]) <= {"type", "properties", "required", "additionalProperties"}
        for tool in agent["tools"]
    )


async def test_what_a_prompt_cache_compares_stays_the_same_over_the_turns_and_tasks_of_an_agent(tmp_path: Path):
    asked = tool_use("get_specs", {"project": "ALPHA"}, id="toolu_1", before="Let me look. ")
    failing = tool_use("get_specs", {"project": "NOWHERE"}, id="toolu_2")
    stored = [tool_use("create_quality_plan", PLAN, id="toolu_3"), text("Stored.\n[TASK_COMPLETE]")]
    claim = text("All done!\n[TASK_COMPLETE]")
    first_task = [
        asked,
        text("Which machine?"),
        failing,
        text("Which gauge?"),
        claim,
        text("Sorry, which one?"),
        *stored,
    ]
    script = [ROUTED, *first_task[:4], SAME, *first_task[4:6], *first_task[6:], ROUTED, text("Which part?")]
    async with claude(tmp_path, script) as (orchestrator, api):
        for said in ("Quality plan, please", "MC-103", "with the new bore gauge of the measuring room", "5"):
            await orchestrator.handle_message(SESSION, said)
        await orchestrator.set_project(SESSION, "BETA")
        await orchestrator.handle_message(SESSION, "Another quality plan, for the cover")

    bodies = [request.body for request in api.requests if "tool_choice" not in request.body]
    assert len(bodies) == len(first_task) + 1
    assert len({json.dumps([body["tools"], body["system"]]) for body in bodies}) == 1
    prompts = [blocks_of(body) for body in bodies]
    for before, after in itertools.pairwise(prompts[:-1]):
        assert after[: len(before)] == before
    assert prompts[-1][:1] != prompts[0][:1]
    late = [block for block in prompts[-2] if "Project: ALPHA." in block]
    assert len(late) == 1


def blocks_of(body: dict[str, Any]) -> list[str]:
    """The messages as the cache reads them: block by block, for neighbors of one role are one message."""
    return [json.dumps([message["role"], block]) for message in body["messages"] for block in message["content"]]
