"""Toolset maintenance: planning, moving and cancelling work orders."""

from mcp_server.backends.base import Query
from mcp_server.domain.maintenance.pm_plans import is_daily_check
from mcp_server.domain.records import (
    PmTask,
    WorkOrder,
    WorkOrderState,
)
from mcp_server.errors import Conflict, InvalidInput, RuleViolated
from mcp_server.pipeline.declaration import (
    Effect,
    ToolCall,
    WriteCall,
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
from mcp_server.tools.maintenance.work_order_results import (
    WorkOrderCancelled,
    WorkOrderMoved,
    WorkOrderPlanned,
    in_window,
    is_found_at_its_time,
    is_planned_no_more,
    window_is_right,
)
from mcp_server.tools.paging import selection

__all__ = ["TOOLS"]


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


async def _is_no_daily_check(request: ScheduleMaintenance, call: ToolCall) -> None:
    task = (await request.job(call)).task
    if task is not None and is_daily_check(task):
        raise RuleViolated(
            f"{task.id} ({task.title}) is a daily check of the operators; no work order is made for it.",
            field="task_id",
            suggestion="Keep it as a checklist. What the check has found is planned with kind, title and duration_min.",
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
    commissioned_on = job.machine.commissioned_on
    if commissioned_on is not None and job.start_on < commissioned_on:
        raise RuleViolated(
            f"{job.machine.id} was commissioned on {commissioned_on}, after that start.",
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


@tool(
    toolset="maintenance",
    effect=Effect.CREATE,
    request=ScheduleMaintenance,
    result=WorkOrderPlanned,
    preconditions=(
        machine_is_in_use,
        _work_is_described,
        _is_no_daily_check,
        _task_has_no_open_order,
        _start_is_timely,
        plan_is_released,
        technician_can_do_it,
        nothing_overlaps,
        lockout_is_in_order,
        overrides_are_explained,
    ),
    result_checks=(is_found_at_its_time, window_is_right),
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
        in_window=in_window(job, order),
        compared_with=tuple(ids(compared)),
        warnings=await notes(job, call),
    )


@tool(
    toolset="maintenance",
    effect=Effect.UPDATE,
    request=RescheduleMaintenance,
    result=WorkOrderMoved,
    preconditions=(order_is_planned, order_is_as_read, _new_start_is_ahead, _move_passes_the_gates),
    result_checks=(is_found_at_its_time, window_is_right),
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
        in_window=in_window(job, order),
        compared_with=tuple(ids(await planned_orders(job, call))),
        warnings=await notes(job, call),
    )


@tool(
    toolset="maintenance",
    effect=Effect.DESTROY,
    request=CancelMaintenance,
    result=WorkOrderCancelled,
    preconditions=(order_is_planned, order_is_as_read),
    result_checks=(is_planned_no_more,),
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


TOOLS = (schedule_maintenance, reschedule_maintenance, cancel_maintenance)
