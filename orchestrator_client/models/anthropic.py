"""Claude, or any server that speaks the Messages API.

The way of one call: `anthropic_request` writes the parameters, `anthropic_wire` sends them and reads the events,
`anthropic_reply` puts the answer together, `anthropic_errors` classes what went wrong. Retries happen here only.
"""

import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import stamina
from pydantic import SecretStr

from orchestrator_client.dialogue.messages import Message, TextBlock
from orchestrator_client.errors import ModelUnavailable
from orchestrator_client.models.anthropic_reply import ReplyAssembler
from orchestrator_client.models.anthropic_request import message_parameters
from orchestrator_client.models.fenced_calls import FenceHold, fenced_call
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

__all__ = ["AnthropicModel"]

_BACKOFF_INITIAL_S = 0.5
_BACKOFF_MAX_S = 8.0


class AnthropicModel:
    """A `Model` on the `anthropic` SDK.

    `timeout_s` bounds the silence between two reads, `deadline_s` one whole `stream` with its `attempts`. Without
    `api_key` and `base_url` the SDK's environment variables decide. A given `client` stays open on `aclose`.
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
        client: "AsyncAnthropic | None" = None,
    ) -> None:
        from orchestrator_client.models.anthropic_wire import Wire  # loads the SDK

        self._model = model
        self._attempts = attempts
        self._deadline_s = deadline_s
        self._effort = effort
        self._wire = Wire(api_key=api_key, base_url=base_url, timeout_s=timeout_s, client=client)

    @property
    def name(self) -> str:
        return self._model

    @property
    def capabilities(self) -> Capabilities:
        real = self._wire.is_real_api
        return Capabilities(strict_tools=real, caching=real, token_counting=real)

    async def count_tokens(self, request: ModelRequest) -> int | None:  # noqa: ARG002 - the border's signature
        return None

    async def window_tokens(self) -> int | None:
        return None

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
        parameters = message_parameters(request, model=self._model, effort=self._effort, cached=self._wire.is_real_api)
        offered = frozenset(tool.name for tool in request.tools if request.tool_choice != "none")
        assembler, hold = ReplyAssembler(request), FenceHold(offered)
        async with aclosing(self._wire.events(parameters, deadline)) as events:
            async for event in events:
                if text := hold.push(assembler.add(event)):
                    yield TextDelta(text)
        if not assembler.finished:
            raise ModelUnavailable("The model's answer was cut off.", suggestion="Try again in a moment.")
        reply = assembler.reply()
        called = _with_fenced_call(reply, offered) if hold.holding else reply
        if called is reply and (text := hold.release()):
            yield TextDelta(text)
        yield replace(called, model=called.model or self._model)


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


def _with_fenced_call(reply: ModelReply, offered: frozenset[str]) -> ModelReply:
    if reply.stop_reason != "end_turn":
        return reply
    call = fenced_call(reply.message.text, offered)
    if call is None:
        return reply
    kept = tuple(block for block in reply.message.blocks if not isinstance(block, TextBlock))
    return replace(reply, message=Message(role="assistant", blocks=(*kept, call)), stop_reason="tool_use")
