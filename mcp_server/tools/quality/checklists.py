"""Toolset quality: inspection checklists."""

from mcp_server.backends.base import Query
from mcp_server.domain import limits
from mcp_server.domain.documents import LIVE
from mcp_server.domain.quality.checklists import in_force, selected_rows
from mcp_server.domain.quality.control_plan import behind_material
from mcp_server.domain.quality.gauges import check_gauge
from mcp_server.domain.quality.sampling_structure import derived_plan
from mcp_server.domain.records import (
    CheckItem,
    Checklist,
    DocumentState,
    Gauge,
    Material,
    Project,
    QualityPlan,
    Spec,
    SpecialClass,
)
from mcp_server.errors import RuleViolated, VerificationFailed
from mcp_server.pipeline.declaration import Effect, ToolCall, WriteCall, WriteResult, tool
from mcp_server.pipeline.preconditions import ids, in_use, project_of, record_of, revisions_of
from mcp_server.tools.paging import selection
from mcp_server.tools.quality.checklist_source import (
    CreateInspectionChecklist,
    items_of,
    material_of,
    plan_of,
    sources_of,
    specs_of,
)

__all__ = ["TOOLS"]


class ChecklistWritten(WriteResult):
    record: Checklist

    @property
    def stored(self) -> Checklist | None:
        return self.record if self.status == "created" else None


async def _one_source_is_named(request: CreateInspectionChecklist, _call: ToolCall) -> None:
    if (request.plan_id is None) is (not request.spec_ids):
        raise RuleViolated(
            "Items come either from a plan or from specifications.",
            field="plan_id",
            suggestion="Give plan_id or spec_ids, not both.",
        )
    if request.plan_id is not None and request.sample_size is not None:
        raise RuleViolated(
            "A plan says itself how many pieces to check.",
            field="sample_size",
            suggestion="Leave sample_size out, or change the plan with update_quality_plan.",
        )


async def _plan_is_in_force(request: CreateInspectionChecklist, call: ToolCall) -> None:
    if request.plan_id is None:
        return
    project = await project_of(call, request.project)
    newest = await record_of(call, QualityPlan, request.plan_id, field="plan_id", project=project)
    revisions = await revisions_of(call, QualityPlan, newest.id)
    if in_force(revisions) is None:
        plans = await call.plant.find(QualityPlan, Query(selection(project=project.id, state=tuple(LIVE))))
        raise RuleViolated(
            f"{newest.id} is {newest.state}; nothing is inspected by it any more.",
            field="plan_id",
            suggestion="Use a plan that is in force, or spec_ids.",
            alternatives=ids(plans.items),
        )


async def _operation_is_in_the_plan(request: CreateInspectionChecklist, call: ToolCall) -> None:
    plan = await plan_of(request, call)
    if plan is None or selected_rows(plan.rows, request.operation, request.frequency):
        return
    of_operation = selected_rows(plan.rows, request.operation, None)
    if of_operation:
        raise RuleViolated(
            f"{plan.id} has no row of {request.operation} that is checked {request.frequency!r}.",
            field="frequency",
            suggestion="Leave frequency out for all rows, or use one of the alternatives.",
            alternatives=sorted({row.frequency for row in of_operation}),
        )
    operations = sorted({row.operation for row in plan.rows if row.operation})
    raise RuleViolated(
        f"{plan.id} has no row for operation {request.operation}.",
        field="operation",
        suggestion=f"It has rows for {', '.join(operations)}.",
        alternatives=operations,
    )


async def _specs_are_of_one_operation(request: CreateInspectionChecklist, call: ToolCall) -> None:
    specs = await specs_of(request, call)
    for position, spec in enumerate(specs):
        field = f"spec_ids[{position}]"
        if spec.id in request.spec_ids[:position]:
            raise RuleViolated(f"{spec.id} is named twice.", field=field, suggestion="Name it once.")
        if spec.material_id != specs[0].material_id:
            raise RuleViolated(
                f"{spec.id} is of {spec.material_id}, {specs[0].id} of {specs[0].material_id}.",
                field=field,
                suggestion="Make one checklist for each material.",
            )
        if spec.operation.casefold() != request.operation.casefold():
            raise RuleViolated(
                f"{spec.id} ({spec.characteristic}) is checked at {spec.operation}, not at {request.operation}.",
                field=field,
                suggestion=f"Make a checklist of its own for {spec.operation}.",
                alternatives=await _specs_at(request.operation, spec.material_id, call),
            )


async def _specs_can_decide(request: CreateInspectionChecklist, call: ToolCall) -> None:
    for position, spec in enumerate(await specs_of(request, call)):
        open_ended = spec.data_type == "variable" and spec.lsl is None and spec.usl is None
        if open_ended or limits.are_reversed(spec.lsl, spec.usl):
            wrong = "is measured, but has no limit" if open_ended else f"has lsl {spec.lsl:g} and usl {spec.usl:g}"
            raise RuleViolated(
                f"{spec.id} ({spec.characteristic}) {wrong}: no reading can be judged by it.",
                field=f"spec_ids[{position}]",
                suggestion="Have the specification corrected first, or leave it out.",
            )


async def _material_is_in_use(request: CreateInspectionChecklist, call: ToolCall) -> None:
    material = await material_of(request, call)
    if not in_use(material):
        raise RuleViolated(
            f"{material.id} (revision {material.revision}) is obsolete.",
            field="plan_id" if request.plan_id else "spec_ids[0]",
            suggestion="Make the checklist for the current revision of the part.",
        )


async def _items_are_the_source(request: CreateInspectionChecklist, result: ChecklistWritten, call: WriteCall) -> None:
    """As many items as rows or specifications, in their order, with their limits; nothing accepted for CC."""
    wanted = await sources_of(request, call)
    items = result.record.items
    same = len(items) == len(wanted) and all(
        (item.characteristic, item.nominal, item.lsl, item.usl, item.special_class)
        == (source.characteristic, source.nominal, source.lsl, source.usl, source.special_class)
        for item, source in zip(items, wanted, strict=True)
    )
    if not same or any(item.special_class is SpecialClass.CC and (item.accept or item.aql) for item in items):
        raise VerificationFailed("The items are not those of the plan or the specifications.", field="items")


async def _samples_are_the_tables(
    _request: CreateInspectionChecklist, result: ChecklistWritten, _call: WriteCall
) -> None:
    for position, item in enumerate(result.record.items):
        if item.aql is None or result.record.lot_size is None:
            continue
        derived = derived_plan(result.record.lot_size, item.aql, item.inspection_level or "II", "normal")
        if (item.sample_size, item.accept) != (derived.sample_size, derived.accept):
            raise VerificationFailed(
                f"The sample of {item.characteristic} is not the one of the standard.", field=f"items[{position}]"
            )


@tool(
    toolset="quality",
    effect=Effect.CREATE,
    request=CreateInspectionChecklist,
    result=ChecklistWritten,
    preconditions=(
        _one_source_is_named,
        _plan_is_in_force,
        _operation_is_in_the_plan,
        _specs_are_of_one_operation,
        _specs_can_decide,
        _material_is_in_use,
    ),
    result_checks=(_items_are_the_source, _samples_are_the_tables),
)
async def create_inspection_checklist(request: CreateInspectionChecklist, call: WriteCall) -> ChecklistWritten:
    """Draft a checklist for one operation from a plan or specifications; AQL rows get n and Ac for lot_size."""
    project = await project_of(call, request.project)
    plan = await plan_of(request, call)
    material = await material_of(request, call)
    items = await items_of(request, call)
    operation = (await sources_of(request, call))[0].operation or request.operation
    checklist = Checklist(
        id=await call.unit.next_id(Checklist, "CL-"),
        project=project.id,
        title=f"Inspection of {material.id} at {operation}",
        revision=1,
        state=DocumentState.DRAFT,
        plan_id=plan and plan.id,
        plan_revision=plan and plan.revision,
        material_id=material.id,
        operation=operation,
        lot_size=request.lot_size,
        items=items,
        created_at=call.now,
        created_by=request.on_behalf_of or call.caller.principal,
    )
    warnings = (
        *_plan_warnings(plan, material),
        *_item_warnings(items, request),
        *await _gauge_warnings(items, project, call),
    )
    twin = await _twin_of(checklist, call)
    if twin is not None:
        note = f"{twin.id} ({twin.state}) already asks exactly this; nothing was added."
        return ChecklistWritten(status="already_exists", record=twin, warnings=(note, *warnings))
    await call.unit.insert(checklist)
    return ChecklistWritten(status="created", record=checklist, warnings=warnings)


def _plan_warnings(plan: QualityPlan | None, material: Material) -> tuple[str, ...]:
    found: list[str] = []
    if plan is not None and plan.state is not DocumentState.RELEASED:
        found.append(f"Plan {plan.id} rev {plan.revision} is {plan.state}: its limits are not released for production.")
    behind = None if plan is None else behind_material(plan, material)
    return (*found, f"{behind}.") if behind is not None else tuple(found)


def _item_warnings(items: tuple[CheckItem, ...], request: CreateInspectionChecklist) -> tuple[str, ...]:
    lot = request.lot_size
    told = {
        "Sample size by AQL depends on the lot, which is not given": [i for i in items if i.aql and lot is None],
        "The AQL sample is the whole lot, inspect every piece": [
            i for i in items if i.aql and lot is not None and i.sample_size == lot
        ],
        f"The lot has only {lot} pieces, inspect every piece": [
            i for i in items if lot is not None and i.sample_size is not None and i.sample_size > lot
        ],
        "CC checked on samples, which only SPC, error proofing or automatic gauging allow": [
            i for i in items if request.plan_id is None and i.special_class is SpecialClass.CC and i.sample_size
        ],
    }
    return tuple(
        f"{what}: {', '.join(item.characteristic for item in those)}." for what, those in told.items() if those
    )


async def _gauge_warnings(items: tuple[CheckItem, ...], project: Project, call: ToolCall) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for item in items:
        if item.gauge_id is not None:
            gauge = await record_of(call, Gauge, item.gauge_id, field="gauge_id", project=project)
            today = call.today(project.time_zone)
            found |= {finding.message: None for finding in check_gauge(gauge, item, on=today, measured=False)}
    return tuple(f"{message}." for message in found)


async def _twin_of(checklist: Checklist, call: ToolCall) -> Checklist | None:
    among = selection(project=checklist.project, material_id=checklist.material_id, state=tuple(LIVE))
    others = (await call.plant.find(Checklist, Query(among))).items
    same = ("plan_id", "plan_revision", "operation", "lot_size", "items")
    return next((o for o in others if all(getattr(o, name) == getattr(checklist, name) for name in same)), None)


async def _specs_at(operation: str, material_id: str, call: ToolCall) -> list[str]:
    specs = (await call.plant.find(Spec, Query(selection(material_id=material_id)))).items
    return ids(spec for spec in specs if spec.operation.casefold() == operation.casefold())


TOOLS = (create_inspection_checklist,)
