"""Rules of a control plan (IATF 16949 8.5.1.1 and Annex A; form of AIAG CP-1), row by row and as a whole.

A rule answers with `Finding`s; whether one stops the plan is written in the finding.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from mcp_server.domain import limits
from mcp_server.domain.quality.sampling import PREFERRED_AQLS
from mcp_server.domain.records import (
    ControlMethod,
    Gauge,
    Machine,
    MachineStatus,
    Phase,
    PlanRow,
    Sampling,
    Spec,
    SpecialClass,
)

__all__ = ["Coverage", "Finding", "check_gauge", "check_machine", "check_row", "complete_row", "coverage"]

MAX_GRR_PCT = 30.0
"""Gauge R&R above this share of the tolerance is unacceptable (AIAG MSA, 4th edition)."""
GOOD_GRR_PCT = 10.0
"""Below it a gauge is acceptable; from here to `MAX_GRR_PCT` only on conditions (AIAG MSA, 4th edition)."""
MIN_NDC = 5
RESOLUTION_SHARE = 10
"""A gauge should resolve a tenth of the tolerance (rule of thumb, so a warning)."""

FROM_SPEC = ("operation", "characteristic", "kind", "unit", "nominal", "lsl", "usl", "special_class")
"""What a row takes from the specification it names; so does `technique`, from the specification's gauge."""

_IDENTITY = ("operation", "characteristic", "kind")
_CC_METHODS = {ControlMethod.SPC_CHART, ControlMethod.ERROR_PROOFING, ControlMethod.AUTOMATIC_GAUGING}


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that is not met. `field` is relative to the row; `stops` is False for a warning."""

    field: str
    message: str
    suggestion: str
    stops: bool = True


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many of the material's special characteristics have a row, and which have none."""

    special_total: int
    special_covered: int
    missing: tuple[str, ...]


def complete_row(row: PlanRow, spec: Spec | None) -> PlanRow:
    """The row as it is stored: what the caller left out comes from the specification."""
    defaults: dict[str, object] = {}
    if row.sampling is Sampling.AQL and row.inspection_level is None:
        defaults["inspection_level"] = "II"
    if spec is not None:
        defaults |= {name: getattr(spec, name) for name in FROM_SPEC if getattr(row, name) is None}
        if row.technique is None:
            defaults["technique"] = spec.gauge
    return row.model_copy(update=defaults)


def check_row(row: PlanRow, spec: Spec | None) -> list[Finding]:
    """Every rule one completed row must meet."""
    return [*_identity(row), *_limits(row), *_sampling(row), *_special(row), *(_agreement(row, spec) if spec else ())]


def check_gauge(row: PlanRow, gauge: Gauge, *, overdue: bool) -> list[Finding]:
    """Whether the gauge can judge the characteristic."""
    return [*_repeatability(gauge), *(_calibration(gauge) if overdue else ()), *_resolution(row, gauge)]


def check_machine(machine: Machine, phase: Phase) -> list[Finding]:
    """Series parts come from machines that production has accepted."""
    if phase is not Phase.PRODUCTION or machine.status is not MachineStatus.COMMISSIONING:
        return []
    new = f"{machine.id} ({machine.name}) is still commissioning, and this is a production plan"
    return [Finding("machine_id", new, "Release the machine first, or plan for pre_launch.", stops=False)]


def coverage(specs: Iterable[Spec], rows: Iterable[PlanRow]) -> Coverage:
    """Which special characteristics (CC, SC) of the material the plan controls."""
    special = [spec.id for spec in specs if spec.special_class is not None]
    covered = {row.spec_id for row in rows}
    missing = tuple(spec_id for spec_id in special if spec_id not in covered)
    return Coverage(special_total=len(special), special_covered=len(special) - len(missing), missing=missing)


def _repeatability(gauge: Gauge) -> list[Finding]:
    found: list[Finding] = []
    if gauge.grr_pct is not None and gauge.grr_pct > MAX_GRR_PCT:
        found.append(
            Finding(
                "gauge_id",
                f"{gauge.id} has a gauge R&R of {gauge.grr_pct:g} % of tolerance; "
                f"more than {MAX_GRR_PCT:g} % is not acceptable",
                "Choose another gauge, or improve this one and repeat the study.",
            )
        )
    elif gauge.grr_pct is not None and gauge.grr_pct >= GOOD_GRR_PCT:
        found.append(
            Finding(
                "gauge_id",
                f"{gauge.id} has a gauge R&R of {gauge.grr_pct:g} % of tolerance; "
                f"{GOOD_GRR_PCT:g} to {MAX_GRR_PCT:g} % is acceptable only if documented and approved by the customer",
                "Document why it will do and get the customer's approval, or use a better gauge.",
                stops=False,
            )
        )
    if gauge.ndc is not None and gauge.ndc < MIN_NDC:
        found.append(
            Finding(
                "gauge_id", f"{gauge.id} tells only {gauge.ndc} categories apart", f"Use ndc >= {MIN_NDC}.", stops=False
            )
        )
    return found


def _calibration(gauge: Gauge) -> list[Finding]:
    since = f"{gauge.id} is overdue for calibration since {gauge.cal_due.isoformat()}"
    return [Finding("gauge_id", since, "Calibrate it before the first measurement.", stops=False)]


def _resolution(row: PlanRow, gauge: Gauge) -> list[Finding]:
    if gauge.resolution is None or row.lsl is None or row.usl is None:
        return []
    largest = (row.usl - row.lsl) / RESOLUTION_SHARE
    if gauge.resolution <= largest * (1 + 1e-9):  # exactly a tenth is fine, whatever binary fractions make of it
        return []
    finer = (
        f"{gauge.id} resolves {gauge.resolution:g} {row.unit or ''}".rstrip()
        + f", more than a tenth of the tolerance ({largest:g})"
    )
    return [Finding("gauge_id", finer, "Use a finer gauge.", stops=False)]


def _identity(row: PlanRow) -> list[Finding]:
    missing = [name for name in _IDENTITY if getattr(row, name) is None]
    if len(missing) == len(_IDENTITY):
        return [
            Finding("spec_id", "the row names no characteristic", "Give spec_id, or characteristic, kind, operation.")
        ]
    return [Finding(name, f"{name} is missing", f"Give {name}, or a spec_id that has it.") for name in missing]


def _limits(row: PlanRow) -> list[Finding]:
    if limits.are_reversed(row.lsl, row.usl):
        return [
            Finding(
                "lsl",
                f"lsl {row.lsl:g} is not below usl {row.usl:g}",
                "Swap or correct the limits; leave one out if the characteristic is one-sided.",
            )
        ]
    if not limits.excludes(row.lsl, row.usl, row.nominal):
        return []
    return [Finding("nominal", f"nominal {row.nominal:g} is outside the limits", "Correct nominal, lsl or usl.")]


def _sampling(row: PlanRow) -> list[Finding]:
    match row.sampling:
        case Sampling.FIXED if row.sample_size is None:
            return [
                Finding("sample_size", "sampling is fixed, but sample_size is missing", "Give the pieces per check.")
            ]
        case Sampling.AQL if row.aql is None:
            return [Finding("aql", "sampling is aql, but aql is missing", f"Give one of {', '.join(PREFERRED_AQLS)}.")]
        case _:
            pass
    idle = {"sample_size": row.sampling is not Sampling.FIXED, "aql": row.sampling is not Sampling.AQL}
    return [
        Finding(
            name, f"{name} has no meaning when sampling is {row.sampling}", f"Leave {name} out, or change sampling."
        )
        for name, unused in idle.items()
        if unused and getattr(row, name) is not None
    ]


def _special(row: PlanRow) -> list[Finding]:
    if row.special_class is not SpecialClass.CC:
        return []
    found: list[Finding] = []
    if row.technique is None:
        found.append(
            Finding("technique", "a CC characteristic needs a measurement technique", "Say how it is measured.")
        )
    if row.sampling is Sampling.AQL:
        found.append(
            Finding(
                "sampling",
                "AQL sampling accepts nonconforming pieces, which a CC characteristic does not allow",
                "Use full inspection, error proofing, or a fixed sample on an SPC chart.",
            )
        )
    elif row.sampling is not Sampling.FULL and row.control_method not in _CC_METHODS:
        found.append(
            Finding(
                "control_method",
                f"a CC characteristic on samples cannot rest on {row.control_method}",
                "Use sampling full, or control_method spc_chart, error_proofing or automatic_gauging.",
            )
        )
    if row.lsl is None and row.usl is None and row.control_method is not ControlMethod.ERROR_PROOFING:
        found.append(
            Finding(
                "control_method",
                "a CC characteristic is judged good or bad only, without a measured limit",
                "Measure it if you can, or make the error impossible.",
                stops=False,
            )
        )
    return found


def _agreement(row: PlanRow, spec: Spec) -> list[Finding]:
    """The row may not contradict the specification it names; tighter limits are allowed, wider are not."""
    found = [
        Finding(
            name, f"{spec.id} has {name} {getattr(spec, name)}, the row says {getattr(row, name)}", f"Leave {name} out."
        )
        for name in ("unit", "kind", "operation")
        if getattr(row, name) != getattr(spec, name)
    ]
    if spec.special_class is not None and row.special_class is not spec.special_class:
        found.append(
            Finding(
                "special_class", f"{spec.id} is {spec.special_class}, the row says {row.special_class}", "Leave it out."
            )
        )
    wider = {
        "lsl": spec.lsl is not None and row.lsl is not None and row.lsl < spec.lsl,
        "usl": spec.usl is not None and row.usl is not None and row.usl > spec.usl,
    }
    found += [
        Finding(
            name,
            f"{name} {getattr(row, name):g} is wider than {getattr(spec, name):g} of {spec.id}",
            f"Leave {name} out to take the specification's, or tighten it.",
        )
        for name, is_wider in wider.items()
        if is_wider
    ]
    return found
