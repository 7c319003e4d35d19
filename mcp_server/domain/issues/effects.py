"""What a step makes of an issue; `flow` says whether it may be taken."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from mcp_server.domain.issues.gates import gate
from mcp_server.domain.issues.reporting import due_times, first_done, started_at
from mcp_server.domain.issues.sections import Change, Section
from mcp_server.domain.records import (
    Action,
    Cancellation,
    Comment,
    Containment,
    Disposition,
    EffectCheck,
    Escalation,
    Issue,
    IssueState,
    RootCause,
    Round,
    Triage,
)

__all__ = ["changed", "closed"]

Effect = Callable[[Issue, Change], dict[str, Any]]

_EARLY = frozenset({IssueState.OPEN, IssueState.TRIAGED, IssueState.REOPENED})
_BEFORE_CAUSE = _EARLY | {IssueState.CONTAINED}


def changed(issue: Issue, change: Change) -> Issue:
    """The issue after a step that nothing stands against."""
    return issue.model_copy(update={**_EFFECTS[change.section](issue, change), "revision": issue.revision + 1})


def closed(issue: Issue, *, by: str, at: datetime, summary: str, lessons: str | None) -> Issue:
    """The issue after its close, which nothing stands against."""
    return issue.model_copy(
        update={
            "state": IssueState.CLOSED,
            "closed_at": at,
            "closed_by": by,
            "closure_summary": summary,
            "lessons": lessons,
            "revision": issue.revision + 1,
        }
    )


def _triaged(issue: Issue, change: Change) -> dict[str, Any]:
    """A changed severity moves the clock, counted from where it started."""
    severity = change.severity or issue.severity
    return {
        "state": IssueState.TRIAGED if issue.state is IssueState.OPEN else issue.state,
        "severity": severity,
        "qty_affected": issue.qty_affected if change.qty is None else change.qty,
        "triage": Triage(
            by=change.by, at=change.at, first_at=first_done(issue.triage), owner=str(change.owner), note=change.text
        ),
        **(due_times(severity, issue.opened_at, started_at(issue)) if severity is not issue.severity else {}),
    }


def _contained(issue: Issue, change: Change) -> dict[str, Any]:
    what = Containment(what=str(change.text), by=change.by, at=change.at, first_at=first_done(issue.containment))
    return {"state": IssueState.CONTAINED if issue.state in _EARLY else issue.state, "containment": what}


def _explained(issue: Issue, change: Change) -> dict[str, Any]:
    cause = RootCause(
        whys=change.whys or (),
        escape_point=change.text,
        by=change.by,
        at=change.at,
        first_at=first_done(issue.root_cause),
    )
    return {
        "state": IssueState.INVESTIGATING if issue.state in _BEFORE_CAUSE else issue.state,
        "root_cause": cause,
    }


def _planned(issue: Issue, change: Change) -> dict[str, Any]:
    number = 1 + len(issue.actions) + sum(len(former.actions) for former in issue.rounds)
    action = Action.model_validate(
        {
            "id": f"A{number}",
            "kind": change.kind or "corrective",
            "what": change.text,
            "owner": change.owner,
            "due_on": change.due_on,
            "planned_by": change.by,
            "planned_at": change.at,
        }
    )
    return {"state": IssueState.ACTION_PLANNED, "actions": (*issue.actions, action)}


def _done(issue: Issue, change: Change) -> dict[str, Any]:
    done = {"done_at": change.at, "done_by": change.by, "evidence": change.evidence}
    actions = tuple(
        action.model_copy(update=done) if action.id == change.action_id else action for action in issue.actions
    )
    after = issue.model_copy(update={"actions": actions})
    finished = gate(after, "action").how is None and gate(after, "action_done").how is None
    return {"state": IssueState.ACTION_IMPLEMENTED if finished else issue.state, "actions": actions}


def _effect_checked(issue: Issue, change: Change) -> dict[str, Any]:
    check = EffectCheck.model_validate(
        {
            "action_ids": tuple(action.id for action in issue.actions),
            "method": change.text,
            "evidence": change.evidence,
            "verifier": change.by,
            "result": change.result,
            "at": change.at,
        }
    )
    return {
        "state": IssueState.VERIFYING if check.result == "effective" else IssueState.INVESTIGATING,
        "effect_checks": (*issue.effect_checks, check),
    }


def _disposed(issue: Issue, change: Change) -> dict[str, Any]:
    part = Disposition.model_validate(
        {
            "qty": change.qty,
            "kind": change.disposition,
            "concession_id": change.concession_id,
            "reinspection": change.evidence,
            "by": change.by,
            "at": change.at,
        }
    )
    return {"dispositions": (*issue.dispositions, part)}


def _escalated(issue: Issue, change: Change) -> dict[str, Any]:
    told = Escalation(to=str(change.to), reason=str(change.text), by=change.by, at=change.at)
    return {"escalations": (*issue.escalations, told)}


def _commented(issue: Issue, change: Change) -> dict[str, Any]:
    return {"comments": (*issue.comments, Comment(text=str(change.text), by=change.by, at=change.at))}


def _reopened(issue: Issue, change: Change) -> dict[str, Any]:
    kept = ("containment", "root_cause", "actions", "effect_checks", "closed_at", "closed_by")
    former = {name: getattr(issue, name) for name in (*kept, "closure_summary", "lessons")}
    ended = Round.model_validate({**former, "reopened_at": change.at, "reopened_by": change.by, "reason": change.text})
    return {
        **{name: Issue.model_fields[name].default for name in former},
        **due_times(issue.severity, issue.opened_at, change.at),
        "state": IssueState.REOPENED,
        "rounds": (*issue.rounds, ended),
    }


def _cancelled(_issue: Issue, change: Change) -> dict[str, Any]:
    return {
        "state": IssueState.CANCELLED,
        "cancellation": Cancellation(reason=str(change.text), by=change.by, at=change.at),
    }


_EFFECTS: dict[Section, Effect] = {
    Section.TRIAGE: _triaged,
    Section.CONTAINMENT: _contained,
    Section.ROOT_CAUSE: _explained,
    Section.ACTION: _planned,
    Section.ACTION_DONE: _done,
    Section.EFFECT_CHECK: _effect_checked,
    Section.DISPOSITION: _disposed,
    Section.ESCALATE: _escalated,
    Section.COMMENT: _commented,
    Section.REOPEN: _reopened,
    Section.CANCEL: _cancelled,
}
