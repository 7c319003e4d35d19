"""What a server offers: one descriptor per tool, independent of the SDK's model."""

from dataclasses import dataclass
from typing import Any, Self

from mcp.types import Tool, ToolAnnotations

__all__ = ["IDEMPOTENCY_KEY", "ToolDescriptor"]

IDEMPOTENCY_KEY = "io.shopfloor/idempotency-key"
"""Where a write's key stands in the request's `_meta`; a server that knows no keys ignores it."""


@dataclass(frozen=True, slots=True)
class ToolDescriptor:
    """A tool as its server publishes it.

    The three flags come from annotations, which are hints: what a server leaves out is read the cautious way, so an
    unannotated tool counts as a destructive write. `idempotent` is the server's promise that the same call made again
    has no further effect; a write that has it is sent with a key and may be repeated.
    """

    name: str
    title: str
    description: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None = None
    read_only: bool = False
    destructive: bool = True
    idempotent: bool = False

    @classmethod
    def from_tool(cls, tool: Tool) -> Self:
        hints = tool.annotations or ToolAnnotations()
        read_only = hints.read_only_hint is True
        return cls(
            name=tool.name,
            title=tool.title or hints.title or tool.name,
            description=tool.description or "",
            input_schema=tool.input_schema,
            output_schema=tool.output_schema,
            read_only=read_only,
            destructive=not read_only and hints.destructive_hint is not False,
            idempotent=read_only or hints.idempotent_hint is True,
        )

    @property
    def keyed(self) -> bool:
        """Whether calls of this tool carry a key."""
        return self.idempotent and not self.read_only
