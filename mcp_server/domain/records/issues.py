"""Reported problems, from the report through containment, cause, action and verification to the close (8D)."""

from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar, Literal

from mcp_server.domain.records.base import ChangedRecord, Part

__all__ = [
    "Action",
    "Cancellation",
    "Comment",
    "Containment",
    "Disposition",
    "DispositionKind",
    "EffectCheck",
    "Escalation",
    "Issue",
    "IssueCategory",
    "IssueState",
    "RootCause",
    "Round",
    "Severity",
    "Triage",
]


class IssueCategory(StrEnum):
    QUALITY = "quality"
    EQUIPMENT = "equipment"
    PROCESS = "process"
    SAFETY = "safety"
    SUPPLIER = "supplier"
    CUSTOMER = "customer"
    DOCUMENT = "document"
    MEASUREMENT = "measurement"


class Severity(StrEnum):
    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"


class IssueState(StrEnum):
    OPEN = "open"
    TRIAGED = "triaged"
    CONTAINED = "contained"
    INVESTIGATING = "investigating"
    ACTION_PLANNED = "action_planned"
    ACTION_IMPLEMENTED = "action_implemented"
    VERIFYING = "verifying"
    CLOSED = "closed"
    CANCELLED = "cancelled"
    REOPENED = "reopened"


class DispositionKind(StrEnum):
    USE_AS_IS = "use_as_is"
    REWORK = "rework"
    REPAIR = "repair"
    SORT = "sort"
    SCRAP = "scrap"
    RETURN_TO_SUPPLIER = "return_to_supplier"


class Triage(Part):
    """Who took the issue on, and for whom. `first_at` is when that was first done, if this replaces an earlier one."""

    by: str
    at: datetime
    first_at: datetime | None = None
    owner: str
    note: str | None = None


class Containment(Part):
    """What keeps the problem from spreading; `first_at` as in `Triage`."""

    what: str
    by: str
    at: datetime
    first_at: datetime | None = None


class RootCause(Part):
    """`whys` from the symptom down to the cause; `escape_point` is where it could have been caught (8D, D4).

    `first_at` as in `Triage`.
    """

    whys: tuple[str, ...]
    escape_point: str | None = None
    by: str
    at: datetime
    first_at: datetime | None = None


class Action(Part):
    """`id` counts within the issue: A1, A2 …; people are ids of persons."""

    id: str
    kind: Literal["corrective", "preventive"]
    what: str
    owner: str
    due_on: date
    planned_by: str | None = None
    planned_at: datetime | None = None
    done_at: datetime | None = None
    done_by: str | None = None
    evidence: str | None = None


class EffectCheck(Part):
    """The check that the actions named work, by somebody who did not carry them out."""

    action_ids: tuple[str, ...]
    method: str
    evidence: str
    verifier: str
    result: Literal["effective", "not_effective"]
    at: datetime


class Disposition(Part):
    """What happens to `qty` pieces. Rework and repair need `reinspection`; use as is and repair a concession."""

    qty: int
    kind: DispositionKind
    concession_id: str | None = None
    reinspection: str | None = None
    by: str
    at: datetime


class Escalation(Part):
    to: str
    reason: str
    by: str | None = None
    at: datetime


class Comment(Part):
    text: str
    by: str
    at: datetime


class Cancellation(Part):
    """Why a report turned out to be none."""

    reason: str
    by: str
    at: datetime


class Round(Part):
    """One run through the steps whose close did not hold: what was done then, and why the issue was reopened."""

    reopened_at: datetime
    reopened_by: str
    reason: str
    containment: Containment | None = None
    root_cause: RootCause | None = None
    actions: tuple[Action, ...] = ()
    effect_checks: tuple[EffectCheck, ...] = ()
    closed_at: datetime | None = None
    closed_by: str | None = None
    closure_summary: str | None = None
    lessons: str | None = None


class Issue(ChangedRecord):
    """A reported problem. Times are UTC; the `_due_at` fields are the service-level clock.

    `containment`, `root_cause`, `actions` and `effect_checks` are those since the issue was last reopened; `rounds`
    keeps the earlier ones. The latest of `effect_checks` counts. People are ids of persons, but for `detected_by`.
    """

    noun: ClassVar[str] = "issue"

    project: str
    title: str
    description: str
    category: IssueCategory
    severity: Severity
    state: IssueState
    machine_id: str | None = None
    workstation: str | None = None
    material_id: str | None = None
    spec_id: str | None = None
    lot_ids: tuple[str, ...] = ()
    qty_affected: int
    detected_at: datetime
    detected_by: str
    immediate_containment: str | None = None
    opened_at: datetime
    acknowledge_due_at: datetime
    contain_due_at: datetime
    root_cause_due_at: datetime
    close_due_at: datetime
    triage: Triage | None = None
    containment: Containment | None = None
    root_cause: RootCause | None = None
    actions: tuple[Action, ...] = ()
    effect_checks: tuple[EffectCheck, ...] = ()
    dispositions: tuple[Disposition, ...] = ()
    escalations: tuple[Escalation, ...] = ()
    comments: tuple[Comment, ...] = ()
    rounds: tuple[Round, ...] = ()
    cancellation: Cancellation | None = None
    closed_at: datetime | None = None
    closed_by: str | None = None
    closure_summary: str | None = None
    lessons: str | None = None
