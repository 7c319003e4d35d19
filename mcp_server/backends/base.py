"""The port between the pipeline and a system of record: typed records in, typed records out, page by page."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel

from mcp_server.domain.records import Record

__all__ = ["AuditEntry", "Backend", "Capabilities", "Page", "Query", "Reader", "StoredCall", "UnitOfWork"]

R = TypeVar("R", bound=Record)
Item = TypeVar("Item", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Query:
    """Which records of one kind, and which page of them.

    `among` maps a field to its allowed values; `text` is looked for in id and name-like fields, without case;
    `since` and `until` bound a date field, inclusive. Records come in the order of their keys, after the key `after`,
    or backwards when `descending`.
    """

    among: Mapping[str, Sequence[Any]] = field(default_factory=dict[str, Sequence[Any]])
    text: str | None = None
    since: Mapping[str, date | datetime] = field(default_factory=dict[str, "date | datetime"])
    until: Mapping[str, date | datetime] = field(default_factory=dict[str, "date | datetime"])
    after: str | None = None
    limit: int | None = None
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """`total` counts all records of the query, `next_after` is the key to go on after, or None at the end."""

    items: tuple[Item, ...]
    total: int
    next_after: str | None


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A finished write and its answer, kept so that the same key never takes effect twice."""

    principal: str
    tool: str
    key: str
    arguments_hash: str
    result: dict[str, Any]
    stored_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what to which record, and how it ended. `arguments` are those of the call, as checked."""

    at: datetime
    principal: str
    on_behalf_of: str | None
    tool: str
    outcome: str
    record_type: str | None
    record_id: str | None
    idempotency_key: str | None
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can promise; the pipeline makes up for what it cannot.

    `atomic`: a unit of work takes effect as a whole or not at all, with idempotency record and audit row inside.
    """

    atomic: bool


class Reader(Protocol):
    """A consistent view of the records."""

    async def find(self, kind: type[R], query: Query) -> Page[R]: ...

    async def get(self, kind: type[R], key: str) -> R | None: ...


class UnitOfWork(Reader, Protocol):
    """One change. What it writes, it can read at once."""

    async def next_id(self, kind: type[Record], prefix: str) -> str:
        """The next free id of a kind, `prefix` and a number; ids of a rolled-back unit are used again."""
        ...

    async def insert(self, record: Record) -> None: ...

    async def replace(self, record: Record) -> None:
        """Store another state of the record with this key.

        Raises:
            Conflict: there is no such record.
        """
        ...

    async def recall(self, principal: str, tool: str, key: str, now: datetime) -> StoredCall | None:
        """The stored answer under a key, unless it has expired."""
        ...

    async def remember(self, call: StoredCall) -> None:
        """Keep the answer of a call; one kept under the same key is forgotten, and so is what has expired."""
        ...

    async def audit(self, entry: AuditEntry) -> int:
        """Append an audit row and return its number."""
        ...


class Backend(Protocol):
    """A system of record. All methods raise only failures of `mcp_server.errors`."""

    @property
    def source(self) -> str:
        """What answers name as the origin of their data."""
        ...

    @property
    def capabilities(self) -> Capabilities: ...

    def reader(self) -> AbstractAsyncContextManager[Reader]: ...

    def unit_of_work(self, *, commit: bool = True) -> AbstractAsyncContextManager[UnitOfWork]:
        """A change that takes effect when the block ends well; with `commit=False` it never does."""
        ...

    async def aclose(self) -> None: ...
