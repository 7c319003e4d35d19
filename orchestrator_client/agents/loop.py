"""One agent answering one message: model, tools, model … until its turn ends, within limits."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from orchestrator_client.agents.limits import GaveUp, Meter
from orchestrator_client.agents.registry import Agent
from orchestrator_client.agents.tool_round import ToolRounds, idempotency_key, not_made, withdraws_tools
from orchestrator_client.context.fencing import fenced
from orchestrator_client.dialogue.completion import (
    MARKER,
    Evidence,
    MarkerFilter,
    Verdict,
    evidence_in,
    judge,
    without_marker,
)
from orchestrator_client.dialogue.confirmation import Demand, demanded
from orchestrator_client.dialogue.messages import Message, assistant, note
from orchestrator_client.errors import ModelMisbehaved
from orchestrator_client.events import Listener, TextPiece, TextWithdrawn
from orchestrator_client.models import protocol
from orchestrator_client.models.protocol import AgentBrief, Model, ModelReply, ModelRequest, TextDelta, ToolSpec
from orchestrator_client.tools.executor import ToolExecutor

__all__ = ["AgentRun", "AgentTurn", "GaveUp", "idempotency_key"]

Remember = Callable[[Message], Awaitable[None]]
Fit = Callable[[ModelRequest], Awaitable[ModelRequest]]


async def _whole(request: ModelRequest) -> ModelRequest:
    """The fit of a task that needs no window."""
    return request


@dataclass(frozen=True, slots=True)
class AgentTurn:
    """How the agent's turn ended: what it said (without the marker), and the evidence of the whole task.

    `confirming`: the words are the server's, and the person is to agree to them or not.
    """

    verdict: Verdict
    text: str
    evidence: tuple[Evidence, ...]
    confirming: bool = False


@dataclass(slots=True)
class AgentRun:
    """Everything one turn of an agent needs.

    `remember` stores each new message before anything depends on it. `fit` turns the request that holds all messages of
    the task into the one to send. `repeatable` names the tools that may be called twice under one key: reads, and
    writes whose server honors keys.
    """

    agent: Agent
    brief: AgentBrief
    system: str
    tools: tuple[ToolSpec, ...]
    repeatable: frozenset[str]
    model: Model
    executor: ToolExecutor
    session_id: str
    task_id: str
    remember: Remember
    tell: Listener
    fit: Fit = _whole
    _meter: Meter = field(init=False)
    _rounds: ToolRounds = field(init=False)
    _shown: MarkerFilter = field(default_factory=MarkerFilter, init=False)

    def __post_init__(self) -> None:
        self._meter = Meter(self.agent)
        self._rounds = ToolRounds(
            agent=self.agent,
            brief=self.brief,
            tools=self.tools,
            repeatable=self.repeatable,
            executor=self.executor,
            session_id=self.session_id,
            task_id=self.task_id,
            tell=self.tell,
        )

    async def answer(self, history: Sequence[Message]) -> AgentTurn:
        """Carry the agent's turn to its end. `history` holds all messages of the task, the newest last.

        A history that ends in the agent's own message is one a crash cut short: its calls are settled, its words told
        again.

        Raises:
            GaveUp: a limit was reached.
            ModelError: the model failed for good; the history stays valid.
        """
        messages = list(history)
        if messages[-1].role == "assistant":
            self._show(without_marker(messages[-1].text))
            turn = None if await self.settle(messages) else await self._taken(messages)
            if turn is not None:
                return turn
        while True:
            demand = demanded(messages)
            if demand is not None:
                return await self._ask_person(messages, demand)
            reply = await self._ask(messages)
            await self._add(messages, reply.message)
            await self._check_ended_well(messages, reply)
            if reply.stop_reason == "pause":
                continue
            turn = await self._taken(messages)
            if turn is not None:
                return turn

    async def _ask_person(self, messages: list[Message], demand: Demand) -> AgentTurn:
        """Put the server's demand to the person, in its own words; no model stands between them."""
        self._show(without_marker(demand.question))
        await self._add(messages, assistant(demand.question))
        return self._ended(messages)

    async def settle(self, messages: list[Message]) -> bool:
        """Answer the calls that a crash left without one, and add the answer; False if there are none.

        They are made again under their keys. A write that must not be repeated is reported as of unknown outcome.
        """
        if not messages[-1].tool_uses:
            return False
        await self._add(messages, await self._rounds.carry_out(messages, again=True))
        return True

    async def _taken(self, messages: list[Message]) -> AgentTurn | None:
        """What the last message, the agent's, leads to: the end of the turn, or None for another round."""
        if messages[-1].tool_uses:
            await self._run_tools(messages)
            return None
        turn = self._ended(messages)
        if turn.verdict is not Verdict.REFUSED:
            return turn
        self.tell(TextWithdrawn())
        refusal = _refusal(self.brief)
        if _refused_before(messages, refusal):
            return turn
        await self._add(messages, refusal)
        return None

    def _ended(self, messages: Sequence[Message]) -> AgentTurn:
        """The end of a turn whose last message calls no tool."""
        last = messages[-1]
        evidence = evidence_in(messages, {goal.tool for goal in self.agent.goals})
        demand = demanded(messages[:-1])
        if demand is not None and last.text == demand.question:
            return AgentTurn(Verdict.WAITING, without_marker(last.text), evidence, confirming=True)
        verdict = judge(last, evidence) if self.agent.kind == "task" else Verdict.WAITING
        return AgentTurn(verdict, without_marker(last.text), evidence)

    async def _check_ended_well(self, messages: list[Message], reply: ModelReply) -> None:
        match reply.stop_reason:
            case "max_tokens" | "context_window":
                reason = "The answer became too long and was cut off."
            case "refusal":
                reason = "The model declined to answer this."
            case _:
                return
        await self._give_up(messages, GaveUp(reason))

    async def _give_up(self, messages: list[Message], limit: GaveUp) -> None:
        """Raise what ended the task, after saying of the calls of the last message that none was made."""
        if messages[-1].tool_uses:
            await self._add(messages, not_made(messages[-1].tool_uses))
        raise limit

    async def _ask(self, messages: Sequence[Message]) -> ModelReply:
        self._meter.before_model_call(messages)
        request = await self._request(messages)
        reply = await self._streamed(request)
        self._meter.after_model_call(request, reply)
        return reply

    async def _request(self, messages: Sequence[Message]) -> ModelRequest:
        """The request as it is sent. Tools are withdrawn by the choice alone, so that they stay in the cache."""
        whole = ModelRequest(
            brief=self.brief,
            system=self.system,
            messages=tuple(messages),
            tools=self.tools,
            tool_choice="none" if self.tools and withdraws_tools(messages[-1]) else None,
        )
        fitting = await self.fit(whole)
        return replace(fitting, messages=fenced(fitting.messages))

    async def _streamed(self, request: ModelRequest) -> ModelReply:
        """The reply, its text shown as it comes. After a pause it goes on, so what may become the marker stays held."""
        try:
            async with aclosing(self.model.stream(request)) as stream:
                async for event in stream:
                    match event:
                        case TextDelta(text):
                            self._show(self._shown.feed(text))
                        case protocol.TextWithdrawn():
                            self._shown = MarkerFilter()
                            self.tell(TextWithdrawn())
                        case ModelReply():
                            if event.stop_reason != "pause":
                                self._show(self._shown.flush())
                            return event
        except BaseException:
            self.tell(TextWithdrawn())
            raise
        raise ModelMisbehaved("The model's stream ended without a reply.")

    def _show(self, text: str) -> None:
        if text:
            self.tell(TextPiece(text))

    async def _add(self, messages: list[Message], message: Message) -> None:
        await self.remember(message)
        messages.append(message)

    async def _run_tools(self, messages: list[Message]) -> None:
        """Answer every call of the last message, in one message, within the limits."""
        repeated = self._rounds.repeated(messages)
        try:
            self._meter.before_tool_calls(len(messages[-1].tool_uses) - len(repeated), repeated)
        except GaveUp as limit:
            await self._give_up(messages, limit)
        await self._add(messages, await self._rounds.carry_out(messages))
        self._meter.after_tool_calls(self._rounds.stopped)


def _refused_before(messages: Sequence[Message], refusal: Message) -> bool:
    """Whether the agent was refused since the person last spoke."""
    said = (message for message in reversed(messages) if message.role == "user" and not message.tool_results)
    return next(said, None) == refusal


def _refusal(brief: AgentBrief) -> Message:
    goals = ", ".join(goal.tool for goal in brief.goals)
    return note(
        f"[orchestrator] {MARKER} was not accepted: none of {goals} has succeeded in this task. If something is "
        "missing, call the tool or ask the user for it. Do not claim a result that no tool returned."
    )
