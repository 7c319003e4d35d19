"""Toolset maintenance: what is due, by plans and by work orders."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Annotated

from pydantic import Field

from mcp_server.backends.base import Query
from mcp_server.domain.maintenance.pm_plans import DueState, absorbed_by, due_state
from mcp_server.domain.maintenance.recurrence import NextDue, due_window, local_day, next_due
from mcp_server.domain.records import (
    SHARED,
    Machine,
    MaintenanceKind,
    Person,
    PmTask,
    Project,
    WorkOrder,
    WorkOrderState,
)
from mcp_server.errors import VerificationFailed
from mcp_server.pipeline.declaration import (
    Code,
    Effect,
    ListRequest,
    ListResult,
    ProjectField,
    Result,
    ToolCall,
    tool,
)
from mcp_server.pipeline.preconditions import project_of, record_of
from mcp_server.tools.maintenance.due_work import live_tasks, readings_of
from mcp_server.tools.maintenance.sites import zones_of
from mcp_server.tools.paging import envelope, page_is_as_asked, page_of, selection

__all__ = ["TOOLS"]

_MOST_NAMED = 10


class GetUpcomingSchedules(ListRequest):
    project: ProjectField
    horizon_days: Annotated[int, Field(ge=1, le=365, description="Days ahead")] = 30
    machine_id: Annotated[Code | None, Field(description="Machine")] = None
    state: Annotated[DueState | None, Field(description="State")] = None
    technician_id: Annotated[Code | None, Field(description="Their work orders")] = None
    include_daily: Annotated[bool, Field(description="With daily checks")] = False


class Upcoming(Result):
    """The next occurrence of a task, or an open work order; `id` is that of the order if there is one, else the task's.

    Days are days at the site. `predicted`: estimated from meter readings. `absorbs`: tasks due the same day that this
    larger one includes.
    """

    id: str
    due_on: date
    state: DueState
    machine_id: str
    title: str
    days_overdue: int = 0
    window_start: date | None = None
    window_end: date | None = None
    project: str
    kind: MaintenanceKind
    task_id: str | None = None
    work_order_id: str | None = None
    start: datetime | None = None
    est_min: int
    skill: str | None = None
    loto: bool
    technician_id: str | None = None
    predicted: bool = False
    note: str | None = None
    absorbs: tuple[str, ...] = ()


class UpcomingSchedules(ListResult[Upcoming]):
    pass


async def _references_exist(request: GetUpcomingSchedules, call: ToolCall) -> None:
    project = await project_of(call, request.project)
    if request.machine_id is not None:
        await record_of(call, Machine, request.machine_id, field="machine_id", project=project)
    if request.technician_id is not None:
        await record_of(call, Person, request.technician_id, field="technician_id", project=project)


async def _states_are_todays(request: GetUpcomingSchedules, result: UpcomingSchedules, call: ToolCall) -> None:
    """Overdue, due and planned are what today at the machine's site makes of due day and window."""
    project = await project_of(call, request.project)
    zones = await zones_of(await _machines(request, call, project), call, project)
    for item in result.items:
        today = call.today(zones[item.machine_id])
        late = (today - item.due_on).days if item.state == "overdue" else 0
        expected = due_state(today, item.due_on, item.window_start, item.window_end)
        if item.state != expected or item.days_overdue != late:
            raise VerificationFailed(f"{item.id} is {expected} on {today.isoformat()}.", field="state")


async def _work_is_listed_once(request: GetUpcomingSchedules, result: UpcomingSchedules, call: ToolCall) -> None:
    """By due day, none beyond the horizon, and no task twice: not as an order and a task, not inside a larger one."""
    today = call.today((await project_of(call, request.project)).time_zone)
    tasks = [task for item in result.items for task in (item.task_id, *item.absorbs) if task is not None]
    days = [item.due_on for item in result.items]
    beyond = any(day > today + timedelta(days=request.horizon_days) for day in days)
    if len(set(tasks)) != len(tasks) or days != sorted(days) or beyond:
        raise VerificationFailed(
            "The list of upcoming work repeats a task, is out of order or goes beyond the horizon.", field="items"
        )


@tool(
    toolset="maintenance",
    effect=Effect.READ,
    request=GetUpcomingSchedules,
    result=UpcomingSchedules,
    preconditions=(_references_exist,),
    result_checks=(page_is_as_asked, _states_are_todays, _work_is_listed_once),
)
async def get_upcoming_schedules(request: GetUpcomingSchedules, call: ToolCall) -> UpcomingSchedules:
    """List due and overdue maintenance: each task's next occurrence, and open work orders."""
    project = await project_of(call, request.project)
    machines = await _machines(request, call, project)
    zones = await zones_of(machines, call, project)
    orders = await _open_orders(request, call, project)
    tasks = {task.id: task for task in await live_tasks(machines, call, daily=request.include_daily)}
    ordered = {order.task_id for order in orders}
    waiting = [task for task in tasks.values() if task.id not in ordered]
    readings = await readings_of(zones, call)
    todays = {machine_id: call.today(zone) for machine_id, zone in zones.items()}
    dues = [
        (task, next_due(task, readings=readings[task.machine_id], today=todays[task.machine_id])) for task in waiting
    ]
    unknown = [f"{task.id} ({due.reason})" for task, due in dues if due.on is None]
    entries = [_of_order(order, todays[order.machine_id], zones[order.machine_id]) for order in orders]
    entries += [_of_task(task, due, due.on, todays[task.machine_id]) for task, due in dues if due.on is not None]
    entries = _with_absorbed(entries, tasks)
    last = call.today(project.time_zone) + timedelta(days=request.horizon_days)
    shown = sorted((e for e in entries if _is_wanted(e, request, last)), key=lambda entry: (entry.due_on, entry.id))
    page = page_of(shown, request, lambda entry: entry.id)
    return UpcomingSchedules(items=page.items, warnings=_warn(unknown), **envelope(page, call))


async def _open_orders(request: GetUpcomingSchedules, call: ToolCall, project: Project) -> tuple[WorkOrder, ...]:
    wanted = selection(project=(project.id, SHARED), machine_id=request.machine_id, state=(WorkOrderState.PLANNED,))
    return (await call.plant.find(WorkOrder, Query(wanted))).items


async def _machines(request: GetUpcomingSchedules, call: ToolCall, project: Project) -> tuple[Machine, ...]:
    among = selection(project=(project.id, SHARED), id=request.machine_id)
    return (await call.plant.find(Machine, Query(among))).items


def _of_order(order: WorkOrder, today: date, zone: str) -> Upcoming:
    """Work without a due day of its own is due on the day it is planned for."""
    due_on = order.due_on or local_day(order.start, zone)
    state = due_state(today, due_on, order.window_start, order.window_end)
    return Upcoming(
        id=order.id,
        project=order.project,
        machine_id=order.machine_id,
        kind=order.kind,
        title=order.title,
        task_id=order.task_id,
        work_order_id=order.id,
        due_on=due_on,
        window_start=order.window_start,
        window_end=order.window_end,
        state=state,
        days_overdue=(today - due_on).days if state == "overdue" else 0,
        start=order.start,
        est_min=order.duration_min,
        skill=order.skill,
        loto=order.loto,
        technician_id=order.technician_id,
    )


def _of_task(task: PmTask, due: NextDue, due_on: date, today: date) -> Upcoming:
    first, last = due_window(task, due) or (None, None)
    state = due_state(today, due_on, first, last)
    return Upcoming(
        id=task.id,
        project=task.project,
        machine_id=task.machine_id,
        kind=MaintenanceKind.PREVENTIVE,
        title=task.title,
        task_id=task.id,
        due_on=due_on,
        window_start=first,
        window_end=last,
        state=state,
        days_overdue=(today - due_on).days if state == "overdue" else 0,
        est_min=task.est_min,
        skill=task.skill,
        loto=task.loto,
        predicted=due.predicted,
        note=due.reason,
    )


def _with_absorbed(entries: Sequence[Upcoming], tasks: Mapping[str, PmTask]) -> list[Upcoming]:
    """A task that a larger one of the same machine and day includes is named there; work that is ordered stays."""
    due = {entry.task_id: entry for entry in entries if entry.task_id in tasks}
    inside = absorbed_by((tasks[task_id], entry.due_on) for task_id, entry in due.items() if task_id is not None)
    inside = {small: large for small, large in inside.items() if due[small].work_order_id is None}
    kept = [entry for entry in entries if entry.task_id not in inside]
    return [
        entry.model_copy(update={"absorbs": tuple(sorted(s for s, large in inside.items() if large == entry.task_id))})
        for entry in kept
    ]


def _is_wanted(entry: Upcoming, request: GetUpcomingSchedules, last: date) -> bool:
    return (
        entry.due_on <= last
        and request.state in {None, entry.state}
        and request.technician_id in {None, entry.technician_id}
    )


def _warn(unknown: Sequence[str]) -> tuple[str, ...]:
    if not unknown:
        return ()
    named = ", ".join(unknown[:_MOST_NAMED])
    more = f" and {len(unknown) - _MOST_NAMED} more" if len(unknown) > _MOST_NAMED else ""
    return (f"Due by meter, but no day can be told: {named}{more}.",)


TOOLS = (get_upcoming_schedules,)
