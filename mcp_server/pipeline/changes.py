"""What one call writes: every record it makes or changes, so that all of them are read back and have a history."""

from datetime import datetime
from typing import TypeVar

from mcp_server.backends.base import AuditEntry, Page, Query, StoredCall, UnitOfWork
from mcp_server.domain.records import HistoryEntry, Record
from mcp_server.pipeline.result_check import compare

__all__ = ["Changes"]

R = TypeVar("R", bound=Record)
_MOST_FIELDS = 50


class Changes:
    """A unit of work that remembers what was written through it."""

    def __init__(self, unit: UnitOfWork) -> None:
        self._unit = unit
        self._before: dict[tuple[type[Record], str], Record | None] = {}
        self._after: dict[tuple[type[Record], str], Record] = {}

    @property
    def written(self) -> tuple[Record, ...]:
        """Every record of this call as it was last sent, in the order of first writing."""
        return tuple(self._after.values())

    async def find(self, kind: type[R], query: Query) -> Page[R]:
        return await self._unit.find(kind, query)

    async def get(self, kind: type[R], key: str) -> R | None:
        return await self._unit.get(kind, key)

    async def next_id(self, kind: type[Record], prefix: str) -> str:
        return await self._unit.next_id(kind, prefix)

    async def insert(self, record: Record) -> None:
        await self._unit.insert(record)
        self._before.setdefault(_name(record), None)
        self._after[_name(record)] = record

    async def replace(self, record: Record) -> None:
        name = _name(record)
        if name not in self._before:
            self._before[name] = await self._unit.get(type(record), record.key)
        await self._unit.replace(record)
        self._after[name] = record

    async def recall(self, principal: str, tool: str, key: str, now: datetime) -> StoredCall | None:
        return await self._unit.recall(principal, tool, key, now)

    async def remember(self, call: StoredCall) -> None:
        await self._unit.remember(call)

    async def audit(self, entry: AuditEntry) -> int:
        return await self._unit.audit(entry)

    async def keep_history(self, entry: AuditEntry, audit_id: int) -> None:
        """Append one entry a written record to the history, under the number of the call's audit row."""
        for position, (name, after) in enumerate(self._after.items(), start=1):
            before = self._before[name]
            await self._unit.insert(
                HistoryEntry(
                    id=f"H-{audit_id:07d}-{position:03d}",
                    record_type=type(after).__name__,
                    record_id=after.id,
                    revision=getattr(after, "revision", None),
                    at=entry.at,
                    tool=entry.tool,
                    principal=entry.principal,
                    on_behalf_of=entry.on_behalf_of,
                    audit_id=audit_id,
                    changed=() if before is None else _changed(before, after),
                )
            )


def _name(record: Record) -> tuple[type[Record], str]:
    return type(record), record.key


def _changed(before: Record, after: Record) -> tuple[str, ...]:
    _, differences = compare(before.model_dump(mode="json"), after.model_dump(mode="json"))
    return tuple(difference.field for difference in differences[:_MOST_FIELDS])
