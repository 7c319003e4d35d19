"""One SQLite file, one connection of this process, one transaction at a time, each in a worker thread.

The file uses a rollback journal with `synchronous=FULL`: several programs may write to it, and the write-ahead log of
SQLite before 3.51.3 does not survive that. The journal is kept between transactions: on a busy disk, making
and deleting it took a commit from 2 ms to 6 ms.

A whole transaction runs in one hop to a thread. An async driver hops for each statement and fetch, and 100 sessions at
once took 6 s with it instead of 1 s to 2 s.
"""

import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DatabaseError, IntegrityError
from sqlalchemy.pool import QueuePool

from orchestrator_client.errors import ClientError, ConfigurationError, SessionConflict

__all__ = ["SqliteFile"]

_PRIMARY_CODE = 0xFF
"""SQLite's extended result codes keep the primary one in their lowest byte."""

_JOURNAL = "PERSIST"

T = TypeVar("T")


class SqliteFile:
    """Transactions wait for each other in order; a hundred connections would fight for the file instead."""

    def __init__(self, path: Path, *, busy_timeout_s: float) -> None:
        self._path = path
        self._engine = _engine(path, busy_timeout_s)
        self._turn = anyio.Lock()

    async def read(self, work: Callable[[sa.Connection], T]) -> T:
        """Do the work on one moment of the file. Raises what `write` raises."""
        return await self._run("BEGIN", work)

    async def write(self, work: Callable[[sa.Connection], T], *, without_trace: bool = False) -> T:
        """Do the work in a transaction; once it has begun it cannot be cancelled.

        `without_trace`: no journal is kept afterwards, which would still hold what the work took away.

        Raises:
            SessionConflict: another process kept the file for longer than the busy timeout.
            ConfigurationError: the file cannot be read or written, or is no database.
        """
        return await self._run("BEGIN IMMEDIATE", work, "DELETE" if without_trace else _JOURNAL)

    async def aclose(self) -> None:
        with anyio.CancelScope(shield=True):
            async with self._turn:
                await anyio.to_thread.run_sync(self._engine.dispose)

    async def _run(self, begin: str, work: Callable[[sa.Connection], T], journal: str = _JOURNAL) -> T:
        async with self._turn:
            return await anyio.to_thread.run_sync(partial(self._transaction, begin, work, journal))

    def _transaction(self, begin: str, work: Callable[[sa.Connection], T], journal: str) -> T:
        try:
            with self._engine.connect() as connection, _journal(connection, journal):
                connection.exec_driver_sql(begin)
                result = work(connection)
                connection.commit()
                return result
        except IntegrityError:
            raise
        except DatabaseError as error:
            raise self._explained(error) from error

    def _explained(self, error: DatabaseError) -> ClientError:
        match error.orig.sqlite_errorcode & _PRIMARY_CODE if isinstance(error.orig, sqlite3.Error) else None:
            case sqlite3.SQLITE_BUSY:
                return SessionConflict(
                    f"Another program is using the session file {self._path}.", suggestion="Try again in a moment."
                )
            case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
                return ConfigurationError(
                    f"{self._path} is not a session store.",
                    suggestion="Move it away; a new one is made at the next start.",
                )
            case _:
                return ConfigurationError(
                    f"The session file {self._path} cannot be used: {error.orig}.",
                    suggestion="Check its disk and permissions, or choose another folder with --data-dir.",
                )


@contextmanager
def _journal(connection: sa.Connection, mode: str) -> Generator[None]:
    if mode == _JOURNAL:
        yield
        return
    connection.exec_driver_sql(f"PRAGMA journal_mode={mode}")
    try:
        yield
    finally:
        connection.rollback()
        connection.exec_driver_sql(f"PRAGMA journal_mode={_JOURNAL}")


def _engine(path: Path, busy_timeout_s: float) -> sa.Engine:
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        connect_args={"check_same_thread": False},  # one thread at a time, but not always the same
    )

    def prepare(raw: Any, _record: object) -> None:  # noqa: ANN401 - the DB-API connection has no public type
        raw.isolation_level = None  # `_transaction` says BEGIN itself
        cursor = raw.cursor()
        busy_timeout = f"busy_timeout={int(busy_timeout_s * 1000)}"
        journal = f"journal_mode={_JOURNAL}"
        for pragma in (busy_timeout, journal, "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    event.listen(engine, "connect", prepare)
    return engine
