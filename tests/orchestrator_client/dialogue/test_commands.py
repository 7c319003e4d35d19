import pytest

from orchestrator_client.dialogue.commands import WrongCommand, event_of
from orchestrator_client.dialogue.moves import Cancelled, FromPerson, Resumed, Said, Switched
from orchestrator_client.dialogue.state import SessionState, TaskState

OLD = TaskState(id="old", agent="quality_planning", opening_message="Create a quality plan")
NEW = TaskState(id="new", agent="issue_tracking", opening_message="Log a leak")
STATE = SessionState(parked=(OLD, NEW))


def event(text: str, state: SessionState = STATE) -> FromPerson:
    return event_of(text, state, turn=7, asked="Which machine?")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("/cancel", Cancelled(7)),
        (" /cancel now ", Cancelled(7)),
        ("/back", Resumed("new", 7)),
        ("/switch", Resumed("new", 7)),
        ("/switch 1", Resumed("new", 7)),
        ("/switch  2 ", Resumed("old", 7)),
        ("/switch Log a leak", Switched("Log a leak", 7)),
        ("/switch 2 machines are down", Switched("2 machines are down", 7)),
        ("/switching", Said("/switching", 7, "Which machine?")),
        ("cancel", Said("cancel", 7, "Which machine?")),
    ],
)
def test_a_line_steers_or_is_a_message(text: str, meant: FromPerson) -> None:
    assert event(text) == meant


@pytest.mark.parametrize("number", ["0", "3", "9" * 5_000])
def test_a_number_without_a_task_is_refused_and_says_where_to_look(number: str) -> None:
    with pytest.raises(WrongCommand, match=r"no waiting task of that number\. /tasks lists them"):
        event(f"/switch {number}")


@pytest.mark.parametrize("text", ["/back", "/switch", "/switch 1"])
def test_without_a_waiting_task_it_says_what_the_command_is_for(text: str) -> None:
    with pytest.raises(WrongCommand, match=r"No task waits\. /switch and what you need"):
        event(text, SessionState())
