"""Toolset core: projects and the plant's master data. Every tool only reads."""

from typing import Annotated, Any, Literal

from pydantic import Field

from mcp_server.backends.base import Query
from mcp_server.domain import limits
from mcp_server.domain.documents import LIVE
from mcp_server.domain.issues.reporting import OPEN_STATES
from mcp_server.domain.records import (
    SHARED,
    EquipmentNode,
    Issue,
    Machine,
    MachineStatus,
    Material,
    Project,
    QualityPlan,
    Record,
    Spec,
    SpecialClass,
    Workstation,
)
from mcp_server.errors import NotFound
from mcp_server.pipeline.declaration import Code, Effect, ListRequest, ListResult, ProjectField, ToolCall, tool
from mcp_server.pipeline.preconditions import NO_PROJECT, in_use, project_of, record_of, records_of
from mcp_server.tools.paging import envelope, one_page, page_is_as_asked, selection

__all__ = ["TOOLS", "Ids", "OfProject"]

Ids = Annotated[tuple[Code, ...] | None, Field(min_length=1, max_length=100, description="Only these ids")]
SearchText = Annotated[str | None, Field(min_length=2, max_length=80, description="Text in id, name or type")]


class ListProjects(ListRequest):
    status: Annotated[Code | None, Field(description="e.g. production")] = None


class ProjectItem(Project):
    machines: int
    materials: int
    specs: int
    quality_plans: int
    open_issues: int


class Projects(ListResult[ProjectItem]):
    pass


class OfProject(ListRequest):
    project: ProjectField


class GetMachines(OfProject):
    ids: Ids = None
    workstation: Annotated[Code | None, Field(description="e.g. ALPHA-OP20")] = None
    area: Annotated[Code | None, Field(description="Area or line")] = None
    status: Annotated[MachineStatus | None, Field(description="Status")] = None
    criticality: Annotated[Literal["A", "B", "C"] | None, Field(description="A is most critical")] = None
    q: SearchText = None
    include_shared: Annotated[bool, Field(description="Shared ones too")] = True


class MachineItem(Machine):
    path: str


class Machines(ListResult[MachineItem]):
    pass


class GetMaterials(OfProject):
    ids: Ids = None
    status: Annotated[Code | None, Field(description="e.g. released")] = None
    q: SearchText = None


class Materials(ListResult[Material]):
    pass


class GetSpecs(OfProject):
    ids: Ids = None
    material_id: Annotated[Code | None, Field(description="Material id")] = None
    operation: Annotated[Code | None, Field(description="e.g. OP20")] = None
    special_class: Annotated[SpecialClass | None, Field(description="CC safety, SC fit")] = None


class SpecItem(Spec):
    data_quality: tuple[str, ...] = ()


class Specs(ListResult[SpecItem]):
    pass


async def _machines_exist(request: GetMachines, call: ToolCall) -> None:
    project = await project_of(call, request.project)
    await records_of(call, Machine, request.ids or (), field="ids", project=project)


async def _places_exist(request: GetMachines, call: ToolCall) -> None:
    """A shared machine stands in an area, so that `workstation` may name one; `area` may name any place."""
    project = await project_of(call, request.project)
    if request.workstation is not None and await call.plant.get(EquipmentNode, request.workstation) is None:
        await record_of(call, Workstation, request.workstation, field="workstation", project=project)
    if request.area is not None and await call.plant.get(Workstation, request.area) is None:
        await record_of(call, EquipmentNode, request.area, field="area", project=project)


async def _materials_exist(request: GetMaterials, call: ToolCall) -> None:
    project = await project_of(call, request.project)
    await records_of(call, Material, request.ids or (), field="ids", project=project)


async def _specs_exist(request: GetSpecs, call: ToolCall) -> None:
    project = await project_of(call, request.project)
    await records_of(call, Spec, request.ids or (), field="ids", project=project)
    if request.material_id is not None:
        await record_of(call, Material, request.material_id, field="material_id", project=project)
    specs = (await call.plant.find(Spec, Query(selection(project=await _scope(request, call))))).items
    operations = sorted({spec.operation for spec in specs})
    if request.operation is not None and request.operation not in operations:
        raise NotFound(
            f"No characteristic is specified for operation {request.operation!r} in project {project.id}.",
            field="operation",
            suggestion=f"There are some for {', '.join(operations)}.",
            alternatives=operations,
        )


@tool(
    toolset="core",
    effect=Effect.READ,
    request=ListProjects,
    result=Projects,
    result_checks=(page_is_as_asked,),
)
async def list_projects(request: ListProjects, call: ToolCall) -> Projects:
    """List the projects; their codes are what other tools take."""
    page = await one_page(call, Project, Query(selection(status=request.status)), request)
    items = [ProjectItem.model_validate(p.model_dump() | await _counts(call, p)) for p in page.items]
    known = page.total or (await call.plant.find(Project, Query(limit=1))).total
    return Projects(items=tuple(items), warnings=() if known else (NO_PROJECT,), **envelope(page, call))


@tool(
    toolset="core",
    effect=Effect.READ,
    request=GetMachines,
    result=Machines,
    preconditions=(_machines_exist, _places_exist),
    result_checks=(page_is_as_asked,),
)
async def get_machines(request: GetMachines, call: ToolCall) -> Machines:
    """Find machines: make, model, serial number, status, energy sources, place in the plant."""
    projects = await _scope(request, call, shared=request.include_shared)
    among = selection(
        project=projects,
        id=request.ids,
        workstation=request.workstation,
        status=request.status,
        criticality=request.criticality,
    )
    places = await _Places.load(call)
    if request.area is not None:
        inside = places.below(request.area)
        among["workstation"] = tuple(place for place in among.get("workstation", inside) if place in inside)
    page = await one_page(call, Machine, Query(among, request.q), request)
    items = [MachineItem(**machine.model_dump(), path=places.path(machine.workstation)) for machine in page.items]
    return Machines(items=tuple(items), **envelope(page, call))


@tool(
    toolset="core",
    effect=Effect.READ,
    request=GetMaterials,
    result=Materials,
    preconditions=(_materials_exist,),
    result_checks=(page_is_as_asked,),
)
async def get_materials(request: GetMaterials, call: ToolCall) -> Materials:
    """Find materials and parts. Obsolete ones are listed with a warning; new plans need a current one."""
    among = selection(project=await _scope(request, call), id=request.ids, status=request.status)
    page = await one_page(call, Material, Query(among, request.q), request)
    warnings = tuple(f"{material.id} is obsolete." for material in page.items if not in_use(material))
    return Materials(items=page.items, warnings=warnings, **envelope(page, call))


@tool(
    toolset="core",
    effect=Effect.READ,
    request=GetSpecs,
    result=Specs,
    preconditions=(_specs_exist,),
    result_checks=(page_is_as_asked,),
)
async def get_specs(request: GetSpecs, call: ToolCall) -> Specs:
    """Find characteristics: nominal, limits, unit, special class, gauge; `data_quality` says what is wrong with one."""
    among = selection(
        project=await _scope(request, call),
        id=request.ids,
        material_id=request.material_id,
        operation=request.operation,
        special_class=request.special_class,
    )
    page = await one_page(call, Spec, Query(among), request)
    items = tuple(SpecItem(**spec.model_dump(), data_quality=_data_quality(spec)) for spec in page.items)
    return Specs(items=items, **envelope(page, call))


async def _scope(request: OfProject, call: ToolCall, *, shared: bool = True) -> tuple[str, ...]:
    project = await project_of(call, request.project)
    return (project.id, SHARED) if shared else (project.id,)


async def _counts(call: ToolCall, project: Project) -> dict[str, int]:
    async def count(kind: type[Record], **among: Any) -> int:  # noqa: ANN401 - values of any filter
        return (await call.plant.find(kind, Query(selection(project=project.id, **among), limit=1))).total

    plans = (await call.plant.find(QualityPlan, Query(selection(project=project.id, state=tuple(LIVE))))).items
    return {
        "machines": await count(Machine),
        "materials": await count(Material),
        "specs": await count(Spec),
        "quality_plans": len({plan.id for plan in plans}),
        "open_issues": await count(Issue, state=tuple(OPEN_STATES)),
    }


def _data_quality(spec: Spec) -> tuple[str, ...]:
    found: list[str] = []
    if not spec.unit.strip():
        found.append("no unit")
    if limits.are_reversed(spec.lsl, spec.usl):
        found.append("lsl is not below usl")
    if spec.data_type == "variable" and spec.lsl is None and spec.usl is None:
        found.append("no limit on either side")
    if limits.excludes(spec.lsl, spec.usl, spec.nominal):
        found.append("nominal is outside the limits")
    return tuple(found)


class _Places:
    """The way from a workstation up to the enterprise."""

    def __init__(self, parents: dict[str, str | None]) -> None:
        self._parents = parents

    @classmethod
    async def load(cls, call: ToolCall) -> "_Places":
        nodes = (await call.plant.find(EquipmentNode, Query())).items
        stations = (await call.plant.find(Workstation, Query())).items
        return cls({n.id: n.parent for n in nodes} | {s.id: s.line for s in stations})

    def path(self, place: str) -> str:
        """Codes from the top down, joined by a slash."""
        chain = [place]
        while (parent := self._parents.get(chain[-1])) is not None and parent not in chain:
            chain.append(parent)
        return "/".join(reversed(chain))

    def below(self, area: str) -> tuple[str, ...]:
        """Every place on or under a site, area, line or workstation."""
        return tuple(place for place in self._parents if area in self.path(place).split("/"))


TOOLS = (list_projects, get_machines, get_materials, get_specs)
