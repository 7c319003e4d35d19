"""Toolset maintenance: reporting work as done, which writes its history and moves the schedule on."""

from datetime import UTC, date
from zoneinfo import ZoneInfo

from mcp_server.backends.base import Query
from mcp_server.domain.maintenance.recurrence import after_completion, next_due
from mcp_server.domain.maintenance.work_orders import (
    earliest_completion,
    implausible_minutes,
    in_tolerance,
    long_gap,
    meter_warning,
)
from mcp_server.domain.records import (
    MachineStatus,
    MaintenanceRecord,
    MeterReading,
    PmTask,
    StockItem,
    WorkOrder,
    WorkOrderState,
)
from mcp_server.errors import VerificationFailed
from mcp_server.pipeline.declaration import Effect, WriteCall, WriteResult, tool
from mcp_server.pipeline.preconditions import project_of, record_of
from mcp_server.tools.maintenance.completion_gates import (
    CompleteMaintenance,
    Work,
    completion_is_timely,
    locks_are_off,
    meter_is_read,
    parts_are_kept,
    work_done,
)
from mcp_server.tools.maintenance.work_order_gates import order_is_as_read, order_is_planned
from mcp_server.tools.paging import selection

__all__ = ["TOOLS"]


class MaintenanceCompleted(WriteResult):
    """`in_window` is absent where there is no tolerance; `missed`: occurrences that were passed over meanwhile."""

    record: WorkOrder
    history_id: str
    in_window: bool | None = None
    missed: int = 0
    next_due_on: date | None = None
    next_due_meter: float | None = None

    @property
    def stored(self) -> WorkOrder | None:
        return self.record


async def _history_has_it_once(_request: CompleteMaintenance, result: MaintenanceCompleted, call: WriteCall) -> None:
    found = (await call.plant.find(MaintenanceRecord, Query(selection(work_order_id=result.record.id)))).items
    if [record.id for record in found] != [result.history_id]:
        raise VerificationFailed(
            f"{result.record.id} stands in the history {len(found)} times instead of once.", field="history_id"
        )


async def _schedule_has_moved_on(request: CompleteMaintenance, result: MaintenanceCompleted, call: WriteCall) -> None:
    """The stored task is next due on what its rule says, computed anew, and not on the occurrence just done."""
    work = await work_done(request, call)
    if work.task is None:
        return
    stored = await call.plant.get(PmTask, work.task.id)
    if stored is None or stored.revision == work.task.revision:
        raise VerificationFailed(f"The schedule of {work.task.id} did not move on.", field="next_due_on")
    anew = next_due(stored, readings=work.series, today=work.today)
    told = (result.next_due_on, result.next_due_meter)
    stands = stored.meter_interval is None and (anew.on is None or anew.on <= work.completed_on)
    if told != (stored.next_due_on, stored.next_due_meter) or anew.on != stored.next_due_on or stands:
        raise VerificationFailed(f"The next due day of {work.task.id} was computed wrongly.", field="next_due_on")


@tool(
    toolset="maintenance",
    effect=Effect.UPDATE,
    request=CompleteMaintenance,
    result=MaintenanceCompleted,
    preconditions=(
        order_is_planned,
        order_is_as_read,
        completion_is_timely,
        locks_are_off,
        meter_is_read,
        parts_are_kept,
    ),
    result_checks=(_history_has_it_once, _schedule_has_moved_on),
)
async def complete_maintenance(request: CompleteMaintenance, call: WriteCall) -> MaintenanceCompleted:
    """Report a work order as done: writes history, takes parts from stock, moves the schedule on. Locks must be off."""
    work = await work_done(request, call)
    in_window = in_tolerance(work.task, work.due, work.completed_on, request.meter_reading)
    order = work.order.model_copy(
        update={
            "state": WorkOrderState.DONE,
            "completed_at": request.completed_at.astimezone(UTC),
            "revision": work.order.revision + 1,
        }
    )
    history = _history(request, work, in_window, await call.unit.next_id(MaintenanceRecord, "MH-"))
    await call.unit.replace(order)
    await call.unit.insert(history)
    await _store_reading(request, call, work)
    short = await _take_from_stock(request, call)
    task, missed = await _move_on(request, call, work)
    return MaintenanceCompleted(
        status="updated",
        record=order,
        history_id=history.id,
        in_window=in_window,
        missed=missed,
        next_due_on=None if task is None else task.next_due_on,
        next_due_meter=None if task is None else task.next_due_meter,
        warnings=(*_remarks(request, work, task, in_window, missed), *short),
    )


def _history(request: CompleteMaintenance, work: Work, in_window: bool | None, history_id: str) -> MaintenanceRecord:
    order, due = work.order, work.due
    return MaintenanceRecord(
        id=history_id,
        project=order.project,
        machine_id=order.machine_id,
        task_id=order.task_id,
        work_order_id=order.id,
        type=order.kind,
        summary=order.title,
        due_on=None if due is None else due.on,
        completed_on=work.completed_on,
        completed_at=request.completed_at.astimezone(UTC),
        in_window=in_window,
        labor_min=request.labor_min,
        downtime_min=request.downtime_min,
        skill=order.skill or "any",
        technician_id=order.technician_id,
        meter_reading=request.meter_reading,
        parts=request.parts_used,
        findings=request.findings,
        follow_up=request.follow_up,
    )


async def _store_reading(request: CompleteMaintenance, call: WriteCall, work: Work) -> None:
    if request.meter_reading is None:
        return
    await call.unit.insert(
        MeterReading(
            id=await call.unit.next_id(MeterReading, "MR-"),
            project=work.machine.project,
            machine_id=work.machine.id,
            value=request.meter_reading,
            read_at=request.completed_at.astimezone(UTC),
        )
    )


async def _take_from_stock(request: CompleteMaintenance, call: WriteCall) -> list[str]:
    """What was used is used, even if the store did not know it had that much; its count then ends at zero."""
    project = await project_of(call, request.project)
    warnings: list[str] = []
    for part in request.parts_used:
        item = await record_of(call, StockItem, part.stock_id, field="parts_used", project=project)
        left = item.on_hand - part.qty
        await call.unit.replace(item.model_copy(update={"on_hand": max(0.0, left)}))
        if left < 0:
            warnings.append(f"{item.id}: {part.qty:g} used, but only {item.on_hand:g} on hand. Count the stock.")
        elif left < item.minimum:
            warnings.append(f"{item.id} ({item.name}): {left:g} left, below the minimum of {item.minimum:g}. Reorder.")
    return warnings


async def _move_on(request: CompleteMaintenance, call: WriteCall, work: Work) -> tuple[PmTask | None, int]:
    """The recurring task after this occurrence, and how many others were missed."""
    if work.task is None or work.due is None:
        return None, 0
    here = request.completed_at.astimezone(ZoneInfo(work.zone))
    now_read = [] if request.meter_reading is None else [(here, request.meter_reading)]
    done = after_completion(
        work.task,
        scheduled_on=work.due.on,
        completed_on=work.completed_on,
        meter=request.meter_reading,
        readings=[*work.series, *now_read],
        today=work.today,
    )
    task = done.task.model_copy(update={"revision": work.task.revision + 1})
    await call.unit.replace(task)
    return task, done.missed


def _remarks(
    request: CompleteMaintenance, work: Work, task: PmTask | None, in_window: bool | None, missed: int
) -> list[str]:
    since = earliest_completion(work.order)
    found = implausible_minutes(
        work.order.duration_min,
        request.completed_at - since,
        labor_min=request.labor_min,
        downtime_min=request.downtime_min,
    )
    if request.meter_reading is not None:
        odd = meter_warning(request.meter_reading, request.completed_at, work.series, work.machine.meter)
        found += [] if odd is None else [f"{odd} Check the reading."]
    if in_window is False and work.due is not None:
        at_meter = work.due.by == "meter" and work.due.meter is not None and request.meter_reading is not None
        due = f"at {work.due.meter:g} {work.machine.meter}" if at_meter else f"on {work.due.on}"
        found.append(f"It was due {due} and done outside the tolerance; PM compliance counts it as not done in time.")
    if task is not None and (gap := long_gap(task, work.completed_on)) is not None:
        found.append(gap)
    if missed:
        found.append(f"Occurrences that fell due meanwhile and are not made up for: {missed}.")
    if request.follow_up is not None:
        found.append("follow_up is kept in the history; nothing was planned for it yet.")
    if work.machine.status is MachineStatus.DOWN:
        found.append(f"{work.machine.id} is still recorded as down.")
    return found


TOOLS = (complete_maintenance,)
