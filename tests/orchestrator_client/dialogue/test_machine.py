import pytest

from orchestrator_client.dialogue.machine import (
    Cancelled,
    Effect,
    Ended,
    Event,
    Interrupted,
    Route,
    Routed,
    RunAgent,
    Said,
    Suggest,
    transition,
)
from orchestrator_client.dialogue.state import SessionState, TaskState

TASK = TaskState(id="t1", agent="issues", opening_message="a leak")
IDLE = SessionState(project="ALPHA", suggestions=("Show the open issues",))
ACTIVE = SessionState(project="ALPHA", task=TASK)
ENDED = SessionState(project="ALPHA")
IN_BETA = {"project": "BETA"}
OPENED = TaskState(id="t2", agent="issues", opening_message="leak")

TABLE: list[tuple[SessionState, Event, SessionState, tuple[Effect, ...]]] = [
    (IDLE, Said("leak"), IDLE, (Route("leak"),)),
    (
        IDLE,
        Routed("issues", "t2", "leak", conversation=False),
        SessionState(project="ALPHA", task=OPENED),
        (RunAgent("issues", "leak", opens=True),),
    ),
    (IDLE, Routed("general", "t2", "hello", conversation=True), IDLE, (RunAgent("general", "hello", opens=True),)),
    (IDLE, Ended("waiting"), IDLE, ()),
    (IDLE, Ended("completed"), IDLE, ()),
    (IDLE, Ended("gave_up"), IDLE, ()),
    (IDLE, Interrupted(), IDLE, ()),
    (IDLE, Cancelled(), ENDED, ()),
    (ACTIVE, Said("LT-131"), ACTIVE, (RunAgent("issues", "LT-131", opens=False),)),
    (ACTIVE, Ended("waiting"), ACTIVE, ()),
    (ACTIVE, Ended("waiting", "BETA"), ACTIVE.model_copy(update=IN_BETA), ()),
    (ACTIVE, Ended("completed"), ENDED, (Suggest("issues"),)),
    (ACTIVE, Ended("completed", "BETA"), ENDED.model_copy(update=IN_BETA), (Suggest("issues"),)),
    (ACTIVE, Ended("gave_up"), ENDED, (Suggest("issues"),)),
    (ACTIVE, Interrupted(), ACTIVE, ()),
    (ACTIVE, Cancelled(), ENDED, ()),
]


@pytest.mark.parametrize(
    ("state", "event", "after", "effects"), TABLE, ids=[f"{state.mode}-{event}" for state, event, _, _ in TABLE]
)
def test_every_event_leads_to_its_state_and_its_effects(
    state: SessionState, event: Event, after: SessionState, effects: tuple[Effect, ...]
) -> None:
    assert transition(state, event) == (after, effects)


def test_a_message_is_never_routed_while_a_task_is_active() -> None:
    with pytest.raises(ValueError, match="only when no task is active"):
        transition(ACTIVE, Routed("quality", "t2", "plan", conversation=False))


@pytest.mark.parametrize("state", [IDLE, ACTIVE])
def test_the_table_knows_every_event_in_every_mode(state: SessionState) -> None:
    told = {type(event) for known, event, _, _ in TABLE if known is state}
    assert told | ({Routed} if state is ACTIVE else set()) == {Said, Routed, Ended, Interrupted, Cancelled}


def test_a_task_is_set_exactly_while_the_mode_says_so() -> None:
    assert all((after.task is not None) == (after.mode == "task_active") for _, _, after, _ in TABLE)


def test_a_state_survives_its_storage() -> None:
    assert SessionState.model_validate(ACTIVE.model_dump(mode="json"), strict=False) == ACTIVE
