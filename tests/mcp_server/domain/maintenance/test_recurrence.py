from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import DAILY, MONTHLY, WEEKLY, YEARLY, rrule
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.domain.maintenance.recurrence import (
    Reading,
    add_interval,
    after_completion,
    due_window,
    interval_days,
    local_day,
    local_moment,
    next_due,
    next_fixed,
    next_floating,
    window,
)
from mcp_server.domain.records import CalendarUnit, PmTask, Strategy

CHICAGO, PRAGUE = "America/Chicago", "Europe/Prague"
FREQUENCIES: dict[CalendarUnit, Any] = {"d": DAILY, "w": WEEKLY, "m": MONTHLY, "y": YEARLY}
TODAY = date(2026, 11, 22)

days = st.dates(date(2000, 1, 1), date(2060, 12, 31))
units: st.SearchStrategy[CalendarUnit] = st.sampled_from(("d", "w", "m", "y"))
counts = st.integers(1, 40)


def day(text: str) -> date:
    return date.fromisoformat(text)


def task(**changes: Any) -> PmTask:
    values: dict[str, Any] = {
        "id": "PM-1",
        "project": "ALPHA",
        "plan_id": "PMP-1",
        "machine_id": "MC-103",
        "title": "Way wipers",
        "calendar_interval": 1,
        "calendar_unit": "m",
        "strategy": Strategy.FIXED,
        "tolerance_pct": 10.0,
        "est_min": 30,
        "skill": "mechanical",
        "loto": True,
        "anchor_on": day("2026-01-31"),
    }
    return PmTask(**values | changes)


def by_meter(**changes: Any) -> PmTask:
    values: dict[str, Any] = {"calendar_interval": None, "calendar_unit": None, "meter_interval": 500.0}
    return task(**values | {"strategy": Strategy.FLOATING} | changes)


def readings(*values: tuple[str, float]) -> tuple[Reading, ...]:
    return tuple((datetime.combine(day(on), time(6), ZoneInfo(CHICAGO)), value) for on, value in values)


def series(anchor: str, count: int, unit: CalendarUnit, times: int) -> list[str]:
    found: list[str] = []
    last = day(anchor)
    for _ in range(times):
        last = next_fixed(day(anchor), count, unit, last)
        found.append(last.isoformat())
    return found


def test_monthly_from_31_january_clamps_short_months_and_returns_to_the_31st():
    assert series("2026-01-31", 1, "m", 6) == [
        "2026-02-28",
        "2026-03-31",
        "2026-04-30",
        "2026-05-31",
        "2026-06-30",
        "2026-07-31",
    ]
    assert series("2028-01-31", 1, "m", 2) == ["2028-02-29", "2028-03-31"]


def test_quarterly_from_30_november_keeps_the_30th_after_february():
    assert series("2026-11-30", 3, "m", 3) == ["2027-02-28", "2027-05-30", "2027-08-30"]


def test_yearly_from_a_leap_day_comes_back_to_it():
    assert series("2024-02-29", 1, "y", 5) == ["2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29", "2029-02-28"]


def test_an_anchor_still_to_come_is_the_next_occurrence():
    assert next_fixed(day("2026-05-10"), 2, "w", day("2026-01-01")) == day("2026-05-10")


def test_an_occurrence_is_later_than_the_day_given_not_on_it():
    assert next_fixed(day("2026-01-31"), 1, "m", day("2026-02-28")) == day("2026-03-31")
    assert next_fixed(day("2026-01-31"), 1, "m", day("2026-02-27")) == day("2026-02-28")


def oracle(anchor: date, count: int, unit: CalendarUnit, after: date) -> date:
    """What dateutil says. It drops months without the day, so it is asked for the last of the 28th up to that day."""
    late: dict[str, Any] = (
        {"bymonthday": range(28, anchor.day + 1), "bysetpos": -1} if anchor.day > 28 and unit in {"m", "y"} else {}
    )
    in_month: dict[str, Any] = {"bymonth": anchor.month} if unit == "y" and late else {}
    rule = rrule(
        FREQUENCIES[unit], interval=count, dtstart=datetime.combine(anchor, time()), **late, **in_month, cache=False
    )
    found = rule.after(datetime.combine(after, time()))
    assert found is not None
    return found.date()


@given(anchor=days, count=counts, unit=units, after=days)
def test_fixed_occurrences_are_those_of_rrule(anchor: date, count: int, unit: CalendarUnit, after: date):
    assert next_fixed(anchor, count, unit, after) == oracle(anchor, count, unit, after)


@given(anchor=days, count=counts, unit=units, after=days)
def test_nothing_lies_between_an_occurrence_and_the_one_before(
    anchor: date, count: int, unit: CalendarUnit, after: date
):
    found = next_fixed(anchor, count, unit, after)
    steps = next(k for k in range(30_000) if add_interval(anchor, k * count, unit) == found)
    assert found > after
    assert steps == 0 or add_interval(anchor, (steps - 1) * count, unit) <= after


@pytest.mark.parametrize(
    ("completed", "count", "unit", "expected"),
    [
        ("2026-01-31", 1, "m", "2026-02-28"),
        ("2026-02-28", 1, "m", "2026-03-28"),
        ("2024-02-29", 1, "y", "2025-02-28"),
        ("2026-03-07", 1, "d", "2026-03-08"),
        ("2026-12-30", 1, "w", "2027-01-06"),
    ],
)
def test_floating_counts_from_the_completion(completed: str, count: int, unit: CalendarUnit, expected: str):
    assert next_floating(day(completed), count, unit) == day(expected)


@pytest.mark.parametrize(
    ("length", "tolerance", "spread"),
    [
        (30, 10, 3),
        (90, 10, 9),
        (365, 10, 36),
        (7, 15, 1),
        (7, 10, 0),
        (1, 50, 0),
        (30, 0, 0),
        (29, 10, 2),
        (1000, 32.3, 323),
    ],
)
def test_the_window_is_the_tolerance_in_whole_days_rounded_down(length: int, tolerance: float, spread: int):
    due = day("2026-06-15")
    assert window(due, length, tolerance) == (due - timedelta(days=spread), due + timedelta(days=spread))


@given(length=st.integers(1, 3650), tolerance=st.integers(0, 50))
def test_the_window_is_exact_where_floating_point_is_not(length: int, tolerance: int):
    assert (window(TODAY, length, float(tolerance))[1] - TODAY).days == length * tolerance // 100


def test_the_nominal_length_of_a_month_is_30_days():
    assert [interval_days(1, "m"), interval_days(3, "m"), interval_days(2, "w"), interval_days(1, "y")] == [
        30,
        90,
        14,
        365,
    ]


def test_a_fixed_task_done_early_is_not_due_again_on_the_day_it_was_done_for():
    """OCA/maintenance#161: finished on 29 September, it was still shown as due on 1 October."""
    yearly = task(calendar_unit="y", anchor_on=day("2021-10-01"))
    done = after_completion(yearly, scheduled_on=day("2021-10-01"), completed_on=day("2021-09-29"), today=TODAY)
    assert (done.task.next_due_on, done.missed) == (day("2022-10-01"), 0)


def test_a_floating_task_done_early_counts_from_the_day_it_was_done():
    yearly = task(calendar_unit="y", anchor_on=day("2021-10-01"), strategy=Strategy.FLOATING)
    done = after_completion(yearly, scheduled_on=day("2021-10-01"), completed_on=day("2021-09-29"), today=TODAY)
    assert done.task.next_due_on == day("2022-09-29")


def test_a_fixed_task_done_late_keeps_its_days():
    monthly = task(anchor_on=day("2026-01-31"))
    done = after_completion(monthly, scheduled_on=day("2026-01-31"), completed_on=day("2026-02-20"), today=TODAY)
    assert (done.task.next_due_on, done.missed) == (day("2026-02-28"), 0)
    assert (done.task.last_scheduled_on, done.task.last_completed_on) == (day("2026-01-31"), day("2026-02-20"))


def test_a_floating_task_done_late_counts_from_the_day_it_was_done():
    monthly = task(strategy=Strategy.FLOATING)
    done = after_completion(monthly, scheduled_on=day("2026-01-31"), completed_on=day("2026-02-20"), today=TODAY)
    assert (done.task.next_due_on, done.missed) == (day("2026-03-20"), 0)


def test_a_fixed_task_done_months_late_goes_on_in_the_future_and_says_what_was_missed():
    monthly = task(anchor_on=day("2026-01-31"))
    done = after_completion(monthly, scheduled_on=day("2026-01-31"), completed_on=day("2026-04-15"), today=TODAY)
    assert (done.task.next_due_on, done.missed) == (day("2026-04-30"), 2)


def test_work_done_on_the_day_of_the_following_occurrence_stands_for_it():
    weekly = task(calendar_unit="w", anchor_on=day("2026-11-02"))
    done = after_completion(weekly, scheduled_on=day("2026-11-02"), completed_on=day("2026-11-09"), today=TODAY)
    assert (done.task.next_due_on, done.missed) == (day("2026-11-16"), 1)


def test_an_order_without_a_due_day_fulfils_the_occurrence_that_was_next():
    done = after_completion(task(), scheduled_on=None, completed_on=day("2026-01-29"), today=TODAY)
    assert done.task.next_due_on == day("2026-02-28")


@given(
    anchor=days, count=st.integers(1, 24), unit=units, offsets=st.lists(st.integers(-40, 90), min_size=1, max_size=12)
)
def test_a_fixed_series_neither_repeats_nor_skips_nor_leaves_its_grid(
    anchor: date, count: int, unit: CalendarUnit, offsets: list[int]
):
    """codup/odoo-eam#61: the step of the series was lost after some completions."""
    current = task(anchor_on=anchor, calendar_interval=count, calendar_unit=unit)
    scheduled, clock = anchor, anchor
    for offset in offsets:
        clock = max(clock, scheduled + timedelta(days=offset))
        done = after_completion(current, scheduled_on=scheduled, completed_on=clock, today=clock)
        following = done.task.next_due_on
        assert following is not None
        assert following > max(scheduled, clock)
        between = [scheduled]
        while between[-1] < following:
            between.append(oracle(anchor, count, unit, between[-1]))
        assert between[-1] == following
        assert len(between) - 2 == done.missed
        assert next_due(done.task, today=clock).on == following
        current, scheduled = done.task, following


@given(anchor=days, count=counts, unit=units, late=st.integers(-200, 400))
def test_a_floating_task_is_due_an_interval_after_the_completion(
    anchor: date, count: int, unit: CalendarUnit, late: int
):
    completed = anchor + timedelta(days=late)
    floating = task(anchor_on=anchor, calendar_interval=count, calendar_unit=unit, strategy=Strategy.FLOATING)
    done = after_completion(floating, scheduled_on=anchor, completed_on=completed, today=completed)
    assert done.task.next_due_on == next_floating(completed, count, unit)
    assert done.task.calendar_interval == count


def test_a_completion_entered_afterwards_does_not_turn_the_clock_back():
    monthly = task(last_scheduled_on=day("2026-03-31"), last_completed_on=day("2026-04-02"))
    done = after_completion(monthly, scheduled_on=day("2026-02-28"), completed_on=day("2026-02-27"), today=TODAY)
    assert done.task.next_due_on == day("2026-04-30")


def test_a_task_never_done_is_due_on_its_first_day():
    due = next_due(task(), today=TODAY)
    assert (due.on, due.by, due.predicted, due.every_days) == (day("2026-01-31"), "calendar", False, 30)
    assert due_window(task(), due) == (day("2026-01-28"), day("2026-02-03"))


def test_a_meter_says_when_it_will_reach_its_value():
    floating = by_meter(next_due_meter=1500.0)
    due = next_due(floating, readings=readings(("2026-11-01", 1000), ("2026-11-21", 1200)), today=TODAY)
    assert (due.on, due.predicted, due.by, due.meter) == (day("2026-12-21"), True, "meter", 1500.0)
    assert due_window(floating, due) == (day("2026-12-16"), day("2026-12-26"))


def test_the_first_trigger_wins():
    both = task(meter_interval=500.0, next_due_meter=1500.0, anchor_on=day("2026-12-01"))
    used = readings(("2026-11-01", 1000), ("2026-11-21", 1200))
    assert next_due(both, readings=used, today=TODAY).by == "calendar"
    later = both.model_copy(update={"anchor_on": day("2027-01-01")})
    due = next_due(later, readings=used, today=TODAY)
    assert (due.by, due.on) == ("meter", day("2026-12-21"))


def test_a_calendar_stands_in_for_a_meter_that_says_nothing_and_the_reason_is_given():
    both = task(meter_interval=500.0)
    due = next_due(both, today=TODAY)
    assert (due.on, due.by, due.reason) == (day("2026-01-31"), "calendar", "the meter was not read yet")


def test_a_meter_that_was_never_read_gives_no_day():
    due = next_due(by_meter(), today=TODAY)
    assert (due.on, due.meter, due.reason) == (None, None, "the meter was not read yet")
    assert due_window(by_meter(), due) is None


def test_the_day_that_was_planned_stands_while_the_meter_says_nothing():
    due = next_due(by_meter(next_due_on=day("2026-12-05")), today=TODAY)
    assert (due.on, due.predicted) == (day("2026-12-05"), True)


def test_a_meter_task_never_done_counts_from_the_reading_it_began_with():
    used = readings(("2026-10-01", 700), ("2026-10-31", 1000), ("2026-11-20", 1200))
    assert next_due(by_meter(anchor_on=day("2026-11-05")), readings=used, today=TODAY).meter == 1500


def test_completing_a_floating_meter_task_counts_from_the_value_it_was_done_at():
    done = after_completion(
        by_meter(next_due_meter=1500.0),
        scheduled_on=day("2026-11-20"),
        completed_on=TODAY,
        meter=1530.0,
        readings=readings(("2026-11-02", 1330), ("2026-11-22", 1530)),
        today=TODAY,
    )
    assert (done.task.last_completed_meter, done.task.next_due_meter) == (1530.0, 2030.0)
    assert done.task.next_due_on == day("2027-01-11")


@pytest.mark.parametrize(
    ("meter", "expected", "missed"), [(1420.0, 2000.0, 0), (1530.0, 2000.0, 0), (2600.0, 3000.0, 2)]
)
def test_completing_a_fixed_meter_task_keeps_the_values_it_is_due_at(meter: float, expected: float, missed: int):
    fixed = by_meter(strategy=Strategy.FIXED, next_due_meter=1500.0)
    done = after_completion(fixed, scheduled_on=TODAY, completed_on=TODAY, meter=meter, today=TODAY)
    assert (done.task.next_due_meter, done.missed) == (expected, missed)


def test_completing_without_a_reading_takes_the_last_one_before():
    used = readings(("2026-11-02", 1330), ("2026-11-20", 1510), ("2026-11-24", 1600))
    done = after_completion(
        by_meter(next_due_meter=1500.0), scheduled_on=TODAY, completed_on=TODAY, readings=used, today=day("2026-11-25")
    )
    assert done.task.next_due_meter == 2010.0


def test_completing_a_meter_task_that_was_never_read_does_not_leave_it_due():
    floating = by_meter(last_completed_meter=1000.0, next_due_meter=1500.0, next_due_on=TODAY)
    done = after_completion(floating, scheduled_on=TODAY, completed_on=TODAY, today=TODAY)
    assert (done.task.next_due_on, done.task.next_due_meter, done.task.last_completed_meter) == (None, None, None)


def test_work_done_by_meter_long_before_the_calendar_leaves_the_calendar_standing():
    both = task(calendar_unit="y", anchor_on=day("2027-03-01"), meter_interval=500.0, next_due_meter=1500.0)
    done = after_completion(both, scheduled_on=day("2026-11-20"), completed_on=TODAY, meter=1500.0, today=TODAY)
    assert (done.task.next_due_on, done.task.next_due_meter) == (day("2027-03-01"), 2000.0)


@pytest.mark.parametrize(("first", "following"), [("2026-12-28", "2027-12-28"), ("2026-12-29", "2026-12-29")])
def test_work_done_by_meter_inside_the_calendars_window_stands_for_both(first: str, following: str):
    """The window of a yearly task opens 36 days before its day."""
    both = task(calendar_unit="y", anchor_on=day(first), meter_interval=500.0, next_due_meter=1500.0)
    done = after_completion(both, scheduled_on=day("2026-11-20"), completed_on=TODAY, meter=1500.0, today=TODAY)
    assert (done.task.next_due_on, done.missed) == (day(following), 0)


def test_a_task_without_a_trigger_is_a_mistake_of_the_program():
    with pytest.raises(ValueError, match="neither a calendar nor a meter"):
        next_due(task(calendar_interval=None, calendar_unit=None), today=TODAY)


@pytest.mark.parametrize(
    ("zone", "skipped", "becomes"),
    [(CHICAGO, "2026-03-08", "2026-03-08T03:00"), (PRAGUE, "2026-03-29", "2026-03-29T03:00")],
)
def test_a_time_that_the_clocks_skip_is_an_hour_later(zone: str, skipped: str, becomes: str):
    moment = local_moment(day(skipped), 2, zone)
    assert moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == datetime.fromisoformat(becomes)
    assert local_day(moment, zone) == day(skipped)


@pytest.mark.parametrize(
    ("zone", "repeated", "hour", "first"),
    [(CHICAGO, "2026-11-01", 1, "2026-11-01T06:00"), (PRAGUE, "2026-10-25", 2, "2026-10-25T00:00")],
)
def test_of_a_time_that_comes_twice_the_first_is_meant(zone: str, repeated: str, hour: int, first: str):
    assert local_moment(day(repeated), hour, zone) == datetime.fromisoformat(first).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "change", "hours"),
    [
        (CHICAGO, "2026-03-08", 23),
        (CHICAGO, "2026-11-01", 25),
        (PRAGUE, "2026-03-29", 23),
        (PRAGUE, "2026-10-25", 25),
    ],
)
def test_a_day_of_23_or_25_hours_is_one_day(zone: str, change: str, hours: int):
    eve = day(change) - timedelta(days=1)
    found = [eve, day(change), next_fixed(eve, 1, "d", day(change))]
    begins = [local_moment(on, 0, zone) for on in found]
    assert [local_day(moment, zone) for moment in begins] == found
    assert begins[2] - begins[1] == timedelta(hours=hours)
    assert all(later - earlier == timedelta(days=1) for earlier, later in pairwise(found))


@pytest.mark.parametrize(
    ("moment", "zone", "expected"),
    [
        ("2026-11-23T05:30:00", CHICAGO, "2026-11-22"),
        ("2026-11-23T06:00:00", CHICAGO, "2026-11-23"),
        ("2026-07-01T04:59:00", CHICAGO, "2026-06-30"),
        ("2026-11-22T23:00:00", PRAGUE, "2026-11-23"),
        ("2026-07-01T21:59:00", PRAGUE, "2026-07-01"),
    ],
)
def test_the_day_is_the_sites_not_that_of_utc(moment: str, zone: str, expected: str):
    assert local_day(datetime.fromisoformat(moment).replace(tzinfo=UTC), zone) == day(expected)


@given(on=days, hour=st.integers(0, 23), zone=st.sampled_from((CHICAGO, PRAGUE)))
def test_a_local_moment_lies_on_its_day(on: date, hour: int, zone: str):
    assert local_day(local_moment(on, hour, zone), zone) == on
