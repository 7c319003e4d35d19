"""Serves MCP over standard input and output, both protocol eras on one pipe.

The SDK's own stdio loop settles the era with the first request, and a host that probes `server/discover` and then
sends `initialize` (Claude Code 2.1, Copilot CLI 1.0) is refused with -32022. Here one dispatcher owns the pipe and each
request is judged by itself: one that carries the 2026-07-28 envelope is served alone, any other belongs to the one
handshake connection. Ids, cancellation and the client's responses stay in that dispatcher, so nothing needs routing.
"""

import signal
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

import anyio
import anyio.from_thread
import anyio.lowlevel
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.server import MCPServer, Server
from mcp.server.connection import Connection
from mcp.server.runner import ServerRunner, aclose_shielded, modern_error_data, modern_on_request
from mcp.shared.dispatcher import DispatchContext, OnRequest
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import InboundLadderRejection, classify_inbound_request
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher, cancelled_request_id_from_params
from mcp.shared.message import SessionMessage
from mcp.shared.transport_context import TransportContext
from mcp.types import (
    INVALID_REQUEST,
    PARSE_ERROR,
    PROTOCOL_VERSION_META_KEY,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
    jsonrpc_message_adapter,
)
from pydantic_core import from_json

from mcp_server.transports import fast_front
from mcp_server.transports.lowlevel import end_subscriptions, lowlevel_server

SIGNAL_GRACE_S: Final = 8.0
"""How long calls in flight may still run after SIGTERM or SIGINT; container runtimes kill after 10 s."""

EOF_GRACE_S: Final = 1.0
"""The same after the host closed its end: enough to answer what was piped in, and hosts send SIGTERM after 2 s."""


async def serve_stdio(server: MCPServer[Any]) -> None:
    """Serve on standard input and output until the host closes its end, or SIGTERM or SIGINT arrives."""
    await serve_front(server, fast_front.start())


async def serve_front(server: MCPServer[Any], front: fast_front.Front) -> None:
    """Serve behind `front`. The server's lifespan is entered once, whichever eras the host speaks."""
    low = lowlevel_server(server)
    inlet, lines = _attach(front)
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals, inlet, lines:
        async with low.lifespan(low) as state, anyio.create_task_group() as tasks:

            def stop(grace_s: float) -> None:
                inlet.close()
                end_subscriptions(server)
                tasks.cancel_scope.deadline = min(tasks.cancel_scope.deadline, anyio.current_time() + grace_s)

            async def stop_on_signals() -> None:
                grace_s = SIGNAL_GRACE_S
                async for _ in signals:
                    stop(grace_s)
                    grace_s = 0.0  # asked twice: at once

            replies = _Replies(front, on_broken=lambda: stop(EOF_GRACE_S))
            messages, inbound = anyio.create_memory_object_stream[SessionMessage | Exception]()
            tasks.start_soon(stop_on_signals)
            tasks.start_soon(_relay, lines, messages, replies, lambda: stop(EOF_GRACE_S))
            await _dispatch(low, JSONRPCDispatcher(inbound, replies, inline_methods=frozenset({"initialize"})), state)
            tasks.cancel_scope.cancel()


class _Replies:
    """What the dispatcher writes to, and which requests it still owes an answer."""

    def __init__(self, front: fast_front.Front, *, on_broken: Callable[[], None]) -> None:
        self._front = front
        self._on_broken = on_broken
        self._token = anyio.lowlevel.current_token()
        self._owed: set[RequestId] = set()
        self._settled = anyio.Event()

    def expect(self, message: JSONRPCRequest | JSONRPCNotification | JSONRPCResponse | JSONRPCError) -> None:
        """Count a request in, and a cancelled one out: it is never answered."""
        match message:
            case JSONRPCRequest():
                self._owed.add(message.id)
            case JSONRPCNotification(method="notifications/cancelled"):
                self._settle(cancelled_request_id_from_params(message.params))
            case _:
                pass

    async def all_sent(self) -> None:
        while self._owed:
            await self._settled.wait()

    async def send(self, item: SessionMessage, /) -> None:
        """Return once the whole line is in the pipe.

        Raises:
            anyio.BrokenResourceError: the host closed the other end.
        """
        message = item.message
        try:
            await self._write(message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")
        finally:
            if isinstance(message, JSONRPCResponse | JSONRPCError):
                self._settle(message.id)

    async def _write(self, line: bytes) -> None:
        done = anyio.Event()
        failure: OSError | None = None

        def written(error: OSError | None) -> None:
            nonlocal failure
            failure = error
            with suppress(RuntimeError):  # the loop has ended
                anyio.from_thread.run_sync(done.set, token=self._token)

        self._front.write(line, written)
        await done.wait()
        if failure is not None:
            self._on_broken()
            raise anyio.BrokenResourceError from failure

    def _settle(self, request_id: RequestId | None) -> None:
        if request_id is not None:
            self._owed.discard(request_id)
            self._settled.set()
            self._settled = anyio.Event()

    async def aclose(self) -> None:
        """Nothing to close: the descriptor is the front's."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.aclose()


def _attach(
    front: fast_front.Front,
) -> tuple[MemoryObjectSendStream[list[bytes]], MemoryObjectReceiveStream[list[bytes]]]:
    inlet, lines = anyio.create_memory_object_stream[list[bytes]](1)
    token = anyio.lowlevel.current_token()
    stopped = (anyio.ClosedResourceError, anyio.BrokenResourceError)
    loop_ended = (RuntimeError, CancelledError, anyio.get_cancelled_exc_class())

    def deliver(batch: list[bytes]) -> None:
        with suppress(*stopped, *loop_ended):
            anyio.from_thread.run(inlet.send, batch, token=token)

    if backlog := front.attach(deliver):
        inlet.send_nowait(backlog)  # before the loop can run what the reader's thread delivers
    return inlet, lines


async def _relay(
    lines: MemoryObjectReceiveStream[list[bytes]],
    messages: MemoryObjectSendStream[SessionMessage | Exception],
    replies: _Replies,
    on_eof: Callable[[], None],
) -> None:
    async with messages:
        async for batch in lines:
            if not batch:
                on_eof()
            for line in batch:
                await _relay_line(line, messages, replies)
        await replies.all_sent()


async def _relay_line(
    line: bytes, messages: MemoryObjectSendStream[SessionMessage | Exception], replies: _Replies
) -> None:
    try:
        message = jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValueError:
        with suppress(anyio.BrokenResourceError):
            await replies.send(SessionMessage(_refusal(line)))
    else:
        replies.expect(message)
        await messages.send(SessionMessage(message))


def _refusal(line: bytes) -> JSONRPCError:
    try:
        value: object = from_json(line)
    except ValueError:
        return JSONRPCError(jsonrpc="2.0", id=None, error=ErrorData(code=PARSE_ERROR, message="The line is not JSON."))
    match value:
        # Without a method it may be a response: its id is one of ours, not one the client waits on.
        case {"id": str() | int() as request_id, "method": object()} if not isinstance(request_id, bool):
            pass
        case _:
            request_id = None
    error = ErrorData(code=INVALID_REQUEST, message="The line is JSON, but not one JSON-RPC 2.0 message.")
    return JSONRPCError(jsonrpc="2.0", id=request_id, error=error)


async def _dispatch(low: Server[Any], dispatcher: JSONRPCDispatcher[TransportContext], state: object) -> None:
    connection = Connection.for_loop(dispatcher)
    handshake = ServerRunner(low, connection, state)
    try:
        await dispatcher.run(_by_era(handshake.on_request, modern_on_request(low, state)), handshake.on_notify)
    finally:
        await aclose_shielded(connection)


def _by_era(handshake: OnRequest, modern: OnRequest) -> OnRequest:
    async def on_request(
        context: DispatchContext[TransportContext], method: str, params: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        try:
            if method == "initialize" or not _is_enveloped(params):
                return await handshake(context, method, params)
            _check_envelope(method, params)
            return await modern(context, method, params)
        except Exception as error:  # the border: `modern_error_data` logs it, its text stays here
            detail = modern_error_data(error)
            raise MCPError(code=detail.code, message=detail.message, data=detail.data) from error

    return on_request


def _is_enveloped(params: Mapping[str, Any] | None) -> bool:
    """Whether the request claims the 2026 era. The version key alone decides, so half an envelope is refused."""
    meta = (params or {}).get("_meta")
    return isinstance(meta, Mapping) and PROTOCOL_VERSION_META_KEY in meta


def _check_envelope(method: str, params: Mapping[str, Any] | None) -> None:
    verdict = classify_inbound_request({"method": method, "params": params})
    if isinstance(verdict, InboundLadderRejection):
        raise MCPError(code=verdict.code, message=verdict.message, data=verdict.data)
