"""The wire under a connection, arranged so that one failing request cannot take the others with it.

The SDK lets a network error of one HTTP request end its whole task group, and loses the status of an error page.
Here both become the answer to that one request: a JSON-RPC error whose data says what is known of the outcome.
"""

import math
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal, TextIO

import anyio
import httpx2
from mcp import StdioServerParameters
from mcp.client import Transport
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage
from mcp.types import CONNECTION_CLOSED
from pydantic import BaseModel, ValidationError

from orchestrator_client.tools.targets import Target

__all__ = ["WireFault", "open_transport"]

_CONNECT_S = 10.0
_WRITE_S = 30.0
_SILENCE_S = 300.0  # a server that streams sends a ping every 15 s
_LIMITS = httpx2.Limits(max_connections=256, max_keepalive_connections=32)

_NEVER_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
    httpx2.LocalProtocolError,
)
_TOO_MANY_REQUESTS = 429
_SERVICE_UNAVAILABLE = 503
_REFUSED = frozenset({401, 403, 407, 413, 421})
_MAYBE_DONE = frozenset({500, 502, _SERVICE_UNAVAILABLE, 504})


class WireFault(BaseModel):
    """The `data` of an error made here.

    `not_sent`: nothing was executed, another try is safe. `refused`: nothing was executed, and another try will meet
    the same answer. `unknown`: it may have been executed.
    """

    outcome: Literal["not_sent", "refused", "unknown"]
    retry_after_s: float | None = None


class _JsonRpcError(BaseModel):
    """Enough of a JSON-RPC error to tell it from another JSON body."""

    jsonrpc: Literal["2.0"]
    error: dict[str, Any]


class _ContainingClient(httpx2.AsyncClient):
    """Answers a failed POST with a JSON-RPC error instead of raising.

    A subclass and not a transport, because a transport of one's own switches the proxies of the environment off.
    """

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:  # noqa: ANN401  # passed on
        if request.method != "POST":
            return await super().send(request, **options)
        try:
            response = await super().send(request, **options)
            if _is_json(response):
                await response.aread()  # a body that breaks off later would raise inside the SDK
        except httpx2.RequestError as error:
            outcome = "not_sent" if isinstance(error, _NEVER_SENT) else "unknown"
            return _answer(request, f"The connection failed ({type(error).__name__}).", WireFault(outcome=outcome))
        fault = _status_fault(response)
        if fault is None:
            return response
        await response.aclose()
        return _answer(request, f"The server answered with HTTP status {response.status_code}.", fault)


def open_transport(target: Target, *, errlog: TextIO, on_end: Callable[[], None]) -> Transport:
    """The streams of one connection; `on_end` is called when a launched server closes its output.

    `errlog` gets what a launched server writes to its standard error; it needs a file descriptor.
    """
    if target.url is None:
        return _stdio(target, errlog, on_end)
    return _http(target.url, target)


@asynccontextmanager
async def _http(url: str, target: Target) -> AsyncGenerator[Any]:
    timeout = httpx2.Timeout(connect=_CONNECT_S, write=_WRITE_S, read=_SILENCE_S, pool=_CONNECT_S)
    async with (
        _ContainingClient(headers=dict(target.headers), timeout=timeout, limits=_LIMITS) as http,
        streamable_http_client(url, http_client=http, max_sse_event_size=None) as streams,
    ):
        yield streams


@asynccontextmanager
async def _stdio(target: Target, errlog: TextIO, on_end: Callable[[], None]) -> AsyncGenerator[Any]:
    """Pass messages on through a stream of our own: the SDK's client notices the end of its stream but tells nobody."""
    command, *args = target.command
    server = StdioServerParameters(command=command, args=args, env=dict(os.environ))
    send, receive = anyio.create_memory_object_stream[SessionMessage | Exception](0)

    async with (
        send,
        receive,
        stdio_client(server, errlog=errlog) as (incoming, outgoing),
        anyio.create_task_group() as tasks,
    ):

        async def pump() -> None:
            try:
                async for message in incoming:
                    await send.send(message)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                return
            finally:
                send.close()
            on_end()

        tasks.start_soon(pump)
        yield receive, outgoing
        tasks.cancel_scope.cancel()


def _is_json(response: httpx2.Response) -> bool:
    return response.headers.get("content-type", "").lower().startswith("application/json")


def _status_fault(response: httpx2.Response) -> WireFault | None:
    """What an error status means, unless the server itself says it in JSON-RPC.

    404 and 405 stay with the SDK: they are how it learns the age of a server and the end of a session.
    """
    status = response.status_code
    if status not in _REFUSED | _MAYBE_DONE | {_TOO_MANY_REQUESTS} or _speaks_json_rpc(response):
        return None
    wait_s = _retry_after_s(response.headers.get("retry-after", ""))
    if status == _TOO_MANY_REQUESTS or (status == _SERVICE_UNAVAILABLE and wait_s is not None):
        return WireFault(outcome="not_sent", retry_after_s=wait_s)
    return WireFault(outcome="refused" if status in _REFUSED else "unknown")


def _speaks_json_rpc(response: httpx2.Response) -> bool:
    if not _is_json(response):
        return False
    try:
        _JsonRpcError.model_validate_json(response.content)
    except ValidationError:
        return False
    return True


def _retry_after_s(value: str) -> float | None:
    """Seconds from a Retry-After header in either of its two forms; None for anything else."""
    try:
        wait_s = float(value) if value.strip()[:1].isdigit() else _seconds_until(parsedate_to_datetime(value))
    except (TypeError, ValueError):
        return None
    return wait_s if 0 <= wait_s < math.inf else None


def _seconds_until(moment: datetime) -> float:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())


def _answer(request: httpx2.Request, message: str, fault: WireFault) -> httpx2.Response:
    error = {"code": CONNECTION_CLOSED, "message": message, "data": fault.model_dump(exclude_none=True)}
    return httpx2.Response(_SERVICE_UNAVAILABLE, request=request, json={"jsonrpc": "2.0", "id": None, "error": error})
