"""Toolset quality: plans of preventive maintenance."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated

from pydantic import Field

from mcp_server.backends.base import Query
from mcp_server.domain.documents import LIVE
from mcp_server.domain.maintenance.lockout import is_hazardous, lockout_for
from mcp_server.domain.maintenance.pm_plans import check_machine, check_task, check_trigger, is_same_task
from mcp_server.domain.maintenance.recurrence import add_interval, due_window, next_due
from mcp_server.domain.records import (
    SHARED,
    DocumentState,
    Machine,
    Person,
    PmPlan,
    PmTask,
    Project,
    Sop,
    StockItem,
)
from mcp_server.errors import Conflict, RuleViolated, VerificationFailed
from mcp_server.pipeline.declaration import (
    Code,
    Effect,
    ToolCall,
    WriteCall,
    WriteRequest,
    WriteResult,
    tool,
)
from mcp_server.pipeline.preconditions import (
    document_of,
    project_of,
    record_of,
    records_of,
    revisions_of,
)
from mcp_server.tools.maintenance.due_work import readings_of
from mcp_server.tools.maintenance.sites import must_be_in_use, site_of
from mcp_server.tools.paging import selection
from mcp_server.tools.quality.pm_tasks import AS_ASKED, PlannedTask, TaskAsked, shown, task_record

__all__ = ["TOOLS"]


class CreatePmPlan(WriteRequest):
    machine_id: Annotated[Code, Field(description="e.g. MC-103")]
    title: Annotated[str | None, Field(min_length=3, max_length=120, description="Default by machine")] = None
    tasks: Annotated[tuple[TaskAsked, ...], Field(min_length=1, max_length=50, description="Recurring work")]


class PmPlanWritten(WriteResult):
    record: PmPlan
    tasks: tuple[PlannedTask, ...]

    @property
    def stored(self) -> PmPlan | None:
        return self.record


async def _machine_is_active(request: CreatePmPlan, call: ToolCall) -> None:
    await must_be_in_use((await _machine_of(request, call))[1], call, field="machine_id")


async def _triggers_are_whole(request: CreatePmPlan, call: ToolCall) -> None:
    today = await _today(request, call)
    found = [
        (f"tasks[{position}].{finding.field}", finding)
        for position, task in enumerate(request.tasks)
        for finding in check_trigger(
            every=task.every,
            unit=task.unit,
            meter_every=task.meter_every,
            est_min=task.est_min,
            first_due=task.first_due,
            today=today,
        )
    ]
    if found:
        place, first = found[0]
        raise RuleViolated(
            f"{place}: {first.message}.",
            field=place,
            suggestion=first.suggestion,
            also=[f"{other}: {finding.message}" for other, finding in found[1:10]],
        )


async def _meter_is_the_machines(request: CreatePmPlan, call: ToolCall) -> None:
    _, machine = await _machine_of(request, call)
    for position, task in enumerate(request.tasks):
        if task.meter_unit is not None and task.meter_unit != machine.meter:
            raise RuleViolated(
                f"{machine.id} counts {machine.meter}, not {task.meter_unit}.",
                field=f"tasks[{position}].meter_unit",
                suggestion=f"Give meter_every in {machine.meter}.",
                alternatives=[machine.meter],
            )


async def _references_exist(request: CreatePmPlan, call: ToolCall) -> None:
    project = await project_of(call, request.project)
    for position, task in enumerate(request.tasks):
        await records_of(call, StockItem, task.parts, field=f"tasks[{position}].parts", project=project)
        if task.sop_id is not None:
            field = f"tasks[{position}].sop_id"
            sop = await document_of(call, Sop, task.sop_id, field=field, project=project)
            if sop.state not in LIVE:
                raise RuleViolated(
                    f"{sop.id} is {sop.state}.", field=field, suggestion="Name a procedure in use, or leave it out."
                )


async def _isolation_is_possible(request: CreatePmPlan, call: ToolCall) -> None:
    """OSHA 1910.147(c)(4)(i): procedures are documented before they are used. Inspections are due when work starts."""
    locked = next((position for position, task in enumerate(request.tasks) if task.loto), None)
    _, machine = await _machine_of(request, call)
    if locked is None or not is_hazardous(machine):
        return
    if lockout_for(machine.id, await _lockouts(call)) is None:
        energies = ", ".join(machine.energy_sources)
        raise RuleViolated(
            f"tasks[{locked}] needs lockout, but no released lockout procedure covers {machine.id} ({energies}).",
            field=f"tasks[{locked}].loto",
            suggestion=f"Have the lockout procedure of {machine.id} released first, then plan this work.",
        )


async def _tasks_are_new(request: CreatePmPlan, call: ToolCall) -> None:
    """The same work is planned once: in this plan, and beside the other living plans of the machine."""
    _, machine = await _machine_of(request, call)
    today, known = await _today(request, call), await _standing_tasks(machine, call)
    for position, asked in enumerate(request.tasks):
        task = task_record(asked, machine, today, (), task_id=f"tasks[{position}]")
        same = next((other for other in known if is_same_task(task, other)), None)
        if same is not None:
            raise Conflict(
                f"{task.title!r} is planned on {machine.id} already: {same.title!r}, {same.id}.",
                field=f"tasks[{position}].title",
                suggestion="Leave this task out, or say in the title what is different about it.",
                alternatives=[same.id] if same.plan_id else (),
            )
        known.append(task)


async def _tasks_are_as_asked(request: CreatePmPlan, result: PmPlanWritten, call: WriteCall) -> None:
    """The stored tasks, in their order, say what was asked for; the plan is a first draft that lists them."""
    plan = result.record
    stored = [await call.plant.get(PmTask, task_id) for task_id in plan.task_ids]
    listed = len(stored) == len(request.tasks) and plan.task_ids == tuple(task.id for task in result.tasks)
    if plan.state is not DocumentState.DRAFT or plan.revision != 1 or not listed:
        raise VerificationFailed("The plan must be a first draft with every task that was asked for.", field="tasks")
    for position, (asked, task) in enumerate(zip(request.tasks, stored, strict=True)):
        wanted = {name: getattr(asked, name) for name in AS_ASKED}
        wanted |= {"calendar_interval": asked.every, "calendar_unit": asked.unit, "meter_interval": asked.meter_every}
        wrong = [name for name, value in wanted.items() if task is None or getattr(task, name) != value]
        if wrong or task is None or (task.plan_id, task.machine_id) != (plan.id, request.machine_id):
            raise VerificationFailed(
                f"tasks[{position}] was changed on the way: {', '.join(wrong)}.", field=f"tasks[{position}]"
            )


async def _first_due_is_recomputed(request: CreatePmPlan, result: PmPlanWritten, call: WriteCall) -> None:
    project, machine = await _machine_of(request, call)
    zone = (await site_of(machine, call, project)).time_zone
    today = call.today(zone)
    readings = (await readings_of({machine.id: zone}, call))[machine.id]
    for position, (asked, told) in enumerate(zip(request.tasks, result.tasks, strict=True)):
        stored = await call.plant.get(PmTask, told.id)
        due = None if stored is None else next_due(stored, readings=readings, today=today)
        window = None if stored is None or due is None else due_window(stored, due)
        if due is None or due.on != told.next_due_on or window != told.window or _is_late(asked, due.on, today):
            raise VerificationFailed(
                f"The first due day of tasks[{position}] was computed wrongly.", field=f"tasks[{position}]"
            )


def _is_late(asked: TaskAsked, due_on: date | None, today: date) -> bool:
    """Whether a task begins later than its calendar says; by meter it may begin earlier."""
    if asked.every is None or asked.unit is None:
        return False
    return due_on is None or due_on > (asked.first_due or add_interval(today, asked.every, asked.unit))


@tool(
    toolset="quality",
    effect=Effect.CREATE,
    request=CreatePmPlan,
    result=PmPlanWritten,
    preconditions=(
        _machine_is_active,
        _triggers_are_whole,
        _meter_is_the_machines,
        _references_exist,
        _isolation_is_possible,
        _tasks_are_new,
    ),
    result_checks=(_tasks_are_as_asked, _first_due_is_recomputed),
)
async def create_pm_plan(request: CreatePmPlan, call: WriteCall) -> PmPlanWritten:
    """Plan preventive maintenance of a machine (draft; scheduled once released), by calendar, meter, or whichever comes
    first.
    """
    project, machine = await _machine_of(request, call)
    zone = (await site_of(machine, call, project)).time_zone
    today = call.today(zone)
    readings = (await readings_of({machine.id: zone}, call))[machine.id]
    plan_id = await call.unit.next_id(PmPlan, "PMP-")
    tasks: list[PlannedTask] = []
    for asked in request.tasks:
        task_id = await call.unit.next_id(PmTask, "PM-")
        task = task_record(asked, machine, today, readings, task_id=task_id, plan_id=plan_id)
        await call.unit.insert(task)
        tasks.append(shown(task, readings, today))
    plan = PmPlan(
        id=plan_id,
        project=machine.project,
        title=request.title or f"Preventive maintenance of {machine.id} {machine.name}",
        revision=1,
        state=DocumentState.DRAFT,
        created_at=call.now,
        created_by=request.on_behalf_of or call.caller.principal,
        machine_id=machine.id,
        task_ids=tuple(task.id for task in tasks),
    )
    await call.unit.insert(plan)
    warnings = tuple(await _warnings(request, call, tasks))
    return PmPlanWritten(status="created", record=plan, tasks=tuple(tasks), warnings=warnings)


async def _warnings(request: CreatePmPlan, call: ToolCall, tasks: Sequence[PlannedTask]) -> list[str]:
    """What a planner should know before the plan is released."""
    project, machine = await _machine_of(request, call)
    people = (await call.plant.find(Person, Query(selection(project=(project.id, SHARED))))).items
    standing = await _standing_tasks(machine, call)
    lockouts = await _lockouts(call)
    found = check_machine(machine, tasks, lockouts, await _today(request, call))
    for position, task in enumerate(tasks):
        others = [other for other in standing if other.plan_id != task.plan_id] + [*tasks[:position]]
        parts = await records_of(call, StockItem, task.parts, field="parts", project=project)
        told = check_task(task, machine, people=people, others=others, parts=parts)
        if task.sop_id is not None and not await _is_released(task.sop_id, call):
            told.append(f"{task.sop_id} is not released yet")
        if task.note is not None:
            told.append(f"its first day by meter is uncertain: {task.note}")
        found += [f"tasks[{position}]: {text}." for text in told]
    return found


async def _machine_of(request: CreatePmPlan, call: ToolCall) -> tuple[Project, Machine]:
    project = await project_of(call, request.project)
    return project, await record_of(call, Machine, request.machine_id, field="machine_id", project=project)


async def _today(request: CreatePmPlan, call: ToolCall) -> date:
    """At the machine's site."""
    project, machine = await _machine_of(request, call)
    return call.today((await site_of(machine, call, project)).time_zone)


async def _standing_tasks(machine: Machine, call: ToolCall) -> list[PmTask]:
    """The tasks that the living plans of the machine list."""
    plans = (await call.plant.find(PmPlan, Query(selection(machine_id=machine.id)))).items
    live = {task_id for plan in plans if plan.state in LIVE for task_id in plan.task_ids}
    tasks = (await call.plant.find(PmTask, Query(selection(machine_id=machine.id)))).items
    return [task for task in tasks if task.id in live]


async def _is_released(sop_id: str, call: ToolCall) -> bool:
    return any(sop.state is DocumentState.RELEASED for sop in await revisions_of(call, Sop, sop_id))


async def _lockouts(call: ToolCall) -> tuple[Sop, ...]:
    return (await call.plant.find(Sop, Query(selection(kind="loto")))).items


TOOLS = (create_pm_plan,)
