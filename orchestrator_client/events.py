"""What happens during a turn, for whoever shows it: the terminal, a log, a test."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = [
    "AgentChosen",
    "Listener",
    "Note",
    "TaskCompleted",
    "TextPiece",
    "TextWithdrawn",
    "ToolFinished",
    "ToolStarted",
    "TurnEvent",
]


@dataclass(frozen=True, slots=True)
class AgentChosen:
    """The router handed the message to an agent."""

    agent: str
    title: str
    reason: str


@dataclass(frozen=True, slots=True)
class TextPiece:
    """A piece of the assistant's text, safe to show."""

    text: str


@dataclass(frozen=True, slots=True)
class TextWithdrawn:
    """The pieces since the last tool call are void: the model failed in the middle of them."""


@dataclass(frozen=True, slots=True)
class ToolStarted:
    tool: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """How a tool call ended; `message` is its error, if it failed. `goal` marks the tools that are the task's aim.

    `awaits_person`: nothing went wrong, the server wants a person's agreement first.
    """

    tool: str
    ok: bool
    goal: bool
    read_only: bool
    replayed: bool
    message: str
    answer: dict[str, Any] | None
    awaits_person: bool = False


@dataclass(frozen=True, slots=True)
class TaskCompleted:
    """The agent's task is done, with evidence."""

    agent: str
    title: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something the orchestrator itself has to say, such as that a task ended unfinished."""

    text: str


TurnEvent = AgentChosen | TextPiece | TextWithdrawn | ToolStarted | ToolFinished | TaskCompleted | Note
Listener = Callable[[TurnEvent], None]
