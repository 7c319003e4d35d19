"""A lock between processes, as a file. Within one process, something else must keep callers apart."""

from pathlib import Path

import filelock

from mcp_server.errors import BackendUnavailable

__all__ = ["ProcessLock"]


class ProcessLock:
    """Is never waited for: a waiting system call cannot be cancelled. It is freed when the process ends."""

    def __init__(self, path: Path) -> None:
        self._file = filelock.FileLock(path)

    def try_take(self) -> bool:
        """Whether it is ours now.

        Raises:
            BackendUnavailable: the file cannot be made or locked.
        """
        try:
            self._file.acquire(blocking=False)
        except filelock.Timeout:
            return False
        except OSError as error:
            raise BackendUnavailable(
                f"{self._file.lock_file} cannot be locked: {error.strerror}.",
                suggestion="Check the folder's permissions and disk space.",
            ) from error
        return True

    def release(self) -> None:
        self._file.release()
