"""The records of a remote system and its companion store, as one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from mcp_server.backends.base import Page, Query
from mcp_server.backends.remote.merging import merged
from mcp_server.backends.remote.origin import Origin
from mcp_server.backends.remote.port import Collection, FieldMap, RemoteSystem, Row
from mcp_server.backends.remote.querying import page_of
from mcp_server.backends.sql.store import SqlReader
from mcp_server.domain.records import Document, Record
from mcp_server.errors import InternalError

__all__ = ["FederatedReader", "Listing"]

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Listing(Generic[R]):
    """All there is of one kind, by key.

    Attributes:
        rows: what the system shows.
        faults: why a record cannot be read.
        ids: every id that is or was in use, even of a record that cannot be read or is gone.
    """

    records: Mapping[str, R]
    rows: Mapping[str, Row]
    faults: Mapping[str, InternalError]
    ids: frozenset[str]


class FederatedReader:
    """Each kind of record is fetched once, as a whole: no two systems filter, order and page alike.

    A record of the companion store that was put into the system and is no longer there is gone. One that the system
    never took is still there.
    """

    _companion: SqlReader

    def __init__(self, system: RemoteSystem) -> None:
        self._system = system
        self._origin = Origin(system.name)
        self._listings: dict[type[Record], Listing[Any]] = {}
        self._rows: dict[tuple[type[Record], str], Row | None] = {}

    def look_at(self, companion: SqlReader) -> None:
        """Read beside this view of the companion store from now on, and the system anew."""
        self._companion = companion
        self._listings = {}
        self._rows = {}

    @property
    def source(self) -> str:
        return self._origin.told()

    @property
    def faults(self) -> tuple[str, ...]:
        """What of what was read so far is not in order in the system."""
        return self._origin.faults

    def never_shown(self, kind: type[Record]) -> Sequence[FieldMap]:
        """Mapped fields of which no listed record of this kind shows anything, though each must have them."""
        listing = self._listings.get(kind)
        if listing is None or not listing.rows:
            return ()
        shown = {name for row in listing.rows.values() for name, value in row.values.items() if value not in (None, "")}
        mapped = self._system.collections[kind].fields
        return [m for m in mapped if m.column not in shown and kind.model_fields[m.field].is_required()]

    async def find(self, kind: type[R], query: Query) -> Page[R]:
        collection = self._collection(kind)
        if collection is None:
            return await self._companion.find(kind, query)
        page = page_of((await self._records(collection)).values(), query)
        there = (await self._listing(collection)).rows
        if any(record.key not in there for record in page.items):
            self._origin.note_only_here(kind)
        return page

    async def get(self, kind: type[R], key: str) -> R | None:
        collection = self._collection(kind)
        if collection is None:
            return await self._companion.get(kind, key)
        if kind in self._listings:
            listing: Listing[R] = self._listings[kind]
            if key in listing.faults:
                raise listing.faults[key]
            if key in listing.records and key not in listing.rows:
                self._origin.note_only_here(kind)
            return listing.records.get(key)
        known = await self._companion.get(kind, key)
        ref = await self._companion.remote_ref(kind, key)
        row = await self._row(collection, key, ref)
        if row is None and known is not None and ref is None:
            self._origin.note_only_here(kind)
            return known
        if row is None:
            return None
        return merged(collection, row, known or (await self._planned(kind)).get(key))

    def _collection(self, kind: type[R]) -> Collection[R] | None:
        collection = self._system.collections.get(kind)
        self._origin.note(kind, collection)
        return collection

    async def _records(self, collection: Collection[R]) -> Mapping[str, R]:
        return (await self._listing(collection)).records

    async def _row(self, collection: Collection[Any], key: str, ref: str | None) -> Row | None:
        """What the system shows of one record; asked for once."""
        if (listing := self._listings.get(collection.kind)) is not None:
            return listing.rows.get(key)
        name = (collection.kind, key)
        if name not in self._rows:
            row = await collection.one(key, ref)
            self._rows[name] = None if row is None else _named(row, key)
        return self._rows[name]

    async def _listing(self, collection: Collection[R]) -> Listing[R]:
        kind = collection.kind
        if kind not in self._listings:
            refs = await self._companion.remote_refs(kind)
            known = {record.key: record for record in (await self._companion.find(kind, Query())).items}
            rows = await self._all_rows(collection, {ref: key for key, ref in refs.items()})
            records = {key: record for key, record in known.items() if key not in rows and key not in refs}
            planned = {} if rows.keys() <= known.keys() else await self._planned(kind)
            faults: dict[str, InternalError] = {}
            for key, row in rows.items():
                try:
                    records[key] = merged(collection, row, known.get(key) or planned.get(key))
                except InternalError as error:
                    self._origin.leave_out(error)
                    faults[key] = error
            ids = frozenset(_id_in(kind, key) for key in (*known, *refs, *rows))
            self._listings[kind] = Listing(records, rows, faults, ids)
        return self._listings[kind]

    async def _planned(self, kind: type[R]) -> dict[str, R]:
        """The records that calls without an end have begun to make; what arrived of them is read as it was meant."""
        begun = [
            call.sending.changes[: call.sending.begun] for call in await self._companion.open_calls() if call.sending
        ]
        made = [change.after for changes in begun for change in changes if change.before is None]
        return {record.key: record for record in made if isinstance(record, kind)}

    async def _all_rows(self, collection: Collection[R], keys: Mapping[str, str]) -> dict[str, Row]:
        """What the system shows, by our keys. A list that shifts while it is paged may show a record twice."""
        rows: dict[str, Row] = {}
        seen: set[str] = set()
        pages: set[tuple[str, ...]] = set()
        async for page in collection.pages():
            refs = tuple(row.ref for row in page)
            if page and refs in pages:
                raise InternalError(
                    f"The system of record shows the same page of its {collection.kind.noun} list over and over.",
                    suggestion="Correct how the list is paged in the description of the system.",
                )
            pages.add(refs)
            for row in page:
                if row.ref in seen:
                    continue
                seen.add(row.ref)
                key = keys.get(row.ref, row.key)
                shown, *others = [row] if key not in rows else [row, rows[key]] if row.ref in keys else [rows[key], row]
                rows[key] = _named(shown, key)
                for other in others:
                    self._origin.is_double(collection.kind, key, shown.ref, other.ref)
        return rows


def _named(row: Row, key: str) -> Row:
    return row if row.key == key else replace(row, key=key)


def _id_in(kind: type[Record], key: str) -> str:
    return key.rpartition("@")[0] if issubclass(kind, Document) and "@" in key else key
