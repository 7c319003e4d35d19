"""Toolset maintenance: what was done."""

from collections import Counter
from datetime import date
from typing import Annotated

from pydantic import Field

from mcp_server.backends.base import Query
from mcp_server.domain.records import (
    LISTED_ELSEWHERE,
    Machine,
    MaintenanceKind,
    MaintenanceRecord,
    Project,
)
from mcp_server.errors import VerificationFailed
from mcp_server.pipeline.declaration import (
    Code,
    Day,
    Effect,
    ListRequest,
    ListResult,
    ProjectField,
    Result,
    ToolCall,
    tool,
)
from mcp_server.pipeline.preconditions import project_of, record_of
from mcp_server.tools.maintenance.spans import (
    days_are_in_order,
    done_between,
    last_serviced,
    period_of,
)
from mcp_server.tools.paging import envelope, page_is_as_asked, page_of, selection

__all__ = ["TOOLS"]


class GetMaintenanceHistory(ListRequest):
    project: ProjectField
    machine_id: Annotated[Code | None, Field(description="e.g. LT-131")] = None
    from_on: Annotated[Day | None, Field(description="Default a year back")] = None
    to_on: Annotated[Day | None, Field(description="Default today")] = None
    type: Annotated[MaintenanceKind | None, Field(description="e.g. breakdown", json_schema_extra=LISTED_ELSEWHERE)] = (
        None
    )


class Totals(Result):
    """Sums over all pages."""

    count: int
    downtime_min: int
    labor_min: int
    by_type: dict[str, int]


class MaintenanceHistory(ListResult[MaintenanceRecord]):
    """`last_serviced_on`: the last work of any type on the machine that was asked for, whatever the period."""

    from_on: date
    to_on: date
    totals: Totals
    last_serviced_on: date | None = None


async def _machine_exists(request: GetMaintenanceHistory, call: ToolCall) -> None:
    if request.machine_id is not None:
        project = await project_of(call, request.project)
        await record_of(call, Machine, request.machine_id, field="machine_id", project=project)


async def _newest_come_first(_request: GetMaintenanceHistory, result: MaintenanceHistory, _call: ToolCall) -> None:
    days = [record.completed_on for record in result.items]
    if days != sorted(days, reverse=True) or any(not result.from_on <= day <= result.to_on for day in days):
        raise VerificationFailed(
            "The history is out of order, or holds work of another time.",
            suggestion="Report this to whoever runs the system of record.",
        )


async def _totals_are_of_all_pages(request: GetMaintenanceHistory, result: MaintenanceHistory, call: ToolCall) -> None:
    """The counts by type are asked for once more, each on its own."""
    project = await project_of(call, request.project)
    counted: dict[str, int] = {}
    for kind in MaintenanceKind:
        if request.type in {None, kind}:
            among = _history_of(request, project) | {"type": (kind,)}
            query = Query(among, since={"completed_on": result.from_on}, until={"completed_on": result.to_on}, limit=1)
            counted[kind] = (await call.plant.find(MaintenanceRecord, query)).total
    told = {kind: result.totals.by_type.get(kind, 0) for kind in counted}
    if told != counted or not sum(counted.values()) == result.totals.count == result.total:
        raise VerificationFailed("The totals are not those of all pages.", field="totals")


@tool(
    toolset="maintenance",
    effect=Effect.READ,
    request=GetMaintenanceHistory,
    result=MaintenanceHistory,
    preconditions=(_machine_exists, days_are_in_order),
    result_checks=(page_is_as_asked, _newest_come_first, _totals_are_of_all_pages),
)
async def get_maintenance_history(request: GetMaintenanceHistory, call: ToolCall) -> MaintenanceHistory:
    """Find work done, newest first, with totals and the day a machine was last serviced."""
    project = await project_of(call, request.project)
    first, last = period_of(request, call.today(project.time_zone))
    among = _history_of(request, project) | selection(type=request.type)
    found = await done_between(call, among, first, last)
    newest_first = sorted(found, key=lambda record: (record.completed_on, record.id), reverse=True)
    page = page_of(newest_first, request, lambda record: record.id)
    return MaintenanceHistory(
        items=page.items,
        from_on=first,
        to_on=last,
        totals=Totals(
            count=len(found),
            downtime_min=sum(record.downtime_min for record in found),
            labor_min=sum(record.labor_min for record in found),
            by_type=dict(sorted(Counter(record.type.value for record in found).items())),
        ),
        last_serviced_on=await last_serviced(request.machine_id, call),
        **envelope(page, call),
    )


def _history_of(request: GetMaintenanceHistory, project: Project) -> dict[str, tuple[object, ...]]:
    """Of one machine, a shared one too; or of the project's own machines."""
    if request.machine_id is not None:
        return selection(machine_id=request.machine_id)
    return selection(project=project.id)


TOOLS = (get_maintenance_history,)
