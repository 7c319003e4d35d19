"""Sessions on SQLite: state, turns and an append-only log of messages.

The file uses a rollback journal with `synchronous=FULL`: several programs may write to it, and the write-ahead log of
SQLite before 3.51.3 does not survive that. A turn writes a handful of rows, so the log would gain nothing.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import anyio
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from orchestrator_client.dialogue.messages import Message
from orchestrator_client.dialogue.state import SessionState
from orchestrator_client.errors import ConfigurationError, SessionConflict

__all__ = ["LoggedMessage", "MessageKind", "SessionStore", "SessionSummary", "StoredTurn"]

_SCHEMA_VERSION = 1

MessageKind = Literal["context", "person", "agent", "tools", "note"]
"""Who speaks: task context and notes come from the orchestrator, `tools` are results."""

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

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @classmethod
    async def open(cls, path: Path) -> "SessionStore":
        """Open the file, making it and its folder on first use.

        Raises:
            ConfigurationError: the folder cannot be used, or the file is no session store this program knows.
        """
        try:
            await anyio.Path(path.parent).mkdir(parents=True, exist_ok=True)
            await anyio.Path(path).touch(mode=0o600)
        except OSError as error:
            raise ConfigurationError(
                f"The session file {path} cannot be used: {error.strerror}.",
                suggestion="Choose another folder with --data-dir.",
            ) from error
        store = cls(_engine(path))
        try:
            await store._prepare(path)
        except SQLAlchemyError as error:
            raise ConfigurationError(
                f"{path} is not a session store.", suggestion="Move it away; a new one is made at the next start."
            ) from error
        return store

    async def aclose(self) -> None:
        await self._engine.dispose()

    async def create(self, session_id: str) -> None:
        """Make a session, unless it exists."""
        now = _now()
        values = {"id": session_id, "title": "", "state": SessionState().model_dump(mode="json"), "revision": 0}
        async with self._writing() as connection:
            if await _session(connection, session_id) is None:
                await connection.execute(sa.insert(_sessions).values(**values, created_at=now, updated_at=now))

    async def state(self, session_id: str) -> SessionState:
        async with self._engine.connect() as connection:
            row = await _session(connection, session_id)
        return SessionState() if row is None else _state(row["state"])

    async def sessions(self, limit: int = 20) -> list[SessionSummary]:
        """The sessions in which something was said, the latest first."""
        turns = sa.select(sa.func.count()).where(_turns.c.session_id == _sessions.c.id).scalar_subquery()
        query = (
            sa.select(_sessions, turns.label("turns"))
            .where(turns > 0)
            .order_by(_sessions.c.updated_at.desc())
            .limit(limit)
        )
        async with self._engine.connect() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [
            SessionSummary(
                row["id"],
                row["title"],
                row["updated_at"],
                row["turns"],
                SessionState.model_validate(row["state"], strict=False),
            )
            for row in rows
        ]

    async def begin_turn(self, session_id: str, message_id: str, text: str) -> StoredTurn:
        """Start the turn of a message, or find the one this message already started.

        Raises:
            SessionConflict: another process began a turn of this session at the same moment.
        """
        async with self._writing() as connection:
            known = await _turn(connection, session_id, _turns.c.message_id == message_id)
            if known is not None:
                return known
            last = sa.select(sa.func.coalesce(sa.func.max(_turns.c.number), 0)).where(_turns.c.session_id == session_id)
            number = (await connection.execute(last)).scalar_one() + 1
            turn = StoredTurn(session_id, number, message_id, text, None)
            values = {"session_id": session_id, "number": number, "message_id": message_id, "text": text}
            try:
                await connection.execute(sa.insert(_turns).values(**values))
            except IntegrityError as error:
                raise SessionConflict("This session went on in another window.", suggestion="Send it again.") from error
            title = sa.case((_sessions.c.title == "", text[:80]), else_=_sessions.c.title)
            await connection.execute(
                sa.update(_sessions).where(_sessions.c.id == session_id).values(title=title, updated_at=_now())
            )
        return turn

    async def unfinished_turn(self, session_id: str) -> StoredTurn | None:
        """The newest turn, if it was begun and never ended."""
        async with self._engine.connect() as connection:
            return await _turn(connection, session_id, _turns.c.result.is_(None))

    async def step(
        self,
        turn: StoredTurn,
        *,
        task_id: str,
        messages: Sequence[tuple[MessageKind, Message]],
        state: SessionState | None = None,
    ) -> None:
        """Append messages to the log of a task and, if given, move the session's state on."""
        async with self._writing() as connection:
            await _append(connection, turn, task_id, messages)
            if state is not None:
                await _set_state(connection, turn.session_id, state)

    async def finish_turn(self, turn: StoredTurn, *, state: SessionState, result: dict[str, Any]) -> None:
        """End the turn: its result and the session's new state, at once."""
        async with self._writing() as connection:
            await _set_state(connection, turn.session_id, state)
            await connection.execute(
                sa.update(_turns)
                .where(_turns.c.session_id == turn.session_id, _turns.c.number == turn.number)
                .values(result=result)
            )

    async def set_state(self, session_id: str, state: SessionState) -> None:
        async with self._writing() as connection:
            await _set_state(connection, session_id, state)

    async def log(self, session_id: str, *, task_id: str | None = None) -> list[LoggedMessage]:
        """Everything that was logged for a session, or for one of its tasks, in order."""
        query = sa.select(_messages).where(_messages.c.session_id == session_id).order_by(_messages.c.number)
        if task_id is not None:
            query = query.where(_messages.c.task_id == task_id)
        async with self._engine.connect() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [
            LoggedMessage(row["turn"], row["task_id"], row["kind"], Message.model_validate(row["body"], strict=False))
            for row in rows
        ]

    async def turns(self, session_id: str) -> list[StoredTurn]:
        query = sa.select(_turns).where(_turns.c.session_id == session_id).order_by(_turns.c.number)
        async with self._engine.connect() as connection:
            return [StoredTurn(**row) for row in (await connection.execute(query)).mappings()]

    @asynccontextmanager
    async def _writing(self) -> AsyncGenerator[AsyncConnection]:
        async with self._engine.connect() as connection:
            await connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            await connection.commit()

    async def _prepare(self, path: Path) -> None:
        async with self._writing() as connection:
            version = (await connection.exec_driver_sql("PRAGMA user_version")).scalar_one()
            if version > _SCHEMA_VERSION:
                raise ConfigurationError(
                    f"{path} was written by a newer Shopfloor.",
                    suggestion="Update Shopfloor, or choose another --data-dir.",
                )
            if version == 0:
                await connection.run_sync(_metadata.create_all)
                await connection.exec_driver_sql(f"PRAGMA user_version={_SCHEMA_VERSION}")


async def _session(connection: AsyncConnection, session_id: str) -> sa.RowMapping | None:
    return (await connection.execute(sa.select(_sessions).where(_sessions.c.id == session_id))).mappings().one_or_none()


async def _turn(connection: AsyncConnection, session_id: str, which: sa.ColumnElement[bool]) -> StoredTurn | None:
    query = sa.select(_turns).where(_turns.c.session_id == session_id, which).order_by(_turns.c.number.desc()).limit(1)
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else StoredTurn(**row)


async def _append(
    connection: AsyncConnection, turn: StoredTurn, task_id: str, messages: Sequence[tuple[MessageKind, Message]]
) -> None:
    last = sa.select(sa.func.coalesce(sa.func.max(_messages.c.number), 0)).where(
        _messages.c.session_id == turn.session_id
    )
    number = (await connection.execute(last)).scalar_one()
    rows = [
        {
            "session_id": turn.session_id,
            "number": number + offset,
            "turn": turn.number,
            "task_id": task_id,
            "kind": kind,
            "body": message.model_dump(mode="json"),
        }
        for offset, (kind, message) in enumerate(messages, start=1)
    ]
    if rows:
        await connection.execute(sa.insert(_messages), rows)


async def _set_state(connection: AsyncConnection, session_id: str, state: SessionState) -> None:
    values = {"state": state.model_dump(mode="json"), "revision": _sessions.c.revision + 1, "updated_at": _now()}
    await connection.execute(sa.update(_sessions).where(_sessions.c.id == session_id).values(**values))


def _state(stored: Any) -> SessionState:  # noqa: ANN401 - a JSON column
    return SessionState.model_validate(stored, strict=False)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _engine(path: Path) -> AsyncEngine:
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", poolclass=NullPool)

    def prepare(raw: Any, _record: object) -> None:  # noqa: ANN401 - the adapted DB-API connection has no public type
        raw.isolation_level = None  # `_writing` says BEGIN itself
        cursor = raw.cursor()
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    event.listen(engine.sync_engine, "connect", prepare)
    return engine
