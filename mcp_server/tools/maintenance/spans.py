"""What key figures of maintenance are computed from: which machines, for how long, and what was done and due."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from dateutil.relativedelta import relativedelta

from mcp_server.backends.base import Query
from mcp_server.domain.maintenance.kpis import (
    operating_min,
    shift_model,
)
from mcp_server.domain.maintenance.recurrence import due_window, next_due
from mcp_server.domain.records import (
    SHARED,
    Machine,
    MachineStatus,
    MaintenanceRecord,
    PlantDay,
    Project,
    TaktInputs,
    Workstation,
)
from mcp_server.errors import RuleViolated
from mcp_server.pipeline.declaration import (
    ToolCall,
)
from mcp_server.pipeline.preconditions import project_of, record_of
from mcp_server.tools.maintenance.due_work import live_tasks, readings_of
from mcp_server.tools.maintenance.sites import zones_of
from mcp_server.tools.paging import selection

__all__ = [
    "Period",
    "Span",
    "days_are_in_order",
    "done_between",
    "last_serviced",
    "machines_of",
    "operating_h",
    "period_of",
    "places_of",
    "spans_of",
    "still_open",
]


_LONGEST_YEARS = 5


@dataclass(frozen=True, slots=True)
class Span:
    """The part of the period that one machine counts for; what was done in it, and what was due in it."""

    machine: Machine
    first: date
    last: date
    records: tuple[MaintenanceRecord, ...]
    due: tuple[MaintenanceRecord, ...]


class Period(Protocol):
    """A question about a time: the days it names, if it names any."""

    @property
    def project(self) -> str: ...

    @property
    def from_on(self) -> date | None: ...

    @property
    def to_on(self) -> date | None: ...


async def days_are_in_order(request: Period, call: ToolCall) -> None:
    project = await project_of(call, request.project)
    first, last = period_of(request, call.today(project.time_zone))
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


def period_of(request: Period, today: date) -> tuple[date, date]:
    last = min(request.to_on or today, today)
    return request.from_on or last - relativedelta(years=1), last


async def done_between(
    call: ToolCall, among: Mapping[str, Sequence[object]], first: date, last: date, *, by: str = "completed_on"
) -> tuple[MaintenanceRecord, ...]:
    return (await call.plant.find(MaintenanceRecord, Query(among, since={by: first}, until={by: last}))).items


async def last_serviced(machine_id: str | None, call: ToolCall) -> date | None:
    if machine_id is None:
        return None
    found = (await call.plant.find(MaintenanceRecord, Query(selection(machine_id=machine_id)))).items
    return max((record.completed_on for record in found), default=None)


async def places_of(call: ToolCall, project: Project) -> tuple[Workstation, ...]:
    return (await call.plant.find(Workstation, Query(selection(project=project.id)))).items


async def machines_of(call: ToolCall, project: Project, machine_id: str | None, line: str | None) -> list[Machine]:
    """The machine, those of the line, or all of the project's own."""
    if machine_id is not None:
        return [await record_of(call, Machine, machine_id, field="machine_id", project=project)]
    own = (await call.plant.find(Machine, Query(selection(project=project.id)))).items
    if line is None:
        return list(own)
    there = {place.id for place in await places_of(call, project) if place.line.casefold() == line.casefold()}
    return [machine for machine in own if machine.workstation in there]


async def spans_of(
    machines: Iterable[Machine], call: ToolCall, first: date, last: date
) -> tuple[list[Span], list[str]]:
    """What every machine counts for, and where that is not the whole period."""
    spans: list[Span] = []
    notes: list[str] = []
    for machine in machines:
        begins, ends = max(first, machine.commissioned_on or first), last
        among = selection(machine_id=machine.id)
        if begins > first:
            notes.append(f"{machine.id} counts from {machine.commissioned_on}, when it was commissioned.")
        if machine.status is MachineStatus.DECOMMISSIONED:
            ends = min(last, await last_serviced(machine.id, call) or machine.commissioned_on or first)
            notes.append(f"{machine.id} is decommissioned; it counts up to its last record, {ends}.")
        if machine.status is MachineStatus.COMMISSIONING:
            notes.append(f"{machine.id} is still being commissioned; it counts as if it produced.")
        if begins <= ends:
            done, due = [await done_between(call, among, begins, ends, by=by) for by in ("completed_on", "due_on")]
            spans.append(Span(machine, begins, ends, done, due))
    return spans, notes


async def operating_h(spans: Iterable[Span], call: ToolCall, project: Project) -> tuple[float | None, str | None]:
    """Hours that the machines together were there to produce, or why that is not known."""
    models = (await call.plant.find(TaktInputs, Query(selection(project=project.id)))).items
    calendar = (await call.plant.find(PlantDay, Query({"project": (project.id, SHARED)}))).items
    lines = {place.id: place.line for place in await places_of(call, project)}
    minutes = 0.0
    for span in spans:
        model = shift_model(models, lines.get(span.machine.workstation))
        if model is None:
            return None, f"the shifts of {project.id} are not on record"
        minutes += operating_min(span.first, span.last, model, calendar, span.records)
    return minutes / 60, None


async def still_open(spans: Iterable[Span], call: ToolCall, project: Project) -> int:
    """Occurrences that fell due in the period, are not done, and whose window is over. Daily checks do not count: what
    was done of them is not in the history either.
    """
    by_machine, count = {span.machine.id: span for span in spans}, 0
    machines = [span.machine for span in by_machine.values()]
    zones = await zones_of(machines, call, project)
    readings = await readings_of(zones, call)
    for task in await live_tasks(machines, call, daily=False):
        span, today = by_machine[task.machine_id], call.today(zones[task.machine_id])
        due = next_due(task, readings=readings[task.machine_id], today=today)
        window = due_window(task, due)
        if window is not None and due.on is not None and span.first <= due.on <= span.last and window[1] < today:
            count += 1
    return count
