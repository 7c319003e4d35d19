import pytest

from orchestrator_client.agents.task_record import TaskRecord
from orchestrator_client.dialogue.messages import Message, ToolResultBlock, ToolUseBlock, assistant, note, user

READS = frozenset({"get_machines", "get_specs"})
PERSON = [user("The press leaks")]


def use(name: str, number: int, **arguments: object) -> ToolUseBlock:
    return ToolUseBlock(id=f"use-{number}", name=name, input=arguments)


def made(call: ToolUseBlock, **structured: object) -> list[Message]:
    answer = ToolResultBlock(tool_use_id=call.id, content=call.id, structured=structured)
    return [Message(role="assistant", blocks=(call,)), Message(role="user", blocks=(answer,))]


def failed(call: ToolUseBlock, **error: object) -> list[Message]:
    structured = {"error": {"code": "not_found", "message": "No.", **error}}
    answer = ToolResultBlock(tool_use_id=call.id, content=call.id, structured=structured, is_error=True)
    return [Message(role="assistant", blocks=(call,)), Message(role="user", blocks=(answer,))]


def answered(messages: list[Message], call: ToolUseBlock) -> str | None:
    """The content of the answer that the record gives, which names the call it came from."""
    found = TaskRecord.of(messages, READS).answer(call)
    assert found is None or found.tool_use_id == call.id
    return None if found is None else found.content


READ = made(use("get_machines", 1, line="A"))
CREATE = made(use("log_issue", 1, note="leak"), status="created")
UPDATE = made(use("set_status", 1, status="held"), status="updated")
AGAIN_READ = use("get_machines", 9, line="A")
AGAIN_CREATE = use("log_issue", 9, note="leak")
AGAIN_UPDATE = use("set_status", 9, status="held")
OTHER_WRITE = made(use("log_issue", 5, note="noise"), status="created")


@pytest.mark.parametrize(
    ("before", "again"),
    [(READ, AGAIN_READ), (CREATE, AGAIN_CREATE), (UPDATE, AGAIN_UPDATE)],
    ids=["read", "create", "update"],
)
def test_an_identical_call_is_answered_as_long_as_the_person_has_not_spoken_again(
    before: list[Message], again: ToolUseBlock
) -> None:
    assert answered([*PERSON, *before], again) == "use-1"
    assert answered([*PERSON, *before, assistant("Hm."), note("[orchestrator] Not accepted.")], again) == "use-1"
    assert answered([*PERSON, *before, assistant("Done."), user("Again, please.")], again) is None


def test_other_arguments_or_another_tool_make_another_call() -> None:
    assert answered([*PERSON, *READ], use("get_machines", 9, line="B")) is None
    assert answered([*PERSON, *READ], use("get_specs", 9, line="A")) is None


def test_the_order_of_arguments_makes_no_difference() -> None:
    before = made(use("get_machines", 1, line="A", limit=2))
    assert answered([*PERSON, *before], use("get_machines", 9, limit=2, line="A")) == "use-1"


@pytest.mark.parametrize(
    ("before", "again", "answer"),
    [(READ, AGAIN_READ, None), (UPDATE, AGAIN_UPDATE, None), (CREATE, AGAIN_CREATE, "use-1")],
    ids=["a read may be old", "an update may be undone", "what was made is there"],
)
def test_what_holds_after_another_write(before: list[Message], again: ToolUseBlock, answer: str | None) -> None:
    assert answered([*PERSON, *before, *OTHER_WRITE], again) == answer


def test_a_failed_write_makes_earlier_reads_doubtful_too() -> None:
    assert answered([*PERSON, *READ, *failed(use("log_issue", 5), code="conflict")], AGAIN_READ) is None


def test_a_dry_run_changes_nothing() -> None:
    tried = made(use("log_issue", 5, note="leak", dry_run=True), dry_run=True, status="created")
    assert answered([*PERSON, *READ, *tried], AGAIN_READ) == "use-1"
    assert answered([*PERSON, *tried], AGAIN_CREATE) is None
    assert answered([*PERSON, *tried, *OTHER_WRITE], use("log_issue", 9, note="leak", dry_run=True)) is None


def test_a_refused_write_may_be_tried_again_after_another_one() -> None:
    refused = failed(use("log_issue", 1, note="leak"), code="precondition")
    assert answered([*PERSON, *refused], AGAIN_CREATE) == "use-1"
    assert answered([*PERSON, *refused, *OTHER_WRITE], AGAIN_CREATE) is None


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        ({"code": "not_found"}, "use-1"),
        ({"code": "validation"}, "use-1"),
        ({"code": "backend_unavailable", "retryable": True}, None),
        ({"code": "outcome_unknown", "outcome_known": False}, None),
        ({"code": "tool_error"}, None),
    ],
)
def test_a_failure_is_given_again_only_if_trying_again_cannot_help(
    error: dict[str, object], answer: str | None
) -> None:
    assert answered([*PERSON, *failed(use("get_machines", 1, line="A"), **error)], AGAIN_READ) == answer
    assert answered([*PERSON, *failed(use("log_issue", 1, note="leak"), **error)], AGAIN_CREATE) == answer


def test_a_write_of_unknown_outcome_keeps_its_key_until_it_is_known_also_after_the_person_spoke() -> None:
    lost = failed(use("log_issue", 1, note="leak"), outcome_known=False)
    busy = failed(use("log_issue", 2, note="leak"), retryable=True)
    settled = made(use("log_issue", 3, note="leak"), status="created")
    for messages, key in (
        ([*PERSON], "use-9"),
        ([*PERSON, *lost], "use-1"),
        ([*PERSON, *lost, *busy], "use-1"),
        ([*PERSON, *lost, assistant("Lost."), user("Try again")], "use-1"),
        ([*PERSON, *lost, *settled, assistant("Done."), user("One more")], "use-9"),
    ):
        assert TaskRecord.of(messages, READS).keyed_as(AGAIN_CREATE) == key
    assert TaskRecord.of([*PERSON, *lost], READS).keyed_as(use("log_issue", 9, note="noise")) == "use-9"


def test_an_unknown_outcome_is_unchecked_until_something_was_looked_up_or_the_person_spoke() -> None:
    lost = [*PERSON, *failed(use("log_issue", 1, note="leak"), outcome_known=False)]
    looked = made(use("get_machines", 2))
    assert TaskRecord.of(lost, READS).unchecked(AGAIN_CREATE)
    assert not TaskRecord.of(lost, READS).unchecked(use("log_issue", 9, note="noise"))
    assert TaskRecord.of([*lost, *failed(use("get_machines", 2))], READS).unchecked(AGAIN_CREATE)
    assert not TaskRecord.of([*lost, *looked], READS).unchecked(AGAIN_CREATE)
    assert not TaskRecord.of([*lost, assistant("Lost."), user("Try again")], READS).unchecked(AGAIN_CREATE)


def test_a_call_that_was_never_answered_is_not_in_the_record() -> None:
    cut_short = Message(role="assistant", blocks=(use("log_issue", 1, note="leak"),))
    assert answered([*PERSON, cut_short], AGAIN_CREATE) is None


def test_a_server_that_numbers_its_calls_anew_each_time_does_not_mix_them_up() -> None:
    first, second = use("get_machines", 1, line="A"), use("get_machines", 1, line="B")
    history = [*PERSON, *made(first), *failed(second)]
    assert TaskRecord.of(history, READS).answer(AGAIN_READ) == ToolResultBlock(
        tool_use_id="use-9", content="use-1", structured={}
    )
