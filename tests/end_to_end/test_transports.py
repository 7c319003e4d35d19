"""The real server as hosts meet it: both protocol eras on one pipe, Streamable HTTP, and a restart in between."""

import json
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import Process
from mcp import Client, MCPError, StdioServerParameters
from mcp.client import ClientRequestContext
from mcp.types import ElicitRequestParams, ElicitResult, PromptReference, TextResourceContents

from orchestrator_client.agents.registry import load_agents
from orchestrator_client.models.guided import GuidedModel
from orchestrator_client.orchestrator import Orchestrator
from orchestrator_client.sessions.store import SessionStore
from orchestrator_client.tools.connection import ToolConnection
from orchestrator_client.tools.targets import parse_target
from tests.support.plants import free_port
from tests.support.stdio_host import DEADLINE_S, REPOSITORY, Host, legacy, modern, spawned

pytestmark = pytest.mark.anyio

MACHINES = {"name": "get_machines", "arguments": {"project": "ALPHA", "ids": ["LT-131"]}}


@asynccontextmanager
async def our_server(data_dir: Path, *options: str) -> AsyncGenerator[Host]:
    module = ("mcp_server", "serve", "--data-dir", str(data_dir), "--as-of", "2026-11-22", *options)
    async with spawned(module=module) as (host, process):
        yield host
        await host.end()
        with anyio.fail_after(DEADLINE_S):
            assert await process.wait() == 0


@asynccontextmanager
async def http_server(data_dir: Path, port: int) -> AsyncGenerator[str]:
    """Our server on a loopback port, in a process of its own that is ended in the end."""
    command = [sys.executable, "-m", "mcp_server", "serve", "--transport", "http", "--port", str(port)]
    process = await anyio.open_process([*command, "--data-dir", str(data_dir), "--as-of", "2026-11-22"], cwd=REPOSITORY)
    try:
        await _answers(port, process)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.terminate()
        with anyio.fail_after(DEADLINE_S):
            await process.wait()


async def _answers(port: int, process: Process) -> None:
    with anyio.fail_after(DEADLINE_S):
        while process.returncode is None:
            try:
                async with await anyio.connect_tcp("127.0.0.1", port):
                    return
            except OSError:
                await anyio.lowlevel.checkpoint()
    pytest.fail("the server ended before it listened")


def names_in(reply: dict[str, Any]) -> set[str]:
    return {tool["name"] for tool in reply["result"]["tools"]}


def machine_in(reply: dict[str, Any]) -> str:
    return reply["result"]["structuredContent"]["items"][0]["name"]


@pytest.mark.parametrize("order", [("discover", "initialize"), ("initialize", "discover")], ids=" then ".join)
async def test_one_pipe_serves_both_protocol_eras_whichever_comes_first(tmp_path: Path, order: Sequence[str]):
    async with our_server(tmp_path) as host:
        for step in order:
            if step == "discover":
                reply = await host.ask(modern("probe", "server/discover"))
                assert reply["result"]["supportedVersions"] == ["2026-07-28"]
                assert reply["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "shopfloor"
            else:
                reply = await host.shake_hands()
                assert reply["result"]["protocolVersion"] == "2025-11-25"
        old_list, new_list = await host.ask(legacy(1, "tools/list")), await host.ask(modern(2, "tools/list"))
        assert names_in(old_list) == names_in(new_list) >= {"create_quality_plan", "get_machines"}
        assert machine_in(await host.ask(legacy(3, "tools/call", **MACHINES))) == "Leak tester 2"
        assert machine_in(await host.ask(modern(4, "tools/call", **MACHINES))) == "Leak tester 2"


@pytest.mark.parametrize("options", [(), ("--read-only", "--tools", "get_machines")], ids=["everything", "one tool"])
async def test_the_quick_first_answer_is_the_one_the_running_server_gives(tmp_path: Path, options: tuple[str, ...]):
    async with our_server(tmp_path, *options) as host:
        quick = await host.ask(modern("probe", "server/discover"))
        await host.shake_hands()  # answered by the server itself, so it is up now
        later = await host.ask(modern("again", "server/discover"))

    assert quick["result"] == later["result"]


async def test_what_is_not_offered_is_neither_listed_nor_called_nor_read(tmp_path: Path):
    async with our_server(
        tmp_path, "--toolsets", "core,issues", "--read-only", "--exclude-tools", "get_record"
    ) as host:
        await host.shake_hands()
        for ask in (legacy, modern):
            listed = names_in(await host.ask(ask(1, "tools/list")))
            assert {"get_machines", "get_issues"} <= listed
            assert listed.isdisjoint({"log_issue", "get_record", "get_sops", "create_quality_plan"})
            for hidden in ("log_issue", "get_record", "get_sops"):
                refused = await host.ask(ask(2, "tools/call", name=hidden, arguments={}))
                assert (refused["error"]["code"], refused["error"]["message"]) == (-32602, f"Unknown tool: {hidden}")
            assert (await host.ask(ask(3, "prompts/list")))["result"]["prompts"] == []
            hidden_record = await host.ask(ask(4, "resources/read", uri="plant://sops/SOP-A-070"))
            assert hidden_record["error"]["code"] == -32602


@asynccontextmanager
async def target(transport: str, data_dir: Path) -> AsyncGenerator[str | StdioServerParameters]:
    if transport == "http":
        async with http_server(data_dir, free_port()) as url:
            yield url
    else:
        serve = ["-m", "mcp_server", "serve", "--data-dir", str(data_dir), "--as-of", "2026-11-22"]
        yield StdioServerParameters(command=sys.executable, args=serve, cwd=REPOSITORY)


every_way = pytest.mark.parametrize(
    ("transport", "mode"), [(transport, mode) for transport in ("stdio", "http") for mode in ("auto", "legacy")]
)


@every_way
async def test_a_person_is_asked_before_a_document_is_withdrawn(tmp_path: Path, transport: str, mode: str):
    asked: list[str] = []

    async def person(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        del context
        asked.append(params.message)
        return ElicitResult(action="accept", content={"confirm": len(asked) > 1})

    withdraw = {
        "project": "ALPHA",
        "kind": "sop",
        "id": "SOP-A-070",
        "revision": 4,
        "decision": "withdraw",
        "approver_id": "E113",
        "comment": "The station is taken down.",
    }
    async with target(transport, tmp_path) as server, Client(server, mode=mode, elicitation_callback=person) as client:
        no = (await client.call_tool("approve_document", withdraw)).structured_content or {}
        yes = (await client.call_tool("approve_document", withdraw)).structured_content or {}

    assert no["error"]["code"] == "declined"
    assert (yes["status"], yes["record"]["state"]) == ("updated", "withdrawn")
    assert len(asked) == 2
    assert all("SOP-A-070 revision 4" in message for message in asked)


@every_way
async def test_records_prompts_and_completions_reach_hosts_of_both_eras(tmp_path: Path, transport: str, mode: str):
    async with target(transport, tmp_path) as server, Client(server, mode=mode) as client:
        [machine] = (await client.read_resource("plant://machines/LT-131")).contents
        prompts = [prompt.name for prompt in (await client.list_prompts()).prompts]
        prompt = await client.get_prompt("maintenance", {"project": "ALPHA", "machine": "LT-131"})
        reference = PromptReference(name="maintenance")
        given = {"name": "machine", "value": "lt-1"}
        completed = await client.complete(reference, given, context_arguments={"project": "ALPHA"})
        with pytest.raises(MCPError) as missing:
            await client.read_resource("plant://machines/LT-13")

    assert isinstance(machine, TextResourceContents)
    assert json.loads(machine.text)["name"] == "Leak tester 2"
    assert prompts == ["quality_plan", "maintenance", "work_instruction", "issue"]
    assert "`schedule_maintenance`" in prompt.model_dump_json()
    assert "LT-131" in completed.completion.values
    assert missing.value.code == -32602
    assert "LT-131" in missing.value.message


async def test_an_unknown_tool_is_a_protocol_error_and_a_refusal_is_not(tmp_path: Path):
    async with our_server(tmp_path) as host:
        await host.shake_hands()
        unknown = await host.ask(legacy(1, "tools/call", name="nope", arguments={}))
        refused = await host.ask(legacy(2, "tools/call", name="get_machines", arguments={"project": "DELTA"}))

    assert unknown["error"]["code"] == -32602
    assert refused["result"]["isError"] is True
    error = refused["result"]["structuredContent"]["error"]
    assert json.loads(refused["result"]["content"][0]["text"])["error"] == error
    assert error["alternatives"] == ["ALPHA", "BETA", "GAMMA"]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_streamable_http_serves_both_eras(tmp_path: Path, mode: str):
    async with http_server(tmp_path, free_port()) as url, Client(url, mode=mode) as client:
        result = await client.call_tool("compute_sampling_plan", {"lot_size": 5000, "aql": "1.5"})

    assert result.structured_content is not None
    assert (result.structured_content["sample_size"], result.structured_content["accept"]) == (200, 7)


async def test_a_conversation_goes_on_after_its_http_server_was_restarted(tmp_path: Path):
    port = free_port()
    store = await SessionStore.open(tmp_path / "sessions.sqlite3")
    async with ToolConnection(parse_target(f"http://127.0.0.1:{port}/mcp")) as connection:
        model = GuidedModel()
        agents = load_agents()
        talk = Orchestrator(model=model, routing_model=model, agents=agents, connection=connection, store=store)
        async with http_server(tmp_path, port):
            asked = await talk.handle_message("s", "The bore is out of tolerance on Project Alpha")
        down = await talk.handle_message("other", "Show the quality plans of Project Alpha")
        async with http_server(tmp_path, port):
            answers = ["Bore oversize at OP20", "Five parts above the limit after tool change", "quality"]
            answers += ["MC-105", "SP-001", "5", "Ana Ortiz", "-", "yes"]
            for answer in answers:
                done = await talk.handle_message("s", answer)
    await store.aclose()

    assert asked.outcome == "waiting"
    assert [(call.tool, call.ok) for call in down.tool_calls] == [("list_projects", False)]
    assert down.reply.startswith("Project:")  # asked all the same; the server checks the answer when it is back
    assert done.outcome == "completed"
    assert "ISS-0073" in done.reply
