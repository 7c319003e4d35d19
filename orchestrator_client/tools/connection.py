"""One connection to a tool server that outlives the server.

The SDK's client dies with its transport and cancels the task it lives in. Here every client lives in a task of the
connection's own (a `Link`), so callers only see errors, and the next call opens a new link.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO, cast

import anyio
from mcp.types import (
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from orchestrator_client.errors import ToolServerUnavailable
from orchestrator_client.tools.catalog import ToolDescriptor
from orchestrator_client.tools.link import Link
from orchestrator_client.tools.targets import Target, default_target, parse_target

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

__all__ = ["RawToolResult", "Target", "ToolConnection", "default_target", "parse_target"]

_GOODBYE_S = 5.0


@dataclass(frozen=True, slots=True)
class RawToolResult:
    """A tool's answer as it came.

    `structured` is None when there is none; a JSON value other than an object stands in it under `result`.
    """

    text: str
    structured: dict[str, Any] | None = None
    is_error: bool = False
    meta: dict[str, Any] = field(default_factory=dict[str, Any])


class ToolConnection:
    """A server that may die and come back; `async with` owns the tasks, the first use connects.

    Calls may run at the same time and share one link. Cancelling a caller cancels only its call.
    """

    def __init__(
        self,
        target: Target,
        *,
        connect_timeout_s: float = 30.0,
        call_timeout_s: float = 60.0,
        errlog: TextIO | None = None,
    ) -> None:
        self._target = target
        self._connect_timeout_s = connect_timeout_s
        self.call_timeout_s = call_timeout_s
        self._errlog = errlog
        self._tasks: TaskGroup | None = None
        self._link: Link | None = None
        self._tools: tuple[ToolDescriptor, ...] | None = None
        self._server_name = target.label

    @property
    def server_name(self) -> str:
        """What the server calls itself; until it has said so, where it is."""
        return self._server_name

    async def __aenter__(self) -> Self:
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks, self._tasks = self._tasks, None
        assert tasks is not None
        if self._link is not None:
            self._link.leave()
        tasks.cancel_scope.deadline = anyio.current_time() + _GOODBYE_S
        # Without the error: a task group would wrap it, and the caller's exception should stay what it is.
        await tasks.__aexit__(None, None, None)

    async def list_tools(self, *, refresh: bool = False) -> tuple[ToolDescriptor, ...]:
        """Every tool of the server, from memory unless `refresh`.

        Raises:
            ToolCallError: The list is not in memory and could not be fetched; most often ToolServerUnavailable.
        """
        if self._tools is not None and not refresh:
            return self._tools
        known = self._link
        link = await self._live_link()
        if link is known:  # a new link has just fetched it
            await link.fetch_tools(timeout_s=self.call_timeout_s)
        self._tools = link.tools
        return self._tools

    async def call(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        meta: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> RawToolResult:
        """Call a tool once; `timeout_s` covers connecting as well.

        Raises:
            ToolServerUnavailable: Nothing was executed.
            OutcomeUnknown: The call was sent and no answer came.
            ToolResultInvalid: The answer does not fit the protocol or the tool's output schema.
            ToolCallError: The server refused the call as such.
        """
        deadline = anyio.current_time() + (self.call_timeout_s if timeout_s is None else timeout_s)
        link = await self._link_by(deadline)
        return _raw(await link.call(name, arguments, meta=meta, deadline=deadline))

    async def _link_by(self, deadline: float) -> Link:
        with anyio.CancelScope(deadline=deadline):
            return await self._live_link()
        raise ToolServerUnavailable("The tool server is not ready yet.", suggestion="Try again in a moment.")

    async def _live_link(self) -> Link:
        if self._link is not None:
            await self._link.check()
        link = self._link if self._link is not None and self._link.usable else self._open()
        await link.ready()
        self._tools, self._server_name = link.tools, link.server_name
        return link

    def _open(self) -> Link:
        if self._tasks is None:
            raise ToolServerUnavailable("The connection to the tool server is closed.", suggestion="Open it again.")
        # Two children at once would fight for one database, so the new one waits for the end of the old.
        predecessor = self._link.gone if self._link is not None and self._target.command else None
        self._link = Link(
            self._target,
            errlog=self._errlog or sys.stderr,
            connect_timeout_s=self._connect_timeout_s,
            after=predecessor,
        )
        self._tasks.start_soon(self._link.run)
        return self._link


def _raw(result: CallToolResult) -> RawToolResult:
    found: Any = result.structured_content  # any JSON value
    is_object = found is None or isinstance(found, dict)
    return RawToolResult(
        text="\n".join(_text(block) for block in result.content),
        structured=cast("dict[str, Any] | None", found) if is_object else {"result": found},  # just looked
        is_error=result.is_error,
        meta=dict(result.meta or {}),
    )


def _text(block: ContentBlock) -> str:
    """What a model that reads text can be told of a block."""
    match block:
        case TextContent():
            return block.text
        case EmbeddedResource(resource=TextResourceContents() as resource):
            return resource.text
        case ResourceLink():
            return f"[{block.name}: {block.uri}]"
        case EmbeddedResource():
            return f"[{block.resource.uri}: not text]"
        case _:
            return f"[{block.type}, {block.mime_type}: not shown]"
