"""Toolset quality: the next revision of a control plan."""

from typing import Annotated

from pydantic import Field

from mcp_server.domain.documents import EDITABLE, newest_live, next_revision
from mcp_server.domain.quality.plan_changes import (
    MOST_ROWS,
    Difference,
    Patch,
    PatchedPlan,
    PatchProblem,
    PlanChange,
    differences,
    patched,
)
from mcp_server.domain.records import DocumentState, Material, PlanRow, Project, QualityPlan
from mcp_server.errors import InvalidInput, RuleViolated, VerificationFailed
from mcp_server.pipeline.declaration import Code, Effect, ToolCall, UpdateRequest, WriteCall, WriteResult, tool
from mcp_server.pipeline.preconditions import (
    at_revision,
    project_of,
    record_of,
    revision_to_change,
    revisions_of,
)
from mcp_server.tools.quality.plan_rows import (
    RowsAsked,
    SpecialCoverage,
    completed,
    covered,
    findings,
    listed_once,
    refer_to_the_plant,
    refuse_stopping,
    warnings,
)

__all__ = ["TOOLS"]

Position = Annotated[int, Field(ge=0, le=MOST_ROWS - 1)]


class UpdateQualityPlan(UpdateRequest):
    plan_id: Annotated[Code, Field(description="e.g. QP-0001")]
    change_reason: Annotated[str, Field(min_length=10, max_length=500, description="Why")]
    changes: Annotated[tuple[PlanChange, ...], Field(max_length=200, description="One a field")] = ()
    copy_rows: Annotated[tuple[Position, ...], Field(max_length=50, description="Rows to append again")] = ()
    remove_rows: Annotated[tuple[Position, ...], Field(max_length=MOST_ROWS, description="Rows to drop")] = ()


class QualityPlanUpdated(WriteResult):
    """`diff` is what the new revision changes; it is empty, and nothing is stored, where nothing differs."""

    record: QualityPlan
    coverage: SpecialCoverage
    diff: tuple[Difference, ...]

    @property
    def stored(self) -> QualityPlan | None:
        return self.record if self.status == "updated" else None


async def _plan_can_be_changed(request: UpdateQualityPlan, call: ToolCall) -> None:
    plan = await _plan(request, call)
    at_revision(plan, request.expected_revision)
    if plan.state in EDITABLE:
        return
    raise RuleViolated(
        f"{plan.id} revision {plan.revision} is {plan.state} and cannot be changed.",
        field="plan_id",
        suggestion=(
            "It has ended; create a new plan."
            if newest_live([plan]) is None
            else "Reject it with approve_document first, so that it is a draft again."
        ),
    )


async def _material_is_in_use(request: UpdateQualityPlan, call: ToolCall) -> None:
    material = await _material(request, call)
    if material.status == "obsolete":
        raise RuleViolated(
            f"{material.id} (revision {material.revision}), which the plan is for, is obsolete.",
            field="plan_id",
            suggestion="Withdraw the plan, and create one for the current material.",
        )


async def _changes_fit_the_plan(request: UpdateQualityPlan, call: ToolCall) -> None:
    try:
        patched(await _plan(request, call), _patch(request))
    except PatchProblem as problem:
        raise InvalidInput(
            problem.message, field=problem.field, suggestion=problem.suggestion, alternatives=problem.alternatives
        ) from None


async def _rows_refer_to_the_plant(request: UpdateQualityPlan, call: ToolCall) -> None:
    plan = await _plan(request, call)
    await refer_to_the_plant(_asked(request, plan), call, await project_of(call, request.project))


async def _characteristics_are_listed_once(request: UpdateQualityPlan, call: ToolCall) -> None:
    listed_once(_asked(request, await _plan(request, call)))


async def _rows_follow_the_rules(request: UpdateQualityPlan, call: ToolCall) -> None:
    plan = await _plan(request, call)
    refuse_stopping(await findings(_asked(request, plan), plan.phase, call, await project_of(call, request.project)))


async def _changes_are_stored(request: UpdateQualityPlan, result: QualityPlanUpdated, call: WriteCall) -> None:
    """Read again, the newest revision says what was asked for, field by field, and nothing else differs."""
    before = await _plan(request, call)
    stored = newest_live(await revisions_of(call, QualityPlan, before.id)) or before
    wanted = patched(before, _patch(request))
    rows = await completed(wanted.rows, call, await project_of(call, request.project))
    if (stored.rows, stored.title, stored.customer, stored.core_team) != (
        rows,
        wanted.title,
        wanted.customer,
        wanted.core_team,
    ):
        raise VerificationFailed("The stored plan is not the old one with the changes asked for.", field="changes")
    if result.diff != differences(before, stored, wanted.positions):
        raise VerificationFailed("The differences told are not those of the two revisions.", field="diff")


async def _old_revision_is_unchanged(request: UpdateQualityPlan, result: QualityPlanUpdated, call: WriteCall) -> None:
    """A released revision stays word for word; a draft only gives way. Nothing is released by an edit."""
    before = await _plan(request, call)
    superseded = result.status == "updated" and before.state is DocumentState.DRAFT
    expected = before.model_copy(update={"state": DocumentState.SUPERSEDED}) if superseded else before
    if await call.plant.get(QualityPlan, before.key) != expected:
        raise VerificationFailed(f"Revision {before.revision} of {before.id} was changed.", field="plan_id")


async def _coverage_is_right(_request: UpdateQualityPlan, result: QualityPlanUpdated, call: WriteCall) -> None:
    if result.coverage != await covered(result.record.material_id, result.record.rows, call):
        raise VerificationFailed("The coverage of special characteristics was computed wrongly.", field="coverage")


@tool(
    toolset="quality",
    effect=Effect.UPDATE,
    request=UpdateQualityPlan,
    result=QualityPlanUpdated,
    preconditions=(
        _plan_can_be_changed,
        _material_is_in_use,
        _changes_fit_the_plan,
        _rows_refer_to_the_plant,
        _characteristics_are_listed_once,
        _rows_follow_the_rules,
    ),
    result_checks=(_changes_are_stored, _old_revision_is_unchanged, _coverage_is_right),
)
async def update_quality_plan(request: UpdateQualityPlan, call: WriteCall) -> QualityPlanUpdated:
    """Make the next revision of a quality plan, a draft. Copied rows stand last and are changed there; a new spec_id
    fills in its row anew.
    """
    project = await project_of(call, request.project)
    before = await _plan(request, call)
    wanted = patched(before, _patch(request))
    after = await _next(before, wanted, request, call, project)
    diff = differences(before, after, wanted.positions)
    coverage = await covered(after.material_id, after.rows, call)
    if not diff:
        told = (f"Nothing differs from revision {before.revision}; no revision was made.",)
        return QualityPlanUpdated(status="unchanged", record=before, coverage=coverage, diff=(), warnings=told)
    if before.state is DocumentState.DRAFT:
        await call.unit.replace(before.model_copy(update={"state": DocumentState.SUPERSEDED}))
    await call.unit.insert(after)
    rows = RowsAsked(after.rows, after.material_id, range(len(after.rows)))
    told = warnings(await findings(rows, after.phase, call, project), coverage)
    if before.review_reason is not None:
        told = (f"This revision must answer the review asked for: {before.review_reason}", *told)
    return QualityPlanUpdated(status="updated", record=after, coverage=coverage, diff=diff, warnings=told)


async def _next(
    before: QualityPlan, wanted: PatchedPlan, request: UpdateQualityPlan, call: WriteCall, project: Project
) -> QualityPlan:
    """The new revision, for the material as it is now; a review asked for is answered by making it."""
    revisions = await revisions_of(call, QualityPlan, before.id)
    return before.model_copy(
        update={
            "revision": next_revision(revisions),
            "state": DocumentState.DRAFT,
            "title": wanted.title,
            "customer": wanted.customer,
            "core_team": wanted.core_team,
            "rows": await completed(wanted.rows, call, project),
            "material_revision": (await _material(request, call)).revision,
            "change_reason": request.change_reason,
            "review_reason": None,
            "signatures": (),
            "created_at": call.now,
            "created_by": request.on_behalf_of or call.caller.principal,
        }
    )


async def _plan(request: UpdateQualityPlan, call: ToolCall) -> QualityPlan:
    project = await project_of(call, request.project)
    return await revision_to_change(call, QualityPlan, request.plan_id, field="plan_id", project=project)


async def _material(request: UpdateQualityPlan, call: ToolCall) -> Material:
    project = await project_of(call, request.project)
    plan = await _plan(request, call)
    return await record_of(call, Material, plan.material_id, field="plan_id", project=project)


def _patch(request: UpdateQualityPlan) -> Patch:
    return Patch(request.changes, request.copy_rows, request.remove_rows)


def _asked(request: UpdateQualityPlan, plan: QualityPlan) -> RowsAsked:
    wanted = patched(plan, _patch(request))
    given_at = {
        (len(plan.rows) + number, name): f"copy_rows[{number}]"
        for number in range(len(request.copy_rows))
        for name in PlanRow.model_fields
    } | {
        (change.row, change.field): f"changes[{number}].value"
        for number, change in enumerate(request.changes)
        if change.row is not None
    }
    return RowsAsked(wanted.rows, plan.material_id, wanted.positions, given_at, otherwise="changes")


TOOLS = (update_quality_plan,)
