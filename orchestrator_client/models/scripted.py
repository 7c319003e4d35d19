"""A model that plays a script: the public test double of the LLM border.

    async with ScriptedModel([route("quality"), call("create_plan", {...}), reply("Stored.")]) as model:
        ...

Every request must be the one its step expects, and every step must be asked for.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from orchestrator_client.dialogue.messages import Block, Message, TextBlock, ToolUseBlock
from orchestrator_client.dialogue.usage import NO_USAGE, Purpose
from orchestrator_client.models.protocol import (
    AgentBrief,
    Capabilities,
    ModelReply,
    ModelRequest,
    StopReason,
    StreamEvent,
    TextDelta,
    TopicBrief,
    Usage,
    purpose_of,
)
from orchestrator_client.models.tokenless import Tokenless

__all__ = [
    "ScriptExhausted",
    "ScriptMismatch",
    "ScriptedModel",
    "Step",
    "call",
    "fail",
    "reply",
    "route",
    "topic",
]


class ScriptExhausted(AssertionError):
    """The model was asked once more than the script has steps."""


class ScriptMismatch(AssertionError):
    """A request is not the one its step expects, or a step was never asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One expected request and its answer; what is None is not checked, or follows from the rest.

    `contains` is looked for in the last user message that has text. The text comes in `chunks`. A call without an id
    gets one from its place in the script; `forced` is the input of a call of the tool that the request forces.
    `error` is raised after the chunks, instead of the reply.
    """

    expect: Purpose | None = None
    agent: str | None = None
    contains: str | None = None
    chunks: tuple[str, ...] = ()
    calls: tuple[ToolUseBlock, ...] = ()
    forced: dict[str, Any] | None = None
    stop_reason: StopReason | None = None
    usage: Usage = NO_USAGE
    error: Exception | None = None


def reply(
    text: str = "",
    *,
    chunks: Sequence[str] = (),
    calls: Sequence[ToolUseBlock] = (),
    expect: Purpose | None = None,
    agent: str | None = None,
    contains: str | None = None,
    stop_reason: StopReason | None = None,
    usage: Usage = NO_USAGE,
) -> Step:
    """Text, whole or in the given chunks, and any tool calls."""
    if text and chunks:
        raise ValueError("Give the text whole or in chunks, not both.")
    return Step(
        expect=expect,
        agent=agent,
        contains=contains,
        chunks=(text,) if text else tuple(chunks),
        calls=tuple(calls),
        stop_reason=stop_reason,
        usage=usage,
    )


def call(
    name: str,
    arguments: dict[str, Any],
    *,
    id: str = "",  # noqa: A002 - the block's own word
    text: str = "",
    agent: str | None = None,
    contains: str | None = None,
) -> Step:
    """One tool call of an agent."""
    block = ToolUseBlock(id=id, name=name, input=arguments)
    return reply(text, calls=(block,), expect="agent", agent=agent, contains=contains)


def route(agent: str, *, confidence: float = 0.95, reason: str = "scripted", contains: str | None = None) -> Step:
    """A routing decision, given through the tool that the request forces."""
    decision = {"agent": agent, "confidence": confidence, "reason": reason}
    return Step(expect="route", contains=contains, forced=decision)


def topic(
    agent: str | None, *, confidence: float = 0.95, reason: str = "scripted", contains: str | None = None
) -> Step:
    """A decision on the topic: `agent` is who a new task is for; None says that the message belongs to the task."""
    decision = {"switch": agent is not None, "agent": agent or "general", "confidence": confidence, "reason": reason}
    return Step(expect="topic", contains=contains, forced=decision)


def fail(
    error: Exception,
    *,
    chunks: Sequence[str] = (),
    expect: Purpose | None = None,
    agent: str | None = None,
    contains: str | None = None,
) -> Step:
    """An error, raised after the given chunks."""
    return Step(expect=expect, agent=agent, contains=contains, chunks=tuple(chunks), error=error)


class ScriptedModel(Tokenless):
    """Plays its steps in order. A failure is raised to the caller, and again by `assert_finished`.

    A question about the topic that no step expects is answered with "same task", and is no part of the script.

    As an async context manager it checks itself on a clean exit.
    """

    name = "scripted"

    def __init__(self, steps: Sequence[Step], *, capabilities: Capabilities | None = None) -> None:
        if capabilities is not None:
            self.capabilities = capabilities
        self._steps = tuple(steps)
        self._played = 0
        self._failure: AssertionError | None = None
        self.requests: list[ModelRequest] = []

    async def stream(self, request: ModelRequest) -> AsyncGenerator[StreamEvent]:
        self.requests.append(request)
        step = self._unscripted(request)
        if step is None:
            self._played += 1
            step = self._step(self._played, request)
        number = self._played
        for chunk in step.chunks:
            yield TextDelta(chunk)
        if step.error is not None:
            raise step.error
        message = Message(role="assistant", blocks=self._blocks(number, step, request))
        stop_reason = step.stop_reason or ("tool_use" if message.tool_uses else "end_turn")
        yield ModelReply(message=message, stop_reason=stop_reason, model=self.name, usage=step.usage)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc_type is None:
            self.assert_finished()

    def assert_finished(self) -> None:
        """Raises the first failure again, or `ScriptMismatch` when steps are left."""
        if self._failure is not None:
            raise self._failure
        left = self._steps[self._played :]
        if left:
            raise ScriptMismatch(f"{len(left)} of {len(self._steps)} steps were not asked for; next is {left[0]}.")

    def _unscripted(self, request: ModelRequest) -> Step | None:
        """The answer to a question about the topic that the script leaves out."""
        if not isinstance(request.brief, TopicBrief):
            return None
        expected = self._steps[self._played].expect if self._played < len(self._steps) else None
        return None if expected == "topic" else topic(None)

    def _step(self, number: int, request: ModelRequest) -> Step:
        if number > len(self._steps):
            asked = f"{purpose_of(request.brief)} request: {_last_user_text(request)!r}"
            raise self._failed(ScriptExhausted(f"The script has {len(self._steps)} steps. Unexpected {asked}."))
        step = self._steps[number - 1]
        if mismatch := _mismatch(step, request):
            raise self._failed(ScriptMismatch(f"Step {number}: {mismatch}."))
        return step

    def _failed(self, failure: AssertionError) -> AssertionError:
        self._failure = self._failure or failure
        return failure

    def _blocks(self, number: int, step: Step, request: ModelRequest) -> tuple[Block, ...]:
        text = "".join(step.chunks)
        calls = list(step.calls)
        if step.forced is not None:
            calls.append(ToolUseBlock(id="", name=self._forced_tool(number, request), input=step.forced))
        named = (
            block if block.id else block.model_copy(update={"id": f"toolu_{number}_{place}"})
            for place, block in enumerate(calls, start=1)
        )
        return (*((TextBlock(text=text),) if text else ()), *named)

    def _forced_tool(self, number: int, request: ModelRequest) -> str:
        if request.tool_choice in {None, "none"}:
            raise self._failed(ScriptMismatch(f"Step {number}: the request forces no tool."))
        return str(request.tool_choice)


def _mismatch(step: Step, request: ModelRequest) -> str | None:
    brief = request.brief
    if step.expect not in {None, purpose_of(brief)}:
        return f"expected a request of kind {step.expect!r}, got {purpose_of(brief)!r}"
    agent = brief.agent if isinstance(brief, AgentBrief) else None
    if step.agent not in {None, agent}:
        return f"expected agent {step.agent!r}, got {agent!r}"
    text = _last_user_text(request)
    if step.contains is not None and step.contains not in text:
        return f"expected {step.contains!r} in the last user text, got {text!r}"
    return None


def _last_user_text(request: ModelRequest) -> str:
    texts = (message.text for message in reversed(request.messages) if message.role == "user")
    return next((text for text in texts if text), "")
