"""The way of a problem from its report to its close: which step may be taken when, and what stands against it.

    open -> triaged -> contained -> investigating -> action_planned -> action_implemented -> verifying -> closed

A state names the last step taken: `investigating` has a root cause on record, `verifying` an effective check.
A check without effect leads back to `investigating`, a further action back to `action_planned`. A closed issue can be
`reopened`: containment, cause and actions begin again, the former ones are kept in `rounds`.
"""

from collections.abc import Callable, Iterator

from mcp_server.domain.issues.gates import WHYS, disposition_lack, gate, missing_gates, undisposed
from mcp_server.domain.issues.reporting import OPEN_STATES
from mcp_server.domain.issues.sections import Change, Objection, Section
from mcp_server.domain.records import Issue, IssueState

__all__ = ["MOST_ENTRIES", "closing_objections", "objections"]

_ALLOWED: dict[Section, frozenset[IssueState]] = {
    Section.TRIAGE: OPEN_STATES,
    Section.ESCALATE: OPEN_STATES,
    Section.COMMENT: frozenset(IssueState),
    Section.REOPEN: frozenset({IssueState.CLOSED}),
    Section.CANCEL: OPEN_STATES,
}
"""In which states a section is possible; the others need an open issue that has been triaged."""

MOST_ENTRIES = 30
"""Of one kind in one issue, so that a whole report can be read in one go."""
_GROWS = {
    Section.ACTION: "actions",
    Section.EFFECT_CHECK: "effect_checks",
    Section.DISPOSITION: "dispositions",
    Section.ESCALATE: "escalations",
    Section.COMMENT: "comments",
    Section.REOPEN: "rounds",
}


def objections(issue: Issue, change: Change) -> list[Objection]:
    """Everything against a step whose fields are in place; see `misplaced_fields`."""
    if issue.state not in _ALLOWED.get(change.section, OPEN_STATES - {IssueState.OPEN}):
        return [_wrong_state(issue, change.section)]
    against = list(_RULES[change.section](issue, change)) if change.section in _RULES else []
    kept = _GROWS.get(change.section)
    if kept is not None and len(getattr(issue, kept)) >= MOST_ENTRIES:
        against.append(
            Objection("section", f"{issue.id} has {MOST_ENTRIES} {kept}, the most it takes.", "Log another issue.")
        )
    return against


def closing_objections(issue: Issue, closer: str) -> list[Objection]:
    """Every reason not to close: gates that are not met, and a closer who would judge only their own work."""
    if issue.state not in OPEN_STATES:
        return [Objection("issue_id", f"{issue.id} is {issue.state} already.", "Read it with get_issues.")]
    found = [Objection("issue_id", f"Gate {open_.name} is not met.", str(open_.how)) for open_ in missing_gates(issue)]
    if issue.actions and all(closer in {action.owner, action.done_by} for action in issue.actions):
        found.append(Objection("closed_by", f"All actions are {closer}'s own.", "Have somebody else close the issue."))
    return found


def _wrong_state(issue: Issue, section: Section) -> Objection:
    if issue.state is IssueState.CANCELLED:
        remedy = "Report the problem again with log_issue."
    elif issue.state is IssueState.CLOSED:
        remedy = "Reopen it first: section reopen, with the reason as text."
    elif section is Section.REOPEN:
        remedy = "Only a closed issue is reopened."
    else:
        remedy = "Take it on first: section triage, with its owner."
    return Objection("section", f"{issue.id} is {issue.state}, so {section} is not possible.", remedy)


def _against_triage(issue: Issue, change: Change) -> Iterator[Objection]:
    decided = issue.qty_affected - undisposed(issue)
    if change.qty is not None and change.qty < decided:
        yield Objection("qty", f"{decided} pieces have a disposition already.", f"Give qty {decided} or more.")


def _against_root_cause(issue: Issue, change: Change) -> Iterator[Objection]:
    if how := gate(issue, "containment").how:
        yield Objection("section", f"{issue.id} must be contained before its cause is looked for.", how)
    if issue.state in {IssueState.ACTION_IMPLEMENTED, IssueState.VERIFYING} and not gate(issue, "root_cause").how:
        yield Objection(
            "section",
            f"The actions for the cause of {issue.id} are carried out.",
            "Record an effect_check that is not_effective, or plan a further action; then the cause is open again.",
        )
    whys, fewest = change.whys or (), WHYS[issue.severity]
    if len(whys) < fewest:
        yield Objection(
            "whys",
            f"A {issue.severity} issue needs {fewest} or more whys; {len(whys)} given.",
            "Ask why again, down to what can be changed.",
        )
    if len({why.strip().casefold() for why in whys}) < len(whys):
        yield Objection("whys", "The same why stands there twice.", "Each why answers the one before it.")


def _against_action(issue: Issue, change: Change) -> Iterator[Objection]:
    if how := gate(issue, "root_cause").how:
        yield Objection("section", f"{issue.id} needs its root cause before an action.", how)
    if change.due_on is not None and change.due_on < change.today:
        yield Objection("due_on", f"due_on {change.due_on} has passed.", f"Give {change.today} or later.")


def _against_action_done(issue: Issue, change: Change) -> Iterator[Objection]:
    to_do = [action.id for action in issue.actions if action.done_at is None]
    if change.action_id in to_do:
        return
    known = any(action.id == change.action_id for action in issue.actions)
    what = f"{change.action_id} is done already." if known else f"{issue.id} has no action {change.action_id}."
    yield Objection("action_id", what, f"To do: {', '.join(to_do)}." if to_do else "No action is left to do.")


def _against_effect_check(issue: Issue, change: Change) -> Iterator[Objection]:
    for name in ("action", "action_done"):
        if how := gate(issue, name).how:
            yield Objection("section", "An effect is checked when all actions are done.", how)
    own = [action.id for action in issue.actions if change.by in {action.owner, action.done_by}]
    if own:
        yield Objection("by", f"{change.by} owns or did {', '.join(own)}.", "Have somebody else check the effect.")


def _against_disposition(issue: Issue, change: Change) -> Iterator[Objection]:
    qty, left = change.qty or 0, undisposed(issue)
    if not 1 <= qty <= left:
        more = "Correct the quantity affected with section triage (qty), if more pieces are." if left < qty else ""
        yield Objection(
            "qty",
            f"{left} of {issue.qty_affected} affected pieces are without a disposition; {qty} given.",
            f"Give 1 to {left}. {more}".strip() if left else more or "Nothing is left to decide.",
        )
    if change.disposition and (lack := disposition_lack(change.disposition, change.concession_id, change.evidence)):
        if lack == "concession_id":
            yield Objection(lack, f"{change.disposition} needs a concession.", "Give its number as concession_id.")
        else:
            yield Objection(
                "evidence",
                f"{change.disposition} needs a reinspection.",
                "Give its result as evidence (ISO 9001 8.7.1).",
            )


def _against_cancel(issue: Issue, _change: Change) -> Iterator[Objection]:
    """Only a report that turned out to be none is cancelled; a problem that was worked on is closed."""
    if issue.actions or issue.rounds:
        yield Objection("section", f"{issue.id} has been acted on.", "Finish it with close_issue.")
    if left := undisposed(issue):
        yield Objection(
            "section",
            f"{left} affected pieces of {issue.id} are without a disposition.",
            "Decide on them first; if none are affected, say so with section triage (qty 0).",
        )


_RULES: dict[Section, Callable[[Issue, Change], Iterator[Objection]]] = {
    Section.TRIAGE: _against_triage,
    Section.ROOT_CAUSE: _against_root_cause,
    Section.ACTION: _against_action,
    Section.ACTION_DONE: _against_action_done,
    Section.EFFECT_CHECK: _against_effect_check,
    Section.DISPOSITION: _against_disposition,
    Section.CANCEL: _against_cancel,
}
