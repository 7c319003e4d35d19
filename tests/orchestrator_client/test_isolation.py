"""50 conversations at once, each of 20 turns over five tasks, every text marked: no prompt holds a foreign mark.

A mark names its session, its task, the turn it came up in and what it is: `qx07k2n05said`. What each sort of prompt may
hold is the table `ALLOWED`.
"""

import re
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest

from orchestrator_client.agents.registry import Agent, AgentRegistry, ContextNeed, load_agents
from orchestrator_client.context.history import FixedWindow
from orchestrator_client.dialogue.messages import Message, TextBlock, ToolUseBlock
from orchestrator_client.models.protocol import (
    AgentBrief,
    Capabilities,
    Goal,
    ModelReply,
    ModelRequest,
    RouteBrief,
    StreamEvent,
    SummaryBrief,
    TextDelta,
    TopicBrief,
)
from orchestrator_client.models.tokenless import Tokenless
from orchestrator_client.orchestrator import Orchestrator, Turn
from orchestrator_client.sessions.store import SessionStore
from tests.support.recorded_tools import Shop, ShopTool
from tests.support.sample_plant import CLOCK

pytestmark = pytest.mark.anyio

Json = dict[str, Any]

SESSIONS = 50
AGENTS = ("reporting", "planning", "scheduling")
HANDED_OVER = ("machine", "id")
"""The facts that an agent declares in `hand_off`; the project is the session's own."""

TEXT: Json = {"type": "string", "minLength": 1}
_MARK = re.compile(r"qx(?P<session>\d\d)k(?P<task>\d)n(?P<turn>\d\d)(?P<what>[a-z]+)")


@dataclass(frozen=True, slots=True)
class Mark:
    session: int
    task: int
    turn: int
    what: str

    def __str__(self) -> str:
        return f"qx{self.session:02}k{self.task}n{self.turn:02}{self.what}"


def marks_in(text: str) -> set[Mark]:
    return {Mark(int(m["session"]), int(m["task"]), int(m["turn"]), m["what"]) for m in _MARK.finditer(text)}


@dataclass(frozen=True, slots=True)
class Line:
    """One message of a person: what it says, for which task, what comes of it, and which tasks get an agent's turn.

    `@` stands for the agent of the line's task. `parked` are the tasks that wait while the message is worked on.
    """

    text: str
    task: int
    outcome: str
    works: tuple[int, ...] = ()
    parked: tuple[int, ...] = ()


SCRIPT = (
    Line("open @", 1, "waiting", (1,)),
    Line("look that up", 1, "waiting", (1,)),
    Line("leave for @", 2, "choosing"),
    Line("switch now", 2, "waiting", (2,), (1,)),
    Line("look it up", 2, "waiting", (2,), (1,)),
    Line("store it all", 2, "choosing", (2,), (1,)),
    Line("1", 1, "waiting"),
    Line("some more of it", 1, "waiting", (1,)),
    Line("leave for @", 3, "choosing"),
    Line("finish this first", 3, "waiting"),
    Line("look up the rest", 1, "waiting", (1,)),
    Line("store it all", 1, "waiting", (1, 3)),
    Line("look that up", 3, "waiting", (3,)),
    Line("/switch open @", 4, "waiting", (4,), (3,)),
    Line("look this up", 4, "waiting", (4,), (3,)),
    Line("/back", 3, "waiting", (), (4,)),
    Line("some more of it", 3, "waiting", (3,), (4,)),
    Line("leave for @", 5, "choosing", (), (4,)),
    Line("3", 5, "waiting", (5,), (4,)),
    Line("store it all", 5, "choosing", (5,), (4,)),
)
UNMARKED = {"1", "3", "/back"}
"""Answers by number and commands, which are read letter by letter."""

HANDS_TO: Mapping[int, int] = {3: 1, 4: 1, 5: 1}
"""By task, the last one that was finished when it began; the first two tasks began before any was."""


def agent_of(session: int, task: int) -> str:
    """Neighbouring tasks have different agents; a task and the one after the next may share theirs."""
    return AGENTS[(session + task) % len(AGENTS)] if task != 4 else AGENTS[(session + 2) % len(AGENTS)]


def spoken(session: int, number: int) -> str:
    line = SCRIPT[number - 1]
    if line.text in UNMARKED:
        return line.text
    return f"{line.text.replace('@', agent_of(session, line.task))} {Mark(session, line.task, number, 'said')}"


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it was rendered, all of it, and where it belongs. `task` is 0 where there is none."""

    sort: str
    session: int
    task: int
    turn: int
    marks: frozenset[Mark]
    latest: frozenset[Mark] = frozenset()


_now: ContextVar[tuple[int, int]] = ContextVar("session and turn")


@dataclass
class Recorder(Tokenless):
    """Answers by code words, and keeps the marks of every request.

    `talk` are the marks of each task in the order in which they came up in its conversation.
    """

    name: str = "recorder"
    seen: list[Seen] = field(default_factory=list[Seen])
    talk: dict[tuple[int, int], list[set[Mark]]] = field(default_factory=lambda: defaultdict(list))
    capabilities: Capabilities = field(default_factory=lambda: Capabilities(token_counting=False))

    async def stream(self, request: ModelRequest) -> AsyncGenerator[StreamEvent]:
        session, turn = _now.get()
        rendered = frozenset(marks_in(rendering(request)))
        match request.brief:
            case RouteBrief(message=text):
                self.seen.append(Seen("route", session, 0, turn, rendered))
                reply = forced(request, {"agent": named_in(text), "confidence": 0.9, "reason": "named"})
            case TopicBrief(message=text, goal=goal):
                task = task_in(goal)
                latest = frozenset(mark for marks in self.talk[session, task][-3:] for mark in marks)
                self.seen.append(Seen("topic", session, task, turn, rendered, latest))
                leaves = text.startswith("leave")
                answer = {"switch": leaves, "agent": named_in(text) if leaves else "general"}
                reply = forced(request, {**answer, "confidence": 0.95, "reason": "named"})
            case SummaryBrief():
                task = next(mark.task for mark in rendered)
                self.seen.append(Seen("summary", session, task, turn, rendered))
                reply = said(f"Intent: to go on with it. Data: {Mark(session, task, turn, 'summary')}.")
            case AgentBrief(opening_message=opening):
                task = task_in(opening)
                self.seen.append(Seen("agent", session, task, turn, rendered))
                reply = self._worked(request, session, task, turn)
        if reply.text:
            yield TextDelta(reply.text)
        yield ModelReply(reply, "tool_use" if reply.tool_uses else "end_turn", self.name)

    def _worked(self, request: ModelRequest, session: int, task: int, turn: int) -> Message:
        last = request.messages[-1]
        words = next(message.text for message in reversed(request.messages) if message.kind == "person")

        def mark(what: str) -> str:
            return str(Mark(session, task, turn, what))

        if last.kind == "person":
            self.talk[session, task].append(marks_in(words))
            goal = next((tool.name for tool in request.tools if tool.name.startswith("store_")), "")
            if words.startswith("store"):
                return called(goal, {"title": mark("title"), "machine": mark("machine")})
            if words.startswith("look"):
                return called("look_up", {"query": mark("query")})
        answer = f"Noted {mark('answer')}. What else is there?"
        if words.startswith("store"):
            answer = f"Stored {mark('answer')}.\n[TASK_COMPLETE]"
        self.talk[session, task].append(marks_in(answer))
        return said(answer)


def rendering(request: ModelRequest) -> str:
    """Everything that any model could read of a request."""
    messages = "\n".join(message.model_dump_json() for message in request.messages)
    return f"{request.system}\n{messages}\n{request.tools}\n{request.brief}"


def task_in(opening: str) -> int:
    return next(mark.task for mark in marks_in(opening))


def named_in(text: str) -> str:
    return next(agent for agent in AGENTS if agent in text)


def said(text: str) -> Message:
    return Message(role="assistant", blocks=(TextBlock(text=text),))


def called(tool: str, arguments: Json) -> Message:
    use = ToolUseBlock(id=f"use_{next(iter(arguments.values()))}", name=tool, input=arguments)
    return Message(role="assistant", blocks=(use,))


def forced(request: ModelRequest, answer: Json) -> Message:
    return Message(role="assistant", blocks=(ToolUseBlock(id="f", name=str(request.tool_choice), input=answer),))


def kin(text: str, what: str) -> str:
    """The same mark for something else."""
    found = next(iter(marks_in(text)))
    return str(Mark(found.session, found.task, found.turn, what))


def shop() -> Shop:
    """Tools whose answers carry marks: those of the call's, or of the session that the project stands for."""

    def list_faults(args: Json) -> Json:
        session = int(args["project"].removeprefix("P"))
        return {"items": [{"id": "F-1", "title": str(Mark(session, 0, 0, "context"))}], "total": 1}

    def look_up(args: Json) -> Json:
        return {"items": [{"id": "M-1", "name": kin(args["query"], "result")}]}

    def store(args: Json) -> Json:
        record = {"id": kin(args["title"], "id"), "machine": args["machine"], "note": kin(args["title"], "secret")}
        return {"status": "created", "record": record}

    goals = [
        ShopTool(f"store_{agent}", store, {"title": TEXT, "machine": TEXT}, ("title", "machine")) for agent in AGENTS
    ]
    return Shop(
        [
            ShopTool("list_faults", list_faults, {"project": TEXT}, ("project",), read_only=True),
            ShopTool("look_up", look_up, {"query": TEXT}, ("query",), read_only=True),
            *goals,
        ]
    )


def agents() -> AgentRegistry:
    specialists = {
        key: Agent(
            key=key,
            title=key.title(),
            kind="task",
            description=f"Everything about {key}, from the first word to the last.",
            examples=(f"{key}, please", f"I need {key}", f"Help me with {key}"),
            prompt=f"You do the {key}.",
            tools=("list_faults", "look_up"),
            context=(ContextNeed("Open faults", "list_faults", {"project": "$project"}),),
            goals=(Goal(f"store_{key}"),),
            follow_ups=("Show {title}", "Plan a repair for {machine}"),
            hand_off=HANDED_OVER,
        )
        for key in AGENTS
    }
    return AgentRegistry({**specialists, "general": load_agents()["general"]})


# What a prompt may hold besides the marks of its own task

Rule = Callable[[Seen, Mark], bool]


def opens(task: int, mark: Mark) -> bool:
    """Whether the mark stands in the message that opened a task."""
    return mark.what == "said" and mark.task == task and mark.turn == opening_turn(task)


def opening_turn(task: int) -> int:
    return next(
        number for number, line in enumerate(SCRIPT, start=1) if line.task == task and line.text not in UNMARKED
    )


def is_the_message(seen: Seen, mark: Mark) -> bool:
    return (mark.what, mark.turn) == ("said", seen.turn)


def opens_a_parked_task(seen: Seen, mark: Mark) -> bool:
    return any(opens(task, mark) for task in SCRIPT[seen.turn - 1].parked)


def opens_the_task(seen: Seen, mark: Mark) -> bool:
    return opens(seen.task, mark)


def is_among_the_last_three(seen: Seen, mark: Mark) -> bool:
    return mark in seen.latest


def is_of_the_task(seen: Seen, mark: Mark) -> bool:
    return mark.task == seen.task


def is_the_projects_data(_: Seen, mark: Mark) -> bool:
    return mark.what == "context"


def is_handed_over(seen: Seen, mark: Mark) -> bool:
    return mark.what in HANDED_OVER and mark.task == HANDS_TO.get(seen.task)


ALLOWED: Mapping[str, tuple[Rule, ...]] = {
    "route": (is_the_message, opens_a_parked_task),
    "topic": (is_the_message, opens_the_task, is_among_the_last_three),
    "agent": (is_of_the_task, is_the_projects_data, is_handed_over),
    "summary": (is_of_the_task,),
}


def leaks(seen: Seen) -> Iterator[Mark]:
    for mark in seen.marks:
        if mark.session != seen.session or not any(rule(seen, mark) for rule in ALLOWED[seen.sort]):
            yield mark


async def converse(orchestrator: Orchestrator, session: int, turns: dict[tuple[int, int], Turn]) -> None:
    """The whole script of one session."""
    name = f"s{session:02}"
    await orchestrator.set_project(name, f"P{session:02}")
    for number in range(1, len(SCRIPT) + 1):
        _now.set((session, number))
        turns[session, number] = await orchestrator.handle_message(name, spoken(session, number))


async def recorded(folder: Path) -> tuple[Recorder, dict[tuple[int, int], Turn]]:
    """All conversations at the same time, over one orchestrator and one connection."""
    model, turns = Recorder(), dict[tuple[int, int], Turn]()
    store = await SessionStore.open(folder / "sessions.sqlite3")
    try:
        async with shop() as connection:
            orchestrator = Orchestrator(
                model=model,
                routing_model=model,
                agents=agents(),
                connection=connection,
                store=store,
                history=FixedWindow(most_turns=3, kept_turns=2),
                now=CLOCK.now,
            )
            with anyio.fail_after(300):
                async with anyio.create_task_group() as tasks:
                    for session in range(SESSIONS):
                        tasks.start_soon(converse, orchestrator, session, turns)
    finally:
        await store.aclose()
    return model, turns


async def test_no_prompt_holds_what_belongs_to_another_session_or_another_task(tmp_path: Path) -> None:
    model, turns = await recorded(tmp_path)
    assert_it_went_as_written(model, turns)
    found = [(seen.sort, seen.session, seen.task, seen.turn, str(mark)) for seen in model.seen for mark in leaks(seen)]
    assert found == []
    assert_everything_came_up(model)


def assert_it_went_as_written(model: Recorder, turns: Mapping[tuple[int, int], Turn]) -> None:
    """Every switch, return and completion of the script has happened, in every session, and they took turns."""
    assert len(turns) == SESSIONS * len(SCRIPT)
    for (session, number), turn in turns.items():
        assert turn.outcome == SCRIPT[number - 1].outcome, (session, number, turn)
    worked = {(seen.session, seen.turn, seen.task) for seen in model.seen if seen.sort == "agent"}
    written = {(number, task) for number, line in enumerate(SCRIPT, start=1) for task in line.works}
    assert worked == {(session, number, task) for session in range(SESSIONS) for number, task in written}
    assert Counter(agent for turn in turns.values() for agent in turn.completed).total() == 3 * SESSIONS
    answers = Counter(number for (_, number), turn in turns.items() if "Back at" in turn.reply)
    assert answers == {7: SESSIONS, 10: SESSIONS, 16: SESSIONS}
    neighbours = zip(model.seen, model.seen[1:], strict=False)
    assert sum(first.session != second.session for first, second in neighbours) > len(model.seen) / 2


def assert_everything_came_up(model: Recorder) -> None:
    """What the rules allow is really there, so that none of them is idle."""
    sorts = Counter(seen.sort for seen in model.seen)
    assert sorts["route"] == 2 * SESSIONS
    assert min(sorts["topic"], sorts["summary"], sorts["agent"]) >= SESSIONS
    for sort, rules in ALLOWED.items():
        for rule in rules:
            assert any(rule(seen, mark) for seen in model.seen if seen.sort == sort for mark in seen.marks), rule
    handed = {(seen.session, seen.task) for seen in model.seen for mark in seen.marks if is_handed_over(seen, mark)}
    assert handed == {(session, task) for session in range(SESSIONS) for task in HANDS_TO}
    assert {mark.what for seen in model.seen for mark in seen.marks} == {
        *("said", "answer", "query", "result", "title", "machine", "id", "secret", "context", "summary")
    }
