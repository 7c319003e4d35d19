"""What the tools that plan, move and cancel work answer, and how an answer is checked against the store."""

from datetime import date, datetime

from mcp_server.backends.base import Query
from mcp_server.domain.records import PmTask, WorkOrder, WorkOrderState
from mcp_server.errors import VerificationFailed
from mcp_server.pipeline.declaration import WriteCall, WriteResult
from mcp_server.tools.maintenance.work_order_jobs import (
    CancelMaintenance,
    Job,
    RescheduleMaintenance,
    ScheduleMaintenance,
    due_of,
)
from mcp_server.tools.paging import selection

__all__ = [
    "WorkOrderCancelled",
    "WorkOrderMoved",
    "WorkOrderPlanned",
    "in_window",
    "is_found_at_its_time",
    "is_planned_no_more",
    "window_is_right",
]


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


def in_window(job: Job, order: WorkOrder) -> bool | None:
    if order.window_start is None or order.window_end is None:
        return None
    return order.window_start <= job.start_on <= order.window_end


async def is_found_at_its_time(
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


async def window_is_right(
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


async def is_planned_no_more(_request: CancelMaintenance, result: WorkOrderCancelled, call: WriteCall) -> None:
    """The time is free again, and the recurring task is due as before."""
    order = result.record
    among = selection(machine_id=order.machine_id, state=WorkOrderState.PLANNED)
    if order.id in {found.id for found in (await call.plant.find(WorkOrder, Query(among))).items}:
        raise VerificationFailed(f"{order.id} is still planned.", field="state")
    task = None if order.task_id is None else await call.plant.get(PmTask, order.task_id)
    if result.task_due_on != (None if task is None else task.next_due_on):
        raise VerificationFailed(f"The due day of {order.task_id} has changed.", field="task_due_on")
