"""What one call writes: every record it makes or changes, so that all of them are read back and have a history."""

from datetime import datetime
from typing import TypeVar

from mcp_server.backends.base import AuditEntry, Change, Page, Query, Sending, StoredCall, UnitOfWork
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
        self._spoken_of: Record | None = None
        self._begun = 0

    @property
    def source(self) -> str:
        return self._unit.source

    @property
    def sending(self) -> Sending:
        """Every record of this call before and after it, in the order of first writing, and what the call is about."""
        about = self._spoken_of
        return Sending(
            changes=tuple(Change(self._before[name], after) for name, after in self._after.items()),
            begun=self._begun,
            record_type=None if about is None else type(about).__name__,
            record_id=None if about is None else about.id,
        )

    @property
    def sent(self) -> tuple[Record, ...]:
        """What the system of record must hold when the call is done: what was written, and what the answer shows."""
        written = tuple(self._after.values())
        shown = self._spoken_of
        return written if shown is None or shown in written else (*written, shown)

    def speak_of(self, record: Record | None) -> None:
        """The record that the answer shows."""
        self._spoken_of = record

    def resume(self, sending: Sending) -> None:
        """Take over what an earlier attempt set out to write, and how far it came."""
        for change in sending.changes:
            self._before[_name(change.after)] = change.before
            self._after[_name(change.after)] = change.after
            if (type(change.after).__name__, change.after.id) == (sending.record_type, sending.record_id):
                self._spoken_of = change.after
        self._begun = sending.begun

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

    async def send(self, call: StoredCall) -> bool:
        return await self._unit.send(call)

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
