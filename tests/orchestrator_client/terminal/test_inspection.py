import io
from decimal import Decimal

import pytest
from rich.console import Console

from orchestrator_client.dialogue.messages import (
    Message,
    OpaqueBlock,
    TextBlock,
    ToolResultBlock,
    ToolUseBlock,
    context,
    user,
)
from orchestrator_client.dialogue.prices import Price
from orchestrator_client.dialogue.state import Request, SessionState, TaskState
from orchestrator_client.dialogue.usage import NO_USAGE, CallUsage, Purpose, Usage
from orchestrator_client.models.protocol import AgentBrief, ModelRequest, ToolSpec
from orchestrator_client.sessions.store import BookedCall
from orchestrator_client.terminal.inspection import show_context, show_cost, show_tasks

STEERING = "\x1b[31m[/red]\x07"
PLAN = TaskState(id="t1", agent="quality_planning", opening_message="Create a quality plan")
LEAK = TaskState(id="t2", agent="issue_tracking", opening_message=f"Log a leak {STEERING}")
PUMP = TaskState(id="t3", agent="plant_data", opening_message="Show the pumps")
PRICES = {"priced": Price(input=Decimal(10), output=Decimal(20))}
SOME = Usage(100_000, 50_000, cache_read_tokens=25_000)


def screen() -> Console:
    return Console(file=io.StringIO(), width=100, color_system=None)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def tasks(state: SessionState) -> list[str]:
    console = screen()
    show_tasks(state, str.upper, console)
    return printed(console).splitlines()


def booked(turn: int, task: str, purpose: Purpose, usage: Usage = SOME, model: str = "priced") -> BookedCall:
    return BookedCall(turn, task, CallUsage(purpose, model, usage, 0, 1.0))


def costs(*calls: BookedCall) -> list[str]:
    console = screen()
    show_cost(calls, {"t1": "Create a quality plan", "t2": "Log a leak"}, PRICES, console)
    return [" ".join(line.split()) for line in printed(console).splitlines()]


def test_tasks_are_numbered_as_switch_takes_them() -> None:
    state = SessionState(task=PUMP, parked=(PLAN, LEAK), waiting=(Request(text="And then this"),))
    assert tasks(state) == [
        'now  PLANT_DATA: "Show the pumps"',
        '  1  ISSUE_TRACKING: "Log a leak [31m[/red]"',
        '  2  QUALITY_PLANNING: "Create a quality plan"',
        'next  "And then this"',
        "/switch NUMBER goes to a task that waits, /back to the first of them.",
    ]


def test_without_tasks_it_says_so() -> None:
    assert tasks(SessionState()) == ["No task is open."]


def context_of(request: ModelRequest | None, counted: int | None = None) -> str:
    console = screen()
    show_context(request, counted, console)
    return printed(console)


def test_the_context_is_shown_to_the_letter_part_by_part() -> None:
    messages = (
        context("Today is Sunday. [/b]"),
        user(f"Log a leak {STEERING}"),
        Message(
            role="assistant",
            blocks=(
                OpaqueBlock(provider="guided", data={}),
                ToolUseBlock(id="1", name="get_machines", input={"a": "ü"}),
            ),
        ),
        Message(role="user", blocks=(ToolResultBlock(tool_use_id="1", content="none [b]", is_error=True),)),
        Message(role="assistant", blocks=(TextBlock(text="Which machine?"),)),
    )
    tools = (ToolSpec("get_machines", "Find machines.", {"type": "object"}),)
    shown = context_of(ModelRequest(AgentBrief("a", "A", (), "", {}), "Be brief. [x]", messages, tools=tools))
    lines = [line for line in shown.splitlines() if not line.startswith("── ")]
    assert lines[:-2] == [
        "Be brief. [x]",
        "get_machines (22)",
        "/context tools shows them as the agent reads them.",
        "Today is Sunday. [/b]",
        "Log a leak [31m[/red]",
        "(guided keeps its own notes here)",
        '→ get_machines {"a": "ü"}',
        "← error none [b]",
        "Which machine?",
    ]
    kinds = [line.split(" about ")[0] for line in shown.splitlines() if line.startswith("── ")]
    assert kinds == ["── system prompt", "── tools (1)", "── context", "── person", "── agent", "── tools", "── agent"]
    assert lines[-1].startswith("About ")
    assert lines[-1].endswith(" tokens in 5 messages.")


def test_the_tools_are_shown_with_all_that_the_agent_reads_of_them() -> None:
    console = screen()
    tools = (ToolSpec("get_machines", "Find machines.", {"type": "object"}),)
    show_context(ModelRequest(AgentBrief("a", "A", (), "", {}), "", (), tools=tools), None, console, schemas=True)
    assert 'get_machines (22)\nFind machines.\n{"type": "object"}\n' in printed(console)


@pytest.mark.parametrize(("counted", "said"), [(None, "messages."), (1234, "messages; the server counts 1,234.")])
def test_the_count_of_the_server_stands_beside_the_estimate(counted: int | None, said: str) -> None:
    request = ModelRequest(AgentBrief("a", "A", (), "", {}), "", ())
    assert context_of(request, counted).rstrip().endswith(said)


def test_between_tasks_no_agent_sees_anything() -> None:
    assert "No task is active" in context_of(None)


def test_costs_are_told_by_turn_task_and_purpose_and_each_sums_up_to_the_session() -> None:
    lines = costs(
        booked(1, "talk-1", "route"), booked(1, "t1", "agent"), booked(2, "t1", "topic"), booked(3, "talk-3", "route")
    )
    assert lines == [
        "calls input from cache output dollars",
        "last turn 1 100,000 25% 50,000 1.7750",
        'task "Create a quality plan" 2 200,000 25% 100,000 3.5500',
        "between tasks 2 200,000 25% 100,000 3.5500",
        "for route 2 200,000 25% 100,000 3.5500",
        "for agent 1 100,000 25% 50,000 1.7750",
        "for topic 1 100,000 25% 50,000 1.7750",
        "session 4 400,000 25% 200,000 7.1000",
    ]


def test_a_model_without_a_price_is_named_and_its_part_is_marked_as_missing() -> None:
    lines = costs(booked(1, "t1", "agent"), booked(2, "t1", "agent", model=f"local {STEERING}"))
    assert lines[-3:] == [
        "for agent 2 200,000 25% 100,000 1.7750+",
        "session 2 200,000 25% 100,000 1.7750+",
        "No price is known for local [31m[/red]. Set SHOPFLOOR_PRICES.",
    ]


def test_a_model_that_counts_nothing_costs_nothing_and_needs_no_price() -> None:
    assert costs(booked(1, "t1", "agent", NO_USAGE, "guided"))[-1] == "session 1 0 - 0 -"


def test_before_the_first_call_there_is_no_table() -> None:
    assert costs() == ["No model has been called in this session."]
