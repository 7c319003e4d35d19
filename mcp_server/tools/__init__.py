"""The tools, one module a toolset. A tool is one declared function; nothing else has to know that it exists.

To add one: write the request, the result and the function with `@tool(...)` in its toolset's module, and put it into
that module's `TOOLS`. The inventory tests then hold it to the same rules as all others.
"""

from typing import Any

from mcp_server.pipeline.declaration import Tool
from mcp_server.tools import issues, projects, quality, sampling

__all__ = ["ALL_TOOLS"]

ALL_TOOLS: tuple[Tool[Any, Any, Any], ...] = (
    *projects.TOOLS,
    *sampling.TOOLS,
    *quality.TOOLS,
    *issues.TOOLS,
)
