"""What an inspection checklist is made from: the request, the plan or the specifications it names, and the items."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from mcp_server.domain.quality.checklists import in_force, item_of_row, item_of_spec, selected_rows
from mcp_server.domain.quality.sampling import MAX_LOT_SIZE
from mcp_server.domain.records import CheckItem, Material, PlanRow, Project, QualityPlan, Spec
from mcp_server.pipeline.declaration import Code, ToolCall, WriteRequest
from mcp_server.pipeline.preconditions import project_of, record_of, records_of, revisions_of
from mcp_server.tools.quality.gauges import gauge_named

__all__ = ["CreateInspectionChecklist", "items_of", "material_of", "plan_of", "sources_of", "specs_of"]

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


async def plan_of(request: CreateInspectionChecklist, call: ToolCall) -> QualityPlan | None:
    """The revision in force: the released one, else the one that is being worked on."""
    if request.plan_id is None:
        return None
    project = await project_of(call, request.project)
    newest = await record_of(call, QualityPlan, request.plan_id, field="plan_id", project=project)
    return in_force(await revisions_of(call, QualityPlan, newest.id)) or newest


async def specs_of(request: CreateInspectionChecklist, call: ToolCall) -> list[Spec]:
    project = await project_of(call, request.project)
    return await records_of(call, Spec, request.spec_ids, field="spec_ids", project=project)


async def material_of(request: CreateInspectionChecklist, call: ToolCall) -> Material:
    project = await project_of(call, request.project)
    plan = await plan_of(request, call)
    material_id = plan.material_id if plan else (await specs_of(request, call))[0].material_id
    return await record_of(call, Material, material_id, field="material_id", project=project)


async def sources_of(request: CreateInspectionChecklist, call: ToolCall) -> Sequence[PlanRow] | Sequence[Spec]:
    """The rows of the plan, or the specifications, that become items."""
    plan = await plan_of(request, call)
    if plan is None:
        return await specs_of(request, call)
    return selected_rows(plan.rows, request.operation, request.frequency)


async def items_of(request: CreateInspectionChecklist, call: ToolCall) -> tuple[CheckItem, ...]:
    """They name their gauge wherever one is known."""
    project = await project_of(call, request.project)
    often, size = request.frequency or _EVERY_LOT, request.sample_size
    found = [
        item_of_row(source, request.lot_size)
        if isinstance(source, PlanRow)
        else item_of_spec(source, frequency=often, sample_size=size)
        for source in await sources_of(request, call)
    ]
    return tuple([await _with_gauge(item, call, project) for item in found])


async def _with_gauge(item: CheckItem, call: ToolCall, project: Project) -> CheckItem:
    gauge = await gauge_named(item, call, project)
    return item.model_copy(update={"gauge_id": gauge and gauge.id})
