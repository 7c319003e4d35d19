"""The tools, one module a toolset. A tool is one declared function; nothing else has to know that it exists.

To add one: write the request, the result and the function with `@tool(...)` in its toolset's module, and put it into
that module's `TOOLS`. The inventory tests then hold it to the same rules as all others.
"""

from typing import Any

from mcp_server.pipeline.declaration import Tool
from mcp_server.tools import (
    checklists,
    completion,
    documents,
    inspection,
    issue_close,
    issue_list,
    issue_updates,
    issues,
    maintenance_reports,
    pm_plans,
    projects,
    quality_plan_updates,
    quality_plans,
    records,
    resources,
    sampling,
    schedules,
    sop_list,
    sop_revision,
    sops,
    takt,
    work_orders,
    workstations,
)

__all__ = ["ALL_TOOLS"]

ALL_TOOLS: tuple[Tool[Any, Any, Any], ...] = (
    *projects.TOOLS,
    *workstations.TOOLS,
    *resources.TOOLS,
    *records.TOOLS,
    *sampling.TOOLS,
    *quality_plans.TOOLS,
    *quality_plan_updates.TOOLS,
    *checklists.TOOLS,
    *inspection.TOOLS,
    *documents.TOOLS,
    *issues.TOOLS,
    *issue_list.TOOLS,
    *issue_updates.TOOLS,
    *issue_close.TOOLS,
    *pm_plans.TOOLS,
    *schedules.TOOLS,
    *maintenance_reports.TOOLS,
    *work_orders.TOOLS,
    *completion.TOOLS,
    *takt.TOOLS,
    *sops.TOOLS,
    *sop_list.TOOLS,
    *sop_revision.TOOLS,
)
