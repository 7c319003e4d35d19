"""Reads a day or a moment as a person says it: `tomorrow 14:00` at the site becomes an ISO time with its offset."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

__all__ = ["Here", "day_from", "moment_from"]

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SHORTEST_WEEKDAY = 3
_CLOCK = re.compile(r"(?:at )?(\d{1,2})(?::(\d{2}))?(?::\d{2})?\s*(am|pm)?")
_IN_DAYS = re.compile(r"in (\d{1,3}) (day|week)s?")
_EXAMPLE = "2026-11-24 14:00"
_NOON_H = 12


@dataclass(frozen=True, slots=True)
class Here:
    """When and where a person speaks: `now` has an offset, `time_zone` is an IANA name; either may not be known."""

    now: datetime | None = None
    time_zone: str | None = None

    @property
    def zone(self) -> ZoneInfo | None:
        try:
            return ZoneInfo(self.time_zone) if self.time_zone else None
        except (ZoneInfoNotFoundError, ValueError):
            return None

    @property
    def today(self) -> date | None:
        """The day at the site, which may not be the day in UTC."""
        return self.now.astimezone(self.zone or UTC).date() if self.now else None


def day_from(text: str, here: Here) -> str:
    """An ISO date.

    Raises:
        ValueError: it is no day; the message says why.
    """
    return _day(_normal(text), here).isoformat()


def moment_from(text: str, here: Here) -> str:
    """An ISO time with its offset: that which was typed, else that of the site at that moment.

    Raises:
        ValueError: it is no moment, or none that comes exactly once; the message says why.
    """
    said = _normal(text)
    if said == "now" and here.now is not None:
        return here.now.astimezone(here.zone or UTC).replace(microsecond=0).isoformat()
    moment = _written(text.strip()) or _spoken(said, here)
    if moment.tzinfo is not None:
        return moment.isoformat()
    if here.zone is None:
        raise ValueError(f"The time zone is not known; write the offset too, such as {_EXAMPLE}-06:00.")
    return _at(moment, here.zone).isoformat()


def _normal(text: str) -> str:
    return " ".join(text.casefold().replace(",", " ").split()).rstrip(".")


def _written(text: str) -> datetime | None:
    """An ISO time; a date alone is none."""
    try:
        return datetime.fromisoformat(text) if ":" in text else None
    except ValueError:
        return None


def _spoken(said: str, here: Here) -> datetime:
    """`tomorrow 14:00`, `friday at 8 am`, or the time alone for today."""
    head, _, tail = said.rpartition(" at ")
    words = said.split() if not head else [*head.split(), *tail.split()]
    for count in (1, 2):
        clock = _time(" ".join(words[-count:]))
        if clock is not None:
            day = " ".join(words[:-count])
            return datetime.combine(_day(day or "today", here), clock)
    _day(said, here)
    raise ValueError(f"Say the time of day too, such as {_EXAMPLE}.")


def _time(said: str) -> time | None:
    found = _CLOCK.fullmatch(said)
    if found is None or (found[2] is None and found[3] is None):
        return None
    hour, minute = int(found[1]), int(found[2] or 0)
    if found[3] is not None:
        if not 1 <= hour <= _NOON_H:
            return None
        hour = hour % _NOON_H + (_NOON_H if found[3] == "pm" else 0)
    try:
        return time(hour, minute)
    except ValueError:
        return None


def _day(said: str, here: Here) -> date:
    try:
        return date.fromisoformat(said)
    except ValueError:
        pass
    ahead = _days_ahead(said, here)
    if ahead is None:
        raise ValueError("That is not a day; write it as 2026-11-24, or say today, tomorrow, or a weekday.")
    if here.today is None:
        raise ValueError("Write the date as 2026-11-24.")
    return here.today + timedelta(days=ahead)


def _days_ahead(said: str, here: Here) -> int | None:
    near = {"yesterday": -1, "today": 0, "tomorrow": 1}
    if said in near:
        return near[said]
    later = _IN_DAYS.fullmatch(said)
    if later is not None:
        return int(later[1]) * (7 if later[2] == "week" else 1)
    fitting = [number for number, name in enumerate(_WEEKDAYS) if name.startswith(said)]
    if len(said) < _SHORTEST_WEEKDAY or not fitting or here.today is None:
        return None
    ahead = (fitting[0] - here.today.weekday()) % 7
    if ahead == 0:
        raise ValueError(f"Today is {_WEEKDAYS[fitting[0]].capitalize()}; say today, or write the date.")
    return ahead


def _at(moment: datetime, zone: ZoneInfo) -> datetime:
    """The moment at the site; one that the change of the clocks skips or repeats is refused."""
    first, second = moment.replace(tzinfo=zone), moment.replace(tzinfo=zone, fold=1)
    if first.utcoffset() == second.utcoffset():
        return first
    if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moment:
        raise ValueError("The clocks are put forward then, so this time does not exist.")
    raise ValueError(f"The clocks are put back then, so this time comes twice; write its offset too: {first}.")
