"""One life of the SDK's client: from connecting until its server is gone or unwanted."""

import math
from collections.abc import Mapping
from typing import Any, TextIO, cast

import anyio
import structlog
from mcp import Client
from mcp.types import CallToolResult, RequestParamsMeta, Tool

from orchestrator_client.errors import OutcomeUnknown, ToolCallError, ToolServerUnavailable
from orchestrator_client.tools.catalog import ToolDescriptor
from orchestrator_client.tools.faults import SDK_ERRORS, session_is_forgotten, tool_error
from orchestrator_client.tools.targets import Target
from orchestrator_client.tools.transport import open_transport

__all__ = ["Link"]

_PROBE_S = 5.0
_MAX_PAGES = 100

_log = structlog.get_logger(__name__)


class Link:
    """`run` owns the client in a task of its own; everything else may be used from any task while `usable`."""

    def __init__(
        self, target: Target, *, errlog: TextIO, connect_timeout_s: float, after: anyio.Event | None = None
    ) -> None:
        self._label = target.label
        self._connect_timeout_s = connect_timeout_s
        self._after = after
        self._client = Client(open_transport(target, errlog=errlog, on_end=self._ended), cache=None)
        self._connecting = anyio.CancelScope()
        self._settled = anyio.Event()
        self._leave = anyio.Event()
        self._failure: ToolCallError | None = None
        self._in_doubt = False
        self.usable = True
        self.gone = anyio.Event()
        self.tools: tuple[ToolDescriptor, ...] = ()
        self.server_name = target.label

    async def run(self) -> None:
        """Connect, then keep the client open until `leave`. Never raises."""
        try:
            await self._live()
        except Exception as error:  # noqa: BLE001  # whatever ends a link must not end the task group of its owner
            self._failure = tool_error(error, sent=False)
            _log.warning("tool_server_lost", server=self._label, reason=self._failure.message)
        finally:
            self._ended()
            self._settled.set()
            self.gone.set()

    async def _live(self) -> None:
        with self._connecting as scope:
            scope.deadline = anyio.current_time() + self._connect_timeout_s
            if self._after is not None:
                await self._after.wait()
            async with self._client:
                await self.fetch_tools(timeout_s=self._connect_timeout_s)
                info = self._client.server_info
                self.server_name = info.name if info else self._label
                scope.deadline = math.inf
                self._settled.set()
                await self._leave.wait()
        if scope.cancelled_caught:
            raise TimeoutError

    async def ready(self) -> None:
        """Wait until the link is up.

        Raises:
            ToolCallError: It did not come up; most often ToolServerUnavailable.
        """
        await self._settled.wait()
        if self._failure is not None:
            raise tool_error(self._failure, sent=False) from self._failure
        if not self.usable:
            raise ToolServerUnavailable("The tool server closed the connection.", suggestion="Try again in a moment.")

    async def check(self) -> None:
        """After an answer was lost, find out whether only that answer was; leave if the server is deaf."""
        if not (self._in_doubt and self.usable):
            return
        try:
            await self.fetch_tools(timeout_s=_PROBE_S)
        except ToolCallError:
            self.leave()
        self._in_doubt = False

    async def fetch_tools(self, *, timeout_s: float) -> None:
        """Fill `tools` with all pages of the server's list.

        Raises:
            ToolCallError: The list could not be had.
        """
        try:
            with anyio.fail_after(timeout_s):
                self.tools = tuple(ToolDescriptor.from_tool(tool) for tool in await self._all_pages())
        except SDK_ERRORS as error:
            raise tool_error(error, sent=False) from error

    async def _all_pages(self) -> list[Tool]:
        found: list[Tool] = []
        cursor: str | None = None
        for _ in range(_MAX_PAGES):
            page = await self._client.list_tools(cursor=cursor)
            found += page.tools
            cursor = page.next_cursor
            if cursor is None:
                return found
        raise ToolCallError("The tool server's list of tools has no end.", suggestion="Report this to whoever runs it.")

    async def call(
        self, name: str, arguments: Mapping[str, Any], *, meta: Mapping[str, Any] | None, deadline: float
    ) -> CallToolResult:
        """Send one call; `deadline` is a time of the event loop's clock. Raises as `ToolConnection.call`."""
        try:
            with anyio.fail_after(deadline - anyio.current_time()):
                # an open TypedDict, which no plain mapping is assignable to
                extra = cast("RequestParamsMeta", dict(meta)) if meta else None
                return await self._client.call_tool(name, dict(arguments), meta=extra)
        except SDK_ERRORS as error:
            found = tool_error(error, sent=True)
            self._in_doubt |= isinstance(found, OutcomeUnknown)
            if session_is_forgotten(error):
                self.leave()
            raise found from error

    def leave(self) -> None:
        """Close the client; calls in flight end with an unknown outcome."""
        self._ended()
        if not self._settled.is_set():
            self._connecting.cancel()

    def _ended(self) -> None:
        self.usable = False
        self._leave.set()
