"""Rules for plans of preventive maintenance: triggers, tasks that are the same work, and what one list shows.

Source: facts of the trade 3.4.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Literal

from mcp_server.domain.maintenance.lockout import is_hazardous, lockout_problem
from mcp_server.domain.maintenance.recurrence import interval_days
from mcp_server.domain.maintenance.work_orders import EXTERNAL, LOTO_AUTHORIZED, holds
from mcp_server.domain.quality.control_plan import Finding
from mcp_server.domain.records import CalendarUnit, Machine, MachineStatus, Person, PmTask, Sop, StockItem

__all__ = [
    "OPERATOR",
    "DueState",
    "absorbed_by",
    "check_machine",
    "check_task",
    "check_trigger",
    "due_state",
    "is_daily_check",
    "is_same_task",
]

OPERATOR = "operator"
"""The skill of work that the operators of the machine do themselves."""

DueState = Literal["overdue", "due", "planned"]

_LONGEST_DAYS = 3650
_MINUTES_A_DAY = 1440
_WORD = re.compile(r"[^\W_]+")
_SAY_HOW_OFTEN = frozenset(
    {"daily", "weekly", "biweekly", "monthly", "quarterly", "yearly", "annual", "annually", "half", "day", "week"}
    | {"month", "year", "h", "hour", "hours", "every", "each", "a", "an", "and", "of", "the"}
)
_MONTHS: dict[CalendarUnit, int] = {"m": 1, "y": 12}


def check_trigger(
    *,
    every: int | None,
    unit: CalendarUnit | None,
    meter_every: float | None,
    est_min: int,
    first_due: date | None,
    today: date,
) -> list[Finding]:
    """What is wrong with when a task is to be done; fields are those of a task as it is asked for."""
    found: list[Finding] = []
    if every is None and meter_every is None:
        found.append(Finding("every", "nothing says when it is due", "Give every with unit, or meter_every, or both."))
    if (every is None) != (unit is None):
        missing = "unit" if unit is None else "every"
        found.append(Finding(missing, "every and unit belong together", "Give both, e.g. every 3, unit m."))
    if first_due is not None and every is None:
        found.append(Finding("first_due", "only a calendar has a first day", "Leave it out, or give every with unit."))
    if first_due is not None and first_due < today:
        text = f"{first_due.isoformat()} is past; it would be overdue at once"
        found.append(Finding("first_due", text, f"It is {today.isoformat()} at the site; choose that day or later."))
    if every is not None and unit is not None:
        found += _check_length(interval_days(every, unit), est_min)
    return found


def _check_length(days: int, est_min: int) -> list[Finding]:
    if days > _LONGEST_DAYS:
        return [Finding("every", f"{days} days are more than ten years", "Give a shorter interval.")]
    if est_min > days * _MINUTES_A_DAY:
        return [Finding("est_min", f"{est_min} min of work every {days} day(s) never end", "Give minutes of one job.")]
    return []


def is_same_task(task: PmTask, other: PmTask) -> bool:
    """Whether two tasks of a machine are the same work, so that planning both would do it twice.

    That is the same title, or the same interval with titles that differ only in how often, word order and punctuation.
    """
    same_title = " ".join(task.title.casefold().split()) == " ".join(other.title.casefold().split())
    return same_title or (_words(task.title) == _words(other.title) and _interval(task) == _interval(other))


def check_machine(machine: Machine, tasks: Sequence[PmTask], lockouts: Sequence[Sop], today: date) -> list[str]:
    """What a planner should know about the machine before its plan is released, as sentences."""
    found: list[str] = []
    if machine.status is MachineStatus.COMMISSIONING:
        found.append(f"{machine.id} is still being commissioned: check the intervals again at handover.")
    if not any(task.loto for task in tasks):
        return found
    if not is_hazardous(machine):
        found.append(f"{machine.id} has no energy sources on record: check whether lockout is needed.")
    problem = lockout_problem(machine, lockouts, today)
    return found if problem is None else [*found, f"{problem} Put that right before work is scheduled."]


def check_task(
    task: PmTask,
    machine: Machine,
    *,
    people: Sequence[Person],
    others: Iterable[PmTask],
    parts: Iterable[StockItem],
) -> list[str]:
    """What an expert would ask about one task, as texts without a period."""
    found = [*_check_skill(task, people)]
    if not task.loto and task.skill != OPERATOR and is_hazardous(machine):
        energies = ", ".join(machine.energy_sources)
        found.append(f"no lockout, but {machine.id} has hazardous energy ({energies}): check that none can be released")
    alike = [other for other in others if _words(task.title) == _words(other.title)]
    if alike:
        found.append(f"{alike[0].id} ({alike[0].title!r}) is like work at another interval: check that both are meant")
    strange = [part for part in parts if part.machine_types and machine.type not in part.machine_types]
    found += [f"{part.id} ({part.name}) is not listed for a {machine.type}" for part in strange]
    return found


def _check_skill(task: PmTask, people: Sequence[Person]) -> list[str]:
    able = [person for person in people if holds(person, task.skill)]
    if not able:
        known = sorted({skill for person in people for skill in person.skills})
        return [f"nobody in the project has the skill {task.skill!r}; there are {', '.join(known)}"]
    if task.loto and task.skill != EXTERNAL and not any(holds(person, LOTO_AUTHORIZED) for person in able):
        return [f"nobody with the skill {task.skill!r} is authorized to lock out (OSHA 1910.147(b))"]
    return []


def is_daily_check(task: PmTask) -> bool:
    """Whether it is a daily check of the operators: that is a checklist, and no work order is made for it."""
    daily = task.calendar_interval == 1 and task.calendar_unit == "d" and task.meter_interval is None
    return daily and task.skill == OPERATOR


def due_state(today: date, due_on: date, window_start: date | None, window_end: date | None) -> DueState:
    """Overdue after the window, due inside it; without a window the day itself counts."""
    if today > (window_end or due_on):
        return "overdue"
    return "due" if today >= (window_start or due_on) else "planned"


def absorbed_by(due: Iterable[tuple[PmTask, date]]) -> dict[str, str]:
    """The tasks that a larger one of the same machine and day stands for, each with the largest such task.

    The larger one's interval is a whole multiple of the smaller one's and it takes more minutes. A job without lockout
    never stands for one that needs it, and one that is also due by meter stands for itself.
    """
    by_size = sorted(due, key=lambda entry: (-entry[0].est_min, entry[0].id))
    found: dict[str, str] = {}
    for position, (task, day) in enumerate(by_size):
        for larger, other_day in by_size[:position]:
            if day == other_day and _absorbs(larger, task):
                found[task.id] = larger.id
                break
    return found


def _absorbs(larger: PmTask, smaller: PmTask) -> bool:
    if larger.machine_id != smaller.machine_id or larger.est_min <= smaller.est_min:
        return False
    if smaller.meter_interval is not None or (smaller.loto and not larger.loto):
        return False
    return _is_multiple(_calendar(larger), _calendar(smaller))


def _is_multiple(larger: tuple[str, int] | None, smaller: tuple[str, int] | None) -> bool:
    """Only what counts alike compares: days with weeks, months with years; 30 days and a month do not."""
    if larger is None or smaller is None or larger[0] != smaller[0]:
        return False
    return larger[1] > smaller[1] and larger[1] % smaller[1] == 0


def _interval(task: PmTask) -> tuple[object, ...]:
    return _calendar(task), task.meter_interval


def _calendar(task: PmTask) -> tuple[str, int] | None:
    """The interval in days or in months."""
    if task.calendar_interval is None or task.calendar_unit is None:
        return None
    if task.calendar_unit in _MONTHS:
        return "months", task.calendar_interval * _MONTHS[task.calendar_unit]
    return "days", interval_days(task.calendar_interval, task.calendar_unit)


def _words(title: str) -> frozenset[str]:
    words = frozenset(_WORD.findall(title.casefold()))
    return words - _SAY_HOW_OFTEN or words or frozenset({title})
