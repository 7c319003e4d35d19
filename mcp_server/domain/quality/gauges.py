"""Whether a gauge can decide about a characteristic (AIAG MSA, 4th edition; ISO 9001 7.1.5).

One set of rules with two severities: a plan or checklist is only told what a measurement is refused for, since the
gauge can still be calibrated or replaced before it is used. Gauge R&R that no calibration mends stops both.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import date

from mcp_server.domain.quality.control_plan import Finding
from mcp_server.domain.records import CheckItem, Gauge, PlanRow, SpecialClass

__all__ = ["check_gauge", "finer_than_resolution", "named_in"]

_MAX_GRR_PCT = 30.0
"""Gauge R&R above this share of the tolerance is unacceptable (AIAG MSA, 4th edition)."""
_GOOD_GRR_PCT = 10.0
"""Below it a gauge is acceptable; from here to `_MAX_GRR_PCT` only on conditions (AIAG MSA, 4th edition)."""
_MIN_NDC = 5
_RESOLUTION_SHARE = 10
"""A gauge should resolve a tenth of the tolerance (rule of thumb, so a warning)."""
_ROUNDING = 1e-6
"""Of one step of the gauge: what binary fractions add to a reading that is a whole number of steps."""


def check_gauge(gauge: Gauge, item: PlanRow | CheckItem, *, on: date, measured: bool) -> list[Finding]:
    """Every rule that is not met. `on` is a day at the site: of the measurement if `measured`, else of the planning."""
    return [
        *_calibration(gauge, on, measured=measured),
        *_repeatability(gauge),
        *_categories(gauge, critical=item.special_class is SpecialClass.CC, measured=measured),
        *_resolution(gauge, item),
    ]


def finer_than_resolution(gauge: Gauge, readings: Sequence[float]) -> tuple[int, ...]:
    """Positions of readings that are no whole number of the gauge's steps: it cannot have shown them."""
    if gauge.resolution is None or gauge.resolution <= 0:
        return ()
    steps = [reading / gauge.resolution for reading in readings]
    return tuple(
        position
        for position, step in enumerate(steps)
        if abs(step - round(step)) > _ROUNDING * max(1.0, abs(step) / 1e6)
    )


def named_in(text: str, gauges: Iterable[Gauge]) -> Gauge | None:
    """The gauge whose id a specification names, as in `bore air gauge AG-01`."""
    words = set(re.findall(r"[\w-]+", text))
    return next((gauge for gauge in gauges if gauge.id in words), None)


def _calibration(gauge: Gauge, on: date, *, measured: bool) -> list[Finding]:
    if on > gauge.cal_due and not measured:
        overdue = f"{gauge.id} is overdue for calibration since {gauge.cal_due.isoformat()}"
        return [_warning(overdue, "Calibrate it before the first measurement.")]
    if on > gauge.cal_due:
        return [
            Finding(
                "gauge_id",
                f"{gauge.id} ({gauge.name}) was due for calibration on {gauge.cal_due.isoformat()}, before the "
                f"measurement of {on.isoformat()}",
                "Measure again with a gauge in calibration, or calibrate this one first.",
            )
        ]
    if measured and on < gauge.last_calibrated:
        unknown = (
            f"{gauge.id} was last calibrated on {gauge.last_calibrated.isoformat()}, after the measurement; what "
            "held before is not on record"
        )
        return [_warning(unknown, "Look up the certificate that was valid then.")]
    return []


def _repeatability(gauge: Gauge) -> list[Finding]:
    if gauge.grr_pct is None or gauge.grr_pct < _GOOD_GRR_PCT:
        return []
    has = f"{gauge.id} has a gauge R&R of {gauge.grr_pct:g} % of tolerance"
    if gauge.grr_pct > _MAX_GRR_PCT:
        return [
            Finding(
                "gauge_id",
                f"{has}; more than {_MAX_GRR_PCT:g} % is not acceptable",
                "Use another gauge, or improve this one and repeat the study.",
            )
        ]
    conditions = "is acceptable only if documented and approved by the customer"
    return [
        _warning(
            f"{has}; {_GOOD_GRR_PCT:g} to {_MAX_GRR_PCT:g} % {conditions}",
            "Document why it will do and get the customer's approval, or use a better gauge.",
        )
    ]


def _categories(gauge: Gauge, *, critical: bool, measured: bool) -> list[Finding]:
    if gauge.ndc is None or gauge.ndc >= _MIN_NDC:
        return []
    few = f"{gauge.id} tells only {gauge.ndc} categories apart, fewer than {_MIN_NDC}"
    too_few = few + (", too few for a CC characteristic" if critical else "")
    return [Finding("gauge_id", too_few, f"Use a gauge with ndc >= {_MIN_NDC}.", stops=critical and measured)]


def _resolution(gauge: Gauge, item: PlanRow | CheckItem) -> list[Finding]:
    """A one-sided characteristic has no tolerance to compare with."""
    if gauge.resolution is None:
        return _unresolved(gauge, item)
    if item.lsl is None or item.usl is None:
        return []
    largest = (item.usl - item.lsl) / _RESOLUTION_SHARE
    if gauge.resolution <= largest * (1 + 1e-9):  # exactly a tenth is fine, whatever binary fractions make of it
        return []
    shows = f"{gauge.id} resolves {gauge.resolution:g} {item.unit or ''}".rstrip()
    return [_warning(f"{shows}, more than a tenth of the tolerance ({largest:g})", "Use a finer gauge.")]


def _unresolved(gauge: Gauge, item: PlanRow | CheckItem) -> list[Finding]:
    """A plug or a template tells good from bad only, which is weak control of a CC characteristic with limits."""
    if item.special_class is not SpecialClass.CC or (item.lsl is None and item.usl is None):
        return []
    blind = f"{gauge.id} ({gauge.name}) has no resolution on record, so it may only tell good from bad; this is CC"
    return [_warning(blind, "Use a gauge that shows a value.")]


def _warning(message: str, suggestion: str) -> Finding:
    return Finding("gauge_id", message, suggestion, stops=False)
