"""The records that a check of a backend may write: harmless, and marked as what they are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from mcp_server.domain.issues.reporting import due_times
from mcp_server.domain.records import (
    Issue,
    IssueCategory,
    IssueState,
    Machine,
    MachineStatus,
    Material,
    Record,
    Severity,
)

__all__ = ["TRIALS", "TRIED", "TRIED_BY", "Trial", "trial_issue"]

TRIED = "SHOPFLOOR-CHECK"
"""Id and project of the record that is tried."""
TRIED_BY = "shopfloor-mcp backend check"
"""The principal of the write."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One kind of record to try: how it is made, and the text in it that tells when.

    `chosen_there` are fields for which a system may have lists of its own, so that only a value of a record that is
    there already is sure to be taken.
    """

    kind: type[Record]
    make: Callable[[datetime], Record]
    text: str
    chosen_there: Sequence[str] = ()

    def made(self, now: datetime, like: Record | None) -> Record:
        record = self.make(now)
        chosen = {} if like is None else {name: getattr(like, name) for name in self.chosen_there}
        return record.model_copy(update=chosen)


def trial_issue(now: datetime) -> Issue:
    return Issue(
        id=TRIED,
        project=TRIED,
        title=_title(now),
        description="Made by `shopfloor-mcp backend check`.",
        category=IssueCategory.DOCUMENT,
        severity=Severity.MINOR,
        state=IssueState.OPEN,
        qty_affected=0,
        detected_at=now,
        detected_by=TRIED_BY,
        opened_at=now,
        **due_times(Severity.MINOR, now),
    )


def _material(now: datetime) -> Material:
    return Material(
        id=TRIED,
        project=TRIED,
        name=_title(now),
        type="component",
        standard="-",
        revision="-",
        uom="ea",
        lot_tracked=False,
        supplier="-",
        status="released",
    )


def _machine(now: datetime) -> Machine:
    return Machine(
        id=TRIED,
        project=TRIED,
        workstation="",
        name=_title(now),
        type="unknown",
        make="-",
        model="-",
        serial=TRIED,
        commissioned_on=now.date(),
        status=MachineStatus.IDLE,
        criticality="C",
        energy_sources=(),
        meter="run_h",
    )


def _title(now: datetime) -> str:
    return f"{TRIED} {now:%Y-%m-%d %H:%M}, may be deleted"


TRIALS = (
    Trial(Material, _material, "name", chosen_there=("type", "uom", "status")),
    Trial(Machine, _machine, "name", chosen_there=("type", "status", "workstation", "energy_sources", "meter")),
    Trial(Issue, trial_issue, "title"),
)
"""The least harmful first: master data that nothing refers to."""
