"""Large tool results, told briefly: cleared where they are old, shortened where nothing else makes room.

Only what a model reads is changed; the structured answer and the pairing stay.
"""

from collections.abc import Collection, Mapping, Sequence

from orchestrator_client.context.history.ledger import stored_by
from orchestrator_client.dialogue.messages import Message, ToolResultBlock, ToolUseBlock
from orchestrator_client.models.tokens import text_tokens

__all__ = ["cleared", "shortened"]

_LARGE = 250  # tokens; a stub has about 40
_SMALLEST = 60  # tokens that a shortened result keeps
_BYTES_PER_TOKEN = 3
_SHORTENED = "\n[Cut here to save room. For the rest, ask for less at a time: a filter, a smaller page.{warning}]"
_NO_REPEAT = " Never repeat a call that stores something."


def cleared(turn: Sequence[Message], *, read_only: Collection[str]) -> list[Message]:
    """A turn with a stub for every large tool result; a message without any stays the same object."""
    if not any(_large(message) for message in turn):
        return list(turn)
    uses = {use.id: use for message in turn for use in message.tool_uses}
    return [
        _with_results(message, {b.tool_use_id: _stub(b, uses, read_only) for b in _large(message)}) for message in turn
    ]


def shortened(messages: Sequence[Message], *, excess_tokens: int) -> tuple[Message, ...]:
    """Messages that are `excess_tokens` smaller, if their tool results allow it: the newest last, the largest first."""
    found = [
        (place == len(messages) - 1, -text_tokens(block.content), place, block)
        for place, message in enumerate(messages)
        for block in message.tool_results
    ]
    changed: dict[int, dict[str, str]] = {}
    for _, size, place, block in sorted(found, key=lambda candidate: candidate[:3]):
        most = max(_SMALLEST, -size - excess_tokens)
        content = _cut(block, most)
        saved = -size - text_tokens(content)
        if excess_tokens > 0 and saved > 0:
            changed.setdefault(place, {})[block.tool_use_id] = content
            excess_tokens -= saved
    return tuple(_with_results(message, changed.get(place, {})) for place, message in enumerate(messages))


def _large(message: Message) -> list[ToolResultBlock]:
    if message.role != "user":
        return []
    return [block for block in message.tool_results if text_tokens(block.content) > _LARGE]


def _stub(block: ToolResultBlock, uses: Mapping[str, ToolUseBlock], read_only: Collection[str]) -> str:
    use = uses.get(block.tool_use_id)
    tool = use.name if use else "the tool"
    if block.is_error:
        return _cut(block, _SMALLEST)
    stored = stored_by(use, block) if use and tool not in read_only else None
    if stored:
        return f"[The answer was long and has been cleared to save room. It succeeded: {stored}. Do not call it again.]"
    if use and read_only and tool not in read_only:
        return f"[The long answer of {tool} has been cleared to save room. It succeeded. Do not call it again.]"
    return f"[The long answer of {tool} has been cleared to save room. Call {tool} again if you need it.]"


def _cut(block: ToolResultBlock, most_tokens: int) -> str:
    notice = _SHORTENED.format(warning=_NO_REPEAT)
    room = most_tokens - text_tokens(notice)
    return (
        block.content.encode("utf-8", "replace")[: max(0, room) * _BYTES_PER_TOKEN].decode("utf-8", "ignore") + notice
    )


def _with_results(message: Message, contents: Mapping[str, str]) -> Message:
    if not contents:
        return message
    blocks = (
        block.model_copy(update={"content": contents[block.tool_use_id]})
        if isinstance(block, ToolResultBlock) and block.tool_use_id in contents
        else block
        for block in message.blocks
    )
    return message.model_copy(update={"blocks": tuple(blocks)})
