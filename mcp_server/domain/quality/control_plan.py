"""Rules of a control plan (IATF 16949 8.5.1.1 and Annex A; form of AIAG CP-1), row by row and as a whole.

A rule answers with `Finding`s; whether one stops the plan is written in the finding.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from mcp_server.domain import limits
from mcp_server.domain.quality.sampling import HIGHEST_PERCENT, PREFERRED_AQLS
from mcp_server.domain.records import (
    CharacteristicKind,
    ControlMethod,
    Machine,
    MachineStatus,
    Material,
    Phase,
    PlanRow,
    QualityPlan,
    Sampling,
    Spec,
    SpecialClass,
)

__all__ = ["Coverage", "Finding", "behind_material", "check_machine", "check_row", "complete_row", "coverage"]

FROM_SPEC = ("operation", "characteristic", "kind", "unit", "nominal", "lsl", "usl", "special_class")
"""What a row takes from the specification it names; so does `technique`, from the specification's gauge."""

_PERCENT_AQLS = tuple(aql for aql in PREFERRED_AQLS if float(aql) <= HIGHEST_PERCENT)
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


def behind_material(plan: QualityPlan, material: Material) -> str | None:
    """A plan is for one change level of the part (IATF 16949 Annex A); a change of the part asks for its review."""
    if plan.material_revision == material.revision:
        return None
    made_for = f"{plan.id} revision {plan.revision} is for {material.id} revision {plan.material_revision}"
    return f"{made_for}; the material is at revision {material.revision} now"


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
            return [Finding("aql", "sampling is aql, but aql is missing", f"Give one of {', '.join(_PERCENT_AQLS)}.")]
        case Sampling.AQL if row.aql not in _PERCENT_AQLS:
            counts = f"an AQL of {row.aql} counts nonconformities per 100 pieces, but a lot is judged by its bad pieces"
            return [Finding("aql", counts, f"Give one of {', '.join(_PERCENT_AQLS)}.")]
        case Sampling.AQL if row.kind is CharacteristicKind.PROCESS:
            no_piece = "AQL sampling is of the pieces of a lot, and a process characteristic is of none"
            return [Finding("sampling", no_piece, "Use a fixed sample at a frequency.", stops=False)]
        case _:
            pass
    by_aql = row.sampling is Sampling.AQL
    idle = {"sample_size": row.sampling is not Sampling.FIXED, "aql": not by_aql, "inspection_level": not by_aql}
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
    by_eye = row.control_method is ControlMethod.VISUAL_STANDARD
    unlimited = row.lsl is None and row.usl is None and row.control_method is not ControlMethod.ERROR_PROOFING
    if by_eye or unlimited:
        found.append(
            Finding(
                "control_method",
                "a CC characteristic is judged good or bad only, not measured against a limit",
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
    if row.characteristic != spec.characteristic:
        renamed = f"{spec.id} is {spec.characteristic!r}, the row says {row.characteristic!r}"
        found.append(Finding("characteristic", renamed, "Leave characteristic out.", stops=False))
    if spec.special_class is not None and row.special_class is not spec.special_class:
        found.append(
            Finding(
                "special_class", f"{spec.id} is {spec.special_class}, the row says {row.special_class}", "Leave it out."
            )
        )
    return [*found, *(_unmeasured(row, spec) if spec.data_type == "attribute" else _wider(row, spec))]


def _unmeasured(row: PlanRow, spec: Spec) -> list[Finding]:
    """With a limit, the 1 that stands for a nonconforming piece would be judged as a measured value."""
    return [
        Finding(name, f"{spec.id} is judged good or bad, so {name} has no meaning", f"Leave {name} out.")
        for name in ("nominal", "lsl", "usl")
        if getattr(row, name) is not None
    ]


def _wider(row: PlanRow, spec: Spec) -> list[Finding]:
    wider = {
        "lsl": spec.lsl is not None and row.lsl is not None and row.lsl < spec.lsl,
        "usl": spec.usl is not None and row.usl is not None and row.usl > spec.usl,
    }
    return [
        Finding(
            name,
            f"{name} {getattr(row, name):g} is wider than {getattr(spec, name):g} of {spec.id}",
            f"Leave {name} out to take the specification's, or tighten it.",
        )
        for name, is_wider in wider.items()
        if is_wider
    ]
