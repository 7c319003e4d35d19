from datetime import UTC, datetime

import pytest

from orchestrator_client.models.guided.times import Here, day_from, moment_from

SUNDAY_NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
CHICAGO = Here(SUNDAY_NOON, "America/Chicago")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2026-11-24 14:00", "2026-11-24T14:00:00-06:00"),
        ("2026-11-24T14:00", "2026-11-24T14:00:00-06:00"),
        ("2026-07-01 06:30", "2026-07-01T06:30:00-05:00"),
        ("2026-11-24 14:00:30", "2026-11-24T14:00:30-06:00"),
        ("2026-11-24T14:00+01:00", "2026-11-24T14:00:00+01:00"),
        ("2026-11-24T14:00Z", "2026-11-24T14:00:00+00:00"),
        ("tomorrow 14:00", "2026-11-23T14:00:00-06:00"),
        ("Tomorrow at 2 pm", "2026-11-23T14:00:00-06:00"),
        ("today, 12 am", "2026-11-22T00:00:00-06:00"),
        ("12pm", "2026-11-22T12:00:00-06:00"),
        ("9:15", "2026-11-22T09:15:00-06:00"),
        ("Tuesday 6:00", "2026-11-24T06:00:00-06:00"),
        ("sat 6:00.", "2026-11-28T06:00:00-06:00"),
        ("in 3 days 06:00", "2026-11-25T06:00:00-06:00"),
        ("in 2 weeks at 06:00", "2026-12-06T06:00:00-06:00"),
        ("yesterday 22:00", "2026-11-21T22:00:00-06:00"),
        ("now", "2026-11-22T06:00:00-06:00"),
    ],
)
def test_a_moment_gets_the_offset_the_site_has_then(said: str, meant: str) -> None:
    assert moment_from(said, CHICAGO) == meant


def test_tomorrow_is_counted_from_the_day_at_the_site() -> None:
    evening = Here(datetime(2026, 11, 23, 2, tzinfo=UTC), "America/Chicago")
    assert moment_from("tomorrow 06:00", evening) == "2026-11-23T06:00:00-06:00"
    assert day_from("today", evening) == "2026-11-22"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("2026-11-24", "time of day"),
        ("tomorrow", "time of day"),
        ("soon", "not a day"),
        ("14", "not a day"),
        ("24.11. 14:00", "not a day"),
        ("11/12/2026 14:00", "not a day"),
        ("tomorrow 25:00", "not a day"),
        ("tomorrow 13 pm", "not a day"),
        ("2026-02-30 14:00", "not a day"),
        ("t 14:00", "not a day"),
        ("sunday 14:00", "Today is Sunday"),
        ("2027-03-14 02:30", "does not exist"),
        ("2026-11-01 01:30", "comes twice"),
    ],
)
def test_what_is_no_moment_is_refused_with_a_reason(said: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        moment_from(said, CHICAGO)


@pytest.mark.parametrize("zone", [None, "Mars/Olympus", "../etc/passwd"])
def test_without_a_known_time_zone_the_offset_is_asked_for(zone: str | None) -> None:
    with pytest.raises(ValueError, match="write the offset too"):
        moment_from("2026-11-24 14:00", Here(SUNDAY_NOON, zone))


def test_without_a_clock_only_dates_are_understood() -> None:
    assert moment_from("2026-11-24 14:00", Here(None, "America/Chicago")) == "2026-11-24T14:00:00-06:00"
    for said in ("tomorrow 14:00", "now", "friday 14:00"):
        with pytest.raises(ValueError, match=r"date as|not a day|time of day"):
            moment_from(said, Here(None, "America/Chicago"))


@pytest.mark.parametrize(
    ("said", "meant"), [("2026-12-01", "2026-12-01"), ("Friday", "2026-11-27"), ("in 1 week", "2026-11-29")]
)
def test_a_day_is_an_iso_date(said: str, meant: str) -> None:
    assert day_from(said, CHICAGO) == meant
