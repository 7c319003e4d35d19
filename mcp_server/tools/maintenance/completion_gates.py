"""What is reported when work was done, and what must hold before it counts as done."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated

from pydantic import Field

from mcp_server.domain.maintenance.meters import Reading
from mcp_server.domain.maintenance.recurrence import NextDue, local_day, next_due
from mcp_server.domain.maintenance.work_orders import earliest_completion, meter_problem
from mcp_server.domain.records import Machine, PartUsed, PmTask, StockItem, WorkOrder
from mcp_server.errors import RuleViolated
from mcp_server.pipeline.declaration import Moment, ToolCall
from mcp_server.pipeline.preconditions import project_of, record_of, records_of
from mcp_server.tools.maintenance.due_work import readings_of
from mcp_server.tools.maintenance.sites import site_of
from mcp_server.tools.maintenance.work_order_jobs import OrderRequest

__all__ = [
    "CompleteMaintenance",
    "Work",
    "completion_is_timely",
    "locks_are_off",
    "meter_is_read",
    "parts_are_kept",
    "work_done",
]

_CLOCK_SKEW = timedelta(minutes=5)


class CompleteMaintenance(OrderRequest):
    completed_at: Annotated[Moment, Field(description="With offset")]
    labor_min: Annotated[int, Field(ge=0, le=100_000, description="All people's minutes")]
    downtime_min: Annotated[int, Field(ge=0, le=500_000, description="Minutes machine stood")]
    findings: Annotated[str, Field(min_length=2, max_length=2000, description="Found and done")]
    meter_reading: Annotated[float | None, Field(ge=0, le=1e9, description="In the meter's unit")] = None
    parts_used: Annotated[tuple[PartUsed, ...], Field(max_length=50, description="Taken from stock")] = ()
    follow_up: Annotated[str | None, Field(max_length=500, description="Still to do")] = None
    loto_removed: Annotated[bool, Field(description="All locks are off")] = False


@dataclass(frozen=True, slots=True)
class Work:
    """What was done, with what the plant knows of it."""

    zone: str
    machine: Machine
    order: WorkOrder
    task: PmTask | None
    completed_on: date
    today: date
    series: Sequence[Reading]

    @property
    def due(self) -> NextDue | None:
        return None if self.task is None else next_due(self.task, readings=self.series, today=self.today)


async def work_done(request: CompleteMaintenance, call: ToolCall) -> Work:
    project, order = await project_of(call, request.project), await request.order(call)
    machine = await record_of(call, Machine, order.machine_id, field="wo_id", project=project)
    task = None
    if order.task_id is not None:
        task = await record_of(call, PmTask, order.task_id, field="wo_id", project=project)
    zone = (await site_of(machine, call, project)).time_zone
    return Work(
        zone=zone,
        machine=machine,
        order=order,
        task=task,
        completed_on=local_day(request.completed_at, zone),
        today=call.today(zone),
        series=(await readings_of({machine.id: zone}, call))[machine.id],
    )


async def completion_is_timely(request: CompleteMaintenance, call: ToolCall) -> None:
    order = await request.order(call)
    if request.completed_at > call.now + _CLOCK_SKEW:
        raise RuleViolated(
            f"completed_at {request.completed_at.isoformat()} lies in the future.",
            field="completed_at",
            suggestion=f"It is {call.now.isoformat(timespec='minutes')} now; report the work when it is done.",
        )
    earliest = earliest_completion(order)
    if request.completed_at < earliest:
        raise RuleViolated(
            f"completed_at {request.completed_at.isoformat()} is before {order.id} was ordered.",
            field="completed_at",
            suggestion=f"It can be {earliest.isoformat(timespec='minutes')} or later; for older work schedule an "
            "order with backdated_reason.",
        )


async def locks_are_off(request: CompleteMaintenance, call: ToolCall) -> None:
    """Before the machine gets its energy back, every lock is removed (OSHA 1910.147(e))."""
    order = await request.order(call)
    if order.loto and not request.loto_removed:
        raise RuleViolated(
            f"{order.id} was done under lockout, and it is not confirmed that all locks are off.",
            field="loto_removed",
            suggestion="Check the machine, then call with loto_removed true.",
        )


async def meter_is_read(request: CompleteMaintenance, call: ToolCall) -> None:
    """A task that counts on the meter needs its reading, and a meter never counts backwards."""
    work, value = await work_done(request, call), request.meter_reading
    last = f" It showed {work.series[-1][1]:g} last." if work.series else ""
    if value is None:
        if work.task is not None and work.task.meter_interval is not None:
            raise RuleViolated(
                f"{work.task.id} is due by the meter of {work.machine.id}, so the reading is needed.",
                field="meter_reading",
                suggestion=f"Read the meter and give its value in {work.machine.meter}.{last}",
            )
        return
    problem = meter_problem(value, request.completed_at, work.series)
    if problem is not None:
        raise RuleViolated(
            f"meter_reading {value:g} cannot be right. {problem}",
            field="meter_reading",
            suggestion="Read the meter again. If it was replaced, give the old meter's last value plus the new one's.",
        )


async def parts_are_kept(request: CompleteMaintenance, call: ToolCall) -> None:
    project = await project_of(call, request.project)
    named = [part.stock_id for part in request.parts_used]
    await records_of(call, StockItem, named, field="parts_used", project=project)
    twice = [stock_id for stock_id, count in Counter(named).items() if count > 1]
    if twice:
        raise RuleViolated(
            f"parts_used names {twice[0]} twice.", field="parts_used", suggestion="Add its quantities up in one entry."
        )
