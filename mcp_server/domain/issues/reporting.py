"""Rules of a reported problem: severity that cannot be talked down, the service-level clock, likely duplicates.

The states a problem passes and the gates between them stand in `flow`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import SequenceMatcher
from typing import Literal, TypedDict

from mcp_server.domain.records import (
    Containment,
    Issue,
    IssueCategory,
    IssueState,
    RootCause,
    Severity,
    Spec,
    SpecialClass,
    Triage,
)

__all__ = [
    "CLOCKS",
    "DUPLICATE_WINDOW",
    "OPEN_STATES",
    "Clock",
    "ClockStep",
    "DueTimes",
    "Level",
    "References",
    "assess_severity",
    "clock_of",
    "due_times",
    "escalation_of",
    "first_done",
    "forced_severity",
    "likely_duplicate",
    "needs_containment",
    "new_issue",
    "similar",
    "started_at",
]

OPEN_STATES = frozenset(set(IssueState) - {IssueState.CLOSED, IssueState.CANCELLED})
DUPLICATE_WINDOW = timedelta(days=7)
_SIMILAR_TITLE = 0.6
_SAME_TITLE = 0.9
_AT_RISK_PCT = 80

Level = Literal["supervisor", "quality_manager", "plant_manager"]
"""Whom an issue is escalated to, the lowest first."""

Step = Literal["acknowledge", "contain", "root_cause", "close"]


@dataclass(frozen=True, slots=True)
class Clock:
    """Time allowed after a problem is opened. Our configuration, not a standard."""

    acknowledge: timedelta
    contain: timedelta
    root_cause: timedelta
    close: timedelta


CLOCKS = {
    Severity.CRITICAL: Clock(timedelta(hours=1), timedelta(hours=4), timedelta(days=5), timedelta(days=30)),
    Severity.MAJOR: Clock(timedelta(hours=4), timedelta(hours=24), timedelta(days=10), timedelta(days=45)),
    Severity.MINOR: Clock(timedelta(hours=24), timedelta(hours=72), timedelta(days=20), timedelta(days=60)),
}


class DueTimes(TypedDict):
    acknowledge_due_at: datetime
    contain_due_at: datetime
    root_cause_due_at: datetime
    close_due_at: datetime


_LEVELS: tuple[Level, ...] = ("supervisor", "quality_manager", "plant_manager")
_ESCALATE: dict[Step, tuple[Level, Level]] = {
    "acknowledge": ("supervisor", "quality_manager"),
    "contain": ("supervisor", "quality_manager"),
    "root_cause": ("quality_manager", "plant_manager"),
    "close": ("quality_manager", "plant_manager"),
}
"""Who must know when a step has used 80 % of its time, and when it has used all. Our configuration, not a standard."""


@dataclass(frozen=True, slots=True)
class References:
    """What a problem is about; every id is of a record that exists."""

    machine_id: str | None = None
    workstation: str | None = None
    material_id: str | None = None
    spec_id: str | None = None
    lot_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClockStep:
    """One step of the service-level clock. A step done too late stays `overdue`, with its `done_at`."""

    step: Step
    due_at: datetime
    done_at: datetime | None
    used_pct: int
    state: Literal["ok", "at_risk", "overdue"]


def new_issue(
    *,
    issue_id: str,
    project: str,
    title: str,
    description: str,
    category: IssueCategory,
    severity: Severity,
    references: References,
    qty_affected: int,
    detected_at: datetime,
    detected_by: str,
    now: datetime,
    immediate_containment: str | None = None,
) -> Issue:
    """An open issue with its clock running; `severity` is what `assess_severity` answered. Times are UTC."""
    return Issue(
        id=issue_id,
        project=project,
        title=title,
        description=description,
        category=category,
        severity=severity,
        state=IssueState.OPEN,
        machine_id=references.machine_id,
        workstation=references.workstation,
        material_id=references.material_id,
        spec_id=references.spec_id,
        lot_ids=references.lot_ids,
        qty_affected=qty_affected,
        detected_at=detected_at,
        detected_by=detected_by,
        immediate_containment=immediate_containment,
        opened_at=now,
        **due_times(severity, now),
    )


def due_times(severity: Severity, opened_at: datetime, started: datetime | None = None) -> DueTimes:
    """The four `_due_at` fields. Reopening at `started` begins the clock again for all but the acknowledgement."""
    clock, again = CLOCKS[severity], started or opened_at
    return {
        "acknowledge_due_at": opened_at + clock.acknowledge,
        "contain_due_at": again + clock.contain,
        "root_cause_due_at": again + clock.root_cause,
        "close_due_at": again + clock.close,
    }


def forced_severity(category: IssueCategory, spec: Spec | None) -> str | None:
    """Why the issue is critical whatever anybody says, or None: safety, and characteristics of class CC."""
    if category is IssueCategory.SAFETY:
        return "safety issues are always critical"
    if spec is not None and spec.special_class is SpecialClass.CC:
        return f"{spec.id} ({spec.characteristic}) is a CC characteristic, so the issue is critical"
    return None


def assess_severity(
    asked: Severity | None, category: IssueCategory, spec: Spec | None, qty_affected: int
) -> tuple[Severity, str | None]:
    """The severity to store, and the reason when it is not the one asked for.

    Without a wish it is major when pieces are affected and minor otherwise; see `forced_severity` for the rest.
    """
    reason = forced_severity(category, spec)
    if reason is not None:
        return Severity.CRITICAL, None if asked is Severity.CRITICAL else reason
    return asked or (Severity.MAJOR if qty_affected > 0 else Severity.MINOR), None


def needs_containment(issue: Issue) -> bool:
    """Whether something must be held before the cause is looked for (8D, D3 before D4)."""
    return issue.severity is not Severity.MINOR or issue.qty_affected > 0


def first_done(part: Triage | Containment | RootCause | None) -> datetime | None:
    """When a step was first done, however often it was recorded again."""
    return None if part is None else part.first_at or part.at


def started_at(issue: Issue) -> datetime:
    """When the clock started: when the issue was opened, or last reopened."""
    return issue.rounds[-1].reopened_at if issue.rounds else issue.opened_at


def clock_of(issue: Issue, now: datetime) -> tuple[ClockStep, ...]:
    """The service-level clock of an issue, step by step; what is not done any more, or need not be, is left out."""
    opened, again = issue.opened_at, started_at(issue)
    acknowledged = issue.state is not IssueState.OPEN
    steps: tuple[tuple[Step, datetime, datetime, datetime | None, bool], ...] = (
        ("acknowledge", opened, issue.acknowledge_due_at, first_done(issue.triage), not acknowledged),
        ("contain", again, issue.contain_due_at, first_done(issue.containment), needs_containment(issue)),
        ("root_cause", again, issue.root_cause_due_at, first_done(issue.root_cause), True),
        ("close", again, issue.close_due_at, issue.closed_at, True),
    )
    under_way = issue.state in OPEN_STATES
    return tuple(
        _clock_step(step, start, due, done, now)
        for step, start, due, done, needed in steps
        if done is not None or (needed and under_way)
    )


def escalation_of(issue: Issue, now: datetime) -> Level | None:
    """Who must be told now and has not been since the issue was last reopened; the highest of all open steps."""
    told = {escalation.to for escalation in issue.escalations if escalation.at >= started_at(issue)}
    known_up_to = max((rank for rank, level in enumerate(_LEVELS) if level in told), default=-1)
    wanted = [
        _LEVELS.index(_ESCALATE[step.step][step.state == "overdue"])
        for step in clock_of(issue, now)
        if step.done_at is None and step.state != "ok"
    ]
    highest = max(wanted, default=-1)
    return _LEVELS[highest] if highest > known_up_to else None


def similar(issue: Issue, others: Iterable[Issue]) -> list[Issue]:
    """Open issues about the same machine, specification or place with a like title, the likest first."""
    scored = [(_title_ratio(issue, other), other) for other in others if _related(issue, other)]
    scored = [entry for entry in scored if entry[0] >= _SIMILAR_TITLE and entry[1].state in OPEN_STATES]
    return [other for _, other in sorted(scored, key=lambda entry: (-entry[0], entry[1].id))]


def likely_duplicate(issue: Issue, others: Iterable[Issue], now: datetime) -> Issue | None:
    """The open issue that already reports this: all of the same subject, same title, opened within the window."""
    for other in similar(issue, others):
        if (
            _subject(issue) == _subject(other)
            and now - other.opened_at <= DUPLICATE_WINDOW
            and _title_ratio(issue, other) >= _SAME_TITLE
        ):
            return other
    return None


def _clock_step(step: Step, start: datetime, due: datetime, done: datetime | None, now: datetime) -> ClockStep:
    until, allowed = done or now, max(due - start, timedelta(seconds=1))
    used_pct = max(0, (until - start) * 100 // allowed)
    at_risk = done is None and used_pct >= _AT_RISK_PCT
    return ClockStep(step, due, done, used_pct, "overdue" if until > due else "at_risk" if at_risk else "ok")


def _subject(issue: Issue) -> tuple[str | None, ...]:
    """Machine and specification; where neither is known, workstation and material must tell two reports apart."""
    if issue.machine_id is None and issue.spec_id is None:
        return (None, None, issue.workstation, issue.material_id)
    return (issue.machine_id, issue.spec_id)


def _related(issue: Issue, other: Issue) -> bool:
    return _subject(issue) == _subject(other) or any(
        getattr(issue, name) is not None and getattr(issue, name) == getattr(other, name)
        for name in ("machine_id", "spec_id", "workstation")
    )


def _title_ratio(issue: Issue, other: Issue) -> float:
    return SequenceMatcher(None, issue.title.casefold(), other.title.casefold()).ratio()
