"""Where a machine stands. Days, shifts and production freezes are those of its site, whichever project asks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mcp_server.backends.base import Query
from mcp_server.domain.records import SHARED, EquipmentNode, Machine, Project
from mcp_server.errors import RuleViolated
from mcp_server.pipeline.declaration import ToolCall
from mcp_server.pipeline.preconditions import did_you_mean, ids, in_use
from mcp_server.tools.paging import selection

__all__ = ["Site", "must_be_in_use", "site_of", "zones_of"]


@dataclass(frozen=True, slots=True)
class Site:
    """`projects` are those that produce with the machine: its own, or all of the site for a shared one."""

    time_zone: str
    projects: tuple[str, ...]


async def site_of(machine: Machine, call: ToolCall, project: Project) -> Site:
    return (await _sites_of([machine], call, project))[machine.id]


async def zones_of(machines: Iterable[Machine], call: ToolCall, project: Project) -> dict[str, str]:
    """The time zone of each machine, by its id."""
    return {machine_id: site.time_zone for machine_id, site in (await _sites_of(machines, call, project)).items()}


async def _sites_of(machines: Iterable[Machine], call: ToolCall, project: Project) -> dict[str, Site]:
    """By machine. A shared machine whose place is not on record is taken to be where the asking project is."""
    asking, found = Site(project.time_zone, (project.id,)), {machine.id: machine for machine in machines}
    shared = [machine for machine in found.values() if machine.project == SHARED]
    sites = dict.fromkeys(found, asking)
    if not shared:
        return sites
    parents = {node.id: node.parent for node in (await call.plant.find(EquipmentNode, Query())).items}
    projects = (await call.plant.find(Project, Query())).items
    for machine in shared:
        above = _above(machine.workstation, parents)
        there = [other for other in projects if other.site in above]
        if there:
            sites[machine.id] = Site(there[0].time_zone, tuple(other.id for other in there))
    return sites


async def must_be_in_use(machine: Machine, call: ToolCall, *, field: str) -> None:
    """
    Raises:
        RuleViolated: it is decommissioned; alternatives are the others of its station.
    """
    if in_use(machine):
        return
    there = (await call.plant.find(Machine, Query(selection(workstation=machine.workstation)))).items
    others = [other for other in there if in_use(other)]
    raise RuleViolated(
        f"{machine.id} ({machine.name}) is decommissioned; nothing is maintained on it any more.",
        field=field,
        suggestion=f"At {machine.workstation} there are {did_you_mean(others)}" if others else "Name another machine.",
        alternatives=ids(others),
    )


def _above(place: str, parents: Mapping[str, str | None]) -> set[str]:
    """The places that hold this one, itself included."""
    found: set[str] = set()
    here: str | None = place
    while here is not None and here not in found:
        found.add(here)
        here = parents.get(here)
    return found
