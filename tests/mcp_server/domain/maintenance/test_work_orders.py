"""Rules for planning maintenance work. Lakeside (America/Chicago) changes its clocks on 2026-11-01 and 2027-03-14."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.domain.maintenance.recurrence import NextDue
from mcp_server.domain.maintenance.work_orders import (
    earliest_completion,
    hinders_production,
    holds,
    implausible_minutes,
    in_tolerance,
    long_gap,
    meter_problem,
    meter_warning,
    next_free,
    next_on_shift,
    on_shift,
    overlapping,
    shift_end,
    shortages,
    slot_of,
    stops_production,
)
from mcp_server.domain.records import (
    CalendarKind,
    MaintenanceKind,
    Person,
    PlantDay,
    PmTask,
    Shift,
    StockItem,
    StockKind,
    Strategy,
    WorkOrder,
    WorkOrderState,
)

LAKESIDE = "America/Chicago"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def order(start: str, duration_min: int = 60, **changes: Any) -> WorkOrder:
    fields: dict[str, Any] = {
        "id": "WO-0001",
        "project": "ALPHA",
        "machine_id": "MC-101",
        "kind": MaintenanceKind.CORRECTIVE,
        "title": "Replace the way cover",
        "state": WorkOrderState.PLANNED,
        "start": at(start),
        "duration_min": duration_min,
        "priority": 3,
        "created_at": at("2026-11-01T12:00Z"),
        "created_by": "E114",
    }
    return WorkOrder(**(fields | changes))


def stock(item_id: str, on_hand: float, lead_time_days: int | None) -> StockItem:
    return StockItem(
        id=item_id,
        project="SHARED",
        kind=StockKind.SPARE_PART,
        name="Oil separator kit",
        unit="kit",
        on_hand=on_hand,
        minimum=1,
        location="C3",
        lead_time_days=lead_time_days,
    )


def plant_day(kind: CalendarKind, first: date, last: date) -> PlantDay:
    return PlantDay(id="CAL-1", project="ALPHA", kind=kind, name="Audit build", from_on=first, to_on=last)


def task(**changes: Any) -> PmTask:
    fields: dict[str, Any] = {
        "id": "PM-MC101-03",
        "project": "ALPHA",
        "plan_id": "PMP-MC101",
        "machine_id": "MC-101",
        "title": "500 h spindle service",
        "strategy": Strategy.FLOATING,
        "tolerance_pct": 10.0,
        "est_min": 90,
        "skill": "mechanical",
        "loto": True,
        "anchor_on": date(2026, 1, 1),
    }
    return PmTask(**(fields | changes))


@pytest.mark.parametrize(
    ("start", "duration_min", "collides"),
    [
        ("2026-11-23T07:00Z", 60, False),
        ("2026-11-23T07:00Z", 61, True),
        ("2026-11-23T08:15Z", 5, True),
        ("2026-11-23T07:00Z", 300, True),
        ("2026-11-23T08:59Z", 30, True),
        ("2026-11-23T09:00Z", 30, False),
    ],
)
def test_work_that_ends_when_other_work_starts_does_not_collide(start: str, duration_min: int, *, collides: bool):
    planned = order("2026-11-23T08:00Z")
    assert overlapping(slot_of(at(start), duration_min), [planned]) == ([planned] if collides else [])


def test_work_that_is_done_or_cancelled_takes_no_time():
    ended = [order("2026-11-23T08:00Z", state=state) for state in (WorkOrderState.DONE, WorkOrderState.CANCELLED)]
    assert overlapping(slot_of(at("2026-11-23T08:00Z"), 60), ended) == []


def test_the_next_free_time_is_the_first_gap_that_is_long_enough():
    planned = [order("2026-11-23T08:00Z"), order("2026-11-23T09:30Z", 30), order("2026-11-23T10:45Z")]
    free = next_free(slot_of(at("2026-11-23T08:30Z"), 45), planned, lambda moment: moment)
    assert free == at("2026-11-23T10:00Z")
    assert next_free(slot_of(free, 46), planned, lambda moment: moment) == at("2026-11-23T11:45Z")


def test_the_next_free_time_waits_for_the_technicians_shift():
    planned = [order("2026-11-23T13:30-06:00")]
    free = next_free(slot_of(at("2026-11-23T13:45-06:00"), 30), planned, lambda m: next_on_shift("A", m, LAKESIDE))
    assert free == at("2026-11-24T06:00-06:00")


@given(
    starts=st.lists(st.integers(0, 600), max_size=8),
    durations=st.lists(st.integers(5, 120), min_size=8, max_size=8),
    wanted=st.integers(0, 600),
    length=st.integers(5, 120),
)
def test_the_next_free_time_is_free_and_none_before_it_is(
    starts: list[int], durations: list[int], wanted: int, length: int
):
    zero = at("2026-11-23T00:00Z")
    planned = [
        order((zero + timedelta(minutes=start)).isoformat(), minutes)
        for start, minutes in zip(starts, durations, strict=False)
    ]
    slot = slot_of(zero + timedelta(minutes=wanted), length)
    free = next_free(slot, planned, lambda moment: moment)
    assert overlapping(slot_of(free, length), planned) == []
    earlier = (free - slot.start) // timedelta(minutes=1)
    assert all(overlapping(slot_of(slot.start + timedelta(minutes=m), length), planned) for m in range(earlier))


@pytest.mark.parametrize(
    ("moment", "shift"),
    [
        ("2026-11-23T06:00-06:00", "A"),
        ("2026-11-23T13:59-06:00", "A"),
        ("2026-11-23T14:00-06:00", "B"),
        ("2026-11-23T22:00-06:00", "C"),
        ("2026-11-23T05:59-06:00", "C"),
        ("2026-10-31T06:30-05:00", "A"),
        ("2026-11-01T05:30-06:00", "C"),
    ],
)
def test_exactly_one_shift_is_at_work_at_any_local_time(moment: str, shift: Shift):
    shifts: tuple[Shift, ...] = ("A", "B", "C")
    assert [s for s in shifts if on_shift(s, at(moment), LAKESIDE)] == [shift]


@pytest.mark.parametrize(
    ("shift", "moment", "end"),
    [
        ("A", "2026-11-23T07:00-06:00", "2026-11-23T14:00-06:00"),
        ("C", "2026-11-23T23:00-06:00", "2026-11-24T06:00-06:00"),
        ("C", "2026-11-24T03:00-06:00", "2026-11-24T06:00-06:00"),
        ("C", "2026-10-31T23:00-05:00", "2026-11-01T06:00-06:00"),
        ("C", "2027-03-13T23:00-06:00", "2027-03-14T06:00-05:00"),
    ],
)
def test_a_shift_ends_by_the_sites_clocks(shift: Shift, moment: str, end: str):
    assert shift_end(shift, at(moment), LAKESIDE) == at(end)


@pytest.mark.parametrize(
    ("shift", "moment", "begins"),
    [
        ("A", "2026-11-23T10:00-06:00", "2026-11-23T10:00-06:00"),
        ("A", "2026-11-23T05:00-06:00", "2026-11-23T06:00-06:00"),
        ("A", "2026-11-23T14:00-06:00", "2026-11-24T06:00-06:00"),
        ("C", "2026-11-23T06:00-06:00", "2026-11-23T22:00-06:00"),
        ("A", "2026-10-31T20:00-05:00", "2026-11-01T06:00-06:00"),
        ("A", "2027-03-13T20:00-06:00", "2027-03-14T06:00-05:00"),
    ],
)
def test_the_next_shift_begins_by_the_sites_clocks(shift: Shift, moment: str, begins: str):
    assert next_on_shift(shift, at(moment), LAKESIDE) == at(begins)


@pytest.mark.parametrize(
    ("skill", "held"),
    [("mechanical", True), ("electrical", False), ("operator", True), ("external", True), (None, True)],
)
def test_operators_work_needs_no_skill_and_any_other_does(skill: str | None, *, held: bool):
    person = Person(id="E104", project="BETA", name="Eli", role="technician", skills=("mechanical",), shift="A")
    assert holds(person, skill) is held


def test_parts_are_short_when_fewer_are_on_hand_than_the_job_names():
    today, start_on = date(2026, 11, 22), date(2026, 12, 4)
    kept = [stock("SPR-1", 1, 12), stock("SPR-2", 0, 13), stock("SPR-3", 0, None), stock("SPR-4", 2, None)]
    found = shortages(
        ["SPR-1", "SPR-1", "SPR-2", "SPR-3", "SPR-4", "SPR-4", "SPR-5"], kept, today=today, start_on=start_on
    )
    assert {s.part_id: (s.needed, s.there_on) for s in found} == {
        "SPR-1": (2, date(2026, 12, 4)),
        "SPR-2": (1, date(2026, 12, 5)),
        "SPR-3": (1, None),
        "SPR-5": (1, None),
    }
    assert [s.part_id for s in found][-1] == "SPR-1", "what can still arrive comes last"
    assert str(found[-1]) == "SPR-1 (Oil separator kit): 2 needed, 1 on hand, could be here on 2026-12-04"
    assert "SPR-5 is not kept in stock" in map(str, found)


def test_a_freeze_hinders_only_work_on_its_own_local_days():
    freeze = plant_day(CalendarKind.FREEZE, date(2026, 12, 12), date(2026, 12, 16))
    for start, minutes, hindered in (
        ("2026-12-11T23:00-06:00", 60, False),
        ("2026-12-11T23:00-06:00", 61, True),
        ("2026-12-16T23:59-06:00", 5, True),
        ("2026-12-17T00:00-06:00", 5, False),
    ):
        slot = slot_of(at(start), minutes)
        assert hinders_production(slot, [freeze], LAKESIDE) == ([freeze] if hindered else [])
        assert stops_production(slot, [freeze], LAKESIDE) == []
    holiday = plant_day(CalendarKind.HOLIDAY, date(2026, 12, 12), date(2026, 12, 12))
    slot = slot_of(at("2026-12-12T08:00-06:00"), 60)
    assert (hinders_production(slot, [holiday], LAKESIDE), stops_production(slot, [holiday], LAKESIDE)) == (
        [],
        [holiday],
    )


def test_work_may_be_done_early_but_not_before_it_was_ordered():
    ordered = at("2026-11-01T12:00Z")
    assert earliest_completion(order("2026-11-23T08:00Z")) == ordered
    assert earliest_completion(order("2026-10-20T08:00Z")) == at("2026-10-20T08:00Z")


def test_a_meter_never_counts_backwards_whenever_it_was_read():
    series = [(at("2026-11-01T12:00Z"), 100.0), (at("2026-11-20T12:00Z"), 500.0)]
    assert meter_problem(500, at("2026-11-22T12:00Z"), series) is None
    assert "500 on 2026-11-20" in str(meter_problem(499.9, at("2026-11-22T12:00Z"), series))
    assert meter_problem(300, at("2026-11-10T12:00Z"), series) is None
    assert "only 500 later" in str(meter_problem(501, at("2026-11-10T12:00Z"), series))
    assert meter_problem(7, at("2026-11-10T12:00Z"), []) is None


def test_a_meter_of_hours_cannot_outrun_the_clock():
    series = [(at("2026-11-20T12:00Z"), 500.0)]
    assert meter_warning(525, at("2026-11-21T12:00Z"), series, "spindle_h") is None
    assert "24 h have passed" in str(meter_warning(525.1, at("2026-11-21T12:00Z"), series, "spindle_h"))
    assert meter_warning(9000, at("2026-11-21T12:00Z"), series, "cycles") is None, "nothing is known of its rate"


def test_a_rise_of_more_than_three_times_the_usual_rate_is_told():
    series = [(at("2026-11-01T12:00Z"), 0.0), (at("2026-11-11T12:00Z"), 10_000.0)]
    assert meter_warning(16_000, at("2026-11-13T12:00Z"), series, "cycles") is None
    assert "2.0 days" in str(meter_warning(16_001, at("2026-11-13T12:00Z"), series, "cycles"))


@pytest.mark.parametrize(("meter", "in_time"), [(449.9, False), (450.0, True), (550.0, True), (550.1, False)])
def test_a_meter_task_is_in_time_by_its_meter(meter: float, *, in_time: bool):
    due = NextDue(date(2026, 11, 23), 500.0, predicted=True, by="meter", every_days=35)
    assert in_tolerance(task(meter_interval=500.0), due, date(2026, 1, 1), meter) is in_time


@pytest.mark.parametrize(("day", "in_time"), [(13, False), (14, True), (20, True), (21, False)])
def test_a_calendar_task_is_in_time_within_its_window(day: int, *, in_time: bool):
    due = NextDue(date(2026, 11, 17), None, predicted=False, by="calendar", every_days=30)
    monthly = task(calendar_interval=30, calendar_unit="d")
    assert in_tolerance(monthly, due, date(2026, 11, day), None) is in_time


def test_nobody_can_say_whether_work_without_a_due_day_was_in_time():
    unknown = NextDue(None, None, predicted=False, by="meter", every_days=None)
    assert in_tolerance(task(meter_interval=500.0), unknown, date(2026, 11, 17), 510) is None
    assert in_tolerance(None, None, date(2026, 11, 17), None) is None


def test_shifts_follow_each_other_without_a_gap():
    shifts: tuple[Shift, ...] = ("A", "B", "C", "A")
    start = next_on_shift("A", at("2026-11-23T00:00-06:00"), LAKESIDE)
    for this, following in pairwise(shifts):
        end = shift_end(this, start, LAKESIDE)
        assert next_on_shift(following, end, LAKESIDE) == end
        start = end


@pytest.mark.parametrize(
    ("labor_min", "downtime_min", "told"),
    [(600, 1500, []), (601, 0, ["labor_min"]), (0, 1501, ["downtime_min"]), (601, 1501, ["labor_min", "downtime_min"])],
)
def test_minutes_over_ten_times_the_plan_or_a_day_more_than_have_passed_are_odd(
    labor_min: int, downtime_min: int, told: list[str]
):
    found = implausible_minutes(60, timedelta(hours=1), labor_min=labor_min, downtime_min=downtime_min)
    assert [text.split()[0] for text in found] == told


@pytest.mark.parametrize(("gap", "told"), [(10, False), (11, True)])
def test_a_gap_of_more_than_one_and_a_half_intervals_is_told(gap: int, told: bool):
    weekly = task(calendar_interval=1, calendar_unit="w", next_due_on=date(2026, 7, 1) + timedelta(days=gap))
    assert (long_gap(weekly, date(2026, 7, 1)) is not None) is told


def test_without_a_calendar_there_is_no_gap_to_tell():
    by_meter = task(calendar_interval=None, calendar_unit=None, meter_interval=500.0, next_due_on=date(2027, 7, 1))
    assert long_gap(by_meter, date(2026, 7, 1)) is None
