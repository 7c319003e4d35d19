"""Tool connections that keep what passes through them: to a real server, or to tools in this very process."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anyio.lowlevel import checkpoint

from orchestrator_client.tools.catalog import IDEMPOTENCY_KEY, ToolDescriptor
from orchestrator_client.tools.connection import RawToolResult, Target, ToolConnection

__all__ = ["Passed", "Recorded", "Refused", "Shop", "ShopTool"]

Json = dict[str, Any]


class Refused(Exception):
    """A tool's error result; the arguments are the fields of its error object."""

    def __init__(self, **error: Any) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, slots=True)
class Passed:
    """A call that reached the connection. `agent` is who was at work, `key` the call's idempotency key."""

    tool: str
    arguments: Json
    agent: str
    key: str | None
    ok: bool


class Recorded(ToolConnection):
    """`passed` holds every call in its order. Whoever knows which agent is at work sets `agent`."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.passed: list[Passed] = []
        self.agent = ""

    async def call(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        meta: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> RawToolResult:
        agent = self.agent
        result = await self._answer(name, dict(arguments), meta, timeout_s)
        key = (meta or {}).get(IDEMPOTENCY_KEY)
        self.passed.append(Passed(name, dict(arguments), agent, key, not result.is_error))
        return result

    async def _answer(
        self, name: str, arguments: Json, meta: Mapping[str, Any] | None, timeout_s: float | None
    ) -> RawToolResult:
        return await super().call(name, arguments, meta=meta, timeout_s=timeout_s)


@dataclass(frozen=True, slots=True)
class ShopTool:
    """A tool and what it does: `run` takes checked arguments and returns structured content, or raises `Refused`."""

    name: str
    run: Callable[[Json], Json]
    fields: Mapping[str, Json]
    required: tuple[str, ...] = ()
    read_only: bool = False

    def descriptor(self) -> ToolDescriptor:
        schema = {
            "type": "object",
            "properties": dict(self.fields),
            "required": list(self.required),
            "additionalProperties": False,
        }
        return ToolDescriptor(
            self.name, self.name, "A tool of the shop.", schema, read_only=self.read_only, idempotent=True
        )


class Shop(Recorded):
    """Tools in this process, without a wire, so that thousands of calls take no time."""

    def __init__(self, tools: Sequence[ShopTool]) -> None:
        super().__init__(Target(command=("shop",)))
        self._by_name = {tool.name: tool for tool in tools}
        self.offered = tuple(tool.descriptor() for tool in tools)

    async def list_tools(self, *, refresh: bool = False) -> tuple[ToolDescriptor, ...]:  # noqa: ARG002 - as the base
        await checkpoint()
        return self.offered

    async def _answer(
        self,
        name: str,
        arguments: Json,
        meta: Mapping[str, Any] | None,  # noqa: ARG002 - as the base
        timeout_s: float | None,  # noqa: ARG002 - as the base
    ) -> RawToolResult:
        await checkpoint()
        try:
            found, failed = self._by_name[name].run(arguments), False
        except Refused as refused:
            found, failed = {"error": refused.error}, True
        return RawToolResult(json.dumps(found), found, is_error=failed)
