"""The plant around a procedure that is about to be stored: its machines, characteristics, lockouts and neighbors."""

from typing import Protocol

from mcp_server.backends.base import Query
from mcp_server.domain.documents import newest_live
from mcp_server.domain.procedures.sop import operation_of
from mcp_server.domain.records import SHARED, Machine, Project, Sop, Spec
from mcp_server.pipeline.declaration import ToolCall
from mcp_server.pipeline.preconditions import in_use
from mcp_server.tools.paging import selection

__all__ = ["Drafting", "lockouts", "machines_at", "machines_of", "others_there", "specs_of"]


class Drafting(Protocol):
    """A request that says what would be stored; `place` names the argument that a field of it comes from."""

    @property
    def project(self) -> str: ...

    async def drafted(self, call: ToolCall) -> Sop: ...

    def place(self, field: str) -> str: ...


async def machines_at(workstation: str, project: Project, call: ToolCall) -> list[Machine]:
    """The machines of a station that new work may use."""
    there = Query(selection(project=(project.id, SHARED), workstation=workstation))
    return [machine for machine in (await call.plant.find(Machine, there)).items if in_use(machine)]


async def machines_of(sop: Sop, call: ToolCall) -> list[Machine]:
    found = [await call.plant.get(Machine, machine_id) for machine_id in sop.machine_ids]
    return [machine for machine in found if machine is not None]


async def specs_of(sop: Sop, call: ToolCall, *, any_material: bool = False) -> list[Spec]:
    """The characteristics of the station's operation, of the procedure's material if it names one."""
    if sop.workstation is None:
        return []
    material_id = None if any_material else sop.material_id
    among = selection(project=sop.project, operation=operation_of(sop.workstation), material_id=material_id)
    return list((await call.plant.find(Spec, Query(among))).items)


async def lockouts(project: Project, call: ToolCall) -> list[Sop]:
    """Every revision of every lockout procedure the project may use."""
    return list((await call.plant.find(Sop, Query(selection(project=(project.id, SHARED), kind="loto")))).items)


async def others_there(sop: Sop, call: ToolCall) -> list[Sop]:
    """The other procedures of the station that have not ended, each by its newest revision."""
    if sop.workstation is None:
        return []
    found = (await call.plant.find(Sop, Query(selection(project=sop.project, workstation=sop.workstation)))).items
    by_id: dict[str, list[Sop]] = {}
    for revision in found:
        by_id.setdefault(revision.id, []).append(revision)
    newest = [newest_live(revisions) for sop_id, revisions in by_id.items() if sop_id != sop.id]
    return [other for other in newest if other is not None]
