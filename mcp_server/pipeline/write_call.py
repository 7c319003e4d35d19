"""One attempt at a write: from the unit of work that it opens to the answer that is kept with its key."""

from dataclasses import dataclass
from typing import Any

import anyio

from mcp_server.backends.base import StoredCall
from mcp_server.pipeline import audit, idempotency, preconditions, result_check
from mcp_server.pipeline.changes import Changes
from mcp_server.pipeline.declaration import Tool, WriteCall, WriteRequest, published
from mcp_server.pipeline.execution import Deadline

__all__ = ["WriteAttempt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteAttempt:
    """`atomic`: the unit of work takes effect as a whole, so that leaving it undoes everything."""

    tool: Tool[Any, Any, Any]
    request: WriteRequest
    key: idempotency.Key
    call: WriteCall
    changes: Changes
    deadline: Deadline
    atomic: bool

    async def answer(self) -> dict[str, Any]:
        """The answer as JSON; the caller commits the unit of work, or does not.

        Raises:
            ToolFailure: nothing was stored, unless its `outcome_known` is False.
        """
        record = None if self.request.dry_run else await idempotency.recall(self.call, self.tool.name, self.key)
        if record is None:
            record = await self._effect()
        elif record.sending is not None:
            self.changes.resume(record.sending)
        else:
            self.deadline.lift()
            return record.result | {"replayed": True}
        if self.atomic:
            answer = await self._settled(record)
            self.deadline.lift()
            return answer
        return await self._sent(record)

    async def _effect(self) -> StoredCall:
        """What the call sets out to write and to answer. It stands in the unit of work and was sent nowhere yet."""
        await preconditions.check(self.tool, self.request, self.call)
        result = await self.tool.run(self.request, self.call)
        await result_check.check(self.tool, self.request, result, self.call)
        self.changes.speak_of(result.stored)
        return idempotency.record(self.call, self.tool.name, self.key, published(result), self.changes.sending)

    async def _sent(self, record: StoredCall) -> dict[str, Any]:
        """A system without transactions takes nothing back, so from here on nothing cuts the call off."""
        self.deadline.lift()
        with anyio.CancelScope(shield=True):
            return await self._settled(record)
        raise AssertionError("a shielded scope ends with a result or an error")

    async def _settled(self, record: StoredCall) -> dict[str, Any]:
        """Send it, read it back, keep who did it, and complete the answer."""
        recovered = await self.changes.send(record)
        answer = record.result | {"dry_run": self.request.dry_run}
        if self.request.dry_run and not self.atomic:
            return answer
        verification = await result_check.read_back(self.changes.sent, self.call, undone=self.atomic)
        answer |= {"verification": verification.model_dump(mode="json")}
        if self.request.dry_run:
            return answer
        outcome = "recovered" if recovered else record.result["status"]
        audit_id = await audit.record_write(self.call, self.tool.name, self.request, outcome, self.changes)
        answer |= {"status": outcome, "audit_id": audit_id} | ({} if self.atomic else {"source": self.call.source})
        await idempotency.remember(self.call, record, answer)
        return answer
