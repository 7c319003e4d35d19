import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.types import TextContent

from mcp_server.transports.stdio import SIGNAL_GRACE_S, serve_front
from tests.support.stdio_host import (
    DEADLINE_S,
    INITIALIZED,
    META,
    REPOSITORY,
    Host,
    Message,
    cancelled,
    exit_status,
    fronted,
    initialize,
    legacy,
    modern,
    served,
    spawned,
)
from tests.support.tiny_server import Plant, tiny_server

pytestmark = pytest.mark.anyio

RequestInEra = Callable[..., Message]
ERAS = pytest.mark.parametrize("request_in_era", [legacy, modern], ids=["handshake", "2026-07-28"])


def text(reply: Message) -> str:
    [block] = reply["result"]["content"]
    return block["text"]


async def call(
    host: Host, request_in_era: RequestInEra, request_id: int | str, tool: str, **arguments: object
) -> Message:
    reply = await host.ask(request_in_era(request_id, "tools/call", name=tool, arguments=arguments))
    assert reply["id"] == request_id
    return reply


async def test_a_host_may_probe_then_shake_hands_and_use_both_eras():
    async with served(tiny_server(Plant())) as host:
        assert "2026-07-28" in (await host.ask(modern(1, "server/discover")))["result"]["supportedVersions"]
        assert (await host.shake_hands(2))["result"]["protocolVersion"] == "2025-11-25"
        old = await call(host, legacy, 3, "echo", text="old")
        assert text(old) == "old"
        assert "resultType" not in old["result"]
        new = await call(host, modern, 4, "echo", text="new")
        assert text(new) == "new"
        assert new["result"]["resultType"] == "complete"


async def test_a_host_may_shake_hands_then_probe_and_use_both_eras():
    async with served(tiny_server(Plant())) as host:
        await host.shake_hands(1)
        assert text(await call(host, modern, 2, "echo", text="new")) == "new"
        assert "2026-07-28" in (await host.ask(modern(3, "server/discover")))["result"]["supportedVersions"]
        assert text(await call(host, legacy, 4, "echo", text="old")) == "old"


async def test_both_eras_share_one_lifespan():
    plant = Plant()
    async with served(tiny_server(plant)) as host:
        await host.shake_hands()
        assert text(await call(host, legacy, 1, "lifespans")) == "1"
        assert text(await call(host, modern, 2, "lifespans")) == "1"
    assert (plant.entered, plant.left) == (1, 1)


async def test_a_call_before_the_handshake_is_refused_and_the_handshake_still_works():
    async with served(tiny_server(Plant())) as host:
        assert (await call(host, legacy, 1, "echo", text="early"))["error"]["code"] == -32602
        await host.shake_hands(2)
        assert text(await call(host, legacy, 3, "echo", text="now")) == "now"


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
async def test_every_handshake_version_is_accepted(version: str):
    async with served(tiny_server(Plant())) as host:
        assert (await host.ask(initialize(1, version)))["result"]["protocolVersion"] == version


async def test_an_unknown_version_is_refused_with_the_versions_served():
    meta = {**META, "io.modelcontextprotocol/protocolVersion": "2031-01-01"}
    async with served(tiny_server(Plant())) as host:
        error = (await host.ask(legacy(1, "server/discover", _meta=meta)))["error"]
        assert error["code"] == -32022
        assert error["data"] == {"supported": ["2026-07-28"], "requested": "2031-01-01"}


async def test_half_an_envelope_is_refused_by_name():
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
    async with served(tiny_server(Plant())) as host:
        error = (await host.ask(legacy(1, "tools/list", _meta=meta)))["error"]
        assert error["code"] == -32602
        assert "clientCapabilities" in error["message"]


@ERAS
async def test_a_cancelled_call_stops_and_is_never_answered(request_in_era: RequestInEra):
    plant = Plant()
    async with served(tiny_server(plant)) as host:
        await host.shake_hands()
        await host.send(request_in_era("slow", "tools/call", name="wait", arguments={}))
        with anyio.fail_after(DEADLINE_S):
            await plant.waiting.wait()
            await host.send(cancelled("slow"))
            await plant.cancelled.wait()
        assert text(await call(host, legacy, 1, "echo", text="next")) == "next"
        assert text(await call(host, modern, 2, "echo", text="next")) == "next"


@ERAS
async def test_a_cancellation_of_another_id_changes_nothing(request_in_era: RequestInEra):
    plant = Plant()
    async with served(tiny_server(plant)) as host:
        await host.shake_hands()
        await host.send(request_in_era("slow", "tools/call", name="wait", arguments={}))
        with anyio.fail_after(DEADLINE_S):
            await plant.waiting.wait()
        await host.send(cancelled("other"))
        plant.release.set()
        assert text(await host.receive()) == "released"


@pytest.mark.parametrize(
    ("line", "code", "request_id"),
    [
        (b"{", -32700, None),
        (b"GET / HTTP/1.1", -32700, None),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"}}', -32700, None),
        (b'{"jsonrpc":"2.0","id":"\xff","method":"ping"}', -32700, None),
        (b'{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}', -32700, None),
        (b'{"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}", -32700, None),
        (b"\x00", -32700, None),
        (b"[]", -32600, None),
        (b'"ping"', -32600, None),
        (b'{"id":5,"method":"ping"}', -32600, 5),
        (b'{"jsonrpc":"2.0","id":"a","method":3}', -32600, "a"),
        (b'{"jsonrpc":"2.0","id":5,"result":3}', -32600, None),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"n":' + b"9" * 1_000_000 + b"}}", -32700, None),
    ],
    ids=lambda value: value[:40].decode(errors="replace") if isinstance(value, bytes) else "",
)
async def test_a_line_that_is_no_message_is_answered_and_the_server_lives_on(
    line: bytes, code: int, request_id: int | str | None
):
    async with served(tiny_server(Plant())) as host:
        refusal = await host.ask(line)
        assert (refusal["error"]["code"], refusal["id"]) == (code, request_id)
        assert text(await call(host, modern, 1, "echo", text="alive")) == "alive"


@ERAS
async def test_the_text_of_an_unexpected_failure_stays_in_the_log(
    request_in_era: RequestInEra, caplog: pytest.LogCaptureFixture
):
    async def broken(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        if ctx.method == "tools/list":
            raise RuntimeError("secret detail")
        return await call_next(ctx)

    server = tiny_server(Plant())
    server.middleware.append(broken)
    async with served(server) as host:
        await host.shake_hands()
        reply = await host.ask(request_in_era(1, "tools/list"))
        assert reply["error"] == {"code": -32603, "message": "Internal server error"}
    assert "secret detail" in caplog.text


async def test_everything_piped_in_at_once_is_answered_before_the_end():
    async with fronted() as (host, front), anyio.create_task_group() as tasks:
        calls = [modern(n, "tools/call", name="echo", arguments={"text": str(n)}) for n in range(20)]
        await host.send(initialize("hello"), INITIALIZED, *calls)
        await host.end()
        tasks.start_soon(serve_front, tiny_server(Plant()), front)
        replies = [await host.receive() for _ in range(21)]
        assert {reply["id"] for reply in replies} == {"hello", *range(20)}


async def test_the_end_of_input_cancels_a_call_that_does_not_finish():
    plant = Plant()
    with anyio.fail_after(DEADLINE_S):
        async with served(tiny_server(plant)) as host:
            await host.send(modern("slow", "tools/call", name="wait", arguments={}))
            await plant.waiting.wait()
            await host.end()
            await plant.cancelled.wait()
            assert (await host.receive())["error"]["code"] == -32000
    assert plant.left == 1


async def test_a_call_in_flight_may_finish_after_the_end_of_input():
    plant = Plant()
    async with served(tiny_server(plant)) as host:
        await host.ask(modern("s", "subscriptions/listen", notifications={"toolsListChanged": True}))
        await host.send(modern("slow", "tools/call", name="wait", arguments={}))
        await host.end()
        assert (await host.receive())["id"] == "s"  # the subscription ends first, so the end of input has been seen
        plant.release.set()
        assert text(await host.receive()) == "released"


async def test_a_subscription_does_not_hold_up_the_end():
    async with served(tiny_server(Plant())) as host:
        acknowledged = await host.ask(modern("s", "subscriptions/listen", notifications={"toolsListChanged": True}))
        assert acknowledged["method"] == "notifications/subscriptions/acknowledged"
        await host.end()
        ended = await host.receive()
        assert (ended["id"], ended["result"]["resultType"]) == ("s", "complete")


async def test_a_terminated_server_finishes_the_call_in_flight():
    plant = Plant()
    async with served(tiny_server(plant)) as host:
        await host.send(modern("slow", "tools/call", name="wait", arguments={}))
        with anyio.fail_after(DEADLINE_S):
            await plant.waiting.wait()
            signal.raise_signal(signal.SIGTERM)
            plant.release.set()
        assert text(await host.receive()) == "released"
        with anyio.fail_after(DEADLINE_S):
            while not plant.left:
                await anyio.lowlevel.checkpoint()


async def test_a_second_signal_cancels_the_call_in_flight():
    plant = Plant()
    with anyio.fail_after(SIGNAL_GRACE_S / 2):
        async with served(tiny_server(plant)) as host:
            await host.send(modern("slow", "tools/call", name="wait", arguments={}))
            await plant.waiting.wait()
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            await plant.cancelled.wait()
            assert (await host.receive())["error"]["code"] == -32000


async def test_a_terminated_process_exits_with_status_0():
    async with spawned() as (host, process):
        await host.shake_hands()
        process.terminate()
        assert await exit_status(process) == 0


async def test_a_terminated_process_ends_though_nobody_reads_its_answers():
    async with spawned() as (host, process):
        await host.shake_hands()
        await host.send(modern(1, "tools/call", name="echo", arguments={"text": "x" * 1_000_000}))
        await host.stream.receive(1)  # the answer has begun, and the pipe takes no more of it
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        assert await exit_status(process) == 0


def test_a_host_that_closes_only_its_reading_end_ends_the_process():
    command = [sys.executable, "-m", "tests.support.tiny_server", "stdio"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(initialize(1)).encode() + b"\n")
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.close()
        process.stdin.write(json.dumps(modern(2, "tools/list")).encode() + b"\n")
        process.stdin.flush()
        assert process.wait(DEADLINE_S) == 0


async def test_nothing_a_tool_prints_reaches_the_host():
    async with spawned() as (host, process):
        await host.shake_hands()
        assert text(await call(host, modern, 1, "litter")) == "littered"
        await host.end()
        assert await exit_status(process) == 0
        assert b"stray" not in await host.rest()


@pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])
async def test_the_sdk_client_works_over_stdio(mode: str):
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "tests.support.tiny_server", "stdio"], cwd=REPOSITORY, env=dict(os.environ)
    )
    with anyio.fail_after(DEADLINE_S):
        async with Client(server, mode=mode) as client:
            assert {tool.name for tool in (await client.list_tools()).tools} >= {"echo", "wait"}
            result = await client.call_tool("echo", {"text": mode})
            assert result.content == [TextContent(type="text", text=mode)]
