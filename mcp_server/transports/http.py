"""Serves MCP over Streamable HTTP at `/mcp`, with `/health` and `/ready` beside it.

2026-07-28 requests are stateless; the older handshake leg keeps its sessions in this process, the SDK's default. Host
and Origin are checked against explicit lists whatever address is bound: left to itself, the SDK drops the check for
every address but loopback.
"""

import errno
import ipaddress
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import anyio
import uvicorn
from anyio.abc import TaskStatus
from mcp.server import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_server.transports.lowlevel import end_subscriptions

MCP_PATH: Final = "/mcp"

SHUTDOWN_GRACE_S: Final = 8
"""How long requests in flight may still run after SIGTERM or SIGINT; container runtimes kill after 10 s."""

READY_TIMEOUT_S: Final = 5.0

Readiness = Callable[[], Awaitable[bool]]
"""Whether the server can do its work now, for example whether its system of record answers."""

_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")

logger = logging.getLogger(__name__)


async def always_ready() -> bool:
    return True


def http_app(
    server: MCPServer[Any],
    *,
    allowed_hosts: Sequence[str] = (),
    allowed_origins: Sequence[str] = (),
    ready: Readiness = always_ready,
) -> Starlette:
    """The ASGI application.

    Args:
        server: what answers at `/mcp`.
        allowed_hosts: accepted `Host` headers besides loopback: `name`, `name:port`, or `name:*` for any port.
        allowed_origins: accepted `Origin` headers besides loopback, such as `https://name` or `https://name:*`.
        ready: asked on every `GET /ready`.
    """
    app = server.streamable_http_app(
        streamable_http_path=MCP_PATH, transport_security=_security(allowed_hosts, allowed_origins)
    )

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok", "name": server.name, "version": server.version})

    async def readiness(_: Request) -> JSONResponse:
        if await _is_ready(ready):
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "not ready"}, status_code=503)

    app.add_route("/health", health, methods=["GET"])
    app.add_route("/ready", readiness, methods=["GET"])
    return app


async def serve_http(
    server: MCPServer[Any],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    allowed_hosts: Sequence[str] = (),
    allowed_origins: Sequence[str] = (),
    ready: Readiness = always_ready,
    task_status: TaskStatus[str] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until SIGTERM, SIGINT or cancellation; each lets requests in flight finish within the grace.

    Reports the address of `/mcp` through `task_status` once it accepts connections; port 0 takes a free one.

    Raises:
        ValueError: `host` is not a loopback address.
        OSError: the address cannot be bound.
    """
    listener = _bind(host, port)
    with listener, anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        app = http_app(server, allowed_hosts=allowed_hosts, allowed_origins=allowed_origins, ready=ready)
        streams = _ServerStreams(app)
        uvicorn_server = _Uvicorn(_uvicorn_config(streams))

        async def stop_when_told() -> None:
            try:
                async for _ in signals:
                    return
            finally:
                streams.end()
                end_subscriptions(server)
                uvicorn_server.should_exit = True

        async def announce() -> None:
            await uvicorn_server.listening.wait()
            url = _url(listener)
            logger.info("Serving MCP at %s", url)
            task_status.started(url)

        async with app.router.lifespan_context(app), anyio.create_task_group() as tasks:
            tasks.start_soon(stop_when_told)
            tasks.start_soon(announce)
            with anyio.CancelScope(shield=True):  # a cancellation reaches uvicorn through `should_exit`
                await uvicorn_server.serve(sockets=[listener])
            tasks.cancel_scope.cancel()


class _Uvicorn(uvicorn.Server):
    """Uvicorn without its signal handlers: they raise SIGTERM again at the end, and the exit status is lost."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = anyio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class _ServerStreams:
    """Ends the standing `GET /mcp` streams of handshake clients at shutdown; they would use up the whole grace."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._open: set[anyio.CancelScope] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] != MCP_PATH:
            await self._app(scope, receive, send)
            return
        with anyio.CancelScope() as stream:
            self._open.add(stream)
            try:
                await self._app(scope, receive, send)
            finally:
                self._open.discard(stream)
        if stream.cancelled_caught:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    def end(self) -> None:
        for stream in self._open:
            stream.cancel()


def _uvicorn_config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="off",  # entered by `serve_http`, so that its failure is an exception and not `sys.exit`
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_GRACE_S,
    )


def _security(hosts: Sequence[str], origins: Sequence[str]) -> TransportSecuritySettings:
    loopback = [name + port for name in _LOOPBACK for port in ("", ":*")]
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=[*loopback, *hosts],
        allowed_origins=[*(f"http://{name}" for name in loopback), *origins],
    )


async def _is_ready(ready: Readiness) -> bool:
    with anyio.move_on_after(READY_TIMEOUT_S):
        try:
            return await ready()
        except Exception:
            logger.exception("The readiness check failed")
    return False


def _bind(host: str, port: int) -> socket.socket:
    if not _is_loopback(host):
        raise ValueError(
            f"Refusing to listen on {host}: this server has no authentication yet, so only programs on this machine "
            "may connect. Use --host 127.0.0.1."
        )
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    try:
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise OSError(error.errno, f"Port {port} on {host} {reason}. Choose another one with --port.") from error


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{MCP_PATH}"
