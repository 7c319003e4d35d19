"""What is sent, read from what a loopback server of the Messages API received."""

import json
from typing import Any, cast

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
from orchestrator_client.models.messages_api import AnthropicModel
from orchestrator_client.models.protocol import ModelRequest, ToolSpec
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
    tools = (ToolSpec("a", "", SCHEMA, strict=True), ToolSpec("b", "", SCHEMA))
    body = await sent(request(tools=tools), capabilities={"strict_tools": True})
    assert [tool.get("strict") for tool in body["tools"]] == [True, None]


async def test_a_local_server_is_not_asked_for_strict_tools() -> None:
    body = await sent(request(tools=(ToolSpec("a", "", SCHEMA, strict=True),)))
    assert "strict" not in body["tools"][0]


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
    assert server.requests[0].body["system"] == [
        {"type": "text", "text": "You plan.", "cache_control": {"type": "ephemeral"}}
    ]


async def test_caching_can_be_switched_off_for_the_real_api() -> None:
    server = MessagesApi([text("ok")])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(server.app)) as http:
        client = AsyncAnthropic(api_key=KEY, http_client=http, base_url="https://api.anthropic.com")
        model = AnthropicModel("claude-x", client=client, capabilities={"caching": False, "strict_tools": None})
        await events_of(model, request(system="You plan."))
    assert server.requests[0].body["system"] == "You plan."
    assert "cache_control" not in server.requests[0].body
    assert (model.capabilities.caching, model.capabilities.strict_tools) == (False, True)


def shuffled(value: object) -> object:
    """An equal value whose keys stand in another order."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


NESTED: dict[str, Any] = {
    "type": "object",
    "required": ["part", "rows"],
    "properties": {
        "part": {"type": "string", "enum": ["b", "a"]},
        "rows": {"type": "array", "items": {"$ref": "#/$defs/Row"}},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": {"z": 1, "a": 2}},
        "any": True,
        "date": {"type": "string"},
    },
    "$defs": {"Row": {"type": "object", "properties": {"spec": {"type": "number"}, "a": {"type": "string"}}}},
}
CACHED = {"capabilities": {"caching": True, "strict_tools": True}}
AGENT = ToolSpec("create_plan", "Creates a plan.", NESTED, strict=True)


async def prefix(asked: ModelRequest) -> str:
    """What a prompt cache compares, byte for byte: the tools and then the system prompt."""
    body = await sent(asked, **CACHED)
    return json.dumps([body["tools"], body["system"]])


async def test_the_requests_of_an_agent_share_the_bytes_of_tools_and_system() -> None:
    tools = (AGENT, ToolSpec("list_plans", "Lists plans.", SCHEMA))
    first = await prefix(request(user("plan for A"), system="You plan.", tools=tools))
    assert await prefix(request(user("B"), assistant("?"), user("C"), system="You plan.", tools=tools)) == first
    assert await prefix(request(system="You plan.", tools=tools, tool_choice="create_plan")) == first
    assert await prefix(request(system="You plan.", tools=tools, tool_choice="none")) == first
    equal = ToolSpec("create_plan", "Creates a plan.", cast("dict[str, Any]", shuffled(NESTED)), strict=True)
    assert equal == AGENT
    assert await prefix(request(system="You plan.", tools=(tools[1], equal))) == first
    assert await prefix(request(system="You plan!", tools=tools)) != first


async def test_a_schema_is_sent_whole_and_its_required_properties_first() -> None:
    (tool,) = (await sent(request(tools=(AGENT,))))["tools"]
    assert tool["input_schema"] == NESTED
    assert list(tool["input_schema"]["properties"]) == ["part", "rows", "any", "date", "note"]
    assert tool["input_schema"]["properties"]["part"]["enum"] == ["b", "a"]
