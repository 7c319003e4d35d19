"""Rules of a reported problem: severity that cannot be talked down, the service-level clock, likely duplicates."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import SequenceMatcher

from mcp_server.domain.records import Issue, IssueCategory, IssueState, Severity, Spec, SpecialClass

__all__ = ["CLOCKS", "DUPLICATE_WINDOW", "OPEN_STATES", "Clock", "assess_severity", "likely_duplicate", "similar"]

OPEN_STATES = frozenset(set(IssueState) - {IssueState.CLOSED, IssueState.CANCELLED})
DUPLICATE_WINDOW = timedelta(days=7)
_SIMILAR_TITLE = 0.6
_SAME_TITLE = 0.9


@dataclass(frozen=True, slots=True)
class Clock:
    """Time allowed after a problem is opened. Our configuration, not a standard."""

    acknowledge: timedelta
    contain: timedelta
    close: timedelta


CLOCKS = {
    Severity.CRITICAL: Clock(timedelta(hours=1), timedelta(hours=4), timedelta(days=30)),
    Severity.MAJOR: Clock(timedelta(hours=4), timedelta(hours=24), timedelta(days=45)),
    Severity.MINOR: Clock(timedelta(hours=24), timedelta(hours=72), timedelta(days=60)),
}


def assess_severity(
    asked: Severity | None, category: IssueCategory, spec: Spec | None, qty_affected: int
) -> tuple[Severity, str | None]:
    """The severity to store, and the reason when it is not the one asked for.

    Safety and characteristics of class CC are critical, whatever was asked. Without a wish it is major when pieces are
    affected and minor otherwise.
    """
    reason = None
    if category is IssueCategory.SAFETY:
        reason = "safety issues are always critical"
    elif spec is not None and spec.special_class is SpecialClass.CC:
        reason = f"{spec.id} ({spec.characteristic}) is a CC characteristic, so the issue is critical"
    if reason is not None:
        return Severity.CRITICAL, None if asked is Severity.CRITICAL else reason
    return asked or (Severity.MAJOR if qty_affected > 0 else Severity.MINOR), None


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
