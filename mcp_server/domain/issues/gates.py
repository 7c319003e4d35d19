"""What must be on record before an issue is closed (8D; ISO 9001:2015 8.7 and 10.2).

Gates are read from what is on record, never from the state, so that no order of calls gets around them.
"""

from dataclasses import dataclass
from typing import Literal

from mcp_server.domain.issues.reporting import needs_containment
from mcp_server.domain.records import Action, Disposition, DispositionKind, Issue, IssueState, Severity

__all__ = ["WHYS", "Gate", "disposition_lack", "gate", "gates", "missing_gates", "undisposed", "unproven"]

GateName = Literal["triage", "containment", "root_cause", "action", "action_done", "effect_check", "disposition"]

WHYS = {Severity.CRITICAL: 3, Severity.MAJOR: 3, Severity.MINOR: 1}
"""The fewest whys from symptom to cause."""

_REINSPECTED = frozenset({DispositionKind.REWORK, DispositionKind.REPAIR})
_CONCEDED = frozenset({DispositionKind.USE_AS_IS, DispositionKind.REPAIR})


@dataclass(frozen=True, slots=True)
class Gate:
    """One thing that must be on record. `how` says what fulfils it; None when it is met."""

    name: GateName
    how: str | None


def gates(issue: Issue) -> tuple[Gate, ...]:
    """Every gate of the close, in the order of the steps."""
    return (
        Gate("triage", _triage(issue)),
        Gate("containment", _containment(issue)),
        Gate("root_cause", _root_cause(issue)),
        Gate("action", _action(issue)),
        Gate("action_done", _action_done(issue)),
        Gate("effect_check", _effect_check(issue)),
        Gate("disposition", _disposition(issue)),
    )


def gate(issue: Issue, name: GateName) -> Gate:
    return next(found for found in gates(issue) if found.name == name)


def missing_gates(issue: Issue) -> list[Gate]:
    return [found for found in gates(issue) if found.how is not None]


def undisposed(issue: Issue) -> int:
    """Affected pieces without a disposition."""
    return issue.qty_affected - sum(part.qty for part in issue.dispositions)


def unproven(issue: Issue) -> list[Action]:
    """The actions that no check has shown to be without effect."""
    failed = {name for check in issue.effect_checks if check.result == "not_effective" for name in check.action_ids}
    return [action for action in issue.actions if action.id not in failed]


def disposition_lack(kind: DispositionKind, concession_id: str | None, reinspection: str | None) -> str | None:
    """The field that this kind of disposition needs and has not.

    Conformity is verified again after correction (ISO 9001 8.7.1); pieces that do not conform are accepted only under
    a concession (ISO 9001 8.7.1 d, IATF 16949 8.7.1.1).
    """
    if kind in _CONCEDED and concession_id is None:
        return "concession_id"
    return "reinspection" if kind in _REINSPECTED and reinspection is None else None


def _triage(issue: Issue) -> str | None:
    return "Section triage: name the owner." if issue.state is IssueState.OPEN else None


def _containment(issue: Issue) -> str | None:
    if issue.containment is not None or not needs_containment(issue):
        return None
    at_once = f" At once was done: {issue.immediate_containment}" if issue.immediate_containment else ""
    return f"Section containment: say what keeps bad pieces from going on.{at_once}"


def _root_cause(issue: Issue) -> str | None:
    fewest, known = WHYS[issue.severity], issue.root_cause.whys if issue.root_cause else ()
    if len(known) >= fewest:
        return None
    has = f", it has {len(known)}" if known else ""
    return f"Section root_cause: a {issue.severity} issue needs {fewest} or more whys{has}."


def _action(issue: Issue) -> str | None:
    if any(action.kind == "corrective" for action in unproven(issue)):
        return None
    failed = " The actions so far had no effect." if issue.actions else ""
    return f"Section action: plan a corrective action with owner and due_on.{failed}"


def _action_done(issue: Issue) -> str | None:
    open_ones = [f"{action.id} ({action.owner}, due {action.due_on})" for action in issue.actions if not _done(action)]
    return f"Section action_done, with evidence, for {', '.join(open_ones)}." if open_ones else None


def _effect_check(issue: Issue) -> str | None:
    latest = issue.effect_checks[-1] if issue.effect_checks else None
    everything = {action.id for action in issue.actions}
    if latest is not None and latest.result == "effective" and everything <= set(latest.action_ids):
        return None
    return "Section effect_check: evidence that all actions work, by somebody who carried out none of them."


def _disposition(issue: Issue) -> str | None:
    lacking = [lack for part in issue.dispositions if (lack := _lack(part))]
    if lacking:
        return f"Section disposition: {lacking[0]} is missing."
    left = undisposed(issue)
    return f"Section disposition: say what happens to {left} of {issue.qty_affected} pieces." if left else None


def _lack(part: Disposition) -> str | None:
    return disposition_lack(part.kind, part.concession_id, part.reinspection)


def _done(action: Action) -> bool:
    return action.done_at is not None and action.done_by is not None and bool(action.evidence)
