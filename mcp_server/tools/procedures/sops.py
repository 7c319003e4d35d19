"""Toolset procedures: new standard operating procedures."""

from typing import Annotated

from pydantic import Field, StringConstraints

from mcp_server.domain.records import DocumentState, Hazard, Material, Sop, SopStep
from mcp_server.errors import VerificationFailed
from mcp_server.pipeline.declaration import Code, Effect, ToolCall, WriteCall, WriteRequest, tool
from mcp_server.pipeline.preconditions import project_of
from mcp_server.tools.procedures.sop_context import machines_at
from mcp_server.tools.procedures.sop_report import (
    SopWritten,
    has_one_open_revision,
    report_follows_from_the_record,
    written,
)
from mcp_server.tools.procedures.sop_rules import SOP_RULES

__all__ = ["TOOLS"]

Line = Annotated[str, Field(max_length=160)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=10, max_length=300)]
Lines = Annotated[tuple[Line, ...], Field(max_length=30)]
_GIVEN = (
    "workstation",
    "title",
    "purpose",
    "scope",
    "material_id",
    "ppe",
    "ppe_not_required_reason",
    "hazards",
    "loto_sop_id",
    "loto_not_required_reason",
    "tools",
    "training",
    "steps",
    "reaction_plan",
    "records",
    "references",
)


class CreateSop(WriteRequest):
    title: Annotated[str, Field(min_length=3, max_length=120, description="Name")]
    workstation: Annotated[Code, Field(description="e.g. ALPHA-OP70")]
    machine_ids: Annotated[tuple[Code, ...], Field(max_length=20, description="Default: the station's")] = ()
    material_id: Annotated[Code | None, Field(description="Part it is for")] = None
    purpose: Annotated[str, Field(max_length=500, description="What it is for")]
    scope: Annotated[str, Field(max_length=500, description="Where it applies")]
    steps: Annotated[tuple[SopStep, ...], Field(min_length=1, max_length=100, description="In order")]
    reaction_plan: Annotated[str, Field(max_length=1000, description="When to stop, whom to call")]
    hazards: Annotated[tuple[Hazard, ...], Field(max_length=20, description="Statements")] = ()
    ppe: Annotated[Lines, Field(description="Protection")] = ()
    ppe_not_required_reason: Annotated[Reason | None, Field(description="Only without ppe")] = None
    loto_sop_id: Annotated[Code | None, Field(description="e.g. LOTO-WA")] = None
    loto_not_required_reason: Annotated[Reason | None, Field(description="Ask a person")] = None
    tools: Annotated[Lines, Field(description="Also gauges")] = ()
    training: Annotated[Lines, Field(description="Prerequisites")] = ()
    records: Annotated[Lines, Field(description="Records kept")] = ()
    references: Annotated[Lines, Field(description="Documents")] = ()

    def place(self, field: str) -> str:
        return field

    async def drafted(self, call: ToolCall) -> Sop:
        """What would be stored, without its id."""
        if isinstance(known := call.seen.get((Sop, "")), Sop):
            return known
        project = await project_of(call, self.project)
        material = None if self.material_id is None else await call.plant.get(Material, self.material_id)
        there = [machine.id for machine in await machines_at(self.workstation, project, call)]
        draft = Sop(
            id="",
            project=project.id,
            revision=1,
            state=DocumentState.DRAFT,
            machine_ids=tuple(dict.fromkeys(self.machine_ids or there)),
            material_revision=None if material is None else material.revision,
            created_at=call.now,
            created_by=self.on_behalf_of or call.caller.principal,
            **{name: getattr(self, name) for name in _GIVEN},
        )
        call.seen[Sop, ""] = draft
        return draft


async def _is_as_asked(request: CreateSop, result: SopWritten, call: WriteCall) -> None:
    """Nothing the caller said was changed or lost on the way; a step has its place, and a draft its number 1."""
    stored = await call.plant.get(Sop, result.record.key)
    asked = {name: getattr(request, name) for name in _GIVEN}
    if request.machine_ids:
        asked["machine_ids"] = tuple(dict.fromkeys(request.machine_ids))
    asked |= {"revision": 1, "state": DocumentState.DRAFT, "kind": "sop"}
    for name, value in asked.items():
        if getattr(stored, name, None) != value:
            raise VerificationFailed(f"{name} was changed on the way.", field=name)


@tool(
    toolset="procedures",
    effect=Effect.CREATE,
    request=CreateSop,
    result=SopWritten,
    preconditions=SOP_RULES,
    result_checks=(_is_as_asked, has_one_open_revision, report_follows_from_the_record),
)
async def create_sop(request: CreateSop, call: WriteCall) -> SopWritten:
    """Create a work instruction (draft). Never make up lockout content: name a released procedure, or the reason a
    person gave. Every CC specification of the operation needs a step.
    """
    sop = (await request.drafted(call)).model_copy(update={"id": await call.unit.next_id(Sop, "SOP-")})
    await call.unit.insert(sop)
    return await written("created", sop, request, call)


TOOLS = (create_sop,)
