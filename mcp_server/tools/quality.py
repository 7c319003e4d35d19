"""Toolset quality: acceptance sampling and control plans."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal

from pydantic import Field

from mcp_server.backends.base import Query
from mcp_server.domain import sampling
from mcp_server.domain.control_plan import Finding, check_gauge, check_row, complete_row, coverage
from mcp_server.domain.records import (
    Gauge,
    InspectionLevel,
    Machine,
    MachineStatus,
    Material,
    Phase,
    PlanRow,
    PlanState,
    PreferredAql,
    Project,
    QualityPlan,
    Record,
    Spec,
    SpecialClass,
)
from mcp_server.errors import Conflict, RuleViolated, VerificationFailed
from mcp_server.pipeline.declaration import (
    Effect,
    ListRequest,
    ListResult,
    ProjectField,
    Request,
    ToolCall,
    WriteCall,
    WriteRequest,
    WriteResult,
    tool,
)
from mcp_server.pipeline.preconditions import did_you_mean, project_of, record_of
from mcp_server.tools.paging import envelope, one_page, selection

__all__ = ["TOOLS"]

_ENDED = (PlanState.SUPERSEDED, PlanState.WITHDRAWN)


class ComputeSamplingPlan(Request):
    lot_size: Annotated[int, Field(ge=2, le=sampling.MAX_LOT_SIZE, description="Pieces in the lot")]
    aql: Annotated[
        PreferredAql,
        Field(description="Acceptance quality limit: percent nonconforming up to 10, nonconformities per 100 above"),
    ]
    inspection_level: Annotated[InspectionLevel, Field(description="General I, II, III or special S-1 to S-4")] = "II"
    severity: Annotated[
        sampling.SamplingSeverity, Field(description="normal at the start; others by the switching rules")
    ] = "normal"
    special_class: Annotated[
        SpecialClass | None, Field(description="Class of the characteristic; CC is refused, AQL does not fit it")
    ] = None


class SamplingPlanResult(Request):
    """`accept` and `reject` are numbers of nonconforming pieces in `sample_size` pieces."""

    lot_size: int
    code_letter: str
    plan_letter: str
    sample_size: int
    accept: int
    reject: int
    arrow: Literal["up", "down"] | None = None
    full_inspection: bool
    standard: str
    warnings: tuple[str, ...]


class CreateQualityPlan(WriteRequest):
    title: Annotated[str, Field(min_length=3, max_length=120, description="Title of the plan")]
    phase: Annotated[Phase, Field(description="Phase of the control plan")]
    material_id: Annotated[str, Field(max_length=40, description="Part or material the plan is for")]
    rows: Annotated[tuple[PlanRow, ...], Field(min_length=1, max_length=200, description="One row a characteristic")]
    core_team: Annotated[tuple[str, ...], Field(max_length=20, description="Names or roles of the core team")] = ()
    customer: Annotated[str | None, Field(min_length=2, max_length=80, description="Customer")] = None


class SpecialCoverage(Request):
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
    id: Annotated[str | None, Field(max_length=40, description="Only this plan, e.g. QP-0001")] = None
    material_id: Annotated[str | None, Field(max_length=40, description="Only of this material")] = None
    phase: Annotated[Phase | None, Field(description="Only of this phase")] = None
    state: Annotated[PlanState | None, Field(description="Only in this state")] = None
    limit: Annotated[int, Field(ge=1, le=50, description="Plans per page; each comes with all its rows")] = 10


class QualityPlans(ListResult[QualityPlan]):
    pass


async def _class_fits_aql(request: ComputeSamplingPlan, _call: ToolCall) -> None:
    if request.special_class is SpecialClass.CC:
        raise RuleViolated(
            "AQL sampling accepts nonconforming pieces, which a CC characteristic does not allow.",
            field="special_class",
            suggestion="Inspect every piece, use error proofing, or a zero-acceptance (c = 0) plan.",
        )


async def _tables_are_verified(request: ComputeSamplingPlan, result: SamplingPlanResult, _call: ToolCall) -> None:
    """The plan is the table's, and the tables are the verified ones."""
    again = sampling.sampling_plan(request.lot_size, request.aql, request.inspection_level, request.severity)
    plan = (again.plan_letter, again.sample_size, again.accept, again.reject)
    if not sampling.tables_intact() or plan != (
        result.plan_letter,
        result.sample_size,
        result.accept,
        result.reject,
    ):
        raise VerificationFailed(
            "The sampling tables of this installation are damaged.", suggestion="Install it again."
        )


@tool(
    title="Compute a sampling plan",
    toolset="quality",
    effect=Effect.READ,
    request=ComputeSamplingPlan,
    result=SamplingPlanResult,
    preconditions=(_class_fits_aql,),
    result_checks=(_tables_are_verified,),
)
async def compute_sampling_plan(request: ComputeSamplingPlan, _call: ToolCall) -> SamplingPlanResult:
    """Look up the single sampling plan for a lot: how many pieces to inspect, when to accept, when to reject.

    ANSI/ASQ Z1.4 (MIL-STD-105E). Arrows of the table are followed, with their own sample size.
    """
    plan = sampling.sampling_plan(request.lot_size, request.aql, request.inspection_level, request.severity)
    warnings: list[str] = []
    if plan.full_inspection:
        warnings.append("The sample would be the whole lot: inspect every piece.")
    if request.severity == "reduced":
        warnings.append(
            "ANSI form of reduced inspection. When more than accept but fewer than reject pieces are nonconforming, "
            "accept the lot and go back to normal inspection. Not ISO 2859-1."
        )
    return SamplingPlanResult(
        lot_size=request.lot_size,
        code_letter=plan.code_letter,
        plan_letter=plan.plan_letter,
        sample_size=plan.sample_size,
        accept=plan.accept,
        reject=plan.reject,
        arrow=plan.arrow,
        full_inspection=plan.full_inspection,
        standard=sampling.STANDARD,
        warnings=tuple(warnings),
    )


async def _material_is_current(request: CreateQualityPlan, call: ToolCall) -> None:
    project = await project_of(call, request.project)
    material = await record_of(call, Material, request.material_id, field="material_id", project=project)
    if material.status != "obsolete":
        return
    others = (await call.plant.find(Material, Query(selection(project=project.id)))).items
    current = [m for m in others if m.standard == material.standard and m.status != "obsolete"]
    raise RuleViolated(
        f"{material.id} (revision {material.revision}) is obsolete.",
        field="material_id",
        suggestion=f"Plan for the current revision: {did_you_mean(current)}" if current else "Plan for a current one.",
        alternatives=[m.id for m in current],
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
    if machine.status is not MachineStatus.DECOMMISSIONED:
        return
    siblings = (
        await call.plant.find(Machine, Query(selection(project=project.id, workstation=machine.workstation)))
    ).items
    others = [m for m in siblings if m.status is not MachineStatus.DECOMMISSIONED]
    raise RuleViolated(
        f"{machine.id} ({machine.name}) is decommissioned.",
        field=field,
        suggestion=f"At {machine.workstation} there are {did_you_mean(others)}"
        if others
        else "Choose another machine.",
        alternatives=[m.id for m in others],
    )


async def _spec_is_of_material(spec: Spec, request: CreateQualityPlan, call: ToolCall, *, field: str) -> None:
    if spec.material_id == request.material_id:
        return
    specs = (await call.plant.find(Spec, Query(selection(material_id=request.material_id)))).items
    raise RuleViolated(
        f"{spec.id} ({spec.characteristic}) is a characteristic of {spec.material_id}, not of {request.material_id}.",
        field=field,
        suggestion=f"{request.material_id} has {did_you_mean(specs)}" if specs else "Change material_id.",
        alternatives=[s.id for s in specs],
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
        key = (row.spec_id, None if row.spec_id else row.characteristic, row.operation, row.machine_id)
        if key in seen:
            raise RuleViolated(
                f"rows[{position}] repeats rows[{seen[key]}]: the same characteristic at the same machine.",
                field=f"rows[{position}].spec_id",
                suggestion="Remove one of the two rows, or give each its own machine_id.",
            )
        seen[key] = position


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
            alternatives=[plan.id for plan in standing],
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
    wanted = coverage(specs, result.record.rows)
    if (wanted.special_total, wanted.missing) != (result.coverage.special_total, result.coverage.missing):
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

    Each row controls one characteristic: give spec_id and the row takes characteristic, unit, limits, class and
    operation from the specification, or describe a characteristic of your own. Limits may be tighter than the
    specification's, never wider. CC characteristics need full inspection, error proofing, automatic gauging or SPC.
    The result lists special characteristics that no row covers.
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
    covered = coverage(specs, rows)
    warnings = [f"{at}.{f.field}: {f.message}." async for at, f in _findings(request, call) if not f.stops]
    if covered.missing:
        warnings.append(f"Special characteristics without a row: {', '.join(covered.missing)}.")
    return QualityPlanWritten(
        status="created",
        record=plan,
        coverage=SpecialCoverage(
            special_total=covered.special_total, special_covered=covered.special_covered, missing=covered.missing
        ),
        warnings=tuple(warnings),
    )


async def _plans_exist(request: GetQualityPlans, call: ToolCall) -> None:
    project = await project_of(call, request.project)
    checks: tuple[tuple[type[Record], str, str | None], ...] = (
        (QualityPlan, "id", request.id),
        (Material, "material_id", request.material_id),
    )
    for kind, field, wanted in checks:
        if wanted is not None:
            await record_of(call, kind, wanted, field=field, project=project)


async def _plans_are_whole(request: GetQualityPlans, result: QualityPlans, call: ToolCall) -> None:
    project = await project_of(call, request.project)
    for plan in result.items:
        if plan.project != project.id or not plan.rows:
            raise VerificationFailed(
                f"The system of record answered with {plan.id}, which is incomplete or of another project.",
                suggestion="Report this to whoever runs the system of record.",
            )


@tool(
    title="Get quality plans",
    toolset="quality",
    effect=Effect.READ,
    request=GetQualityPlans,
    result=QualityPlans,
    preconditions=(_plans_exist,),
    result_checks=(_plans_are_whole,),
)
async def get_quality_plans(request: GetQualityPlans, call: ToolCall) -> QualityPlans:
    """Find quality plans of a project with all their rows: by id, material, phase or state."""
    project = await project_of(call, request.project)
    among = selection(
        project=project.id, id=request.id, material_id=request.material_id, phase=request.phase, state=request.state
    )
    page = await one_page(call, QualityPlan, Query(among), request)
    return QualityPlans(items=page.items, **envelope(page, call))


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


TOOLS = (compute_sampling_plan, create_quality_plan, get_quality_plans)
