"""The gauge that a plan row, a checklist item or a specification asks for."""

from mcp_server.backends.base import Query
from mcp_server.domain.quality.gauges import named_in
from mcp_server.domain.records import SHARED, CheckItem, Gauge, PlanRow, Project
from mcp_server.pipeline.declaration import ToolCall
from mcp_server.pipeline.preconditions import record_of
from mcp_server.tools.paging import selection

__all__ = ["gauge_named"]


async def gauge_named(item: PlanRow | CheckItem, call: ToolCall, project: Project) -> Gauge | None:
    """The gauge prescribed by its id, else the one whose id the technique names."""
    if item.gauge_id is not None:
        return await record_of(call, Gauge, item.gauge_id, field="gauge_id", project=project)
    gauges = await call.plant.find(Gauge, Query(selection(project=(project.id, SHARED))))
    return named_in(item.technique or "", gauges.items)
