"""When recurring maintenance is due. Days are days of the site's own calendar.

Sources: facts of the trade 3.4; local times as RFC 5545 3.3.5 reads them; the bugs of others that this module must not
have are OCA/maintenance#161 (early completion), codup/odoo-eam#61 (lost step), Grashjs/cmms#36 (lost frequency).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from math import floor
from typing import Literal
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

from mcp_server.domain.maintenance.meters import (
    LONGEST_PREDICTION_DAYS,
    Reading,
    in_order,
    meter_series,
    of_present_meter,
    predict_meter,
    reading_on,
)
from mcp_server.domain.records import CalendarUnit, PmTask, Strategy

__all__ = [
    "Completion",
    "NextDue",
    "Reading",
    "add_interval",
    "after_completion",
    "due_window",
    "interval_days",
    "local_day",
    "local_moment",
    "meter_series",
    "next_due",
    "next_fixed",
    "next_floating",
    "predict_meter",
    "window",
]

_NOMINAL_DAYS: dict[CalendarUnit, int] = {"d": 1, "w": 7, "m": 30, "y": 365}
_MONTHS: dict[CalendarUnit, int] = {"m": 1, "y": 12}
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class NextDue:
    """The next occurrence of a task: day `on`, meter value `meter`, and which of the two triggers comes first.

    `predicted`: `on` is an estimate from meter readings. `every_days` is how long an interval of that trigger takes.
    `reason` says why there is no day, or what the day leaves open.
    """

    on: date | None
    meter: float | None
    predicted: bool
    by: Literal["calendar", "meter"]
    every_days: int | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """The task after it was done; `missed` occurrences passed between the scheduled day and the completion."""

    task: PmTask
    missed: int


def add_interval(day: date, count: int, unit: CalendarUnit) -> date:
    """`count` units later; the last day of the month where the day does not exist (31 January + 1 m = 28 February)."""
    if unit in _MONTHS:
        return day + relativedelta(months=count * _MONTHS[unit])
    return day + timedelta(days=count * _NOMINAL_DAYS[unit])


def next_fixed(anchor: date, count: int, unit: CalendarUnit, after: date) -> date:
    """The first of anchor, anchor + 1 interval, anchor + 2 intervals … later than `after`.

    Each counts from the anchor, so 31 January monthly is 28 February and then 31 March.
    """
    step = max(0, _whole_intervals(anchor, count, unit, after))
    while (occurrence := add_interval(anchor, step * count, unit)) <= after:
        step += 1
    return occurrence


def next_floating(completed: date, count: int, unit: CalendarUnit) -> date:
    return add_interval(completed, count, unit)


def interval_days(count: int, unit: CalendarUnit) -> int:
    """The nominal length that tolerances are taken from: a month is 30 days, a year 365."""
    return count * _NOMINAL_DAYS[unit]


def window(due: date, interval_days: int, tolerance_pct: float) -> tuple[date, date]:
    """First and last day on which the work counts as in time: the tolerance before and after `due`.

    Rounded down to whole days, so never wider than agreed: 30 days at 10 % give 3, 7 days none; a daily task has none.
    The 10 % are a rule of the trade, not of a standard.
    """
    days = timedelta(days=floor(interval_days * tolerance_pct / 100 + _ROUNDING))
    return due - days, due + days


def due_window(task: PmTask, due: NextDue) -> tuple[date, date] | None:
    """The window of an occurrence; None while its day is not known."""
    return None if due.on is None else window(due.on, due.every_days or 0, task.tolerance_pct)


def next_due(task: PmTask, *, readings: Sequence[Reading] = (), today: date) -> NextDue:
    """The next occurrence by calendar or meter, whichever comes first, from what was done so far.

    A task never done is due on its anchor. `readings` are those of the machine's meter; while they tell nothing, the
    day that was planned last stands.
    """
    by_calendar = _by_calendar(task)
    by_meter = _by_meter(task, readings, today)
    if by_calendar is None:
        if by_meter is None:
            raise ValueError(f"{task.id} has neither a calendar nor a meter interval")
        kept = by_meter.on is None and task.next_due_on is not None
        return replace(by_meter, on=task.next_due_on, predicted=True) if kept else by_meter
    if by_meter is None:
        return by_calendar
    if by_meter.on is not None and by_calendar.on is not None and by_meter.on < by_calendar.on:
        return by_meter
    return replace(by_calendar, meter=by_meter.meter, reason=by_meter.reason)


def after_completion(
    task: PmTask,
    *,
    scheduled_on: date | None,
    completed_on: date,
    meter: float | None = None,
    readings: Sequence[Reading] = (),
    today: date,
) -> Completion:
    """The task once the occurrence of `scheduled_on` was done on `completed_on`; `revision` is left to the caller.

    Fixed: the next occurrence after both days, so neither early nor late work repeats one. Floating: an interval after
    the completion. Without `meter` the last reading up to that day counts. Where a task has both triggers, work before
    the calendar's window leaves that occurrence standing, and the meter counts from the completion.
    """
    due = _calendar_due(task)
    consumed = (scheduled_on or due) if task.meter_interval is None else _consumed(task, due, completed_on)
    at_meter = meter if meter is not None else reading_on(readings, completed_on)
    done = task.model_copy(
        update={
            "last_scheduled_on": _latest(task.last_scheduled_on, consumed),
            "last_completed_on": _latest(task.last_completed_on, completed_on),
            "last_completed_meter": at_meter,
            "next_due_on": None,
            "next_due_meter": _next_meter(task, at_meter),
        }
    )
    following = next_due(done, readings=readings, today=today)
    missed = _missed_days(task, consumed, completed_on) + _missed_values(task, at_meter)
    return Completion(done.model_copy(update={"next_due_on": following.on}), missed)


def local_day(moment: datetime, zone: str) -> date:
    return moment.astimezone(ZoneInfo(zone)).date()


def local_moment(day: date, hour: int, zone: str, minute: int = 0) -> datetime:
    """A time of day at the site, in UTC.

    As RFC 5545 3.3.5: a time that the clocks skip is read with the offset before the change (02:30 becomes 03:30); of a
    time that comes twice, the first is meant.
    """
    return datetime.combine(day, time(hour, minute), ZoneInfo(zone)).astimezone(UTC)


def _whole_intervals(anchor: date, count: int, unit: CalendarUnit, after: date) -> int:
    """At most as many intervals as lie between the two days."""
    if unit in _MONTHS:
        months = (after.year - anchor.year) * 12 + after.month - anchor.month
        return months // (count * _MONTHS[unit])
    return (after - anchor).days // interval_days(count, unit)


def _calendar_due(task: PmTask) -> date | None:
    if task.calendar_interval is None or task.calendar_unit is None:
        return None
    count, unit = task.calendar_interval, task.calendar_unit
    if task.strategy is Strategy.FLOATING and task.last_completed_on is not None:
        return next_floating(task.last_completed_on, count, unit)
    last = _latest(task.last_scheduled_on, task.last_completed_on)
    if task.strategy is Strategy.FLOATING or last is None:
        return task.anchor_on
    return next_fixed(task.anchor_on, count, unit, last)


def _by_calendar(task: PmTask) -> NextDue | None:
    if task.calendar_interval is None or task.calendar_unit is None:
        return None
    every = interval_days(task.calendar_interval, task.calendar_unit)
    return NextDue(_calendar_due(task), None, False, "calendar", every)


def _by_meter(task: PmTask, readings: Sequence[Reading], today: date) -> NextDue | None:
    if task.meter_interval is None:
        return None
    present = of_present_meter(readings, task.last_completed_on)
    target = _meter_target(task, present)
    if target is None:
        return NextDue(None, None, False, "meter", None, "the meter was not read yet")
    found = predict_meter(present, target, today)
    every = floor(min(task.meter_interval / found.per_day, LONGEST_PREDICTION_DAYS)) if found.per_day else None
    predicted = found.on is not None and not found.reached
    return NextDue(found.on, target, predicted, "meter", every, found.reason)


def _meter_target(task: PmTask, readings: Sequence[Reading]) -> float | None:
    """The value that is due next; where none was stored, an interval from the reading nearest to when it began."""
    if task.meter_interval is None or task.next_due_meter is not None:
        return task.next_due_meter
    base = task.last_completed_meter
    if base is None and readings:
        before = reading_on(readings, task.last_completed_on or task.anchor_on)
        base = in_order(readings)[0][1] if before is None else before
    return None if base is None else base + task.meter_interval


def _next_meter(task: PmTask, meter: float | None) -> float | None:
    """Fixed counts on from the value that was due, floating (and beside a calendar) from the one it was done at."""
    if task.meter_interval is None:
        return None
    if _is_meter_grid(task) and task.next_due_meter is not None:
        return task.next_due_meter + (_missed_values(task, meter) + 1) * task.meter_interval
    return None if meter is None else meter + task.meter_interval


def _is_meter_grid(task: PmTask) -> bool:
    return task.strategy is Strategy.FIXED and task.calendar_interval is None


def _consumed(task: PmTask, due: date | None, completed_on: date) -> date | None:
    """The calendar's occurrence, if the work was done late enough to stand for it."""
    if due is None or task.calendar_interval is None or task.calendar_unit is None:
        return None
    every = interval_days(task.calendar_interval, task.calendar_unit)
    return due if completed_on >= window(due, every, task.tolerance_pct)[0] else None


def _missed_days(task: PmTask, scheduled_on: date | None, completed_on: date) -> int:
    """Occurrences of a fixed calendar after the scheduled one, up to the day of completion."""
    if task.strategy is not Strategy.FIXED or scheduled_on is None:
        return 0
    if task.calendar_interval is None or task.calendar_unit is None:
        return 0
    count, day = 0, scheduled_on
    while (day := next_fixed(task.anchor_on, task.calendar_interval, task.calendar_unit, day)) <= completed_on:
        count += 1
    return count


def _missed_values(task: PmTask, meter: float | None) -> int:
    """Occurrences of a fixed meter after the one that was due, up to the value of completion."""
    due, every = task.next_due_meter, task.meter_interval
    if not _is_meter_grid(task) or due is None or every is None or meter is None:
        return 0
    return max(0, floor((meter - due) / every + _ROUNDING))


def _latest(*days: date | None) -> date | None:
    return max((day for day in days if day is not None), default=None)
