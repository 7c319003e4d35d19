"""What models, tools and the session store exchange: messages made of typed blocks.

The shapes follow the Messages API, so that a stored conversation can be replayed to any model border.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "Block",
    "Message",
    "MessageKind",
    "OpaqueBlock",
    "TextBlock",
    "ToolResultBlock",
    "ToolUseBlock",
    "assistant",
    "context",
    "note",
    "user",
]

MessageKind = Literal["context", "person", "agent", "tools", "note"]
"""Who speaks: task context and notes come from the orchestrator, `tools` are results."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class TextBlock(_Frozen):
    """Text of the user or of the assistant."""

    type: Literal["text"] = "text"
    text: str


class ToolUseBlock(_Frozen):
    """A model's wish to call a tool; `id` pairs it with its result."""

    type: Literal["tool_use"] = "tool_use"
    id: str
    name: str
    input: dict[str, Any]  # arguments as JSON; checked against the tool's schema by the executor


class ToolResultBlock(_Frozen):
    """What a tool answered.

    `content` is the text a model reads, `structured` the same answer as JSON for code that reads it.
    """

    type: Literal["tool_result"] = "tool_result"
    tool_use_id: str
    content: str
    structured: dict[str, Any] | None = None
    is_error: bool = False


class OpaqueBlock(_Frozen):
    """State a model border keeps in the conversation for its own next turn; others skip it and nobody shows it."""

    type: Literal["opaque"] = "opaque"
    provider: str
    data: dict[str, Any]


Block = Annotated[TextBlock | ToolUseBlock | ToolResultBlock | OpaqueBlock, Field(discriminator="type")]


class Message(_Frozen):
    """One message; tool results travel in user messages, as in the Messages API.

    Models know two roles only. `origin` tells a person's words from what the orchestrator says in the user's role.
    """

    role: Literal["user", "assistant"]
    blocks: tuple[Block, ...]
    origin: Literal["person", "context", "note"] = "person"

    @property
    def kind(self) -> MessageKind:
        if self.role == "assistant":
            return "agent"
        return "tools" if self.tool_results else self.origin

    @property
    def text(self) -> str:
        """The text blocks, joined by a line feed."""
        return "\n".join(block.text for block in self.blocks if isinstance(block, TextBlock))

    @property
    def tool_uses(self) -> tuple[ToolUseBlock, ...]:
        return tuple(block for block in self.blocks if isinstance(block, ToolUseBlock))

    @property
    def tool_results(self) -> tuple[ToolResultBlock, ...]:
        return tuple(block for block in self.blocks if isinstance(block, ToolResultBlock))


def user(text: str) -> Message:
    """A person's words."""
    return Message(role="user", blocks=(TextBlock(text=text),))


def context(text: str) -> Message:
    """What the orchestrator tells an agent when its task starts, or when more of it becomes known."""
    return Message(role="user", blocks=(TextBlock(text=text),), origin="context")


def note(text: str) -> Message:
    """A remark of the orchestrator to the agent."""
    return Message(role="user", blocks=(TextBlock(text=text),), origin="note")


def assistant(text: str) -> Message:
    return Message(role="assistant", blocks=(TextBlock(text=text),))
