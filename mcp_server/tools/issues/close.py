"""Toolset issues: the close, once every gate is met, and the documents it concerns."""

from typing import Annotated

from pydantic import Field

from mcp_server.backends.base import Query
from mcp_server.domain.issues.documents_to_update import Place, concerned, must_be_reviewed, review_reason
from mcp_server.domain.issues.effects import closed
from mcp_server.domain.issues.flow import closing_objections
from mcp_server.domain.issues.gates import gates, missing_gates
from mcp_server.domain.issues.reporting import OPEN_STATES, started_at
from mcp_server.domain.records import (
    SHARED,
    Issue,
    IssueState,
    Machine,
    Person,
    PmPlan,
    QualityPlan,
    Sop,
    Spec,
)
from mcp_server.errors import RuleViolated, VerificationFailed
from mcp_server.pipeline.declaration import (
    Code,
    Effect,
    Result,
    ToolCall,
    WriteCall,
    WriteResult,
    tool,
)
from mcp_server.pipeline.preconditions import project_of, record_of
from mcp_server.tools.issues.view import IssueRequest, issue_is_as_read, issue_of, stored_issue
from mcp_server.tools.paging import selection

__all__ = ["TOOLS"]


class CloseIssue(IssueRequest):
    closure_summary: Annotated[str, Field(min_length=10, max_length=2000, description="Cause, action, effect")]
    closed_by: Annotated[Code, Field(description="Person id")]
    lessons: Annotated[str | None, Field(max_length=2000, description="What others should learn")] = None


class DocumentToUpdate(Result):
    """`flagged`: a review was set on it by this close."""

    kind: str
    id: str
    revision: int
    state: str
    title: str
    flagged: bool


class IssueClosed(WriteResult):
    """`gates` are those that were met; `elapsed_h` counts hours since the issue was opened or last reopened."""

    record: Issue
    gates: tuple[str, ...]
    elapsed_h: float
    documents_to_update: tuple[DocumentToUpdate, ...]

    @property
    def stored(self) -> Issue | None:
        return self.record


async def _closer_exists(request: CloseIssue, call: ToolCall) -> None:
    project = await project_of(call, request.project)
    await record_of(call, Person, request.closed_by, field="closed_by", project=project)


async def _every_gate_is_met(request: CloseIssue, call: ToolCall) -> None:
    """All that is missing is told at once."""
    issue = await issue_of(request, call)
    found = closing_objections(issue, request.closed_by)
    if found:
        first, *others = found
        raise RuleViolated(
            f"{issue.id} cannot be closed. {' '.join(objection.message for objection in found)}",
            field=first.field,
            suggestion=first.suggestion,
            also=[f"{other.message} {other.suggestion}" for other in others],
        )


async def _is_closed(request: CloseIssue, _result: IssueClosed, call: WriteCall) -> None:
    stored = await stored_issue(request, call)
    if stored.state is not IssueState.CLOSED or stored.closed_at is None:
        raise VerificationFailed(f"{stored.id} is not closed.", field="state")
    for name in ("closure_summary", "closed_by", "lessons"):
        if getattr(stored, name) != getattr(request, name):
            raise VerificationFailed(f"{name} is not stored as it was given.", field=name)


async def _left_the_open_list(request: CloseIssue, _result: IssueClosed, call: WriteCall) -> None:
    still = await call.plant.find(Issue, Query(selection(id=request.issue_id, state=tuple(OPEN_STATES))))
    if still.items:
        raise VerificationFailed(f"{request.issue_id} is still found among the open issues.", field="issue_id")


async def _gates_hold_on_what_is_stored(request: CloseIssue, _result: IssueClosed, call: WriteCall) -> None:
    missing = missing_gates(await stored_issue(request, call))
    if missing:
        raise VerificationFailed(f"Gate {missing[0].name} does not hold.", field="issue_id")


async def _plans_are_under_review(request: CloseIssue, result: IssueClosed, call: WriteCall) -> None:
    stored = await stored_issue(request, call)
    place = await _place_of(stored, call)
    told = {(document.id, document.revision) for document in result.documents_to_update if document.flagged}
    for plan in await _plans(stored, call, (await project_of(call, request.project)).id):
        if must_be_reviewed(stored, plan, place):
            flagged = plan.review_reason is not None and stored.id in plan.review_reason
            if not flagged or (plan.id, plan.revision) not in told:
                raise VerificationFailed(f"{plan.id} is not marked for review.", field="documents_to_update")


@tool(
    toolset="issues",
    effect=Effect.UPDATE,
    request=CloseIssue,
    result=IssueClosed,
    preconditions=(issue_is_as_read, _closer_exists, _every_gate_is_met),
    result_checks=(_left_the_open_list, _is_closed, _gates_hold_on_what_is_stored, _plans_are_under_review),
)
async def close_issue(request: CloseIssue, call: WriteCall) -> IssueClosed:
    """Close an issue; refused with all gates that are open. Lists the documents to update."""
    issue = await issue_of(request, call)
    project = await project_of(call, request.project)
    after = closed(issue, by=request.closed_by, at=call.now, summary=request.closure_summary, lessons=request.lessons)
    await call.unit.replace(after)
    place = await _place_of(after, call)
    plans = await _plans(after, call, project.id)
    marked = [plan for plan in plans if must_be_reviewed(after, plan, place)]
    for plan in marked:
        reason = review_reason(after, plan.review_reason)
        await call.unit.replace(plan.model_copy(update={"review_reason": reason}))
    among = Query(selection(project=(project.id, SHARED)))
    others = [*(await call.plant.find(Sop, among)).items, *(await call.plant.find(PmPlan, among)).items]
    documents = tuple(
        DocumentToUpdate(
            kind=document.noun,
            id=document.id,
            revision=document.revision,
            state=document.state,
            title=document.title,
            flagged=document in marked,
        )
        for document in concerned(after, [*plans, *others], place)
    )
    return IssueClosed(
        status="updated",
        record=after,
        gates=tuple(gate.name for gate in gates(after)),
        elapsed_h=round((call.now - started_at(after)).total_seconds() / 3600, 2),
        documents_to_update=documents,
    )


async def _plans(issue: Issue, call: ToolCall, project_id: str) -> tuple[QualityPlan, ...]:
    among = selection(project=tuple({issue.project, project_id}))
    return (await call.plant.find(QualityPlan, Query(among))).items


async def _place_of(issue: Issue, call: ToolCall) -> Place:
    """What the issue does not say itself follows from its machine and its specification."""
    machine = None if issue.machine_id is None else await call.plant.get(Machine, issue.machine_id)
    spec = None if issue.spec_id is None else await call.plant.get(Spec, issue.spec_id)
    return Place(
        machine_id=issue.machine_id,
        workstation=issue.workstation or (machine.workstation if machine else None),
        material_id=issue.material_id or (spec.material_id if spec else None),
    )


TOOLS = (close_issue,)
