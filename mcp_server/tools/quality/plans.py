"""Toolset quality: control plans, made and found."""

from typing import Annotated

from pydantic import Field

from mcp_server.backends.base import Query
from mcp_server.domain.documents import LIVE, newest_live
from mcp_server.domain.quality.control_plan import behind_material
from mcp_server.domain.quality.plan_changes import MOST_ROWS, CoreTeam, Customer, PlanTitle
from mcp_server.domain.records import LISTED_ELSEWHERE, DocumentState, Material, Phase, PlanRow, QualityPlan
from mcp_server.errors import Conflict, RuleViolated, VerificationFailed
from mcp_server.pipeline.declaration import (
    Code,
    Effect,
    ListRequest,
    ListResult,
    ProjectField,
    ToolCall,
    WriteCall,
    WriteRequest,
    WriteResult,
    tool,
)
from mcp_server.pipeline.preconditions import (
    did_you_mean,
    document_of,
    ids,
    in_use,
    project_of,
    record_of,
    revisions_of,
)
from mcp_server.tools.paging import envelope, page_is_as_asked, page_of, selection
from mcp_server.tools.quality.plan_rows import (
    RowFinding,
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


class CreateQualityPlan(WriteRequest):
    title: PlanTitle
    phase: Annotated[Phase, Field(description="Phase")]
    material_id: Annotated[Code, Field(description="e.g. HSG-FC57")]
    rows: Annotated[tuple[PlanRow, ...], Field(min_length=1, max_length=MOST_ROWS, description="One a characteristic")]
    core_team: CoreTeam = ()
    customer: Customer = None


class QualityPlanWritten(WriteResult):
    record: QualityPlan
    coverage: SpecialCoverage

    @property
    def stored(self) -> QualityPlan | None:
        return self.record


async def _material_is_current(request: CreateQualityPlan, call: ToolCall) -> None:
    project = await project_of(call, request.project)
    material = await record_of(call, Material, request.material_id, field="material_id", project=project)
    if in_use(material):
        return
    others = (await call.plant.find(Material, Query(selection(project=project.id)))).items
    current = [m for m in others if m.standard == material.standard and in_use(m)]
    raise RuleViolated(
        f"{material.id} (revision {material.revision}) is obsolete.",
        field="material_id",
        suggestion=f"Plan for the current revision: {did_you_mean(current)}" if current else "Plan for a current one.",
        alternatives=ids(current),
    )


async def _rows_refer_to_the_plant(request: CreateQualityPlan, call: ToolCall) -> None:
    await refer_to_the_plant(_asked(request), call, await project_of(call, request.project))


async def _characteristics_are_listed_once(request: CreateQualityPlan, _call: ToolCall) -> None:
    listed_once(_asked(request))


async def _rows_follow_the_rules(request: CreateQualityPlan, call: ToolCall) -> None:
    refuse_stopping(await _findings(request, call))


async def _plan_is_new(request: CreateQualityPlan, call: ToolCall) -> None:
    project = await project_of(call, request.project)
    among = selection(
        project=project.id, material_id=request.material_id, phase=request.phase, state=tuple(sorted(LIVE))
    )
    standing = newest_live((await call.plant.find(QualityPlan, Query(among))).items)
    if standing is not None:
        raise Conflict(
            f"{standing.id} ({standing.title!r}, revision {standing.revision}, {standing.state}) already is the "
            f"{request.phase} plan for {request.material_id}.",
            field="material_id",
            suggestion="Change it with update_quality_plan, or plan another material or phase.",
            alternatives=[standing.id],
        )


async def _rows_are_as_asked(request: CreateQualityPlan, result: QualityPlanWritten, _call: WriteCall) -> None:
    """Nothing the caller said was changed on the way, and no row was lost or added."""
    stored = result.record.rows
    if len(stored) != len(request.rows):
        raise VerificationFailed(f"{len(request.rows)} rows were asked for, {len(stored)} came out.", field="rows")
    for position, (asked, row) in enumerate(zip(request.rows, stored, strict=True)):
        for name in asked.model_fields_set:
            if getattr(asked, name) is not None and getattr(asked, name) != getattr(row, name):
                raise VerificationFailed(
                    f"rows[{position}].{name} was changed on the way.", field=f"rows[{position}].{name}"
                )


async def _coverage_is_right(request: CreateQualityPlan, result: QualityPlanWritten, call: WriteCall) -> None:
    if result.coverage != await covered(request.material_id, result.record.rows, call):
        raise VerificationFailed("The coverage of special characteristics was computed wrongly.", field="coverage")


@tool(
    toolset="quality",
    effect=Effect.CREATE,
    request=CreateQualityPlan,
    result=QualityPlanWritten,
    preconditions=(
        _material_is_current,
        _rows_refer_to_the_plant,
        _characteristics_are_listed_once,
        _rows_follow_the_rules,
        _plan_is_new,
    ),
    result_checks=(_rows_are_as_asked, _coverage_is_right),
)
async def create_quality_plan(request: CreateQualityPlan, call: WriteCall) -> QualityPlanWritten:
    """Create a control plan (draft). A row with spec_id takes the rest from it; limits may be tighter, never wider. CC
    needs full inspection, error proofing, automatic gauging or SPC.
    """
    project = await project_of(call, request.project)
    material = await record_of(call, Material, request.material_id, field="material_id", project=project)
    plan = QualityPlan(
        id=await call.unit.next_id(QualityPlan, "QP-"),
        project=project.id,
        title=request.title,
        phase=request.phase,
        material_id=material.id,
        material_revision=material.revision,
        revision=1,
        state=DocumentState.DRAFT,
        customer=request.customer,
        core_team=request.core_team,
        rows=await completed(request.rows, call, project),
        created_at=call.now,
        created_by=request.on_behalf_of or call.caller.principal,
    )
    await call.unit.insert(plan)
    coverage = await covered(material.id, plan.rows, call)
    told = warnings(await _findings(request, call), coverage)
    return QualityPlanWritten(status="created", record=plan, coverage=coverage, warnings=told)


class GetQualityPlans(ListRequest):
    project: ProjectField
    id: Annotated[Code | None, Field(description="Shows its rows")] = None
    revision: Annotated[int | None, Field(ge=1, le=9_999, description="Of id")] = None
    material_id: Annotated[Code | None, Field(description="Material")] = None
    phase: Annotated[Phase | None, Field(description="As when created", json_schema_extra=LISTED_ELSEWHERE)] = None
    state: Annotated[DocumentState | None, Field(description="State")] = None
    needs_review: Annotated[bool | None, Field(description="Review is due")] = None


class QualityPlanItem(QualityPlan):
    """A plan with what is computed for it. `rows` are left out of lists; `uncovered` are special characteristics."""

    rows: tuple[PlanRow, ...] = ()
    row_count: int
    uncovered: tuple[str, ...] = ()
    needs_review: bool


class QualityPlans(ListResult[QualityPlanItem]):
    pass


async def _plan_exists(request: GetQualityPlans, call: ToolCall) -> None:
    project = await project_of(call, request.project)
    if request.material_id is not None:
        await record_of(call, Material, request.material_id, field="material_id", project=project)
    if request.id is not None:
        await document_of(call, QualityPlan, request.id, field="id", project=project, revision=request.revision)
    elif request.revision is not None:
        raise RuleViolated("A revision is of one plan.", field="id", suggestion="Give id too, or leave revision out.")


async def _plans_are_whole(request: GetQualityPlans, result: QualityPlans, call: ToolCall) -> None:
    """No plan is without rows or counts them wrongly, and none is shown in place of a newer one."""
    for plan in result.items:
        stored = [p for p in await revisions_of(call, QualityPlan, plan.id) if p.revision == plan.revision]
        counts = {len(p.rows) for p in stored} | ({len(plan.rows)} if request.id is not None else set[int]())
        if counts != {plan.row_count} or not plan.row_count:
            raise VerificationFailed(
                f"The system of record answered with a plan that is not whole: {plan.id}.",
                suggestion="Report this to whoever runs the system of record.",
            )


@tool(
    toolset="quality",
    effect=Effect.READ,
    request=GetQualityPlans,
    result=QualityPlans,
    preconditions=(_plan_exists,),
    result_checks=(page_is_as_asked, _plans_are_whole),
)
async def get_quality_plans(request: GetQualityPlans, call: ToolCall) -> QualityPlans:
    """Find quality plans, of each the newest revision in use. Rows come with id."""
    project = await project_of(call, request.project)
    among = selection(
        project=project.id,
        id=request.id,
        revision=request.revision,
        material_id=request.material_id,
        phase=request.phase,
        state=request.state,
    )
    plans = (await call.plant.find(QualityPlan, Query(among))).items
    items = [await _item(plan, call, with_rows=request.id is not None) for plan in _one_each(plans, request)]
    wanted = [item for item in items if request.needs_review in {None, item.needs_review}]
    page = page_of(wanted, request, lambda item: item.id)
    behind = [await _behind(item, call) for item in page.items if item.state in LIVE]
    warnings = tuple(f"{told}." for told in behind if told is not None)
    return QualityPlans(items=page.items, warnings=warnings, **envelope(page, call))


def _one_each(plans: tuple[QualityPlan, ...], request: GetQualityPlans) -> list[QualityPlan]:
    """The newest revision of each plan that is live; one that has ended only if it was asked for by id or state."""
    of_id: dict[str, list[QualityPlan]] = {}
    for plan in plans:
        of_id.setdefault(plan.id, []).append(plan)
    ended_too = request.id is not None or request.state is not None
    newest = (newest_live(revisions) or (revisions[-1] if ended_too else None) for revisions in of_id.values())
    return [plan for plan in newest if plan is not None]


async def _item(plan: QualityPlan, call: ToolCall, *, with_rows: bool) -> QualityPlanItem:
    uncovered = (await covered(plan.material_id, plan.rows, call)).missing
    content = plan.model_dump(exclude=None if with_rows else {"rows"})
    asked_for = plan.review_reason is not None or bool(uncovered) or await _behind(plan, call) is not None
    due = plan.state in LIVE and asked_for
    return QualityPlanItem(**content, row_count=len(plan.rows), uncovered=uncovered, needs_review=due)


async def _behind(plan: QualityPlan, call: ToolCall) -> str | None:
    material = await call.plant.get(Material, plan.material_id)
    return None if material is None else behind_material(plan, material)


def _asked(request: CreateQualityPlan) -> RowsAsked:
    return RowsAsked(request.rows, request.material_id, range(len(request.rows)))


async def _findings(request: CreateQualityPlan, call: ToolCall) -> list[RowFinding]:
    return await findings(_asked(request), request.phase, call, await project_of(call, request.project))


TOOLS = (create_quality_plan, get_quality_plans)
