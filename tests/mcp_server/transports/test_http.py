import json
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import httpx2
import pytest
from anyio.streams.text import TextReceiveStream
from mcp import Client
from mcp.server import MCPServer
from mcp.types import TextContent

from mcp_server import identity
from mcp_server.transports.http import http_app, serve_http
from tests.support.stdio_host import DEADLINE_S, META, REPOSITORY, Message, exit_status, initialize, legacy, modern
from tests.support.tiny_server import Plant, tiny_server

pytestmark = pytest.mark.anyio

ACCEPT = {"Accept": "application/json, text/event-stream"}


def modern_headers(method: str, name: str | None = None) -> dict[str, str]:
    headers = {**ACCEPT, "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method}
    return headers if name is None else {**headers, "Mcp-Name": name}


@asynccontextmanager
async def served(server: MCPServer[Any], **options: Any) -> AsyncGenerator[str]:
    """The address of `server` on a free port; leaving stops it."""
    with anyio.fail_after(DEADLINE_S):
        async with anyio.create_task_group() as tasks:
            yield await tasks.start(partial(serve_http, server, port=0, **options))
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def in_memory(server: MCPServer[Any], **options: Any) -> AsyncGenerator[httpx2.AsyncClient]:
    app = http_app(server, **options)
    transport = httpx2.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client,
    ):
        yield client


async def discover(client: httpx2.AsyncClient, **headers: str) -> httpx2.Response:
    message = modern(1, "server/discover")
    return await client.post("/mcp", json=message, headers={**modern_headers("server/discover"), **headers})


@pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])
async def test_the_sdk_client_works_over_http_in_each_era(mode: str):
    async with served(tiny_server(Plant())) as url, Client(url, mode=mode) as client:
        result = await client.call_tool("echo", {"text": mode})
        assert result.content == [TextContent(type="text", text=mode)]


async def test_both_eras_share_one_lifespan():
    plant = Plant()
    async with served(tiny_server(plant)) as url:
        for mode in ("legacy", "2026-07-28"):
            async with Client(url, mode=mode) as client:
                assert (await client.call_tool("lifespans", {})).structured_content == {"result": 1}
    assert (plant.entered, plant.left) == (1, 1)


async def test_a_2026_request_needs_no_session_and_a_handshake_opens_one():
    async with in_memory(tiny_server(Plant())) as client:
        stateless = await discover(client)
        assert stateless.json()["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == identity.NAME
        assert "mcp-session-id" not in stateless.headers
        opened = await client.post("/mcp", json=initialize(1), headers=ACCEPT)
        assert opened.headers["mcp-session-id"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:9", "localhost", "localhost:8000", "[::1]", "[::1]:65535"])
async def test_loopback_names_are_accepted_with_any_port(host: str):
    async with in_memory(tiny_server(Plant())) as client:
        assert (await discover(client, Host=host)).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "0.0.0.0:8000", "192.168.1.5:8000"]
)
async def test_a_foreign_host_is_refused_with_421(host: str):
    async with in_memory(tiny_server(Plant())) as client:
        assert (await discover(client, Host=host)).status_code == 421
        refused = await client.post("/mcp", json=initialize(1), headers={**ACCEPT, "Host": host})
        assert refused.status_code == 421


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1.evil.example", "file://"])
async def test_a_foreign_origin_is_refused_with_403(origin: str):
    async with in_memory(tiny_server(Plant())) as client:
        assert (await discover(client, Origin=origin)).status_code == 403
        refused = await client.post("/mcp", json=initialize(1), headers={**ACCEPT, "Origin": origin})
        assert refused.status_code == 403


async def test_named_hosts_and_origins_are_accepted_and_nothing_near_them():
    allowed = {"allowed_hosts": ["mcp.plant.example"], "allowed_origins": ["https://mes.plant.example"]}
    async with in_memory(tiny_server(Plant()), **allowed) as client:
        host, origin = "mcp.plant.example", "https://mes.plant.example"
        assert (await discover(client, Host=host, Origin=origin)).status_code == 200
        assert (await discover(client, Host=host, Origin="http://mes.plant.example")).status_code == 403
        assert (await discover(client, Host="plant.example", Origin=origin)).status_code == 421
        assert (await discover(client, Origin="http://localhost:5173")).status_code == 200


@pytest.mark.parametrize(
    ("meta", "headers", "status", "code"),
    [
        (META, {"Mcp-Method": "tools/list"}, 400, -32020),
        (META, {"MCP-Protocol-Version": "2031-01-01"}, 400, -32020),
        ({}, {}, 400, -32602),
        (
            {**META, "io.modelcontextprotocol/protocolVersion": "2031-01-01"},
            {"MCP-Protocol-Version": "2031-01-01"},
            400,
            -32022,
        ),
    ],
    ids=["method-mismatch", "version-mismatch", "no-envelope", "unknown-version"],
)
async def test_a_request_that_contradicts_itself_is_refused(
    meta: Message, headers: dict[str, str], status: int, code: int
):
    message = legacy(1, "server/discover", _meta=meta)
    async with in_memory(tiny_server(Plant())) as client:
        reply = await client.post("/mcp", json=message, headers={**modern_headers("server/discover"), **headers})
        assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)


async def test_health_says_that_the_process_lives_and_which_version_it_is():
    async with in_memory(tiny_server(Plant())) as client:
        reply = await client.get("/health", headers={"Host": "10.0.0.7:8000"})  # a probe calls by address
        assert reply.status_code == 200
        assert reply.json() == {"status": "ok", "name": identity.NAME, "version": identity.VERSION}


async def test_ready_follows_the_readiness_check():
    answers = [True, False]

    async def ready() -> bool:
        return answers.pop(0)

    async with in_memory(tiny_server(Plant()), ready=ready) as client:
        first, second = await client.get("/ready"), await client.get("/ready")
        assert (first.status_code, first.json()) == (200, {"status": "ready"})
        assert (second.status_code, second.json()) == (503, {"status": "not ready"})


async def test_a_readiness_check_that_fails_is_not_ready_and_tells_only_the_log(caplog: pytest.LogCaptureFixture):
    async def ready() -> bool:
        raise OSError("secret path")

    async with in_memory(tiny_server(Plant()), ready=ready) as client:
        reply = await client.get("/ready")
        assert reply.status_code == 503
        assert "secret" not in reply.text
        assert "secret path" in caplog.text


async def call_wait(url: str, replies: list[Message]) -> None:
    async with httpx2.AsyncClient(timeout=DEADLINE_S) as client:
        message = modern(1, "tools/call", name="wait", arguments={})
        reply = await client.post(url, json=message, headers=modern_headers("tools/call", "wait"))
        replies.append(reply.json())


async def test_a_terminated_server_finishes_the_call_in_flight():
    plant = Plant()
    replies: list[Message] = []
    with anyio.fail_after(DEADLINE_S):
        async with anyio.create_task_group() as tasks:
            url = await tasks.start(partial(serve_http, tiny_server(plant), port=0))
            tasks.start_soon(call_wait, url, replies)
            await plant.waiting.wait()
            signal.raise_signal(signal.SIGTERM)
            plant.release.set()
    [reply] = replies
    assert reply["result"]["content"][0]["text"] == "released"
    assert plant.left == 1


async def test_a_cancelled_server_finishes_the_call_in_flight():
    plant = Plant()
    replies: list[Message] = []
    with anyio.fail_after(DEADLINE_S):
        async with anyio.create_task_group() as tasks:
            server_tasks = await tasks.start(serve_in_a_group, plant)
            tasks.start_soon(call_wait, server_tasks.url, replies)
            await plant.waiting.wait()
            server_tasks.scope.cancel()
            plant.release.set()
    assert replies[0]["result"]["content"][0]["text"] == "released"
    assert plant.left == 1


class Running:
    def __init__(self, url: str, scope: anyio.CancelScope) -> None:
        self.url = url
        self.scope = scope


async def serve_in_a_group(plant: Plant, *, task_status: anyio.abc.TaskStatus[Running]) -> None:
    async with anyio.create_task_group() as tasks:
        url = await tasks.start(partial(serve_http, tiny_server(plant), port=0))
        task_status.started(Running(url, tasks.cancel_scope))


async def test_standing_streams_do_not_hold_up_the_end():
    with anyio.fail_after(DEADLINE_S):
        async with anyio.create_task_group() as tasks, httpx2.AsyncClient(timeout=DEADLINE_S) as client:
            url = await tasks.start(partial(serve_http, tiny_server(Plant()), port=0))
            opened = await client.post(url, json=initialize(1), headers=ACCEPT)
            session = {**ACCEPT, "Mcp-Session-Id": opened.headers["mcp-session-id"]}
            listen = modern("s", "subscriptions/listen", notifications={"toolsListChanged": True})
            async with (
                client.stream("GET", url, headers=session) as standing,
                client.stream("POST", url, json=listen, headers=modern_headers("subscriptions/listen")) as listening,
            ):
                events = listening.aiter_lines()
                assert "acknowledged" in await anext(line async for line in events if line.startswith("data:"))
                signal.raise_signal(signal.SIGTERM)
                ended = json.loads((await anext(line async for line in events if line.startswith("data:")))[5:])
                assert (ended["id"], ended["result"]["resultType"]) == ("s", "complete")
                assert [chunk async for chunk in standing.aiter_bytes()] == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "plant.example", ""])
async def test_an_address_that_others_can_reach_is_refused(host: str):
    with pytest.raises(ValueError, match="no authentication yet"):
        await serve_http(tiny_server(Plant()), host=host, port=0)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_loopback_address_is_served(host: str):
    async with served(tiny_server(Plant()), host=host) as url, httpx2.AsyncClient() as client:
        assert (await client.get(url.replace("/mcp", "/health"))).status_code == 200


async def test_a_port_in_use_names_the_option_that_changes_it():
    plant = Plant()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=rf"Port {port} on 127.0.0.1 is in use\. Choose another one with --port\."):
            await serve_http(tiny_server(plant), port=port)
    assert plant.entered == 0


async def test_a_server_that_cannot_start_says_why():
    @asynccontextmanager
    async def lifespan(_: MCPServer[None]) -> AsyncGenerator[None]:
        raise ConnectionError("the system of record does not answer")
        yield

    with pytest.raises(ConnectionError, match="does not answer"):
        await serve_http(MCPServer("broken", lifespan=lifespan), port=0)


async def test_a_terminated_process_exits_with_status_0_and_an_empty_standard_output():
    command = [sys.executable, "-m", "tests.support.tiny_server", "http"]
    with anyio.fail_after(DEADLINE_S):
        async with await anyio.open_process(command, cwd=REPOSITORY) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            log = ""
            async for chunk in TextReceiveStream(process.stderr):
                log += chunk
                if "Serving MCP at http://127.0.0.1:" in log:
                    break
            process.terminate()
            assert await exit_status(process) == 0
            assert [chunk async for chunk in process.stdout] == []
