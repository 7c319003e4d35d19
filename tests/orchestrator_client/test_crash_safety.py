"""Turns that die at any of their writes to the session store, and what the next program makes of them."""

import re
import shutil
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestrator_client.agents.registry import load_agents
from orchestrator_client.context.history import Policy, WholeTask
from orchestrator_client.dialogue.condensed import Condensed
from orchestrator_client.dialogue.messages import Message, TextBlock, ToolUseBlock, assistant
from orchestrator_client.dialogue.state import SessionState
from orchestrator_client.dialogue.usage import Usage
from orchestrator_client.models.protocol import (
    AgentBrief,
    Capabilities,
    ModelReply,
    ModelRequest,
    RouteBrief,
    StreamEvent,
    SummaryBrief,
    TextDelta,
    TopicBrief,
)
from orchestrator_client.models.tokenless import Tokenless
from orchestrator_client.orchestrator import Orchestrator
from orchestrator_client.sessions.sqlite_file import SqliteFile
from orchestrator_client.sessions.store import SessionStore, StoredTurn
from orchestrator_client.sessions.turn_locks import TurnLocks
from orchestrator_client.tools.connection import ToolConnection
from tests.support.assistant import is_valid, our_server, rows, seeded
from tests.support.sample_plant import CLOCK, report

pytestmark = pytest.mark.anyio

AGENTS = load_agents()
DONE = "It is stored.\n[TASK_COMPLETE]"


class Killed(BaseException):
    """The program is gone; nothing that it could still do counts."""


class MortalStore(SessionStore):
    """Dies before or after one of its writes; `writes` counts them, `calls` are those that told of calls to be made."""

    writes = 0
    dies_at = -1
    """Even: before write number n/2, odd: right after it. Negative: never."""

    def __init__(self, file: SqliteFile, locks: TurnLocks) -> None:
        super().__init__(file, locks)
        self.calls: set[int] = set()

    async def step(self, *turn: Any, **step: Any) -> None:
        if any(message.tool_uses for message in step["messages"]):
            self.calls.add(self.writes)
        await self._mortal(super().step, *turn, **step)

    async def finish_turn(self, *turn: Any, **result: Any) -> None:
        await self._mortal(super().finish_turn, *turn, **result)

    async def keep_condensed(self, turn: StoredTurn, task_id: str, condensed: Condensed) -> None:
        await self._mortal(super().keep_condensed, turn, task_id, condensed)

    async def _mortal(self, write: Any, *arguments: Any, **more: Any) -> None:
        if self.dies_at == 2 * self.writes:
            raise Killed
        await write(*arguments, **more)
        if self.dies_at == 2 * self.writes + 1:
            raise Killed
        self.writes += 1


class Workers(Tokenless):
    """Router, detector and agents that do the same for the same conversation, whoever asks.

    A message "report …" has an issue stored at once, "leak …" after a question, "look up …" after a call and a
    question; everything else is small talk. `mark` is added to the titles.
    """

    name = "workers"
    capabilities = Capabilities(strict_tools=True, caching=False, token_counting=False, summaries=True)

    def __init__(self, mark: str) -> None:
        self._mark = mark

    async def stream(self, request: ModelRequest) -> AsyncGenerator[StreamEvent]:
        reply = self._answer(request)
        yield TextDelta(reply.text)
        stop = "tool_use" if reply.tool_uses else "end_turn"
        yield ModelReply(reply, stop, self.name, Usage(input_tokens=10, output_tokens=1))

    def _answer(self, request: ModelRequest) -> Message:
        match request.brief:
            case RouteBrief(message=text):
                unsure = text.startswith("leak or")
                return call("route", "r", agent=_agent_for(text), confidence=0.3 if unsure else 0.9, reason="scripted")
            case TopicBrief(message=text):
                other = text.startswith(("report", "leak", "hello"))
                return call("topic", "t", switch=other, agent=_agent_for(text), confidence=0.95, reason="scripted")
            case SummaryBrief():
                return assistant("Intent: to report what was found. Progress: it is under way.")
            case AgentBrief(agent="general"):
                return assistant(f"Good to hear from you: {request.messages[-1].text}")
            case AgentBrief():
                return self._work(request)

    def _work(self, request: ModelRequest) -> Message:
        last = request.messages[-1]
        opening = next(message.text for message in request.messages if message.kind == "person")
        written = [use for message in request.messages for use in message.tool_uses if use.name == "log_issue"]
        said = [message.text for message in request.messages if message.kind == "person"]
        if written:
            return assistant(DONE)
        if last.kind == "tools":
            return assistant("What is wrong with it?")
        if opening.startswith("look up") and len(said) == 1:
            return call("get_issues", f"toolu_{opening}", project="ALPHA")
        if opening.startswith("leak") and len(said) == 1:
            return assistant("Where is it?")
        title = f"{opening} #{self._mark}"
        return call("log_issue", f"toolu_{title}", **report(title=title, force_new=True))


def call(name: str, use_id: str, **arguments: Any) -> Message:
    text = (TextBlock(text="One moment."),) if name not in {"route", "topic"} else ()
    return Message(role="assistant", blocks=(*text, ToolUseBlock(id=use_id, name=name, input=arguments)))


def _agent_for(text: str) -> str:
    return "issue_tracking" if text.startswith(("report", "leak", "look up")) else "general"


@dataclass
class Kept:
    """What a session file and the plant hold in the end, without what differs from one program to the next."""

    state: str
    log: list[tuple[int, str, str | bool]]
    agent_calls: list[int]
    issues: int


@dataclass
class Desk:
    """Programs that come and go over session files; the tool server stays."""

    folder: Path
    connection: ToolConnection
    policy: Policy

    @asynccontextmanager
    async def program(self, name: str, *, dies_at: int = -1) -> AsyncGenerator[tuple[Orchestrator, MortalStore]]:
        """A program on the session file of this name, whose model names what it stores after it."""
        store = await MortalStore.open(self.folder / name)
        store.dies_at = dies_at
        model = Workers(name)
        orchestrator = Orchestrator(
            model=model,
            routing_model=model,
            agents=AGENTS,
            connection=self.connection,
            store=store,
            history=self.policy,
            now=CLOCK.now,
        )
        yield orchestrator, store
        await store.aclose()

    async def killed(self, name: str, last: str, point: int) -> None:
        """A copy of the conversation so far, and a program that dies while it answers the last message."""
        shutil.copy(self.folder / "before", self.folder / name)
        async with self.program(name, dies_at=point) as (orchestrator, _):
            with pytest.raises(Killed):
                await orchestrator.handle_message("s1", last, message_id="last")

    async def kept(self, name: str) -> Kept:
        async with self.program(name) as (_, store):
            assert await store.unfinished_turn("s1") is None
            log = await store.log("s1")
            for task in {entry.task_id for entry in log}:
                assert is_valid([entry.message for entry in log if entry.task_id == task])
            said = [(entry, entry.message) for entry in log]
            return Kept(
                state=_nameless(await store.state("s1")),
                log=[(entry.turn, message.kind, message.kind == "context" or message.text) for entry, message in said],
                agent_calls=[entry.turn for entry in await store.usage("s1") if entry.call.purpose == "agent"],
                issues=len(rows(self.folder, f"SELECT id FROM issues WHERE title LIKE '% #{name}'")),
            )


def _nameless(state: SessionState) -> str:
    return re.sub(r"[0-9a-f]{32}|ISS-[0-9-]+|#[a-z0-9]+", "_", state.model_dump_json())


@asynccontextmanager
async def desk(folder: Path, policy: Policy) -> AsyncGenerator[Desk]:
    await seeded(folder)
    async with ToolConnection(our_server(folder)) as connection:
        yield Desk(folder, connection, policy)


SCENES: dict[str, tuple[str, ...]] = {
    "a task is completed and the request that waits is served": ("leak A", "report B", "finish", "at the pump"),
    "small talk while a task is put aside": ("leak A", "/switch hello B"),
    "a task is completed and one that was put aside is offered": ("leak A", "/switch leak B", "on top"),
    "switch now": ("leak A", "report B", "2"),
    "cancel and serve": ("look up A", "report B", "cancel it"),
    "cancel by command at the question": ("look up A", "leak B", "/cancel"),
    "finish first": ("leak A", "report B", "finish first"),
    "clarify and choose": ("leak or not", "1"),
    "back to a task that was put aside": ("leak A", "/switch look up B", "/back"),
    "switch by command": ("leak A", "/switch report B"),
    "the project is known late": ("look up A", "it drips"),
    "small talk": ("hello",),
}


@pytest.mark.parametrize("scene", SCENES)
async def test_a_turn_that_dies_at_any_write_ends_as_if_nothing_had_happened(tmp_path: Path, scene: str) -> None:
    *before, last = SCENES[scene]
    async with desk(tmp_path, WholeTask()) as at:
        await everywhere(at, before, last)


async def everywhere(at: Desk, before: Sequence[str], last: str) -> None:
    """Let the last turn of a conversation die at each of its writes, and compare what comes of it."""
    async with at.program("before") as (orchestrator, _):
        await orchestrator.recover("s1")
        for text in before:
            await orchestrator.handle_message("s1", text)
    shutil.copy(at.folder / "before", at.folder / "whole")
    async with at.program("whole") as (orchestrator, store):
        wanted = await orchestrator.handle_message("s1", last)
    whole = await at.kept("whole")
    for point in sorted([*range(0, 2 * store.writes, 2), *(2 * write + 1 for write in store.calls)]):
        name = f"k{point}"
        await at.killed(name, last, point)
        async with at.program(name) as (orchestrator, _):
            turn = await orchestrator.recover("s1")
            assert turn is not None
            assert (turn.outcome, turn.completed) == (wanted.outcome, wanted.completed), (point, turn)
            assert turn.choices == wanted.choices, point
            assert set(wanted.reply.splitlines()) <= set(turn.reply.splitlines()), point
            again = await orchestrator.handle_message("s1", "whatever", message_id="last")
            assert (again, again.repeated) == (turn, True)
        assert await at.kept(name) == whole, point
