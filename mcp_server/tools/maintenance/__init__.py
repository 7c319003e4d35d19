"""Toolset maintenance: what is due, work orders to their completion, history and figures."""

from typing import Any

from mcp_server.pipeline.declaration import Tool
from mcp_server.tools.maintenance import completion, history, kpis, schedules, work_orders

__all__ = ["TOOLS"]

TOOLS: tuple[Tool[Any, Any, Any], ...] = (
    *schedules.TOOLS,
    *work_orders.TOOLS,
    *completion.TOOLS,
    *history.TOOLS,
    *kpis.TOOLS,
)
