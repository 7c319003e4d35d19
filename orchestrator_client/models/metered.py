"""Books what every model call used, whoever makes it."""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from orchestrator_client.dialogue.usage import CallUsage
from orchestrator_client.models.protocol import Capabilities, Model, ModelReply, ModelRequest, StreamEvent, purpose_of
from orchestrator_client.models.tokens import request_tokens

__all__ = ["MeteredModel"]


class MeteredModel:
    """A model that tells `book` of every answered call. It borrows the model, and does not close it."""

    def __init__(self, model: Model, book: Callable[[CallUsage], None]) -> None:
        self._model = model
        self._book = book

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def capabilities(self) -> Capabilities:
        return self._model.capabilities

    async def count_tokens(self, request: ModelRequest) -> int | None:
        return await self._model.count_tokens(request)

    async def window_tokens(self) -> int | None:
        return await self._model.window_tokens()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[StreamEvent]:
        """As `Model.stream`."""
        started = time.perf_counter()
        async with aclosing(self._model.stream(request)) as stream:
            async for event in stream:
                if isinstance(event, ModelReply):
                    duration_ms = round((time.perf_counter() - started) * 1000, 1)
                    estimate = request_tokens(request)
                    purpose = purpose_of(request.brief)
                    self._book(CallUsage(purpose, event.model, event.usage, estimate, duration_ms))
                yield event

    async def aclose(self) -> None:
        """The model belongs to whoever opened it."""
