"""What a procedure must meet before it is stored, whether it is new or revised."""

from collections.abc import Callable, Iterable

from mcp_server.backends.base import Query
from mcp_server.domain.maintenance.lockout import is_hazardous, is_lockout
from mcp_server.domain.procedures.sop import check_hazards, check_lockout, unchecked
from mcp_server.domain.quality.control_plan import Finding
from mcp_server.domain.records import SHARED, Machine, Material, Project, Sop, Spec, SpecialClass, Workstation
from mcp_server.errors import Conflict, NotFound, RuleViolated
from mcp_server.pipeline.declaration import ToolCall
from mcp_server.pipeline.preconditions import did_you_mean, ids, in_use, project_of, record_of
from mcp_server.tools.paging import selection
from mcp_server.tools.procedures.sop_context import Drafting, lockouts, machines_at, machines_of, others_there, specs_of

__all__ = ["SOP_RULES", "refuse"]


async def _place_and_material_are_usable(request: Drafting, call: ToolCall) -> None:
    """The station exists, its machines are in use and stand there, and the material is current. A shared lockout
    procedure covers machines of several projects.
    """
    project, sop = await project_of(call, request.project), await request.drafted(call)
    if sop.workstation is not None:
        await record_of(call, Workstation, sop.workstation, field=request.place("workstation"), project=project)
    for position, machine_id in enumerate(sop.machine_ids):
        field = request.place(f"machine_ids[{position}]")
        machine = await call.plant.get(Machine, machine_id) if sop.project == SHARED else None
        machine = machine or await record_of(call, Machine, machine_id, field=field, project=project)
        await _machine_is_usable(machine, sop, call, field=field, project=project)
    if sop.material_id is not None:
        field = request.place("material_id")
        material = await record_of(call, Material, sop.material_id, field=field, project=project)
        await _material_is_current(material, call, field=field, project=project)


async def _hazards_are_stated_rightly(request: Drafting, call: ToolCall) -> None:
    refuse(check_hazards(await request.drafted(call)), request.place)


async def _energy_is_locked_out(request: Drafting, call: ToolCall) -> None:
    """A lockout procedure itself needs energy sources on record; other work needs the procedure, or a reason."""
    project, sop = await project_of(call, request.project), await request.drafted(call)
    machines, known = await machines_of(sop, call), await lockouts(project, call)
    if is_lockout(sop):
        harmless = [machine.id for machine in machines if not is_hazardous(machine)]
        told = f"no energy source is on record for {', '.join(harmless)}"
        refuse([Finding("machine_ids", told, "Record what must be isolated first.")] if harmless else [], request.place)
        return
    if sop.loto_sop_id is not None and sop.loto_sop_id not in {lockout.id for lockout in known}:
        newest = list({lockout.id: lockout for lockout in known}.values())
        raise NotFound(
            f"There is no lockout procedure {sop.loto_sop_id!r}.",
            field=request.place("loto_sop_id"),
            suggestion=f"There are {did_you_mean(newest)}" if newest else "Have one written and released first.",
            alternatives=ids(newest),
        )
    refuse(check_lockout(sop, machines, known, call.today(project.time_zone)), request.place)


async def _steps_check_what_matters(request: Drafting, call: ToolCall) -> None:
    """What a step checks is of this material, and every CC characteristic of the operation is checked by a step."""
    project, sop = await project_of(call, request.project), await request.drafted(call)
    specs = await specs_of(sop, call)
    for position, step in enumerate(sop.steps):
        if step.check_spec_id is None:
            continue
        field = request.place(f"steps[{position}].check_spec_id")
        spec = await record_of(call, Spec, step.check_spec_id, field=field, project=project)
        if sop.material_id not in {None, spec.material_id}:
            raise RuleViolated(
                f"Step {position + 1} checks {spec.id} ({spec.characteristic}) of {spec.material_id}, "
                f"not of {sop.material_id}.",
                field=field,
                suggestion=f"{sop.material_id} has {did_you_mean(specs)}" if specs else "Change material_id.",
                alternatives=ids(specs),
            )
    if missing := unchecked(specs, sop.steps, SpecialClass.CC):
        raise RuleViolated(
            f"No step checks {', '.join(f'{spec.id} ({spec.characteristic})' for spec in missing)}, "
            "critical (CC) for this operation.",
            field=request.place("steps"),
            suggestion="Name each in the check_spec_id of a step.",
            alternatives=ids(missing),
        )


async def _title_is_free(request: Drafting, call: ToolCall) -> None:
    sop = await request.drafted(call)
    same = [other for other in await others_there(sop, call) if _plain(other.title) == _plain(sop.title)]
    if same:
        raise Conflict(
            f"{same[0].id} ({same[0].title!r}, revision {same[0].revision}, {same[0].state}) already is this procedure "
            f"of {sop.workstation}.",
            field=request.place("title"),
            suggestion=f"Change it with revise_sop (sop_id {same[0].id}), or give another title.",
            alternatives=ids(same),
        )


SOP_RULES = (
    _place_and_material_are_usable,
    _hazards_are_stated_rightly,
    _energy_is_locked_out,
    _steps_check_what_matters,
    _title_is_free,
)


async def _machine_is_usable(machine: Machine, sop: Sop, call: ToolCall, *, field: str, project: Project) -> None:
    elsewhere = machine.project != SHARED and sop.workstation not in {None, machine.workstation}
    if in_use(machine) and not elsewhere:
        return
    others = await machines_at(sop.workstation or machine.workstation, project, call)
    wrong = f"stands at {machine.workstation}" if in_use(machine) else "is decommissioned"
    raise RuleViolated(
        f"{machine.id} ({machine.name}) {wrong}.",
        field=field,
        suggestion=f"At {sop.workstation or machine.workstation} there are {did_you_mean(others)}"
        if others
        else "Leave it out.",
        alternatives=ids(others),
    )


async def _material_is_current(material: Material, call: ToolCall, *, field: str, project: Project) -> None:
    if in_use(material):
        return
    others = (await call.plant.find(Material, Query(selection(project=project.id)))).items
    current = [other for other in others if other.standard == material.standard and in_use(other)]
    raise RuleViolated(
        f"{material.id} (revision {material.revision}) is obsolete.",
        field=field,
        suggestion=f"The current revision is {did_you_mean(current)}" if current else "Name a current material.",
        alternatives=ids(current),
    )


def refuse(findings: Iterable[Finding], place: Callable[[str], str] = str) -> None:
    """
    Raises:
        RuleViolated: one of the findings stops; `place` names the argument that its field comes from.
    """
    stopping = [finding for finding in findings if finding.stops]
    if stopping:
        first = stopping[0]
        raise RuleViolated(
            f"{first.field}: {first.message}.",
            field=place(first.field),
            suggestion=first.suggestion,
            also=[f"{finding.field}: {finding.message}" for finding in stopping[1:10]],
        )


def _plain(title: str) -> str:
    return " ".join(title.casefold().split())
