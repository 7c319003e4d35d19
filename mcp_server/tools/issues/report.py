"""Toolset issues: reporting problems."""

from datetime import UTC, timedelta
from typing import Annotated

from pydantic import Field

from mcp_server.backends.base import Query
from mcp_server.domain.issues.doubts import doubts
from mcp_server.domain.issues.reporting import (
    OPEN_STATES,
    References,
    assess_severity,
    due_times,
    likely_duplicate,
    new_issue,
    similar,
)
from mcp_server.domain.records import (
    SHARED,
    Issue,
    IssueCategory,
    IssueState,
    Lot,
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
    Moment,
    Result,
    ToolCall,
    WriteCall,
    WriteRequest,
    WriteResult,
    tool,
)
from mcp_server.pipeline.preconditions import did_you_mean, ids, project_of, record_of, records_of
from mcp_server.tools.paging import selection

__all__ = ["TOOLS"]

_CLOCK_SKEW = timedelta(minutes=5)
_MOST_SIMILAR = 5


class LogIssue(WriteRequest):
    title: Annotated[str, Field(min_length=5, max_length=120, description="In a few words")]
    description: Annotated[str, Field(min_length=10, max_length=4000, description="What, where, how noticed")]
    category: Annotated[IssueCategory, Field(description="Kind")]
    severity: Annotated[Severity | None, Field(description="Default by pieces affected")] = None
    machine_id: Annotated[Code | None, Field(description="e.g. LT-131")] = None
    workstation: Annotated[Code | None, Field(description="e.g. ALPHA-OP80")] = None
    material_id: Annotated[Code | None, Field(description="Part or material")] = None
    spec_id: Annotated[Code | None, Field(description="e.g. SP-013")] = None
    lot_ids: Annotated[tuple[Code, ...], Field(max_length=20, description="Lots affected")] = ()
    qty_affected: Annotated[int, Field(ge=0, le=10_000_000, description="Pieces affected")] = 0
    detected_at: Annotated[Moment | None, Field(description="With offset; default now")] = None
    detected_by: Annotated[str, Field(min_length=2, max_length=80, description="Who noticed it")]
    immediate_containment: Annotated[str | None, Field(min_length=5, max_length=1000, description="Done at once")] = (
        None
    )
    force_new: Annotated[bool, Field(description="It is another one")] = False


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


async def _lots_hold_the_pieces(request: LogIssue, call: ToolCall) -> None:
    """Lots of one material, the one reported, that together hold the pieces affected."""
    project = await project_of(call, request.project)
    lots = await records_of(call, Lot, request.lot_ids, field="lot_ids", project=project)
    repeated = [position for position, lot in enumerate(lots) if lot in lots[:position]]
    if repeated:
        at = f"lot_ids[{repeated[0]}]"
        raise RuleViolated(f"{at} names a lot for the second time.", field=at, suggestion="Name every lot once.")
    spec = await _spec_of(request, call, project)
    for position, lot in enumerate(lots):
        wanted = request.material_id or (spec.material_id if spec else lots[0].material_id)
        if lot.material_id != wanted:
            raise await _other_material(lot, wanted, call, field=f"lot_ids[{position}]", project=project)
    held = sum(lot.qty for lot in lots)
    if lots and request.qty_affected > held:
        raise RuleViolated(
            f"{request.qty_affected} pieces are affected, but the lots hold {held}.",
            field="qty_affected",
            suggestion=f"Name all lots affected, or give qty_affected {held} or less.",
        )


async def _other_material(lot: Lot, wanted: str, call: ToolCall, *, field: str, project: Project) -> RuleViolated:
    fitting = Query(selection(project=(project.id, SHARED), material_id=wanted), limit=_MOST_SIMILAR)
    others = (await call.plant.find(Lot, fitting)).items
    return RuleViolated(
        f"Lot {lot.id} is of {lot.material_id}, not of {wanted}.",
        field=field,
        suggestion=f"Lots of {wanted}: {did_you_mean(others)}" if others else f"There is no lot of {wanted}.",
        alternatives=ids(others),
    )


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
    due = due_times(issue.severity, issue.opened_at)
    if result.status == "created" and not (
        issue.state is IssueState.OPEN and all(getattr(issue, name) == time for name, time in due.items())
    ):
        raise VerificationFailed("A new issue must be open, with the times of its severity.", field="state")


async def _stands_among_the_open(_request: LogIssue, result: IssueWritten, call: WriteCall) -> None:
    issue = result.record
    among = selection(id=issue.id, project=issue.project, state=tuple(OPEN_STATES))
    if not (await call.plant.find(Issue, Query(among))).items:
        raise VerificationFailed(f"{issue.id} is not found among the open issues.", field="state")


@tool(
    toolset="issues",
    effect=Effect.CREATE,
    request=LogIssue,
    result=IssueWritten,
    preconditions=(_references_exist, _lots_hold_the_pieces, _not_in_the_future),
    result_checks=(_severity_is_not_talked_down, _is_open_with_a_clock, _stands_among_the_open),
)
async def log_issue(request: LogIssue, call: WriteCall) -> IssueWritten:
    """Report a problem. Safety and CC issues are always critical. What is open since 7 days or less is not added
    again (already_exists), unless force_new.
    """
    project = await project_of(call, request.project)
    spec = await _spec_of(request, call, project)
    severity, reason = assess_severity(request.severity, request.category, spec, request.qty_affected)
    issue = _reported(request, call, project, severity, await call.unit.next_id(Issue, "ISS-"))
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
    machine = None if request.machine_id is None else await call.plant.get(Machine, request.machine_id)
    forced = [] if reason is None else [f"severity is {severity}: {reason}."]
    warnings = (*forced, *doubts(issue, machine, spec, call.now))
    return IssueWritten(status="created", record=issue, similar=alike, warnings=warnings)


def _reported(request: LogIssue, call: WriteCall, project: Project, severity: Severity, issue_id: str) -> Issue:
    return new_issue(
        issue_id=issue_id,
        project=project.id,
        title=request.title,
        description=request.description,
        category=request.category,
        severity=severity,
        references=References(
            request.machine_id, request.workstation, request.material_id, request.spec_id, request.lot_ids
        ),
        qty_affected=request.qty_affected,
        detected_at=(request.detected_at or call.now).astimezone(UTC),
        detected_by=request.detected_by,
        now=call.now,
        immediate_containment=request.immediate_containment,
    )


async def _spec_of(request: LogIssue, call: ToolCall, project: Project) -> Spec | None:
    if request.spec_id is None:
        return None
    return await record_of(call, Spec, request.spec_id, field="spec_id", project=project)


TOOLS = (log_issue,)
