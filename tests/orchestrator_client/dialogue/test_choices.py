import pytest

from orchestrator_client.dialogue.choices import choices_of, place_in, put, quoted, read_choice
from orchestrator_client.dialogue.state import (
    MOST_PARKED,
    MOST_WAITING,
    Candidate,
    Clarify,
    Request,
    Return,
    SessionState,
    Switch,
    TaskState,
)

PLAN = TaskState(id="t1", agent="quality_planning", opening_message="Create a quality plan for Alpha")
LEAK = TaskState(id="t2", agent="issue_tracking", opening_message="Leak tester 2 is down again")
REQUEST = Request(text="What maintenance is due?", agent="maintenance_scheduling")
SWITCH = SessionState(task=PLAN, question=Switch(request=REQUEST))
BACK = SessionState(parked=(PLAN,), question=Return())
BACK_TO_SEVERAL = SessionState(parked=(PLAN, LEAK), question=Return())
OPTIONS = (Candidate(agent="issue_tracking", title="Issues"), Candidate(agent="plant_data", title="Plant data"))
CLARIFY = SessionState(question=Clarify(request=Request(text="the pump"), options=OPTIONS))


def meant(answer: str, state: SessionState) -> str | None:
    """The deed of an answer, with the task or agent it is about."""
    choice = read_choice(answer, state)
    return None if choice is None else " ".join(filter(None, (choice.deed, choice.task_id, choice.agent)))


@pytest.mark.parametrize(
    "answer",
    ["2", "2.", "2)", "(2)", "#2", " 2 please", "two", "second", "the second one", "option 2", "number two"],
)
def test_a_number_is_read_however_it_is_written(answer: str) -> None:
    assert meant(answer, SWITCH) == "switch"
    assert meant(answer, BACK_TO_SEVERAL) == "back t1"
    assert meant(answer, CLARIFY) == "agent plant_data"


@pytest.mark.parametrize("answer", ["0", "4", "99", "9" * 5_000, "²", "-1", "1.5"])
def test_a_number_that_is_not_offered_means_nothing(answer: str) -> None:
    assert meant(answer, SWITCH) is None
    assert place_in(answer, 3) is None


@pytest.mark.parametrize(
    ("answer", "deed"),
    [
        ("finish this first please", "finish_first"),
        ("first", "finish_first"),
        ("complete it", "finish_first"),
        ("switch now", "switch"),
        ("do it now", "switch"),
        ("cancel this task", "cancel"),
        ("same task", "same_task"),
        ("never mind", "ignore"),
        ("forget it", "ignore"),
    ],
)
def test_a_switch_is_answered_in_words(answer: str, deed: str) -> None:
    assert meant(answer, SWITCH) == deed


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "yes",
        "no",
        "not now",
        "later",
        "don't switch",
        "don't cancel",
        "cancel the new request",
        "forget the task",
        "finish first, then switch",
        "57.015 mm",
        "create a work order first because the machine is down since monday",
    ],
)
def test_what_is_no_certain_answer_to_a_switch_is_none(answer: str) -> None:
    assert meant(answer, SWITCH) is None


def test_every_listed_choice_can_be_typed_as_it_stands() -> None:
    for state in (SWITCH, BACK, BACK_TO_SEVERAL, CLARIFY):
        listed = [choice for choice in choices_of(state) if choice.label]
        assert [read_choice(choice.label, state) for choice in listed] == listed
        assert [read_choice(str(number), state) for number in range(1, len(listed) + 1)] == listed


@pytest.mark.parametrize(
    ("answer", "deed"),
    [
        ("yes please", "back t1"),
        ("go back", "back t1"),
        ("the quality plan", "back t1"),
        ("not now", "later"),
        ("no thanks", "later"),
        ("cancel it", "cancel t1"),
        ("don't cancel it", None),
        ("which issues are open?", None),
    ],
)
def test_the_way_back_is_answered_in_words(answer: str, deed: str | None) -> None:
    assert meant(answer, BACK) == deed


@pytest.mark.parametrize(
    ("answer", "deed"),
    [
        ("go back to the quality plan", "back t1"),
        ("the quality plan", "back t1"),
        ("continue with the leak tester", "back t2"),
        ("issue tracking", "back t2"),
        ("back", "back t2"),
        ("cancel all", "cancel"),
        ("cancel", None),
        ("cancel one", None),
        ("back to the washer", None),
    ],
)
def test_of_several_tasks_the_one_that_is_named_is_meant(answer: str, deed: str | None) -> None:
    assert meant(answer, BACK_TO_SEVERAL) == deed


def test_a_task_that_began_with_a_cancellation_can_still_be_cancelled() -> None:
    task = PLAN.model_copy(update={"opening_message": "Cancel the work order WO-0007"})
    assert meant("cancel it", SessionState(parked=(task,), question=Return())) == "cancel t1"


@pytest.mark.parametrize(
    ("answer", "deed"),
    [
        ("issues", "agent issue_tracking"),
        ("issue tracking please", "agent issue_tracking"),
        ("it's about plant data", "agent plant_data"),
        ("the plant data one", "agent plant_data"),
        ("none of these", "drop"),
        ("neither", "drop"),
        ("both", None),
        ("the pump at the washer leaks", None),
    ],
)
def test_an_agent_is_chosen_by_its_name(answer: str, deed: str | None) -> None:
    assert meant(answer, CLARIFY) == deed


def test_a_full_stack_is_not_offered() -> None:
    parked = tuple(PLAN.model_copy(update={"id": f"p{number}"}) for number in range(MOST_PARKED))
    assert meant("1", SWITCH.but(waiting=(REQUEST,) * MOST_WAITING)) == "switch"
    assert meant("first", SWITCH.but(waiting=(REQUEST,) * MOST_WAITING)) is None
    assert meant("2", SWITCH.but(parked=parked)) == "cancel"


def test_a_question_names_what_it_is_about_and_numbers_its_answers() -> None:
    head, *answers = put(SWITCH, str.upper).splitlines()
    assert head.startswith("That looks like a new request for MAINTENANCE_SCHEDULING. You are in the middle of ")
    assert head.endswith('"Create a quality plan for Alpha" (QUALITY_PLANNING). What shall I do?')
    assert answers == [
        "  1  Finish this first; your request is kept and comes right after",
        "  2  Switch now, and come back to this later",
        "  3  Cancel this task, and take up the new request",
        'If it belongs to this task, say "same task".',
    ]
    assert put(BACK_TO_SEVERAL, str.upper).splitlines()[:2] == [
        "These tasks still wait:",
        '  1  Go back to: "Leak tester 2 is down again"',
    ]
    assert put(CLARIFY, str.upper).splitlines()[1:3] == ["  1  Issues", "  2  Plant data"]
    assert put(SessionState(), str.upper) == ""


def test_a_long_text_is_quoted_in_one_short_line() -> None:
    assert quoted("a\n\tb") == '"a b"'
    assert quoted("x" * 200) == f'"{"x" * 120}…"'
