"""What is written to a session file, within a transaction of the caller.

Messages, usage and condensed history are only ever added; nothing but `erase` takes a row away.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from orchestrator_client.dialogue.condensed import Condensed
from orchestrator_client.dialogue.messages import Message
from orchestrator_client.dialogue.state import SessionState
from orchestrator_client.dialogue.usage import CallUsage
from orchestrator_client.sessions.records import StoredTurn
from orchestrator_client.sessions.tables import condensed, messages, sessions, turns, usage

__all__ = [
    "append_condensed",
    "append_messages",
    "append_usage",
    "end_turn",
    "erase",
    "new_session",
    "new_turn",
    "set_state",
]

_TITLE_LENGTH = 80


def new_session(connection: sa.Connection, session_id: str) -> None:
    now = _now()
    values = {"id": session_id, "title": "", "state": SessionState().model_dump(mode="json"), "revision": 0}
    connection.execute(sa.insert(sessions).values(**values, created_at=now, updated_at=now))


def new_turn(connection: sa.Connection, session_id: str, message_id: str, text: str) -> StoredTurn:
    number = _last(connection, turns, turns.c.session_id == session_id) + 1
    values = {"session_id": session_id, "number": number, "message_id": message_id, "text": text}
    connection.execute(sa.insert(turns).values(**values))
    title = sa.case((sessions.c.title == "", text[:_TITLE_LENGTH]), else_=sessions.c.title)
    connection.execute(sa.update(sessions).where(sessions.c.id == session_id).values(title=title, updated_at=_now()))
    return StoredTurn(session_id, number, message_id, text, None)


def end_turn(connection: sa.Connection, turn: StoredTurn, result: dict[str, Any]) -> None:
    this = (turns.c.session_id == turn.session_id, turns.c.number == turn.number)
    connection.execute(sa.update(turns).where(*this).values(result=result))


def set_state(connection: sa.Connection, session_id: str, state: SessionState) -> None:
    values = {"state": state.model_dump(mode="json"), "revision": sessions.c.revision + 1, "updated_at": _now()}
    connection.execute(sa.update(sessions).where(sessions.c.id == session_id).values(**values))


def append_messages(connection: sa.Connection, turn: StoredTurn, task_id: str, added: Sequence[Message]) -> None:
    last = _last(connection, messages, messages.c.session_id == turn.session_id)
    rows = [
        {
            "session_id": turn.session_id,
            "number": number,
            "turn": turn.number,
            "task_id": task_id,
            "kind": message.kind,
            "body": message.model_dump(mode="json"),
        }
        for number, message in enumerate(added, start=last + 1)
    ]
    if rows:
        connection.execute(sa.insert(messages), rows)


def append_usage(connection: sa.Connection, turn: StoredTurn, calls: Sequence[tuple[str, CallUsage]]) -> None:
    last = _last(connection, usage, usage.c.session_id == turn.session_id)
    rows = [
        {
            "session_id": turn.session_id,
            "number": number,
            "turn": turn.number,
            "task_id": task_id,
            "purpose": call.purpose,
            "model": call.model,
            **asdict(call.usage),
            "estimated_tokens": call.estimated_tokens,
            "duration_ms": call.duration_ms,
        }
        for number, (task_id, call) in enumerate(calls, start=last + 1)
    ]
    if rows:
        connection.execute(sa.insert(usage), rows)


def append_condensed(connection: sa.Connection, turn: StoredTurn, task_id: str, newest: Condensed) -> None:
    key = {"session_id": turn.session_id, "task_id": task_id}
    of_task = sa.and_(condensed.c.session_id == turn.session_id, condensed.c.task_id == task_id)
    number = _last(connection, condensed, of_task) + 1
    connection.execute(sa.insert(condensed).values(**key, number=number, **asdict(newest)))


def erase(connection: sa.Connection, session_id: str) -> bool:
    """Take everything of a session away; whether there was one."""
    for table in (usage, condensed, messages, turns):
        connection.execute(sa.delete(table).where(table.c.session_id == session_id))
    return connection.execute(sa.delete(sessions).where(sessions.c.id == session_id)).rowcount > 0


def _last(connection: sa.Connection, table: sa.Table, which: sa.ColumnElement[bool]) -> int:
    """The highest number among these rows, or 0."""
    return connection.execute(sa.select(sa.func.coalesce(sa.func.max(table.c.number), 0)).where(which)).scalar_one()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
