"""A loopback TCP server that answers whatever a test wants, HTTP or not."""

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

__all__ = ["Connection", "RawServer", "raw_server"]

Conduct = Callable[["Connection"], Awaitable[None]]


@dataclass
class RawServer:
    url: str
    connections: int = 0
    requests: list[bytes] = field(default_factory=list[bytes])
    arrived: asyncio.Event = field(default_factory=asyncio.Event)


class Connection:
    """One client's connection, from the server's side."""

    def __init__(self, server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self._reader = reader
        self._writer = writer

    async def request(self) -> bytes:
        """The next request, its body too where it has one."""
        head = await self.head()
        lengths = [
            line.partition(b":")[2] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
        ]
        found = head + await self._reader.readexactly(int(lengths[0]) if lengths else 0)
        self.server.requests.append(found)
        self.server.arrived.set()
        return found

    async def head(self) -> bytes:
        return await self._reader.readuntil(b"\r\n\r\n")

    async def send(self, answer: bytes) -> None:
        self._writer.write(answer)
        await self._writer.drain()

    async def until_closed(self) -> None:
        """Until the client has closed the connection."""
        while await self._reader.read(4096):
            pass

    def reset(self) -> None:
        """End the connection with RST instead of FIN."""
        lingering = struct.pack("ii", 1, 0)
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingering)
        self._writer.transport.abort()


@asynccontextmanager
async def raw_server(conduct: Conduct) -> AsyncGenerator[RawServer]:
    """Every connection goes as `conduct` says, and is closed when that returns."""
    conversations: list[tuple[asyncio.Task[None], asyncio.StreamWriter]] = []
    told = RawServer("")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told.connections += 1
        conversations.append((asyncio.current_task(), writer))
        try:
            await conduct(Connection(told, reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client has gone, or the test is over
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    told.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield told
    finally:
        server.close()
        for _, writer in conversations:
            writer.transport.abort()  # a cancelled task would be logged as a failed callback by Python 3.11
        await asyncio.gather(*(task for task, _ in conversations))
        await server.wait_closed()
