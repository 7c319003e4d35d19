"""The records of a remote system and its companion store, as one."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from mcp_server.backends.base import Page, Query
from mcp_server.backends.remote.merging import merged
from mcp_server.backends.remote.origin import Origin
from mcp_server.backends.remote.port import Collection, RemoteSystem, Row
from mcp_server.backends.remote.querying import page_of
from mcp_server.backends.sql.store import SqlReader
from mcp_server.domain.records import Record
from mcp_server.errors import InternalError

__all__ = ["FederatedReader"]

R = TypeVar("R", bound=Record)


class FederatedReader:
    """Each kind of record is fetched once, as a whole: no two systems filter, order and page alike.

    A record of the companion store that was put into the system and is no longer there is gone. One that the system
    never took is still there.
    """

    _companion: SqlReader

    def __init__(self, system: RemoteSystem) -> None:
        self._system = system
        self._origin = Origin(system.name)
        self._tables: dict[type[Record], dict[str, Any]] = {}

    def look_at(self, companion: SqlReader) -> None:
        """Read beside this view of the companion store from now on, and the system anew."""
        self._companion = companion
        self._tables = {}

    @property
    def source(self) -> str:
        return self._origin.told()

    async def find(self, kind: type[R], query: Query) -> Page[R]:
        collection = self._collection(kind)
        if collection is None:
            return await self._companion.find(kind, query)
        return page_of((await self._records(collection)).values(), query)

    async def get(self, kind: type[R], key: str) -> R | None:
        collection = self._collection(kind)
        if collection is None:
            return await self._companion.get(kind, key)
        if kind in self._tables:
            return self._tables[kind].get(key)
        known = await self._companion.get(kind, key)
        ref = await self._companion.remote_ref(kind, key)
        row = await collection.one(key, ref)
        if row is None:
            return known if ref is None else None
        return merged(collection, _named(row, key), known)

    def _collection(self, kind: type[R]) -> Collection[R] | None:
        collection = self._system.collections.get(kind)
        self._origin.note(kind, collection)
        return collection

    async def _records(self, collection: Collection[R]) -> dict[str, R]:
        kind = collection.kind
        if kind not in self._tables:
            refs = await self._companion.remote_refs(kind)
            known = {record.key: record for record in (await self._companion.find(kind, Query())).items}
            rows = await self._rows(collection, {ref: key for key, ref in refs.items()})
            records = {key: record for key, record in known.items() if key not in rows and key not in refs}
            for key, row in rows.items():
                try:
                    records[key] = merged(collection, row, known.get(key))
                except InternalError as error:
                    self._origin.leave_out(error)
            self._tables[kind] = records
        return self._tables[kind]

    async def _rows(self, collection: Collection[R], keys: Mapping[str, str]) -> dict[str, Row]:
        """What the system shows, by our keys. A list that shifts while it is paged may show a record twice."""
        rows: dict[str, Row] = {}
        seen: set[str] = set()
        async for page in collection.pages():
            fresh = [row for row in page if row.ref not in seen]
            if page and not fresh:
                raise InternalError(
                    f"The system of record shows the same page of its {collection.kind.noun} list over and over.",
                    suggestion="Correct how the list is paged in the description of the system.",
                )
            for row in fresh:
                seen.add(row.ref)
                key = keys.get(row.ref, row.key)
                if key in rows:
                    self._origin.is_double(collection.kind, key, rows[key].ref, row.ref)
                else:
                    rows[key] = _named(row, key)
        return rows


def _named(row: Row, key: str) -> Row:
    return row if row.key == key else replace(row, key=key)
