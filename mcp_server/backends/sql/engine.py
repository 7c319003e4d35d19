"""What every database engine of the store does alike: connections inside a transaction, and how one ends."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, Protocol, TypeVar

import anyio
import sqlalchemy as sa
from anyio.lowlevel import checkpoint_if_cancelled
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from mcp_server.errors import BackendUnavailable

__all__ = ["BUSY_TIMEOUT_S", "Connection", "Database", "close", "roll_back", "transaction", "uncancelled"]

BUSY_TIMEOUT_S = 5.0
"""How long a unit waits for the writers of other processes."""

T = TypeVar("T")


class Connection:
    """A connection inside a transaction.

    Cancellation is obeyed before a statement, never in the middle of one: a statement dropped halfway costs the
    connection, and the lock would be released while the database is still at work.
    """

    def __init__(self, raw: AsyncConnection) -> None:
        self._raw = raw

    async def execute(
        self, statement: sa.Executable, values: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> sa.CursorResult[Any]:
        """Run one statement.

        Raises:
            BackendUnavailable: the database gave no answer.
        """
        await checkpoint_if_cancelled()
        with uncancelled():
            try:
                return await self._raw.execute(statement, values)
            except OSError as error:  # a socket that broke, or the driver's own time-out
                raise BackendUnavailable(
                    "The plant database did not answer; nothing was stored.", suggestion="Try again in a moment."
                ) from error

    async def run_sync(self, work: Callable[[sa.Connection], T]) -> T:
        """Hand the synchronous connection to `work`, for libraries that want one."""
        await checkpoint_if_cancelled()
        with uncancelled():
            return await self._raw.run_sync(work)


class Database(Protocol):
    """One database, with one writing transaction at a time over all processes."""

    def reading(self) -> AbstractAsyncContextManager[Connection]:
        """A connection that sees one moment and cannot change it."""
        ...

    def writing(self, *, commit: bool = True) -> AbstractAsyncContextManager[Connection]:
        """A transaction that ends with the block.

        Raises:
            BackendUnavailable: it cannot be begun now; another process writes for longer than the busy timeout.
        """
        ...

    async def aclose(self) -> None: ...


@asynccontextmanager
async def transaction(raw: AsyncConnection, *, end: Callable[[], Awaitable[None]]) -> AsyncGenerator[Connection]:
    """A block that was cancelled or fails is rolled back; one that ends well ends with `end`.

    An end that was begun is finished, and nothing after it can be cancelled: who gets a result has it stored, who gets
    a cancellation has not.
    """
    try:
        yield Connection(raw)
        await checkpoint_if_cancelled()
    except BaseException:
        await roll_back(raw)
        raise
    with uncancelled():
        await end()


async def roll_back(raw: AsyncConnection) -> None:
    """A connection that is lost takes its transaction with it."""
    with uncancelled():
        try:
            await raw.rollback()
        except (DBAPIError, OSError):
            await raw.invalidate()


async def close(raw: AsyncConnection) -> None:
    """Give the connection back to its pool, which rolls back what is still open."""
    with uncancelled():
        await raw.close()


@contextmanager
def uncancelled() -> Generator[None]:
    with anyio.CancelScope(shield=True):
        yield
