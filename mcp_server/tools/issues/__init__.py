"""Toolset issues: problems, from the report to the close."""

from typing import Any

from mcp_server.pipeline.declaration import Tool
from mcp_server.tools.issues import close, listing, report, updates

__all__ = ["TOOLS"]

TOOLS: tuple[Tool[Any, Any, Any], ...] = (
    *report.TOOLS,
    *listing.TOOLS,
    *updates.TOOLS,
    *close.TOOLS,
)
