"""Toolset issues: finding reported problems, and one of them as a whole."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, get_args

from pydantic import Field

from mcp_server.backends.base import Query
from mcp_server.domain.issues.reporting import OPEN_STATES, Level, escalation_of
from mcp_server.domain.records import SHARED, Issue, IssueCategory, IssueState, Machine, Severity
from mcp_server.errors import RuleViolated, VerificationFailed
from mcp_server.pipeline.declaration import (
    Code,
    Effect,
    ListRequest,
    ListResult,
    Moment,
    ProjectField,
    Result,
    ToolCall,
    tool,
)
from mcp_server.pipeline.preconditions import project_of, record_of
from mcp_server.tools.issues.view import ClockState, Need, clock_states, needs
from mcp_server.tools.paging import envelope, page_is_as_asked, page_of, selection

__all__ = ["TOOLS"]

_MOST_NAMED = 20


class GetIssues(ListRequest):
    project: ProjectField
    id: Annotated[Code | None, Field(description="One, as full 8D report")] = None
    state: Annotated[IssueState | None, Field(description="State")] = None
    open_only: Annotated[bool, Field(description="Not closed or cancelled")] = False
    severity: Annotated[Severity | None, Field(description="Severity")] = None
    machine_id: Annotated[Code | None, Field(description="Machine concerned")] = None
    overdue: Annotated[bool | None, Field(description="Open past its close date")] = None
    opened_from: Annotated[Moment | None, Field(description="With offset")] = None
    opened_to: Annotated[Moment | None, Field(description="With offset")] = None


class IssueItem(Result):
    """An issue in a list. `escalate_to` is who must be told now; asked for by id, the whole of it is in `record`."""

    id: str
    project: str
    title: str
    category: IssueCategory
    severity: Severity
    state: IssueState
    revision: int
    machine_id: str | None = None
    spec_id: str | None = None
    qty_affected: int
    opened_at: datetime
    close_due_at: datetime
    overdue: bool
    escalate_to: Level | None = None
    record: Issue | None = None
    next_required: tuple[Need, ...] | None = None
    clock: tuple[ClockState, ...] | None = None


class Issues(ListResult[IssueItem]):
    pass


async def _issue_references_exist(request: GetIssues, call: ToolCall) -> None:
    project = await project_of(call, request.project)
    if request.id is not None:
        await record_of(call, Issue, request.id, field="id", project=project)
    if request.machine_id is not None:
        await record_of(call, Machine, request.machine_id, field="machine_id", project=project)


async def _range_is_in_order(request: GetIssues, _call: ToolCall) -> None:
    if request.opened_from is not None and request.opened_to is not None and request.opened_from > request.opened_to:
        raise RuleViolated(
            "opened_from is later than opened_to.", field="opened_from", suggestion="Swap the two, or leave one out."
        )


async def _times_are_as_asked(request: GetIssues, result: Issues, call: ToolCall) -> None:
    """`overdue` is recomputed, and no issue of another time or already closed has slipped in."""
    for issue in result.items:
        late = (request.opened_from and issue.opened_at < request.opened_from) or (
            request.opened_to and issue.opened_at > request.opened_to
        )
        closed = (request.open_only or request.overdue is not None) and issue.state not in OPEN_STATES
        if late or closed or issue.overdue is not _is_overdue(issue, call.now):
            raise _not_as_stored(issue.id)


async def _clock_and_gates_are_recomputed(request: GetIssues, result: Issues, call: ToolCall) -> None:
    """From the records read again: whom to tell, and for one issue its gates and its clock."""
    wanted = Query(selection(id=tuple(item.id for item in result.items)))
    again = {issue.id: issue for issue in (await call.plant.find(Issue, wanted)).items}
    for item in result.items:
        if item.id not in again or item != _item(again[item.id], call.now, whole=request.id is not None):
            raise _not_as_stored(item.id)


def _not_as_stored(issue_id: str) -> VerificationFailed:
    return VerificationFailed(
        f"The system of record answered with {issue_id}, which is not what was asked for.",
        suggestion="Report this to whoever runs the system of record.",
    )


@tool(
    toolset="issues",
    effect=Effect.READ,
    request=GetIssues,
    result=Issues,
    preconditions=(_issue_references_exist, _range_is_in_order),
    result_checks=(page_is_as_asked, _times_are_as_asked, _clock_and_gates_are_recomputed),
)
async def get_issues(request: GetIssues, call: ToolCall) -> Issues:
    """Find issues and whom to escalate to; with id the full 8D report and the gates to its close."""
    project = await project_of(call, request.project)
    among = selection(
        project=(project.id, SHARED),
        id=request.id,
        state=request.state,
        severity=request.severity,
        machine_id=request.machine_id,
    )
    if request.open_only or request.overdue is not None:
        among["state"] = tuple(state for state in among.get("state", tuple(OPEN_STATES)) if state in OPEN_STATES)
    since: dict[str, datetime] = {} if request.opened_from is None else {"opened_at": request.opened_from}
    until: dict[str, datetime] = {} if request.opened_to is None else {"opened_at": request.opened_to}
    if request.overdue:
        until["close_due_at"] = call.now - timedelta(microseconds=1)
    elif request.overdue is False:
        since["close_due_at"] = call.now
    found = (await call.plant.find(Issue, Query(among, None, since, until))).items
    items = [_item(issue, call.now, whole=request.id is not None) for issue in found]
    page = page_of(items, request, lambda item: item.id)
    return Issues(items=page.items, warnings=_escalations(items), **envelope(page, call))


def _item(issue: Issue, now: datetime, *, whole: bool) -> IssueItem:
    shown = {name: getattr(issue, name) for name in IssueItem.model_fields if name in Issue.model_fields}
    computed = {"overdue": _is_overdue(issue, now), "escalate_to": escalation_of(issue, now)}
    more = {"record": issue, "next_required": needs(issue), "clock": clock_states(issue, now)} if whole else {}
    return IssueItem.model_validate(shown | computed | more)


def _escalations(items: Sequence[IssueItem]) -> tuple[str, ...]:
    """Of all issues found, whatever the page."""
    told: list[str] = []
    for level in get_args(Level):
        due = [item.id for item in items if item.escalate_to == level]
        more = f" and {len(due) - _MOST_NAMED} more" if len(due) > _MOST_NAMED else ""
        if due:
            told.append(f"Escalate to the {level.replace('_', ' ')}: {', '.join(due[:_MOST_NAMED])}{more}.")
    return tuple(told)


def _is_overdue(issue: Issue | IssueItem, now: datetime) -> bool:
    return issue.state in OPEN_STATES and issue.close_due_at < now


TOOLS = (get_issues,)
