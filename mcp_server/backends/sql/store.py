"""The port of `backends/base.py` on SQL."""

from collections.abc import AsyncGenerator, Generator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from itertools import groupby
from typing import Any, TypeVar

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from mcp_server.backends.base import AuditEntry, Capabilities, Page, Query, StoredCall
from mcp_server.backends.sql import tables
from mcp_server.backends.sql.engine import Connection, Database
from mcp_server.backends.sql.failures import failure_of
from mcp_server.backends.sql.mapping import (
    SEARCHED,
    call_from,
    call_values,
    plan_row_values,
    record_from,
    values_of,
)
from mcp_server.backends.sql.tables import TABLES, Folded
from mcp_server.domain.records import QualityPlan, Record
from mcp_server.errors import Conflict, InternalError

__all__ = ["SqlBackend"]

R = TypeVar("R", bound=Record)

_MOST_DIGITS = 18
"""A longer number was not counted up to; somebody typed it."""


class SqlBackend:
    """Records in one SQL database."""

    capabilities = Capabilities(atomic=True)

    def __init__(self, database: Database, *, source: str) -> None:
        self._database = database
        self.source = source

    @asynccontextmanager
    async def reader(self) -> AsyncGenerator["SqlReader"]:
        with _database_errors():
            async with self._database.reading() as connection:
                yield SqlReader(connection, self.source)

    @asynccontextmanager
    async def unit_of_work(self, *, commit: bool = True) -> AsyncGenerator["SqlUnitOfWork"]:
        with _database_errors():
            async with self._database.writing(commit=commit) as connection:
                yield SqlUnitOfWork(connection, self.source)

    async def engine(self) -> tuple[str, str, str | None]:
        """The product, its version, and whom we are signed in as."""
        with _database_errors():
            async with self._database.reading() as connection:
                return await connection.run_sync(_engine)

    async def aclose(self) -> None:
        await self._database.aclose()


class SqlReader:
    def __init__(self, connection: Connection, source: str) -> None:
        self._connection = connection
        self.source = source

    async def find(self, kind: type[R], query: Query) -> Page[R]:
        table = TABLES[kind]
        wanted = _conditions(table, query)
        total = (
            await self._connection.execute(sa.select(sa.func.count()).select_from(table).where(*wanted))
        ).scalar_one()
        key = _key(table)
        page = sa.select(table).where(*wanted).order_by(key.desc() if query.descending else key)
        if query.after is not None:
            page = page.where(key < query.after if query.descending else key > query.after)
        if query.limit is not None:
            page = page.limit(query.limit + 1)
        rows = (await self._connection.execute(page)).mappings().all()
        shown = rows if query.limit is None else rows[: query.limit]
        items = await self._records(kind, shown)
        return Page(items=items, total=total, next_after=items[-1].key if len(rows) > len(shown) else None)

    async def get(self, kind: type[R], key: str) -> R | None:
        table = TABLES[kind]
        rows = (await self._connection.execute(sa.select(table).where(_key(table) == key))).mappings().all()
        found = await self._records(kind, rows)
        return found[0] if found else None

    async def remote_ref(self, kind: type[Record], key: str) -> str | None:
        """What the remote system calls the record."""
        table = tables.remote_records
        query = sa.select(table.c.ref).where(table.c.kind == kind.__name__, table.c.key == key)
        return (await self._connection.execute(query)).scalar_one_or_none()

    async def remote_refs(self, kind: type[Record]) -> dict[str, str]:
        """What the remote system calls every record of a kind that is known to be there, by key."""
        table = tables.remote_records
        query = sa.select(table.c.key, table.c.ref).where(table.c.kind == kind.__name__).order_by(table.c.key)
        return {row.key: row.ref for row in await self._connection.execute(query)}

    async def open_calls(self) -> tuple[StoredCall, ...]:
        """The writes whose end is not known, oldest first."""
        table = tables.idempotency_keys
        order = (table.c.stored_at, table.c.principal, table.c.tool, table.c.key)
        query = sa.select(table).where(table.c.sending.is_not(None)).order_by(*order)
        return tuple(call_from(row) for row in (await self._connection.execute(query)).mappings())

    async def _records(self, kind: type[R], rows: Sequence[Mapping[Any, Any]]) -> tuple[R, ...]:
        if kind is not QualityPlan:
            return tuple(_record(kind, row) for row in rows)
        children = await self._plan_rows([row["key"] for row in rows])
        return tuple(_record(kind, row, children.get(row["key"], ())) for row in rows)

    async def _plan_rows(self, plan_keys: Sequence[str]) -> dict[str, list[Mapping[Any, Any]]]:
        table = tables.quality_plan_rows
        query = sa.select(table).where(table.c.plan_key.in_(plan_keys)).order_by(table.c.plan_key, table.c.position)
        found: dict[str, list[Mapping[Any, Any]]] = {}
        for row in (await self._connection.execute(query)).mappings():
            found.setdefault(row["plan_key"], []).append(row)
        return found


class SqlUnitOfWork(SqlReader):
    async def next_id(self, kind: type[Record], prefix: str) -> str:
        column = TABLES[kind].c.id
        rest = sa.func.substr(column, len(prefix) + 1)
        number = sa.func.ltrim(rest, "0")
        digits = sa.func.length(number)
        query = (
            sa.select(rest)
            .where(
                column >= prefix,  # this is what uses the index
                column < f"{prefix}:",  # the colon sorts after every digit
                sa.func.ltrim(rest, "0123456789") == "",
                digits <= _MOST_DIGITS,
            )
            .order_by(digits.desc(), number.desc(), sa.func.length(rest).desc())
            .limit(1)
        )
        highest: str = (await self._connection.execute(query)).scalar() or "0"
        return f"{prefix}{int(highest) + 1:0{max(len(highest), 4)}d}"

    async def insert(self, record: Record) -> None:
        await self._connection.execute(sa.insert(TABLES[type(record)]).values(values_of(record)))
        if isinstance(record, QualityPlan) and record.rows:
            await self._connection.execute(sa.insert(tables.quality_plan_rows), plan_row_values(record))

    async def insert_all(self, records: Iterable[Record]) -> None:
        """Many records; those of one kind that follow each other go in one statement."""
        for kind, same in groupby(records, key=type):
            group = list(same)
            await self._connection.execute(sa.insert(TABLES[kind]), [values_of(record) for record in group])
            if rows := [row for plan in group if isinstance(plan, QualityPlan) for row in plan_row_values(plan)]:
                await self._connection.execute(sa.insert(tables.quality_plan_rows), rows)

    async def replace(self, record: Record) -> None:
        table = TABLES[type(record)]
        stored = await self._connection.execute(
            sa.update(table).where(_key(table) == record.key).values(values_of(record))
        )
        if stored.rowcount != 1:
            raise Conflict(f"There is no {record.noun} {record.key} to change.", suggestion="Read it again.")
        if isinstance(record, QualityPlan):
            rows = tables.quality_plan_rows
            await self._connection.execute(sa.delete(rows).where(rows.c.plan_key == record.key))
            if record.rows:
                await self._connection.execute(sa.insert(rows), plan_row_values(record))

    async def send(self, call: StoredCall) -> bool:
        """Nothing to do: the transaction holds it."""
        del call
        return False

    async def recall(self, principal: str, tool: str, key: str, now: datetime) -> StoredCall | None:
        table = tables.idempotency_keys
        lasts = sa.or_(table.c.expires_at > now, table.c.sending.is_not(None))
        query = sa.select(table).where(_is_call(principal, tool, key), lasts)
        row = (await self._connection.execute(query)).mappings().one_or_none()
        return None if row is None else call_from(row)

    async def remember(self, call: StoredCall) -> None:
        table = tables.idempotency_keys
        same = _is_call(call.principal, call.tool, call.key)
        expired = sa.and_(table.c.expires_at <= call.stored_at, table.c.sending.is_(None))
        await self._connection.execute(sa.delete(table).where(sa.or_(expired, same)))
        await self._connection.execute(sa.insert(table).values(call_values(call)))

    async def forget(self, principal: str, tool: str, key: str) -> None:
        """Let go of the answer kept under a key, and of what it was sending."""
        await self._connection.execute(sa.delete(tables.idempotency_keys).where(_is_call(principal, tool, key)))

    async def keep_remote_ref(self, kind: type[Record], key: str, ref: str) -> None:
        table = tables.remote_records
        same = (table.c.kind == kind.__name__, table.c.key == key)
        await self._connection.execute(sa.delete(table).where(*same))
        await self._connection.execute(sa.insert(table).values(kind=kind.__name__, key=key, ref=ref))

    async def audit(self, entry: AuditEntry) -> int:
        table = tables.audit_log
        values = {column.name: getattr(entry, column.name) for column in table.columns if column.name != "id"}
        result = await self._connection.execute(sa.insert(table).values(values).returning(table.c.id))
        return result.scalar_one()


def _engine(connection: sa.Connection) -> tuple[str, str, str | None]:
    if connection.dialect.name == "sqlite":
        return "SQLite", connection.exec_driver_sql("SELECT sqlite_version()").scalar_one(), None
    version, user = connection.exec_driver_sql("SELECT current_setting('server_version'), session_user").one()
    return "PostgreSQL", version, user


def _key(table: sa.Table) -> sa.Column[Any]:
    """What orders and names the rows of a table: a document's id and revision, any other record's id."""
    (key,) = table.primary_key.columns
    return key


def _is_call(principal: str, tool: str, key: str) -> sa.ColumnElement[bool]:
    table = tables.idempotency_keys
    return sa.and_(table.c.principal == principal, table.c.tool == tool, table.c.key == key)


def _conditions(table: sa.Table, query: Query) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = [table.c[name].in_(values) for name, values in query.among.items()]
    if query.text:
        columns = [table.c[name] for name in SEARCHED if name in table.c]
        found.append(sa.or_(*(Folded(column).contains(query.text.lower(), autoescape=True) for column in columns)))
    found += [table.c[name] >= value for name, value in query.since.items()]
    found += [table.c[name] <= value for name, value in query.until.items()]
    return found


def _record(kind: type[R], row: Mapping[Any, Any], plan_rows: Sequence[Mapping[Any, Any]] = ()) -> R:
    try:
        return record_from(kind, row, plan_rows)
    except ValidationError as error:
        fields = sorted({".".join(map(str, problem["loc"])) for problem in error.errors(include_input=False)})
        raise InternalError(
            f"The plant database holds {kind.__name__} {row['id']} in a form the server does not know: "
            f"{', '.join(fields)}.",
            suggestion="Correct the record in the database.",
        ) from error


@contextmanager
def _database_errors() -> Generator[None]:
    """Where an error of the database becomes one of ours."""
    try:
        yield
    except DBAPIError as error:
        raise failure_of(error) from error
