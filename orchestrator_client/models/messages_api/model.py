"""`AnthropicModel`: one call from request to reply, with its retries. Retries happen here only."""

import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import anyio
import stamina
from pydantic import SecretStr

from orchestrator_client.dialogue.messages import Message, TextBlock
from orchestrator_client.errors import ModelUnavailable
from orchestrator_client.models.messages_api.fenced_calls import FenceHold, fenced_call, forced_call
from orchestrator_client.models.messages_api.reply import ReplyAssembler
from orchestrator_client.models.messages_api.request import OptionalField, message_parameters, optional_fields
from orchestrator_client.models.messages_api.server import CapabilityOverrides, FieldsRefused, Server
from orchestrator_client.models.messages_api.text import TEMPLATE_TOKENS
from orchestrator_client.models.protocol import (
    Capabilities,
    ModelReply,
    ModelRequest,
    StreamEvent,
    TextDelta,
    TextWithdrawn,
)

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from anthropic.types.message_create_params import MessageCreateParamsStreaming

__all__ = ["AnthropicModel"]

_BACKOFF_INITIAL_S = 0.5
_BACKOFF_MAX_S = 8.0


class AnthropicModel:
    """A `Model` on the `anthropic` SDK.

    `timeout_s` bounds the silence between two reads, `deadline_s` one whole `stream` with its `attempts`. Without
    `api_key` and `base_url` the SDK's environment variables decide. A given `client` stays open on `aclose`.
    `capabilities` is what the user knows better about the server than its address tells.
    """

    def __init__(
        self,
        model: str,
        *,
        api_key: SecretStr | None = None,
        base_url: str | None = None,
        timeout_s: float = 60.0,
        attempts: int = 3,
        deadline_s: float = 90.0,
        effort: str | None = None,
        capabilities: CapabilityOverrides | None = None,
        client: "AsyncAnthropic | None" = None,
    ) -> None:
        from orchestrator_client.models.messages_api.wire import Wire  # loads the SDK

        self._model = model
        self._attempts = attempts
        self._deadline_s = deadline_s
        self._effort = effort
        self._wire = Wire(api_key=api_key, base_url=base_url, timeout_s=timeout_s, client=client)
        self._server = Server(is_real_api=self._wire.is_real_api, overrides=capabilities or {})
        # For Claude such a token is text like any other.
        self._end_tokens = () if self._wire.is_real_api else TEMPLATE_TOKENS
        self._window: _Window | None = None
        self._looking = anyio.Lock()

    @property
    def name(self) -> str:
        return self._model

    @property
    def capabilities(self) -> Capabilities:
        return self._server.capabilities

    async def count_tokens(self, request: ModelRequest) -> int | None:
        """As `Model.count_tokens`. A server that cannot count is not asked again."""
        from orchestrator_client.models.messages_api.wire import NotOffered

        if not self._server.counts:
            return None
        try:
            return await self._wire.count_tokens(self._parameters(request, self._server.lacks))
        except NotOffered:
            self._server.counts = False
            return None

    async def window_tokens(self) -> int | None:
        """As `Model.window_tokens`. The server is asked once, whatever it answers."""
        async with self._looking:
            if self._window is None:
                self._window = _Window(await self._wire.window_tokens(self._model))
        return self._window.tokens

    async def stream(self, request: ModelRequest) -> AsyncGenerator[StreamEvent]:
        """As `Model.stream`. Text of an attempt that failed is withdrawn before the next one."""
        deadline = anyio.current_time() + self._deadline_s
        shown = False
        async for attempt in stamina.retry_context(on=_Backoff(deadline), attempts=self._attempts, timeout=None):
            with attempt:
                if shown:
                    shown = False
                    yield TextWithdrawn()
                async with aclosing(self._attempt(request, deadline)) as events:
                    async for event in events:
                        shown = True
                        yield event

    async def aclose(self) -> None:
        await self._wire.aclose()

    async def _attempt(self, request: ModelRequest, deadline: float) -> AsyncGenerator[StreamEvent]:
        """One answer, asked for again at once without the optional fields that the server refuses.

        It is taken to lack them only when it then answers.
        """
        lacks = self._server.lacks
        while True:
            parameters = self._parameters(request, lacks)
            try:
                async with aclosing(self._answer(request, parameters, deadline)) as events:
                    async for event in events:
                        self._server.learn(lacks)
                        yield event
            except FieldsRefused as refusal:  # a refusal is the first thing that comes, or nothing
                refused = refusal.fields & optional_fields(parameters)
                if not refused:
                    raise
                lacks |= refused
            else:
                return

    def _parameters(self, request: ModelRequest, lacks: frozenset[OptionalField]) -> "MessageCreateParamsStreaming":
        return message_parameters(
            request, model=self._model, effort=self._effort, lacks=lacks, reads_tokens=bool(self._end_tokens)
        )

    async def _answer(
        self, request: ModelRequest, parameters: "MessageCreateParamsStreaming", deadline: float
    ) -> AsyncGenerator[StreamEvent]:
        offered = frozenset(tool.name for tool in request.tools if request.tool_choice != "none")
        forced = request.tool_choice if request.tool_choice in offered else None
        assembler = ReplyAssembler(request, end_tokens=self._end_tokens)
        hold = FenceHold(offered, forced=forced is not None)
        async with aclosing(self._wire.events(parameters, deadline)) as events:
            async for event in events:
                if text := hold.push(assembler.add(event)):
                    yield TextDelta(text)
                if assembler.cut:
                    break
        if not assembler.finished:
            raise ModelUnavailable("The model's answer was cut off.", suggestion="Try again in a moment.")
        reply = assembler.reply()
        called = _with_written_call(reply, offered, forced) if hold.holding else reply
        if called is reply and (text := hold.release()):
            yield TextDelta(text)
        yield replace(called, model=called.model or self._model)


@dataclass(frozen=True, slots=True)
class _Window:
    """What a server answered when it was asked; it may know nothing."""

    tokens: int | None


class _Backoff:
    """Tells stamina how long to wait before the next attempt, or False to give up.

    Capped exponential back-off with full jitter; `Retry-After` goes first. A wait that would outlive the deadline is
    not begun.
    """

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._ceiling_s = _BACKOFF_INITIAL_S

    def __call__(self, error: Exception) -> float | bool:
        if not isinstance(error, ModelUnavailable):
            return False
        wait_s = error.retry_after_s
        if wait_s is None:
            wait_s = random.uniform(0, self._ceiling_s)  # noqa: S311 - jitter, not a secret
            self._ceiling_s = min(_BACKOFF_MAX_S, self._ceiling_s * 2)
        return wait_s if anyio.current_time() + wait_s < self._deadline else False


def _with_written_call(reply: ModelReply, offered: frozenset[str], forced: str | None) -> ModelReply:
    if reply.stop_reason != "end_turn":
        return reply
    text = reply.message.text
    call = fenced_call(text, offered) if forced is None else forced_call(text, forced)
    if call is None:
        return reply
    kept = tuple(block for block in reply.message.blocks if not isinstance(block, TextBlock))
    return replace(reply, message=Message(role="assistant", blocks=(*kept, call)), stop_reason="tool_use")
