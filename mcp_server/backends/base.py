"""The port between the pipeline and a system of record: typed records in, typed records out, page by page."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel

from mcp_server.domain.records import Record

__all__ = [
    "AuditEntry",
    "Backend",
    "Capabilities",
    "Change",
    "Holding",
    "Page",
    "Query",
    "Reader",
    "Sending",
    "StoredCall",
    "UnitOfWork",
]

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
class Change:
    """One record a call makes or changes; `before` is None for one that it makes."""

    before: Record | None
    after: Record


@dataclass(frozen=True, slots=True)
class Sending:
    """What a call set out to write, in order, where the system of record cannot take it all at once.

    The first `begun` of the changes may have arrived; the others were never sent. `record_type` and `record_id` name
    what the call is about, for the audit row.
    """

    changes: tuple[Change, ...]
    begun: int
    record_type: str | None
    record_id: str | None


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A write and its answer, kept so that the same key never takes effect twice.

    `sending` is given while the end of the write is not known; `result` is then the answer it would have.
    """

    principal: str
    tool: str
    key: str
    arguments_hash: str
    result: dict[str, Any]
    stored_at: datetime
    expires_at: datetime
    sending: Sending | None = None


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
class Holding:
    """How much of one kind of records a system of record holds; the companion store keeps the rest.

    Attributes:
        fields: fields of the record that the system itself holds.
        creates: it takes new records of this kind.
        changes: fields it can change on a record that is there.
        client_ids: it takes our id and refuses one that is taken; otherwise it numbers the record itself, and our id
            stands in one of its texts.
    """

    fields: frozenset[str]
    creates: bool
    changes: frozenset[str]
    client_ids: bool


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can promise; the pipeline makes up for what it cannot.

    Attributes:
        atomic: a unit of work takes effect as a whole or not at all, with idempotency record and audit row inside.
        idempotency_keys: the system itself knows a write with the same key again.
        revisions: it refuses a change of a record that was changed meanwhile (ETag, revision, transaction).
        list_style: how it lists, in words (`rows`, `bare array`, `{items, total}` ...).
        error_style: how it says no, in words.
        holdings: kind of record by what it holds of it. A kind that is not named is kept in the companion store as a
            whole. Of an atomic backend it is empty: it holds everything.
    """

    atomic: bool
    idempotency_keys: bool = True
    revisions: bool = True
    list_style: str = "rows"
    error_style: str = "constraint"
    holdings: Mapping[type[Record], Holding] = field(default_factory=dict[type[Record], Holding])


class Reader(Protocol):
    """A consistent view of the records."""

    @property
    def source(self) -> str:
        """Where what was read so far comes from; answers name it."""
        ...

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

    async def send(self, call: StoredCall) -> bool:
        """Put what was written into the system of record; from then on, reads see what it really holds.

        A transaction holds it already. Elsewhere this is the point of no return, so `call` is kept first, and each
        record is sent once. Where the answer to one is lost, it is looked up, never sent blindly again. In a unit that
        will not commit, only what can be checked beforehand is checked.

        Args:
            call: the write under way, with its answer so far; `sending` says what an earlier attempt has begun.

        Returns:
            Whether an answer was lost and its record found by looking it up.

        Raises:
            BackendUnavailable: nothing was stored.
            Conflict, RuleViolated, NotFound: the system refused; nothing was stored.
            OutcomeUnknown: something may have been stored.
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
        """What the system of record is called in answers."""
        ...

    @property
    def capabilities(self) -> Capabilities: ...

    def reader(self) -> AbstractAsyncContextManager[Reader]: ...

    def unit_of_work(self, *, commit: bool = True) -> AbstractAsyncContextManager[UnitOfWork]:
        """A change that takes effect when the block ends well; with `commit=False` it never does."""
        ...

    async def aclose(self) -> None: ...
