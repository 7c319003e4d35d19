"""How many tokens a request has, estimated without a tokenizer: for models and servers that do not count."""

import json
import math
from collections.abc import Iterable
from functools import lru_cache

from orchestrator_client.dialogue.messages import Block, Message, OpaqueBlock, TextBlock, ToolResultBlock, ToolUseBlock
from orchestrator_client.models.protocol import ModelRequest, ToolSpec

__all__ = ["message_tokens", "messages_tokens", "request_tokens", "text_tokens", "tools_tokens"]

_BYTES_PER_TOKEN = 3.3
"""English prose has about 4, JSON and part numbers about 3: an estimate must rather be too high."""

_PER_MESSAGE = 4
_PER_BLOCK = 8


def text_tokens(text: str) -> int:
    return math.ceil(len(text.encode("utf-8", "replace")) / _BYTES_PER_TOKEN)


@lru_cache(maxsize=4096)
def _block_tokens(kind: str, text: str) -> int:
    return text_tokens(text) + (0 if kind == "text" else _PER_BLOCK)


def message_tokens(message: Message) -> int:
    return _PER_MESSAGE + sum(_block_tokens(block.type, _read(block)) for block in message.blocks)


def messages_tokens(messages: Iterable[Message]) -> int:
    return sum(map(message_tokens, messages))


def tools_tokens(tools: Iterable[ToolSpec]) -> int:
    return sum(
        _PER_BLOCK + text_tokens(f"{tool.name} {tool.description} {json.dumps(tool.input_schema)}") for tool in tools
    )


def request_tokens(request: ModelRequest) -> int:
    """All that a model reads: system prompt, tools and messages."""
    return text_tokens(request.system) + tools_tokens(request.tools) + messages_tokens(request.messages)


def _read(block: Block) -> str:
    """What of a block a model reads. Opaque state is another model's, or too small to matter."""
    match block:
        case TextBlock(text=text):
            return text
        case ToolUseBlock():
            return block.name + json.dumps(block.input)
        case ToolResultBlock():
            return block.content
        case OpaqueBlock():
            return ""
