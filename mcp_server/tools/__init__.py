"""The tools: one package a toolset. A tool is one declared function; nothing else has to know that it exists.

To add one: write the request, the result and the function with `@tool(...)` in a module of its toolset, and put it into
that module's `TOOLS`. The inventory tests then hold it to the same rules as all others.
"""

from typing import Any

from mcp_server.pipeline.declaration import Tool
from mcp_server.tools import core, issues, maintenance, procedures, quality

__all__ = ["ALL_TOOLS"]

ALL_TOOLS: tuple[Tool[Any, Any, Any], ...] = (
    *core.TOOLS,
    *quality.TOOLS,
    *maintenance.TOOLS,
    *procedures.TOOLS,
    *issues.TOOLS,
)
