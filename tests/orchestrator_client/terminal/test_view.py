import io

import pytest
from rich.console import Console

from orchestrator_client.events import (
    AgentChosen,
    Note,
    TaskCompleted,
    TextPiece,
    TextWithdrawn,
    ToolFinished,
    ToolStarted,
    TurnEvent,
)
from orchestrator_client.orchestrator import Turn
from orchestrator_client.terminal.plain import harmless, plain
from orchestrator_client.terminal.view import TurnView

STEERING = "\x1b[31mred\x1b]0;owned\x07\x9b2J\r\x08"


def finished(tool: str = "log_issue", **changes: object) -> ToolFinished:
    fields = {"ok": True, "goal": True, "read_only": False, "replayed": False, "message": "", "answer": {}}
    return ToolFinished(tool, **fields | changes)  # pyright: ignore[reportArgumentType] - fields of this dataclass


def turn(reply: str = "", outcome: str = "waiting", **changes: object) -> Turn:
    return Turn("s1", reply, "issues", outcome, "orchestrator", **changes)  # pyright: ignore[reportArgumentType] - as above


def shown(*events: TurnEvent, end: Turn | None = None, terminal: bool = False) -> str:
    console = Console(file=io.StringIO(), width=80, color_system=None, force_terminal=terminal)
    view = TurnView(console)
    for event in events:
        view(event)
    view.end(end or turn())
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_turn_is_shown_as_it_happens() -> None:
    said = shown(
        AgentChosen("issues", "Issue tracking", "a leak"),
        TextPiece("One "),
        TextPiece("moment."),
        ToolStarted("log_issue", {}),
        finished(answer={"record": {"id": "ISS-1"}}),
        TextPiece("Stored."),
        TaskCompleted("issues", "Issue tracking"),
        end=turn(outcome="completed", suggestions=("Show the open issues",)),
    )
    assert said.splitlines() == [
        "→ Issue tracking",
        "One moment.",
        "  ✓ log_issue",
        "Stored.",
        "✓ done",
        "Next you could say:",
        "  · Show the open issues",
    ]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (finished(ok=False, message="There is no machine X."), "  ✗ log_issue: There is no machine X."),
        (
            finished(ok=False, message="it needs your agreement", awaits_person=True),
            "  ? log_issue: it needs your agreement",
        ),
        (finished(answer={"dry_run": True, "items": [{"id": "X"}]}), "  ✓ log_issue (dry run)"),
        (finished(replayed=True), "  ✓ log_issue (already done before)"),
        (finished("get_machines", goal=False, answer={"items": [{"id": "X"}]}), "  ✓ get_machines"),
    ],
)
def test_a_tool_call_is_one_line(event: ToolFinished, line: str) -> None:
    assert shown(event).splitlines() == [line]


def test_a_refusal_is_told_once_in_words() -> None:
    refused = finished(ok=False, message="There is no machine X.")
    repeated = shown(refused, TextPiece("There is no machine X. Which one is it?"))
    assert repeated.splitlines() == ["  ✗ log_issue", "There is no machine X. Which one is it?"]
    corrected = shown(refused, TextPiece("Let me look."))
    assert corrected.splitlines() == ["  ✗ log_issue: There is no machine X.", "Let me look."]
    assert shown(refused, Note("It ended.")).splitlines() == ["  ✗ log_issue: There is no machine X.", "It ended."]


def test_what_the_goal_has_found_is_shown_as_a_table_and_a_look_up_before_it_is_not() -> None:
    said = shown(
        finished("list_projects", answer={"items": [{"id": "ALPHA"}]}),
        finished("get_issues", answer={"items": [{"id": "ISS-1"}]}),
        TextPiece("1 found."),
        TaskCompleted("issues", "Issue tracking"),
        end=turn(outcome="completed"),
    )
    assert [line.strip() for line in said.splitlines()] == [
        "✓ list_projects",
        "✓ get_issues",
        "1 found.",
        "id",
        "ISS-1",
        "✓ done",
    ]


def test_withdrawn_text_is_said_to_be_void_and_the_next_begins_on_its_own_line() -> None:
    assert shown(TextPiece("All sto"), TextWithdrawn(), TextPiece("Which machine?")).splitlines() == [
        "All sto",
        "(that is void)",
        "Which machine?",
    ]
    assert shown(TextWithdrawn()) == ""


def test_a_repeated_answer_is_shown_although_nothing_happened() -> None:
    assert shown(end=turn("Stored as [/b] ISS-1.", repeated=True)) == "Stored as [/b] ISS-1.\n"
    assert shown(end=turn("Stored as ISS-1.")) == ""


@pytest.mark.parametrize(
    "event",
    [
        TextPiece(STEERING),
        Note(STEERING),
        AgentChosen("x", STEERING, STEERING),
        finished(STEERING, ok=False, message=STEERING),
        finished(STEERING, answer={"items": [{"id": STEERING}]}),
    ],
)
def test_nothing_that_is_shown_can_steer_the_terminal(event: TurnEvent) -> None:
    end = turn(STEERING, "completed", suggestions=(STEERING,), repeated=True)
    said = shown(event, end=end)
    assert "[31mred" in said
    assert not {"\x1b", "\x07", "\x9b", "\r", "\x08"} & set(said)


def test_the_way_back_is_not_offered_twice() -> None:
    lines = ("Go back to: Log a leak", "List the projects")
    assert "Go back to: Log a leak" in shown(end=turn(suggestions=lines))
    asked = shown(end=turn(suggestions=lines, choices=("Go back to it", "Not now; it waits")))
    assert asked.splitlines() == ["Next you could say:", "  · List the projects"]
    assert shown(end=turn(suggestions=lines[:1], choices=("Go back to it",))) == ""


@pytest.mark.parametrize("text", ["[/bold]", "[red]x[/red]", "ends with \\", "[link=x]"])
def test_brackets_are_letters_and_no_markup(text: str) -> None:
    said = shown(TextPiece(text), Note(text), finished(text, ok=False, message=text), end=turn(suggestions=(text,)))
    assert said.count(text) == 5


def test_on_a_terminal_it_shows_that_something_is_under_way_and_stops_in_the_end() -> None:
    said = shown(ToolStarted("log_issue[/]", {}), finished(), TextPiece("Stored."), terminal=True)
    assert "thinking …" in said
    assert "log_issue[/] …" in said
    assert said.count("\x1b[?25l") == said.count("\x1b[?25h")


def test_line_feeds_and_tabs_stay_and_odd_spaces_become_plain_ones() -> None:
    assert plain("a\n\tb\u00a0c\u2028d\re") == "a\n\tb c d e"
    assert plain("Größe ✓ 寸法") == "Größe ✓ 寸法"
    assert plain("\u202eevil\u200b") == "evil"
    assert harmless("[b]\x1b") == "\\[b]"
