"""The records of one kind in a described system."""

import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from pydantic import JsonValue

from mcp_server.backends.described.checks import typed_value
from mcp_server.backends.described.description import Description, OneRequest, RecordDescription
from mcp_server.backends.described.listing import as_query, listed
from mcp_server.backends.described.places import fill, fill_path, put_at, text_at, value_at
from mcp_server.backends.described.references import References
from mcp_server.backends.described.values import field_maps
from mcp_server.backends.http.client import SystemClient
from mcp_server.backends.remote.merging import UNFIT
from mcp_server.backends.remote.port import FieldMap, Row
from mcp_server.domain.records import Record
from mcp_server.errors import AnswerLost, Conflict, InternalError, RuleViolated

__all__ = ["DescribedCollection"]

R = TypeVar("R", bound=Record)

_STAMP = re.compile(r"\[([^\s\[\]]*-[^\s\[\]]*\d)\] ?(.*)", re.DOTALL)
"""One of our ids, which have a dash and end with a digit; `[URGENT]` is no stamp."""


class DescribedCollection(Generic[R]):
    """Reads and writes as its part of the description says."""

    def __init__(
        self,
        kind: type[R],
        described: RecordDescription,
        description: Description,
        client: SystemClient,
        references: References,
    ) -> None:
        self._kind = kind
        self._described = described
        self._client = client
        self._references = references
        self._key_header = description.idempotency_key
        self._etag = description.etag
        self._fields = field_maps(kind, described.fields, described, description, references)
        self._tells = field_maps(kind, described.tells, described, description, references)
        self._assumed = {name: typed_value(kind, name, value) for name, value in described.assumed.items()}
        self._takes = {
            name: [typed_value(kind, name, one) for one in (value if isinstance(value, list) else [value])]
            for name, value in described.takes.items()
        }

    @property
    def kind(self) -> type[R]:
        return self._kind

    @property
    def fields(self) -> Sequence[FieldMap]:
        return self._fields

    @property
    def creates(self) -> bool:
        return self._described.create is not None

    @property
    def changes(self) -> frozenset[str]:
        if self._described.change is None:
            return frozenset()
        return frozenset(
            self._described.fields if self._described.change.fields is None else self._described.change.fields
        )

    @property
    def client_ids(self) -> bool:
        return self._described.id.client is not None

    @property
    def assumed(self) -> Mapping[str, Any]:
        return self._assumed

    def takes(self, record: R) -> bool:
        return all(getattr(record, name) in allowed for name, allowed in self._takes.items())

    async def pages(self) -> AsyncIterator[Sequence[Row]]:
        path = self._described.list.path or self._described.path
        async for rows in listed(self._client, self._described.list, path):
            yield await self._rows(rows)

    async def one(self, key: str, ref: str | None) -> Row | None:
        asking = self._described.one
        if asking is None or (ref is None and "{ref" in str(asking.model_dump())):
            listed = await self._from_list(key, ref)
            if listed is None or asking is None or not self._etag:
                return listed
            ref = listed.ref  # its version is only shown when it is asked for alone
        found, version = await self._asked(asking, {"id": key, "ref": ref or ""})
        if found is None:
            return None
        [row] = await self._rows([found], version)
        return row if _is_meant(row, key, ref) else None

    async def create(self, record: R, idempotency_key: str) -> str:
        creating = self._described.create
        if creating is None:
            raise InternalError(f"The description says nothing of how to make a {record.noun}.")
        await self._know_references([record])
        columns = {name: value for name, value in self._columns(record, self._fields).items() if value is not None}
        body: Any = dict(creating.constants)
        if self._described.id.client is not None:
            columns[self._described.id.client] = record.key
        for column, value in columns.items():
            body = put_at(column, body, value)
        answer = await self._client.write(
            creating.method,
            fill_path(creating.path or self._described.path, {"id": record.key}),
            json=put_at(creating.envelope, {}, body),
            headers=self._key(idempotency_key),
            repeatable=self.client_ids or self._key_header is not None,
        )
        ref = text_at(creating.ref or self._described.ref, answer.body)
        if ref is None and self._described.ref == self._described.id.client:
            ref = record.key
        if ref is None:
            raise AnswerLost(
                f"The system of record took a {record.noun} and did not say what it calls it.",
                suggestion="Read the record before you try again; correct create.ref in the description of the system.",
            )
        return ref

    async def change(self, before: R, after: R, row: Row, idempotency_key: str) -> None:
        changing = self._described.change
        if changing is None:
            raise InternalError(f"The description says nothing of how to change a {after.noun}.")
        await self._know_references([before, after])
        mapped = [field for field in self._fields if field.field in self.changes]
        if changing.send == "changed":
            mapped = [field for field in mapped if getattr(before, field.field) != getattr(after, field.field)]
        if not mapped:
            return
        given = {"id": after.key, "ref": row.ref}
        body: Any = {}
        for column, value in self._columns(after, mapped).items():
            body = put_at(column, body, value)
        version = {"If-Match": row.version} if self._etag and row.version else {}
        await self._client.write(
            changing.method,
            fill_path(changing.path, given),
            json=put_at(changing.envelope, self._filled(changing.body, given), body),
            headers=self._key(idempotency_key) | version,
            repeatable=changing.method != "POST" or self._key_header is not None,
        )

    def _key(self, idempotency_key: str) -> dict[str, str]:
        return {self._key_header: idempotency_key} if self._key_header else {}

    def _columns(self, record: R, mapped: Iterable[FieldMap]) -> dict[str, Any]:
        """What to send, by column; the stamp is on its text.

        Raises:
            RuleViolated: the system has no word for a value.
        """
        found: dict[str, Any] = {}
        for field in mapped:
            try:
                value = field.encode(getattr(record, field.field))
            except UNFIT as error:
                raise RuleViolated(
                    f"The system of record cannot hold this {field.field} of {record.noun} {record.key}.",
                    field=field.field,
                    suggestion="Give a value that it knows.",
                ) from error
            found[field.column] = f"[{record.key}] {value}" if field.column == self._described.id.stamp else value
        return found

    async def _asked(self, asking: OneRequest, given: Mapping[str, str]) -> tuple[Any, str | None]:
        """What the system shows of one record, and its version; None where it has no such record."""
        try:
            query, body = fill(asking.query, given), fill(asking.body, given)
        except ValueError:
            return None, None  # what it calls its records are numbers, and this is none
        answer = await self._client.read(
            asking.method,
            fill_path(asking.path, given),
            params=as_query(query) if isinstance(query, dict) else None,
            json=body if asking.method == "POST" else None,
            missing_ok=True,
        )
        found = value_at(asking.envelope, answer.body)
        if found is None and answer.body is not None and not (asking.envelope or "").endswith("]"):
            raise InternalError(
                f"{asking.path} shows no record at {asking.envelope}.",
                suggestion="Correct one.envelope in the description of the system.",
            )
        return found, answer.headers.get("ETag") if self._etag else None

    def _filled(self, template: Mapping[str, JsonValue], given: Mapping[str, str]) -> JsonValue:
        try:
            return fill(dict(template), given)
        except ValueError as error:
            raise InternalError(
                f"The system of record calls a {self._kind.noun} {given['ref'][:60]!r}, which is no number.",
                suggestion="Write {ref} instead of {ref:number} in the description of the system.",
            ) from error

    async def _from_list(self, key: str, ref: str | None) -> Row | None:
        found: dict[str, Row] = {}
        async for page in self.pages():
            found |= {row.ref: row for row in page if _is_meant(row, key, ref)}
        if len(found) > 1:
            raise Conflict(
                f"The system of record holds {self._kind.noun} {key} {len(found)} times: {', '.join(found)}.",
                suggestion="Remove all but one of them there.",
            )
        return next(iter(found.values()), None)

    async def _rows(self, shown: Sequence[Any], version: str | None = None) -> list[Row]:
        for described in (*self._described.fields.values(), *self._described.tells.values()):
            if described.refers:
                refs = {text_at(described.read or described.column, raw) for raw in shown} - {None}
                await self._references.know(described.refers, refs=[ref for ref in refs if ref is not None])
        return [self._row(raw, version) for raw in shown]

    async def _know_references(self, records: Iterable[R]) -> None:
        for name, described in self._described.fields.items():
            if described.refers:
                keys = [getattr(record, name) for record in records]
                await self._references.know(described.refers, keys=[key for key in keys if key is not None])

    def _row(self, raw: Any, version: str | None) -> Row:  # noqa: ANN401 - any JSON
        ref = text_at(self._described.ref, raw)
        if ref is None:
            raise InternalError(
                f"The system of record shows a {self._kind.noun} without {self._described.ref}.",
                suggestion="Correct ref in the description of the system.",
            )
        values = {column: value_at(place, raw) for column, place in self._places()}
        key = ref if self._described.id.client is None else text_at(self._described.id.client, raw) or ref
        stamp = self._described.id.stamp
        if stamp is not None and (stamped := _STAMP.fullmatch(str(values[stamp]))):
            key, values[stamp] = stamped[1], stamped[2]
        for field in self._fields:
            values[field.column] = _as_we_write_it(field, values[field.column])
        return Row(key=key, ref=ref, values=values, version=version, assumed=self._told(raw))

    def _told(self, raw: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
        """What the record shows of fields that are only read; what nobody can read there is left out."""
        found: dict[str, Any] = {}
        for field in self._tells:
            described = self._described.tells[field.field]
            try:
                value = field.decode(value_at(described.read or described.column, raw))
            except UNFIT:
                continue
            if value is not None:
                found[field.field] = value
        return found

    def _places(self) -> Iterable[tuple[str, str]]:
        return ((described.column, described.read or described.column) for described in self._described.fields.values())


def _is_meant(row: Row, key: str, ref: str | None) -> bool:
    return row.key == key if ref is None else row.ref == ref


def _as_we_write_it(field: FieldMap, theirs: Any) -> Any:  # noqa: ANN401 - any JSON
    """The same value in the form we send it, so that `...Z` and `...+00:00` are the same moment."""
    try:
        return field.encode(field.decode(theirs))
    except UNFIT:
        return theirs
