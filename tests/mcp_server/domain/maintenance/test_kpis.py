"""Key figures of maintenance, against hand-worked numbers and the sample plant's own statement."""

from datetime import date
from typing import Any

import pytest

from mcp_server.domain.maintenance.kpis import (
    Figure,
    availability,
    due_with_window,
    mtbf,
    mttr,
    operating_min,
    pm_compliance,
    production_days,
    production_min_a_day,
    shift_model,
)
from mcp_server.domain.records import CalendarKind, MaintenanceKind, MaintenanceRecord, PlantDay, TaktInputs


def model(line_group: str = "all", **changes: Any) -> TaktInputs:
    fields: dict[str, Any] = {
        "id": f"TI-ALPHA-{line_group}",
        "project": "ALPHA",
        "line_group": line_group,
        "shifts_per_day": 2,
        "shift_min": 480.0,
        "planned_breaks_min_per_shift": 40.0,
        "meetings_5s_min_per_shift": 10.0,
        "days_per_week": 5,
        "demand_per_day": 1200,
    }
    return TaktInputs(**(fields | changes))


def record(**changes: Any) -> MaintenanceRecord:
    fields: dict[str, Any] = {
        "id": "MH-00001",
        "project": "ALPHA",
        "machine_id": "LT-131",
        "type": MaintenanceKind.PREVENTIVE,
        "summary": "Monthly calibration",
        "due_on": date(2026, 11, 10),
        "completed_on": date(2026, 11, 10),
        "in_window": True,
        "labor_min": 40,
        "downtime_min": 30,
        "skill": "electrical",
    }
    return MaintenanceRecord(**(fields | changes))


def closed(kind: CalendarKind, first: date, last: date) -> PlantDay:
    return PlantDay(id="CAL-1", project="ALPHA", kind=kind, name="Closed", from_on=first, to_on=last)


def test_the_line_has_its_own_shifts_or_those_of_the_project():
    own, every = model("ALPHA-M1"), model()
    assert shift_model([every, own], "ALPHA-M1") is own
    assert shift_model([every, own], "ALPHA-T1") is every
    assert shift_model([own], None) is None


def test_a_day_of_production_is_shifts_less_breaks_and_meetings():
    assert production_min_a_day(model()) == 860
    assert production_min_a_day(model(shifts_per_day=3, planned_breaks_min_per_shift=30.0)) == 1320


@pytest.mark.parametrize(
    ("days_per_week", "calendar", "worked"),
    [
        (5, [], 10),
        (6, [], 12),
        (7, [], 14),
        (5, [closed(CalendarKind.HOLIDAY, date(2026, 11, 25), date(2026, 11, 25))], 9),
        (5, [closed(CalendarKind.SHUTDOWN, date(2026, 11, 20), date(2026, 11, 24))], 8),
        (5, [closed(CalendarKind.FREEZE, date(2026, 11, 23), date(2026, 11, 27))], 10),
        (5, [closed(CalendarKind.HOLIDAY, date(2026, 11, 28), date(2026, 11, 28))], 10),
    ],
)
def test_weekends_holidays_and_shutdowns_are_no_production(days_per_week: int, calendar: list[PlantDay], worked: int):
    assert production_days(date(2026, 11, 23), date(2026, 12, 6), days_per_week, calendar) == worked


def test_operating_time_is_production_less_downtime_and_never_negative():
    first, last = date(2026, 11, 23), date(2026, 11, 27)
    assert operating_min(first, last, model(), [], [record(), record(downtime_min=70)]) == 5 * 860 - 100
    assert operating_min(first, first, model(), [], [record(downtime_min=5000)]) == 0


def test_mtbf_and_mttr_divide_by_failures():
    between, repair = mtbf(930.0, 4), mttr(6.0, 4)
    assert between == Figure(232.5, 930.0, 4)
    assert repair == Figure(1.5, 6.0, 4)
    assert availability(between, repair) == Figure(0.9936, 232.5, 234.0)


def test_without_failures_there_is_a_reason_and_no_number():
    between, repair = mtbf(12_345.6, 0), mttr(0.0, 0)
    assert (between.value, between.reason) == (None, "no failures in 12,346 h")
    assert repair.value is None
    assert availability(between, repair) == Figure(None, None, None, "no failures in 12,346 h")
    assert mtbf(0.0, 0).reason == "no operating time in the period"


def test_a_machine_that_never_ran_between_failures_was_not_available():
    assert availability(mtbf(0.0, 2), mttr(4.0, 2)).value == 0
    assert availability(mtbf(0.0, 2), mttr(0.0, 2)).reason == "neither operating nor repair time in the period"


def test_compliance_counts_what_was_due_in_the_period_and_had_a_window():
    first, last = date(2026, 11, 1), date(2026, 11, 30)
    late = record(in_window=False, completed_on=date(2026, 12, 20))
    others = [
        record(due_on=date(2026, 10, 31)),
        record(due_on=date(2026, 12, 1), completed_on=date(2026, 11, 30)),
        record(in_window=None),
        record(type=MaintenanceKind.CORRECTIVE),
        record(due_on=None),
    ]
    due = due_with_window([record(), late, *others], first, last)
    assert due == [record(), late]
    assert pm_compliance(due, 0) == Figure(0.5, 1, 2)
    assert pm_compliance(due, 2) == Figure(0.25, 1, 4)


def test_without_due_work_there_is_no_compliance():
    assert pm_compliance([], 0) == Figure(None, 0, 0, "no preventive work was due in the period")
    assert pm_compliance([], 1).value == 0
