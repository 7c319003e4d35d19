"""One call on the SDK: what is sent, the events as plain JSON, and every failure as one of our errors.

The only module that drives the SDK. It is imported when an `AnthropicModel` is built, because that costs 1.5 s.
"""

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from typing import Any

import anyio
from anthropic import AsyncAnthropic, AsyncStream, BaseModel, CredentialsError, Timeout
from anthropic.types import RawMessageStreamEvent
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from pydantic import SecretStr

from orchestrator_client.errors import ConfigurationError, ModelMisbehaved
from orchestrator_client.models.messages_api.errors import WIRE_ERRORS, is_not_offered, model_error
from orchestrator_client.models.messages_api.windows import window_in, window_of

__all__ = ["NotOffered", "Wire"]

_CONNECT_TIMEOUT_S = 5.0
# How long the end of the body may take after the last event. A body read to its end frees the connection for reuse.
_DRAIN_S = 0.2

# Counting and looking up are conveniences: a turn waits for them only briefly.
_LOOK_UP_DEADLINE_S = 2.0

_REAL_API_HOST = "api.anthropic.com"
_COUNTED = frozenset({"model", "messages", "system", "tools", "tool_choice"})


class NotOffered(Exception):
    """The server does not have what was asked for at all."""


class Wire:
    """A client of the Messages API without any retries of its own. A given `client` stays open on `aclose`."""

    def __init__(
        self, *, api_key: SecretStr | None, base_url: str | None, timeout_s: float, client: AsyncAnthropic | None
    ) -> None:
        _keep_content_out_of_logs()
        self._owns_client = client is None
        timeout = Timeout(timeout_s, connect=_CONNECT_TIMEOUT_S)
        self._client = (
            client.with_options(max_retries=0, timeout=timeout) if client else _new_client(api_key, base_url, timeout)
        )

    @property
    def is_real_api(self) -> bool:
        return self._client.base_url.host == _REAL_API_HOST

    async def aclose(self) -> None:
        if self._owns_client:
            await self._client.close()

    async def events(
        self, parameters: MessageCreateParamsStreaming, deadline: float
    ) -> AsyncGenerator[dict[str, object]]:
        """The events of the answer, up to the last one if it comes; `deadline` is on anyio's clock."""
        try:
            async with await self._open(parameters, deadline) as stream:
                events = aiter(stream)
                while event := await _next(events, deadline):
                    yield event
                    if event.get("type") == "message_stop":
                        await _drain(events)
                        return
                return
        except WIRE_ERRORS as error:
            failure = model_error(error, model=parameters["model"])
        raise failure  # outside of `except`: the SDK's error holds the request, and must not travel as its context

    async def count_tokens(self, parameters: MessageCreateParamsStreaming) -> int | None:
        """The server's count of the input; None if it failed this time.

        Raises:
            NotOffered: it does not count tokens.
        """
        counted: dict[str, Any] = {name: value for name, value in parameters.items() if name in _COUNTED}
        try:
            with anyio.fail_after(_LOOK_UP_DEADLINE_S):
                answer: object = await self._client.messages.count_tokens(**counted)
        except WIRE_ERRORS as error:
            if not is_not_offered(error):
                return None
            count = None
        else:
            count = getattr(answer, "input_tokens", None)  # the SDK does not check what it was sent
        if isinstance(count, int) and count > 0:
            return count
        raise NotOffered

    async def window_tokens(self, model: str) -> int | None:
        """What the server says the model takes; None if it does not."""
        with suppress(*WIRE_ERRORS), anyio.fail_after(_LOOK_UP_DEADLINE_S):
            try:
                return window_in(_fields(await self._client.models.retrieve(model)))
            except WIRE_ERRORS:
                if self.is_real_api:
                    return None
            # Not `models.list`: the SDK fails on a list that is not of its own API's shape.
            return window_of(model, await self._client.get("/v1/models", cast_to=object))
        return None

    async def _open(
        self, parameters: MessageCreateParamsStreaming, deadline: float
    ) -> AsyncStream[RawMessageStreamEvent]:
        with anyio.fail_after(deadline - anyio.current_time()):
            stream = await self._client.messages.create(**parameters)
        if not stream.response.headers.get("content-type", "").startswith("text/event-stream"):
            await stream.close()
            raise ModelMisbehaved("The model server answered without a stream.", suggestion="Check the base URL.")
        return stream


def _keep_content_out_of_logs() -> None:
    """At DEBUG the SDK logs whole requests. Only its own ANTHROPIC_LOG=debug asks for that, not our log level."""
    logger = logging.getLogger("anthropic")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)


def _new_client(api_key: SecretStr | None, base_url: str | None, timeout: Timeout) -> AsyncAnthropic:
    key = api_key.get_secret_value() if api_key else None
    with suppress(CredentialsError):  # a broken profile on disk is no credential
        client = AsyncAnthropic(api_key=key, base_url=base_url, max_retries=0, timeout=timeout)
        if client.api_key or client.auth_token or client.credentials:
            return client
    # Local servers ask for no key, but the SDK sends no request without one.
    keyless = AsyncAnthropic(api_key="not-needed", base_url=base_url, max_retries=0, timeout=timeout)
    if keyless.base_url.host == _REAL_API_HOST:
        raise ConfigurationError(
            "There is no key for the model API.",
            suggestion="Set ANTHROPIC_API_KEY, or ANTHROPIC_BASE_URL for a local server, or use the guided model.",
        )
    return keyless


async def _next(events: AsyncIterator[object], deadline: float) -> dict[str, object] | None:
    """The SDK promises models, but hands on JSON that is no object as it is."""
    with anyio.fail_after(deadline - anyio.current_time()):
        event = await anext(events, None)
    if event is None or isinstance(event, BaseModel):
        return event and event.to_dict(warnings=False)
    raise ModelMisbehaved("The model server sent an event that is no object.", suggestion="Check the base URL.")


def _fields(answer: object) -> dict[str, object]:
    """All fields of an answer, those unknown to the SDK included; none if it is no object."""
    return answer.to_dict(warnings=False) if isinstance(answer, BaseModel) else {}


async def _drain(events: AsyncIterator[object]) -> None:
    with suppress(*WIRE_ERRORS), anyio.move_on_after(_DRAIN_S):
        async for _ in events:
            pass
