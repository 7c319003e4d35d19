"""How long a system asks to be left alone: `Retry-After` in every form that is seen (RFC 9110, section 10.2.3)."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["LONGEST_S", "retry_after_s"]

LONGEST_S = 86_400.0
"""What asks for more than a day is taken for a day."""

_SECONDS = re.compile(r"[0-9]{1,18}(\.[0-9]{0,18})?", re.ASCII)


def retry_after_s(told: Sequence[str], now: datetime, *, date: str | None = None) -> float | None:
    """Seconds to wait, or None where nothing sensible was told.

    Args:
        told: every `Retry-After` of one answer; of several, the longest wait holds.
        now: the present moment, with its time zone.
        date: the answer's own `Date`. A moment is counted from there, because the two clocks may differ.
    """
    asked = _moment(date or "") or now
    waits = [wait for value in told for wait in _waits(value.strip(), asked)]
    return min(max(waits), LONGEST_S) if waits else None


def _waits(value: str, asked: datetime) -> list[float]:
    moment = _moment(value)
    if moment is not None:
        return [max((moment - asked).total_seconds(), 0.0)]
    parts = [part.strip() for part in value.split(",")]  # a proxy may have joined two headers
    return [float(part) for part in parts if _SECONDS.fullmatch(part)]


def _moment(value: str) -> datetime | None:
    if _SECONDS.fullmatch(value):
        return None
    try:
        moment = parsedate_to_datetime(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
