"""What is asked when work is planned or moved, and the job that it comes to."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Annotated, Protocol
from zoneinfo import ZoneInfo

from pydantic import Field

from mcp_server.backends.base import Query
from mcp_server.domain.maintenance.lockout import is_hazardous
from mcp_server.domain.maintenance.recurrence import NextDue, due_window, local_day, next_due
from mcp_server.domain.maintenance.work_orders import (
    LOTO_AUTHORIZED,
    Slot,
    slot_of,
)
from mcp_server.domain.records import (
    Machine,
    MaintenanceKind,
    Person,
    PmTask,
    Project,
    WorkOrder,
    WorkOrderState,
)
from mcp_server.pipeline.declaration import (
    Code,
    Moment,
    ToolCall,
    UpdateRequest,
    WriteRequest,
)
from mcp_server.pipeline.preconditions import (
    project_of,
    record_of,
)
from mcp_server.tools.maintenance.due_work import readings_of
from mcp_server.tools.maintenance.sites import Site, site_of
from mcp_server.tools.paging import selection

__all__ = [
    "CancelMaintenance",
    "Job",
    "OrderRequest",
    "Planned",
    "RescheduleMaintenance",
    "ScheduleMaintenance",
    "due_of",
    "due_of_task",
    "planned_orders",
]

_ASSUMED_LOTO = "loto was not said; as the machine has hazardous energy, the work is planned with lockout."

OverrideReason = Annotated[str | None, Field(max_length=500, description="Why in spite of that")]
Reason = Annotated[str, Field(min_length=3, max_length=500, description="Why")]


@dataclass(frozen=True, slots=True)
class Job:
    """Work that is to get a time. `order` is the work order that moves, None for a new one."""

    project: Project
    machine: Machine
    site: Site
    task: PmTask | None
    kind: MaintenanceKind
    title: str
    skill: str | None
    loto: bool
    start: datetime
    duration_min: int
    technician: Person | None
    override_reason: str | None
    order: WorkOrder | None = None
    assumed: tuple[str, ...] = field(default=())

    @property
    def zone(self) -> str:
        return self.site.time_zone

    @property
    def slot(self) -> Slot:
        return slot_of(self.start, self.duration_min)

    @property
    def start_on(self) -> date:
        return local_day(self.start, self.zone)

    def shown(self, moment: datetime) -> str:
        """A time as the site's clocks show it."""
        return moment.astimezone(ZoneInfo(self.zone)).isoformat(timespec="minutes")

    def argument(self, name: str) -> str:
        """The request's field for it: a work order that moves brings all but its time along."""
        if self.order is None:
            return name
        return "new_start" if name == "start" else "wo_id"

    @property
    def skills(self) -> tuple[str, ...]:
        """What its technician must hold."""
        own = () if self.skill is None else (self.skill,)
        return (*own, LOTO_AUTHORIZED) if self.isolates else own

    @property
    def isolates(self) -> bool:
        """Whether hazardous energy must be locked out for it."""
        return self.loto and is_hazardous(self.machine)


class Planned(Protocol):
    """A request that gives work its time."""

    async def job(self, call: ToolCall) -> Job: ...


class ScheduleMaintenance(WriteRequest):
    machine_id: Annotated[Code, Field(description="e.g. LT-131")]
    task_id: Annotated[Code | None, Field(description="Recurring task")] = None
    kind: Annotated[MaintenanceKind | None, Field(description="Without task_id")] = None
    title: Annotated[str | None, Field(max_length=120, description="Without task_id")] = None
    skill: Annotated[str | None, Field(max_length=40, description="Without task_id")] = None
    loto: Annotated[bool | None, Field(description="Needs lockout")] = None
    start: Annotated[Moment, Field(description="With offset")]
    duration_min: Annotated[int | None, Field(ge=5, le=2880, description="Default by task")] = None
    technician_id: Annotated[Code | None, Field(description="e.g. E100")] = None
    priority: Annotated[int, Field(ge=1, le=5, description="1 most urgent")] = 3
    reason: Annotated[str | None, Field(max_length=500, description="Why")] = None
    backdated_reason: Annotated[str | None, Field(max_length=500, description="Why in the past")] = None
    override_reason: OverrideReason = None

    async def job(self, call: ToolCall) -> Job:
        project = await project_of(call, self.project)
        machine = await record_of(call, Machine, self.machine_id, field="machine_id", project=project)
        task = None
        if self.task_id is not None:
            task = await record_of(call, PmTask, self.task_id, field="task_id", project=project)
        kind = self.kind or MaintenanceKind.PREVENTIVE
        assumes = task is None and self.loto is None and kind is not MaintenanceKind.CALIBRATION
        assumed_loto = assumes and is_hazardous(machine)
        technician = None
        if self.technician_id is not None:
            technician = await record_of(call, Person, self.technician_id, field="technician_id", project=project)
        return Job(
            project=project,
            machine=machine,
            site=await site_of(machine, call, project),
            task=task,
            kind=kind,
            title=(self.title or "") if task is None else task.title,
            skill=self.skill if task is None else task.skill,
            loto=task.loto if task is not None else bool(self.loto) or assumed_loto,
            start=self.start.astimezone(UTC),
            duration_min=self.duration_min or (0 if task is None else task.est_min),
            technician=technician,
            override_reason=self.override_reason,
            assumed=(_ASSUMED_LOTO,) if assumed_loto else (),
        )


class OrderRequest(UpdateRequest):
    """A change of one work order."""

    wo_id: Annotated[Code, Field(description="e.g. WO-0001")]

    async def order(self, call: ToolCall) -> WorkOrder:
        project = await project_of(call, self.project)
        return await record_of(call, WorkOrder, self.wo_id, field="wo_id", project=project)


class RescheduleMaintenance(OrderRequest):
    new_start: Annotated[Moment, Field(description="With offset")]
    reason: Reason
    override_reason: OverrideReason = None

    async def job(self, call: ToolCall) -> Job:
        order = await self.order(call)
        project = await project_of(call, self.project)
        task = None
        if order.task_id is not None:
            task = await record_of(call, PmTask, order.task_id, field="wo_id", project=project)
        machine = await record_of(call, Machine, order.machine_id, field="wo_id", project=project)
        return Job(
            project=project,
            machine=machine,
            site=await site_of(machine, call, project),
            task=task,
            kind=order.kind,
            title=order.title,
            skill=order.skill,
            loto=order.loto,
            start=self.new_start.astimezone(UTC),
            duration_min=order.duration_min,
            technician=None if order.technician_id is None else await call.plant.get(Person, order.technician_id),
            override_reason=self.override_reason,
            order=order,
        )


class CancelMaintenance(OrderRequest):
    reason: Reason


async def due_of(job: Job, call: ToolCall) -> tuple[NextDue, tuple[date, date] | None] | None:
    """The occurrence that the work fulfills, with its tolerance window where a day is known."""
    return None if job.task is None else await due_of_task(job, job.task, call)


async def due_of_task(job: Job, task: PmTask, call: ToolCall) -> tuple[NextDue, tuple[date, date] | None]:
    """The next occurrence of a task of the job's machine."""
    readings = (await readings_of({job.machine.id: job.zone}, call))[job.machine.id]
    due = next_due(task, readings=readings, today=call.today(job.zone))
    return due, due_window(task, due)


async def planned_orders(job: Job, call: ToolCall) -> list[WorkOrder]:
    """The other planned work of the machine and of the technician, in whatever project it was ordered."""
    wanted = [selection(machine_id=job.machine.id)]
    if job.technician is not None:
        wanted.append(selection(technician_id=job.technician.id))
    found = [
        order
        for among in wanted
        for order in (await call.plant.find(WorkOrder, Query(among | {"state": (WorkOrderState.PLANNED,)}))).items
    ]
    own = None if job.order is None else job.order.id
    return sorted({order.id: order for order in found if order.id != own}.values(), key=lambda order: order.start)
