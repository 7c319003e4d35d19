"""The validated call: every tool call of every host goes this way, and no other."""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import anyio
import structlog

from mcp_server.backends.base import Backend
from mcp_server.clock import Clock
from mcp_server.errors import BackendUnavailable, DeadlineExceeded, InternalError, ToolFailure
from mcp_server.pipeline import arguments, audit, idempotency, preconditions, result_check
from mcp_server.pipeline.breaker import Breaker
from mcp_server.pipeline.changes import Changes
from mcp_server.pipeline.declaration import Caller, Request, Tool, ToolCall, WriteCall, WriteRequest, published
from mcp_server.pipeline.execution import Deadline, RetryBudget, execute
from mcp_server.pipeline.size import bounded
from mcp_server.pipeline.write_call import WriteAttempt

__all__ = ["Pipeline"]

_log = structlog.get_logger()
_REFUSAL_AUDIT_S = 2.0

AnyTool = Tool[Any, Any, Any]
T = TypeVar("T")


class Pipeline:
    """Runs tools against one backend. Safe for any number of calls at once."""

    def __init__(self, backend: Backend, clock: Clock) -> None:
        self._backend = backend
        self._clock = clock
        self._breaker = Breaker(time.monotonic)
        self._budget = RetryBudget()

    async def call(self, tool: AnyTool, raw: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        """The result as JSON, absent fields left out.

        Raises:
            ToolFailure: whatever went wrong; nothing was stored unless its `outcome_known` is False.
        """
        started = time.perf_counter()
        outcome = "cancelled"
        try:
            answer = await self._staged(tool, raw, caller)
        except ToolFailure as failure:
            outcome = failure.code
            raise
        except Exception as error:
            outcome = InternalError.code
            _log.exception("tool crashed", tool=tool.name)
            raise InternalError(
                f"{tool.name} failed unexpectedly; nothing was stored.", suggestion="See the server's log."
            ) from error
        else:
            outcome = "ok"
            return bounded(answer)
        finally:
            _log.info("tool call", tool=tool.name, outcome=outcome, duration_ms=_elapsed_ms(started))

    async def _staged(self, tool: AnyTool, raw: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        request = arguments.parse(tool.request, raw)
        if not isinstance(request, WriteRequest):
            return await self._execute(tool, caller, lambda _: self._read(tool, request, caller))
        key = idempotency.key_for(caller, tool.name, request)
        try:
            return await self._execute(tool, caller, lambda deadline: self._write(tool, request, caller, key, deadline))
        except ToolFailure as failure:
            await self._note_refusal(tool, request, caller, failure)
            raise

    async def _execute(self, tool: AnyTool, caller: Caller, attempt: Callable[[Deadline], Awaitable[T]]) -> T:
        return await execute(
            attempt,
            deadline_s=tool.deadline_s if caller.deadline_s is None else min(tool.deadline_s, caller.deadline_s),
            breaker=self._breaker,
            budget=self._budget,
        )

    async def _read(self, tool: AnyTool, request: Request, caller: Caller) -> dict[str, Any]:
        async with self._backend.reader() as reader:
            call = ToolCall(reader, caller, self._clock.now(), self._clock.today)
            await preconditions.check(tool, request, call)
            result = await tool.run(request, call)
            await result_check.check(tool, request, result, call)
            return published(result)

    async def _write(
        self, tool: AnyTool, request: WriteRequest, caller: Caller, key: idempotency.Key, deadline: Deadline
    ) -> dict[str, Any]:
        async with self._backend.unit_of_work(commit=not request.dry_run) as unit:
            changes = Changes(unit)
            attempt = WriteAttempt(
                tool=tool,
                request=request,
                key=key,
                call=WriteCall(changes, caller, self._clock.now(), self._clock.today, unit=changes),
                changes=changes,
                deadline=deadline,
                atomic=self._backend.capabilities.atomic,
            )
            return await attempt.answer()

    async def _note_refusal(self, tool: AnyTool, request: WriteRequest, caller: Caller, failure: ToolFailure) -> None:
        """A dry run leaves no trace; and where the backend is what failed, the log must do."""
        if request.dry_run or isinstance(failure, BackendUnavailable | DeadlineExceeded):
            return
        try:
            with anyio.fail_after(_REFUSAL_AUDIT_S):
                await audit.record_refusal(
                    self._backend,
                    tool=tool.name,
                    request=request,
                    caller=caller,
                    failure=failure,
                    now=self._clock.now(),
                )
        except (ToolFailure, TimeoutError):
            _log.warning("refusal not audited", tool=tool.name, code=failure.code)


def _elapsed_ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 2)
