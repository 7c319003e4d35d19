import pytest

from orchestrator_client.context.history import turns_of
from orchestrator_client.context.history.turns import floor_of, lead_of, opening_of
from orchestrator_client.dialogue.confirmation import demanded
from orchestrator_client.dialogue.messages import (
    Message,
    ToolResultBlock,
    ToolUseBlock,
    assistant,
    context,
    note,
    user,
)
from tests.support.histories import history

OPENING, LATER = user("a leak"), user("LT-131")
ASKED, THANKED = assistant("Where?"), assistant("Noted.")
CALL = Message(role="assistant", blocks=(ToolUseBlock(id="1", name="get_specs", input={}),))
RESULT = Message(role="user", blocks=(ToolResultBlock(tool_use_id="1", content="[]"),))


@pytest.mark.parametrize("seed", range(50))
def test_the_turns_are_the_log_in_order_and_none_starts_with_an_answer(seed: int) -> None:
    log = history(seed).messages
    turns = turns_of(log)
    assert [message for turn in turns for message in turn] == log
    assert all(turn[0].kind not in {"agent", "tools"} for turn in turns)


def test_a_tool_result_stays_in_the_turn_of_its_call() -> None:
    assert turns_of([OPENING, CALL, RESULT, ASKED, LATER, THANKED]) == [
        [OPENING, CALL, RESULT, ASKED],
        [LATER, THANKED],
    ]


def test_a_demand_of_the_server_and_the_answer_to_it_are_one_turn() -> None:
    error = {"error": {"code": "confirmation_required", "message": "This withdraws CP-1.", "alternatives": ["code-1"]}}
    refused = ToolResultBlock(tool_use_id="1", content="", structured=error, is_error=True)
    demanding = [OPENING, CALL, Message(role="user", blocks=(refused,))]
    demand = demanded(demanding)
    assert demand is not None
    question = assistant(demand.question)
    assert turns_of([*demanding, question, user("yes"), THANKED, LATER]) == [
        [*demanding, question, user("yes"), THANKED],
        [LATER],
    ]
    assert len(turns_of([*demanding, ASKED, user("yes")])) == 2


def test_the_first_context_and_what_the_person_said_are_one_turn() -> None:
    start = context("Today is Monday.")
    assert turns_of([start, OPENING, ASKED]) == [[start, OPENING, ASKED]]


def test_context_before_a_person_speaks_belongs_to_that_turn() -> None:
    more = context("## Machines")
    assert turns_of([OPENING, ASKED, more, LATER, THANKED]) == [[OPENING, ASKED], [more, LATER, THANKED]]


def test_a_note_between_two_messages_of_the_agent_opens_no_turn() -> None:
    refusal = note("[orchestrator] not accepted")
    assert turns_of([OPENING, ASKED, refusal, THANKED]) == [[OPENING, ASKED, refusal, THANKED]]


def test_words_that_got_no_answer_are_one_turn_with_those_that_did() -> None:
    assert turns_of([OPENING, OPENING, ASKED]) == [[OPENING, OPENING, ASKED]]


def test_no_messages_are_no_turns() -> None:
    assert turns_of([]) == []
    assert opening_of([]) == ""


@pytest.mark.parametrize(
    "start",
    [
        [],
        [context("Today is Monday."), note("handed over")],
        [user("Today is Monday.")],  # a store that does not mark context
    ],
)
def test_the_message_that_opened_the_task_is_found_behind_its_context(start: list[Message]) -> None:
    log = [*start, OPENING, ASKED, LATER]
    assert lead_of(log) == len(start)
    assert opening_of(log) == "a leak"


def test_the_newest_five_messages_are_kept_in_whole_turns() -> None:
    turns = [[OPENING, ASKED], [LATER, CALL, RESULT, THANKED], [LATER]]
    assert floor_of(turns) == 1


def test_a_message_of_the_agent_is_kept_for_it_may_hold_the_models_memory() -> None:
    assert floor_of([[OPENING, ASKED], [LATER] * 6]) == 0
