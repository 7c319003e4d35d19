"""The events of a streamed answer, checked: the SDK builds its own objects of them without a look at the fields."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from orchestrator_client.errors import ModelMisbehaved

__all__ = [
    "BlockDelta",
    "BlockStart",
    "InputPiece",
    "MessageDelta",
    "MessageStart",
    "MessageStop",
    "Piece",
    "SignaturePiece",
    "TextPiece",
    "TextStart",
    "ThinkingPiece",
    "ThinkingStart",
    "ToolUseStart",
    "UsageCounts",
    "checked",
    "misbehaved",
]


class _Wire(BaseModel):
    """Local servers add and leave out fields; only what is used here must fit."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class UsageCounts(_Wire):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None


class _Head(_Wire):
    model: str | None = None
    usage: UsageCounts | None = None


class MessageStart(_Wire):
    type: Literal["message_start"]
    message: _Head


class TextStart(_Wire):
    type: Literal["text"]
    text: str = ""


class ToolUseStart(_Wire):
    type: Literal["tool_use"]
    id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    input: Any = None


class ThinkingStart(_Wire):
    """Kept with all its fields: it goes back to the API unchanged."""

    model_config = ConfigDict(extra="allow")

    type: Literal["thinking", "redacted_thinking"]


class BlockStart(_Wire):
    type: Literal["content_block_start"]
    index: int
    content_block: Annotated[TextStart | ToolUseStart | ThinkingStart, Field(discriminator="type")]


class TextPiece(_Wire):
    type: Literal["text_delta"]
    text: str


class InputPiece(_Wire):
    type: Literal["input_json_delta"]
    partial_json: str


class ThinkingPiece(_Wire):
    type: Literal["thinking_delta"]
    thinking: str


class SignaturePiece(_Wire):
    type: Literal["signature_delta"]
    signature: str


Piece = TextPiece | InputPiece | ThinkingPiece | SignaturePiece


class BlockDelta(_Wire):
    type: Literal["content_block_delta"]
    index: int
    delta: Annotated[Piece, Field(discriminator="type")]


class _Ending(_Wire):
    stop_reason: str | None = None


class MessageDelta(_Wire):
    type: Literal["message_delta"]
    delta: _Ending
    usage: UsageCounts | None = None


class MessageStop(_Wire):
    type: Literal["message_stop"]


Event = Annotated[MessageStart | BlockStart | BlockDelta | MessageDelta | MessageStop, Field(discriminator="type")]
_EVENT: TypeAdapter[Event] = TypeAdapter(Event)
# Others, such as `ping`, say nothing we need, and the API may add new ones.
_READ = frozenset({"message_start", "content_block_start", "content_block_delta", "message_delta", "message_stop"})


def checked(event: Mapping[str, object]) -> Event | None:
    """The event, or None if it is of a kind that is not used.

    Raises:
        ModelMisbehaved: it does not fit its kind.
    """
    if event.get("type") not in _READ:
        return None
    try:
        return _EVENT.validate_python(event)
    except ValidationError as error:
        # The union's tags are part of the path: `content_block_delta.delta.text_delta.text`.
        where = ".".join(str(part) for part in error.errors(include_input=False, include_url=False)[0]["loc"])
        failure = misbehaved(f"an event outside the Messages API at {where or 'type'!r}")
    raise failure  # outside of `except`, so that the event's content does not travel along


def misbehaved(what: str) -> ModelMisbehaved:
    return ModelMisbehaved(f"The model sent {what}.", suggestion="Try again, or choose another model.")
