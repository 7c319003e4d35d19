"""One write call at a time on one companion store, whatever process it comes from.

A remote system has no transactions, so nothing else would keep two of our calls from deciding on the same state.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from mcp_server.backends.sql.process_lock import ProcessLock

__all__ = ["Turn"]

_POLL_S = 0.02


class Turn:
    """Waits as long as the caller's deadline lets it; a wait that is cancelled leaves nothing behind."""

    def __init__(self, path: Path) -> None:
        self._here = anyio.Lock()
        self._between_processes = ProcessLock(path)

    @asynccontextmanager
    async def taken(self) -> AsyncGenerator[None]:
        """The turn, for as long as the block runs.

        Raises:
            BackendUnavailable: the lock file cannot be made.
        """
        async with self._here:
            while not self._between_processes.try_take():  # noqa: ASYNC110 - another process sets no event of ours
                await anyio.sleep(_POLL_S)
            try:
                yield
            finally:
                self._between_processes.release()
