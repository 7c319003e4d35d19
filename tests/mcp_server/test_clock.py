from datetime import UTC, date, datetime

import pytest
import time_machine

from mcp_server.clock import Clock


@pytest.mark.parametrize(
    ("utc", "zone", "day"),
    [
        (datetime(2026, 3, 8, 5, 59, tzinfo=UTC), "America/Chicago", date(2026, 3, 7)),
        (datetime(2026, 3, 8, 6, 0, tzinfo=UTC), "America/Chicago", date(2026, 3, 8)),  # DST starts on this day
        (datetime(2026, 3, 9, 4, 59, tzinfo=UTC), "America/Chicago", date(2026, 3, 8)),
        (datetime(2026, 3, 9, 5, 0, tzinfo=UTC), "America/Chicago", date(2026, 3, 9)),
        (datetime(2026, 6, 30, 22, 0, tzinfo=UTC), "Europe/Prague", date(2026, 7, 1)),
        (datetime(2026, 12, 31, 23, 0, tzinfo=UTC), "Europe/Prague", date(2027, 1, 1)),
        (datetime(2026, 6, 30, 22, 0, tzinfo=UTC), None, date(2026, 6, 30)),
    ],
)
def test_the_day_is_the_sites_own(utc: datetime, zone: str | None, day: date) -> None:
    with time_machine.travel(utc, tick=False):
        assert Clock().now() == utc
        assert Clock().today(zone) == day


@pytest.mark.parametrize("zone", [None, "America/Chicago", "Pacific/Kiritimati"])
def test_a_held_clock_stands_at_its_day_everywhere(zone: str | None) -> None:
    clock = Clock(date(2026, 6, 30))
    with time_machine.travel(datetime(2031, 1, 1, tzinfo=UTC)):
        assert clock.now() == datetime(2026, 6, 30, 12, tzinfo=UTC)
        assert clock.today(zone) == date(2026, 6, 30)
