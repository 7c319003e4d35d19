"""Toolset core: projects, places, machines, materials, specifications, people and stock; any record by its id."""

from typing import Any

from mcp_server.pipeline.declaration import Tool
from mcp_server.tools.core import projects, records, resources, workstations

__all__ = ["TOOLS"]

TOOLS: tuple[Tool[Any, Any, Any], ...] = (
    *projects.TOOLS,
    *workstations.TOOLS,
    *resources.TOOLS,
    *records.TOOLS,
)
