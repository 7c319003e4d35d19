"""Toolset core: workstations with what stands there and how the work is done. The tool only reads."""

from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import Field

from mcp_server.backends.base import Query
from mcp_server.domain.documents import LIVE
from mcp_server.domain.records import DocumentState, EquipmentNode, Machine, Sop, Workstation
from mcp_server.errors import VerificationFailed
from mcp_server.pipeline.declaration import Code, Effect, ListResult, Result, ToolCall, tool
from mcp_server.pipeline.preconditions import project_of, record_of, records_of
from mcp_server.tools.core.projects import Ids, OfProject
from mcp_server.tools.paging import envelope, one_page, page_is_as_asked, selection

__all__ = ["TOOLS"]


class GetWorkstations(OfProject):
    ids: Ids = None
    line: Annotated[Code | None, Field(description="e.g. ALPHA-A1")] = None


class StationProcedure(Result):
    id: str
    revision: int
    state: DocumentState


class WorkstationItem(Workstation):
    """`sop` is the procedure in force there; while none is, the one being worked on."""

    machines: tuple[str, ...]
    sop: StationProcedure | None = None


class Workstations(ListResult[WorkstationItem]):
    pass


async def _workstations_exist(request: GetWorkstations, call: ToolCall) -> None:
    project = await project_of(call, request.project)
    await records_of(call, Workstation, request.ids or (), field="ids", project=project)
    if request.line is not None:
        await record_of(call, EquipmentNode, request.line, field="line", project=project)


async def _machines_resolve(_request: GetWorkstations, result: Workstations, call: ToolCall) -> None:
    """Every machine named is one on record, and stands at that workstation."""
    named = {machine_id: station.id for station in result.items for machine_id in station.machines}
    found = (await call.plant.find(Machine, Query({"id": tuple(named)}))).items
    lost = set(named.items()) - {(machine.id, machine.workstation) for machine in found}
    if lost:
        raise VerificationFailed(
            f"The system of record does not know these machines there: {', '.join(sorted(m for m, _ in lost))}.",
            field="items",
            suggestion="Report this to whoever runs the system of record.",
        )


@tool(
    toolset="core",
    effect=Effect.READ,
    request=GetWorkstations,
    result=Workstations,
    preconditions=(_workstations_exist,),
    result_checks=(page_is_as_asked, _machines_resolve),
)
async def get_workstations(request: GetWorkstations, call: ToolCall) -> Workstations:
    """Find workstations: line, cycle time, operators, machines, procedure in force."""
    project = await project_of(call, request.project)
    among = selection(project=project.id, id=request.ids, line=request.line)
    page = await one_page(call, Workstation, Query(among), request)
    at = Query({"workstation": tuple(station.id for station in page.items)})
    machines, sops = (await call.plant.find(Machine, at)).items, (await call.plant.find(Sop, at)).items
    items = tuple(
        WorkstationItem(
            **station.model_dump(),
            machines=tuple(m.id for m in machines if m.workstation == station.id),
            sop=_procedure(sop for sop in sops if sop.workstation == station.id),
        )
        for station in page.items
    )
    return Workstations(items=items, warnings=tuple(_unreleased(items)), **envelope(page, call))


def _procedure(sops: Iterable[Sop]) -> StationProcedure | None:
    live = sorted((sop for sop in sops if sop.state in LIVE), key=lambda sop: sop.revision)
    in_force = [sop for sop in live if sop.state is DocumentState.RELEASED] or live
    if not in_force:
        return None
    return StationProcedure(id=in_force[-1].id, revision=in_force[-1].revision, state=in_force[-1].state)


def _unreleased(stations: Iterable[WorkstationItem]) -> Iterator[str]:
    for station in stations:
        if station.sop is None:
            yield f"{station.id} has no procedure."
        elif station.sop.state is not DocumentState.RELEASED:
            yield f"{station.id} has no released procedure; {station.sop.id} is {station.sop.state}."


TOOLS = (get_workstations,)
