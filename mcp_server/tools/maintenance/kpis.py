"""Toolset maintenance: the key figures that follow from what was done."""

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated

from pydantic import Field

from mcp_server.backends.base import Query
from mcp_server.domain.maintenance.kpis import (
    DEFINITIONS,
    Figure,
    availability,
    due_with_window,
    mtbf,
    mttr,
    pm_compliance,
)
from mcp_server.domain.records import (
    SHARED,
    MaintenanceKind,
    MaintenanceRecord,
)
from mcp_server.errors import NotFound, RuleViolated, VerificationFailed
from mcp_server.pipeline.declaration import (
    Code,
    Day,
    Effect,
    ProjectField,
    Request,
    Result,
    ToolCall,
    tool,
)
from mcp_server.pipeline.preconditions import project_of
from mcp_server.tools.maintenance.spans import (
    days_are_in_order,
    machines_of,
    operating_h,
    period_of,
    places_of,
    spans_of,
    still_open,
)
from mcp_server.tools.paging import selection

__all__ = ["TOOLS"]


class GetMaintenanceKpis(Request):
    project: ProjectField
    machine_id: Annotated[Code | None, Field(description="e.g. LT-131")] = None
    line: Annotated[Code | None, Field(description="e.g. ALPHA-M1")] = None
    from_on: Annotated[Day, Field(description="First day")]
    to_on: Annotated[Day, Field(description="Last day")]


class Kpi(Result):
    """`value` = numerator / denominator in `unit`; absent with a `reason` where there is nothing to divide by."""

    value: float | None = None
    unit: str
    numerator: float | None = None
    denominator: float | None = None
    reason: str | None = None
    definition: str


class MaintenanceKpis(Result):
    """`to_on` is no later than today. `still_open`: preventive work that was due and whose window has passed."""

    from_on: date
    to_on: date
    machines: int
    failures: int
    still_open: int
    mtbf: Kpi
    mttr: Kpi
    availability: Kpi
    pm_compliance: Kpi
    as_of: datetime
    source: str
    warnings: tuple[str, ...] = ()


async def _scope_is_clear(request: GetMaintenanceKpis, call: ToolCall) -> None:
    """A machine or a line of the project, not both."""
    if request.line is None:
        return
    if request.machine_id is not None:
        raise RuleViolated(
            "machine_id and line are both given.", field="line", suggestion="Ask for one machine or for one line."
        )
    project = await project_of(call, request.project)
    lines = sorted({place.line for place in await places_of(call, project)})
    if request.line.casefold() not in {line.casefold() for line in lines}:
        raise NotFound(
            f"There is no line {request.line!r} in project {project.id}.",
            field="line",
            suggestion=f"Lines are {', '.join(lines)}.",
            alternatives=lines,
        )


async def _values_follow_from_their_parts(
    _request: GetMaintenanceKpis, result: MaintenanceKpis, _call: ToolCall
) -> None:
    for name in DEFINITIONS:
        kpi: Kpi = getattr(result, name)
        if kpi.value is None and kpi.reason is not None:
            continue
        if kpi.value is None or not kpi.denominator or kpi.numerator is None:
            raise VerificationFailed(f"{name} has neither a value nor a reason.", field=name)
        if abs(kpi.value - kpi.numerator / kpi.denominator) > max(1e-3, 1e-3 * kpi.value):
            raise VerificationFailed(f"{name} is not its numerator by its denominator.", field=name)


async def _failures_are_the_breakdowns(request: GetMaintenanceKpis, result: MaintenanceKpis, call: ToolCall) -> None:
    """Counted by the store; a machine's period may be cut, so there may be fewer, but only of machines that say so."""
    project = await project_of(call, request.project)
    machines = await machines_of(call, project, request.machine_id, request.line)
    among = selection(machine_id=tuple(machine.id for machine in machines), type=MaintenanceKind.BREAKDOWN)
    days = {"completed_on": result.from_on}, {"completed_on": result.to_on}
    counted = (await call.plant.find(MaintenanceRecord, Query(among, None, *days, limit=1))).total
    if result.failures > counted or (result.failures < counted and not result.warnings):
        raise VerificationFailed(f"{counted} breakdowns are on record, not {result.failures}.", field="failures")


@tool(
    toolset="maintenance",
    effect=Effect.READ,
    request=GetMaintenanceKpis,
    result=MaintenanceKpis,
    preconditions=(days_are_in_order, _scope_is_clear),
    result_checks=(_values_follow_from_their_parts, _failures_are_the_breakdowns),
)
async def get_maintenance_kpis(request: GetMaintenanceKpis, call: ToolCall) -> MaintenanceKpis:
    """MTBF, MTTR, availability, PM compliance of a machine, line or project, each with its definition."""
    project = await project_of(call, request.project)
    today = call.today(project.time_zone)
    first, last = period_of(request, today)
    machines = await machines_of(call, project, request.machine_id, request.line)
    spans, notes = await spans_of(machines, call, first, last)
    hours, missing = await operating_h(spans, call, project)
    broken = [record for span in spans for record in span.records if record.type is MaintenanceKind.BREAKDOWN]
    between = Figure(None, None, len(broken), missing) if hours is None else mtbf(hours, len(broken))
    repair = mttr(sum(record.downtime_min for record in broken) / 60, len(broken))
    due = [record for span in spans for record in due_with_window(span.due, span.first, span.last)]
    late = await still_open(spans, call, project)
    cut = [f"The period ends today, {last}."] if last < request.to_on else []
    shared = [f"{m.id} is shared; it counts with the shifts of {project.id}." for m in machines if m.project == SHARED]
    return MaintenanceKpis(
        from_on=first,
        to_on=last,
        machines=len(spans),
        failures=len(broken),
        still_open=late,
        mtbf=_kpi("mtbf", "h", between),
        mttr=_kpi("mttr", "h", repair),
        availability=_kpi("availability", "share", availability(between, repair)),
        pm_compliance=_kpi("pm_compliance", "share", pm_compliance(due, late)),
        as_of=call.now,
        source=call.source,
        warnings=(*cut, *shared, *notes),
    )


def _kpi(name: str, unit: str, figure: Figure) -> Kpi:
    return Kpi(unit=unit, definition=DEFINITIONS[name], **asdict(figure))


TOOLS = (get_maintenance_kpis,)
