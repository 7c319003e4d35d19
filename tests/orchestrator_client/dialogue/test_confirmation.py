from typing import Any

import pytest

from orchestrator_client.dialogue.confirmation import Demand, demanded, just_answered, may_pass
from orchestrator_client.dialogue.messages import Message, ToolResultBlock, ToolUseBlock, assistant, user

RELEASE: dict[str, Any] = {"id": "SOP-1", "decision": "release"}
CALL = ToolUseBlock(id="u1", name="approve", input=RELEASE)
ERROR: dict[str, Any] = {"code": "confirmation_required", "message": "SOP-1 takes effect.", "alternatives": ["c0de"]}
DEMAND = Demand(CALL, "c0de", "SOP-1 takes effect.")


def asks(use: ToolUseBlock = CALL) -> Message:
    return Message(role="assistant", blocks=(use,))


def refused(error: dict[str, Any] = ERROR, use_id: str = "u1") -> Message:
    result = ToolResultBlock(tool_use_id=use_id, content="…", structured={"error": error}, is_error=True)
    return Message(role="user", blocks=(result,))


def talk(answer: str) -> list[Message]:
    return [user("Release SOP-1"), asks(), refused(), assistant(DEMAND.question), user(answer)]


def confirmed(**changes: Any) -> ToolUseBlock:
    return ToolUseBlock(id="u2", name="approve", input={**RELEASE, "confirmation": "c0de", **changes})


def test_a_demand_is_read_from_the_error_beside_its_call() -> None:
    assert demanded([user("Release SOP-1"), asks(), refused()]) == DEMAND
    assert DEMAND.question.startswith("SOP-1 takes effect.\nDo you agree?")


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [refused()],
        [asks(), refused(ERROR | {"code": "precondition"})],
        [asks(), refused(ERROR | {"alternatives": []})],
        [asks(), refused(use_id="another")],
        [asks(), refused(), assistant("Shall I?")],
    ],
)
def test_anything_else_is_no_demand(messages: list[Message]) -> None:
    assert demanded(messages) is None


@pytest.mark.parametrize("answer", ["yes", "Yes.", " y ", "OK!", "confirm"])
def test_a_plain_yes_to_the_servers_own_words_lets_the_code_pass(answer: str) -> None:
    assert just_answered(talk(answer)) == (DEMAND, True)
    assert may_pass(talk(answer), confirmed())


@pytest.mark.parametrize("answer", ["no", "", "yes, but only tomorrow", "yes?", "what does that mean?"])
def test_anything_but_a_plain_yes_does_not(answer: str) -> None:
    assert just_answered(talk(answer)) == (DEMAND, False)
    assert not may_pass(talk(answer), confirmed())


def test_a_code_passes_only_in_the_call_that_was_agreed_to() -> None:
    assert not may_pass(talk("yes"), confirmed(id="SOP-2"))
    assert not may_pass(talk("yes"), confirmed(confirmation="other"))
    assert not may_pass(talk("yes"), ToolUseBlock(id="u2", name="withdraw", input=confirmed().input))


def test_a_yes_to_another_question_opens_nothing() -> None:
    asked_by_the_model = [user("Release SOP-1"), asks(), refused(), assistant("Shall I look at it?"), user("yes")]
    assert not may_pass(asked_by_the_model, confirmed())
    assert not may_pass([user("yes"), asks(), refused()], confirmed())
    assert not may_pass([user("yes")], confirmed())


def test_an_agreement_ends_with_the_persons_next_message() -> None:
    assert not may_pass([*talk("yes"), assistant("Done."), user("yes")], confirmed())


def test_calls_since_the_yes_do_not_end_the_agreement() -> None:
    looked_up = [asks(ToolUseBlock(id="u3", name="get", input={})), refused(ERROR | {"code": "not_found"}, "u3")]
    assert may_pass([*talk("yes"), *looked_up], confirmed())


def test_a_call_without_a_code_always_passes() -> None:
    assert may_pass([], CALL)
    assert may_pass([], confirmed(confirmation=None))
