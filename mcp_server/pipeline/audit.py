"""Last stage: who did what. A stored write has its row in the same transaction; one that failed has one of its own."""

from datetime import datetime
from typing import Any

from mcp_server.backends.base import AuditEntry, Backend
from mcp_server.errors import ToolFailure
from mcp_server.pipeline.changes import Changes
from mcp_server.pipeline.declaration import Caller, WriteCall, WriteRequest

__all__ = ["record_refusal", "record_write"]


async def record_write(call: WriteCall, tool: str, request: WriteRequest, outcome: str, changes: Changes) -> int:
    """Append the row of a write that is about to be committed, and the history of what it wrote; returns its number."""
    about = changes.sending
    entry = AuditEntry(
        outcome=outcome,
        record_type=about.record_type,
        record_id=about.record_id,
        **_who_and_what(tool, request, call.caller, call.now),
    )
    number = await changes.audit(entry)
    await changes.keep_history(entry, number)
    return number


async def record_refusal(
    backend: Backend, *, tool: str, request: WriteRequest, caller: Caller, failure: ToolFailure, now: datetime
) -> None:
    """Append a row for a write that stored nothing, or of which nobody knows what it stored."""
    async with backend.unit_of_work() as unit:
        await unit.audit(
            AuditEntry(
                outcome=f"{'refused' if failure.outcome_known else 'unknown'}:{failure.code}",
                record_type=None,
                record_id=None,
                **_who_and_what(tool, request, caller, now),
            )
        )


def _who_and_what(tool: str, request: WriteRequest, caller: Caller, now: datetime) -> dict[str, Any]:
    return {
        "at": now,
        "principal": caller.principal,
        "on_behalf_of": request.on_behalf_of,
        "tool": tool,
        "idempotency_key": caller.idempotency_key,
        "arguments": request.model_dump(mode="json", exclude_none=True),
    }
