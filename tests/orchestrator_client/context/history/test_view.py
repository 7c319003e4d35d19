import json
from dataclasses import replace

from orchestrator_client.context.history import turns_of, view
from orchestrator_client.context.history.results import shortened
from orchestrator_client.context.history.view import MOST
from orchestrator_client.dialogue.completion import MARKER
from orchestrator_client.dialogue.condensed import Condensed
from orchestrator_client.dialogue.messages import (
    Message,
    OpaqueBlock,
    TextBlock,
    ToolResultBlock,
    ToolUseBlock,
    assistant,
    context,
    user,
)
from orchestrator_client.models.tokens import messages_tokens
from tests.support.assistant import is_valid
from tests.support.histories import READ, WRITE, long_task

LOG = [message for turn in long_task(8) for message in turn]
LONG = "x " * 2_000


def results(
    tool: str, *contents: str, structured: dict[str, object] | None = None, failed: bool = False
) -> list[Message]:
    """Parallel calls of a tool, and their results."""
    uses = tuple(ToolUseBlock(id=f"{tool}{n}", name=tool, input={}) for n in range(len(contents)))
    blocks = tuple(
        ToolResultBlock(tool_use_id=use.id, content=content, structured=structured, is_error=failed)
        for use, content in zip(uses, contents, strict=True)
    )
    return [Message(role="assistant", blocks=uses), Message(role="user", blocks=blocks)]


def cleared_content(*turn: Message) -> list[str]:
    """The results of a first turn, as the view shows them once its results are cleared."""
    log = [user("a leak"), *turn, assistant("Noted."), user("more")]
    seen = view(log, Condensed(0, "", cleared_turns=1), read_only={READ})
    assert is_valid(seen)
    return [result.content for message in seen for result in message.tool_results]


def test_without_anything_condensed_the_whole_log_is_seen() -> None:
    assert view(LOG, None) == view(LOG, Condensed(0, "")) == tuple(LOG)


def test_the_first_context_and_one_message_stand_before_the_kept_turns() -> None:
    seen = view(LOG, Condensed(5, "", 5))
    assert seen[0] == LOG[0]
    assert seen[1].kind == "context"
    assert seen[2:] == tuple(message for turn in turns_of(LOG)[5:] for message in turn)


def test_summary_ledger_and_the_open_question_stand_for_what_is_left_out() -> None:
    told = view(LOG, Condensed(5, f"Intent: a plan.\n{MARKER}", 5))[1].text
    assert MARKER not in told
    for part in (
        "The 5 oldest turns of this task are left out",
        "Earlier in this task (summary):\nIntent: a plan.",
        "Create a quality plan for the housing HSG-FC57.",
        "42.000 mm +0.025/-0",
        "log_issue: ISS-4 (created, open, revision 1)",
        "Your last question before the messages below was: Which sample size shall it have?",
    ):
        assert part in told


def test_context_that_came_up_later_outlives_its_turn_within_its_bounds() -> None:
    machines, materials = context("## Machines"), context(f"## Materials {LONG}")
    log = [*LOG[:5], machines, *LOG[5:9], materials, *LOG[9:]]
    assert machines in view(log, Condensed(5, "", 5))
    assert materials in view(log, Condensed(5, "", 5))
    seen = view(log, Condensed(5, "", 5), shares=replace(MOST, context=500))
    assert materials not in seen
    assert machines not in seen


def test_more_than_there_is_cannot_be_left_out() -> None:
    turns = turns_of(LOG)
    assert view(LOG, Condensed(50, "", 50))[2:] == view(LOG, Condensed(7, "", 50))[2:]
    assert view(LOG, Condensed(50, "", 7))[2:] == tuple(turns[-1])
    assert view([], Condensed(3, "")) == ()


def test_a_cleared_result_names_the_tool_to_call_again() -> None:
    assert cleared_content(*results(READ, LONG, "short")) == [
        f"[The long answer of {READ} has been cleared to save room. Call {READ} again if you need it.]",
        "short",
    ]


def test_a_cleared_write_says_what_it_stored_and_is_not_to_be_repeated() -> None:
    stored: dict[str, object] = {"status": "created", "record": {"id": "ISS-7"}}
    [content] = cleared_content(*results(WRITE, LONG, structured=stored))
    assert "log_issue: ISS-7 (created). Do not call it again" in content
    [unknown] = cleared_content(*results(WRITE, LONG))
    assert "It succeeded. Do not call it again" in unknown


def test_a_cleared_error_keeps_its_beginning() -> None:
    [content] = cleared_content(*results(READ, f"No such machine. {LONG}", failed=True))
    assert content.startswith("No such machine.")
    assert len(content) < 400


def test_what_code_reads_of_a_cleared_result_stays() -> None:
    stored: dict[str, object] = {"record": {"id": "ISS-7"}}
    log = [user("a leak"), *results(WRITE, LONG, structured=stored), assistant("Noted."), user("more")]
    assert view(log, Condensed(0, "", 1))[2].tool_results[0].structured == stored


def test_what_a_model_keeps_for_itself_stays() -> None:
    memory = Message(
        role="assistant", blocks=(TextBlock(text="And now?"), OpaqueBlock(provider="guided", data={"a": 1}))
    )
    log = [user("a leak"), assistant("Where?"), user("there"), memory, user("5")]
    assert memory in view(log, Condensed(1, "", 2))


def test_results_are_shortened_by_what_is_needed_and_the_newest_last() -> None:
    log = [user("a leak"), *results("get_a", LONG, "short"), *results("get_b", LONG)]
    seen = shortened(log, excess_tokens=500)
    assert is_valid(seen)
    assert 500 <= messages_tokens(log) - messages_tokens(seen) < 700
    [older, short, newest] = [result.content for message in seen for result in message.tool_results]
    assert older.startswith("x x x")
    assert "Cut here to save room" in older
    assert "Never repeat a call that stores something" in older
    assert (short, newest) == ("short", LONG)


def test_results_that_cannot_shrink_are_left_alone() -> None:
    log = [user("a leak"), *results("get_a", json.dumps([1, 2]))]
    assert shortened(log, excess_tokens=10_000) == tuple(log)
