"""Toolset maintenance: planning, moving and cancelling work orders."""

from datetime import date, datetime

from mcp_server.backends.base import Query
from mcp_server.domain.records import (
    PmTask,
    WorkOrder,
    WorkOrderState,
)
from mcp_server.errors import Conflict, InvalidInput, RuleViolated, VerificationFailed
from mcp_server.pipeline.declaration import (
    Effect,
    ToolCall,
    WriteCall,
    WriteResult,
    tool,
)
from mcp_server.pipeline.preconditions import (
    ids,
)
from mcp_server.tools.maintenance.work_order_gates import (
    lockout_is_in_order,
    machine_is_in_use,
    nothing_overlaps,
    order_is_as_read,
    order_is_planned,
    overrides_are_explained,
    plan_is_released,
    technician_can_do_it,
)
from mcp_server.tools.maintenance.work_order_jobs import (
    CancelMaintenance,
    Job,
    RescheduleMaintenance,
    ScheduleMaintenance,
    due_of,
    planned_orders,
)
from mcp_server.tools.maintenance.work_order_objections import notes
from mcp_server.tools.paging import selection

__all__ = ["TOOLS"]


class WorkOrderPlanned(WriteResult):
    """`in_window` is absent without a tolerance window; `compared_with` are the orders it could collide with."""

    record: WorkOrder
    in_window: bool | None = None
    compared_with: tuple[str, ...] = ()

    @property
    def stored(self) -> WorkOrder | None:
        return self.record


class WorkOrderMoved(WorkOrderPlanned):
    old_start: datetime

    @property
    def stored(self) -> WorkOrder | None:
        return None if self.status == "unchanged" else self.record


class WorkOrderCancelled(WriteResult):
    """`task_due_on`: the recurring task stays due."""

    record: WorkOrder
    task_due_on: date | None = None

    @property
    def stored(self) -> WorkOrder | None:
        return self.record


async def _work_is_described(request: ScheduleMaintenance, _call: ToolCall) -> None:
    """Either a recurring task says what to do, or the request does."""
    own = {"kind": request.kind, "title": request.title}
    said = own | {"skill": request.skill, "loto": request.loto}
    if request.task_id is None:
        missing = [name for name, value in (own | {"duration_min": request.duration_min}).items() if value is None]
        if missing:
            raise InvalidInput(
                f"{missing[0]}: is required without task_id.",
                field=missing[0],
                suggestion="Give task_id, or kind, title and duration_min of the work.",
                also=[f"{name}: is required without task_id." for name in missing[1:]],
            )
        return
    given = [name for name, value in said.items() if value is not None]
    if given:
        raise InvalidInput(
            f"{given[0]}: {request.task_id} says it already.",
            field=given[0],
            suggestion=f"Leave {' and '.join(given)} out, or leave task_id out.",
        )


async def _task_has_no_open_order(request: ScheduleMaintenance, call: ToolCall) -> None:
    if request.task_id is None:
        return
    job = await request.job(call)
    among = selection(task_id=request.task_id, state=WorkOrderState.PLANNED)
    standing = (await call.plant.find(WorkOrder, Query(among))).items
    if standing:
        raise Conflict(
            f"{standing[0].id} is planned for {request.task_id} already, at {job.shown(standing[0].start)}.",
            field="task_id",
            suggestion="Move it with reschedule_maintenance, or cancel it first.",
            alternatives=ids(standing),
        )


async def _start_is_timely(request: ScheduleMaintenance, call: ToolCall) -> None:
    if request.start >= call.now and request.backdated_reason is not None:
        raise RuleViolated(
            "backdated_reason is given, but start does not lie in the past.",
            field="backdated_reason",
            suggestion="Leave backdated_reason out, or correct start.",
        )
    if request.start < call.now and request.backdated_reason is None:
        raise RuleViolated(
            f"start {request.start.isoformat()} lies in the past; it is {call.now.isoformat(timespec='minutes')} now.",
            field="start",
            suggestion="Choose a later start, or say in backdated_reason why it is entered afterwards.",
        )
    job = await request.job(call)
    if job.start_on < job.machine.commissioned_on:
        raise RuleViolated(
            f"{job.machine.id} was commissioned on {job.machine.commissioned_on}, after that start.",
            field="start",
            suggestion="Correct start.",
        )


async def _new_start_is_ahead(request: RescheduleMaintenance, call: ToolCall) -> None:
    if request.new_start < call.now:
        raise RuleViolated(
            f"new_start {request.new_start.isoformat()} lies in the past.",
            field="new_start",
            suggestion="Choose a later start; report work that was done already with complete_maintenance.",
        )


async def _move_passes_the_gates(request: RescheduleMaintenance, call: ToolCall) -> None:
    """The new time meets what the first one had to."""
    for gate in (
        machine_is_in_use,
        plan_is_released,
        technician_can_do_it,
        nothing_overlaps,
        lockout_is_in_order,
        overrides_are_explained,
    ):
        await gate(request, call)


async def _is_found_at_its_time(
    _request: ScheduleMaintenance | RescheduleMaintenance, result: WorkOrderPlanned, call: WriteCall
) -> None:
    """A planner who looks at the machine at that time finds the work, and finds it only once."""
    order = result.record
    among = selection(machine_id=order.machine_id, state=WorkOrderState.PLANNED)
    at = {"start": order.start}
    there = (await call.plant.find(WorkOrder, Query(among, since=at, until=at))).items
    if [found.id for found in there] != [order.id]:
        raise VerificationFailed(
            f"{order.id} is not found among the planned work of {order.machine_id}.", field="start"
        )


async def _window_is_right(
    request: ScheduleMaintenance | RescheduleMaintenance, result: WorkOrderPlanned, call: WriteCall
) -> None:
    """Whether the stored day lies in the stored window, computed anew from the task."""
    if result.status == "unchanged":
        return
    job = await request.job(call)
    found = await due_of(job, call)
    window = None if found is None else found[1]
    stored = (result.record.window_start, result.record.window_end)
    expected = None if window is None else window[0] <= job.start_on <= window[1]
    if stored != (window or (None, None)) or result.in_window is not expected:
        raise VerificationFailed("The tolerance window was computed wrongly.", field="in_window")


async def _is_planned_no_more(_request: CancelMaintenance, result: WorkOrderCancelled, call: WriteCall) -> None:
    """The time is free again, and the recurring task is due as before."""
    order = result.record
    among = selection(machine_id=order.machine_id, state=WorkOrderState.PLANNED)
    if order.id in {found.id for found in (await call.plant.find(WorkOrder, Query(among))).items}:
        raise VerificationFailed(f"{order.id} is still planned.", field="state")
    task = None if order.task_id is None else await call.plant.get(PmTask, order.task_id)
    if result.task_due_on != (None if task is None else task.next_due_on):
        raise VerificationFailed(f"The due day of {order.task_id} has changed.", field="task_due_on")


@tool(
    toolset="maintenance",
    effect=Effect.CREATE,
    request=ScheduleMaintenance,
    result=WorkOrderPlanned,
    preconditions=(
        machine_is_in_use,
        _work_is_described,
        _task_has_no_open_order,
        _start_is_timely,
        plan_is_released,
        technician_can_do_it,
        nothing_overlaps,
        lockout_is_in_order,
        overrides_are_explained,
    ),
    result_checks=(_is_found_at_its_time, _window_is_right),
)
async def schedule_maintenance(request: ScheduleMaintenance, call: WriteCall) -> WorkOrderPlanned:
    """Plan a recurring task, or other work (kind, title, duration_min).

    override_reason overrules shift, window, parts, freeze.
    """
    job = await request.job(call)
    order = await _planned(
        job,
        call,
        WorkOrder(
            id=await call.unit.next_id(WorkOrder, "WO-"),
            project=job.machine.project,
            machine_id=job.machine.id,
            task_id=request.task_id,
            kind=job.kind,
            title=job.title,
            state=WorkOrderState.PLANNED,
            start=job.start,
            duration_min=job.duration_min,
            technician_id=request.technician_id,
            skill=job.skill,
            loto=job.loto,
            priority=request.priority,
            reason=request.reason,
            backdated_reason=request.backdated_reason,
            override_reason=request.override_reason,
            created_at=call.now,
            created_by=request.on_behalf_of or call.caller.principal,
        ),
    )
    compared = await planned_orders(job, call)
    await call.unit.insert(order)
    return WorkOrderPlanned(
        status="created",
        record=order,
        in_window=_in_window(job, order),
        compared_with=tuple(ids(compared)),
        warnings=await notes(job, call),
    )


@tool(
    toolset="maintenance",
    effect=Effect.UPDATE,
    request=RescheduleMaintenance,
    result=WorkOrderMoved,
    preconditions=(order_is_planned, order_is_as_read, _new_start_is_ahead, _move_passes_the_gates),
    result_checks=(_is_found_at_its_time, _window_is_right),
)
async def reschedule_maintenance(request: RescheduleMaintenance, call: WriteCall) -> WorkOrderMoved:
    """Move a planned work order; the rules are those of schedule_maintenance."""
    job, before = await request.job(call), await request.order(call)
    after = await _planned(
        job,
        call,
        before.model_copy(
            update={
                "start": job.start,
                "moved_reason": request.reason,
                "override_reason": request.override_reason,
                "backdated_reason": None,
                "revision": before.revision + 1,
            }
        ),
    )
    moves = after.start != before.start
    if moves:
        await call.unit.replace(after)
    order = after if moves else before
    return WorkOrderMoved(
        status="updated" if moves else "unchanged",
        record=order,
        old_start=before.start,
        in_window=_in_window(job, order),
        compared_with=tuple(ids(await planned_orders(job, call))),
        warnings=await notes(job, call),
    )


@tool(
    toolset="maintenance",
    effect=Effect.DESTROY,
    request=CancelMaintenance,
    result=WorkOrderCancelled,
    preconditions=(order_is_planned, order_is_as_read),
    result_checks=(_is_planned_no_more,),
)
async def cancel_maintenance(request: CancelMaintenance, call: WriteCall) -> WorkOrderCancelled:
    """Cancel a planned work order. Its recurring task stays due."""
    order = await request.order(call)
    cancelled = order.model_copy(
        update={
            "state": WorkOrderState.CANCELLED,
            "cancelled_reason": request.reason,
            "revision": order.revision + 1,
        }
    )
    await call.unit.replace(cancelled)
    task = None if order.task_id is None else await call.plant.get(PmTask, order.task_id)
    return WorkOrderCancelled(
        status="updated", record=cancelled, task_due_on=None if task is None else task.next_due_on
    )


async def _planned(job: Job, call: ToolCall, order: WorkOrder) -> WorkOrder:
    """The order with the occurrence it fulfills: the day that is due and its tolerance window."""
    found = await due_of(job, call)
    due, window = (None, None) if found is None else found
    first, last = window or (None, None)
    due_on = None if due is None else due.on
    return order.model_copy(update={"due_on": due_on, "window_start": first, "window_end": last})


def _in_window(job: Job, order: WorkOrder) -> bool | None:
    if order.window_start is None or order.window_end is None:
        return None
    return order.window_start <= job.start_on <= order.window_end


TOOLS = (schedule_maintenance, reschedule_maintenance, cancel_maintenance)
