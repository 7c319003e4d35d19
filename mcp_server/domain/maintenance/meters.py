"""Meters of machines: what was read, how fast they count, and when they will reach a value."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from mcp_server.domain.records import MeterReading

__all__ = [
    "LONGEST_PREDICTION_DAYS",
    "Prediction",
    "Reading",
    "in_order",
    "meter_series",
    "of_present_meter",
    "predict_meter",
    "reading_on",
]

Reading = tuple[datetime, float]
"""When a meter was read, with the site's own offset, and what it showed."""

_RATE_OVER_DAYS = 90
LONGEST_PREDICTION_DAYS = 3650


@dataclass(frozen=True, slots=True)
class Prediction:
    """The day a meter reaches a value, or `reason` why nobody can say. `reached`: a reading shows it already."""

    on: date | None
    reason: str | None = None
    reached: bool = False
    per_day: float | None = None


def meter_series(readings: Iterable[MeterReading], zone: str) -> tuple[Reading, ...]:
    """Readings of one meter as the functions here take them, oldest first."""
    here = ZoneInfo(zone)
    return tuple(in_order((reading.read_at.astimezone(here), reading.value) for reading in readings))


def in_order(readings: Iterable[Reading]) -> list[Reading]:
    """Oldest first. Compared in UTC: by the site's own clocks an hour of autumn comes twice."""
    return sorted(readings, key=lambda reading: (reading[0].astimezone(UTC), reading[1]))


def of_present_meter(readings: Sequence[Reading], day: date | None) -> tuple[Reading, ...]:
    """Without the readings from before a fall up to `day`: a target set on that day counts on the meter of then."""
    series = in_order(readings)
    start = 0
    for position, ((_, before), (moment, value)) in enumerate(pairwise(series), start=1):
        if value < before and day is not None and moment.date() <= day:
            start = position
    return tuple(series[start:])


def predict_meter(readings: Sequence[Reading], target: float, today: date) -> Prediction:
    """When the meter reaches `target`, at its mean rate over the last 90 days of readings.

    A reading at or past the target makes its own day the due day. An estimate never lies in the past: only a reading
    can make work overdue.
    """
    series = in_order(readings)
    if any(value < before for (_, before), (_, value) in pairwise(series)):
        return Prediction(None, "the meter readings fall: replaced, reset or misread")
    rate = _rate_per_day(series)
    reached = next((moment for moment, value in series if value >= target), None)
    if reached is not None:
        return Prediction(reached.date(), reached=True, per_day=rate)
    if rate is None:
        return Prediction(None, "a rate needs two meter readings at least a day apart")
    moment, value = series[-1]
    if rate <= 0 or (days := (target - value) / rate) > LONGEST_PREDICTION_DAYS:
        return Prediction(None, "the meter stands still, or takes more than ten years at its rate", per_day=rate)
    on = (moment + timedelta(days=days)).date()
    if on < today:
        age = (today - moment.date()).days
        return Prediction(today, f"by its rate the meter is past it; the last reading is {age} days old", per_day=rate)
    return Prediction(on, per_day=rate)


def reading_on(readings: Sequence[Reading], day: date) -> float | None:
    """What the meter showed at the end of that day, as far as it was read."""
    until = [reading for reading in in_order(readings) if reading[0].date() <= day]
    return until[-1][1] if until else None


def _rate_per_day(series: Sequence[Reading]) -> float | None:
    """The mean over the last 90 days, or over the last interval of a day or more if that is longer."""
    if not series:
        return None
    last, value = series[-1]
    earlier = [(_days(moment, last), start) for moment, start in series if _days(moment, last) >= 1]
    recent = [entry for entry in earlier if entry[0] <= _RATE_OVER_DAYS] or earlier[-1:]
    return (value - recent[0][1]) / recent[0][0] if recent else None


def _days(first: datetime, last: datetime) -> float:
    return (last.astimezone(UTC) - first.astimezone(UTC)) / timedelta(days=1)
