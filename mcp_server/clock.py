"""What time it is, as something that can be given: `--as-of` holds the plant's day still."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

__all__ = ["Clock"]


@dataclass(frozen=True, slots=True)
class Clock:
    """The system's clock, or noon of `as_of` for ever."""

    as_of: date | None = None

    def now(self) -> datetime:
        """The present moment in UTC."""
        if self.as_of is None:
            return datetime.now(UTC)
        return datetime(self.as_of.year, self.as_of.month, self.as_of.day, 12, tzinfo=UTC)

    def today(self, time_zone: str | None = None) -> date:
        """The calendar day at a site; `time_zone` is an IANA name, default UTC."""
        if self.as_of is not None:
            return self.as_of
        return self.now().astimezone(ZoneInfo(time_zone) if time_zone else UTC).date()
