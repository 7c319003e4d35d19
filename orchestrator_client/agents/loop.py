"""One agent answering one message: model, tools, model … until its turn ends, within limits."""

import json
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import anyio

from orchestrator_client.agents.registry import Agent
from orchestrator_client.context.window import window
from orchestrator_client.dialogue.completion import (
    MARKER,
    Evidence,
    MarkerFilter,
    Verdict,
    evidence_in,
    judge,
    without_marker,
)
from orchestrator_client.dialogue.confirmation import CONFIRMATION, DEMAND_CODE, Demand, demanded, may_pass
from orchestrator_client.dialogue.messages import Message, ToolResultBlock, ToolUseBlock, assistant, note
from orchestrator_client.errors import ModelMisbehaved, OutcomeUnknown
from orchestrator_client.events import Listener, TextPiece, TextWithdrawn, ToolFinished, ToolStarted
from orchestrator_client.models import protocol
from orchestrator_client.models.protocol import AgentBrief, Model, ModelReply, ModelRequest, TextDelta, ToolSpec
from orchestrator_client.tools.executor import ToolExecutor, ToolFailure, ToolOutcome
from orchestrator_client.tools.outcome import ErrorObject

__all__ = ["AgentRun", "AgentTurn", "GaveUp", "idempotency_key"]

_MOST_TURNS = 30
_MOST_REPEATS = 3
_KEYS = uuid.UUID("6f1c2a0e-6a0f-4d9e-9d53-2f0f3b7c1d55")
_CUT_SHORT = ErrorObject(
    code=OutcomeUnknown.code,
    message="The program stopped during this call; it may have been carried out.",
    suggestion="Look it up before you call it again.",
    outcome_known=False,
)

_NOT_CONFIRMED = ErrorObject(
    code="not_confirmed",
    message="The call was not made: no person has agreed to this.",
    field=CONFIRMATION,
    suggestion=f"Call it without {CONFIRMATION}; the user is asked then. Only after a plain yes call it with the code.",
)

Remember = Callable[[Message], Awaitable[None]]


class GaveUp(Exception):
    """A limit ended the task. The text is for the person."""


@dataclass(frozen=True, slots=True)
class AgentTurn:
    """How the agent's turn ended: what it said (without the marker), and the evidence of the whole task."""

    verdict: Verdict
    text: str
    evidence: tuple[Evidence, ...]


def idempotency_key(session_id: str, task_id: str, tool_use_id: str) -> str:
    """The key of a write: the same after a crash and in every retry, another for every new decision."""
    return str(uuid.uuid5(_KEYS, f"{session_id}/{task_id}/{tool_use_id}"))


@dataclass(slots=True)
class AgentRun:
    """Everything one turn of an agent needs.

    `remember` stores each new message before anything depends on it. `repeatable` names the tools that may be called
    twice under one key: reads, and writes whose server honors keys.
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
    _calls: int = 0
    _repeats: int = 0
    _answered: dict[str, ToolResultBlock] = field(default_factory=dict[str, ToolResultBlock])

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
        for _ in range(self.agent.limits.model_calls):
            demand = demanded(messages)
            if demand is not None:
                return await self._ask_person(messages, demand)
            reply = await self._ask(messages)
            await self._add(messages, reply.message)
            self._check_ended_well(reply)
            if reply.stop_reason == "pause":
                continue
            turn = await self._taken(messages)
            if turn is not None:
                return turn
        raise GaveUp(
            f"The {self.agent.title} specialist did not come to an end within {self.agent.limits.model_calls} steps."
        )

    async def _ask_person(self, messages: list[Message], demand: Demand) -> AgentTurn:
        """Put the server's demand to the person, in its own words; no model stands between them."""
        self._show(without_marker(demand.question))
        await self._add(messages, assistant(demand.question))
        return AgentTurn(Verdict.WAITING, demand.question, ())

    async def settle(self, messages: list[Message]) -> bool:
        """Answer the calls that a crash left without one, and add the answer; False if there are none.

        They are made again under their keys. A write that must not be repeated is reported as of unknown outcome.
        """
        if not messages[-1].tool_uses:
            return False
        await self._run_tools(messages, again=True)
        return True

    async def _taken(self, messages: list[Message]) -> AgentTurn | None:
        """What the last message, the agent's, leads to: the end of the turn, or None for another round."""
        message = messages[-1]
        if message.tool_uses:
            await self._run_tools(messages)
            return None
        evidence = evidence_in(messages, {goal.tool for goal in self.agent.goals})
        verdict = judge(message, evidence) if self.agent.kind == "task" else Verdict.WAITING
        turn = AgentTurn(verdict, without_marker(message.text), evidence)
        if turn.verdict is not Verdict.REFUSED:
            return turn
        self.tell(TextWithdrawn())
        refusal = _refusal(self.brief)
        if _refused_before(messages, refusal):
            return turn
        await self._add(messages, refusal)
        return None

    def _check_ended_well(self, reply: ModelReply) -> None:
        match reply.stop_reason:
            case "max_tokens" | "context_window":
                raise GaveUp("The answer became too long and was cut off.")
            case "refusal":
                raise GaveUp("The model declined to answer this.")
            case _:
                pass

    async def _ask(self, messages: Sequence[Message]) -> ModelReply:
        request = ModelRequest(
            brief=self.brief,
            system=self.system,
            messages=window(messages, most_turns=_MOST_TURNS),
            tools=self.tools,
        )
        shown = MarkerFilter()
        try:
            async with aclosing(self.model.stream(request)) as stream:
                async for event in stream:
                    match event:
                        case TextDelta(text):
                            self._show(shown.feed(text))
                        case protocol.TextWithdrawn():
                            shown = MarkerFilter()
                            self.tell(TextWithdrawn())
                        case ModelReply():
                            self._show(shown.flush())
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

    async def _run_tools(self, messages: list[Message], *, again: bool = False) -> None:
        """Answer every call of the last message, in one message; reads at the same time, writes in order.

        `again` says that they may have been made before, unseen.
        """
        uses = messages[-1].tool_uses
        if not again:
            self._count(uses)
        results: dict[str, ToolResultBlock] = {}

        async def one(use: ToolUseBlock) -> None:
            if again and use.name not in self.repeatable:
                results[use.id] = _CUT_SHORT.as_block(use.id)
            else:
                results[use.id] = self._recorded(use) or await self._run_tool(use, messages)

        if all(self._reads(use.name) for use in uses):
            async with anyio.create_task_group() as group:
                for use in uses:
                    group.start_soon(one, use)
        else:
            for use in uses:
                await one(use)
        await self._add(messages, Message(role="user", blocks=tuple(results[use.id] for use in uses)))

    def _count(self, uses: Sequence[ToolUseBlock]) -> None:
        """Hold calls against the limits before any of them is made."""
        repeated = [use for use in uses if _signature(use) in self._answered]
        self._calls += len(uses) - len(repeated)
        self._repeats += len(repeated)
        if self._calls > self.agent.limits.tool_calls:
            raise GaveUp(f"This needed more than {self.agent.limits.tool_calls} tool calls.")
        if self._repeats > _MOST_REPEATS:
            raise GaveUp(f"The {self.agent.title} specialist kept making the same call ({repeated[0].name}).")

    def _recorded(self, use: ToolUseBlock) -> ToolResultBlock | None:
        """The answer of an identical earlier call, or None."""
        answer = self._answered.get(_signature(use))
        if answer is None:
            return None
        note = "You made this identical call before; this is its answer again. Do not repeat it.\n"
        return answer.model_copy(update={"tool_use_id": use.id, "content": note + answer.content})

    async def _run_tool(self, use: ToolUseBlock, messages: Sequence[Message]) -> ToolResultBlock:
        if not may_pass(messages, use):
            return _NOT_CONFIRMED.as_block(use.id)
        self.tell(ToolStarted(use.name, use.input))
        key = idempotency_key(self.session_id, self.task_id, use.id)
        outcome = await self.executor.run(use, allowed=self.agent.allowed_tools, idempotency_key=key)
        self.tell(self._finished(use, outcome))
        if not outcome.read_only and outcome.ok:
            self._answered.clear()  # what was read before may have changed
        self._answered[_signature(use)] = outcome.block
        return outcome.block

    def _finished(self, use: ToolUseBlock, outcome: ToolOutcome) -> ToolFinished:
        return ToolFinished(
            tool=use.name,
            ok=outcome.ok,
            goal=any(goal.tool == use.name for goal in self.brief.goals),
            read_only=outcome.read_only,
            replayed=outcome.replayed,
            message=_told(outcome.error) if outcome.error else "",
            answer=outcome.block.structured,
            awaits_person=outcome.error is not None and outcome.error.code == DEMAND_CODE,
        )

    def _reads(self, tool: str) -> bool:
        return any(spec.name == tool and spec.read_only for spec in self.tools)


def _told(error: ToolFailure) -> str:
    """What a person reads of a failed call; a demand is put to them as a question of its own."""
    return "it needs your agreement" if error.code == DEMAND_CODE else error.message


def _signature(use: ToolUseBlock) -> str:
    return f"{use.name} {json.dumps(use.input, sort_keys=True)}"


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
