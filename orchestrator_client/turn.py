"""One turn: what came of a message, and how far it has come while it is carried out."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import structlog

from orchestrator_client import remarks
from orchestrator_client.dialogue.choices import choices_of
from orchestrator_client.dialogue.completion import without_marker
from orchestrator_client.dialogue.messages import Message
from orchestrator_client.dialogue.state import SessionState, SoFar
from orchestrator_client.dialogue.usage import NO_USAGE, CallUsage, Usage
from orchestrator_client.errors import ClientError
from orchestrator_client.events import Listener, Note, TextPiece, TextWithdrawn, ToolFinished, TurnEvent
from orchestrator_client.models.metered import MeteredModel
from orchestrator_client.models.protocol import Model
from orchestrator_client.sessions.store import StoredTurn

__all__ = ["Outcome", "Recorder", "ToolReport", "Turn", "Way", "guarded"]

_log = structlog.get_logger(__name__)

Outcome = Literal["waiting", "completed", "answered", "choosing", "gave_up", "interrupted", "cancelled"]


@dataclass(frozen=True, slots=True)
class ToolReport:
    """One tool call of the turn. `message` is the error, if it failed."""

    tool: str
    ok: bool
    message: str


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of one message. `agent` is who answered last; `mode` is the session's mode afterwards.

    `completed` names the agents whose tasks were completed on the way; `choices` are the numbered answers to what the
    orchestrator asks, `usage` what all model calls of the turn took.
    """

    session_id: str
    reply: str
    agent: str | None
    outcome: Outcome
    mode: str
    suggestions: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    completed: tuple[str, ...] = ()
    tool_calls: tuple[ToolReport, ...] = ()
    usage: Usage = NO_USAGE
    repeated: bool = field(default=False, compare=False)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Turn":
        """A stored turn, also one that an earlier version stored with fewer fields."""
        read = {
            "tool_calls": tuple(ToolReport(**call) for call in stored["tool_calls"]),
            "usage": Usage(**stored.get("usage", {})),
            **{name: tuple(stored.get(name, ())) for name in ("suggestions", "choices", "completed")},
        }
        return cls(**{**stored, **read, "repeated": True})  # pyright: ignore[reportArgumentType] - what as_json wrote


class Recorder:
    """Passes events on, and keeps what the turn's result needs of them."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.calls: list[ToolReport] = []
        self.pieces: list[str] = []
        self._kept = 0

    def keep(self) -> None:
        """What was said up to here stays said, whatever comes."""
        self._kept = len(self.pieces)

    def __call__(self, event: TurnEvent) -> None:
        match event:
            case ToolFinished():
                self.calls.append(ToolReport(event.tool, event.ok, event.message))
                del self.pieces[self._kept :]
            case TextPiece(text):
                self.pieces.append(f"\n\n{text}" if self._kept and len(self.pieces) == self._kept else text)
            case TextWithdrawn():
                del self.pieces[self._kept :]
            case Note(text):
                self.pieces.append(text if not self.pieces else f"\n\n{text}")
            case _:
                pass
        self._listener(event)


def guarded(listener: Listener | None) -> Listener:
    """A listener that cannot break what it watches: once it has failed, it is told nothing more."""
    told = listener

    def tell(event: TurnEvent) -> None:
        nonlocal told
        if told is None:
            return
        try:
            told(event)
        except Exception:  # noqa: BLE001 - a full disk or a closed pipe of whoever watches
            _log.exception("listener failed")
            told = None

    return tell


class Way:
    """How far one turn has come: state, what was said, what it took.

    `stored` is the state a failure falls back to. `histories` are the messages of the tasks it has to do with, as the
    log has them; `booked` is how many of the model `calls` the store has. `before` and `spent` tell what was said and
    used before a crash.
    """

    def __init__(self, turn: StoredTurn, state: SessionState, recorder: Recorder) -> None:
        self.turn = turn
        self.session_id = turn.session_id
        self.before = state.so_far or SoFar()
        self.state = state.but(so_far=None)
        self.stored = self.state
        self.tell = recorder
        self.agent: str | None = None
        self.outcome: Outcome = "answered"
        self.completed: list[str] = []
        self.facts: dict[str, str] = {}
        self.calls: list[tuple[str, CallUsage]] = []
        self.booked = 0
        self.spent = NO_USAGE
        self.histories = dict[str, list[Message]]()

    @property
    def task_id(self) -> str:
        """Where messages belong: the active task, or this turn's own small talk."""
        return self.state.task.id if self.state.task else f"talk-{self.turn.number}"

    def say(self, text: str) -> None:
        """Something of the orchestrator's own; no tool call and no failing model takes it back."""
        self.tell(Note(without_marker(text)))
        self.tell.keep()

    def so_far(self) -> SoFar:
        return SoFar(said=self._reply(), completed=tuple(self.completed))

    def metered(self, model: Model) -> Model:
        """The model, its calls booked on this turn and on the task they are for."""
        return MeteredModel(model, lambda call: self.calls.append((self.task_id, call)))

    def result(self) -> Turn:
        return Turn(
            session_id=self.session_id,
            reply=self._reply(),
            agent=self.agent,
            outcome=self.outcome,
            mode=self.state.mode,
            suggestions=self.state.suggestions if self.completed and self.state.task is None else (),
            choices=tuple(choice.label for choice in choices_of(self.state) if choice.label),
            completed=tuple(self.completed),
            tool_calls=tuple(self.tell.calls),
            usage=sum((call.usage for _, call in self.calls), self.spent),
        )

    def interrupted(self, error: ClientError) -> Turn:
        """Fall back to what is stored, and say so."""
        self.state = self.stored
        self.outcome, self.agent = "interrupted", self.state.task.agent if self.state.task else None
        self.say(
            remarks.failed(
                error,
                task_open=self.state.task is not None,
                heard=self.state.heard == self.turn.number,
                kept=bool(self.state.waiting),
            )
        )
        return self.result()

    def crashed(self) -> Turn:
        self.state = self.stored
        self.outcome, self.agent = "interrupted", None
        self.say(remarks.CRASHED)
        return self.result()

    def _reply(self) -> str:
        return "".join(self.tell.pieces).strip()
