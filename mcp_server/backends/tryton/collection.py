"""What all collections of Tryton have in common: search by mark, page by id, create, write what differs."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

from mcp_server.backends.remote.port import FieldMap, Row
from mcp_server.backends.tryton.client import Clause, Found, TrytonClient
from mcp_server.backends.tryton.values import Column, Mark
from mcp_server.domain.records import Record
from mcp_server.errors import AnswerLost, Conflict, NotFound, RuleViolated, ToolFailure

__all__ = ["Kept", "TrytonCollection", "at", "in_turn", "number_of", "ref_of"]

R = TypeVar("R", bound=Record)

_UNFIT = (ValueError, LookupError)
_MOST_DOUBLES = 10


@dataclass(frozen=True, slots=True)
class Kept(Generic[R]):
    """How records of one kind are kept in Tryton.

    Attributes:
        kind: ours.
        model: Tryton's, and `module` the module that brings it.
        native: begins the key of a record that was made in Tryton, before its number there: `CENTER` makes `CENTER-7`.
        mark: where our id stands.
        fields: the columns are Tryton's fields; a dotted one is read through what it refers to.
        columns: of the fields whose values are not as we want them.
        domain: which records of the model these are.
        changes: fields of ours that may change.
        assumed: see `Collection.assumed`.
        client_ids: see `Collection.client_ids`.
        beside: fields of Tryton's that are read for `tells`.
        tells: what becomes `Row.assumed`.
    """

    kind: type[R]
    model: str
    module: str
    native: str
    mark: Mark
    fields: tuple[FieldMap, ...]
    changes: frozenset[str]
    assumed: Mapping[str, Any]
    columns: Mapping[str, Column] = field(default_factory=dict[str, Column])
    domain: tuple[Clause, ...] = ()
    client_ids: bool = False
    beside: tuple[str, ...] = ()
    tells: Callable[[Found], Mapping[str, Any]] = lambda _found: {}


class TrytonCollection(Generic[R]):
    """A collection that is kept plainly: one record of ours is one of Tryton's, in fields of its own."""

    creates = True

    def __init__(self, client: TrytonClient, kept: Kept[R]) -> None:
        self._client = client
        self._kept = kept
        self._columns = tuple(dict.fromkeys((*(mapped.column for mapped in kept.fields), kept.mark.column)))
        self._shown = (*self._columns, *kept.beside)

    @property
    def kind(self) -> type[R]:
        return self._kept.kind

    @property
    def fields(self) -> Sequence[FieldMap]:
        return self._kept.fields

    @property
    def changes(self) -> frozenset[str]:
        return self._kept.changes

    @property
    def client_ids(self) -> bool:
        return self._kept.client_ids

    @property
    def assumed(self) -> Mapping[str, Any]:
        return self._kept.assumed

    def takes(self, record: R) -> bool:
        try:
            self._encoded(record, self._kept.fields)
        except RuleViolated:
            return False
        return True

    async def pages(self) -> AsyncIterator[Sequence[Row]]:
        after, more = 0, True
        while more:
            listed = await self._client.search(self._kept.model, self._kept.domain, self._shown, after=after)
            yield [self._row(found) for found in listed.records]
            more = listed.more and bool(listed.records)
            after = max((found["id"] for found in listed.records), default=after)

    async def one(self, key: str, ref: str | None) -> Row | None:
        rows = [row for row in await self._marked(key) if row.key == key]
        if len(rows) > 1:
            raise Conflict(
                f"Tryton holds {self.kind.noun} {key} more than once: {', '.join(row.ref for row in rows)}.",
                suggestion=f"Somebody who knows them deletes in Tryton what is too much, or takes [{key}] out of it.",
            )
        if rows:
            return rows[0]
        number = self._native_number(key) if ref is None else number_of(ref)
        return None if number is None else await self._unmarked(number)

    async def create(self, record: R, idempotency_key: str) -> str:  # noqa: ARG002 - Tryton knows no such keys
        made = await self._client.create(self._kept.model, self._body(record))
        return ref_of(self._kept.model, made["id"])

    async def change(self, before: R, after: R, row: Row, idempotency_key: str) -> None:  # noqa: ARG002 - as above; the row is newer than `before`
        if values := self._differing(after, row):
            await self._client.write(self._kept.model, self._number(row), values)

    def _encoded(self, record: R, fields: Sequence[FieldMap]) -> dict[str, Any]:
        """The values of these fields of a record by column, as `Row.values` has them.

        Raises:
            RuleViolated: Tryton cannot hold one of them.
        """
        values: dict[str, Any] = {}
        for mapped in fields:
            try:
                values[mapped.column] = mapped.encode(getattr(record, mapped.field))
            except _UNFIT:
                raise RuleViolated(
                    f"Tryton cannot hold the {mapped.field} of {record.id}.",
                    field=mapped.field,
                    suggestion="A name is one line without tabs, a unit of measure one that Tryton has.",
                ) from None
        return values

    def _body(self, record: R) -> dict[str, Any]:
        """The record as Tryton is sent it, with our id in it."""
        return {self._kept.mark.column: record.id} | self._written(record.id, self._encoded(record, self._kept.fields))

    def _differing(self, record: R, row: Row) -> dict[str, Any]:
        """What must be written to make the system hold this record."""
        wanted = self._encoded(record, [mapped for mapped in self._kept.fields if mapped.field in self.changes])
        return self._written(record.id, {name: value for name, value in wanted.items() if value != row.values[name]})

    def _written(self, key: str, values: Mapping[str, Any]) -> dict[str, Any]:
        mark, columns = self._kept.mark, self._kept.columns
        written = {name: columns[name].write(value) if name in columns else value for name, value in values.items()}
        return {name: mark.joined(key, value) if name == mark.column else value for name, value in written.items()}

    def _row(self, found: Found) -> Row:
        values = {name: at(found, name) for name in self._columns}
        key, values[self._kept.mark.column] = self._kept.mark.split(values[self._kept.mark.column])
        read = {name: column.read(values[name]) for name, column in self._kept.columns.items()}
        return Row(
            key=key or f"{self._kept.native}-{found['id']}",
            ref=ref_of(self._kept.model, found["id"]),
            values=values | read,
            assumed=self._kept.tells(found),
        )

    async def _marked(self, key: str) -> list[Row]:
        domain = [*self._kept.domain, self._kept.mark.clause(key)]
        listed = await self._client.search(self._kept.model, domain, self._shown, limit=_MOST_DOUBLES)
        return [self._row(found) for found in listed.records]

    async def _unmarked(self, number: int) -> Row | None:
        """The record with this number of Tryton's, unless it is marked as another one of ours."""
        domain = [*self._kept.domain, ("id", "=", number)]
        listed = await self._client.search(self._kept.model, domain, self._shown, limit=1)
        rows = [self._row(found) for found in listed.records]
        return next((row for row in rows if row.key == f"{self._kept.native}-{number}"), None)

    def _native_number(self, key: str) -> int | None:
        prefix, _, number = key.rpartition("-")
        return int(number) if prefix == self._kept.native and number.isdecimal() else None

    def _number(self, row: Row) -> int:
        number = number_of(row.ref)
        if number is None:
            raise NotFound(f"Tryton has no record {row.ref}.")
        return number

    async def _id_of(self, model: str, what: str, domain: Sequence[Clause]) -> int:
        """The number of the record that something else refers to.

        Raises:
            RuleViolated: it is not in Tryton, or more than once.
        """
        listed = await self._client.search(model, domain, ("id",), limit=_MOST_DOUBLES)
        if len(listed.records) == 1:
            found: int = listed.records[0]["id"]
            return found
        if not listed.records:
            raise RuleViolated(f"Tryton has no {what}.", suggestion="Create it there first.")
        refs = ", ".join(ref_of(model, record["id"]) for record in listed.records)
        raise Conflict(f"Tryton holds {what} more than once: {refs}.", suggestion="Leave one of them there.")


async def in_turn(steps: Sequence[Callable[[], Awaitable[None]]], *, taken: int = 0) -> None:
    """Take the steps of one change, each a transaction of its own; `taken` were before them.

    Raises:
        AnswerLost: one of them failed, and others were taken before it.
    """
    for position, step in enumerate(steps, start=taken):
        try:
            await step()
        except ToolFailure as failure:
            if position == 0:
                raise
            message = f"Tryton took {position} of {taken + len(steps)} steps of the change, then: {failure.message}"
            raise AnswerLost(message, suggestion=failure.suggestion, retry_after_s=failure.retry_after_s) from None


def ref_of(model: str, number: int) -> str:
    """As Tryton itself writes a reference to a record: `quality.alert,7`."""
    return f"{model},{number}"


def number_of(ref: str) -> int | None:
    number = ref.rpartition(",")[2]
    return int(number) if number.isascii() and number.isdecimal() else None


def at(found: Any, path: str) -> Any:  # noqa: ANN401 - any JSON
    """What a dotted field names; None where something on the way is not there."""
    value = found
    for name in path.split("."):
        value = cast("Found", value).get(name) if isinstance(value, Mapping) else None  # JSON objects have text keys
    return value
