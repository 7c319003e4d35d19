"""The SDK's low-level server behind an MCPServer, and what only it can do."""

from typing import Any

from mcp.server import MCPServer, Server
from mcp.server.subscriptions import ListenHandler


def lowlevel_server(server: MCPServer[Any]) -> Server[Any]:
    """The request registry and the lifespan that a transport of our own has to drive."""
    return server._lowlevel_server  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] -- mcp 2.3 has no public way


def end_subscriptions(server: MCPServer[Any]) -> None:
    """End every open `subscriptions/listen` with its final result, so that none holds up a shutdown."""
    entry = lowlevel_server(server).get_request_handler("subscriptions/listen")
    if entry is not None and isinstance(entry.handler, ListenHandler):
        entry.handler.close()
