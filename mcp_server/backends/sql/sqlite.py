"""Opens a SQLite file so that nothing acknowledged is ever lost.

One connection of one process at a time writes and checkpoints; all others only read. That is what keeps SQLite
before 3.51.3 clear of its WAL-reset corruption, and it makes every unit of work serial.
"""

import os
import sqlite3
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from mcp_server.backends.sql.engine import BUSY_TIMEOUT_S, Connection, close, roll_back, transaction, uncancelled
from mcp_server.backends.sql.process_lock import ProcessLock
from mcp_server.errors import BackendUnavailable

__all__ = ["SqliteFile", "is_damage"]

_READERS = 4
_POLL_S = 0.005
_PRIMARY_CODE = 0xFF
"""SQLite's extended result codes keep the primary one in their lowest byte."""

T = TypeVar("T")


class SqliteFile:
    """The writing and the reading side of one database file."""

    def __init__(self, path: Path, *, foreign_keys: bool = True, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self.path = path
        self._busy_timeout_s = busy_timeout_s
        # The writer waits in `_begun`, where the wait can be cancelled, and not inside SQLite.
        references = f"foreign_keys={'ON' if foreign_keys else 'OFF'}"
        self._writer = _engine(path, 1, 0, ("journal_mode=WAL", "synchronous=FULL", references))
        self._readers = _engine(path, _READERS, busy_timeout_s, ("query_only=ON", "wal_autocheckpoint=0"))
        self._turn = anyio.Lock()
        self._seats = anyio.Semaphore(_READERS)
        self._between_processes = ProcessLock(path.with_suffix(".lock"))

    async def make(self) -> None:
        """Make the file if there is none. One that exists is left alone, whatever it holds.

        Raises:
            OSError: the folder cannot be written.
        """
        async with self._turn, self._alone():
            await anyio.to_thread.run_sync(_make, self.path)

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[Connection]:
        """A connection that sees one moment of the file and cannot change it."""
        async with self._seats:
            raw = await _open(self._readers, "BEGIN")
            try:
                yield Connection(raw)
            finally:
                await close(raw)

    @asynccontextmanager
    async def writing(self, *, commit: bool = True) -> AsyncGenerator[Connection]:
        """The one writing connection, in a transaction that ends with the block.

        Raises:
            BackendUnavailable: another process holds the file for longer than the busy timeout.
        """
        async with self._turn, self._alone(), self._begun() as raw:
            end = raw.commit if commit else partial(roll_back, raw)
            async with transaction(raw, end=end) as connection:
                yield connection

    async def aclose(self) -> None:
        """Close the readers, then the writer; the last connection to close folds the log into the file."""
        with uncancelled():
            await self._readers.dispose()
            async with self._turn:
                await self._writer.dispose()

    @asynccontextmanager
    async def _alone(self) -> AsyncGenerator[None]:
        with self._patience():
            while not self._between_processes.try_take():  # noqa: ASYNC110 - another process sets no event of ours
                await anyio.sleep(_POLL_S)
        try:
            yield
        finally:
            self._between_processes.release()

    @asynccontextmanager
    async def _begun(self) -> AsyncGenerator[AsyncConnection]:
        with self._patience():
            while (raw := await self._try_begin()) is None:  # noqa: ASYNC110 - another process sets no event of ours
                await anyio.sleep(_POLL_S)
        try:
            yield raw
        finally:
            await close(raw)

    @contextmanager
    def _patience(self) -> Generator[None]:
        try:
            with anyio.fail_after(self._busy_timeout_s):
                yield
        except TimeoutError:
            raise BackendUnavailable(
                f"Another process has been writing to {self.path.name} for {self._busy_timeout_s:g} s.",
                suggestion="Try again in a moment.",
                retry_after_s=1.0,
            ) from None

    async def _try_begin(self) -> AsyncConnection | None:
        try:
            return await _open(self._writer, "BEGIN IMMEDIATE")
        except OperationalError as error:
            if _code(error) == sqlite3.SQLITE_BUSY:
                return None
            raise


def is_damage(error: DBAPIError) -> bool:
    """Whether the error says that the file is no database, or a broken one."""
    return _code(error) in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}


def _code(error: DBAPIError) -> int | None:
    return error.orig.sqlite_errorcode & _PRIMARY_CODE if isinstance(error.orig, sqlite3.Error) else None


async def _open(engine: AsyncEngine, begin: str) -> AsyncConnection:
    with uncancelled():
        raw = await engine.connect()
        try:
            await raw.exec_driver_sql(begin)
        except BaseException:
            await raw.close()
            raise
        return raw


def _make(path: Path) -> None:
    """Made under another name first, so that a crash leaves no empty file: an empty one is a damaged one."""
    if path.exists():
        return
    unnamed = path.with_name(f"{path.name}.{os.getpid()}.new")
    with closing(sqlite3.connect(unnamed)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    unnamed.replace(path)


def _engine(path: Path, size: int, busy_timeout_s: float, pragmas: tuple[str, ...]) -> AsyncEngine:
    engine = create_async_engine(
        sa.URL.create("sqlite+aiosqlite", database=str(path)),
        poolclass=AsyncAdaptedQueuePool,
        pool_size=size,
        max_overflow=0,
    )

    def prepare(raw: Any, _record: object) -> None:  # noqa: ANN401 - the adapted DB-API connection has no public type
        raw.isolation_level = None  # this module writes BEGIN itself
        raw.create_function("lower", 1, _lower)
        cursor = raw.cursor()
        for pragma in (f"busy_timeout={int(busy_timeout_s * 1000)}", *pragmas):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    event.listen(engine.sync_engine, "connect", prepare)
    return engine


def _lower(value: object) -> object:
    """SQLite's own `lower` knows only ASCII; a search without case must find `Ölpumpe` by `ölpumpe`."""
    return value.lower() if isinstance(value, str) else value
