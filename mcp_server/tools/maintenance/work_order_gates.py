"""What must hold before work is planned or moved: shared by the tools that give a work order its time."""

from datetime import datetime

from mcp_server.backends.base import Query
from mcp_server.domain.maintenance.lockout import lockout_problem
from mcp_server.domain.maintenance.work_orders import (
    holds,
    next_free,
    next_on_shift,
    overlapping,
    slot_of,
)
from mcp_server.domain.records import (
    DocumentState,
    PmPlan,
    PmTask,
    WorkOrderState,
)
from mcp_server.errors import RuleViolated
from mcp_server.pipeline.declaration import (
    ToolCall,
)
from mcp_server.pipeline.preconditions import (
    at_revision,
    ids,
    revisions_of,
)
from mcp_server.tools.maintenance.sites import must_be_in_use
from mcp_server.tools.maintenance.work_order_jobs import (
    Job,
    OrderRequest,
    Planned,
    planned_orders,
)
from mcp_server.tools.maintenance.work_order_objections import able_people, lockouts, named, objections
from mcp_server.tools.paging import selection

__all__ = [
    "lockout_is_in_order",
    "machine_is_in_use",
    "nothing_overlaps",
    "order_is_as_read",
    "order_is_planned",
    "overrides_are_explained",
    "plan_is_released",
    "technician_can_do_it",
]


async def order_is_planned(request: OrderRequest, call: ToolCall) -> None:
    order = await request.order(call)
    if order.state is not WorkOrderState.PLANNED:
        raise RuleViolated(
            f"{order.id} ({order.title}) is {order.state}; only planned work can be changed.",
            field="wo_id",
            suggestion="Schedule new work with schedule_maintenance if it is to be done again.",
        )


async def order_is_as_read(request: OrderRequest, call: ToolCall) -> None:
    at_revision(await request.order(call), request.expected_revision)


async def machine_is_in_use(request: Planned, call: ToolCall) -> None:
    job = await request.job(call)
    await must_be_in_use(job.machine, call, field=job.argument("machine_id"))


async def plan_is_released(request: Planned, call: ToolCall) -> None:
    """Only a task of a released plan may be carried out, and only on its own machine."""
    job = await request.job(call)
    if job.task is None:
        return
    if job.task.machine_id != job.machine.id:
        own = (await call.plant.find(PmTask, Query(selection(machine_id=job.machine.id)))).items
        raise RuleViolated(
            f"{job.task.id} ({job.task.title}) is a task of {job.task.machine_id}, not of {job.machine.id}.",
            field=job.argument("task_id"),
            suggestion=f"Change machine_id, or choose a task of {job.machine.id}.",
            alternatives=ids(own),
        )
    revisions = await revisions_of(call, PmPlan, job.task.plan_id)
    if not any(r.state is DocumentState.RELEASED and job.task.id in r.task_ids for r in revisions):
        state = revisions[-1].state if revisions else "missing"
        raise RuleViolated(
            f"{job.task.id} is on no released plan: {job.task.plan_id} is {state}.",
            field=job.argument("task_id"),
            suggestion=f"Have {job.task.plan_id} released with approve_document first.",
        )


async def technician_can_do_it(request: Planned, call: ToolCall) -> None:
    """The technician holds the skill of the work, and may lock out where the work needs it."""
    job = await request.job(call)
    if job.technician is None:
        return
    missing = [skill for skill in job.skills if not holds(job.technician, skill)]
    if missing:
        able = await able_people(job, call)
        raise RuleViolated(
            f"{job.technician.id} ({job.technician.name}) does not hold {' and '.join(missing)}.",
            field=job.argument("technician_id"),
            suggestion=named(able) or "Leave technician_id out until somebody is qualified.",
            alternatives=ids(able),
        )


async def nothing_overlaps(request: Planned, call: ToolCall) -> None:
    """Neither the machine nor the technician has other planned work at that time."""
    job = await request.job(call)
    others = await planned_orders(job, call)
    found = overlapping(job.slot, others)
    if not found:
        return
    other = found[0]
    who = job.machine.id if other.machine_id == job.machine.id or job.technician is None else job.technician.id
    free = job.shown(next_free(job.slot, others, lambda moment: _ready(job, moment)))
    end = slot_of(other.start, other.duration_min).end
    raise RuleViolated(
        f"{other.id} ({other.title}) has {who} from {job.shown(other.start)} to {job.shown(end)}.",
        field=job.argument("start"),
        suggestion=f"The next free time is {free}; or move {other.id}.",
        alternatives=[free],
        also=[f"{order.id} ({order.title}) overlaps too." for order in found[1:10]],
    )


async def lockout_is_in_order(request: Planned, call: ToolCall) -> None:
    """Work that needs isolation has a lockout procedure that may be used now, or on the day it was done."""
    job = await request.job(call)
    day = min(call.today(job.zone), job.start_on)
    problem = lockout_problem(job.machine, await lockouts(call), day) if job.loto else None
    if problem is not None:
        assumed = " Say loto=false only if the work needs no isolation at all." if job.assumed else ""
        raise RuleViolated(
            problem,
            field=job.argument("loto" if job.assumed else "machine_id"),
            suggestion=f"Have the lockout procedure released or inspected first (OSHA 1910.147).{assumed}",
        )


async def overrides_are_explained(request: Planned, call: ToolCall) -> None:
    """Shift, tolerance window, spare parts and production freeze may be overruled, but not in silence."""
    job = await request.job(call)
    if job.override_reason is not None:
        return
    found = await objections(job, call)
    if found:
        raise RuleViolated(
            found[0].message,
            field=found[0].field,
            suggestion=f"{found[0].suggestion} Or say in override_reason why it must be then.",
            also=[objection.message for objection in found[1:]],
        )


def _ready(job: Job, moment: datetime) -> datetime:
    return moment if job.technician is None else next_on_shift(job.technician.shift, moment, job.zone)
