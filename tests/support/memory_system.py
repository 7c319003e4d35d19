"""A remote system in memory, without HTTP: it does what its port says, and breaks off where a test wants it to."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mcp_server.backends.remote.port import FieldMap, Row, SystemInfo
from mcp_server.domain.records import Issue, Machine, Record, WorkOrder
from mcp_server.errors import Conflict

PAGE = 10


def nothing(_: Any) -> None:
    """Let the request through."""


@dataclass
class MemoryCollection:
    """Rows by the system's own reference: the record's id with `client_ids`, else a number it counts itself, with the
    id in the column `stamp`. `before` and `after` see each write request and may raise; `after` runs once it is stored.
    `asked` is told of each reading request and may raise.
    """

    kind: type[Any]
    fields: Sequence[FieldMap]
    client_ids: bool
    changes: frozenset[str]
    creates: bool = True
    assumed: Mapping[str, Any] = field(default_factory=dict[str, Any])
    taken: Callable[[Any], bool] = lambda _: True
    rows: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    before: Callable[[Any], None] = nothing
    after: Callable[[Any], None] = nothing
    asked: Callable[[str], None] = nothing
    requests: list[str] = field(default_factory=list[str])
    keys: list[str] = field(default_factory=list[str])

    def encoded(self, record: Any) -> dict[str, Any]:
        return {"stamp": record.key} | {m.column: m.encode(getattr(record, m.field)) for m in self.fields}

    def takes(self, record: Any) -> bool:
        return self.taken(record)

    async def pages(self) -> AsyncIterator[Sequence[Row]]:
        self.requests.append("list")
        self.asked("list")
        refs = list(self.rows)
        for start in range(0, len(refs), PAGE):
            yield [self._row(ref) for ref in refs[start : start + PAGE]]

    async def one(self, key: str, ref: str | None) -> Row | None:
        self.requests.append(f"one {key}")
        self.asked(key)
        found = [known for known, row in self.rows.items() if (row["stamp"] == key if ref is None else known == ref)]
        if len(found) > 1:
            raise Conflict(f"{key} is there twice, as {' and '.join(found)}.")
        return self._row(found[0]) if found else None

    async def create(self, record: Any, idempotency_key: str) -> str:
        self.keys.append(idempotency_key)
        self.requests.append(f"create {record.key}")
        self.before(record)
        ref = record.key if self.client_ids else str(len(self.rows) + 1)
        if ref in self.rows:
            raise Conflict(f"{ref} is taken.")
        self.rows[ref] = self.encoded(record)
        self.after(record)
        return ref

    async def change(self, before: Any, after: Any, row: Row, idempotency_key: str) -> None:  # noqa: ARG002 - the port's
        self.keys.append(idempotency_key)
        self.requests.append(f"change {after.key}")
        self.before(after)
        self.rows[row.ref] |= self.encoded(after)
        self.after(after)

    def _row(self, ref: str) -> Row:
        values = dict(self.rows[ref])
        return Row(key=values["stamp"], ref=ref, values=values)

    @property
    def writes(self) -> list[str]:
        """The requests that were not for reading, in order."""
        return [request for request in self.requests if request.startswith(("create", "change"))]


@dataclass
class MemorySystem:
    collections: Mapping[type[Record], MemoryCollection]
    name: str = "memory MES"
    idempotency_keys: bool = False
    revisions: bool = False
    list_style: str = "pages"
    error_style: str = "exception"
    closed: bool = False

    async def probe(self) -> SystemInfo:
        return SystemInfo(product="memory MES", version="1")

    async def aclose(self) -> None:
        self.closed = True


def memory_system(*, client_ids: bool = True) -> MemorySystem:
    """Holds some fields of machines, issues and work orders; it has no word for a machine that stands by."""
    return MemorySystem(
        {
            Machine: MemoryCollection(
                Machine,
                [FieldMap("name", "label"), FieldMap("status", "state", _word_of, _status_of)],
                client_ids=True,
                changes=frozenset(),
                assumed=_UNKNOWN_MACHINE,
            ),
            Issue: MemoryCollection(
                Issue,
                [
                    FieldMap("title", "summary"),
                    FieldMap("qty_affected", "pieces"),
                    FieldMap("state", "status", str, str),
                ],
                client_ids=client_ids,
                changes=frozenset({"state", "title"}),
            ),
            WorkOrder: MemoryCollection(
                WorkOrder,
                [
                    FieldMap("title", "summary"),
                    FieldMap("duration_min", "minutes"),
                    FieldMap("state", "status", str, str),
                ],
                client_ids=client_ids,
                changes=frozenset({"state"}),
                taken=lambda order: order.kind != "calibration",
            ),
        }
    )


_UNKNOWN_MACHINE = {
    "project": "SHARED",
    "workstation": "",
    "type": "",
    "make": "",
    "model": "",
    "serial": "",
    "criticality": "C",
    "energy_sources": (),
    "meter": "",
}


def _word_of(status: str) -> str:
    return {"running": "on", "idle": "off", "standby": "off"}.get(status, status)


def _status_of(word: str) -> str:
    return {"on": "running", "off": "idle"}.get(word, word)
