"""The validated call: every tool call of every host goes this way, and no other."""

import time
from collections.abc import Mapping
from typing import Any

import structlog
from pydantic import BaseModel

from mcp_server.backends.base import Backend, UnitOfWork
from mcp_server.clock import Clock
from mcp_server.errors import BackendUnavailable, InternalError, ToolFailure
from mcp_server.pipeline import arguments, audit, idempotency, preconditions, result_check
from mcp_server.pipeline.breaker import Breaker
from mcp_server.pipeline.declaration import Caller, Request, Tool, ToolCall, WriteCall, WriteRequest, WriteResult
from mcp_server.pipeline.execution import RetryBudget, execute

__all__ = ["Pipeline"]

_log = structlog.get_logger()

AnyTool = Tool[Any, Any, Any]


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
        outcome = "ok"
        try:
            return await self._staged(tool, raw, caller)
        except ToolFailure as failure:
            outcome = failure.code
            raise
        except Exception as error:
            outcome = "internal"
            _log.exception("tool crashed", tool=tool.name)
            raise InternalError(
                f"{tool.name} failed unexpectedly; nothing was stored.", suggestion="See the server's log."
            ) from error
        finally:
            _log.info("tool call", tool=tool.name, outcome=outcome, duration_ms=_elapsed_ms(started))

    async def _staged(self, tool: AnyTool, raw: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        request = arguments.parse(tool.request, raw)
        if not isinstance(request, WriteRequest):
            return _published(await self._execute(tool, caller, lambda: self._read(tool, request, caller)))
        key = idempotency.key_for(caller, tool.name, request)
        try:
            return await self._execute(tool, caller, lambda: self._write(tool, request, caller, key))
        except ToolFailure as failure:
            await self._note_refusal(tool, request, caller, failure)
            raise

    async def _execute(self, tool: AnyTool, caller: Caller, attempt: Any) -> Any:  # noqa: ANN401 - result of any tool
        return await execute(
            attempt,
            deadline_s=min(tool.deadline_s, caller.deadline_s or tool.deadline_s),
            repeatable=not tool.writes or self._backend.capabilities.atomic,
            breaker=self._breaker,
            budget=self._budget,
        )

    async def _read(self, tool: AnyTool, request: Request, caller: Caller) -> BaseModel:
        async with self._backend.reader() as reader:
            call = ToolCall(reader, caller, self._clock.now(), self._clock.today, self._backend.source)
            await preconditions.check(tool, request, call)
            result = await tool.run(request, call)
            await result_check.check(tool, request, result, call)
            return result

    async def _write(
        self, tool: AnyTool, request: WriteRequest, caller: Caller, key: idempotency.Key
    ) -> dict[str, Any]:
        async with self._backend.unit_of_work(commit=not request.dry_run) as unit:
            now = self._clock.now()
            if not request.dry_run:
                stored = await idempotency.recall(unit, caller, tool.name, key, now)
                if stored is not None:
                    return stored | {"replayed": True}
            call = WriteCall(unit, caller, now, self._clock.today, self._backend.source, unit=unit)
            await preconditions.check(tool, request, call)
            result = await tool.run(request, call)
            await result_check.check(tool, request, result, call)
            return await self._finish(tool, request, key, result, call, unit)

    async def _finish(
        self,
        tool: AnyTool,
        request: WriteRequest,
        key: idempotency.Key,
        result: WriteResult,
        call: WriteCall,
        unit: UnitOfWork,
    ) -> dict[str, Any]:
        verification = await result_check.read_back(result, call)
        if request.dry_run:
            return _published(result.model_copy(update={"verification": verification, "dry_run": True}))
        audit_id = await audit.record_write(
            unit,
            tool=tool.name,
            request=request,
            caller=call.caller,
            status=result.status,
            stored=result.stored,
            now=call.now,
        )
        answer = _published(result.model_copy(update={"verification": verification, "audit_id": audit_id}))
        await idempotency.remember(unit, call.caller, tool.name, key, answer, call.now)
        return answer

    async def _note_refusal(self, tool: AnyTool, request: WriteRequest, caller: Caller, failure: ToolFailure) -> None:
        """A dry run leaves no trace; and where the backend is what failed, the log must do."""
        if request.dry_run or isinstance(failure, BackendUnavailable):
            return
        try:
            await audit.record_refusal(
                self._backend, tool=tool.name, request=request, caller=caller, failure=failure, now=self._clock.now()
            )
        except ToolFailure:
            _log.warning("refusal not audited", tool=tool.name, code=failure.code)


def _published(result: BaseModel) -> dict[str, Any]:
    return result.model_dump(mode="json", exclude_none=True)


def _elapsed_ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 2)
