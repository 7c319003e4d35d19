"""What can happen in a conversation (events), and what is then to be done (effects): the words of the state machine."""

from dataclasses import dataclass
from typing import Literal

from orchestrator_client.dialogue.state import Candidate, HandOff, Talk, TaskState

__all__ = [
    "Ask",
    "Cancelled",
    "CheckTopic",
    "ContextLoaded",
    "Effect",
    "Ended",
    "Event",
    "Farewell",
    "FromPerson",
    "FromWithin",
    "OffTopic",
    "OnTopic",
    "Reask",
    "Resumed",
    "Route",
    "Routed",
    "RunAgent",
    "Said",
    "Serve",
    "Suggest",
    "Suggested",
    "Switched",
    "Tell",
    "Unclear",
]


@dataclass(frozen=True, slots=True)
class Said:
    """The person sent a message, in turn number `turn`. `asked` is what the active agent last said to them."""

    text: str
    turn: int
    asked: str = ""


@dataclass(frozen=True, slots=True)
class Routed:
    """It is known whom `text` is for. A conversation agent answers once and opens no task."""

    agent: str
    task_id: str
    text: str
    conversation: bool = False


@dataclass(frozen=True, slots=True)
class Unclear:
    """The router is not sure. `asked` says how often the person has been asked about this request."""

    text: str
    options: tuple[Candidate, ...]
    fallback: str
    task_id: str
    asked: int = 0


@dataclass(frozen=True, slots=True)
class OnTopic:
    """The message belongs to the active task, or nobody can say that it does not."""

    text: str


@dataclass(frozen=True, slots=True)
class OffTopic:
    """The message starts an entirely different task, for `agent`."""

    text: str
    agent: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The agent ended its turn. `project` is the one its evidence names, `task_project` the one its calls name.

    `talk` is what was said, if the agent only talks.
    """

    how: Literal["waiting", "confirming", "answered", "completed", "gave_up"]
    project: str | None = None
    task_project: str | None = None
    hand_off: HandOff | None = None
    talk: Talk | None = None


@dataclass(frozen=True, slots=True)
class Suggested:
    """These next steps are offered."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContextLoaded:
    """The agent of the active task has been shown the data of this project."""

    project: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The person cancelled what is under way."""

    turn: int


@dataclass(frozen=True, slots=True)
class Resumed:
    """The person wants to go on with a parked task; the active one, if any, is parked in its place."""

    task_id: str
    turn: int


@dataclass(frozen=True, slots=True)
class Switched:
    """The person wants a new request taken up now; the active task, if any, is parked."""

    text: str
    turn: int


FromPerson = Said | Cancelled | Resumed | Switched
FromWithin = Routed | Unclear | OnTopic | OffTopic | Ended | Suggested | ContextLoaded
Event = FromPerson | FromWithin


@dataclass(frozen=True, slots=True)
class Route:
    """Ask the router whom `text` is for; the person has been asked about it `asked` times."""

    text: str
    asked: int = 0


@dataclass(frozen=True, slots=True)
class CheckTopic:
    """Ask the detector whether `text` belongs to the active task."""

    text: str


@dataclass(frozen=True, slots=True)
class RunAgent:
    """Let the agent answer `text`; `opens` is True for the first message of its task."""

    agent: str
    text: str
    opens: bool


@dataclass(frozen=True, slots=True)
class Serve:
    """Take up the first waiting request."""


@dataclass(frozen=True, slots=True)
class Reask:
    """Say again what the active agent last said, or let it go on if it has not answered yet."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Put the open question; `again` if the last answer to it was not understood."""

    again: bool = False


@dataclass(frozen=True, slots=True)
class Suggest:
    """Offer next steps after a task of `agent` that began with `opening`, the parked ones first."""

    agent: str
    opening: str


@dataclass(frozen=True, slots=True)
class Farewell:
    """Say that the task is cancelled, and what it has stored."""

    task: TaskState


@dataclass(frozen=True, slots=True)
class Tell:
    """Confirm what became of a request or a task."""

    what: Literal["kept", "dropped", "parked", "waits", "they_wait", "nothing_to_cancel", "too_many_parked"]
    text: str = ""


Effect = Route | CheckTopic | RunAgent | Serve | Reask | Ask | Suggest | Farewell | Tell
