"""What may be said against a time for work: objections that a planner may overrule, and notes that stop nothing."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from mcp_server.backends.base import Query
from mcp_server.domain.maintenance.lockout import lockout_for, lockout_problem
from mcp_server.domain.maintenance.work_orders import (
    EXTERNAL,
    LOTO_AUTHORIZED,
    SHIFT_HOURS,
    hinders_production,
    holds,
    next_on_shift,
    on_shift,
    shift_end,
    shortages,
    stops_production,
)
from mcp_server.domain.records import (
    SHARED,
    DocumentState,
    MachineStatus,
    Person,
    PlantDay,
    PmTask,
    Sop,
    StockItem,
    TrainingRecord,
)
from mcp_server.pipeline.declaration import (
    ToolCall,
)
from mcp_server.tools.maintenance.work_order_jobs import (
    Job,
    due_of,
    due_of_task,
)
from mcp_server.tools.paging import selection

__all__ = ["Objection", "able_people", "lockouts", "named", "notes", "objections"]


_LONGEST_AHEAD = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Objection:
    """Something a planner may overrule, with a reason that is kept."""

    field: str
    message: str
    suggestion: str


async def notes(job: Job, call: ToolCall) -> tuple[str, ...]:
    """What a planner should know although it stops nothing."""
    found = [*job.assumed, *(f"Overruled: {objection.message}" for objection in await objections(job, call))]
    days = {f"{day.name} ({day.kind})": day for day in stops_production(job.slot, await _calendar(job, call), job.zone)}
    found += [f"{day}: production stands still, a good time for the work." for day in days]
    if job.machine.status is MachineStatus.COMMISSIONING:
        found.append(f"{job.machine.id} is still being commissioned: agree the work with who hands it over.")
    if job.start - call.now > _LONGEST_AHEAD:
        found.append(f"{job.start_on} is more than a year ahead: check the year. It is not listed yet.")
    found += await _technician_notes(job, call)
    found += await _schedule_notes(job, call)
    if job.loto and (problem := lockout_problem(job.machine, await lockouts(call), job.start_on)) is not None:
        found.append(f"On the day of the work it will be too old: {problem} Have it inspected before.")
    if job.task is not None:
        missing = shortages(job.task.parts, await _stock(call), today=call.today(job.zone), start_on=job.start_on)
        found += [f"Order now: {s}." for s in missing if s.there_on is not None and s.there_on <= job.start_on]
    return tuple(found)


async def _schedule_notes(job: Job, call: ToolCall) -> list[str]:
    """What is odd about the due day, and which other tasks of the machine one stop could serve too."""
    found = await due_of(job, call)
    if job.task is None or found is None:
        return []
    odd = [] if found[0].reason is None else [f"{job.task.id}: {found[0].reason}."]
    others: list[str] = []
    for task in (await call.plant.find(PmTask, Query(selection(plan_id=job.task.plan_id)))).items:
        window = (await due_of_task(job, task, call))[1]
        if task.id != job.task.id and window is not None and window[0] <= job.start_on <= window[1]:
            others.append(f"{task.id} ({task.title})")
    return [*odd, f"In its window on that day too: {', '.join(others)}."] if others else odd


async def _technician_notes(job: Job, call: ToolCall) -> list[str]:
    found: list[str] = []
    if job.skill == EXTERNAL:
        found.append("A contractor does this work; agree the date with them.")
    if job.technician is None:
        able = await able_people(job, call)
        if not able and job.skills:
            wanted = " and ".join(job.skills)
            found.append(f"Nobody of {job.project.id} holds {wanted}: check the skill, or get somebody.")
        elif job.isolates:
            found.append(f"Nobody is assigned; it must be someone {LOTO_AUTHORIZED}. {named(able)}")
        return found
    found += await _lapsed_training(job, job.technician, call)
    shift = job.technician.shift
    if on_shift(shift, job.start, job.zone) and job.slot.end > (end := shift_end(shift, job.start, job.zone)):
        over = (job.slot.end - end) // timedelta(minutes=1)
        found.append(f"The work runs {over} min over the end of {job.technician.id}'s shift {shift}.")
    return found


async def _lapsed_training(job: Job, technician: Person, call: ToolCall) -> list[str]:
    """Training on the machine's lockout procedure that no longer counts on the day (OSHA 1910.147(c)(7))."""
    procedure = lockout_for(job.machine.id, await lockouts(call)) if job.isolates else None
    if procedure is None:
        return []
    among = selection(person_id=technician.id, sop_id=procedure.id)
    ends = [training.valid_until for training in (await call.plant.find(TrainingRecord, Query(among))).items]
    last = max((end or date.max for end in ends), default=date.max)
    if last >= job.start_on:
        return []
    return [f"{technician.id}'s training on {procedure.id} counts until {last}: train again before the work."]


async def objections(job: Job, call: ToolCall) -> list[Objection]:
    return [
        *_off_shift(job),
        *await _out_of_window(job, call),
        *await _without_parts(job, call),
        *await _in_a_freeze(job, call),
    ]


def _off_shift(job: Job) -> Iterable[Objection]:
    if job.technician is None or on_shift(job.technician.shift, job.start, job.zone):
        return
    shift = job.technician.shift
    first, end = SHIFT_HOURS[shift]
    begins = next_on_shift(shift, job.start, job.zone)
    yield Objection(
        job.argument("start"),
        f"{job.technician.id} works shift {shift} ({first:02}:00-{end:02}:00 at the site), not at that time.",
        f"Start when the shift does, {job.shown(begins)}, or choose another technician.",
    )


async def _out_of_window(job: Job, call: ToolCall) -> list[Objection]:
    found = await due_of(job, call)
    if job.task is None or found is None or found[1] is None or found[0].on is None:
        return []
    first, last = found[1]
    if first <= job.start_on <= last:
        return []
    late = last < call.today(job.zone)
    message = f"{job.task.id} is due on {found[0].on}, within {first} to {last}; {job.start_on} is outside."
    suggestion = "Its window has passed: the sooner the better." if late else f"Choose a day from {first} to {last}."
    return [Objection(job.argument("start"), message, suggestion)]


async def _without_parts(job: Job, call: ToolCall) -> list[Objection]:
    if job.task is None or not job.task.parts:
        return []
    missing = shortages(job.task.parts, await _stock(call), today=call.today(job.zone), start_on=job.start_on)
    short = [s for s in missing if s.there_on is None or s.there_on > job.start_on]
    days = [s.there_on for s in short if s.there_on is not None]
    suggestion = f"Start on {max(days)} or later." if len(days) == len(short) and days else "Get the part first."
    message = f"Parts are missing: {'; '.join(map(str, short))}."
    return [Objection(job.argument("start"), message, suggestion)] if short else []


async def _in_a_freeze(job: Job, call: ToolCall) -> list[Objection]:
    """A machine that is down already disturbs no production."""
    if job.machine.status is MachineStatus.DOWN:
        return []
    return [
        Objection(
            job.argument("start"),
            f"{day.name}: production must not be disturbed from {day.from_on} to {day.to_on}.",
            f"Start after {day.to_on}.",
        )
        for day in hinders_production(job.slot, await _calendar(job, call), job.zone)
    ]


async def able_people(job: Job, call: ToolCall) -> list[Person]:
    """Who of the project holds every skill that the work needs."""
    people = (await call.plant.find(Person, Query({"project": (job.project.id, SHARED)}))).items
    return [person for person in people if all(holds(person, skill) for skill in job.skills)]


async def lockouts(call: ToolCall) -> tuple[Sop, ...]:
    return (await call.plant.find(Sop, Query(selection(kind="loto", state=DocumentState.RELEASED)))).items


async def _stock(call: ToolCall) -> tuple[StockItem, ...]:
    return (await call.plant.find(StockItem, Query())).items


async def _calendar(job: Job, call: ToolCall) -> tuple[PlantDay, ...]:
    return (await call.plant.find(PlantDay, Query({"project": (*job.site.projects, SHARED)}))).items


def named(people: Iterable[Person]) -> str:
    shown = ", ".join(f"{person.id} ({person.name}, shift {person.shift})" for person in people)
    return f"Qualified: {shown}." if shown else ""
