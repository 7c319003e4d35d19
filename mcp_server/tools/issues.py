"""Toolset issues: reporting problems and finding them again."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import Field

from mcp_server.backends.base import Query
from mcp_server.domain.issues import CLOCKS, OPEN_STATES, assess_severity, likely_duplicate, similar
from mcp_server.domain.records import (
    SHARED,
    Issue,
    IssueCategory,
    IssueState,
    Machine,
    Material,
    Project,
    Record,
    Severity,
    Spec,
    Workstation,
)
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
    WriteCall,
    WriteRequest,
    WriteResult,
    tool,
)
from mcp_server.pipeline.preconditions import project_of, record_of
from mcp_server.tools.paging import envelope, one_page, page_is_as_asked, selection

__all__ = ["TOOLS"]

_CLOCK_SKEW = timedelta(minutes=5)
_MOST_SIMILAR = 5


class LogIssue(WriteRequest):
    title: Annotated[str, Field(min_length=5, max_length=120, description="The problem in a few words")]
    description: Annotated[str, Field(min_length=10, max_length=4000, description="What happened, where, how noticed")]
    category: Annotated[IssueCategory, Field(description="Kind of problem")]
    severity: Annotated[Severity | None, Field(description="Default: major when pieces are affected, else minor")] = (
        None
    )
    machine_id: Annotated[Code | None, Field(description="e.g. LT-131")] = None
    workstation: Annotated[Code | None, Field(description="e.g. ALPHA-OP80")] = None
    material_id: Annotated[Code | None, Field(description="Part or material")] = None
    spec_id: Annotated[Code | None, Field(description="Characteristic, e.g. SP-013")] = None
    qty_affected: Annotated[int, Field(ge=0, le=10_000_000, description="Pieces affected")] = 0
    detected_at: Annotated[Moment | None, Field(description="ISO 8601 with offset; default now")] = None
    detected_by: Annotated[str, Field(min_length=2, max_length=80, description="Who noticed it: name or role")]
    immediate_containment: Annotated[
        str | None, Field(min_length=5, max_length=1000, description="What was done at once")
    ] = None
    force_new: Annotated[bool, Field(description="Report it even if it looks reported already")] = False


class SimilarIssue(Result):
    id: str
    title: str
    state: IssueState
    severity: Severity


class IssueWritten(WriteResult):
    record: Issue
    similar: tuple[SimilarIssue, ...] = ()

    @property
    def stored(self) -> Issue | None:
        return self.record if self.status == "created" else None


class GetIssues(ListRequest):
    project: ProjectField
    id: Annotated[Code | None, Field(description="e.g. ISS-0012")] = None
    state: Annotated[IssueState | None, Field(description="State")] = None
    open_only: Annotated[bool, Field(description="Leave out closed and cancelled ones")] = False
    severity: Annotated[Severity | None, Field(description="Severity")] = None
    machine_id: Annotated[Code | None, Field(description="Machine concerned")] = None
    overdue: Annotated[bool | None, Field(description="Open ones past (true) or within (false) their close date")] = (
        None
    )
    opened_from: Annotated[Moment | None, Field(description="ISO 8601 with offset")] = None
    opened_to: Annotated[Moment | None, Field(description="ISO 8601 with offset")] = None


class IssueItem(Issue):
    overdue: bool


class Issues(ListResult[IssueItem]):
    pass


async def _references_exist(request: LogIssue, call: ToolCall) -> None:
    project = await project_of(call, request.project)
    kinds: dict[str, type[Record]] = {
        "machine_id": Machine,
        "workstation": Workstation,
        "material_id": Material,
        "spec_id": Spec,
    }
    for field, kind in kinds.items():
        wanted = getattr(request, field)
        if wanted is not None:
            await record_of(call, kind, wanted, field=field, project=project)


async def _not_in_the_future(request: LogIssue, call: ToolCall) -> None:
    if request.detected_at is not None and request.detected_at > call.now + _CLOCK_SKEW:
        raise RuleViolated(
            f"detected_at {request.detected_at.isoformat()} lies in the future.",
            field="detected_at",
            suggestion=f"It is {call.now.isoformat(timespec='minutes')} now; leave detected_at out to use that.",
        )


async def _severity_is_not_talked_down(request: LogIssue, result: IssueWritten, call: WriteCall) -> None:
    project = await project_of(call, request.project)
    spec = await _spec_of(request, call, project)
    expected, _ = assess_severity(request.severity, request.category, spec, request.qty_affected)
    if result.status == "created" and result.record.severity is not expected:
        raise VerificationFailed(f"The severity must be {expected}.", field="severity")


async def _is_open_with_a_clock(_request: LogIssue, result: IssueWritten, _call: WriteCall) -> None:
    issue = result.record
    if result.status == "created" and not (
        issue.state is IssueState.OPEN
        and issue.opened_at < issue.acknowledge_due_at < issue.contain_due_at < issue.close_due_at
    ):
        raise VerificationFailed("A new issue must be open, with its service-level times in order.", field="state")


@tool(
    title="Report an issue",
    toolset="issues",
    effect=Effect.CREATE,
    request=LogIssue,
    result=IssueWritten,
    preconditions=(_references_exist, _not_in_the_future),
    result_checks=(_severity_is_not_talked_down, _is_open_with_a_clock),
)
async def log_issue(request: LogIssue, call: WriteCall) -> IssueWritten:
    """Report a problem: a defect, a fault, a hazard, a complaint.

    Safety and CC issues are critical, whatever is asked. When the same problem was reported within seven days and is
    still open, nothing is added and status is already_exists, with that issue; set force_new only if it is another one.
    """
    project = await project_of(call, request.project)
    spec = await _spec_of(request, call, project)
    severity, reason = assess_severity(request.severity, request.category, spec, request.qty_affected)
    issue = _new_issue(request, call, project, severity, await call.unit.next_id(Issue, "ISS-"))
    open_ones = (await call.plant.find(Issue, Query(selection(project=project.id, state=tuple(OPEN_STATES))))).items
    alike = tuple(
        SimilarIssue(id=other.id, title=other.title, state=other.state, severity=other.severity)
        for other in similar(issue, open_ones)[:_MOST_SIMILAR]
    )
    duplicate = None if request.force_new else likely_duplicate(issue, open_ones, call.now)
    if duplicate is not None:
        note = f"{duplicate.id} already reports this; nothing was added. Set force_new to report it all the same."
        return IssueWritten(status="already_exists", record=duplicate, similar=alike, warnings=(note,))
    await call.unit.insert(issue)
    warnings = () if reason is None else (f"severity is {severity}: {reason}.",)
    return IssueWritten(status="created", record=issue, similar=alike, warnings=warnings)


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
            raise VerificationFailed(
                f"The system of record answered with {issue.id}, which is not what was asked for.",
                suggestion="Report this to whoever runs the system of record.",
            )


@tool(
    title="Get issues",
    toolset="issues",
    effect=Effect.READ,
    request=GetIssues,
    result=Issues,
    preconditions=(_issue_references_exist, _range_is_in_order),
    result_checks=(page_is_as_asked, _times_are_as_asked),
)
async def get_issues(request: GetIssues, call: ToolCall) -> Issues:
    """Find reported issues of a project."""
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
    page = await one_page(call, Issue, Query(among, None, since, until), request)
    items = tuple(IssueItem(**issue.model_dump(), overdue=_is_overdue(issue, call.now)) for issue in page.items)
    return Issues(items=items, **envelope(page, call))


def _new_issue(request: LogIssue, call: WriteCall, project: Project, severity: Severity, issue_id: str) -> Issue:
    clock = CLOCKS[severity]
    return Issue(
        id=issue_id,
        project=project.id,
        title=request.title,
        description=request.description,
        category=request.category,
        severity=severity,
        state=IssueState.OPEN,
        machine_id=request.machine_id,
        workstation=request.workstation,
        material_id=request.material_id,
        spec_id=request.spec_id,
        qty_affected=request.qty_affected,
        detected_at=(request.detected_at or call.now).astimezone(UTC),
        detected_by=request.detected_by,
        immediate_containment=request.immediate_containment,
        opened_at=call.now,
        acknowledge_due_at=call.now + clock.acknowledge,
        contain_due_at=call.now + clock.contain,
        close_due_at=call.now + clock.close,
    )


async def _spec_of(request: LogIssue, call: ToolCall, project: Project) -> Spec | None:
    if request.spec_id is None:
        return None
    return await record_of(call, Spec, request.spec_id, field="spec_id", project=project)


def _is_overdue(issue: Issue, now: datetime) -> bool:
    return issue.state in OPEN_STATES and issue.close_due_at < now


TOOLS = (log_issue, get_issues)
