"""Sessions on SQLite: state, turns and an append-only log of messages."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Self

import anyio
import sqlalchemy as sa

from orchestrator_client.dialogue.messages import Message, MessageKind
from orchestrator_client.dialogue.state import SessionState
from orchestrator_client.errors import ConfigurationError
from orchestrator_client.sessions.sqlite_file import SqliteFile
from orchestrator_client.sessions.turn_locks import TurnLocks

__all__ = ["LoggedMessage", "SessionStore", "SessionSummary", "StoredTurn"]

_SCHEMA_VERSION = 1
_TITLE_LENGTH = 80

_metadata = sa.MetaData()

_sessions = sa.Table(
    "sessions",
    _metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("state", sa.JSON, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Text, nullable=False),
    sa.Column("updated_at", sa.Text, nullable=False, index=True),
)

_turns = sa.Table(
    "turns",
    _metadata,
    sa.Column("session_id", sa.Text, sa.ForeignKey("sessions.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("message_id", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("result", sa.JSON(none_as_null=True), nullable=True),
    sa.UniqueConstraint("session_id", "message_id"),
)

_messages = sa.Table(
    "messages",
    _metadata,
    sa.Column("session_id", sa.Text, sa.ForeignKey("sessions.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("turn", sa.Integer, nullable=False),
    sa.Column("task_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Index("ix_messages_task", "session_id", "task_id", "number"),
)


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """A message of the person and, once the turn is over, its result as JSON."""

    session_id: str
    number: int
    message_id: str
    text: str
    result: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class LoggedMessage:
    turn: int
    task_id: str
    kind: MessageKind
    message: Message


@dataclass(frozen=True, slots=True)
class SessionSummary:
    id: str
    title: str
    updated_at: str
    turns: int
    state: SessionState


class SessionStore:
    """All sessions of one file. Every method is one transaction; a step is stored whole or not at all."""

    def __init__(self, file: SqliteFile, locks: TurnLocks) -> None:
        self._file = file
        self._locks = locks

    @classmethod
    async def open(cls, path: Path, *, busy_timeout_s: float = 5.0, patience_s: float = 30.0) -> Self:
        """Open the file, making it and its folder on first use. `patience_s` is how long `alone` waits.

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
            await store._file.write(partial(_prepare, path=path))
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
            if _session(connection, session_id) is None:
                state = SessionState().model_dump(mode="json")
                now = _now()
                values = {"id": session_id, "title": "", "state": state, "revision": 0}
                connection.execute(sa.insert(_sessions).values(**values, created_at=now, updated_at=now))

        await self._file.write(work)

    async def state(self, session_id: str) -> SessionState:
        row = await self._file.read(lambda connection: _session(connection, session_id))
        return SessionState() if row is None else _state(row["state"])

    async def sessions(self, limit: int = 20, *, beginning: str = "") -> list[SessionSummary]:
        """The sessions in which something was said and whose id begins like this, the latest first."""
        turns = sa.select(sa.func.count()).where(_turns.c.session_id == _sessions.c.id).scalar_subquery()
        query = (
            sa.select(_sessions, turns.label("turns"))
            .where(turns > 0, sa.func.substr(_sessions.c.id, 1, len(beginning)) == beginning)
            .order_by(_sessions.c.updated_at.desc())
            .limit(limit)
        )
        return [
            SessionSummary(row["id"], row["title"], row["updated_at"], row["turns"], _state(row["state"]))
            for row in await self._rows(query)
        ]

    async def begin_turn(self, session_id: str, message_id: str, text: str) -> StoredTurn:
        """Start the turn of a message, or find the one this message already started. The session must exist."""

        def work(connection: sa.Connection) -> StoredTurn:
            known = _turn(connection, session_id, _turns.c.message_id == message_id)
            return known or _new_turn(connection, session_id, message_id, text)

        return await self._file.write(work)

    async def unfinished_turn(self, session_id: str) -> StoredTurn | None:
        """The newest turn that was begun and never ended."""
        return await self._file.read(lambda connection: _turn(connection, session_id, _turns.c.result.is_(None)))

    async def step(
        self,
        turn: StoredTurn,
        *,
        task_id: str,
        messages: Sequence[Message],
        state: SessionState | None = None,
    ) -> None:
        """Append messages to the log of a task and, if given, move the session's state on."""

        def work(connection: sa.Connection) -> None:
            _append(connection, turn, task_id, messages)
            if state is not None:
                _set_state(connection, turn.session_id, state)

        await self._file.write(work)

    async def finish_turn(self, turn: StoredTurn, *, state: SessionState, result: dict[str, Any]) -> None:
        """End the turn: its result and the session's new state, at once."""

        def work(connection: sa.Connection) -> None:
            _set_state(connection, turn.session_id, state)
            this = (_turns.c.session_id == turn.session_id, _turns.c.number == turn.number)
            connection.execute(sa.update(_turns).where(*this).values(result=result))

        await self._file.write(work)

    async def set_state(self, session_id: str, state: SessionState) -> None:
        await self._file.write(lambda connection: _set_state(connection, session_id, state))

    async def log(self, session_id: str, *, task_id: str | None = None) -> list[LoggedMessage]:
        """Everything that was logged for a session, or for one of its tasks, in order."""
        query = sa.select(_messages).where(_messages.c.session_id == session_id).order_by(_messages.c.number)
        if task_id is not None:
            query = query.where(_messages.c.task_id == task_id)
        return [
            LoggedMessage(row["turn"], row["task_id"], row["kind"], Message.model_validate(row["body"], strict=False))
            for row in await self._rows(query)
        ]

    async def turns(self, session_id: str) -> list[StoredTurn]:
        query = sa.select(_turns).where(_turns.c.session_id == session_id).order_by(_turns.c.number)
        return [StoredTurn(**row) for row in await self._rows(query)]

    async def _rows(self, query: sa.Select[Any]) -> Sequence[sa.RowMapping]:
        return await self._file.read(lambda connection: connection.execute(query).mappings().all())


def _prepare(connection: sa.Connection, path: Path) -> None:
    version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    if version > _SCHEMA_VERSION:
        raise ConfigurationError(
            f"{path} was written by a newer Shopfloor.",
            suggestion="Update Shopfloor, or choose another folder with --data-dir.",
        )
    if version == 0:
        _metadata.create_all(connection)
        connection.exec_driver_sql(f"PRAGMA user_version={_SCHEMA_VERSION}")


def _session(connection: sa.Connection, session_id: str) -> sa.RowMapping | None:
    return connection.execute(sa.select(_sessions).where(_sessions.c.id == session_id)).mappings().one_or_none()


def _turn(connection: sa.Connection, session_id: str, which: sa.ColumnElement[bool]) -> StoredTurn | None:
    query = sa.select(_turns).where(_turns.c.session_id == session_id, which).order_by(_turns.c.number.desc()).limit(1)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else StoredTurn(**row)


def _new_turn(connection: sa.Connection, session_id: str, message_id: str, text: str) -> StoredTurn:
    last = sa.select(sa.func.coalesce(sa.func.max(_turns.c.number), 0)).where(_turns.c.session_id == session_id)
    turn = StoredTurn(session_id, connection.execute(last).scalar_one() + 1, message_id, text, None)
    values = {"session_id": session_id, "number": turn.number, "message_id": message_id, "text": text}
    connection.execute(sa.insert(_turns).values(**values))
    title = sa.case((_sessions.c.title == "", text[:_TITLE_LENGTH]), else_=_sessions.c.title)
    connection.execute(sa.update(_sessions).where(_sessions.c.id == session_id).values(title=title, updated_at=_now()))
    return turn


def _append(connection: sa.Connection, turn: StoredTurn, task_id: str, messages: Sequence[Message]) -> None:
    last = sa.select(sa.func.coalesce(sa.func.max(_messages.c.number), 0)).where(
        _messages.c.session_id == turn.session_id
    )
    number = connection.execute(last).scalar_one()
    rows = [
        {
            "session_id": turn.session_id,
            "number": number + offset,
            "turn": turn.number,
            "task_id": task_id,
            "kind": message.kind,
            "body": message.model_dump(mode="json"),
        }
        for offset, message in enumerate(messages, start=1)
    ]
    if rows:
        connection.execute(sa.insert(_messages), rows)


def _set_state(connection: sa.Connection, session_id: str, state: SessionState) -> None:
    values = {"state": state.model_dump(mode="json"), "revision": _sessions.c.revision + 1, "updated_at": _now()}
    connection.execute(sa.update(_sessions).where(_sessions.c.id == session_id).values(**values))


def _state(stored: Any) -> SessionState:  # noqa: ANN401 - a JSON column
    return SessionState.model_validate(stored, strict=False)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
