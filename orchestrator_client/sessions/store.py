"""Sessions on SQLite: state, turns, an append-only log of messages, what the model calls used."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any, Self

import anyio
import sqlalchemy as sa

from orchestrator_client.dialogue.condensed import Condensed
from orchestrator_client.dialogue.messages import Message
from orchestrator_client.dialogue.state import SessionState
from orchestrator_client.dialogue.usage import CallUsage
from orchestrator_client.errors import ConfigurationError
from orchestrator_client.sessions import queries, writes
from orchestrator_client.sessions.records import (
    BookedCall,
    LoggedMessage,
    LoggedTask,
    SessionSummary,
    StoredTurn,
    Transcript,
)
from orchestrator_client.sessions.sqlite_file import SqliteFile
from orchestrator_client.sessions.tables import turns
from orchestrator_client.sessions.turn_locks import TurnLocks
from orchestrator_client.sessions.upgrade import prepare

__all__ = [
    "SESSIONS_NAME",
    "BookedCall",
    "LoggedMessage",
    "LoggedTask",
    "SessionStore",
    "SessionSummary",
    "StoredTurn",
    "Transcript",
]

SESSIONS_NAME = "sessions.sqlite3"
"""Of the file in the data folder."""


class SessionStore:
    """All sessions of one file. Every method is one transaction; a step is stored whole or not at all."""

    def __init__(self, file: SqliteFile, locks: TurnLocks) -> None:
        self._file = file
        self._locks = locks

    @classmethod
    async def open(cls, path: Path, *, busy_timeout_s: float = 5.0, patience_s: float = 30.0) -> Self:
        """Open the file, making it and its folder on first use. `patience_s` is how long `alone` waits.

        A file of an older Shopfloor is copied beside itself and brought to the newest schema.

        Raises:
            ConfigurationError: the folder cannot be used, or the file is no session store this program knows.
            SessionConflict: another process keeps the file busy.
        """
        try:
            await anyio.Path(path.parent).mkdir(parents=True, exist_ok=True)
            await anyio.Path(path).touch(mode=0o600)
        except OSError as error:
            raise ConfigurationError(
                f"The session file {path} cannot be used: {error.strerror}.",
                suggestion="Choose another folder with --data-dir.",
            ) from error
        locks = TurnLocks(path.with_suffix(".locks"), patience_s=patience_s)
        store = cls(SqliteFile(path, busy_timeout_s=busy_timeout_s), locks)
        try:
            await store._file.write(partial(prepare, path=path))
        except BaseException:
            await store.aclose()
            raise
        return store

    async def aclose(self) -> None:
        await self._file.aclose()

    def alone(self, session_id: str) -> AbstractAsyncContextManager[None]:
        """Be the only process that works on a session; a process that dies lets go of it.

        Raises:
            SessionConflict: another process kept the session for longer than the store's patience.
        """
        return self._locks.hold(session_id)

    async def create(self, session_id: str) -> None:
        """Make a session, unless it exists."""

        def work(connection: sa.Connection) -> None:
            if queries.state_of(connection, session_id) is None:
                writes.new_session(connection, session_id)

        await self._file.write(work)

    async def delete(self, session_id: str) -> bool:
        """Take everything of a session away, its lock too; whether there was one.

        Raises:
            SessionConflict: somebody kept the session for longer than the store's patience.
        """
        async with self._locks.hold(session_id, for_good=True):
            return await self._file.write(partial(writes.erase, session_id=session_id), without_trace=True)

    async def state(self, session_id: str) -> SessionState:
        state = await self._file.read(partial(queries.state_of, session_id=session_id))
        return state or SessionState()

    async def set_state(self, session_id: str, state: SessionState) -> None:
        await self._file.write(partial(writes.set_state, session_id=session_id, state=state))

    async def sessions(self, limit: int | None = 20, *, beginning: str = "") -> list[SessionSummary]:
        """The sessions in which something was said and whose id begins like this, the latest first."""
        return await self._file.read(partial(queries.summaries, limit=limit, beginning=beginning))

    async def begin_turn(self, session_id: str, message_id: str, text: str) -> StoredTurn:
        """Start the turn of a message, or find the one this message already started. The session must exist."""

        def work(connection: sa.Connection) -> StoredTurn:
            known = queries.turn_where(connection, session_id, turns.c.message_id == message_id)
            return known or writes.new_turn(connection, session_id, message_id, text)

        return await self._file.write(work)

    async def unfinished_turn(self, session_id: str) -> StoredTurn | None:
        """The newest turn that was begun and never ended."""
        return await self._file.read(lambda c: queries.turn_where(c, session_id, turns.c.result.is_(None)))

    async def step(
        self,
        turn: StoredTurn,
        *,
        task_id: str,
        messages: Sequence[Message],
        state: SessionState | None = None,
        usage: Sequence[tuple[str, CallUsage]] = (),
    ) -> None:
        """Append messages to the log of a task, book model calls and, if given, move the session's state on."""

        def work(connection: sa.Connection) -> None:
            writes.append_messages(connection, turn, task_id, messages)
            writes.append_usage(connection, turn, usage)
            if state is not None:
                writes.set_state(connection, turn.session_id, state)

        await self._file.write(work)

    async def finish_turn(
        self,
        turn: StoredTurn,
        *,
        state: SessionState,
        result: dict[str, Any],
        usage: Sequence[tuple[str, CallUsage]] = (),
    ) -> None:
        """End the turn, at once: its result, the session's new state, and the model calls no step has booked."""

        def work(connection: sa.Connection) -> None:
            writes.set_state(connection, turn.session_id, state)
            writes.end_turn(connection, turn, result)
            writes.append_usage(connection, turn, usage)

        await self._file.write(work)

    async def turns(self, session_id: str) -> list[StoredTurn]:
        return await self._file.read(partial(queries.stored_turns, session_id=session_id))

    async def log(self, session_id: str, *, task_id: str | None = None) -> list[LoggedMessage]:
        """Everything that was logged for a session, or for one of its tasks, in order."""
        return await self._file.read(partial(queries.logged_messages, session_id=session_id, task_id=task_id))

    async def tasks(self, session_id: str) -> list[LoggedTask]:
        """What the log tells of the session's tasks, in the order in which they were opened, talk included."""
        return await self._file.read(partial(queries.logged_tasks, session_id=session_id))

    async def usage(self, session_id: str) -> list[BookedCall]:
        return await self._file.read(partial(queries.booked_calls, session_id=session_id))

    async def last_agent_call(self, session_id: str, task_id: str) -> CallUsage | None:
        """The newest call of a task's agent whose input the model has counted."""
        return await self._file.read(partial(queries.last_agent_call, session_id=session_id, task_id=task_id))

    async def condensed(self, session_id: str, task_id: str) -> Condensed | None:
        """What stands for the older part of a task now."""
        return await self._file.read(partial(queries.newest_condensed, session_id=session_id, task_id=task_id))

    async def keep_condensed(self, turn: StoredTurn, task_id: str, condensed: Condensed) -> None:
        """Let this stand for the older part of a task from now on; what stood for it before is kept."""
        await self._file.write(partial(writes.append_condensed, turn=turn, task_id=task_id, newest=condensed))

    async def transcript(self, session_id: str) -> Transcript | None:
        """Everything that is stored of a session, or None if there is no such session."""
        return await self._file.read(partial(queries.transcript_of, session_id=session_id))
