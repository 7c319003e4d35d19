"""What is read from a session file: one function, one question, within a transaction of the caller."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from orchestrator_client.dialogue.condensed import Condensed
from orchestrator_client.dialogue.messages import Message
from orchestrator_client.dialogue.state import SessionState
from orchestrator_client.dialogue.usage import CallUsage, Usage
from orchestrator_client.sessions.records import (
    BookedCall,
    LoggedCondensed,
    LoggedMessage,
    LoggedTask,
    SessionSummary,
    StoredTurn,
    Transcript,
)
from orchestrator_client.sessions.tables import condensed, messages, sessions, turns, usage

__all__ = [
    "booked_calls",
    "last_agent_call",
    "logged_condensed",
    "logged_messages",
    "logged_tasks",
    "newest_condensed",
    "state_of",
    "stored_turns",
    "summaries",
    "transcript_of",
    "turn_where",
]

Rows = Sequence[sa.RowMapping]


def state_of(connection: sa.Connection, session_id: str) -> SessionState | None:
    stored = connection.execute(sa.select(sessions.c.state).where(sessions.c.id == session_id)).scalar_one_or_none()
    return None if stored is None else SessionState.model_validate(stored, strict=False)


def summaries(connection: sa.Connection, *, limit: int | None, beginning: str) -> list[SessionSummary]:
    """The sessions with a turn whose id begins like this, the latest first."""
    spoken = sa.select(sa.func.count()).where(turns.c.session_id == sessions.c.id).scalar_subquery()
    query = (
        sa.select(sessions, spoken.label("turns"))
        .where(spoken > 0, sa.func.substr(sessions.c.id, 1, len(beginning)) == beginning)
        .order_by(sessions.c.updated_at.desc())
        .limit(limit)
    )
    return [_summary(row) for row in _rows(connection, query)]


def turn_where(connection: sa.Connection, session_id: str, which: sa.ColumnElement[bool]) -> StoredTurn | None:
    """The newest of these turns."""
    query = sa.select(turns).where(turns.c.session_id == session_id, which).order_by(turns.c.number.desc()).limit(1)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else StoredTurn(**row)


def stored_turns(connection: sa.Connection, session_id: str) -> list[StoredTurn]:
    query = sa.select(turns).where(turns.c.session_id == session_id).order_by(turns.c.number)
    return [StoredTurn(**row) for row in _rows(connection, query)]


def logged_messages(connection: sa.Connection, session_id: str, task_id: str | None = None) -> list[LoggedMessage]:
    query = sa.select(messages).where(messages.c.session_id == session_id).order_by(messages.c.number)
    if task_id is not None:
        query = query.where(messages.c.task_id == task_id)
    return [
        LoggedMessage(row["turn"], row["task_id"], row["kind"], _message(row["body"]))
        for row in _rows(connection, query)
    ]


def logged_tasks(connection: sa.Connection, session_id: str) -> list[LoggedTask]:
    """In the order in which they were opened."""
    spoken = sa.case((messages.c.kind == "person", messages.c.number))
    grouped = (
        sa.select(
            messages.c.task_id,
            sa.func.min(messages.c.turn).label("first_turn"),
            sa.func.max(messages.c.turn).label("last_turn"),
            sa.func.count().label("messages"),
            sa.func.min(messages.c.number).label("begins"),
            sa.func.min(spoken).label("opened_by"),
        )
        .where(messages.c.session_id == session_id)
        .group_by(messages.c.task_id)
        .subquery()
    )
    opening = sa.and_(messages.c.session_id == session_id, messages.c.number == grouped.c.opened_by)
    query = sa.select(grouped, messages.c.body).outerjoin_from(grouped, messages, opening).order_by(grouped.c.begins)
    return [
        LoggedTask(
            task_id=row["task_id"],
            first_turn=row["first_turn"],
            last_turn=row["last_turn"],
            opening_message="" if row["body"] is None else _message(row["body"]).text,
            messages=row["messages"],
        )
        for row in _rows(connection, query)
    ]


def booked_calls(connection: sa.Connection, session_id: str) -> list[BookedCall]:
    query = sa.select(usage).where(usage.c.session_id == session_id).order_by(usage.c.number)
    return [BookedCall(row["turn"], row["task_id"], _call(row)) for row in _rows(connection, query)]


def last_agent_call(connection: sa.Connection, session_id: str, task_id: str) -> CallUsage | None:
    """The newest call of a task's agent whose input was counted by the model."""
    counted = (usage.c.purpose == "agent", usage.c.input_tokens > 0)
    query = (
        sa.select(usage)
        .where(usage.c.session_id == session_id, usage.c.task_id == task_id, *counted)
        .order_by(usage.c.number.desc())
        .limit(1)
    )
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _call(row)


def logged_condensed(connection: sa.Connection, session_id: str) -> list[LoggedCondensed]:
    order = (condensed.c.task_id, condensed.c.number)
    query = sa.select(condensed).where(condensed.c.session_id == session_id).order_by(*order)
    return [LoggedCondensed(row["task_id"], _condensed(row)) for row in _rows(connection, query)]


def newest_condensed(connection: sa.Connection, session_id: str, task_id: str) -> Condensed | None:
    query = (
        sa.select(condensed)
        .where(condensed.c.session_id == session_id, condensed.c.task_id == task_id)
        .order_by(condensed.c.number.desc())
        .limit(1)
    )
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _condensed(row)


def transcript_of(connection: sa.Connection, session_id: str) -> Transcript | None:
    row = connection.execute(sa.select(sessions).where(sessions.c.id == session_id)).mappings().one_or_none()
    if row is None:
        return None
    said = stored_turns(connection, session_id)
    return Transcript(
        summary=_summary({**row, "turns": len(said)}),
        turns=tuple(said),
        log=tuple(logged_messages(connection, session_id)),
        tasks=tuple(logged_tasks(connection, session_id)),
        usage=tuple(booked_calls(connection, session_id)),
        condensed=tuple(logged_condensed(connection, session_id)),
    )


def _rows(connection: sa.Connection, query: sa.Select[Any]) -> Rows:
    return connection.execute(query).mappings().all()


def _summary(row: sa.RowMapping | dict[str, Any]) -> SessionSummary:
    return SessionSummary(
        id=row["id"],
        title=row["title"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        turns=row["turns"],
        state=SessionState.model_validate(row["state"], strict=False),
    )


def _message(body: object) -> Message:
    return Message.model_validate(body, strict=False)


def _call(row: sa.RowMapping) -> CallUsage:
    return CallUsage(
        purpose=row["purpose"],
        model=row["model"],
        usage=Usage(
            input_tokens=row["input_tokens"],
            output_tokens=row["output_tokens"],
            cache_read_tokens=row["cache_read_tokens"],
            cache_write_tokens=row["cache_write_tokens"],
        ),
        estimated_tokens=row["estimated_tokens"],
        duration_ms=row["duration_ms"],
    )


def _condensed(row: sa.RowMapping) -> Condensed:
    return Condensed(row["turns"], row["summary"], row["cleared_turns"])
