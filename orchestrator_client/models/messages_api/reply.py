"""Puts the events of one streamed answer together, and refuses what is outside the protocol.

The SDK completes cut-off JSON of a tool's input by guessing, so it is checked here as whole JSON. What local servers
leave out, or word in another API's way, is understood as long as its meaning is certain.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from orchestrator_client.dialogue.messages import Block, Message, OpaqueBlock, TextBlock, ToolUseBlock
from orchestrator_client.models.messages_api.events import (
    BlockDelta,
    BlockStart,
    InputPiece,
    MessageDelta,
    MessageStart,
    MessageStop,
    Piece,
    SignaturePiece,
    TextPiece,
    TextStart,
    ThinkingPiece,
    ThinkingStart,
    ToolUseStart,
    UsageCounts,
    checked,
    misbehaved,
)
from orchestrator_client.models.messages_api.fenced_calls import json_object
from orchestrator_client.models.messages_api.request import PROVIDER
from orchestrator_client.models.messages_api.text import MOST_BLANKS, AnswerText, trailing_blanks
from orchestrator_client.models.protocol import ModelReply, ModelRequest, StopReason, Usage

__all__ = ["ReplyAssembler"]

_STOP_REASONS: Mapping[str | None, StopReason] = MappingProxyType(
    {
        "end_turn": "end_turn",
        "tool_use": "tool_use",
        "max_tokens": "max_tokens",
        "stop_sequence": "stop_sequence",
        "refusal": "refusal",
        "model_context_window_exceeded": "context_window",
        "pause_turn": "pause",
        "tool_calls": "tool_use",
        "length": "max_tokens",
    }
)
# Local servers that leave the reason out, or say it as the OpenAI API does for an answer that is whole.
_WITHOUT_REASON = frozenset({None, "", "stop"})

# After these an answer without any text is a fact to report, not a fault of the model.
_MAY_BE_EMPTY = frozenset({"max_tokens", "refusal", "context_window", "pause"})


@dataclass(slots=True)
class _OpenBlock:
    """A block while it arrives: `pieces` are its text, the JSON of its input, or its thinking."""

    start: TextStart | ToolUseStart | ThinkingStart
    pieces: list[str] = field(default_factory=list[str])
    signature: str | None = None


class ReplyAssembler:
    """Takes the events of one answer in order; text ends before any of `end_tokens`.

    `finished` once the answer can be taken: its last event is in, or it is `cut` because no more of it is wanted.
    """

    def __init__(self, request: ModelRequest, *, end_tokens: Collection[str] = ()) -> None:
        self._request = request
        self._text = AnswerText(end_tokens)
        self._blanks = 0
        self._model = ""
        self._blocks: dict[int, _OpenBlock] = {}
        self._text_index: int | None = None
        self._kept_index: int | None = None
        self._stop_reason: str | None = None
        self._usage: dict[str, int] = {}
        self._complete = False
        self.cut = False

    @property
    def finished(self) -> bool:
        return self._complete or self.cut

    def add(self, event: Mapping[str, object]) -> str:
        """Returns the text this event adds. All of it, joined, is the text of the reply's message."""
        match checked(event):
            case MessageStart(message=head):
                self._model = head.model or ""
                self._count(head.usage)
            case BlockStart(index=index, content_block=block):
                return self._open(index, block)
            case BlockDelta(index=index, delta=delta):
                return self._add_piece(index, delta)
            case MessageDelta(delta=ending, usage=usage):
                self._stop_reason = ending.stop_reason
                self._count(usage)
            case MessageStop():
                self._complete = True
                return self._flushed()
            case None:
                pass
        return ""

    def reply(self) -> ModelReply:
        """The whole answer.

        Its tool uses survive only when the model stopped to use tools: those of a cut-off or refused answer are never
        run, and without a result they could not be replayed.
        """
        stop_reason = self._mapped_stop_reason()
        blocks = tuple(self._finished_blocks(with_tool_uses=stop_reason == "tool_use"))
        message = Message(role="assistant", blocks=blocks)
        _check_tool_uses(message, stop_reason)
        if not message.text.strip() and not message.tool_uses and stop_reason not in _MAY_BE_EMPTY:
            raise misbehaved("an empty answer")
        return ModelReply(message=message, stop_reason=stop_reason, model=self._model, usage=self._summed_usage())

    def _open(self, index: int, block: TextStart | ToolUseStart | ThinkingStart) -> str:
        if index in self._blocks:
            raise misbehaved("two blocks with one index")
        flushed = self._flushed()
        self._blocks[index] = _OpenBlock(block)
        return flushed + (self._add_text(index, block.text) if isinstance(block, TextStart) else "")

    def _add_piece(self, index: int, delta: Piece) -> str:
        block = self._blocks.get(index)
        match block and block.start, delta:
            case TextStart(), TextPiece(text=text):
                return self._add_text(index, text)
            case (ToolUseStart(), InputPiece(partial_json=piece)) | (ThinkingStart(), ThinkingPiece(thinking=piece)):
                self._blocks[index].pieces.append(piece)
                self._end_if_blank(piece)
            case ThinkingStart(), SignaturePiece(signature=signature):
                self._blocks[index].signature = signature
            case _:
                raise misbehaved(f"a {delta.type} that fits no open block")
        return ""

    def _add_text(self, index: int, piece: str) -> str:
        flushed = self._flushed() if self._text_index != index else ""
        self._text_index = index
        text = self._keep(self._text.push(piece))
        self.cut = self.cut or self._text.ended
        return flushed + text

    def _flushed(self) -> str:
        return self._keep(self._text.flush())

    def _keep(self, text: str) -> str:
        """A line feed separates two text blocks, as it does in `Message.text`."""
        index = self._text_index
        if index is None or not text:
            return ""
        separator = "" if self._kept_index in {None, index} else "\n"
        self._kept_index = index
        self._blocks[index].pieces.append(text)
        return separator + text

    def _end_if_blank(self, piece: str) -> None:
        """A tool's input or thinking that runs on with white space ends the answer as it stands."""
        blanks = trailing_blanks(piece)
        self._blanks = self._blanks + blanks if blanks == len(piece) else blanks
        self.cut = self.cut or self._blanks > MOST_BLANKS

    def _count(self, usage: UsageCounts | None) -> None:
        """Counts of a later event are totals and replace earlier ones; absent ones leave them."""
        if usage is not None:
            self._usage |= usage.model_dump(exclude_none=True)

    def _summed_usage(self) -> Usage:
        cached = ("cache_creation_input_tokens", "cache_read_input_tokens")
        return Usage(
            input_tokens=sum(self._usage.get(key, 0) for key in ("input_tokens", *cached)),
            output_tokens=self._usage.get("output_tokens", 0),
            cache_read_tokens=self._usage.get("cache_read_input_tokens", 0),
            cache_write_tokens=self._usage.get("cache_creation_input_tokens", 0),
        )

    def _mapped_stop_reason(self) -> StopReason:
        names = [block.start.name for block in self._blocks.values() if isinstance(block.start, ToolUseStart)]
        if self._complete and self._stop_reason in _WITHOUT_REASON:
            return "tool_use" if names else "end_turn"
        stop_reason = _STOP_REASONS.get(self._stop_reason) if self._complete else "end_turn"
        if stop_reason is None:
            raise misbehaved("an unknown stop reason")
        if stop_reason != "end_turn" or not names:
            return stop_reason
        # vLLM ends the turn of a forced call with end_turn (vllm-project/vllm#47598); of any other call it is a fault.
        if names == [self._request.tool_choice]:
            return "tool_use"
        raise misbehaved("a tool call in an answer that did not stop for one")

    def _finished_blocks(self, *, with_tool_uses: bool) -> Iterator[Block]:
        for block in self._blocks.values():
            joined = "".join(block.pieces)
            match block.start:
                case TextStart() if joined:
                    yield TextBlock(text=joined)
                case ToolUseStart() as start if with_tool_uses:
                    yield ToolUseBlock(id=start.id, name=start.name, input=_tool_input(start, joined))
                case ThinkingStart() as start:
                    yield OpaqueBlock(provider=PROVIDER, data=_thinking(start, joined, block.signature))
                case _:
                    pass


def _tool_input(start: ToolUseStart, partial_json: str) -> dict[str, Any]:
    """Servers that do not stream a tool's input send it whole in the block's first event."""
    try:
        return json_object(partial_json or start.input)
    except ValueError:
        failure = misbehaved("a tool call whose input is not a JSON object")
    raise failure


def _thinking(start: ThinkingStart, joined: str, signature: str | None) -> dict[str, Any]:
    data = start.model_dump()
    if joined:
        data["thinking"] = f"{data.get('thinking') or ''}{joined}"
    if signature is not None:
        data["signature"] = signature
    return data


def _check_tool_uses(message: Message, stop_reason: StopReason) -> None:
    ids = [tool_use.id for tool_use in message.tool_uses]
    if len(ids) != len(set(ids)):
        raise misbehaved("two tool calls with one id")
    if stop_reason == "tool_use" and not ids:
        raise misbehaved("a stop for tools without a tool call")
