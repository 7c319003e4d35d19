"""What a person can type to steer the conversation itself: `/cancel`, `/back`, `/switch`. Pure."""

from orchestrator_client.dialogue.choices import place_in
from orchestrator_client.dialogue.moves import Cancelled, FromPerson, Resumed, Said, Switched
from orchestrator_client.dialogue.state import SessionState

__all__ = ["BACK", "CANCEL", "SWITCH", "WrongCommand", "event_of"]

BACK = "/back"
CANCEL = "/cancel"
SWITCH = "/switch"


class WrongCommand(ValueError):
    """The command cannot be followed now; the text says why and what to do."""


def event_of(text: str, state: SessionState, *, turn: int, asked: str) -> FromPerson:
    """What a line of the person means. `asked` is what the active agent last said.

    Raises:
        WrongCommand: there is no such task, or nothing to go back to.
    """
    name, _, rest = text.strip().partition(" ")
    rest = rest.strip()
    if name == CANCEL:
        return Cancelled(turn)
    if name == BACK:
        return Resumed(_parked(state, "1"), turn)
    if name != SWITCH:
        return Said(text, turn, asked)
    return Switched(rest, turn) if rest and not rest.isdecimal() else Resumed(_parked(state, rest or "1"), turn)


def _parked(state: SessionState, number: str) -> str:
    """The id of a parked task; number 1 is the latest."""
    if not state.parked:
        raise WrongCommand("No task waits. /switch and what you need takes up something new.")
    place = place_in(number, len(state.parked))
    if place is None:
        raise WrongCommand("There is no waiting task of that number. /tasks lists them.")
    return state.parked[-place].id
