"""The state machine: `(state, event) -> (state, effects)`. Pure; the orchestrator carries the effects out.

orchestrator --Said--> Route --Routed(task agent)--> task_active, RunAgent
--Routed(conversation)--> orchestrator, RunAgent
task_active  --Said--> RunAgent --Ended(waiting)--> task_active
--Ended(completed | gave up)--> orchestrator, Suggest
task_active  --Cancelled--> orchestrator
"""

from dataclasses import dataclass
from typing import Literal, assert_never

from orchestrator_client.dialogue.state import SessionState, TaskState

__all__ = [
    "Cancelled",
    "Effect",
    "Ended",
    "Event",
    "Interrupted",
    "Route",
    "Routed",
    "RunAgent",
    "Said",
    "Suggest",
    "transition",
]


@dataclass(frozen=True, slots=True)
class Said:
    """The person sent a message."""

    text: str


@dataclass(frozen=True, slots=True)
class Routed:
    """The router chose. A conversation agent answers once and opens no task."""

    agent: str
    task_id: str
    text: str
    conversation: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """The agent ended its turn. `project` is the one its evidence names, if any."""

    how: Literal["waiting", "completed", "gave_up"]
    project: str | None = None


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The agent could not go on for now (model or tools out of reach); the task stays open."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The person cancelled the task."""


Event = Said | Routed | Ended | Interrupted | Cancelled


@dataclass(frozen=True, slots=True)
class Route:
    """Ask the router whom `text` is for."""

    text: str


@dataclass(frozen=True, slots=True)
class RunAgent:
    """Let the agent answer `text`; `opens` is True for the first message of its task."""

    agent: str
    text: str
    opens: bool


@dataclass(frozen=True, slots=True)
class Suggest:
    """Offer next steps after a task of `agent`."""

    agent: str


Effect = Route | RunAgent | Suggest


def transition(state: SessionState, event: Event) -> tuple[SessionState, tuple[Effect, ...]]:
    """The next state and what is to be done now.

    Raises:
        ValueError: the event cannot happen in this state; the caller has a bug.
    """
    match event:
        case Said(text):
            return _said(state, text)
        case Routed():
            return _routed(state, event)
        case Ended(how, project):
            return _ended(state, how, project)
        case Interrupted():
            return state, ()
        case Cancelled():
            return state.model_copy(update={"task": None, "suggestions": ()}), ()
        case _:
            assert_never(event)


def _said(state: SessionState, text: str) -> tuple[SessionState, tuple[Effect, ...]]:
    if state.task is None:
        return state, (Route(text),)
    return state, (RunAgent(state.task.agent, text, opens=False),)


def _routed(state: SessionState, event: Routed) -> tuple[SessionState, tuple[Effect, ...]]:
    if state.task is not None:
        raise ValueError("a message is routed only when no task is active")
    effects = (RunAgent(event.agent, event.text, opens=True),)
    if event.conversation:
        return state, effects
    task = TaskState(id=event.task_id, agent=event.agent, opening_message=event.text)
    return state.model_copy(update={"task": task, "suggestions": ()}), effects


def _ended(state: SessionState, how: str, project: str | None) -> tuple[SessionState, tuple[Effect, ...]]:
    if project is not None:
        state = state.model_copy(update={"project": project})
    if how == "waiting" or state.task is None:
        return state, ()
    ended = state.model_copy(update={"task": None})
    return ended, (Suggest(state.task.agent),)
