"""Opens a SQLite file so that nothing acknowledged is ever lost.

One connection of one process at a time writes and checkpoints; all others only read. That is what keeps SQLite
before 3.51.3 clear of its WAL-reset corruption, and it makes every unit of work serial.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import filelock
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from mcp_server.errors import BackendUnavailable

__all__ = ["SqliteFile", "sqlite_url"]

BUSY_TIMEOUT_S = 5.0
_READERS = 4
_LOCK_POLL_S = 0.01


def sqlite_url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


class SqliteFile:
    """The writing and the reading side of one database file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer = _engine(path, size=1, pragmas=("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"))
        self._readers = _engine(path, size=_READERS, pragmas=("query_only=ON", "wal_autocheckpoint=0"))
        self._turn = anyio.Lock()
        self._between_processes = filelock.FileLock(path.with_suffix(".lock"))

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection that sees one moment of the file and cannot change it."""
        async with self._readers.connect() as connection:
            await connection.exec_driver_sql("BEGIN")
            yield connection
            await connection.rollback()

    @asynccontextmanager
    async def writing(self, *, commit: bool = True) -> AsyncIterator[AsyncConnection]:
        """The one writing connection, in a transaction that ends with the block.

        Raises:
            BackendUnavailable: another process holds the file for longer than the busy timeout.
        """
        async with self._turn, self._alone(), self._writer.connect() as connection:
            await connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                with anyio.CancelScope(shield=True):
                    await connection.rollback()
                raise
            with anyio.CancelScope(shield=True):  # a commit that was begun is finished, so its outcome is known
                await (connection.commit() if commit else connection.rollback())

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        try:
            with anyio.fail_after(BUSY_TIMEOUT_S):
                while not self._try_lock():
                    await anyio.sleep(_LOCK_POLL_S)
        except TimeoutError:
            raise BackendUnavailable(
                f"Another process has been writing to {self.path.name} for {BUSY_TIMEOUT_S:g} s.",
                suggestion="Try again in a moment.",
                retry_after_s=1.0,
            ) from None
        try:
            yield
        finally:
            self._between_processes.release()

    def _try_lock(self) -> bool:
        try:
            self._between_processes.acquire(blocking=False)
        except filelock.Timeout:
            return False
        return True

    async def aclose(self) -> None:
        """Close the readers, then the writer, whose close checkpoints the log into the file."""
        with anyio.CancelScope(shield=True):
            await self._readers.dispose()
            async with self._turn, self._alone():
                await self._writer.dispose()


def _engine(path: Path, *, size: int, pragmas: tuple[str, ...]) -> AsyncEngine:
    engine = create_async_engine(
        sqlite_url(path),
        poolclass=AsyncAdaptedQueuePool,
        pool_size=size,
        max_overflow=0,
        pool_timeout=BUSY_TIMEOUT_S * 4,
    )

    def prepare(raw: Any, _record: object) -> None:  # noqa: ANN401 - the adapted DB-API connection has no public type
        raw.isolation_level = None  # this module writes BEGIN itself
        cursor = raw.cursor()
        for pragma in (*pragmas, f"busy_timeout={int(BUSY_TIMEOUT_S * 1000)}"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    sa.event.listen(engine.sync_engine, "connect", prepare)
    return engine
