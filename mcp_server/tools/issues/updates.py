"""Toolset issues: one step of the 8D report at a time, from triage to the check of the effect."""

from typing import Annotated, Any, Literal

from pydantic import Field

from mcp_server.backends.base import Query
from mcp_server.domain.issues.effects import changed
from mcp_server.domain.issues.flow import objections
from mcp_server.domain.issues.gates import undisposed
from mcp_server.domain.issues.reporting import Level, due_times, escalation_of, forced_severity, started_at
from mcp_server.domain.issues.sections import SECTION_FIELDS, Change, Section, misplaced_fields
from mcp_server.domain.maintenance.recurrence import local_day
from mcp_server.domain.records import DispositionKind, Issue, Lot, Part, Person, Project, Severity, Spec
from mcp_server.errors import InvalidInput, RuleViolated, VerificationFailed
from mcp_server.pipeline.declaration import Code, Day, Effect, ToolCall, WriteCall, tool
from mcp_server.pipeline.preconditions import did_you_mean, ids, project_of, record_of, records_of
from mcp_server.tools.issues.view import (
    IssueChanged,
    IssueRequest,
    clock_states,
    issue_is_as_read,
    issue_of,
    needs,
    stored_issue,
)
from mcp_server.tools.paging import selection

__all__ = ["TOOLS"]

_MAY_CANCEL_CRITICAL = ("quality_manager", "ehs_manager")
_Text = Annotated[str, Field(max_length=1000)]


class UpdateIssue(IssueRequest):
    section: Annotated[Section, Field(description="8D section")]
    by: Annotated[Code, Field(description="Person id")]
    text: Annotated[_Text | None, Field(description="root_cause: escape point")] = None
    owner: Annotated[Code | None, Field(description="triage, action: person id")] = None
    severity: Annotated[Severity | None, Field(description="triage")] = None
    qty: Annotated[int | None, Field(ge=0, le=10_000_000, description="disposition; triage: affected")] = None
    whys: Annotated[
        tuple[_Text, ...] | None, Field(max_length=7, description="root_cause: symptom first; 3-7, minor 1-7")
    ] = None
    kind: Annotated[Literal["corrective", "preventive"] | None, Field(description="action: default corrective")] = None
    due_on: Annotated[Day | None, Field(description="action")] = None
    action_id: Annotated[Code | None, Field(description="action_done")] = None
    evidence: Annotated[_Text | None, Field(description="action_done, effect_check, rework, repair")] = None
    result: Annotated[Literal["effective", "not_effective"] | None, Field(description="effect_check")] = None
    disposition: Annotated[DispositionKind | None, Field(description="disposition")] = None
    concession_id: Annotated[Code | None, Field(description="use_as_is, repair")] = None
    to: Annotated[Level | None, Field(description="escalate")] = None


async def _fields_belong_to_the_section(request: UpdateIssue, call: ToolCall) -> None:
    found = misplaced_fields(await _change_of(request, call))
    if found:
        first, *others = found
        raise InvalidInput(
            first.message, field=first.field, suggestion=first.suggestion, also=[other.message for other in others]
        )


async def _people_exist(request: UpdateIssue, call: ToolCall) -> None:
    project = await project_of(call, request.project)
    for field in ("by", "owner"):
        if (wanted := getattr(request, field)) is not None:
            await record_of(call, Person, wanted, field=field, project=project)


async def _step_is_possible(request: UpdateIssue, call: ToolCall) -> None:
    found = objections(await issue_of(request, call), await _change_of(request, call))
    if found:
        first, *others = found
        raise RuleViolated(
            first.message,
            field=first.field,
            suggestion=first.suggestion,
            also=[f"{other.message} {other.suggestion}" for other in others],
        )


async def _severity_stays_forced(request: UpdateIssue, call: ToolCall) -> None:
    issue = await issue_of(request, call)
    reason = forced_severity(issue.category, await _spec_of(issue, call))
    if reason is not None and request.severity not in {None, Severity.CRITICAL}:
        raise RuleViolated(
            f"severity cannot be {request.severity}: {reason}.",
            field="severity",
            suggestion="Leave severity out.",
            alternatives=[Severity.CRITICAL],
        )


async def _lots_hold_the_pieces(request: UpdateIssue, call: ToolCall) -> None:
    issue = await issue_of(request, call)
    if request.section is not Section.TRIAGE or request.qty is None or not issue.lot_ids:
        return
    held = await _held(issue, call, await project_of(call, request.project))
    if request.qty > held:
        raise RuleViolated(
            f"{request.qty} pieces are affected, but {', '.join(issue.lot_ids)} hold {held}.",
            field="qty",
            suggestion=f"Give {held} or less; report pieces of other lots with log_issue.",
        )


async def _critical_is_cancelled_by_a_manager(request: UpdateIssue, call: ToolCall) -> None:
    """A critical report must not vanish on the word of whoever got it."""
    issue = await issue_of(request, call)
    if request.section is not Section.CANCEL or issue.severity is not Severity.CRITICAL:
        return
    project = await project_of(call, request.project)
    person = await record_of(call, Person, request.by, field="by", project=project)
    if person.role not in _MAY_CANCEL_CRITICAL:
        managers = (await call.plant.find(Person, Query(selection(role=_MAY_CANCEL_CRITICAL)))).items
        raise RuleViolated(
            f"{person.id} ({person.role}) cannot cancel a critical issue.",
            field="by",
            suggestion=f"Ask {did_you_mean(managers)}" if managers else "Ask the quality manager.",
            alternatives=ids(managers),
        )


async def _section_is_stored(request: UpdateIssue, _result: IssueChanged, call: WriteCall) -> None:
    """Everything the caller said stands in the record, read again."""
    stored = await stored_issue(request, call)
    written = _section_of(stored, request)
    present = [] if written is None else [value for _, value in written]
    present += [stored.severity, stored.qty_affected]
    said = {name: getattr(request, name) for name in ("by", *SECTION_FIELDS)}
    lost = [name for name, value in said.items() if value is not None and value not in present]
    if lost:
        raise VerificationFailed(f"{lost[0]} is not stored as it was given.", field=lost[0])


async def _nothing_else_is_lost(request: UpdateIssue, _result: IssueChanged, call: WriteCall) -> None:
    """What stood in the record before still stands there, and it moved on by one revision."""
    before, stored = await issue_of(request, call), await stored_issue(request, call)
    for name in ("dispositions", "escalations", "comments", "rounds"):
        kept, now = getattr(before, name), getattr(stored, name)
        if now[: len(kept)] != kept:
            raise VerificationFailed(f"Earlier {name} of {stored.id} are gone.", field=name)
    numbers = {action.id for part in (stored, *stored.rounds) for action in part.actions}
    if not {action.id for action in before.actions} <= numbers:
        raise VerificationFailed(f"Earlier actions of {stored.id} are gone.", field="actions")
    if stored.revision != request.expected_revision + 1:
        raise VerificationFailed(f"{stored.id} is not at the next revision.", field="expected_revision")


async def _rules_hold_on_what_is_stored(request: UpdateIssue, result: IssueChanged, call: WriteCall) -> None:
    stored = await stored_issue(request, call)
    if request.section is Section.TRIAGE:
        if stored.severity is not Severity.CRITICAL and forced_severity(stored.category, await _spec_of(stored, call)):
            raise VerificationFailed("The severity must be critical.", field="severity")
        due = due_times(stored.severity, stored.opened_at, started_at(stored))
        if any(getattr(stored, name) != time for name, time in due.items()):
            raise VerificationFailed("The clock does not fit the severity.", field="severity")
    if undisposed(stored) < 0:
        raise VerificationFailed("More pieces have a disposition than are affected.", field="qty")
    if result.next_required != needs(stored) or result.clock != clock_states(stored, call.now):
        raise VerificationFailed("The gates or the clock do not fit the record.", field="next_required")


@tool(
    toolset="issues",
    effect=Effect.UPDATE,
    request=UpdateIssue,
    result=IssueChanged,
    preconditions=(
        issue_is_as_read,
        _fields_belong_to_the_section,
        _people_exist,
        _step_is_possible,
        _severity_stays_forced,
        _lots_hold_the_pieces,
        _critical_is_cancelled_by_a_manager,
    ),
    result_checks=(_section_is_stored, _nothing_else_is_lost, _rules_hold_on_what_is_stored),
)
async def update_issue(request: UpdateIssue, call: WriteCall) -> IssueChanged:
    """Record one section of an issue's 8D report; next_required lists the open gates."""
    issue = await issue_of(request, call)
    after = changed(issue, await _change_of(request, call))
    await call.unit.replace(after)
    return IssueChanged(
        status="updated",
        record=after,
        next_required=needs(after),
        clock=clock_states(after, call.now),
        escalate_to=escalation_of(after, call.now),
        warnings=_warnings(issue, after, (await project_of(call, request.project)).time_zone),
    )


def _warnings(before: Issue, after: Issue, zone: str) -> tuple[str, ...]:
    close_by = local_day(after.close_due_at, zone)
    told = [
        f"This replaces the {name.replace('_', ' ')} of {old.by}."
        for name in ("triage", "containment", "root_cause")
        if (old := getattr(before, name)) is not None and getattr(after, name) not in (None, old)
    ]
    if after.severity is not before.severity:
        told.append(f"severity is {after.severity} now, it was {before.severity}; the clock moves with it.")
    cause = after.root_cause
    if cause and cause != before.root_cause and cause.escape_point is None and after.severity is not Severity.MINOR:
        told.append("No escape point is given (text): where could this have been caught?")
    told += [
        f"{action.id} is due after the day the issue should be closed, {close_by}."
        for action in after.actions[len(before.actions) :]
        if action.due_on > close_by
    ]
    return tuple(told)


def _section_of(issue: Issue, request: UpdateIssue) -> Part | None:
    """The part of the record that the request wrote."""
    match request.section:
        case Section.TRIAGE | Section.CONTAINMENT | Section.ROOT_CAUSE:
            return getattr(issue, request.section)
        case Section.ACTION_DONE:
            return next((action for action in issue.actions if action.id == request.action_id), None)
        case Section.CANCEL:
            return issue.cancellation
        case Section.REOPEN:
            written: tuple[Part, ...] = issue.rounds
        case Section.ACTION:
            written = issue.actions
        case Section.EFFECT_CHECK:
            written = issue.effect_checks
        case Section.DISPOSITION:
            written = issue.dispositions
        case Section.ESCALATE:
            written = issue.escalations
        case Section.COMMENT:
            written = issue.comments
    return written[-1] if written else None


async def _change_of(request: UpdateIssue, call: ToolCall) -> Change:
    """The step as asked; triage also puts right a severity that is below what the rules force."""
    project = await project_of(call, request.project)
    given: dict[str, Any] = {name: getattr(request, name) for name in SECTION_FIELDS}
    if request.section is Section.TRIAGE and request.severity is None:
        issue = await issue_of(request, call)
        given["severity"] = Severity.CRITICAL if forced_severity(issue.category, await _spec_of(issue, call)) else None
    return Change(section=request.section, by=request.by, at=call.now, today=call.today(project.time_zone), **given)


async def _spec_of(issue: Issue, call: ToolCall) -> Spec | None:
    return None if issue.spec_id is None else await call.plant.get(Spec, issue.spec_id)


async def _held(issue: Issue, call: ToolCall, project: Project) -> int:
    lots = await records_of(call, Lot, issue.lot_ids, field="lot_ids", project=project)
    return sum(lot.qty for lot in lots)


TOOLS = (update_issue,)
