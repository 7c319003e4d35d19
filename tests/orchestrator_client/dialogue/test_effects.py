from orchestrator_client.dialogue.effects import Effects, effects_in
from orchestrator_client.dialogue.messages import Message, ToolResultBlock, ToolUseBlock

READS = {"get_machines"}
UNKNOWN = {"error": {"code": "outcome_unknown", "message": "no answer", "outcome_known": False}}
REFUSED = {"error": {"code": "validation", "message": "no"}}


def called(number: int, tool: str, answer: dict[str, object] | None, **arguments: object) -> list[Message]:
    """A call and its answer; None leaves the call without one."""
    use = ToolUseBlock(id=f"u{number}", name=tool, input=arguments)
    asked = Message(role="assistant", blocks=(use,))
    if answer is None:
        return [asked]
    result = ToolResultBlock(tool_use_id=use.id, content="", structured=answer, is_error="error" in answer)
    return [asked, Message(role="user", blocks=(result,))]


def test_what_writes_have_made_is_named_once() -> None:
    made = {"status": "created", "record": {"id": "ISS-1"}}
    messages = [*called(1, "log_issue", made), *called(2, "log_issue", made), *called(3, "send_mail", {"ok": True})]
    effects = effects_in(messages, read_only=READS)
    assert effects == Effects(stored=("log_issue: ISS-1", "send_mail: done"))
    assert str(effects) == "Already stored, and kept: log_issue: ISS-1, send_mail: done."


def test_reads_refusals_dry_runs_and_what_existed_before_are_no_effects() -> None:
    messages = [
        *called(1, "get_machines", {"items": []}),
        *called(2, "log_issue", REFUSED),
        *called(3, "log_issue", {"status": "created", "dry_run": True, "record": {"id": "ISS-1"}}),
        *called(4, "log_issue", None, dry_run=True),
        *called(5, "log_issue", {"status": "already_exists", "record": {"id": "ISS-0"}}),
    ]
    assert effects_in(messages, read_only=READS) == Effects()
    assert str(Effects()) == ""


def test_a_write_whose_end_nobody_saw_is_told_as_unsure() -> None:
    messages = [*called(1, "create_plan", UNKNOWN), *called(2, "log_issue", None)]
    effects = effects_in(messages, read_only=READS)
    assert effects == Effects(unsure=("create_plan", "log_issue"))
    assert "not known whether this was carried out" in str(effects)


def test_without_the_list_of_tools_only_a_record_counts() -> None:
    messages = [*called(1, "get_machines", {"items": [{}]}), *called(2, "log_issue", {"record": {"id": "ISS-1"}})]
    assert effects_in(messages, read_only=None) == Effects(stored=("log_issue: ISS-1",))
