"""Our request in the words of the Messages API. Pure: nothing is sent here."""

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Literal, cast

from orchestrator_client.dialogue.messages import Block, Message, OpaqueBlock, TextBlock, ToolResultBlock, ToolUseBlock
from orchestrator_client.models.messages_api.text import inert
from orchestrator_client.models.messages_api.tools import tool_parameters
from orchestrator_client.models.protocol import ModelRequest, ToolSpec

if TYPE_CHECKING:
    from anthropic.types import (
        ContentBlockParam,
        MessageParam,
        OutputConfigParam,
        TextBlockParam,
        ThinkingBlockParam,
        ToolChoiceParam,
    )
    from anthropic.types.message_create_params import MessageCreateParamsStreaming

__all__ = ["PROVIDER", "Effort", "OptionalField", "message_parameters", "optional_fields"]

PROVIDER = "anthropic"

OptionalField = Literal["cache_control", "strict", "tool_choice", "output_config"]
"""Parameters that a server of the Messages API may not know; without them an answer is still an answer."""

Effort = Literal["low", "medium", "high", "xhigh", "max"]


def message_parameters(
    request: ModelRequest,
    *,
    model: str,
    effort: str | None,
    lacks: Collection[OptionalField] = (),
    reads_tokens: bool = False,
) -> "MessageCreateParamsStreaming":
    """The parameters of a streamed call, without the optional ones that the server `lacks`.

    `reads_tokens` says of a server that it may take a token of the chat template in a message for one.

    With caching there are two marks: after the system prompt, which closes the prefix that all tasks of an agent share
    (tools come before it), and at the end of the messages, for the next call of the same task.
    """
    parameters: MessageCreateParamsStreaming = {
        "model": model,
        "max_tokens": request.max_tokens,
        "messages": _messages(request.messages, inert if reads_tokens else _as_is),
        "stream": True,
    }
    cached = "cache_control" not in lacks
    if request.system:
        parameters["system"] = _cached_system(request.system) if cached else request.system
    if tools := _offered(request, chooses="tool_choice" not in lacks):
        parameters["tools"] = tool_parameters(tools, strict="strict" not in lacks)
    if tools and request.tool_choice and "tool_choice" not in lacks:  # the API refuses a choice without tools
        parameters["tool_choice"] = _tool_choice(request.tool_choice)
    if effort and "output_config" not in lacks:
        # The API checks the level: which ones exist depends on the model.
        parameters["output_config"] = cast("OutputConfigParam", {"effort": effort})
    if cached:
        parameters["cache_control"] = {"type": "ephemeral"}
    return parameters


def optional_fields(parameters: "MessageCreateParamsStreaming") -> frozenset[OptionalField]:
    """Those of the optional fields that are there."""
    at_the_top: tuple[OptionalField, ...] = ("cache_control", "tool_choice", "output_config")
    found: list[OptionalField] = [name for name in at_the_top if name in parameters]
    if any("strict" in tool for tool in parameters.get("tools", ())):
        found.append("strict")
    return frozenset(found)


def _cached_system(system: str) -> "list[TextBlockParam]":
    return [{"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}]


def _offered(request: ModelRequest, *, chooses: bool) -> tuple[ToolSpec, ...]:
    """A server that takes no choice is offered only what the choice would leave."""
    if chooses or request.tool_choice is None:
        return request.tools
    return tuple(tool for tool in request.tools if tool.name == request.tool_choice)


def _tool_choice(choice: str) -> "ToolChoiceParam":
    if choice == "none":
        return {"type": "none"}
    return {"type": "tool", "name": choice, "disable_parallel_tool_use": True}


def _as_is(text: str) -> str:
    return text


def _messages(messages: Iterable[Message], read: Callable[[str], str]) -> "list[MessageParam]":
    """Neighbors of one role become one message; what has nothing to say is left out, for the API refuses it."""
    turns: list[tuple[Literal["user", "assistant"], list[ContentBlockParam]]] = []
    for message in messages:
        content = [param for block in message.blocks if (param := _block(block, read)) is not None]
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


def _block(block: Block, read: Callable[[str], str]) -> "ContentBlockParam | None":
    match block:
        case TextBlock(text=text):
            return {"type": "text", "text": read(text)} if text.strip() else None
        case ToolUseBlock():
            return {"type": "tool_use", "id": block.id, "name": block.name, "input": block.input}
        case ToolResultBlock():
            return {
                "type": "tool_result",
                "tool_use_id": block.tool_use_id,
                "content": read(block.content),
                "is_error": block.is_error,
            }
        case OpaqueBlock(provider=provider, data=data):
            # Stored as it came from the API (`reply.py`), and owed back to it unchanged.
            return cast("ThinkingBlockParam", data) if provider == PROVIDER else None
