"""One call of `AnthropicModel` against the scripted server, from request to reply."""

from typing import Any

import anyio
import pytest
from pydantic import SecretStr

from orchestrator_client.dialogue.messages import (
    Message,
    user,
)
from orchestrator_client.errors import (
    ModelError,
)
from orchestrator_client.models.messages_api import AnthropicModel
from orchestrator_client.models.protocol import (
    ModelReply,
    ModelRequest,
    StreamEvent,
    SummaryBrief,
    TextDelta,
    ToolSpec,
)
from tests.support.messages_api import (
    MessagesApi,
    RawBody,
    Scripted,
    messages_api,
    text,
)

KEY = "sk-ant-very-secret"
SAID = "the torque of line 7 is confidential"
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"part": {"type": "string"}}}
TOOL = ToolSpec("create_plan", "Creates a plan.", SCHEMA)


def request(*messages: Message, **fields: Any) -> ModelRequest:
    fields.setdefault("system", "")
    return ModelRequest(brief=SummaryBrief(), messages=messages or (user(SAID),), **fields)


WITH_TOOL = request(tools=(TOOL,))


def model_for(server: MessagesApi, **options: Any) -> AnthropicModel:
    options.setdefault("api_key", SecretStr(KEY))
    return AnthropicModel("claude-x", base_url=server.base_url, **options)


async def events_of(
    model: AnthropicModel, asked: ModelRequest, seen: list[StreamEvent] | None = None
) -> list[StreamEvent]:
    """Every event of one answer; `seen` keeps those before an error, too."""
    seen = [] if seen is None else seen
    try:
        with anyio.fail_after(20):
            async for event in model.stream(asked):
                seen.append(event)
    finally:
        await model.aclose()
    return seen


async def played(script: list[Scripted], asked: ModelRequest, **options: Any) -> tuple[list[str], ModelReply]:
    """The texts of one streamed answer, and its reply."""
    async with messages_api(script) as server:
        *deltas, reply = await events_of(model_for(server, **options), asked)
    server.assert_finished()
    assert isinstance(reply, ModelReply)
    return [delta.text for delta in deltas if isinstance(delta, TextDelta)], reply


async def failed(script: list[Scripted], asked: ModelRequest, **options: Any) -> ModelError:
    async with messages_api(script) as server:
        with pytest.raises(ModelError) as raised:
            await events_of(model_for(server, **options), asked)
    server.assert_finished()
    return raised.value


async def sent(asked: ModelRequest, **options: Any) -> dict[str, Any]:
    """The body the server received for this request."""
    async with messages_api([text("ok")]) as server:
        await events_of(model_for(server, **options), asked)
    return server.requests[0].body


def sse(*events: str) -> RawBody:
    return RawBody("".join(f"event: x\ndata: {event}\n\n" for event in events))
