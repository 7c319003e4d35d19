"""What the session store hands out."""

from dataclasses import dataclass
from typing import Any

from orchestrator_client.dialogue.condensed import Condensed
from orchestrator_client.dialogue.messages import Message, MessageKind
from orchestrator_client.dialogue.state import SessionState
from orchestrator_client.dialogue.usage import CallUsage

__all__ = [
    "BookedCall",
    "LoggedCondensed",
    "LoggedMessage",
    "LoggedTask",
    "SessionSummary",
    "StoredTurn",
    "Transcript",
]


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
class LoggedTask:
    """A task as the log tells of it. `opening_message` is the first a person said in it, empty if nobody did."""

    task_id: str
    first_turn: int
    last_turn: int
    opening_message: str
    messages: int


@dataclass(frozen=True, slots=True)
class LoggedCondensed:
    """One of the summaries of a task; a later one of the same task stands for an earlier one too."""

    task_id: str
    condensed: Condensed


@dataclass(frozen=True, slots=True)
class BookedCall:
    """An answered model call, and where it was made."""

    turn: int
    task_id: str
    call: CallUsage


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """`turns` counts what the person said. Times are ISO 8601 in UTC."""

    id: str
    title: str
    created_at: str
    updated_at: str
    turns: int
    state: SessionState


@dataclass(frozen=True, slots=True)
class Transcript:
    """Everything that is stored of a session, at one moment."""

    summary: SessionSummary
    turns: tuple[StoredTurn, ...]
    log: tuple[LoggedMessage, ...]
    tasks: tuple[LoggedTask, ...]
    usage: tuple[BookedCall, ...]
    condensed: tuple[LoggedCondensed, ...]
