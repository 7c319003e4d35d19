"""The verdict about a lot from readings of one characteristic, and whether the readings can be meant as they stand."""

from collections.abc import Sequence
from dataclasses import dataclass

from mcp_server.domain import limits
from mcp_server.domain.quality.sampling import sampling_plan
from mcp_server.domain.records import CheckItem, Spec, SpecialClass, Verdict

__all__ = ["Demand", "Judgement", "demand_of", "implausible", "judge", "looks_like", "outgrown"]

_FAR = 10
"""Readings that many tolerances beyond a limit are taken for a wrong unit or a slip of the decimal point."""
_FACTORS = {
    25.4: "the value in inches",
    1 / 25.4: "the value in mm, where inches are asked for",
    1_000: "a unit a thousand times larger",
    1 / 1_000: "a unit a thousand times smaller",
    10: "a decimal point one place too far left",
    0.1: "a decimal point one place too far right",
    100: "a decimal point two places too far left",
    0.01: "a decimal point two places too far right",
}
_SMALLEST_SAMPLED_LOT = 2


@dataclass(frozen=True, slots=True)
class Demand:
    """How many pieces to inspect, and Ac and Re; `every_piece` when the sample is the whole lot."""

    sample_size: int
    accept: int
    reject: int
    every_piece: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """`outside` are the positions, from 1, of the nonconforming readings."""

    outside: tuple[int, ...]
    verdict: Verdict

    @property
    def nonconforming(self) -> int:
        return len(self.outside)


def demand_of(item: CheckItem, lot_size: int) -> Demand:
    """What a checklist item asks of a lot. A sample as large as the lot is every piece; CC accepts on zero only."""
    if item.aql is not None and lot_size >= _SMALLEST_SAMPLED_LOT:
        plan = sampling_plan(lot_size, item.aql, item.inspection_level or "II")
        accept, reject = (0, 1) if item.special_class is SpecialClass.CC else (plan.accept, plan.reject)
        return Demand(plan.sample_size, accept, reject, plan.full_inspection)
    size = lot_size if item.sample_size is None else min(item.sample_size, lot_size)
    accept = 0 if item.special_class is SpecialClass.CC else item.accept
    return Demand(size, accept, accept + 1, size == lot_size)


def outgrown(item: CheckItem, spec: Spec) -> str | None:
    """What in an item is wider than the specification is now; a plan may only tighten limits."""
    if spec.lsl is not None and (item.lsl is None or item.lsl < spec.lsl):
        return f"no lsl, or one below {spec.lsl:g}"
    if spec.usl is not None and (item.usl is None or item.usl > spec.usl):
        return f"no usl, or one above {spec.usl:g}"
    return None


def judge(readings: Sequence[float], *, lsl: float | None, usl: float | None, accept: int) -> Judgement:
    """Accept up to `accept` nonconforming readings. A value on a limit conforms; without limits, 0 is good."""
    attribute = lsl is None and usl is None
    outside = tuple(
        position
        for position, value in enumerate(readings, start=1)
        if (value != 0 if attribute else limits.excludes(lsl, usl, value))
    )
    return Judgement(outside, Verdict.ACCEPT if len(outside) <= accept else Verdict.REJECT)


def implausible(readings: Sequence[float], *, lsl: float | None, usl: float | None) -> tuple[int, ...]:
    """Positions, from 1, of readings more than ten tolerances beyond a limit.

    A one-sided characteristic has no tolerance; the distance of its limit from zero stands for it.
    """
    tolerance = _tolerance(lsl, usl)
    if tolerance <= 0:
        return ()
    far = _FAR * tolerance
    lowest = None if lsl is None else lsl - far
    highest = None if usl is None else usl + far
    return tuple(
        position for position, value in enumerate(readings, start=1) if limits.excludes(lowest, highest, value)
    )


def looks_like(value: float, *, lsl: float | None, usl: float | None) -> str | None:
    """What slip would explain an implausible reading: the first one that brings it near both limits."""
    if lsl is None or usl is None:
        return None
    near = usl - lsl
    fitting = (slip for factor, slip in _FACTORS.items() if not limits.excludes(lsl - near, usl + near, value * factor))
    return next(fitting, None)


def _tolerance(lsl: float | None, usl: float | None) -> float:
    if lsl is not None and usl is not None:
        return usl - lsl
    return abs(lsl if lsl is not None else usl or 0.0)
