"""What a server offers: one descriptor per tool, independent of the SDK's model."""

from dataclasses import dataclass
from typing import Any, Self

from mcp.types import Tool, ToolAnnotations

__all__ = ["IDEMPOTENCY_KEY", "ToolDescriptor"]

IDEMPOTENCY_KEY = "io.shopfloor/idempotency-key"
"""In a tool's `_meta`: true if the server honors keys. In a request's `_meta`: the key itself."""


@dataclass(frozen=True, slots=True)
class ToolDescriptor:
    """A tool as its server publishes it.

    The three flags come from annotations, which are hints: what a server leaves out is read the cautious way, so an
    unannotated tool counts as a destructive write. `keyed` is the server's promise, in the tool's `_meta`, that a
    repeated idempotency key never takes effect twice.
    """

    name: str
    title: str
    description: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None = None
    read_only: bool = False
    destructive: bool = True
    idempotent: bool = False
    keyed: bool = False

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
            keyed=not read_only and (tool.meta or {}).get(IDEMPOTENCY_KEY) is True,
        )
