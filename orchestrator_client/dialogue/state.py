"""The state of a session: task under way, tasks that wait, the open question. Immutable; only the machine moves it.

The mode follows from the rest, so that the two cannot disagree.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "MOST_PARKED",
    "MOST_WAITING",
    "Candidate",
    "Clarify",
    "HandOff",
    "Mode",
    "Question",
    "Request",
    "Return",
    "SessionState",
    "SoFar",
    "Switch",
    "Talk",
    "TaskState",
]

Mode = Literal["orchestrator", "task_active", "awaiting_choice", "awaiting_confirmation"]

MOST_PARKED = 3
MOST_WAITING = 3


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class HandOff(_Frozen):
    """All that one task tells the next: what it was for, declared facts, and the records it made, as `type id`."""

    goal: str
    facts: dict[str, str] = Field(default_factory=dict)
    references: tuple[str, ...] = ()


class TaskState(_Frozen):
    """A task: its agent and the message that opened it, kept verbatim. Its messages are in the session store.

    `project` is the one its calls name, `context_of` the one whose data its agent was shown. `confirming`: the server's
    demand was put to the person, and their next message answers it.
    """

    id: str
    agent: str
    opening_message: str
    project: str | None = None
    context_of: str | None = None
    confirming: bool = False


class Request(_Frozen):
    """What a person asked for while something else was under way, verbatim, and who it is for, if that is known."""

    text: str
    agent: str | None = None


class Switch(_Frozen):
    """During a task: finish it first, switch now and come back, or cancel it?"""

    kind: Literal["switch"] = "switch"
    request: Request


class Return(_Frozen):
    """After a task: go back to one that waits?"""

    kind: Literal["return"] = "return"


class Candidate(_Frozen):
    """An agent that a request may be for."""

    agent: str
    title: str


class Clarify(_Frozen):
    """Which of these agents is the request for? `times` counts how often this has been asked about it."""

    kind: Literal["clarify"] = "clarify"
    request: Request
    options: Annotated[tuple[Candidate, ...], Field(min_length=1, max_length=3)]
    times: int = 1


Question = Annotated[Switch | Return | Clarify, Field(discriminator="kind")]


class Talk(_Frozen):
    """The last exchange that opened no task: what the person said and what they were answered, both shortened."""

    said: str
    answered: str


class SoFar(_Frozen):
    """What the turn under way had said and completed when it was stored: how its answer begins after a crash."""

    said: str = ""
    completed: tuple[str, ...] = ()


class SessionState(_Frozen):
    """`project` is the last worked on, `suggestions` the last offered, `done` what the last finished task hands on.

    `parked` are interrupted tasks, the one to return to first at the end. `waiting` are requests to be served once no
    task is active, the first one next. It stays here until its task has begun; no more than `MOST_WAITING` are put off.
    `talk` is small talk since the last task, so that an answer to it is understood. `heard` is the number of the last
    turn whose message was taken up; `so_far` is there only while it is under way.
    """

    project: str | None = None
    task: TaskState | None = None
    parked: Annotated[tuple[TaskState, ...], Field(max_length=MOST_PARKED)] = ()
    waiting: tuple[Request, ...] = ()
    question: Question | None = None
    done: HandOff | None = None
    talk: Talk | None = None
    suggestions: tuple[str, ...] = ()
    heard: int = 0
    so_far: SoFar | None = None

    @model_validator(mode="after")
    def _question_fits(self) -> Self:
        if isinstance(self.question, Switch) != (self.question is not None and self.task is not None):
            raise ValueError("a switch is asked about during a task, everything else between tasks")
        if isinstance(self.question, Return) and not self.parked:
            raise ValueError("there is no task to go back to")
        return self

    def but(self, **changes: Any) -> "SessionState":  # noqa: ANN401 - any of the fields
        """The state with these changes, checked."""
        return SessionState.model_validate({**dict(self), **changes})

    @property
    def mode(self) -> Mode:
        if self.question is not None:
            return "awaiting_choice"
        if self.task is None:
            return "orchestrator"
        return "awaiting_confirmation" if self.task.confirming else "task_active"
