"""Toolset procedures: takt and balance, work instructions, and the approval of every kind of document."""

from typing import Any

from mcp_server.pipeline.declaration import Tool
from mcp_server.tools.procedures import documents, sop_list, sop_revision, sops, takt

__all__ = ["TOOLS"]

TOOLS: tuple[Tool[Any, Any, Any], ...] = (
    *takt.TOOLS,
    *sops.TOOLS,
    *sop_list.TOOLS,
    *sop_revision.TOOLS,
    *documents.TOOLS,
)
