"""Toolset quality: control plans, sampling, checklists, inspection results, maintenance plans."""

from typing import Any

from mcp_server.pipeline.declaration import Tool
from mcp_server.tools.quality import checklists, inspection, plan_updates, plans, pm_plans, sampling

__all__ = ["TOOLS"]

TOOLS: tuple[Tool[Any, Any, Any], ...] = (
    *sampling.TOOLS,
    *plans.TOOLS,
    *plan_updates.TOOLS,
    *checklists.TOOLS,
    *inspection.TOOLS,
    *pm_plans.TOOLS,
)
