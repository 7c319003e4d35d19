"""A collection that the MES lists, takes, and never changes, told by what is particular to it."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from mcp_server.backends.fsmes.calls import Calls, Entry, understood
from mcp_server.backends.remote.port import FieldMap, Row
from mcp_server.domain.records import Record
from mcp_server.errors import RuleViolated

__all__ = ["Listed"]

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Listed(Generic[R]):
    """Master data: the MES has no way to change it, and answers 409 to a second one.

    Attributes:
        path: of the list, and of the record that is made.
        paged: the list comes in pages, else as a bare array.
        params: what narrows the list to this kind.
        row: an entry of the list as a row; None for one that is not of this kind.
        body: what is sent to make the record.
        ref: what the MES will call the record.
        sought: the text by which its search finds a record with this ref.
        accepts: whether it would take the record.
    """

    calls: Calls
    kind: type[R]
    fields: Sequence[FieldMap]
    assumed: Mapping[str, Any]
    path: str
    row: Callable[[Entry], Row | None]
    body: Callable[[R], Entry]
    ref: Callable[[R], str]
    accepts: Callable[[R], bool]
    sought: Callable[[str], str] = str
    paged: bool = False
    params: Mapping[str, str] = field(default_factory=dict[str, str])
    creates: bool = True
    changes: frozenset[str] = frozenset()
    client_ids: bool = True
    _sent: dict[str, str] = field(default_factory=dict[str, str], init=False, repr=False)

    def takes(self, record: R) -> bool:
        return self.accepts(record)

    async def pages(self) -> AsyncIterator[Sequence[Row]]:
        async for rows in self._lists(self.params):
            yield rows

    async def one(self, key: str, ref: str | None) -> Row | None:
        """Where the MES keeps none of our ids, a record is found by its `ref`, also the one it was sent with."""
        wanted = ref or self._sent.get(key, key)
        async for rows in self._lists({**self.params, "q": self.sought(wanted)}):
            for row in rows:
                if row.ref == wanted:
                    return row
        return None

    async def create(self, record: R, idempotency_key: str) -> str:
        ref = self.ref(record)
        if ref != record.key:
            self._sent[record.key] = ref
        await self.calls.post(self.path, self.body(record), idempotency_key, refuses_doubles=True)

        async def is_shown() -> bool:
            return await self.one(record.key, ref) is not None

        await self.calls.await_shown(is_shown, record.key)
        return ref

    async def change(self, before: R, after: R, row: Row, idempotency_key: str) -> None:  # noqa: ARG002 - the port's
        raise RuleViolated(
            f"The MES cannot change a {before.noun} through its interface.", suggestion=f"Change {row.ref} there."
        )

    async def _lists(self, params: Mapping[str, str]) -> AsyncIterator[list[Row]]:
        if self.paged:
            async for entries in self.calls.pages(self.path, **params):
                yield understood(self.path, self._rows, entries)
        else:
            yield understood(self.path, self._rows, await self.calls.array(self.path, **params))

    def _rows(self, entries: Sequence[Entry]) -> list[Row]:
        return [row for entry in entries if (row := self.row(entry)) is not None]
