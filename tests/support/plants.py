"""Running plant servers, and ways to hurt them and the wire to them."""

import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.abc import ByteStream, SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.memory import MemoryObjectReceiveStream

from orchestrator_client.tools.connection import Target

SERVER = Path(__file__).with_name("plant_server.py")


@dataclass(frozen=True)
class Plant:
    """`directory` is the ledger of the servers, which is in the environment; `target` launches one over stdio."""

    directory: Path

    @property
    def target(self) -> Target:
        return Target(command=(sys.executable, str(SERVER)))

    @property
    def effects(self) -> list[str]:
        return self.lines("effects")

    def lines(self, name: str) -> list[str]:
        file = self.directory / name
        return file.read_text().splitlines() if file.exists() else []

    @asynccontextmanager
    async def over_http(self, port: int = 0, *, legacy: bool = False) -> AsyncGenerator[int]:
        """A server on a loopback port, which is yielded; killed at the end of the block."""
        command = [sys.executable, str(SERVER), "--http", str(port), *(["--legacy"] if legacy else [])]
        async with await anyio.open_process(command, stderr=None) as server:
            assert server.stdout is not None
            try:
                line = await BufferedByteReceiveStream(server.stdout).receive_until(b"\n", 20)
                yield int(line)
            finally:
                with suppress(ProcessLookupError):  # a test may have killed it
                    server.kill()


def at_port(port: int) -> Target:
    return Target(url=f"http://127.0.0.1:{port}/mcp")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@asynccontextmanager
async def gate() -> AsyncGenerator[tuple[int, MemoryObjectReceiveStream[SocketStream]]]:
    """A port for the tool `hold`, and the calls that arrive there: send a byte to let one go on."""
    send, receive = anyio.create_memory_object_stream[SocketStream](100)

    async def arrived(stream: SocketStream) -> None:
        async with stream:
            send.send_nowait(stream)
            await anyio.sleep_forever()

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
        send,
        receive,
    ):
        tasks.start_soon(listener.serve, arrived)
        yield listener.extra(SocketAttribute.local_port), receive
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def faulty_wire(port: int, *, word: bytes, answer: bytes) -> AsyncGenerator[int]:
    """A port that passes everything on to another, except a request with this word: that gets `answer` and the end."""

    async def pump(source: ByteStream, sink: ByteStream, own: ByteStream | None) -> None:
        try:
            async for chunk in source:
                if own is not None and word in chunk:
                    if answer:
                        await own.send(answer)
                    await own.aclose()
                    return
                await sink.send(chunk)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return

    async def passed_on(stream: SocketStream) -> None:
        async with stream, await anyio.connect_tcp("127.0.0.1", port) as server, anyio.create_task_group() as both:
            both.start_soon(pump, server, stream, None)
            await pump(stream, server, stream)
            both.cancel_scope.cancel()

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, passed_on)
        yield listener.extra(SocketAttribute.local_port)
        tasks.cancel_scope.cancel()


async def kill(pid: int) -> None:
    """Do what `kill -9` does, and wait until the news of it has spread through this process."""
    handle = os.pidfd_open(pid)
    try:
        os.kill(pid, signal.SIGKILL)
        await anyio.wait_readable(handle)
    finally:
        os.close(handle)
    await anyio.wait_all_tasks_blocked()
