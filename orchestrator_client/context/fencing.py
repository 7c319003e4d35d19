"""Shows a model where a tool's data begins and ends. For the model only: the log keeps what came.

Some local servers read chat-template tokens wherever they stand, so a record that holds one could open a turn of its
own. Such tokens, the completion marker and look-alikes of the fence are shown in other brackets: readable, and inert.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from orchestrator_client.dialogue.messages import Block, Message, TextBlock, ToolResultBlock

__all__ = ["TAG", "defused", "fenced"]

TAG = "tool_output"
"""The element that holds a tool's answer."""

_NAME_LIMIT = 64
_MOST_REMEMBERED = 20_000
_BRACKETS = "<>[]\uff1c\uff1e \t"

# Llama 2, Mistral, Gemma, GLM, Command R, Qwen, Hermes, DeepSeek and their kin; what has a bar is `opens` and `closes`.
_IN_ANGLES = (
    r"s|bos|eos|pad|unk|mask|sop|eop|eo[aht]|start_of_\w+|end_of_\w+|(?:bos|eos|pad)_token|tools?|tool_calls?"
    r"|tool_responses?|function_calls?|invoke|think(?:ing)?|system|user|assistant|human|reserved_\d+|seed:[\w:]+"
)
_IN_SQUARES = (
    r"inst|sys|system|user|assistant|[gs]mask|available_tools|tool_(?:calls|results|content)|system_prompt|args|call_id"
    r"|model_settings|think|task[\s_-]?complete"
)
_TOKEN = re.compile(
    rf"""
      (?P<opens> [<\uFF1C\[][|\uFF5C] | [<\uFF1C](?=[^\w<«]{{0,8}}tool[\W_]{{0,2}}output) )
    | (?P<closes> [|\uFF5C][>\uFF1E] )
    | <<\s?/?\s?sys\s?>>
    | [<\uFF1C]\s?/?\s?(?:{_IN_ANGLES})\s?[>\uFF1E]
    | \[\s?/?\s?(?:{_IN_SQUARES})\s?\]
    | ^[ \t]*(?:\#{{2,3}}[ \t]*(?:instruction|response|system|user|assistant|input)|human|assistant)[ \t]*(?=:)
    """,
    re.IGNORECASE | re.VERBOSE | re.MULTILINE,
)  # FF1C, FF5C and FF1E are the full-width brackets and bar, which DeepSeek's tokens are made of


def fenced(messages: Iterable[Message]) -> tuple[Message, ...]:
    """The messages with every tool result inside its fence, and with inert task context.

    What a person or the agent said stays as it is, and so does the `structured` part of a result.
    """
    names: dict[str, str] = {}
    shown: list[Message] = []
    for message in messages:
        names |= {use.id: use.name for use in message.tool_uses}
        blocks = tuple(_shown(block, message, names) for block in message.blocks)
        shown.append(message if blocks == message.blocks else message.model_copy(update={"blocks": blocks}))
    return tuple(shown)


def defused(text: str) -> str:
    """The text without anything that a model's template, or a reader of the fence, could take for more than data.

    Nothing is only taken away, so that no token can come about by taking out another.
    """
    return _remembered(text) if len(text) <= _MOST_REMEMBERED else _TOKEN.sub(_in_other_brackets, text)


@lru_cache(maxsize=1024)
def _remembered(text: str) -> str:
    """Every request of a task shows all its results again."""
    return _TOKEN.sub(_in_other_brackets, text)


def _shown(block: Block, message: Message, names: dict[str, str]) -> Block:
    match block:
        case ToolResultBlock():
            name = re.sub(r"[^\w.-]", "_", names.get(block.tool_use_id, "unknown"))[:_NAME_LIMIT]
            text = f'<{TAG} tool="{name}">\n{defused(block.content)}\n</{TAG}>'
            return block.model_copy(update={"content": text})
        case TextBlock() if message.kind == "context":
            return TextBlock(text=defused(block.text))
        case _:
            return block


def _in_other_brackets(token: re.Match[str]) -> str:
    if token["opens"]:
        return "«"
    if token["closes"]:
        return "»"
    return f"«{token.group().strip(_BRACKETS)}»"
