"""The port between the federation and one remote system: rows in the system's own words, kind by kind.

An adapter only translates and talks. What was lost, doubled, dropped or changed on the way is found out above it.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from mcp_server.backends.base import Holding
from mcp_server.domain.records import Record

__all__ = ["Collection", "FieldMap", "RemoteSystem", "Row", "SystemInfo", "holding", "unchanged"]

R = TypeVar("R", bound=Record)


def unchanged(value: Any) -> Any:  # noqa: ANN401 - any value of a record or of JSON
    return value


@dataclass(frozen=True, slots=True)
class FieldMap:
    """Between a field of our record and what the system keeps for it.

    `encode` turns the record's value into the system's; several values may become one (`idle` and `standby` both
    `Off`). `decode` turns it back, into the most usual of them, as JSON or Python value of the field.
    """

    field: str
    column: str
    encode: Callable[[Any], Any] = unchanged
    decode: Callable[[Any], Any] = unchanged


@dataclass(frozen=True, slots=True)
class Row:
    """One record as the system shows it.

    Attributes:
        key: the record's key with us: the system's own, or the one that was stamped into it when it was made. Where the
            companion store knows the `ref`, the key it has for it counts.
        ref: what the system calls the record: its code, name or number, as text.
        values: the system's value of every mapped column, by column.
        version: ETag or revision, where the system has one.
        assumed: like `Collection.assumed`, and before it: what this very record tells of fields that are not mapped.
    """

    key: str
    ref: str
    values: Mapping[str, Any]
    version: str | None = None
    assumed: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Collection(Protocol, Generic[R]):
    """The records of one kind in a remote system."""

    @property
    def kind(self) -> type[R]: ...

    @property
    def fields(self) -> Sequence[FieldMap]:
        """What the system holds of a record."""
        ...

    @property
    def creates(self) -> bool: ...

    @property
    def changes(self) -> frozenset[str]:
        """Fields of our record that it can change."""
        ...

    @property
    def client_ids(self) -> bool:
        """Whether it takes our ids and refuses one that is taken, so that a create may be sent again."""
        ...

    @property
    def assumed(self) -> Mapping[str, Any]:
        """Values of fields a record must have, for one that the companion store knows nothing of."""
        ...

    def takes(self, record: R) -> bool:
        """Whether the system would take this very record; if not, it lives in the companion store alone."""
        ...

    def pages(self) -> AsyncIterator[Sequence[Row]]:
        """Every record of this kind, page by page.

        Raises:
            BackendUnavailable: the system cannot be asked now.
            InternalError: it answered in a form the adapter does not know.
        """
        ...

    async def one(self, key: str, ref: str | None) -> Row | None:
        """The record with our key, asked for anew; `ref` is what the system called it when it was made, if known.

        Raises:
            Conflict: the system holds several records with this key; the message names them.
        """
        ...

    async def create(self, record: R, idempotency_key: str) -> str:
        """Send a new record; returns what the answer calls it (`Row.ref`). The answer is not believed beyond that.

        Raises:
            BackendUnavailable: nothing was sent, or it said that it did nothing; `repeatable` tells them apart.
            AnswerLost: it was sent, and there is no answer that says what became of it.
            Conflict, RuleViolated, NotFound, InternalError: it refused.
        """
        ...

    async def change(self, before: R, after: R, row: Row, idempotency_key: str) -> None:
        """Bring the record from one state to another; `row` is what the system holds now. Raises what `create` does."""
        ...


@dataclass(frozen=True, slots=True)
class SystemInfo:
    """What a system says of itself, for `backend check`. `notes` are what whoever runs it should know."""

    product: str
    version: str | None
    signed_in_as: str | None = None
    notes: tuple[str, ...] = ()


class RemoteSystem(Protocol):
    """One remote system. All methods raise only failures of `mcp_server.errors`."""

    @property
    def name(self) -> str:
        """What answers call it: product and host, without any credential."""
        ...

    @property
    def collections(self) -> Mapping[type[Record], Collection[Any]]: ...

    @property
    def idempotency_keys(self) -> bool:
        """Whether a write that is sent again with its key is known to take effect once."""
        ...

    @property
    def revisions(self) -> bool:
        """Whether a change carries `Row.version` and is refused when the record was changed meanwhile."""
        ...

    @property
    def list_style(self) -> str: ...

    @property
    def error_style(self) -> str: ...

    async def probe(self) -> SystemInfo:
        """Connect, sign in, and ask the system what it is."""
        ...

    async def aclose(self) -> None: ...


def holding(collection: Collection[Any]) -> Holding:
    """What a collection holds, as capabilities say it."""
    return Holding(
        fields=frozenset(mapped.field for mapped in collection.fields),
        creates=collection.creates,
        changes=collection.changes,
        client_ids=collection.client_ids,
    )
