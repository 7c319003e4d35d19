"""What key figures of maintenance are computed from: which machines, for how long, and what was done and due."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from mcp_server.backends.base import Query
from mcp_server.domain.maintenance.kpis import (
    operating_min,
    shift_model,
)
from mcp_server.domain.maintenance.meters import meter_series
from mcp_server.domain.maintenance.recurrence import due_window, next_due
from mcp_server.domain.records import (
    SHARED,
    Machine,
    MachineStatus,
    MaintenanceRecord,
    MeterReading,
    PlantDay,
    PmTask,
    Project,
    TaktInputs,
    Workstation,
)
from mcp_server.pipeline.declaration import (
    ToolCall,
)
from mcp_server.pipeline.preconditions import record_of
from mcp_server.tools.paging import selection

__all__ = ["Span", "done_between", "last_serviced", "machines_of", "operating_h", "places_of", "spans_of", "still_open"]


@dataclass(frozen=True, slots=True)
class Span:
    """The part of the period that one machine counts for; what was done in it, and what was due in it."""

    machine: Machine
    first: date
    last: date
    records: tuple[MaintenanceRecord, ...]
    due: tuple[MaintenanceRecord, ...]


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
    there = {place.id for place in await places_of(call, project) if place.line == line}
    return [machine for machine in own if machine.workstation in there]


async def spans_of(
    machines: Iterable[Machine], call: ToolCall, first: date, last: date
) -> tuple[list[Span], list[str]]:
    """What every machine counts for, and where that is not the whole period."""
    spans: list[Span] = []
    notes: list[str] = []
    for machine in machines:
        begins, ends = max(first, machine.commissioned_on), last
        among = selection(machine_id=machine.id)
        if begins > first:
            notes.append(f"{machine.id} counts from {machine.commissioned_on}, when it was commissioned.")
        if machine.status is MachineStatus.DECOMMISSIONED:
            ends = min(last, await last_serviced(machine.id, call) or machine.commissioned_on)
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
    """Occurrences that fell due in the period, are not done, and whose window is over."""
    today, count = call.today(project.time_zone), 0
    for span in spans:
        if span.machine.status is MachineStatus.DECOMMISSIONED:
            continue
        among = selection(machine_id=span.machine.id)
        readings = meter_series((await call.plant.find(MeterReading, Query(among))).items, project.time_zone)
        for task in (await call.plant.find(PmTask, Query(among))).items:
            due = next_due(task, readings=readings, today=today)
            window = due_window(task, due)
            if window is not None and due.on is not None and span.first <= due.on <= span.last and window[1] < today:
                count += 1
    return count
