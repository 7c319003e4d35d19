"""One process at a time on one session: without this, a second window would finish a turn that is still running."""

import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import anyio.to_thread
import filelock

from orchestrator_client.errors import ConfigurationError, SessionConflict

__all__ = ["TurnLocks"]

_POLL_S = 0.02
_NAME_LENGTH = 32


class TurnLocks:
    """A lock file for each session, in a folder of their own. The system frees the locks of a process that dies."""

    def __init__(self, folder: Path, *, patience_s: float) -> None:
        self._folder = folder
        self._patience_s = patience_s

    @asynccontextmanager
    async def hold(self, session_id: str, *, for_good: bool = False) -> AsyncGenerator[None]:
        """Wait for the session's lock, and hold it for the block; `for_good` takes its file away in the end.

        Raises:
            SessionConflict: another process held it for longer than the patience.
            ConfigurationError: the folder cannot be written.
        """
        lock = await anyio.to_thread.run_sync(self._lock_of, session_id)
        with anyio.move_on_after(self._patience_s) as waiting:
            while not _taken(lock):  # noqa: ASYNC110 - another process sets no event of ours
                await anyio.sleep(_POLL_S)
        if waiting.cancelled_caught:
            raise SessionConflict(
                "This session is being answered in another window.",
                suggestion="Send it again when that has finished, or start a new session.",
            )
        try:
            yield
        finally:
            if for_good:
                _remove(lock)
            lock.release()

    def _lock_of(self, session_id: str) -> filelock.FileLock:
        name = hashlib.sha256(session_id.encode("utf-8", "replace")).hexdigest()[:_NAME_LENGTH]
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"The folder {self._folder} cannot be made: {error.strerror}.",
                suggestion="Check its disk and permissions, or choose another folder with --data-dir.",
            ) from error
        return filelock.FileLock(self._folder / f"{name}.lock", mode=0o600, thread_local=False)


def _remove(lock: filelock.FileLock) -> None:
    """While it is held: whoever opened the file before finds it gone, and opens a new one."""
    with suppress(OSError):  # a system that keeps open files in place; an empty file stays then
        Path(lock.lock_file).unlink()


def _taken(lock: filelock.FileLock) -> bool:
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        return False
    except OSError as error:
        raise ConfigurationError(
            f"{lock.lock_file} cannot be locked: {error.strerror}.", suggestion="Check its disk and permissions."
        ) from error
    return True
