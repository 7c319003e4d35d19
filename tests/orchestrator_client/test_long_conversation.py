"""One task of 100 turns through the whole client, on the real server and store, under every history policy.

`pytest -s` prints the curves that `docs/concepts/history.md` shows.
"""

import json
import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise, product
from pathlib import Path

import anyio
import pytest
from rich.console import Console
from rich.table import Table

from orchestrator_client.agents.registry import load_agents
from orchestrator_client.context.history import Summarizer, Windowing, policy_named
from orchestrator_client.dialogue.messages import Message, TextBlock, ToolUseBlock, assistant
from orchestrator_client.dialogue.prices import Price, cost
from orchestrator_client.dialogue.usage import NO_USAGE, Usage
from orchestrator_client.errors import ModelUnavailable
from orchestrator_client.models.messages_api.request import message_parameters
from orchestrator_client.models.protocol import (
    Capabilities,
    ModelReply,
    ModelRequest,
    RouteBrief,
    StreamEvent,
    TopicBrief,
)
from orchestrator_client.models.tokenless import Tokenless
from orchestrator_client.models.tokens import request_tokens
from orchestrator_client.orchestrator import Orchestrator
from orchestrator_client.sessions.store import SESSIONS_NAME, SessionStore, Transcript
from orchestrator_client.tools.connection import ToolConnection
from tests.support.assistant import is_valid, our_server, seeded
from tests.support.sample_plant import CLOCK

pytestmark = pytest.mark.anyio

TURNS = 100
WINDOW_TOKENS = 32_000
"""What local servers often have; system prompt, tools and first context of the agent take 9,000 of them."""

EVERY, EARLIER, LATER = range(1, TURNS + 1), range(20, 61), range(60, TURNS + 1)
LIMIT_S = 100.0
PRICES = {"planner": Price(input=Decimal(3), output=Decimal(15)), "clerk": Price(input=Decimal(1), output=Decimal(5))}

OPENING = "Create a quality plan for Project Alpha, please."
GIVEN = "The bridge bolts get 118.5 Nm. Leaks are tested on LT-130 only, and never use gauge GG-03."
FACTS = ("118.5 Nm", "LT-130", "never use gauge GG-03")

QUESTIONS = (
    "Which characteristic comes next?",
    "How many pieces shall be taken, and how often?",
    "Who reacts when a piece is out of limits?",
    "Shall I note it like this in the draft?",
    "Is there anything else about this row?",
)
READS: tuple[Callable[[int], tuple[str, dict[str, object]]], ...] = (
    lambda turn: ("get_specs", {"project": "ALPHA", "limit": 10 + turn}),
    lambda turn: ("get_resources", {"project": "ALPHA", "kind": "gauge", "limit": 5 + turn}),
    lambda turn: ("get_record", {"project": "ALPHA", "type": "machine", "id": f"MC-{100 + turn}"}),
    lambda turn: ("get_machines", {"project": "ALPHA", "limit": 10 + turn}),
)
"""The third one fails for most turns: there are not so many machines."""


def said(turn: int) -> str:
    """What a planner types: rows of a plan, remarks, plain answers. No two rows are alike."""
    if turn <= 2:
        return (OPENING, GIVEN)[turn - 1]
    return (
        f"Next is row {turn}: SP-{turn % 17 + 1:03d} on MC-{100 + turn % 9}, measured with AG-01.",
        f"{turn % 7 + 2} pieces every {turn % 6 + 1} hours",
        "The shift lead, as always; he knows what to do then, and the others ask him anyway.",
        "yes",
        f"Hm, what was the limit there again? They talked about 0.{turn:02d} mm in the last meeting, I think.",
    )[turn % 5]


def figures(turn: int) -> str:
    """Another planner: six figures or more in every turn, none of them said twice in the same row."""
    if turn <= 2:
        return (OPENING, GIVEN)[turn - 1]
    return (
        f"Row {turn}: SP-{turn + 100} on MC-{turn + 300}, {turn}.25 mm +0.{turn:03d}/-0.{turn + 7:03d}, "
        f"{turn % 7 + 2} pieces every {turn % 6 + 1} hours with AG-{turn % 12:02d}."
    )


def parts_of(request: ModelRequest) -> list[str]:
    """What goes over the wire: tools, system prompt, then every block of the messages."""
    parameters = message_parameters(request, model="m", effort=None)
    blocks = [[message["role"], block] for message in parameters["messages"] for block in message["content"]]
    return [json.dumps(part) for part in (parameters.get("tools"), parameters.get("system"), *blocks)]


def counted(text: str) -> int:
    """Tokens a little smaller than those we estimate with."""
    return len(text.encode()) // 3


class Planner(Tokenless):
    """An agent that looks things up now and then, asks on, and repeats nothing of what it was told.

    It counts as a server with a prompt cache does: the longest prefix it has read before comes from the cache.
    """

    name = "planner"

    def __init__(self) -> None:
        self.turn = 0
        self.prompts: dict[int, list[ModelRequest]] = {}
        self._read: list[list[str]] = []

    async def window_tokens(self) -> int | None:
        return WINDOW_TOKENS

    async def stream(self, request: ModelRequest) -> AsyncGenerator[StreamEvent]:
        self.prompts.setdefault(self.turn, []).append(request)
        text, calls = f"Noted. {QUESTIONS[self.turn % len(QUESTIONS)]}", ()
        if self.turn % 3 == 0 and request.messages[-1].kind != "tools":
            name, arguments = READS[self.turn // 3 % len(READS)](self.turn)
            text, calls = "I look that up.", (ToolUseBlock(id=f"toolu_{self.turn}", name=name, input=arguments),)
        reply = Message(role="assistant", blocks=(TextBlock(text=text), *calls))
        yield ModelReply(reply, "tool_use" if calls else "end_turn", self.name, self._usage(parts_of(request)))

    def _usage(self, parts: list[str]) -> Usage:
        cached = max((len(read) for read in self._read if parts[: len(read)] == read), default=0)
        self._read += [parts[:2], parts]
        size = counted("".join(parts))
        from_cache = counted("".join(parts[:cached]))
        return Usage(size, 40, cache_read_tokens=from_cache, cache_write_tokens=size - from_cache)


class Clerk(Tokenless):
    """Routes, finds every message on topic, and writes summaries, of which every third one fails."""

    name = "clerk"
    capabilities = Capabilities(strict_tools=True, caching=False, token_counting=False, summaries=True)

    def __init__(self) -> None:
        self.asked_for_summaries = 0

    async def stream(self, request: ModelRequest) -> AsyncGenerator[StreamEvent]:
        match request.brief:
            case RouteBrief():
                reply = decision("route", agent="quality_planning", confidence=0.95, reason="a plan")
            case TopicBrief():
                reply = decision("topic", switch=False, agent="general", confidence=0.9, reason="about the plan")
            case _:
                self.asked_for_summaries += 1
                if self.asked_for_summaries % 3 == 0:
                    raise ModelUnavailable("Overloaded.", suggestion="Try again in a moment.")
                reply = assistant(summary_of(request.messages[0].text))
        usage = Usage(counted("".join(parts_of(request))), counted(reply.model_dump_json()))
        yield ModelReply(reply, "tool_use" if reply.tool_uses else "end_turn", self.name, usage)


def decision(tool: str, **answer: object) -> Message:
    return Message(role="assistant", blocks=(ToolUseBlock(id="toolu_decision", name=tool, input=answer),))


def summary_of(conversation: str) -> str:
    """It tells of the rows, and nothing of what was given in turn 2."""
    rows = sorted({int(row) for row in re.findall(r"row (\d+)", conversation)})
    return (
        "Intent: a quality plan for Project Alpha. Decisions: the shift lead reacts everywhere. "
        f"Data: rows {', '.join(map(str, rows))}. Progress: these rows are in the draft, nothing is stored yet."
    )


@dataclass(frozen=True)
class Talk:
    """The whole conversation: what the agent was shown in each turn, the log halfway, and what is stored in the end."""

    prompts: Mapping[int, Sequence[ModelRequest]]
    asked_for_summaries: int
    halfway: Sequence[Message]
    stored: Transcript

    @property
    def log(self) -> list[Message]:
        return [entry.message for entry in self.stored.log]

    @property
    def requests(self) -> list[ModelRequest]:
        return [request for turn in sorted(self.prompts) for request in self.prompts[turn]]

    def prompt(self, *turns: int) -> int:
        """Tokens of the largest prompt in these turns, as the model counted them."""
        agent = (booked for booked in self.stored.usage if booked.call.purpose == "agent")
        return max(booked.call.usage.input_tokens for booked in agent if booked.turn in turns)

    def usage(self, model: str, *turns: int) -> Usage:
        calls = [booked.call for booked in self.stored.usage if booked.turn in turns and booked.call.model == model]
        return sum((call.usage for call in calls), NO_USAGE)

    def dollars(self, *turns: int) -> Decimal:
        """What one of these turns costs on the average, with routing, topic and summaries."""
        return sum((cost(self.usage(model, *turns), price) for model, price in PRICES.items()), Decimal(0)) / len(turns)


async def long_talk(data_dir: Path, policy: str, says: Callable[[int], str] = said) -> Talk:
    planner, clerk = Planner(), Clerk()
    await seeded(data_dir)
    store = await SessionStore.open(data_dir / SESSIONS_NAME)
    halfway: list[Message] = []
    try:
        async with ToolConnection(our_server(data_dir)) as connection:
            orchestrator = Orchestrator(
                model=planner,
                routing_model=clerk,
                agents=load_agents(),
                connection=connection,
                store=store,
                history=policy_named(policy),
                now=CLOCK.now,
            )
            await orchestrator.set_project("s1", "ALPHA")
            for planner.turn in range(1, TURNS + 1):
                turn = await orchestrator.handle_message("s1", says(planner.turn))
                assert (turn.agent, turn.outcome) == ("quality_planning", "waiting"), turn.reply
                if planner.turn == TURNS // 2:
                    halfway = [entry.message for entry in await store.log("s1")]
        stored = await store.transcript("s1")
    finally:
        await store.aclose()
    assert stored is not None
    return Talk(planner.prompts, clerk.asked_for_summaries, halfway, stored)


def whole(talk: Talk, turn: int) -> int:
    """What the prompt of a turn would have with all that was said before it."""
    before = tuple(entry.message for entry in talk.stored.log if entry.turn < turn)
    return counted("".join(parts_of(replace(talk.requests[0], messages=before))))


def show(policy: str, talk: Talk) -> None:
    spans = [range(first, first + 20) for first in range(1, TURNS, 20)]
    table = Table("largest prompt", *(f"{span[0]}-{span[-1]}" for span in spans), "from cache", "dollars a turn")
    used = talk.usage("planner", *EVERY)
    cached = f"{used.cache_read_tokens / used.input_tokens:.0%}"
    table.add_row(policy, *(f"{talk.prompt(*span):,}" for span in spans), cached, f"{talk.dollars(*EVERY):.4f}")
    table.add_row("no window", *(f"{whole(talk, span[-1]):,}" for span in spans))
    Console(width=120).print(table)


@pytest.mark.parametrize("policy", ["tokens", "fixed", "task"])
async def test_a_task_of_a_hundred_turns_stays_small_and_cheap_and_forgets_nothing(tmp_path: Path, policy: str) -> None:
    with anyio.fail_after(LIMIT_S):
        talk = await long_talk(tmp_path, policy)
    show(policy, talk)

    last = "".join(parts_of(talk.requests[-1]))
    assert [fact for fact in (OPENING, *FACTS) if fact not in last] == []
    assert GIVEN not in [message.text for message in talk.requests[-1].messages], "turn 2 is still in the window"
    assert summary_of("")[:40] in last
    assert talk.asked_for_summaries > (2 if policy == "fixed" else 0), "no summary was made, or none failed"

    assert talk.prompt(*LATER) <= 1.25 * talk.prompt(*EARLIER)
    assert talk.dollars(*LATER) <= Decimal("1.25") * talk.dollars(*EARLIER)
    assert talk.prompt(*EVERY) <= WINDOW_TOKENS - talk.requests[0].max_tokens
    assert whole(talk, TURNS) > 2 * talk.prompt(*LATER), "nothing had to be left out"

    assert [request for request in talk.requests if not is_valid(request.messages)] == []
    assert len({tuple(parts_of(request)[:2]) for request in talk.requests}) == 1

    assert [message.text for message in talk.log if message.kind == "person"] == list(map(said, EVERY))
    assert talk.log[: len(talk.halfway)] == list(talk.halfway)
    assert all(turn.result is not None for turn in talk.stored.turns)
    assert len(talk.stored.turns) == TURNS


@dataclass(frozen=True)
class Replay:
    """The same talk in another window: what the model is shown, and how often that is condensed further."""

    requests: Sequence[ModelRequest]
    condensations: int
    left_out: int

    @property
    def largest(self) -> int:
        return max(counted("".join(parts_of(request))) for request in self.requests)

    @property
    def kept_prefixes(self) -> float:
        """The share of requests that begin with all messages of the one before."""
        kept = (after.messages[: len(before.messages)] == before.messages for before, after in pairwise(self.requests))
        return sum(kept) / len(self.requests)


async def replayed(talk: Talk, policy: str, window_tokens: int) -> Replay:
    windowing = Windowing(policy_named(policy), Summarizer(Clerk()))
    condensed = None
    requests, condensations, left_out, scale = list[ModelRequest](), 0, 0, 1.0
    for end in (end for end, message in enumerate(talk.log, start=1) if message.kind in {"person", "tools"}):
        request = replace(talk.requests[0], messages=tuple(talk.log[:end]))
        fitted = await windowing.fit(request, condensed, window_tokens=window_tokens, scale=scale)
        condensations += fitted.changed
        left_out += fitted.left_out_turns > (condensed.turns if condensed else 0)
        condensed = fitted.condensed
        requests.append(fitted.request)
        scale = counted("".join(parts_of(fitted.request))) / request_tokens(fitted.request)
    return Replay(requests, condensations, left_out)


MOST_CONDENSATIONS = {16_000: 45, 24_000: 25, 32_000: 20}
"""In 100 turns, of which 33 look something up. In 16,000 tokens, one answer takes all that is left."""


async def test_a_hundred_turns_full_of_figures_forget_nothing_of_turn_2_in_any_window(tmp_path: Path) -> None:
    with anyio.fail_after(LIMIT_S):
        talk = await long_talk(tmp_path, "tokens", figures)
    last = "".join(parts_of(talk.requests[-1]))
    assert [fact for fact in (OPENING, *FACTS) if fact not in last] == []
    assert "more left out for want of room" in last
    table = Table("window", "policy", "condensed", "turns left out", "largest prompt", "prefix kept")
    for (window, most), policy in product(MOST_CONDENSATIONS.items(), ("tokens", "fixed", "task")):
        replay = await replayed(talk, policy, window)
        row = (window, policy, replay.condensations, replay.left_out, replay.largest, f"{replay.kept_prefixes:.0%}")
        table.add_row(*map(str, row))
        shown = "".join(parts_of(replay.requests[-1]))
        assert [fact for fact in FACTS if fact not in shown] == [], row
        assert replay.condensations <= most, row
        assert replay.largest <= window - talk.requests[0].max_tokens, row
        assert len({tuple(parts_of(request)[:2]) for request in replay.requests}) == 1
    Console(width=120).print(table)
