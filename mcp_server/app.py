"""Wires tools, resources and prompts into the SDK's `MCPServer`. Calls go through our pipeline."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import mcp_types as types
from mcp.server.caching import CacheableMethod, CacheHint
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.exceptions import MCPError

from mcp_server import identity
from mcp_server.backends.base import Backend
from mcp_server.clock import Clock
from mcp_server.errors import InvalidInput, ToolFailure
from mcp_server.pipeline.call import Pipeline
from mcp_server.pipeline.declaration import Caller, Tool
from mcp_server.pipeline.idempotency import META_KEY
from mcp_server.pipeline.schema import published_schema
from mcp_server.surface.completions import Completions
from mcp_server.surface.confirmation import confirmed
from mcp_server.surface.jobs import JOBS, RULES
from mcp_server.surface.kinds import offered_kinds
from mcp_server.surface.prompts import Prompts
from mcp_server.surface.reading import PlantReading
from mcp_server.surface.resources import Resources
from mcp_server.tools import ALL_TOOLS

__all__ = ["ShopfloorServer", "build_server", "published_tools"]

DEADLINE_KEY = "io.shopfloor/deadline-ms"
"""Where a client says in `_meta` how long it will still wait, in milliseconds."""

_LONGEST_DEADLINE_MS = 3_600_000
_LISTS: tuple[CacheableMethod, ...] = ("tools/list", "prompts/list", "resources/list", "resources/templates/list")
_LISTS_TTL_MS = 300_000
_LONGEST_ECHO = 80

AnyTool = Tool[Any, Any, Any]
AnyContext = Context[dict[str, Any], Any]


class ShopfloorServer(MCPServer[dict[str, Any]]):
    """The SDK's server with our tools, resources and prompts behind its methods. What is not offered is unknown to it.

    The SDK would coerce arguments, drop unknown ones and hide the text of errors; here it does none of the three.
    """

    def __init__(self, tools: Sequence[AnyTool], backend: Backend, clock: Clock) -> None:
        super().__init__(
            identity.NAME,
            title=identity.TITLE,
            instructions=identity.INSTRUCTIONS,
            version=identity.VERSION,
            cache_hints={method: CacheHint(ttl_ms=_LISTS_TTL_MS, scope="public") for method in _LISTS},
            log_level="WARNING",
        )
        self.pipeline = Pipeline(backend, clock)
        self._named = {tool.name: tool for tool in tools}
        self._published = published_tools(tools)
        kinds, reading = offered_kinds(tools), PlantReading(backend)
        self._resources = Resources(reading, kinds, clock)
        self._prompts = Prompts(JOBS, RULES, tools)
        self.completion()(Completions(reading, self._prompts, kinds).complete)

    async def list_tools(self) -> list[types.Tool]:
        return list(self._published)

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: AnyContext | None = None
    ) -> types.CallToolResult | types.InputRequiredResult:
        tool = self._named.get(name)
        if tool is None:
            raise MCPError(code=types.INVALID_PARAMS, message=f"Unknown tool: {name[:_LONGEST_ECHO]}")
        try:
            caller = _caller(context)
            answer = await confirmed(lambda given: self.pipeline.call(tool, given, caller), arguments, context)
        except ToolFailure as failure:
            return _result(failure.as_json(), is_error=True)
        return answer if isinstance(answer, types.InputRequiredResult) else _result(answer)

    async def list_resources(self) -> list[types.Resource]:
        return self._resources.listed()

    async def list_resource_templates(self) -> list[types.ResourceTemplate]:
        return self._resources.templates()

    async def read_resource(self, uri: object, context: AnyContext | None = None) -> Iterable[ReadResourceContents]:
        del context
        return [await self._resources.read(str(uri))]

    async def list_prompts(self) -> list[types.Prompt]:
        return self._prompts.listed()

    async def get_prompt(
        self, name: str, arguments: dict[str, Any] | None = None, context: AnyContext | None = None
    ) -> types.GetPromptResult:
        del context
        return self._prompts.get(name, arguments or {})


def build_server(backend: Backend, clock: Clock, tools: Sequence[AnyTool] = ALL_TOOLS) -> ShopfloorServer:
    return ShopfloorServer(tools, backend, clock)


def published_tools(tools: Sequence[AnyTool]) -> tuple[types.Tool, ...]:
    """The tools as `tools/list` shows them, by name."""
    return tuple(
        types.Tool.model_validate(
            {
                "name": tool.name,
                "description": tool.description,
                "inputSchema": published_schema(tool.request, "validation"),
                "outputSchema": published_schema(tool.result, "serialization"),
                "annotations": dict(tool.annotations),
            }
        )
        for tool in sorted(tools, key=lambda tool: tool.name)
    )


def _caller(context: AnyContext | None) -> Caller:
    """Who calls, from the request's `_meta`.

    Raises:
        InvalidInput: the key is no text, or the deadline no number.
    """
    meta: Mapping[str, Any] = (context.request_context.meta if context is not None else None) or {}
    key, deadline_ms = meta.get(META_KEY), meta.get(DEADLINE_KEY)
    if not isinstance(key, str | None):
        raise InvalidInput(
            "The idempotency key must be text.", field=f"_meta[{META_KEY}]", suggestion="Send a key such as a UUID."
        )
    if deadline_ms is not None and (isinstance(deadline_ms, bool) or not isinstance(deadline_ms, int | float)):
        raise InvalidInput(
            "The deadline must be a number of milliseconds.",
            field=f"_meta[{DEADLINE_KEY}]",
            suggestion="Send how many milliseconds you will still wait, or leave it out.",
        )
    patience_s = None if deadline_ms is None else max(0, min(deadline_ms, _LONGEST_DEADLINE_MS)) / 1000
    return Caller(idempotency_key=key, deadline_s=patience_s)


def _result(answer: dict[str, Any], *, is_error: bool = False) -> types.CallToolResult:
    """Structured content, and the same as compact text: hosts show the model one or the other."""
    text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)], structured_content=answer, is_error=is_error
    )
