"""The calls of one message of an agent: made, answered from the task's record, or refused; always all answered."""

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import anyio

from orchestrator_client.agents.registry import Agent
from orchestrator_client.agents.task_record import TaskRecord, signature
from orchestrator_client.dialogue.completion import without_marker
from orchestrator_client.dialogue.confirmation import CONFIRMATION, DEMAND_CODE, may_pass
from orchestrator_client.dialogue.messages import Block, Message, TextBlock, ToolResultBlock, ToolUseBlock
from orchestrator_client.errors import OutcomeUnknown
from orchestrator_client.events import Listener, ToolFinished, ToolStarted
from orchestrator_client.models.protocol import AgentBrief, ToolSpec
from orchestrator_client.tools.executor import ToolExecutor, ToolFailure, ToolOutcome
from orchestrator_client.tools.outcome import ErrorObject

__all__ = ["ToolRounds", "idempotency_key", "not_made", "withdraws_tools"]

_READS_AT_ONCE = 4
_MOST_REFUSALS = 2
_MOST_FAILURES = 5
_KEYS = uuid.UUID("6f1c2a0e-6a0f-4d9e-9d53-2f0f3b7c1d55")

_CUT_SHORT = ErrorObject(
    code=OutcomeUnknown.code,
    message="The program stopped during this call; it may have been carried out.",
    suggestion="Look it up before you call it again.",
    outcome_known=False,
)
_UNCHECKED = ErrorObject(
    code=OutcomeUnknown.code,
    message="Not called again: it is still not known whether this very call was carried out before.",
    suggestion="Look it up, or ask the user, before you call it again.",
    outcome_known=False,
)
_NOT_CONFIRMED = ErrorObject(
    code="not_confirmed",
    message="The call was not made: no person has agreed to this.",
    field=CONFIRMATION,
    suggestion=f"Call it without {CONFIRMATION}; the user is asked then. Only after a plain yes call it with the code.",
)
_NOT_MADE = ErrorObject(code="limit_reached", message="The call was not made: the task was ended by a limit.")

_NOW_ANSWER = "Call no tool now: tell the user what you have, or ask for what is missing."


def idempotency_key(session_id: str, task_id: str, tool_use_id: str) -> str:
    """The key of a write: the same after a crash and in every retry, another for every new decision."""
    return str(uuid.uuid5(_KEYS, f"{session_id}/{task_id}/{tool_use_id}"))


def not_made(uses: Iterable[ToolUseBlock]) -> Message:
    """The answer to calls that a limit kept from being made, so that nobody takes them for lost."""
    return Message(role="user", blocks=tuple(_NOT_MADE.as_block(use.id) for use in uses))


def withdraws_tools(message: Message) -> bool:
    """Whether this answer to a round of calls ends in the remark that the agent is to speak now."""
    return message.kind == "tools" and message.text.endswith(_NOW_ANSWER)


@dataclass(slots=True)
class ToolRounds:
    """The rounds of calls that answer one message of a person.

    `stopped` names the tools that the last round told the agent to leave alone, because they keep failing.
    """

    agent: Agent
    brief: AgentBrief
    tools: tuple[ToolSpec, ...]
    repeatable: frozenset[str]
    executor: ToolExecutor
    session_id: str
    task_id: str
    tell: Listener
    stopped: tuple[str, ...] = ()
    _refusals: Counter[str] = field(default_factory=Counter[str])
    _failures: Counter[str] = field(default_factory=Counter[str])

    def repeated(self, messages: Sequence[Message]) -> list[ToolUseBlock]:
        """The calls of the last message that were made before, and whose answer still holds."""
        record = self._record(messages)
        return [use for use in messages[-1].tool_uses if record.answer(use)]

    async def carry_out(self, messages: Sequence[Message], *, again: bool = False) -> Message:
        """Answer every call of the last message, in one message; reads at the same time, writes in their order.

        `again` says that they may have been made before, unseen. Remarks of ours stand beside the results, as text, so
        that nothing in a result can pass for one.
        """
        uses = messages[-1].tool_uses
        record = self._record(messages)
        repeated = {use.name for use in uses if record.answer(use)}
        round_ = _Round(self, messages, record, again)
        results: list[ToolResultBlock] = []
        for _, segment in groupby(enumerate(uses), key=lambda place: -1 if self.reads(place[1].name) else place[0]):
            results += await round_.answers([use for _, use in segment])
        self._judge(round_.outcomes)
        remarks = [*round_.made_once(), *_remarks(sorted(repeated), self.stopped)]
        said: tuple[Block, ...] = (TextBlock(text="\n".join(remarks)),) if remarks else ()
        return Message(role="user", blocks=(*results, *said))

    def _record(self, messages: Sequence[Message]) -> TaskRecord:
        return TaskRecord.of(messages[:-1], frozenset(tool.name for tool in self.tools if tool.read_only))

    def _judge(self, outcomes: Sequence[tuple[str, ToolOutcome]]) -> None:
        """Count the rounds in a row in which a tool only failed. Calls of one round do not know of each other."""
        called = {name for name, _ in outcomes}
        for name in sorted(called):
            told = [outcome for other, outcome in outcomes if other == name]
            failed = all(outcome.error and outcome.error.code != DEMAND_CODE for outcome in told)
            self._failures[name] = self._failures[name] + 1 if failed else 0
            refused = failed and any(_refused_here(outcome) for outcome in told)
            self._refusals[name] = self._refusals[name] + 1 if refused else 0
        self.stopped = tuple(
            name
            for name in sorted(called)
            if self._refusals[name] >= _MOST_REFUSALS or self._failures[name] >= _MOST_FAILURES
        )

    def reads(self, tool: str) -> bool:
        return any(spec.name == tool and spec.read_only for spec in self.tools)

    async def run(self, use: ToolUseBlock, key_id: str) -> ToolOutcome:
        """Make one call, and tell of it."""
        self.tell(ToolStarted(use.name, use.input))
        key = idempotency_key(self.session_id, self.task_id, key_id)
        outcome = await self.executor.run(use, allowed=self.agent.allowed_tools, idempotency_key=key)
        self.tell(self._finished(use, outcome))
        return outcome

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


@dataclass(slots=True)
class _Round:
    """One round under way: what the record says by now, what has come back, which writes were asked for twice."""

    rounds: ToolRounds
    messages: Sequence[Message]
    record: TaskRecord
    again: bool
    outcomes: list[tuple[str, ToolOutcome]] = field(default_factory=list[tuple[str, ToolOutcome]])
    _made: set[str] = field(default_factory=set[str])
    _twice: set[str] = field(default_factory=set[str])

    async def answers(self, uses: Sequence[ToolUseBlock]) -> list[ToolResultBlock]:
        """Calls that may run together; identical ones are made once."""
        fresh: dict[str, ToolUseBlock] = {}
        for use in uses:
            if self.record.answer(use) is None:
                fresh.setdefault(signature(use), use)
        found: dict[str, ToolResultBlock] = {}
        limit = anyio.CapacityLimiter(_READS_AT_ONCE)

        async def one(call: str, use: ToolUseBlock) -> None:
            async with limit:
                found[call] = await self._answer(use)

        async with anyio.create_task_group() as group:
            for call, use in fresh.items():
                group.start_soon(one, call, use)
        return [self._taken_up(use, found) for use in uses]

    def made_once(self) -> list[str]:
        return [f"[orchestrator] Asked for twice in one message, made once: {name}." for name in sorted(self._twice)]

    def _taken_up(self, use: ToolUseBlock, found: dict[str, ToolResultBlock]) -> ToolResultBlock:
        call = signature(use)
        known = self.record.answer(use)
        result = known or found[call].model_copy(update={"tool_use_id": use.id})
        if known is None:
            self.record.add(use, result)
            self._made.add(call)
        elif call in self._made and not self.rounds.reads(use.name):
            self._twice.add(use.name)
        return result

    async def _answer(self, use: ToolUseBlock) -> ToolResultBlock:
        if not may_pass(self.messages, use):
            return _NOT_CONFIRMED.as_block(use.id)
        repeatable = use.name in self.rounds.repeatable
        if self.again and not repeatable:
            return _CUT_SHORT.as_block(use.id)
        if not repeatable and self.record.unchecked(use):
            return _UNCHECKED.as_block(use.id)
        outcome = await self.rounds.run(use, self.record.keyed_as(use))
        self.outcomes.append((use.name, outcome))
        return outcome.block


def _refused_here(outcome: ToolOutcome) -> bool:
    """Whether the arguments did not fit the tool's schema, so that nothing was sent."""
    return outcome.attempts == 0 and outcome.error is not None and outcome.error.code == "validation"


def _remarks(repeated: Sequence[str], stopped: Sequence[str]) -> list[str]:
    """What the agent is told beside the results; it ends in the withdrawal of the tools."""
    remarks: list[str] = []
    if repeated:
        remarks.append(f"[orchestrator] Not called again, this is the earlier answer: {', '.join(repeated)}.")
    if stopped:
        remarks.append(f"[orchestrator] Keeps failing: {', '.join(stopped)}. Explain to the user what is wrong.")
    return [*remarks, _NOW_ANSWER] if remarks else []


def _told(error: ToolFailure) -> str:
    """What a person reads of a failed call; a demand is put to them as a question of its own."""
    return "it needs your agreement" if error.code == DEMAND_CODE else without_marker(error.message)
