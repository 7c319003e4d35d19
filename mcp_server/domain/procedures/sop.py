"""Rules of a procedure (ISO 9001 7.5, IATF 16949 8.5.1.2, OSHA 1910.147): its sections, steps, hazards and lockout."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from mcp_server.domain.maintenance.lockout import is_hazardous, is_lockout, lockout_for, lockout_problem, months_before
from mcp_server.domain.procedures.signal_words import check_hazard
from mcp_server.domain.quality.control_plan import Finding
from mcp_server.domain.records import DocumentState, Machine, SignalWord, Sop, SopStep, Spec, SpecialClass

__all__ = [
    "Times",
    "check_hazards",
    "check_lockout",
    "compare_times",
    "missing_sections",
    "operation_of",
    "required_sections",
    "review_is_overdue",
    "time_warnings",
    "unchecked",
]

REVIEW_MONTHS = 24
"""How long a procedure may be in force before someone must look at it again; our default, no standard sets it."""
CYCLE_TOLERANCE_PCT = 10.0
"""How far the steps may be from the cycle of the station (facts of the trade 3.5)."""

_WORK = (
    "purpose",
    "scope",
    "workstation",
    "machine_ids",
    "material_id",
    "tools",
    "ppe",
    "hazards",
    "loto",
    "training",
    "steps",
    "quality_checks",
    "reaction_plan",
    "records",
    "references",
)
_LOCKOUT = ("purpose", "scope", "machine_ids", "training", "tools", "steps")
_LOCKOUT_STEPS = {
    "steps: shut down": r"\bshut|\bstop|(?:power|switch|turn)\w*\s(?:\w+\s){0,4}off",
    "steps: isolate": r"isolat|disconnect|unplug|(?:open|close)\w*\s(?:\w+\s){0,4}(?:breaker|switch|valve)",
    "steps: lock or tag": r"\block|\btag|padlock",
    "steps: stored energy": r"stored|residual|bleed|discharg|drain|\bvent|depressuri|\bblock|release",
    "steps: verify": r"verif|\btest|\btry",
    "steps: remove locks": r"remov|restor|return\w*\s(?:\w+\s){0,2}to service|re-?energi",
}
"""Steps of 1910.147(c)(4)(ii)(B)-(D) and (d), by the words they cannot do without."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds a piece: the steps together, the station's cycle, and takt if it is known.

    `difference_pct` is steps over cycle; None when the station has no cycle on record.
    """

    steps_s: float
    cycle_s: float
    difference_pct: float | None
    takt_s: float | None


def required_sections(sop: Sop) -> list[str]:
    """The names of the sections a procedure of this kind must have, in the order of the form."""
    return [*_LOCKOUT, *_LOCKOUT_STEPS] if is_lockout(sop) else list(_WORK)


def missing_sections(sop: Sop) -> list[str]:
    """The required sections that are missing or empty, in the order of the form; empty when it can be approved.

    Of a lockout procedure, those of OSHA 1910.147(c)(4)(ii) that a record can hold: intended use (purpose), scope,
    machines, authorized employees (training), devices (tools), and steps to shut down, isolate, lock, release stored
    energy, verify, and remove. Rules and means of enforcement are the site's energy control program, not the record.
    A quality check is a specification or, where a station has none, a key point.
    """
    return [section for section in required_sections(sop) if not _present(sop, section)]


def operation_of(workstation_id: str) -> str:
    """The operation code of a station: `ALPHA-OP70` does OP70."""
    return workstation_id.rpartition("-")[2]


def unchecked(specs: Iterable[Spec], steps: Iterable[SopStep], wanted: SpecialClass) -> list[Spec]:
    """The characteristics of a special class that no step checks."""
    checked = {step.check_spec_id for step in steps}
    return [spec for spec in specs if spec.special_class is wanted and spec.id not in checked]


def check_hazards(sop: Sop) -> list[Finding]:
    """Every signal word fits, and whoever can be hurt is protected or it is said why not (29 CFR 1910.132(d))."""
    found = [
        Finding(f"hazards[{position}].{finding.field}", finding.message, finding.suggestion, stops=finding.stops)
        for position, hazard in enumerate(sop.hazards)
        for finding in check_hazard(hazard)
    ]
    injuring = [hazard.hazard for hazard in sop.hazards if hazard.signal_word is not SignalWord.NOTICE]
    if injuring and not sop.ppe and not sop.ppe_not_required_reason:
        message = f"no protective equipment against {injuring[0]!r}"
        found.append(Finding("ppe", message, "Name the equipment, or give ppe_not_required_reason."))
    return found


def check_lockout(sop: Sop, machines: Sequence[Machine], procedures: Sequence[Sop], today: date) -> list[Finding]:
    """Every machine with hazardous energy is covered by the procedure named, or it is said why none is needed.

    `machines` are those of the procedure, `procedures` all that may cover them. Nothing is made up: without a
    released and inspected procedure only a person can say why the work needs no isolation (1910.147(a)(2)).
    """
    energized = [machine for machine in machines if is_hazardous(machine)]
    named = [procedure for procedure in procedures if procedure.id == sop.loto_sop_id]
    covered = [machine for machine in energized if lockout_for(machine.id, named) is not None]
    if sop.loto_sop_id is not None and all(lockout_for(machine.id, named) is None for machine in machines):
        return [_covers_nothing(sop.loto_sop_id, named, machines)]
    found = [
        Finding("loto_sop_id", problem.rstrip("."), "Have it inspected first, or name another procedure.")
        for machine in covered
        if (problem := lockout_problem(machine, named, today)) is not None
    ]
    return [*found, *_uncovered(sop, [m for m in energized if m not in covered], procedures)]


def compare_times(steps: Iterable[SopStep], cycle_s: float, takt_s: float | None) -> Times:
    total = sum(step.time_s for step in steps)
    return Times(
        steps_s=round(total, 1),
        cycle_s=cycle_s,
        difference_pct=round(100 * (total - cycle_s) / cycle_s, 1) if cycle_s else None,
        takt_s=None if takt_s is None else round(takt_s, 2),
    )


def time_warnings(times: Times) -> list[str]:
    """What does not fit; the cycle of a station is measured, so it is the steps that must be looked at."""
    found: list[str] = []
    difference = times.steps_s - times.cycle_s
    if times.difference_pct is not None and abs(times.difference_pct) > CYCLE_TOLERANCE_PCT:
        found.append(
            f"The steps take {times.steps_s:g} s, the station's cycle is {times.cycle_s:g} s: "
            f"{abs(difference):.1f} s {'more' if difference > 0 else 'less'} ({times.difference_pct:+g} %)."
        )
    if times.takt_s is None:
        found.append("Takt is not known, so the steps were not compared with it; see get_takt_time.")
    elif times.steps_s > times.takt_s:
        found.append(f"The steps take {times.steps_s:g} s, {times.steps_s - times.takt_s:.1f} s over takt.")
    return found


def review_is_overdue(sop: Sop, today: date) -> bool:
    return sop.effective_on is not None and sop.effective_on < months_before(today, REVIEW_MONTHS)


def _present(sop: Sop, section: str) -> bool:
    match section:
        case "ppe":
            return bool(sop.ppe or sop.ppe_not_required_reason)
        case "loto":
            return bool(sop.loto_sop_id or sop.loto_not_required_reason)
        case "quality_checks":
            return any(step.check_spec_id or step.key_point for step in sop.steps)
        case words if words in _LOCKOUT_STEPS:
            return any(re.search(_LOCKOUT_STEPS[words], step.text, re.IGNORECASE) for step in sop.steps)
        case _:
            return bool(getattr(sop, section))


def _covers_nothing(wanted: str, named: Sequence[Sop], machines: Sequence[Machine]) -> Finding:
    if named and all(procedure.state is not DocumentState.RELEASED for procedure in named):
        message = f"{wanted} is not released, it is {named[-1].state}"
    else:
        message = f"{wanted} covers none of {', '.join(machine.id for machine in machines) or 'the machines'}"
    return Finding("loto_sop_id", message, "Name a released lockout procedure that covers the machine.")


def _uncovered(sop: Sop, machines: Sequence[Machine], procedures: Sequence[Sop]) -> list[Finding]:
    if not machines:
        return []
    shown = ", ".join(f"{machine.id} ({', '.join(machine.energy_sources)})" for machine in machines)
    known = sorted({p.id for machine in machines if (p := lockout_for(machine.id, procedures)) is not None})
    if sop.loto_not_required_reason:
        message = f"a lockout procedure covers a machine of this one and is not named: {', '.join(known)}"
        return [Finding("loto_sop_id", message, f"Name {known[0]}.", stops=False)] if known else []
    if sop.loto_sop_id is not None:
        told = f"{sop.loto_sop_id} does not cover {shown}"
        by = f" (by {', '.join(known)})" if known else ""
        remedy = f"Say in loto_not_required_reason how it is isolated{by}, or leave it out of machine_ids."
        return [Finding("loto_not_required_reason", told, remedy)]
    remedy = f"Name {' or '.join(known)} in loto_sop_id" if known else "Have a lockout procedure released"
    return [
        Finding(
            "loto_sop_id",
            f"hazardous energy without a lockout procedure: {shown}",
            f"{remedy}, or say in loto_not_required_reason why the work needs no isolation.",
        )
    ]
