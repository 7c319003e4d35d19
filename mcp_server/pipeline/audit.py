"""Last stage: who did what. A stored write has its row in the same transaction; a refused one gets a row of its own."""

from datetime import datetime

from mcp_server.backends.base import AuditEntry, Backend, UnitOfWork
from mcp_server.domain.records import Record
from mcp_server.errors import ToolFailure
from mcp_server.pipeline.declaration import Caller, WriteRequest

__all__ = ["record_refusal", "record_write"]


async def record_write(
    unit: UnitOfWork,
    *,
    tool: str,
    request: WriteRequest,
    caller: Caller,
    status: str,
    stored: Record | None,
    now: datetime,
) -> int:
    """Append the row of a write that is about to be committed; returns its number."""
    return await unit.audit(_entry(tool, request, caller, outcome=status, stored=stored, now=now))


async def record_refusal(
    backend: Backend, *, tool: str, request: WriteRequest, caller: Caller, failure: ToolFailure, now: datetime
) -> None:
    """Append a row for a write that stored nothing."""
    async with backend.unit_of_work() as unit:
        await unit.audit(_entry(tool, request, caller, outcome=f"refused:{failure.code}", stored=None, now=now))


def _entry(
    tool: str, request: WriteRequest, caller: Caller, *, outcome: str, stored: Record | None, now: datetime
) -> AuditEntry:
    return AuditEntry(
        at=now,
        principal=caller.principal,
        on_behalf_of=request.on_behalf_of,
        tool=tool,
        outcome=outcome,
        record_type=None if stored is None else type(stored).__name__,
        record_id=None if stored is None else stored.id,
        idempotency_key=caller.idempotency_key,
        arguments=request.model_dump(mode="json", exclude_none=True),
    )
