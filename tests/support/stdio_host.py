"""The host's side of a stdio connection, line by line, to a server in this process or in one of its own."""

import json
import socket
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import ByteStream, Process, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.stapled import StapledByteStream
from mcp.server import MCPServer

from mcp_server.transports.fast_front import Front
from mcp_server.transports.stdio import serve_front

REPOSITORY = Path(__file__).parents[2]
DEADLINE_S = 30.0
"""Bounds every wait; far above what any takes, so that only a hang reaches it."""

META: Mapping[str, object] = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "host", "version": "1"},
}

Message = dict[str, Any]


def legacy(request_id: int | str, method: str, **params: object) -> Message:
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


def modern(request_id: int | str, method: str, **params: object) -> Message:
    return legacy(request_id, method, _meta=META, **params)


def cancelled(request_id: int | str) -> Message:
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request_id}}


def initialize(request_id: int | str, version: str = "2025-11-25") -> Message:
    return legacy(
        request_id,
        "initialize",
        protocolVersion=version,
        capabilities={},
        clientInfo={"name": "host", "version": "1"},
    )


INITIALIZED: Message = {"jsonrpc": "2.0", "method": "notifications/initialized"}


class Host:
    def __init__(self, stream: ByteStream) -> None:
        self.stream = stream
        self._lines = BufferedByteReceiveStream(stream)

    async def send(self, *messages: Message | bytes) -> None:
        lines = [m if isinstance(m, bytes) else json.dumps(m).encode() for m in messages]
        await self.stream.send(b"".join(line + b"\n" for line in lines))

    async def receive(self) -> Message:
        with anyio.fail_after(DEADLINE_S):
            return json.loads(await self._lines.receive_until(b"\n", 64 * 1024 * 1024))

    async def ask(self, message: Message | bytes) -> Message:
        """Send, and return the next message from the server."""
        await self.send(message)
        return await self.receive()

    async def shake_hands(self, request_id: int | str = "hello") -> Message:
        reply = await self.ask(initialize(request_id))
        await self.send(INITIALIZED)
        return reply

    async def end(self) -> None:
        await self.stream.send_eof()

    async def rest(self) -> bytes:
        """Everything until the server closes its end."""
        received = self._lines.buffer
        with anyio.fail_after(DEADLINE_S):
            async for chunk in self.stream:
                received += chunk
        return received


@asynccontextmanager
async def fronted() -> AsyncGenerator[tuple[Host, Front]]:
    ours, theirs = socket.socketpair()
    # Never closed: the front's threads may still use the number, and a later socket must not get it.
    descriptor = theirs.detach()
    async with await SocketStream.from_socket(ours) as stream:
        yield Host(stream), Front(descriptor, descriptor, on_abandoned=lambda: None)


@asynccontextmanager
async def served(server: MCPServer[Any]) -> AsyncGenerator[Host]:
    """A host connected to `server` in this process; leaving closes the host's end and waits for the server to stop."""
    async with fronted() as (host, front), anyio.create_task_group() as tasks:
        tasks.start_soon(serve_front, server, front)
        yield host
        await host.end()
        tasks.cancel_scope.deadline = anyio.current_time() + DEADLINE_S


TINY_SERVER = ("tests.support.tiny_server", "stdio")


@asynccontextmanager
async def spawned(
    env: Mapping[str, str] | None = None, module: Sequence[str] = TINY_SERVER
) -> AsyncGenerator[tuple[Host, Process]]:
    """A host connected to a server in a process of its own: a module and its arguments."""
    process = await anyio.open_process([sys.executable, "-m", *module], cwd=REPOSITORY, env=env, stderr=None)
    async with process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Host(StapledByteStream(process.stdin, process.stdout)), process


async def exit_status(process: Process) -> int:
    with anyio.fail_after(DEADLINE_S):
        return await process.wait()
