"""Lockout of hazardous energy (OSHA 29 CFR 1910.147): which procedure covers a machine, and whether it may be used."""

from calendar import monthrange
from collections.abc import Iterable
from datetime import date

from mcp_server.domain.records import DocumentState, Machine, Sop

__all__ = [
    "INSPECTION_MONTHS",
    "inspection_is_overdue",
    "is_hazardous",
    "is_lockout",
    "lockout_for",
    "lockout_problem",
    "months_before",
]

INSPECTION_MONTHS = 12
"""Periodic inspection of every energy control procedure at least annually: 1910.147(c)(6)(i)."""


def is_hazardous(machine: Machine) -> bool:
    """Whether energy sources are on record that can hurt someone who works inside the machine."""
    return bool(machine.energy_sources)


def is_lockout(sop: Sop) -> bool:
    return sop.kind == "loto"


def inspection_is_overdue(sop: Sop, today: date) -> bool:
    """Whether a lockout procedure has no periodic inspection of the last twelve months on record."""
    return is_lockout(sop) and (sop.inspected_on or date.min) < months_before(today, INSPECTION_MONTHS)


def lockout_for(machine_id: str, sops: Iterable[Sop]) -> Sop | None:
    """The released lockout procedure that covers the machine; of several the one inspected last."""
    covering = [sop for sop in _released(sops) if machine_id in sop.machine_ids]
    return max(covering, key=lambda sop: (sop.inspected_on or date.min, sop.id), default=None)


def lockout_problem(machine: Machine, sops: Iterable[Sop], today: date) -> str | None:
    """Why work that needs isolation may not start on this machine, as a sentence, or None when it may.

    It needs a released procedure that covers the machine (1910.147(c)(4)(i)), inspected within the last twelve
    months (c)(6)(i). A machine without energy sources on record needs none.
    """
    if not is_hazardous(machine):
        return None
    procedure = lockout_for(machine.id, sops)
    if procedure is None:
        energies = ", ".join(machine.energy_sources)
        return f"No released lockout procedure covers {machine.id} ({energies})."
    if procedure.inspected_on is None:
        return f"{procedure.id}, the lockout procedure of {machine.id}, has no periodic inspection on record."
    if inspection_is_overdue(procedure, today):
        return (
            f"{procedure.id}, the lockout procedure of {machine.id}, was last inspected on "
            f"{procedure.inspected_on.isoformat()}, more than {INSPECTION_MONTHS} months ago."
        )
    return None


def months_before(day: date, months: int) -> date:
    """The same day so many months earlier, or the last day of that month."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _released(sops: Iterable[Sop]) -> list[Sop]:
    return [sop for sop in sops if is_lockout(sop) and sop.state is DocumentState.RELEASED]
