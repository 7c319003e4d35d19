"""Process capability and performance (AIAG SPC, 2nd edition; limits of assessment from AIAG PPAP, 4th edition).

Cp and Cpk use the spread within subgroups, Pp and Ppk the overall standard deviation (n - 1). A one-sided
characteristic has only the index of the side that exists; Cp and Pp need both limits.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import fmean, stdev
from typing import Literal

__all__ = ["ACCEPTABLE", "D2", "MEETS", "Assessment", "Capability", "Spread", "c4", "capability"]

Assessment = Literal["meets", "may_be_acceptable", "does_not_meet"]
Spread = Literal["range", "deviation"]

MEETS = 1.67
ACCEPTABLE = 1.33
"""Initial study: above `MEETS` it meets the requirement, from `ACCEPTABLE` up it may; the customer's values win."""
_ENOUGH_SUBGROUPS = 25
_ENOUGH_READINGS = 100

D2 = {2: 1.128, 3: 1.693, 4: 2.059, 5: 2.326, 6: 2.534, 7: 2.704, 8: 2.847, 9: 2.970, 10: 3.078}
"""Mean range of n standard normal values."""


@dataclass(frozen=True, slots=True)
class Capability:
    """Indices that cannot be computed are None, and `reasons` say why. `warnings` limit what the numbers are worth.

    `assessment` judges Cpk, or Ppk where there is no Cpk.
    """

    readings: int
    subgroups: int
    mean: float | None = None
    cp: float | None = None
    cpk: float | None = None
    pp: float | None = None
    ppk: float | None = None
    assessment: Assessment | None = None
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def c4(size: int) -> float:
    """Mean standard deviation (n - 1) of `size` standard normal values."""
    return math.sqrt(2 / (size - 1)) * math.exp(math.lgamma(size / 2) - math.lgamma((size - 1) / 2))


def capability(
    subgroups: Sequence[Sequence[float]],
    *,
    lsl: float | None,
    usl: float | None,
    spread: Spread = "range",
    meets: float = MEETS,
    acceptable: float = ACCEPTABLE,
) -> Capability:
    """The indices of a characteristic from its readings, one sequence a subgroup in the order of production.

    Subgroups must have one size of 2 or more for Cp and Cpk. `spread` chooses R-bar/d2, which ends at size 10, or
    s-bar/c4; larger subgroups always use s-bar/c4.
    """
    values = list(chain.from_iterable(subgroups))
    count = Capability(readings=len(values), subgroups=len(subgroups))
    if lsl is None and usl is None:
        return _without(count, "There is no limit to compare with.")
    if len(values) < 2:  # noqa: PLR2004 - a standard deviation needs two
        return _without(count, "Fewer than two readings have no spread.")
    mean = fmean(values)
    reasons: list[str] = []
    overall = _overall(values, mean, reasons)
    within = _within(subgroups, spread, mean, reasons)
    if lsl is None or usl is None:
        reasons.append("Cp and Pp need both limits; this characteristic is one-sided.")
    cpk, ppk = _nearer(mean, within, lsl, usl), _nearer(mean, overall, lsl, usl)
    return Capability(
        readings=len(values),
        subgroups=len(subgroups),
        mean=mean,
        cp=_width(within, lsl, usl),
        cpk=cpk,
        pp=_width(overall, lsl, usl),
        ppk=ppk,
        assessment=_assess(ppk if cpk is None else cpk, meets, acceptable),
        reasons=tuple(reasons),
        warnings=_preliminary(len(subgroups), len(values)),
    )


def _overall(values: Sequence[float], mean: float, reasons: list[str]) -> float | None:
    sigma = stdev(values)
    if _is_zero(sigma, mean):
        reasons.append("All readings are equal: without spread there is no Pp and no Ppk.")
        return None
    return sigma


def _within(subgroups: Sequence[Sequence[float]], spread: Spread, mean: float, reasons: list[str]) -> float | None:
    sizes = {len(group) for group in subgroups}
    if len(sizes) > 1:
        reasons.append("Subgroups differ in size, so Cp and Cpk are not computed.")
        return None
    (size,) = sizes
    if size == 1:
        reasons.append("Single readings form no subgroups, so Cp and Cpk are not computed.")
        return None
    if spread == "range" and size in D2:
        sigma = fmean(max(group) - min(group) for group in subgroups) / D2[size]
    else:
        sigma = fmean(stdev(group) for group in subgroups) / c4(size)
    if _is_zero(sigma, mean):
        reasons.append("Readings within subgroups are equal: without spread there is no Cp and no Cpk.")
        return None
    return sigma


def _is_zero(sigma: float, mean: float) -> bool:
    """Equal readings may differ in the last bit once they were computed with."""
    return sigma <= 1e-12 * max(abs(mean), 1e-300)


def _width(sigma: float | None, lsl: float | None, usl: float | None) -> float | None:
    return None if sigma is None or lsl is None or usl is None else (usl - lsl) / (6 * sigma)


def _nearer(mean: float, sigma: float | None, lsl: float | None, usl: float | None) -> float | None:
    """The index of the limit that is nearer to the mean."""
    if sigma is None:
        return None
    sides = [
        side for side in (None if usl is None else usl - mean, None if lsl is None else mean - lsl) if side is not None
    ]
    return min(sides) / (3 * sigma)


def _assess(index: float | None, meets: float, acceptable: float) -> Assessment | None:
    if index is None:
        return None
    if index > meets:
        return "meets"
    return "may_be_acceptable" if index >= acceptable else "does_not_meet"


def _preliminary(subgroups: int, readings: int) -> tuple[str, ...]:
    if subgroups >= _ENOUGH_SUBGROUPS and readings >= _ENOUGH_READINGS:
        return ()
    few = f"{readings} readings in {subgroups} subgroup{'' if subgroups == 1 else 's'}"
    return (f"Preliminary: {few}; a study needs {_ENOUGH_READINGS} in {_ENOUGH_SUBGROUPS}, of a stable process.",)


def _without(count: Capability, reason: str) -> Capability:
    return Capability(readings=count.readings, subgroups=count.subgroups, reasons=(reason,))
