"""Puts the events of one streamed answer together, and refuses what is outside the protocol.

The SDK builds its event objects without checking them and completes cut-off JSON of a tool's input by guessing, so
both are checked here: an event against the few fields that are used, a tool's input as whole JSON.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from orchestrator_client.dialogue.messages import Block, Message, OpaqueBlock, TextBlock, ToolUseBlock
from orchestrator_client.errors import ModelMisbehaved
from orchestrator_client.models.anthropic_request import PROVIDER
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
    }
)

# After these an answer without any text is a fact to report, not a fault of the model.
_MAY_BE_EMPTY = frozenset({"max_tokens", "refusal", "context_window", "pause"})


class _Wire(BaseModel):
    """Local servers add and leave out fields; only what is used here must fit."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class _Usage(_Wire):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None


class _Head(_Wire):
    model: str = ""
    usage: _Usage = _Usage()


class _MessageStart(_Wire):
    type: Literal["message_start"]
    message: _Head


class _Text(_Wire):
    type: Literal["text"]
    text: str = ""


class _ToolUse(_Wire):
    type: Literal["tool_use"]
    id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    input: Any = None


class _Thinking(_Wire):
    """Kept with all its fields: it goes back to the API unchanged."""

    model_config = ConfigDict(extra="allow")

    type: Literal["thinking", "redacted_thinking"]


class _BlockStart(_Wire):
    type: Literal["content_block_start"]
    index: int
    content_block: Annotated[_Text | _ToolUse | _Thinking, Field(discriminator="type")]


class _TextPiece(_Wire):
    type: Literal["text_delta"]
    text: str


class _InputPiece(_Wire):
    type: Literal["input_json_delta"]
    partial_json: str


class _ThinkingPiece(_Wire):
    type: Literal["thinking_delta"]
    thinking: str


class _SignaturePiece(_Wire):
    type: Literal["signature_delta"]
    signature: str


class _BlockDelta(_Wire):
    type: Literal["content_block_delta"]
    index: int
    delta: Annotated[_TextPiece | _InputPiece | _ThinkingPiece | _SignaturePiece, Field(discriminator="type")]


class _Ending(_Wire):
    stop_reason: str | None = None


class _MessageDelta(_Wire):
    type: Literal["message_delta"]
    delta: _Ending
    usage: _Usage = _Usage()


class _MessageStop(_Wire):
    type: Literal["message_stop"]


_Event = Annotated[
    _MessageStart | _BlockStart | _BlockDelta | _MessageDelta | _MessageStop, Field(discriminator="type")
]
_EVENT: TypeAdapter[_Event] = TypeAdapter(_Event)
_OBJECT = TypeAdapter(dict[str, Any])
# Others, such as `ping`, say nothing we need, and the API may add new ones.
_READ = frozenset({"message_start", "content_block_start", "content_block_delta", "message_delta", "message_stop"})


@dataclass(slots=True)
class _OpenBlock:
    """A block while it arrives: `pieces` are its text, the JSON of its input, or its thinking."""

    start: _Text | _ToolUse | _Thinking
    pieces: list[str] = field(default_factory=list[str])
    signature: str | None = None


class ReplyAssembler:
    """Takes the events of one answer in order; `finished` once the last one is in."""

    def __init__(self, request: ModelRequest) -> None:
        self._request = request
        self._model = ""
        self._blocks: dict[int, _OpenBlock] = {}
        self._text_index: int | None = None
        self._stop_reason: str | None = None
        self._usage: dict[str, int] = {}
        self.finished = False

    def add(self, event: Mapping[str, object]) -> str:
        """Returns the text this event adds. All of it, joined, is the text of the reply's message."""
        if event.get("type") not in _READ:
            return ""
        match _checked(event):
            case _MessageStart(message=head):
                self._model = head.model
                self._count(head.usage)
            case _BlockStart(index=index, content_block=block):
                return self._open(index, block)
            case _BlockDelta(index=index, delta=delta):
                return self._add_piece(index, delta)
            case _MessageDelta(delta=ending, usage=usage):
                self._stop_reason = ending.stop_reason
                self._count(usage)
            case _MessageStop():
                self.finished = True
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
            raise _misbehaved("an empty answer")
        return ModelReply(message=message, stop_reason=stop_reason, model=self._model, usage=self._summed_usage())

    def _open(self, index: int, block: _Text | _ToolUse | _Thinking) -> str:
        if index in self._blocks:
            raise _misbehaved("two blocks with one index")
        self._blocks[index] = _OpenBlock(block)
        return self._add_text(index, block.text) if isinstance(block, _Text) else ""

    def _add_piece(self, index: int, delta: _TextPiece | _InputPiece | _ThinkingPiece | _SignaturePiece) -> str:
        block = self._blocks.get(index)
        match block and block.start, delta:
            case _Text(), _TextPiece(text=text):
                return self._add_text(index, text)
            case (_ToolUse(), _InputPiece(partial_json=piece)) | (_Thinking(), _ThinkingPiece(thinking=piece)):
                self._blocks[index].pieces.append(piece)
            case _Thinking(), _SignaturePiece(signature=signature):
                self._blocks[index].signature = signature
            case _:
                raise _misbehaved(f"a {delta.type} that fits no open block")
        return ""

    def _add_text(self, index: int, text: str) -> str:
        """A line feed separates two text blocks, as it does in `Message.text`."""
        if not text:
            return ""
        self._blocks[index].pieces.append(text)
        separator = "" if self._text_index in {None, index} else "\n"
        self._text_index = index
        return separator + text

    def _count(self, usage: _Usage) -> None:
        """Counts of a later event are totals and replace earlier ones; absent ones leave them."""
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
        stop_reason = _STOP_REASONS.get(self._stop_reason)
        if stop_reason is None:
            raise _misbehaved("an unknown stop reason")
        names = [block.start.name for block in self._blocks.values() if isinstance(block.start, _ToolUse)]
        if stop_reason != "end_turn" or not names:
            return stop_reason
        # vLLM ends the turn of a forced call with end_turn (vllm-project/vllm#47598); of any other call it is a fault.
        if names == [self._request.tool_choice]:
            return "tool_use"
        raise _misbehaved("a tool call in an answer that did not stop for one")

    def _finished_blocks(self, *, with_tool_uses: bool) -> Iterator[Block]:
        for block in self._blocks.values():
            joined = "".join(block.pieces)
            match block.start:
                case _Text() if joined:
                    yield TextBlock(text=joined)
                case _ToolUse() as start if with_tool_uses:
                    yield ToolUseBlock(id=start.id, name=start.name, input=_tool_input(start, joined))
                case _Thinking() as start:
                    yield OpaqueBlock(provider=PROVIDER, data=_thinking(start, joined, block.signature))
                case _:
                    pass


def _checked(event: Mapping[str, object]) -> _Event:
    try:
        return _EVENT.validate_python(event)
    except ValidationError as error:
        # The union's tags are part of the path: `content_block_delta.delta.text_delta.text`.
        where = ".".join(str(part) for part in error.errors(include_input=False, include_url=False)[0]["loc"])
        failure = _misbehaved(f"an event outside the Messages API at {where or 'type'!r}")
    raise failure  # outside of `except`, so that the event's content does not travel along


def _tool_input(start: _ToolUse, partial_json: str) -> dict[str, Any]:
    """Servers that do not stream a tool's input send it whole in the block's first event."""
    try:
        return _OBJECT.validate_python(from_json(partial_json, allow_inf_nan=False) if partial_json else start.input)
    except ValueError:
        failure = _misbehaved("a tool call whose input is not a JSON object")
    raise failure


def _thinking(start: _Thinking, joined: str, signature: str | None) -> dict[str, Any]:
    data = start.model_dump()
    if joined:
        data["thinking"] = f"{data.get('thinking') or ''}{joined}"
    if signature is not None:
        data["signature"] = signature
    return data


def _check_tool_uses(message: Message, stop_reason: StopReason) -> None:
    ids = [tool_use.id for tool_use in message.tool_uses]
    if len(ids) != len(set(ids)):
        raise _misbehaved("two tool calls with one id")
    if stop_reason == "tool_use" and not ids:
        raise _misbehaved("a stop for tools without a tool call")


def _misbehaved(what: str) -> ModelMisbehaved:
    return ModelMisbehaved(f"The model sent {what}.", suggestion="Try again, or choose another model.")
