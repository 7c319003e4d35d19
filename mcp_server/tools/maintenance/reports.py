"""Toolset maintenance: what was done, and the key figures that follow from it."""

from collections import Counter
from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated

from dateutil.relativedelta import relativedelta
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
    LISTED_ELSEWHERE,
    SHARED,
    Machine,
    MaintenanceKind,
    MaintenanceRecord,
    Project,
)
from mcp_server.errors import NotFound, RuleViolated, VerificationFailed
from mcp_server.pipeline.declaration import (
    Code,
    Day,
    Effect,
    ListRequest,
    ListResult,
    ProjectField,
    Request,
    Result,
    ToolCall,
    tool,
)
from mcp_server.pipeline.preconditions import project_of, record_of
from mcp_server.tools.maintenance.spans import (
    done_between,
    last_serviced,
    machines_of,
    operating_h,
    places_of,
    spans_of,
    still_open,
)
from mcp_server.tools.paging import envelope, page_is_as_asked, page_of, selection

__all__ = ["TOOLS"]

_LONGEST_YEARS = 5


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


async def _machine_exists(request: GetMaintenanceHistory, call: ToolCall) -> None:
    if request.machine_id is not None:
        project = await project_of(call, request.project)
        await record_of(call, Machine, request.machine_id, field="machine_id", project=project)


async def _days_are_in_order(request: GetMaintenanceHistory | GetMaintenanceKpis, call: ToolCall) -> None:
    project = await project_of(call, request.project)
    first, last = _period(request, call.today(project.time_zone))
    if first > last:
        raise RuleViolated(
            f"from_on {first} is later than the last day, {last}.",
            field="from_on",
            suggestion="Swap the two, or choose an earlier from_on; no period ends later than today.",
        )
    if first < last - relativedelta(years=_LONGEST_YEARS):
        raise RuleViolated(
            f"{first} to {last} is more than {_LONGEST_YEARS} years.",
            field="from_on",
            suggestion=f"Ask for {_LONGEST_YEARS} years at most, one period after the other.",
        )


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
    preconditions=(_machine_exists, _days_are_in_order),
    result_checks=(page_is_as_asked, _newest_come_first, _totals_are_of_all_pages),
)
async def get_maintenance_history(request: GetMaintenanceHistory, call: ToolCall) -> MaintenanceHistory:
    """Find work done, newest first, with totals and the day a machine was last serviced."""
    project = await project_of(call, request.project)
    first, last = _period(request, call.today(project.time_zone))
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
    if request.line not in lines:
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
    preconditions=(_days_are_in_order, _scope_is_clear),
    result_checks=(_values_follow_from_their_parts, _failures_are_the_breakdowns),
)
async def get_maintenance_kpis(request: GetMaintenanceKpis, call: ToolCall) -> MaintenanceKpis:
    """MTBF, MTTR, availability, PM compliance of a machine, line or project, each with its definition."""
    project = await project_of(call, request.project)
    today = call.today(project.time_zone)
    first, last = _period(request, today)
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


def _period(request: GetMaintenanceHistory | GetMaintenanceKpis, today: date) -> tuple[date, date]:
    last = min(request.to_on or today, today)
    return request.from_on or last - relativedelta(years=1), last


def _history_of(request: GetMaintenanceHistory, project: Project) -> dict[str, tuple[object, ...]]:
    """Of one machine, a shared one too; or of the project's own machines."""
    if request.machine_id is not None:
        return selection(machine_id=request.machine_id)
    return selection(project=project.id)


def _kpi(name: str, unit: str, figure: Figure) -> Kpi:
    return Kpi(unit=unit, definition=DEFINITIONS[name], **asdict(figure))


TOOLS = (get_maintenance_history, get_maintenance_kpis)
