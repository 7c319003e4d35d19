"""Key figures of maintenance: MTBF, MTTR, availability, and how much preventive work was done in time.

Definitions are those of the CMMS trade (facts of the trade 3.4). ISO 22400-2 divides by failures + 1 instead. Where
there is nothing to divide by, a figure has no value and says why; it is never zero or infinite.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from mcp_server.domain.records import CalendarKind, MaintenanceKind, MaintenanceRecord, PlantDay, TaktInputs

__all__ = [
    "DEFINITIONS",
    "Figure",
    "availability",
    "due_with_window",
    "mtbf",
    "mttr",
    "operating_min",
    "pm_compliance",
    "production_days",
    "production_min_a_day",
    "shift_model",
]

DEFINITIONS = {
    "mtbf": "Operating hours / failures. Operating = calendar production time (shifts less breaks and meetings, on "
    "working days) less all recorded downtime; a failure = a breakdown. ISO 22400-2 divides by failures + 1.",
    "mttr": "Hours of breakdown downtime / breakdowns.",
    "availability": "MTBF / (MTBF + MTTR).",
    "pm_compliance": "Preventive work due in the period and done inside its tolerance window / preventive work due in "
    "the period, including what is still open after its window.",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """`value` = `numerator` / `denominator`, or None for the `reason` given."""

    value: float | None
    numerator: float | None
    denominator: float | None
    reason: str | None = None


def shift_model(inputs: Iterable[TaktInputs], line: str | None) -> TaktInputs | None:
    """The entry of the line, else that of the whole project."""
    by_group = {entry.line_group: entry for entry in inputs}
    return by_group.get(line or "") or by_group.get("all")


def production_min_a_day(model: TaktInputs) -> float:
    """Net minutes of a working day; unplanned losses are not taken off (facts of the trade 3.5)."""
    return model.shifts_per_day * (
        model.shift_min - model.planned_breaks_min_per_shift - model.meetings_5s_min_per_shift
    )


def production_days(first: date, last: date, days_per_week: float, calendar: Collection[PlantDay]) -> int:
    """Days from `first` to `last`, both included, that are worked: a week begins on Monday; no holiday, no shutdown."""
    closed = [day for day in calendar if day.kind in {CalendarKind.HOLIDAY, CalendarKind.SHUTDOWN}]
    every = (first + timedelta(days=offset) for offset in range((last - first).days + 1))
    return sum(day.weekday() < days_per_week and not any(c.from_on <= day <= c.to_on for c in closed) for day in every)


def operating_min(
    first: date, last: date, model: TaktInputs, calendar: Collection[PlantDay], records: Iterable[MaintenanceRecord]
) -> float:
    """Production time of one machine less its recorded downtime, in minutes; not below zero."""
    planned = production_days(first, last, model.days_per_week, calendar) * production_min_a_day(model)
    return max(0.0, planned - sum(record.downtime_min for record in records))


def mtbf(operating_h: float, failures: int) -> Figure:
    if failures == 0 and operating_h == 0:
        return Figure(None, 0, 0, "no operating time in the period")
    if failures == 0:
        return Figure(None, round(operating_h, 2), 0, f"no failures in {operating_h:,.0f} h")
    return _ratio(operating_h, failures)


def mttr(repair_h: float, repairs: int) -> Figure:
    if repairs == 0:
        return Figure(None, round(repair_h, 2), 0, "no repairs after a breakdown in the period")
    return _ratio(repair_h, repairs)


def availability(between: Figure, repair: Figure) -> Figure:
    if between.value is None or repair.value is None:
        return Figure(None, None, None, between.reason or repair.reason)
    if between.value + repair.value == 0:
        return Figure(None, 0, 0, "neither operating nor repair time in the period")
    return _ratio(between.value, between.value + repair.value)


def due_with_window(records: Iterable[MaintenanceRecord], first: date, last: date) -> list[MaintenanceRecord]:
    """The preventive work that was due in the period and had a window."""
    return [
        record
        for record in records
        if record.type is MaintenanceKind.PREVENTIVE
        and record.in_window is not None
        and record.due_on is not None
        and first <= record.due_on <= last
    ]


def pm_compliance(due: Collection[MaintenanceRecord], still_open: int) -> Figure:
    """`due` was due in the period and is done; `still_open` was due, and its window has passed."""
    if not due and not still_open:
        return Figure(None, 0, 0, "no preventive work was due in the period")
    return _ratio(sum(record.in_window is True for record in due), len(due) + still_open)


def _ratio(numerator: float, denominator: float) -> Figure:
    return Figure(round(numerator / denominator, 4), round(numerator, 4), round(denominator, 4))
