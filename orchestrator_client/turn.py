"""One turn: what came of a message, and how far it has come while it is carried out."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import structlog

from orchestrator_client.dialogue.state import SessionState
from orchestrator_client.errors import ClientError, ModelError, ToolCallError
from orchestrator_client.events import Listener, Note, TextPiece, TextWithdrawn, ToolFinished, TurnEvent
from orchestrator_client.sessions.store import StoredTurn

__all__ = ["Outcome", "Recorder", "ToolReport", "Turn", "Way", "guarded"]

_log = structlog.get_logger(__name__)

Outcome = Literal["waiting", "completed", "answered", "gave_up", "interrupted", "cancelled"]


@dataclass(frozen=True, slots=True)
class ToolReport:
    """One tool call of the turn. `message` is the error, if it failed."""

    tool: str
    ok: bool
    message: str


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of one message. `agent` is who answered; `mode` is the session's mode afterwards."""

    session_id: str
    reply: str
    agent: str | None
    outcome: Outcome
    mode: str
    suggestions: tuple[str, ...] = ()
    tool_calls: tuple[ToolReport, ...] = ()
    repeated: bool = field(default=False, compare=False)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Turn":
        calls = tuple(ToolReport(**call) for call in stored["tool_calls"])
        suggestions = tuple(map(str, stored["suggestions"]))
        return cls(**{**stored, "tool_calls": calls, "suggestions": suggestions, "repeated": True})  # pyright: ignore[reportArgumentType] - what as_json wrote


class Recorder:
    """Passes events on, and keeps what the turn's result needs of them."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.calls: list[ToolReport] = []
        self.pieces: list[str] = []

    def __call__(self, event: TurnEvent) -> None:
        match event:
            case ToolFinished():
                self.calls.append(ToolReport(event.tool, event.ok, event.message))
                self.pieces.clear()
            case TextPiece(text):
                self.pieces.append(text)
            case TextWithdrawn():
                self.pieces.clear()
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
    """How far one turn has come: state, task and what was said. `stored` is the state a failure falls back to."""

    def __init__(self, turn: StoredTurn, state: SessionState, recorder: Recorder) -> None:
        self.turn = turn
        self.session_id = turn.session_id
        self.state = state
        self.stored = state
        self.task_id = state.task.id if state.task else f"talk-{turn.number}"
        self.tell = recorder

    def say(self, text: str) -> None:
        self.tell(Note(text))

    def result(self, agent: str | None, outcome: Outcome) -> Turn:
        return Turn(
            session_id=self.session_id,
            reply="".join(self.tell.pieces).strip(),
            agent=agent,
            outcome=outcome,
            mode=self.state.mode,
            suggestions=self.state.suggestions if outcome == "completed" else (),
            tool_calls=tuple(self.tell.calls),
        )

    def interrupted(self, error: ClientError) -> Turn:
        match error:
            case ModelError():
                what = f"The language model could not be used: {error}"
            case ToolCallError():
                what = f"The tool server could not be used: {error}"
            case _:
                what = str(error)
        again = (
            "Your task is still open; send your message again to go on." if self.state.task else "No task was begun."
        )
        self.say(f"{what} {again}")
        return self.result(self.state.task.agent if self.state.task else None, "interrupted")

    def crashed(self) -> Turn:
        self.say(
            "Something went wrong inside Shopfloor. Nothing was lost; send your message again. The log has the details."
        )
        return self.result(None, "interrupted")
