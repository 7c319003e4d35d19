"""Our request in the words of the Messages API. Pure: nothing is sent here."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, cast

from orchestrator_client.dialogue.messages import Block, Message, OpaqueBlock, TextBlock, ToolResultBlock, ToolUseBlock
from orchestrator_client.models.protocol import ModelRequest, ToolSpec

if TYPE_CHECKING:
    from anthropic.types import (
        ContentBlockParam,
        MessageParam,
        OutputConfigParam,
        ThinkingBlockParam,
        ToolChoiceParam,
        ToolParam,
    )
    from anthropic.types.message_create_params import MessageCreateParamsStreaming

__all__ = ["PROVIDER", "Effort", "message_parameters"]

PROVIDER = "anthropic"

Effort = Literal["low", "medium", "high", "xhigh", "max"]


def message_parameters(
    request: ModelRequest, *, model: str, effort: str | None, cached: bool
) -> "MessageCreateParamsStreaming":
    """`cached` asks for prompt caching, which only the real API knows."""
    parameters: MessageCreateParamsStreaming = {
        "model": model,
        "max_tokens": request.max_tokens,
        "messages": _messages(request.messages),
        "stream": True,
    }
    if request.system:
        parameters["system"] = request.system
    if request.tools:
        parameters["tools"] = [_tool(spec) for spec in request.tools]
    if request.tools and request.tool_choice:  # the API refuses a choice without tools
        parameters["tool_choice"] = _tool_choice(request.tool_choice)
    if effort:
        # The API checks the level: which ones exist depends on the model.
        parameters["output_config"] = cast("OutputConfigParam", {"effort": effort})
    if cached:
        parameters["cache_control"] = {"type": "ephemeral"}
    return parameters


def _tool(spec: ToolSpec) -> "ToolParam":
    tool: ToolParam = {"name": spec.name, "description": spec.description, "input_schema": spec.input_schema}
    if spec.strict:
        tool["strict"] = True
    return tool


def _tool_choice(choice: str) -> "ToolChoiceParam":
    if choice == "none":
        return {"type": "none"}
    return {"type": "tool", "name": choice, "disable_parallel_tool_use": True}


def _messages(messages: Iterable[Message]) -> "list[MessageParam]":
    """Neighbors of one role become one message; what has nothing to say is left out, for the API refuses it."""
    turns: list[tuple[Literal["user", "assistant"], list[ContentBlockParam]]] = []
    for message in messages:
        content = [block for block in map(_block, message.blocks) if block is not None]
        if not content:
            continue
        if turns and turns[-1][0] == message.role:
            turns[-1][1].extend(content)
        else:
            turns.append((message.role, content))
    # Both roles take the same content; the SDK's types want to know which one it is.
    return [cast("MessageParam", {"role": role, "content": _results_first(content)}) for role, content in turns]


def _results_first(content: "list[ContentBlockParam]") -> "list[ContentBlockParam]":
    """The API wants tool results before any text of the same message; otherwise the order stays."""
    return sorted(content, key=lambda block: block["type"] != "tool_result")


def _block(block: Block) -> "ContentBlockParam | None":
    match block:
        case TextBlock(text=text):
            return {"type": "text", "text": text} if text.strip() else None
        case ToolUseBlock():
            return {"type": "tool_use", "id": block.id, "name": block.name, "input": block.input}
        case ToolResultBlock():
            return {
                "type": "tool_result",
                "tool_use_id": block.tool_use_id,
                "content": block.content,
                "is_error": block.is_error,
            }
        case OpaqueBlock(provider=provider, data=data):
            # Stored as it came from the API (`anthropic_reply`), and owed back to it unchanged.
            return cast("ThinkingBlockParam", data) if provider == PROVIDER else None
