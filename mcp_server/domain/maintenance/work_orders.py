"""Rules for planning maintenance work: overlaps, shifts, skills, spare parts, the plant's calendar, meter readings.

Source: facts of the trade 3.4 (what an expert checks before work is scheduled).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from mcp_server.domain.maintenance.meters import Reading
from mcp_server.domain.maintenance.recurrence import NextDue, due_window, interval_days, local_day, local_moment
from mcp_server.domain.records import (
    CalendarKind,
    Person,
    PlantDay,
    PmTask,
    Shift,
    StockItem,
    WorkOrder,
    WorkOrderState,
)

__all__ = [
    "EXTERNAL",
    "LOTO_AUTHORIZED",
    "SHIFT_HOURS",
    "Shortage",
    "Slot",
    "earliest_completion",
    "hinders_production",
    "holds",
    "implausible_minutes",
    "in_tolerance",
    "long_gap",
    "meter_problem",
    "meter_warning",
    "next_free",
    "next_on_shift",
    "on_shift",
    "overlapping",
    "shift_end",
    "shortages",
    "slot_of",
    "stops_production",
]

LOTO_AUTHORIZED = "loto_authorized"
"""The skill of an authorized employee (OSHA 1910.147(b)): who may lock out."""
EXTERNAL = "external"
"""The skill of work that a contractor does."""
_ANYBODY = frozenset({"operator", EXTERNAL})

SHIFT_HOURS: Mapping[Shift, tuple[int, int]] = {"A": (6, 14), "B": (14, 22), "C": (22, 6)}
"""First hour of a shift and the hour it ends, in the site's own time."""
_JUMP = 3.0
_LABOR_JUMP = 10
_LONG_GAP = 1.5


@dataclass(frozen=True, slots=True)
class Slot:
    """From `start` up to, and without, `end`; both UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Shortage:
    """A part that the job needs and the store does not have enough of; `item` is None where nobody keeps it."""

    part_id: str
    needed: int
    item: StockItem | None
    there_on: date | None

    def __str__(self) -> str:
        if self.item is None:
            return f"{self.part_id} is not kept in stock"
        missing = f"{self.item.id} ({self.item.name}): {self.needed} needed, {self.item.on_hand:g} on hand"
        return missing if self.there_on is None else f"{missing}, could be here on {self.there_on.isoformat()}"


def slot_of(start: datetime, duration_min: int) -> Slot:
    """Minutes of work are minutes that pass, so a change of the clocks neither adds nor takes any."""
    begin = start.astimezone(UTC)
    return Slot(begin, begin + timedelta(minutes=duration_min))


def overlapping(slot: Slot, orders: Iterable[WorkOrder]) -> list[WorkOrder]:
    """The planned orders that need some of the same time, earliest first; one that ends as another starts does not."""
    planned = ((slot_of(order.start, order.duration_min), order) for order in orders if _is_planned(order))
    found = [order for other, order in planned if other.start < slot.end and slot.start < other.end]
    return sorted(found, key=lambda order: (order.start, order.id))


def next_free(slot: Slot, orders: Sequence[WorkOrder], ready: Callable[[datetime], datetime]) -> datetime:
    """The first moment from the slot's start on at which its length fits between the planned orders.

    `ready` moves a moment on to one at which the work may begin: into the technician's shift.
    """
    start, length = ready(slot.start), slot.end - slot.start
    while in_the_way := overlapping(Slot(start, start + length), orders):
        start = ready(max(slot_of(order.start, order.duration_min).end for order in in_the_way))
    return start


def on_shift(shift: Shift, moment: datetime, zone: str) -> bool:
    first, end = SHIFT_HOURS[shift]
    hour = moment.astimezone(ZoneInfo(zone)).hour
    return first <= hour < end if first < end else hour >= first or hour < end


def next_on_shift(shift: Shift, moment: datetime, zone: str) -> datetime:
    """The moment itself if the shift is at work then, else when it next begins."""
    if on_shift(shift, moment, zone):
        return moment
    day, first = local_day(moment, zone), SHIFT_HOURS[shift][0]
    begins = local_moment(day, first, zone)
    return begins if begins >= moment else local_moment(day + timedelta(days=1), first, zone)


def shift_end(shift: Shift, moment: datetime, zone: str) -> datetime:
    """When the shift that is at work at that moment ends."""
    first, end = SHIFT_HOURS[shift]
    here = moment.astimezone(ZoneInfo(zone))
    over_midnight = first > end and here.hour >= first
    return local_moment(here.date() + timedelta(days=int(over_midnight)), end, zone)


def holds(person: Person, skill: str | None) -> bool:
    """Whether the person may do work of that skill. An operator's work anyone may; a contractor's they accompany."""
    return skill is None or skill in _ANYBODY or skill in person.skills


def shortages(parts: Iterable[str], stock: Iterable[StockItem], *, today: date, start_on: date) -> list[Shortage]:
    """What is missing for the job. Stock that can still arrive by its day carries that day in `there_on`."""
    items = {item.id: item for item in stock}
    found: list[Shortage] = []
    for part_id, needed in Counter(parts).items():
        item = items.get(part_id)
        if item is None or item.on_hand < needed:
            lead = None if item is None else item.lead_time_days
            there_on = None if lead is None else today + timedelta(days=lead)
            found.append(Shortage(part_id, needed, item, there_on))
    return sorted(found, key=lambda shortage: (_in_time(shortage, start_on), shortage.part_id))


def _in_time(shortage: Shortage, start_on: date) -> bool:
    return shortage.there_on is not None and shortage.there_on <= start_on


def hinders_production(slot: Slot, days: Iterable[PlantDay], zone: str) -> list[PlantDay]:
    """The freezes of the calendar that the work would fall into."""
    return [day for day in _touched(slot, days, zone) if day.kind is CalendarKind.FREEZE]


def stops_production(slot: Slot, days: Iterable[PlantDay], zone: str) -> list[PlantDay]:
    """Holidays and shutdowns on which the work would be done: it then disturbs nobody."""
    return [day for day in _touched(slot, days, zone) if day.kind is not CalendarKind.FREEZE]


def _touched(slot: Slot, days: Iterable[PlantDay], zone: str) -> list[PlantDay]:
    first, last = local_day(slot.start, zone), local_day(slot.end - timedelta(microseconds=1), zone)
    return sorted((d for d in days if d.from_on <= last and first <= d.to_on), key=lambda day: day.from_on)


def earliest_completion(order: WorkOrder) -> datetime:
    """Work may be done before its planned start, but not before it was ordered, unless the order is backdated."""
    return min(order.created_at, order.start)


def in_tolerance(task: PmTask | None, due: NextDue | None, done_on: date, meter: float | None) -> bool | None:
    """Whether an occurrence was done inside its tolerance, or None where nobody can say.

    By the meter where that is what was due: a 500 h service with 10 % is in time from 450 h to 550 h after the last.
    """
    if task is None or due is None:
        return None
    if due.by == "meter" and task.meter_interval is not None and due.meter is not None and meter is not None:
        return abs(meter - due.meter) <= task.meter_interval * task.tolerance_pct / 100
    window = due_window(task, due)
    return None if window is None else window[0] <= done_on <= window[1]


def implausible_minutes(planned_min: int, elapsed: timedelta, *, labor_min: int, downtime_min: int) -> list[str]:
    """What is odd about the minutes reported, as sentences; `elapsed` is the time since the work was ordered.

    A machine may have stood before somebody ordered the work, so only more than a day of that is odd.
    """
    found: list[str] = []
    if labor_min > _LABOR_JUMP * planned_min:
        found.append(f"labor_min {labor_min} is over {_LABOR_JUMP} times the {planned_min} min planned. Check it.")
    if downtime_min > (elapsed + timedelta(days=1)) / timedelta(minutes=1):
        days = downtime_min / (24 * 60)
        found.append(f"downtime_min {downtime_min} is {days:.1f} days, longer than the order exists. Check it.")
    return found


def long_gap(task: PmTask, completed_on: date) -> str | None:
    """What early work on a fixed calendar leaves behind: the grid stands, so the next occurrence is far away."""
    if task.calendar_interval is None or task.calendar_unit is None or task.next_due_on is None:
        return None
    every, gap = interval_days(task.calendar_interval, task.calendar_unit), (task.next_due_on - completed_on).days
    if gap <= _LONG_GAP * every:
        return None
    return f"{task.id} was done early and is next due {gap} days later, not {every}: plan one between."


def meter_problem(value: float, at: datetime, series: Sequence[Reading]) -> str | None:
    """Why a meter cannot have shown this, as a sentence: a meter never counts backwards."""
    before = [reading for reading in series if reading[0] <= at]
    after = [reading for reading in series if reading[0] > at]
    if before and value < before[-1][1]:
        return f"The meter showed {before[-1][1]:g} on {before[-1][0].date().isoformat()} already."
    if after and value > after[0][1]:
        return f"The meter showed only {after[0][1]:g} later, on {after[0][0].date().isoformat()}."
    return None


def meter_warning(value: float, at: datetime, series: Sequence[Reading], unit: str) -> str | None:
    """What is implausible about a reading: more hours than have passed, or over three times the usual rate."""
    before = [reading for reading in series if reading[0] <= at]
    if not before:
        return None
    last_at, last = before[-1]
    hours = (at - last_at) / timedelta(hours=1)
    if unit.endswith("_h") and value - last > hours + 1:
        return f"The meter counts hours: {value - last:g} more than {last:g}, but only {hours:.0f} h have passed."
    first_at, first = before[0]
    usual = (last - first) / max((last_at - first_at) / timedelta(hours=1), 1)
    if usual > 0 and value - last > _JUMP * usual * max(hours, 24):
        return f"The meter rose by {value - last:g} {unit} in {hours / 24:.1f} days, over three times its usual rate."
    return None


def _is_planned(order: WorkOrder) -> bool:
    return order.state is WorkOrderState.PLANNED
