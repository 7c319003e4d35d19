import json
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

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
    note,
    user,
)
from orchestrator_client.dialogue.state import Request, SessionState, TaskState
from orchestrator_client.dialogue.usage import CallUsage, Usage
from orchestrator_client.sessions.export import as_json, as_markdown, overview
from orchestrator_client.sessions.records import (
    BookedCall,
    LoggedCondensed,
    LoggedMessage,
    LoggedTask,
    SessionSummary,
    StoredTurn,
    Transcript,
)

ARGUMENTS = {"title": "a leak", "qty": 1.5}
ANSWER = {"id": "I-1", "steps": ["ü"]}
CALLED = Message(
    role="assistant",
    blocks=(
        TextBlock(text="I log it."),
        OpaqueBlock(provider="claude", data={"secret": "opaque-7"}),
        ToolUseBlock(id="u1", name="log_issue", input=ARGUMENTS),
    ),
)
ANSWERED = Message(
    role="user", blocks=(ToolResultBlock(tool_use_id="u1", content=json.dumps(ANSWER), structured=ANSWER),)
)
REFUSED = Message(role="user", blocks=(ToolResultBlock(tool_use_id="u1", content="no such machine", is_error=True),))
STATE = SessionState(
    project="ALPHA",
    task=TaskState(id="t1", agent="issue_tracking", opening_message="a leak"),
    parked=(TaskState(id="t0", agent="sop_creation", opening_message="an SOP"),),
    waiting=(Request(text="and a plan"),),
)


def session(
    *logged: tuple[int, str, Message],
    said: Sequence[str] = ("a leak",),
    reply: str = "Where?",
    summary: str = "what was",
    open_turn: bool = False,
) -> Transcript:
    """A session with these messages (turn, task, message); each turn but an open last one got the same reply."""
    turns = tuple(
        StoredTurn(
            session_id="s1",
            number=number,
            message_id=f"m{number}",
            text=text,
            result=None
            if open_turn and number == len(said)
            else {"reply": reply, "agent": "issue_tracking", "outcome": "waiting"},
        )
        for number, text in enumerate(said, start=1)
    )
    times = ("2026-11-22T08:00:00.000000+00:00", "2026-11-22T08:05:00.000000+00:00")
    return Transcript(
        summary=SessionSummary("s1", said[0], *times, len(turns), STATE),
        turns=turns,
        log=tuple(LoggedMessage(turn, task_id, message.kind, message) for turn, task_id, message in logged),
        tasks=(LoggedTask("t1", 1, 1, said[0], len(logged)),),
        usage=(
            BookedCall(1, "t1", CallUsage("route", "small", Usage(100, 10), 90, 50.0)),
            BookedCall(1, "t1", CallUsage("agent", "large", Usage(1000, 50, 600, 30), 990, 400.0)),
            BookedCall(2, "t1", CallUsage("agent", "large", Usage(2000, 50, 900, 0), 1990, 500.0)),
        ),
        condensed=(LoggedCondensed("t1", Condensed(1, summary, 1)),),
    )


def tokens(markdown: str) -> list[Token]:
    return MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(markdown)


def blocks(markdown: str) -> list[str]:
    return [token.content for token in tokens(markdown) if token.type == "fence"]


def outline(markdown: str) -> list[str]:
    """Every token that makes structure, whatever text it carries."""
    found: list[str] = []
    for token in tokens(markdown):
        found.append(token.type)
        found += [child.type for child in token.children or () if child.type not in {"text", "code_inline"}]
    return found


def test_json_holds_every_message_call_and_answer_whole() -> None:
    long = "x" * 10_000
    messages = [
        context(long),
        user("a leak"),
        CALLED,
        ANSWERED,
        note("not yet"),
        REFUSED,
    ]
    told = json.loads(json.dumps(as_json(session(*((1, "t1", message) for message in messages)))))
    (turn,) = told["turns"]
    assert [(entry["kind"], entry["text"]) for entry in turn["messages"]] == [
        ("context", long),
        ("person", "a leak"),
        ("agent", "I log it."),
        ("tools", ""),
        ("note", "not yet"),
        ("tools", ""),
    ]
    assert turn["messages"][2]["tool_calls"] == [{"id": "u1", "tool": "log_issue", "arguments": ARGUMENTS}]
    assert turn["messages"][3]["tool_results"] == [
        {"id": "u1", "is_error": False, "content": json.dumps(ANSWER), "structured": ANSWER}
    ]
    assert turn["messages"][5]["tool_results"][0]["is_error"] is True
    assert (turn["text"], turn["reply"], turn["agent"], turn["outcome"]) == (
        "a leak",
        "Where?",
        "issue_tracking",
        "waiting",
    )
    assert [call["input_tokens"] for call in turn["calls"]] == [100, 1000]
    assert SessionState.model_validate({k: v for k, v in told["state"].items() if k != "mode"}, strict=False) == STATE
    assert told["state"]["mode"] == "task_active"
    assert told["condensed"] == [{"task_id": "t1", "turns": 1, "summary": "what was", "cleared_turns": 1}]


def test_usage_is_summed_in_all_and_for_each_model_and_purpose() -> None:
    usage = overview(session())["usage"]
    assert usage["total"] == {
        "calls": 3,
        "input_tokens": 3100,
        "output_tokens": 110,
        "cache_read_tokens": 1500,
        "cache_write_tokens": 30,
        "duration_ms": 950.0,
    }
    assert [(row["model"], row["purpose"], row["calls"], row["input_tokens"]) for row in usage["by_model"]] == [
        ("large", "agent", 2, 3000),
        ("small", "route", 1, 100),
    ]


def test_markdown_tells_who_said_what_in_order() -> None:
    logged = [
        (1, "t1", context("Project: ALPHA")),
        (1, "t1", user("a leak")),
        (1, "t1", CALLED),
        (1, "t1", ANSWERED),
        (1, "t1", assistant("Where?")),
        (2, "talk-2", user("thanks")),
    ]
    written = as_markdown(session(*logged, said=("a leak", "thanks"), reply="Where?"))
    assert blocks(written)[:7] == [
        "a leak\n",
        "Project: ALPHA\n",
        "I log it.\n",
        json.dumps(ARGUMENTS, indent=2) + "\n",
        json.dumps(ANSWER) + "\n",
        "Where?\n",
        "thanks\n",
    ]
    lines = [line for line in written.splitlines() if line.startswith(("#", "**"))]
    assert lines[:11] == [
        "# Session `s1`",
        "## Turn 1",
        "**The person**",
        "### Task `t1`",
        "**What the agent was told**",
        "**The agent**",
        "**The agent calls** `log_issue`",
        "**The tool** `log_issue` **answers**",
        "**The agent**",
        "## Turn 2",
        "**The person**",
    ]
    for fact in ("Project: `ALPHA`", "`sop_creation`, an SOP", "Request that waits: and a plan", "3,100 in, 110 out"):
        assert fact in written


def test_markdown_shows_a_message_served_later_and_an_answer_of_the_orchestrator() -> None:
    logged = [(1, "t1", user("the request kept from before")), (1, "t1", assistant("I see."))]
    shown = blocks(as_markdown(session(*logged, said=("1",), reply="Finished. Now to it: I see.")))
    assert shown[:4] == ["1\n", "the request kept from before\n", "I see.\n", "Finished. Now to it: I see.\n"]


def test_a_turn_that_was_cut_short_is_told_as_such() -> None:
    written = as_markdown(session((1, "t1", user("a leak")), open_turn=True))
    assert "*This turn was cut short and has not ended.*" in written
    assert overview(session(open_turn=True))["turns"][0]["outcome"] is None


def test_markdown_cuts_long_answers_of_tools_and_says_so_but_no_words_of_people_or_agents() -> None:
    long = "x" * 5000
    result = Message(role="user", blocks=(ToolResultBlock(tool_use_id="u1", content=long),))
    shown = blocks(as_markdown(session((1, "t1", CALLED), (1, "t1", result), (1, "t1", assistant(long)), said=[long])))
    assert [len(block) for block in shown[:5]] == [5001, 10, len(json.dumps(ARGUMENTS, indent=2)) + 1, 1501, 5001]
    assert "3,500 more characters" in as_markdown(session((1, "t1", CALLED), (1, "t1", result)))


@pytest.mark.parametrize("write", [as_markdown, lambda transcript: json.dumps(as_json(transcript))])
def test_no_reader_sees_the_marker_of_an_agent_or_what_a_model_keeps_for_itself(write) -> None:
    logged = [
        (1, "t1", CALLED),
        (1, "t1", assistant(f"Done.\n{MARKER}")),
        (1, "t1", note(f"{MARKER} was not accepted")),
    ]
    written = write(session(*logged, reply=f"Done. {MARKER}", summary=f"It said {MARKER}"))
    assert MARKER not in written
    assert "opaque-7" not in written
    assert "was not accepted" in written


HOSTILE = [
    "```\n# Not a heading\n```",
    "````\n~~~\n`````",
    "<script>alert(1)</script>",
    "<!-- \n\n -->",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "[link](http://x.example) ![image](http://x.example/i.png) <http://x.example>",
    "a\r```\r# b",
    "``\x00`\n# b",
    "- list\n\n    code",
    "***\n===\n---",
    "&lt;b&gt; \\",
    "\u2028# b\x85# c\x0b# d",
    "\x1b[2J\u202e",
]
QUIET = "quiet"


def everywhere(text: str) -> Transcript:
    """A session that carries the text wherever something from elsewhere stands."""
    use = ToolUseBlock(id="u1", name=text, input={text: text})
    result = ToolResultBlock(tool_use_id="u1", content=f".{text}.")
    messages = [
        context(f".{text}."),
        user("other words"),
        Message(role="assistant", blocks=(TextBlock(text=f".{text}."), use)),
        Message(role="user", blocks=(result,)),
        note(f".{text}."),
    ]
    whole = session(*((1, text, message) for message in messages), said=(f".{text}.",), reply=f"reply {text}")
    task = TaskState(id=text, agent=text, opening_message=text)
    state = SessionState(project=text, task=task, parked=(task,), waiting=(Request(text=text),))
    return Transcript(
        summary=SessionSummary(text, text, text, text, 1, state),
        turns=whole.turns,
        log=whole.log,
        tasks=whole.tasks,
        usage=(BookedCall(1, text, CallUsage("agent", text, Usage(1, 1), 1, 1.0)),),
        condensed=(LoggedCondensed(text, Condensed(1, f".{text}.", 1)),),
    )


@given(st.one_of(st.text(), st.text(alphabet="`~#<>|-\n\r\t \\a*_[]()!&\x00\x1b\u2028")))
@example("".join(HOSTILE))
def test_no_text_changes_the_structure_of_the_markdown(text: str) -> None:
    written = as_markdown(everywhere(text))
    empty = outline(as_markdown(everywhere("?")))
    marked = [token for token in outline(written) if not token.startswith("em_")]  # an empty name is written *none*
    assert marked == [token for token in empty if not token.startswith("em_")]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    written = as_markdown(everywhere(text))
    assert outline(written) == outline(as_markdown(everywhere(QUIET)))
    assert not [token for token in tokens(written) if token.type == "html_block"]
    assert all(character.isprintable() or character == "\n" for character in written.replace("\t", ""))
