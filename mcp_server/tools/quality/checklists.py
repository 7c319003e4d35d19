"""Toolset quality: inspection checklists."""

from typing import Annotated

from pydantic import Field

from mcp_server.backends.base import Query
from mcp_server.domain import limits
from mcp_server.domain.documents import LIVE
from mcp_server.domain.quality.checklists import in_force, item_of_row, item_of_spec, selected_rows
from mcp_server.domain.quality.gauges import check_measurement, named_in
from mcp_server.domain.quality.sampling import MAX_LOT_SIZE
from mcp_server.domain.quality.sampling_structure import derived_plan
from mcp_server.domain.records import (
    SHARED,
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
from mcp_server.pipeline.declaration import Code, Effect, ToolCall, WriteCall, WriteRequest, WriteResult, tool
from mcp_server.pipeline.preconditions import ids, in_use, project_of, record_of, records_of, revisions_of
from mcp_server.tools.paging import selection

__all__ = ["TOOLS"]

_EVERY_LOT = "every lot"


class CreateInspectionChecklist(WriteRequest):
    plan_id: Annotated[Code | None, Field(description="Quality plan")] = None
    spec_ids: Annotated[tuple[Code, ...], Field(max_length=100, description="Instead of a plan")] = ()
    operation: Annotated[Code, Field(description="e.g. OP20")]
    lot_size: Annotated[int | None, Field(ge=2, le=MAX_LOT_SIZE, description="Pieces")] = None
    frequency: Annotated[
        str | None, Field(min_length=2, max_length=60, description="Selects rows; for specs how often")
    ] = None
    sample_size: Annotated[int | None, Field(ge=1, le=100_000, description="For specs; default every piece")] = None


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
    plan = await _plan_of(request, call)
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
    specs = await _specs_of(request, call)
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
    for position, spec in enumerate(await _specs_of(request, call)):
        open_ended = spec.data_type == "variable" and spec.lsl is None and spec.usl is None
        if open_ended or limits.are_reversed(spec.lsl, spec.usl):
            wrong = "is measured, but has no limit" if open_ended else f"has lsl {spec.lsl:g} and usl {spec.usl:g}"
            raise RuleViolated(
                f"{spec.id} ({spec.characteristic}) {wrong}: no reading can be judged by it.",
                field=f"spec_ids[{position}]",
                suggestion="Have the specification corrected first, or leave it out.",
            )


async def _material_is_in_use(request: CreateInspectionChecklist, call: ToolCall) -> None:
    material = await _material_of(request, call)
    if not in_use(material):
        raise RuleViolated(
            f"{material.id} (revision {material.revision}) is obsolete.",
            field="plan_id" if request.plan_id else "spec_ids[0]",
            suggestion="Make the checklist for the current revision of the part.",
        )


async def _items_are_the_source(request: CreateInspectionChecklist, result: ChecklistWritten, call: WriteCall) -> None:
    """As many items as rows or specifications, in their order, with their limits; nothing accepted for CC."""
    plan = await _plan_of(request, call)
    wanted = (
        await _specs_of(request, call)
        if plan is None
        else selected_rows(plan.rows, request.operation, request.frequency)
    )
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
    plan = await _plan_of(request, call)
    material = await _material_of(request, call)
    items = await _items(request, plan, call)
    checklist = Checklist(
        id=await call.unit.next_id(Checklist, "CL-"),
        project=project.id,
        title=f"Inspection of {material.id} at {request.operation}",
        revision=1,
        state=DocumentState.DRAFT,
        plan_id=plan and plan.id,
        plan_revision=plan and plan.revision,
        material_id=material.id,
        operation=request.operation,
        lot_size=request.lot_size,
        items=items,
        created_at=call.now,
        created_by=request.on_behalf_of or call.caller.principal,
    )
    warnings = (*_plan_warnings(plan), *_item_warnings(items, request), *await _gauge_warnings(items, project, call))
    twin = await _twin_of(checklist, call)
    if twin is not None:
        note = f"{twin.id} ({twin.state}) already asks exactly this; nothing was added."
        return ChecklistWritten(status="already_exists", record=twin, warnings=(note, *warnings))
    await call.unit.insert(checklist)
    return ChecklistWritten(status="created", record=checklist, warnings=warnings)


async def _items(request: CreateInspectionChecklist, plan: QualityPlan | None, call: ToolCall) -> tuple[CheckItem, ...]:
    if plan is not None:
        rows = selected_rows(plan.rows, request.operation, request.frequency)
        return tuple(item_of_row(row, request.lot_size) for row in rows)
    project = await project_of(call, request.project)
    gauges = await _gauges(project, call)
    return tuple(
        item_of_spec(
            spec,
            frequency=request.frequency or _EVERY_LOT,
            sample_size=request.sample_size,
            gauge_id=gauge.id if (gauge := named_in(spec.gauge, gauges)) else None,
        )
        for spec in await _specs_of(request, call)
    )


def _plan_warnings(plan: QualityPlan | None) -> tuple[str, ...]:
    if plan is None or plan.state is DocumentState.RELEASED:
        return ()
    return (f"Plan {plan.id} rev {plan.revision} is {plan.state}: its limits are not released for production.",)


def _item_warnings(items: tuple[CheckItem, ...], request: CreateInspectionChecklist) -> tuple[str, ...]:
    open_aql = [item.characteristic for item in items if item.aql and request.lot_size is None]
    whole = [item.characteristic for item in items if item.aql and item.sample_size == request.lot_size is not None]
    found: list[str] = []
    if open_aql:
        found.append(f"Sample size by AQL depends on the lot, which is not given: {', '.join(open_aql)}.")
    if whole:
        found.append(f"The AQL sample is the whole lot, inspect every piece: {', '.join(whole)}.")
    return tuple(found)


async def _gauge_warnings(items: tuple[CheckItem, ...], project: Project, call: ToolCall) -> tuple[str, ...]:
    known = {gauge.id: gauge for gauge in await _gauges(project, call)}
    found = {
        finding.message: None
        for item in items
        if item.gauge_id in known
        for finding in check_measurement(
            known[item.gauge_id],
            lsl=item.lsl,
            usl=item.usl,
            unit=item.unit or "",
            special_class=item.special_class,
            measured_on=call.today(project.time_zone),
        )
    }
    return tuple(f"{message}." for message in found)


async def _twin_of(checklist: Checklist, call: ToolCall) -> Checklist | None:
    among = selection(project=checklist.project, material_id=checklist.material_id, state=tuple(LIVE))
    others = (await call.plant.find(Checklist, Query(among))).items
    same = ("plan_id", "plan_revision", "operation", "lot_size", "items")
    return next((o for o in others if all(getattr(o, name) == getattr(checklist, name) for name in same)), None)


async def _plan_of(request: CreateInspectionChecklist, call: ToolCall) -> QualityPlan | None:
    """The revision in force: the released one, else the one that is being worked on."""
    if request.plan_id is None:
        return None
    project = await project_of(call, request.project)
    newest = await record_of(call, QualityPlan, request.plan_id, field="plan_id", project=project)
    return in_force(await revisions_of(call, QualityPlan, newest.id)) or newest


async def _specs_of(request: CreateInspectionChecklist, call: ToolCall) -> list[Spec]:
    project = await project_of(call, request.project)
    return await records_of(call, Spec, request.spec_ids, field="spec_ids", project=project)


async def _specs_at(operation: str, material_id: str, call: ToolCall) -> list[str]:
    specs = (await call.plant.find(Spec, Query(selection(material_id=material_id)))).items
    return ids(spec for spec in specs if spec.operation.casefold() == operation.casefold())


async def _material_of(request: CreateInspectionChecklist, call: ToolCall) -> Material:
    project = await project_of(call, request.project)
    plan = await _plan_of(request, call)
    material_id = plan.material_id if plan else (await _specs_of(request, call))[0].material_id
    return await record_of(call, Material, material_id, field="material_id", project=project)


async def _gauges(project: Project, call: ToolCall) -> tuple[Gauge, ...]:
    return (await call.plant.find(Gauge, Query(selection(project=(project.id, SHARED))))).items


TOOLS = (create_inspection_checklist,)
