"""Toolset quality: control plans."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict
from typing import Annotated

from pydantic import Field

from mcp_server.backends.base import Query
from mcp_server.domain.control_plan import Finding, check_gauge, check_row, complete_row, coverage
from mcp_server.domain.records import (
    Gauge,
    Machine,
    Material,
    Phase,
    PlanRow,
    PlanState,
    Project,
    QualityPlan,
    Record,
    Spec,
)
from mcp_server.errors import Conflict, RuleViolated, VerificationFailed
from mcp_server.pipeline.declaration import (
    Code,
    Effect,
    ListRequest,
    ListResult,
    ProjectField,
    Result,
    ToolCall,
    WriteCall,
    WriteRequest,
    WriteResult,
    tool,
)
from mcp_server.pipeline.preconditions import did_you_mean, ids, in_use, project_of, record_of
from mcp_server.tools.paging import envelope, one_page, page_is_as_asked, selection

__all__ = ["TOOLS"]

_ENDED = (PlanState.SUPERSEDED, PlanState.WITHDRAWN)


class CreateQualityPlan(WriteRequest):
    title: Annotated[str, Field(min_length=3, max_length=120, description="Name of the plan")]
    phase: Annotated[Phase, Field(description="Phase of the control plan")]
    material_id: Annotated[Code, Field(description="Part or material the plan is for")]
    rows: Annotated[tuple[PlanRow, ...], Field(min_length=1, max_length=200, description="One a characteristic")]
    core_team: Annotated[
        tuple[Annotated[str, Field(max_length=80)], ...], Field(max_length=20, description="Names or roles")
    ] = ()
    customer: Annotated[str | None, Field(min_length=2, max_length=80, description="Customer")] = None


class SpecialCoverage(Result):
    special_total: int
    special_covered: int
    missing: tuple[str, ...]


class QualityPlanWritten(WriteResult):
    record: QualityPlan
    coverage: SpecialCoverage

    @property
    def stored(self) -> QualityPlan | None:
        return self.record


class GetQualityPlans(ListRequest):
    project: ProjectField
    id: Annotated[Code | None, Field(description="e.g. QP-0001")] = None
    material_id: Annotated[Code | None, Field(description="Material id")] = None
    phase: Annotated[Phase | None, Field(description="Phase")] = None
    state: Annotated[PlanState | None, Field(description="State")] = None
    limit: Annotated[int, Field(ge=1, le=50, description="Page size")] = 10


class QualityPlans(ListResult[QualityPlan]):
    pass


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
    """Every id in a row exists, and belongs together: specification to material, machine in use."""
    project = await project_of(call, request.project)
    for position, row in enumerate(request.rows):
        at = f"rows[{position}]"
        if row.machine_id is not None:
            machine = await record_of(call, Machine, row.machine_id, field=f"{at}.machine_id", project=project)
            await _machine_is_in_use(machine, call, field=f"{at}.machine_id", project=project)
        if row.gauge_id is not None:
            await record_of(call, Gauge, row.gauge_id, field=f"{at}.gauge_id", project=project)
        if row.spec_id is not None:
            spec = await record_of(call, Spec, row.spec_id, field=f"{at}.spec_id", project=project)
            await _spec_is_of_material(spec, request, call, field=f"{at}.spec_id")


async def _machine_is_in_use(machine: Machine, call: ToolCall, *, field: str, project: Project) -> None:
    if in_use(machine):
        return
    siblings = Query(selection(project=project.id, workstation=machine.workstation))
    others = [m for m in (await call.plant.find(Machine, siblings)).items if in_use(m)]
    there = f"At {machine.workstation} there are {did_you_mean(others)}"
    raise RuleViolated(
        f"{machine.id} ({machine.name}) is decommissioned.",
        field=field,
        suggestion=there if others else "Choose another machine.",
        alternatives=ids(others),
    )


async def _spec_is_of_material(spec: Spec, request: CreateQualityPlan, call: ToolCall, *, field: str) -> None:
    if spec.material_id == request.material_id:
        return
    specs = (await call.plant.find(Spec, Query(selection(material_id=request.material_id)))).items
    raise RuleViolated(
        f"{spec.id} ({spec.characteristic}) is a characteristic of {spec.material_id}, not of {request.material_id}.",
        field=field,
        suggestion=f"{request.material_id} has {did_you_mean(specs)}" if specs else "Change material_id.",
        alternatives=ids(specs),
    )


async def _rows_follow_the_rules(request: CreateQualityPlan, call: ToolCall) -> None:
    findings = [(at, finding) async for at, finding in _findings(request, call) if finding.stops]
    if not findings:
        return
    at, first = findings[0]
    raise RuleViolated(
        f"{at}.{first.field}: {first.message}.",
        field=f"{at}.{first.field}",
        suggestion=first.suggestion,
        also=[f"{place}.{finding.field}: {finding.message}" for place, finding in findings[1:10]],
    )


async def _characteristics_are_listed_once(request: CreateQualityPlan, _call: ToolCall) -> None:
    seen: dict[tuple[str | None, ...], int] = {}
    for position, row in enumerate(request.rows):
        what = (row.spec_id,) if row.spec_id else ((row.characteristic or "").casefold(), row.operation)
        first = seen.setdefault((row.machine_id, *what), position)
        if first != position:
            raise RuleViolated(
                f"rows[{position}] repeats rows[{first}]: the same characteristic at the same machine.",
                field=f"rows[{position}].{'spec_id' if row.spec_id else 'characteristic'}",
                suggestion="Remove one of the two rows, or give each its own machine_id.",
            )


async def _plan_is_new(request: CreateQualityPlan, call: ToolCall) -> None:
    project = await project_of(call, request.project)
    among = selection(project=project.id, material_id=request.material_id, phase=request.phase)
    plans = (await call.plant.find(QualityPlan, Query(among))).items
    standing = [plan for plan in plans if plan.state not in _ENDED]
    if standing:
        raise Conflict(
            f"{standing[0].id} ({standing[0].title!r}, {standing[0].state}) already is the {request.phase} plan "
            f"for {request.material_id}.",
            field="material_id",
            suggestion="Read it with get_quality_plans; plan another material or phase.",
            alternatives=ids(standing),
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
    specs = (await call.plant.find(Spec, Query(selection(material_id=request.material_id)))).items
    if result.coverage != _covered(specs, result.record.rows):
        raise VerificationFailed("The coverage of special characteristics was computed wrongly.", field="coverage")


@tool(
    title="Create a quality plan",
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
    """Create a control plan (revision 1, draft) for a material in one phase.

    Each row controls one characteristic: give spec_id and the specification fills in the rest, or describe your own.
    Limits may be tighter than the specification's, never wider. CC needs full inspection, error proofing, automatic
    gauging or SPC. The result lists special characteristics that no row covers.
    """
    project = await project_of(call, request.project)
    material = await record_of(call, Material, request.material_id, field="material_id", project=project)
    specs = (await call.plant.find(Spec, Query(selection(material_id=material.id)))).items
    rows = tuple([complete_row(row, await _spec_of(row, call, project)) for row in request.rows])
    plan = QualityPlan(
        id=await call.unit.next_id(QualityPlan, "QP-"),
        project=project.id,
        title=request.title,
        phase=request.phase,
        material_id=material.id,
        material_revision=material.revision,
        revision=1,
        state=PlanState.DRAFT,
        customer=request.customer,
        core_team=request.core_team,
        rows=rows,
        created_at=call.now,
        created_by=request.on_behalf_of or call.caller.principal,
    )
    await call.unit.insert(plan)
    covered = _covered(specs, rows)
    warnings = [f"{at}.{f.field}: {f.message}." async for at, f in _findings(request, call) if not f.stops]
    if covered.missing:
        warnings.append(f"Special characteristics without a row: {', '.join(covered.missing)}.")
    return QualityPlanWritten(status="created", record=plan, coverage=covered, warnings=tuple(warnings))


async def _plans_exist(request: GetQualityPlans, call: ToolCall) -> None:
    project = await project_of(call, request.project)
    checks: tuple[tuple[type[Record], str, str | None], ...] = (
        (QualityPlan, "id", request.id),
        (Material, "material_id", request.material_id),
    )
    for kind, field, wanted in checks:
        if wanted is not None:
            await record_of(call, kind, wanted, field=field, project=project)


async def _plans_are_whole(_request: GetQualityPlans, result: QualityPlans, _call: ToolCall) -> None:
    hollow = [plan.id for plan in result.items if not plan.rows]
    if hollow:
        raise VerificationFailed(
            f"The system of record answered with plans without rows: {', '.join(hollow)}.",
            suggestion="Report this to whoever runs the system of record.",
        )


@tool(
    title="Get quality plans",
    toolset="quality",
    effect=Effect.READ,
    request=GetQualityPlans,
    result=QualityPlans,
    preconditions=(_plans_exist,),
    result_checks=(page_is_as_asked, _plans_are_whole),
)
async def get_quality_plans(request: GetQualityPlans, call: ToolCall) -> QualityPlans:
    """Find quality plans of a project, with all their rows."""
    project = await project_of(call, request.project)
    among = selection(
        project=project.id, id=request.id, material_id=request.material_id, phase=request.phase, state=request.state
    )
    page = await one_page(call, QualityPlan, Query(among), request)
    return QualityPlans(items=page.items, **envelope(page, call))


def _covered(specs: Iterable[Spec], rows: Iterable[PlanRow]) -> SpecialCoverage:
    return SpecialCoverage(**asdict(coverage(specs, rows)))


async def _spec_of(row: PlanRow, call: ToolCall, project: Project) -> Spec | None:
    return None if row.spec_id is None else await record_of(call, Spec, row.spec_id, field="spec_id", project=project)


async def _findings(request: CreateQualityPlan, call: ToolCall) -> AsyncIterator[tuple[str, Finding]]:
    """Every rule a row does not meet, with the row's place."""
    project = await project_of(call, request.project)
    for position, row in enumerate(request.rows):
        spec = await _spec_of(row, call, project)
        whole = complete_row(row, spec)
        found = check_row(whole, spec)
        if row.gauge_id is not None:
            gauge = await record_of(call, Gauge, row.gauge_id, field="gauge_id", project=project)
            found += check_gauge(whole, gauge, overdue=gauge.cal_due < call.today(project.time_zone))
        for finding in found:
            yield f"rows[{position}]", finding


TOOLS = (create_quality_plan, get_quality_plans)
