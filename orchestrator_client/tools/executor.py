"""The only way to call a tool: checked before, retried where that is safe, checked after, never raising."""

import anyio
import stamina
import structlog

from orchestrator_client.dialogue.messages import ToolResultBlock, ToolUseBlock
from orchestrator_client.errors import ToolCallError
from orchestrator_client.tools.catalog import IDEMPOTENCY_KEY, ToolDescriptor
from orchestrator_client.tools.connection import RawToolResult, ToolConnection
from orchestrator_client.tools.faults import tool_error
from orchestrator_client.tools.outcome import Advice, ToolFailure, ToolOutcome, error_of, readable
from orchestrator_client.tools.validation import check_arguments, check_result
from orchestrator_client.tools.verdicts import (
    CallInProgress,
    Failed,
    bad_arguments,
    bad_result,
    final,
    from_server,
    on_the_way,
    refusal,
)

__all__ = ["IDEMPOTENCY_KEY", "Advice", "ToolExecutor", "ToolFailure", "ToolOutcome"]

_log = structlog.get_logger(__name__)


class ToolExecutor:
    """`attempts` and `deadline_s` bound one `run` with all its retries and waits."""

    def __init__(self, connection: ToolConnection, *, attempts: int = 3, deadline_s: float = 60.0) -> None:
        self._connection = connection
        self._attempts = attempts
        self._deadline_s = deadline_s

    async def run(self, use: ToolUseBlock, *, allowed: frozenset[str], idempotency_key: str | None) -> ToolOutcome:
        """Call a tool. A failure is an outcome; only cancellation and bugs are raised.

        The key makes a write repeatable; it is used only where the server promises to honor it.
        """
        now = anyio.current_time()
        call = CallInProgress(use, idempotency_key, started=now, deadline=now + self._deadline_s)
        try:
            raw = await self._with_retries(call, allowed)
        except Failed as failed:
            outcome = _failure(call, final(call, failed))
        else:
            outcome = _success(call, raw)
        code = outcome.error.code if outcome.error else None
        _log.info("tool_call", tool=use.name, ok=outcome.ok, code=code, attempts=outcome.attempts)
        return outcome

    async def _with_retries(self, call: CallInProgress, allowed: frozenset[str]) -> RawToolResult:
        async for attempt in stamina.retry_context(on=call.wait_s, attempts=self._attempts, timeout=None):
            with attempt:
                tool = call.tool = await self._tool(call, allowed)
                problems = check_arguments(tool, call.use.input)
                if problems:
                    raise bad_arguments(problems)
                return await self._send(call, tool)
        raise AssertionError("stamina returns or raises")

    async def _tool(self, call: CallInProgress, allowed: frozenset[str]) -> ToolDescriptor:
        name = call.use.name
        if name not in allowed:
            raise refusal(
                "tool_not_allowed", "The tool {name} cannot be used here.", name=name, offered=sorted(allowed)
            )
        for refresh in (False, True):
            tools = await self._tools(call, refresh=refresh)
            if name in tools:
                return tools[name]
        offered = sorted(allowed & tools.keys())
        raise refusal("unknown_tool", "The tool server has no tool {name}.", name=name, offered=offered)

    async def _tools(self, call: CallInProgress, *, refresh: bool) -> dict[str, ToolDescriptor]:
        try:
            with anyio.fail_after(call.remaining_s):
                return {tool.name: tool for tool in await self._connection.list_tools(refresh=refresh)}
        except (TimeoutError, ToolCallError) as error:
            call.attempts += 1
            raise on_the_way(call, tool_error(error, sent=False)) from error

    async def _send(self, call: CallInProgress, tool: ToolDescriptor) -> RawToolResult:
        call.attempts += 1
        try:
            raw = await self._connection.call(
                tool.name,
                call.use.input,
                meta={IDEMPOTENCY_KEY: call.key} if call.keyed else None,
                timeout_s=min(self._connection.call_timeout_s, call.remaining_s),
            )
        except ToolCallError as error:
            raise on_the_way(call, error) from error
        if raw.is_error:
            raise from_server(call, error_of(raw))
        problems = check_result(tool, raw.structured)
        if problems:
            raise bad_result(call, problems)
        return raw


def _success(call: CallInProgress, raw: RawToolResult) -> ToolOutcome:
    block = ToolResultBlock(tool_use_id=call.use.id, content=readable(raw), structured=raw.structured)
    replayed = raw.structured is not None and raw.structured.get("replayed") is True
    return _outcome(call, block, error=None, replayed=replayed)


def _failure(call: CallInProgress, failed: Failed) -> ToolOutcome:
    return _outcome(call, failed.error.as_block(call.use.id), error=failed.error.as_failure(failed.advice))


def _outcome(
    call: CallInProgress, block: ToolResultBlock, *, error: ToolFailure | None, replayed: bool = False
) -> ToolOutcome:
    return ToolOutcome(
        block=block,
        ok=error is None,
        error=error,
        replayed=replayed,
        attempts=call.attempts,
        read_only=call.read_only,
        duration_s=anyio.current_time() - call.started,
    )
