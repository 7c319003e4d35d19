"""Takt time and line balance: how fast a piece is needed, and how well the stations keep that pace.

Takt = net available time / demand of the same period. Net time is shifts x (shift length - planned breaks - meetings);
unplanned losses are not taken off, they are what the takt must make visible. All times in seconds unless named.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from typing import Literal

from mcp_server.domain.records import Workstation

__all__ = [
    "DAY_MIN",
    "NEAR_PCT",
    "Balance",
    "Load",
    "LoadStatus",
    "ShiftPattern",
    "balance",
    "load_pct",
    "load_status",
    "shift_problem",
    "takt_time_s",
]

LoadStatus = Literal["ok", "near", "over"]

NEAR_PCT = 95.0
"""Above this share of takt a station has no reserve left; above 100 % it cannot keep up."""
DAY_MIN = 24 * 60
_ROUNDING = 1e-9  # what binary fractions make of a share that is exactly 95 or 100 percent


@dataclass(frozen=True, slots=True)
class ShiftPattern:
    """`shift_min`, `breaks_min` and `meetings_min` are minutes of one shift."""

    shifts_per_day: int
    shift_min: float
    breaks_min: float
    meetings_min: float

    @property
    def net_min_per_shift(self) -> float:
        return self.shift_min - self.breaks_min - self.meetings_min

    @property
    def net_min_per_day(self) -> float:
        return self.shifts_per_day * self.net_min_per_shift


@dataclass(frozen=True, slots=True)
class Load:
    """What takt asks of one station. `load_pct` and `status` are None while takt is unknown."""

    id: str
    operation: str
    cycle_s: float
    load_pct: float | None
    status: LoadStatus | None


@dataclass(frozen=True, slots=True)
class Balance:
    """`efficiency_pct` is the work content over what all stations could do at the pace of the slowest.

    `minimum_stations` could carry the work content at takt; None while takt is unknown. Without stations there is no
    bottleneck and no efficiency.
    """

    stations: tuple[Load, ...]
    bottleneck: str | None
    total_cycle_s: float
    minimum_stations: int | None
    efficiency_pct: float | None


def shift_problem(pattern: ShiftPattern) -> str | None:
    """Why no time is left to work in, or None."""
    if pattern.net_min_per_shift <= 0:
        return (
            f"Planned breaks ({pattern.breaks_min:g} min) and meetings ({pattern.meetings_min:g} min) take the whole "
            f"shift of {pattern.shift_min:g} min."
        )
    if pattern.shifts_per_day * pattern.shift_min > DAY_MIN:
        return f"{pattern.shifts_per_day} shifts of {pattern.shift_min:g} min do not fit into a day of {DAY_MIN} min."
    return None


def takt_time_s(pattern: ShiftPattern, demand_per_day: int) -> float:
    """Seconds a piece, not rounded. Demand and net time must be above zero."""
    return pattern.net_min_per_day * 60 / demand_per_day


def load_pct(cycle_s: float, takt_s: float) -> float:
    """Cycle in percent of takt, not rounded."""
    return 100 * cycle_s / takt_s


def load_status(cycle_s: float, takt_s: float) -> LoadStatus:
    share = load_pct(cycle_s, takt_s)
    if share > 100 + _ROUNDING:
        return "over"
    return "near" if share > NEAR_PCT + _ROUNDING else "ok"


def balance(stations: Iterable[Workstation], takt_s: float | None) -> Balance:
    """How the stations carry the work. `cycle_time_s` is the pace of a station, its parallel machines included."""
    line = list(stations)
    total = sum(station.cycle_time_s for station in line)
    slowest = max(line, key=lambda station: station.cycle_time_s, default=None)
    capacity = 0.0 if slowest is None else len(line) * slowest.cycle_time_s
    return Balance(
        stations=tuple(_load(station, takt_s) for station in line),
        bottleneck=None if slowest is None else slowest.id,
        total_cycle_s=round(total, 2),
        minimum_stations=None if takt_s is None or not line else ceil(total / takt_s - _ROUNDING),
        efficiency_pct=round(100 * total / capacity, 1) if capacity else None,
    )


def _load(station: Workstation, takt_s: float | None) -> Load:
    return Load(
        id=station.id,
        operation=station.operation,
        cycle_s=station.cycle_time_s,
        load_pct=None if takt_s is None else round(load_pct(station.cycle_time_s, takt_s), 1),
        status=None if takt_s is None else load_status(station.cycle_time_s, takt_s),
    )
