"""What is sent, read from what a loopback server of the Messages API received."""

import httpx2
import pytest
from anthropic import AsyncAnthropic

from orchestrator_client.dialogue.messages import (
    Message,
    OpaqueBlock,
    TextBlock,
    ToolResultBlock,
    ToolUseBlock,
    assistant,
    user,
)
from orchestrator_client.models.anthropic import AnthropicModel
from orchestrator_client.models.protocol import (
    ToolSpec,
)
from tests.support.messages_api import (
    Answer,
    MessagesApi,
    Redacted,
    Thinking,
    ToolUse,
    text,
)
from tests.support.model_calls import KEY, SCHEMA, TOOL, WITH_TOOL, events_of, played, request, sent

pytestmark = pytest.mark.anyio


async def test_a_request_carries_model_system_tools_and_is_streamed() -> None:
    body = await sent(request(user("plan for BRK-204"), system="You plan.", tools=(TOOL,), max_tokens=99))
    assert body == {
        "model": "claude-x",
        "max_tokens": 99,
        "stream": True,
        "system": "You plan.",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "plan for BRK-204"}]}],
        "tools": [{"name": "create_plan", "description": "Creates a plan.", "input_schema": SCHEMA}],
    }


async def test_a_strict_tool_is_sent_as_strict() -> None:
    body = await sent(request(tools=(ToolSpec("a", "", SCHEMA, strict=True), ToolSpec("b", "", SCHEMA))))
    assert [tool.get("strict") for tool in body["tools"]] == [True, None]


@pytest.mark.parametrize(
    ("choice", "parameter"),
    [
        (None, None),
        ("none", {"type": "none"}),
        ("create_plan", {"type": "tool", "name": "create_plan", "disable_parallel_tool_use": True}),
    ],
)
async def test_a_tool_choice_is_put_in_the_words_of_the_api(choice: str | None, parameter: object) -> None:
    assert (await sent(request(tools=(TOOL,), tool_choice=choice))).get("tool_choice") == parameter


async def test_without_tools_no_tool_choice_is_sent() -> None:
    assert "tool_choice" not in await sent(request(tool_choice="none"))


async def test_effort_is_sent_when_it_is_set() -> None:
    assert (await sent(request(), effort="low"))["output_config"] == {"effort": "low"}


async def test_a_conversation_with_tools_keeps_calls_and_results_together() -> None:
    call = ToolUseBlock(id="t1", name="create_plan", input={"part": "BRK-204"})
    result = ToolResultBlock(tool_use_id="t1", content="stored", structured={"id": 1}, is_error=True)
    body = await sent(
        request(user("go"), Message(role="assistant", blocks=(call,)), Message(role="user", blocks=(result,)))
    )
    assert body["messages"][1:] == [
        {"role": "assistant", "content": [call.model_dump()]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "stored", "is_error": True}],
        },
    ]


async def test_empty_messages_are_dropped_and_neighbors_of_one_role_merged_with_results_first() -> None:
    messages = (
        user("one"),
        assistant(" \n"),
        user("two"),
        Message(role="assistant", blocks=(OpaqueBlock(provider="guided", data={"step": 1}),)),
        Message(role="user", blocks=(ToolResultBlock(tool_use_id="t1", content=""),)),
    )
    (message,) = (await sent(request(*messages)))["messages"]
    assert message["role"] == "user"
    assert [block.get("text", block["type"]) for block in message["content"]] == ["tool_result", "one", "two"]


async def test_thinking_goes_back_unchanged_and_in_place() -> None:
    blocks = (Thinking("first the part", "sig=="), Redacted("opaque=="), ToolUse("create_plan", {"part": "X"}))
    _, reply = await played([Answer(blocks=blocks, stop_reason="tool_use")], WITH_TOOL)
    body = await sent(request(user("go"), reply.message))
    assert body["messages"][1]["content"] == [block.whole() for block in blocks]


async def test_opaque_blocks_of_another_provider_stay_here() -> None:
    message = Message(role="assistant", blocks=(OpaqueBlock(provider="guided", data={}), TextBlock(text="Hello")))
    body = await sent(request(user("go"), message))
    assert body["messages"][1]["content"] == [{"type": "text", "text": "Hello"}]


async def test_a_local_server_is_not_asked_for_prompt_caching() -> None:
    assert "cache_control" not in await sent(request(system="You plan."))


async def test_the_real_api_is_asked_for_prompt_caching() -> None:
    server = MessagesApi([text("ok")])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(server.app)) as http:
        client = AsyncAnthropic(api_key=KEY, http_client=http, base_url="https://api.anthropic.com")
        await events_of(AnthropicModel("claude-x", client=client), request(system="You plan."))
    assert server.requests[0].body["cache_control"] == {"type": "ephemeral"}
