from datetime import UTC, date, datetime, timedelta

import pytest

from mcp_server.domain.maintenance.meters import meter_series, of_present_meter, predict_meter, reading_on
from mcp_server.domain.records import MeterReading

TODAY = date(2026, 11, 22)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def readings(*values: tuple[int, float]) -> list[tuple[datetime, float]]:
    """Days before the last noon, and what the meter showed."""
    return [(NOON - timedelta(days=ago), value) for ago, value in values]


def test_a_meter_goes_on_at_its_rate():
    found = predict_meter(readings((20, 800), (10, 900), (0, 1000)), 1100, TODAY)
    assert (found.on, found.per_day, found.reached) == (date(2026, 12, 1), 10, False)


def test_only_the_last_90_days_make_the_rate():
    found = predict_meter(readings((400, 0), (10, 900), (0, 1000)), 1100, TODAY)
    assert found.on == date(2026, 12, 1)


def test_a_meter_read_rarely_goes_on_at_the_rate_of_its_last_interval():
    assert predict_meter(readings((200, 0), (0, 1000)), 1100, TODAY).on == date(2026, 12, 11)


def test_a_reading_past_the_value_makes_its_day_the_due_day():
    found = predict_meter(readings((20, 800), (10, 1010), (0, 1100)), 1000, TODAY)
    assert (found.on, found.reached) == (date(2026, 11, 11), True)


def test_an_estimate_is_never_overdue():
    found = predict_meter(readings((60, 800), (30, 950)), 1000, TODAY)
    assert (found.on, found.reached) == (TODAY, False)
    assert found.reason == "by its rate the meter is past it; the last reading is 31 days old"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([], "a rate needs two meter readings at least a day apart"),
        ([(0, 100)], "a rate needs two meter readings at least a day apart"),
        ([(0, 100), (0, 110)], "a rate needs two meter readings at least a day apart"),
        ([(9, 100), (0, 100)], "the meter stands still, or takes more than ten years at its rate"),
        ([(9, 100), (0, 100.001)], "the meter stands still, or takes more than ten years at its rate"),
        ([(9, 5000), (0, 100)], "the meter readings fall: replaced, reset or misread"),
    ],
)
def test_where_nothing_can_be_predicted_the_reason_is_said(values: list[tuple[int, float]], reason: str):
    found = predict_meter(readings(*values), 1000, TODAY)
    assert (found.on, found.reason) == (None, reason)


def test_readings_from_before_a_replaced_meter_do_not_count():
    series = readings((60, 9000), (40, 100), (20, 300), (0, 500))
    assert of_present_meter(series, date(2026, 11, 1)) == tuple(series[1:])
    assert of_present_meter(series, date(2026, 9, 1)) == tuple(series)
    assert of_present_meter(series, None) == tuple(series)


def test_what_a_meter_showed_on_a_day_is_the_last_reading_up_to_it():
    series = readings((20, 800), (10, 900))
    assert [reading_on(series, date(2026, 11, day)) for day in (1, 10, 11)] == [800, 800, 900]
    assert reading_on(series, date(2026, 10, 31)) is None


def test_readings_are_of_the_sites_day_and_in_order():
    late = datetime(2026, 11, 21, 3, tzinfo=UTC)
    records = [
        MeterReading(id=f"R-{n}", project="ALPHA", machine_id="MC-103", value=value, read_at=at)
        for n, (value, at) in enumerate([(20.0, late), (10.0, late - timedelta(days=1))])
    ]
    series = meter_series(records, "America/Chicago")
    assert [(at.date(), value) for at, value in series] == [(date(2026, 11, 19), 10.0), (date(2026, 11, 20), 20.0)]


def test_readings_of_the_hour_that_comes_twice_stay_in_their_order():
    """Lakeside sets its clocks back on 2026-11-01: 01:10 is later than 01:30 that day."""
    taken = [datetime(2026, 11, 1, 7, 10, tzinfo=UTC), datetime(2026, 11, 1, 6, 30, tzinfo=UTC), NOON]
    series = meter_series(
        [
            MeterReading(id=f"MR-{value}", project="ALPHA", machine_id="MC-101", value=value, read_at=moment)
            for moment, value in zip(taken, (101.0, 100.0, 300.0), strict=True)
        ],
        "America/Chicago",
    )
    assert [value for _, value in series] == [100.0, 101.0, 300.0]
    assert reading_on(series, date(2026, 11, 1)) == 101.0
    assert predict_meter(series, 310.0, TODAY).on is not None
