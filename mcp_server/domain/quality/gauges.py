"""Whether a gauge can decide about a characteristic on the day it measured (AIAG MSA, 4th edition; ISO 9001 7.1.5)."""

import re
from collections.abc import Iterable, Sequence
from datetime import date

from mcp_server.domain.quality.control_plan import GOOD_GRR_PCT, MAX_GRR_PCT, MIN_NDC, RESOLUTION_SHARE, Finding
from mcp_server.domain.records import Gauge, SpecialClass

__all__ = ["check_measurement", "finer_than_resolution", "named_in"]

_ROUNDING = 1e-6
"""Of one step of the gauge: what binary fractions add to a reading that is a whole number of steps."""


def check_measurement(
    gauge: Gauge,
    *,
    lsl: float | None,
    usl: float | None,
    unit: str,
    special_class: SpecialClass | None,
    measured_on: date,
) -> list[Finding]:
    """Every rule a measurement of that day must meet; `measured_on` is the day at the site."""
    return [
        *_calibration(gauge, measured_on),
        *_repeatability(gauge),
        *_categories(gauge, special_class),
        *_resolution(gauge, lsl, usl, unit),
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


def _calibration(gauge: Gauge, measured_on: date) -> list[Finding]:
    if measured_on > gauge.cal_due:
        return [
            Finding(
                "gauge_id",
                f"{gauge.id} ({gauge.name}) was due for calibration on {gauge.cal_due.isoformat()}, before the "
                f"measurement of {measured_on.isoformat()}",
                "Measure again with a gauge in calibration, or calibrate this one first.",
            )
        ]
    if measured_on < gauge.last_calibrated:
        return [
            Finding(
                "gauge_id",
                f"{gauge.id} was last calibrated on {gauge.last_calibrated.isoformat()}, after the measurement; what "
                "held before is not on record",
                "Look up the certificate that was valid then.",
                stops=False,
            )
        ]
    return []


def _repeatability(gauge: Gauge) -> list[Finding]:
    if gauge.grr_pct is None or gauge.grr_pct < GOOD_GRR_PCT:
        return []
    has = f"{gauge.id} has a gauge R&R of {gauge.grr_pct:g} % of tolerance"
    if gauge.grr_pct > MAX_GRR_PCT:
        return [
            Finding(
                "gauge_id",
                f"{has}; more than {MAX_GRR_PCT:g} % is not acceptable",
                "Measure again with another gauge, or improve this one and repeat the study.",
            )
        ]
    return [
        Finding(
            "gauge_id",
            f"{has}: acceptable only on conditions ({GOOD_GRR_PCT:g} to {MAX_GRR_PCT:g} %)",
            "Keep the reason and the customer's approval on record.",
            stops=False,
        )
    ]


def _categories(gauge: Gauge, special_class: SpecialClass | None) -> list[Finding]:
    if gauge.ndc is None or gauge.ndc >= MIN_NDC:
        return []
    critical = special_class is SpecialClass.CC
    return [
        Finding(
            "gauge_id",
            f"{gauge.id} tells only {gauge.ndc} categories apart, fewer than {MIN_NDC}"
            + (", too few for a CC characteristic" if critical else ""),
            f"Use a gauge with ndc >= {MIN_NDC}.",
            stops=critical,
        )
    ]


def _resolution(gauge: Gauge, lsl: float | None, usl: float | None, unit: str) -> list[Finding]:
    if gauge.resolution is None or lsl is None or usl is None:
        return []
    largest = (usl - lsl) / RESOLUTION_SHARE
    if gauge.resolution <= largest * (1 + 1e-9):  # exactly a tenth is fine, whatever binary fractions make of it
        return []
    return [
        Finding(
            "gauge_id",
            f"{gauge.id} resolves {gauge.resolution:g} {unit}, more than a tenth of the tolerance ({largest:g})",
            "Use a finer gauge.",
            stops=False,
        )
    ]
