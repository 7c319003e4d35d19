"""A minimal MCP server for the transport tests. As a program: `python -m tests.support.tiny_server stdio|http`."""

import logging
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_server import identity
from mcp_server.transports import fast_front

if TYPE_CHECKING:
    import anyio
    from mcp.server import MCPServer

GATE_VARIABLE = "TINY_SERVER_GATE"
"""Names a FIFO. The stdio program imports the SDK only after a writer has opened and closed it."""


def _event() -> "anyio.Event":
    import anyio

    return anyio.Event()


@dataclass
class Plant:
    """What the lifespan yields, and what a test can see of a call."""

    entered: int = 0
    left: int = 0
    waiting: "anyio.Event" = field(default_factory=_event)
    release: "anyio.Event" = field(default_factory=_event)
    cancelled: "anyio.Event" = field(default_factory=_event)


def tiny_server(plant: Plant) -> "MCPServer[Plant]":
    import anyio
    from mcp.server.mcpserver import Context, MCPServer

    @asynccontextmanager
    async def lifespan(_: MCPServer[Plant]) -> AsyncGenerator[Plant]:
        plant.entered += 1
        yield plant
        plant.left += 1

    server = MCPServer[Plant](
        identity.NAME,
        title=identity.TITLE,
        version=identity.VERSION,
        instructions=identity.INSTRUCTIONS,
        lifespan=lifespan,
        log_level="WARNING",
    )

    @server.tool()
    async def echo(text: str) -> str:
        return text

    @server.tool()
    async def lifespans(ctx: Context[Plant]) -> int:
        return ctx.request_context.lifespan_context.entered

    @server.tool()
    async def wait(ctx: Context[Plant]) -> str:
        """Waits until the test releases it."""
        state = ctx.request_context.lifespan_context
        state.waiting.set()
        try:
            await state.release.wait()
        except anyio.get_cancelled_exc_class():
            state.cancelled.set()
            raise
        return "released"

    @server.tool()
    async def litter() -> str:
        """Writes to standard output in every way a careless tool could."""
        print("stray print", flush=True)  # noqa: T201 -- the fault under test
        os.write(1, b"stray write\n")
        subprocess.run(["echo", "stray child"], check=True)  # noqa: ASYNC221 -- the fault under test
        return "littered"

    @server.completion()
    async def complete(*_: object) -> None:
        """No values; it is what makes the server advertise completions, as ours does."""

    return server


def main(transport: str) -> None:
    if transport == "stdio":
        fast_front.start()
        if gate := os.environ.get(GATE_VARIABLE):
            Path(gate).read_bytes()
    import anyio

    from mcp_server.transports.http import serve_http
    from mcp_server.transports.stdio import serve_stdio

    logging.basicConfig(level=logging.INFO)

    async def serve() -> None:
        server = tiny_server(Plant())
        await (serve_stdio(server) if transport == "stdio" else serve_http(server, port=0))

    anyio.run(serve)


if __name__ == "__main__":
    main(sys.argv[1])
