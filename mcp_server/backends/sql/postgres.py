"""A PostgreSQL database that several server processes share.

Writers of all processes queue up at one table lock, so that none of them fails because of another. They take it before
anything else: a transaction sees the database as it is after its first query, and taking a lock is none.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import anyio
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from mcp_server.backends.sql.engine import BUSY_TIMEOUT_S, Connection, close, roll_back, transaction, uncancelled
from mcp_server.backends.sql.failures import failure_of, is_lost, sqlstate_of
from mcp_server.errors import BackendUnavailable, ConfigurationError, Interrupted

__all__ = ["QUEUE_UP", "PostgresDatabase", "named"]

_READERS = 4
_CONNECT_S = 5.0
_STATEMENT_S = 10.0
_NO_ANSWER_S = 15.0
_IDLE_S = 60.0
"""A process that vanished with the lock gives it back after this."""
_PREPARING_S = 120.0
"""How long a start waits for another one, which may be upgrading the schema."""
_PREPARING = 0x73686F70
"""Our number among the advisory locks of the database: `shop`."""
QUEUE_UP = sa.text("LOCK TABLE plant_info IN EXCLUSIVE MODE")
"""Readers go on meanwhile."""
_LOCK_TIMED_OUT = "55P03"


class PostgresDatabase:
    """The writing and the reading side of one database.

    Args:
        url: as libpq takes it, `postgresql://user:password@host:port/database?sslmode=verify-full`.
        busy_timeout_s: how long a writer waits for those of other processes.

    Raises:
        ConfigurationError: the URL is none, or the driver is not installed.
    """

    def __init__(self, url: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self.name = named(url)
        self._busy_timeout_s = busy_timeout_s
        waits = {"lock_timeout": _ms(busy_timeout_s), "statement_timeout": _ms(_STATEMENT_S)}
        self._writer = _engine(url, 1, _NO_ANSWER_S, {"default_transaction_isolation": "serializable"} | waits)
        only_reads = {"default_transaction_isolation": "repeatable read", "default_transaction_read_only": "on"}
        self._readers = _engine(url, _READERS, _NO_ANSWER_S, only_reads | waits)
        self._preparer = _engine(url, 1, _PREPARING_S, {"lock_timeout": _ms(_PREPARING_S)})
        self._turn = anyio.Lock()
        self._seats = anyio.Semaphore(_READERS)

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[Connection]:
        async with self._seats:
            raw = await _connected(self._readers)
            try:
                yield Connection(raw)
            finally:
                await roll_back(raw)
                await close(raw)

    @asynccontextmanager
    async def writing(self, *, commit: bool = True) -> AsyncGenerator[Connection]:
        async with self._turn, self._begun() as raw:
            end = partial(_commit if commit else roll_back, raw)
            async with transaction(raw, end=end) as connection:
                yield connection

    @asynccontextmanager
    async def preparing(self) -> AsyncGenerator[Connection]:
        """A transaction for a start: no other start goes on meanwhile, and it sees what those before it have done."""
        raw = await _connected(self._preparer)
        try:
            async with transaction(raw, end=raw.commit) as connection:
                await raw.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_PREPARING})")
                yield connection
        finally:
            await close(raw)
            await self._preparer.dispose()

    async def aclose(self) -> None:
        with uncancelled():
            await self._readers.dispose()
            async with self._turn:
                await self._writer.dispose()

    @asynccontextmanager
    async def _begun(self) -> AsyncGenerator[AsyncConnection]:
        """A caller who gives up while others write costs the connection; that is what ends the wait on the server."""
        raw = await _connected(self._writer)
        try:
            try:
                await raw.execute(QUEUE_UP)
            except DBAPIError as error:
                raise self._busy(error) from error
            except BaseException:
                with uncancelled():
                    await raw.invalidate()
                raise
            yield raw
        finally:
            await close(raw)

    def _busy(self, error: DBAPIError) -> Exception:
        if sqlstate_of(error) != _LOCK_TIMED_OUT:
            return failure_of(error)
        return BackendUnavailable(
            f"Another process has been writing to {self.name} for {self._busy_timeout_s:g} s.",
            suggestion="Try again in a moment.",
            retry_after_s=1.0,
        )


def named(url: str) -> str:
    """Host and database of a URL, for people to read; never a user or a password.

    Raises:
        ConfigurationError: the URL is none.
    """
    try:
        parsed = make_url(url)
        parts = urlsplit(url)
        _ = parts.port  # what the driver would stumble over, with the password in its words
        if parts.netloc.count("@") > 1:  # the driver would look up what follows the first one as a host
            parsed = None
    except (ArgumentError, ValueError):
        parsed = None
    if parsed is None or parsed.get_backend_name() not in {"postgresql", "postgres"} or not parsed.database:
        raise ConfigurationError(
            "The PostgreSQL URL cannot be read.",
            suggestion="Write postgresql://user:password@host:port/database, with / @ : # ? % in the password as "
            "%2F %40 %3A %23 %3F %25.",
        )
    host = parsed.host or parsed.normalized_query.get("host", ("local",))[0]
    return f"{host}/{parsed.database}"


def _ms(seconds: float) -> str:
    return f"{int(seconds * 1000)}"


def _engine(url: str, size: int, no_answer_s: float, settings: dict[str, str]) -> AsyncEngine:
    try:
        driver: Any = import_module("asyncpg")  # it has no types
    except ImportError:
        raise ConfigurationError(
            "PostgreSQL needs a driver that is not installed.", suggestion="Run pip install 'shopfloor[postgres]'."
        ) from None
    given = {"application_name": "shopfloor-mcp", "idle_in_transaction_session_timeout": _ms(_IDLE_S)} | settings
    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: driver.connect(
            dsn=url, timeout=_CONNECT_S, command_timeout=no_answer_s, server_settings=given
        ),
        pool_size=size,
        max_overflow=0,
        pool_pre_ping=True,
    )


async def _connected(engine: AsyncEngine) -> AsyncConnection:
    """A connection that is alive, even after the server was restarted.

    Raises:
        BackendUnavailable: the server cannot be reached.
    """
    with uncancelled():
        try:
            return await engine.connect()
        except OSError as error:
            raise BackendUnavailable(
                f"The plant database cannot be reached: {error or 'no answer'}.",
                suggestion="Try again in a moment; if it stays so, check that the PostgreSQL server runs.",
            ) from error


async def _commit(raw: AsyncConnection) -> None:
    try:
        await raw.commit()
    except (DBAPIError, OSError) as error:
        if isinstance(error, DBAPIError) and not is_lost(error):
            raise
        raise Interrupted(
            "The connection to the plant database was lost while the change was being stored.",
            suggestion="Send the same call again, with the same idempotency key if it had one; it is stored once.",
        ) from error
