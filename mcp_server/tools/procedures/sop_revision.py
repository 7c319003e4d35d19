"""Toolset procedures: the next revision of a procedure."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from mcp_server.domain.documents import EDITABLE
from mcp_server.domain.procedures.sop_changes import (
    SectionChange,
    StepChange,
    changed_sections,
    changed_steps,
    check_changes,
)
from mcp_server.domain.records import DocumentState, Hazard, Material, Sop, SopStep
from mcp_server.errors import RuleViolated, VerificationFailed
from mcp_server.pipeline.declaration import Code, Effect, ToolCall, UpdateRequest, WriteCall, tool
from mcp_server.pipeline.preconditions import at_revision, project_of, revision_to_change, revisions_of
from mcp_server.tools.procedures.sop_report import (
    SopWritten,
    has_one_open_revision,
    report_follows_from_the_record,
    written,
)
from mcp_server.tools.procedures.sop_rules import SOP_RULES, refuse

__all__ = ["TOOLS"]

_OF_THE_REVISION = {
    "revision", "state", "change_reason", "signatures", "created_at", "created_by", "effective_on", "material_revision"
}  # fmt: skip
"""What belongs to one revision, and is not carried over to the next."""


class ReviseSop(UpdateRequest):
    sop_id: Annotated[Code, Field(description="e.g. SOP-A-070")]
    change_reason: Annotated[str, Field(min_length=10, max_length=500, description="Why")]
    sections: Annotated[
        tuple[SectionChange, ...], Field(max_length=14, description="Without text or items: emptied")
    ] = ()
    step_changes: Annotated[tuple[StepChange, ...], Field(max_length=100, description="By position")] = ()
    hazards: Annotated[tuple[Hazard, ...] | None, Field(max_length=20, description="Replace all")] = None

    def place(self, field: str) -> str:
        if field.startswith("steps"):
            return "step_changes"
        return field if field.startswith("hazards") else "sections"

    async def drafted(self, call: ToolCall) -> Sop:
        """What would be stored."""
        if isinstance(known := call.seen.get((Sop, "")), Sop):
            return known
        before = await self.before(call)
        changes: dict[str, Any] = changed_sections(self.sections)
        changes["steps"] = changed_steps(before.steps, self.step_changes)
        if self.hazards is not None:
            changes["hazards"] = self.hazards
        material_id = changes.get("material_id", before.material_id)
        material = None if material_id is None else await call.plant.get(Material, material_id)
        draft = before.model_copy(
            update={
                **changes,
                "revision": max(r.revision for r in await revisions_of(call, Sop, before.id)) + 1,
                "state": DocumentState.DRAFT,
                "change_reason": self.change_reason,
                "signatures": (),
                "created_at": call.now,
                "created_by": self.on_behalf_of or call.caller.principal,
                "effective_on": None,
                "material_revision": None if material is None else material.revision,
            }
        )
        call.seen[Sop, ""] = draft
        return draft

    async def before(self, call: ToolCall) -> Sop:
        """The revision that is changed, as it was when the call began."""
        project = await project_of(call, self.project)
        return await revision_to_change(call, Sop, self.sop_id, field="sop_id", project=project)


async def _is_open_to_change(request: ReviseSop, call: ToolCall) -> None:
    before = await request.before(call)
    at_revision(before, request.expected_revision)
    if before.state not in EDITABLE:
        waiting = before.state in {DocumentState.IN_REVIEW, DocumentState.APPROVED}
        remedy = "Reject it with approve_document first, then revise the draft." if waiting else "Create a new one."
        raise RuleViolated(
            f"{before.id} revision {before.revision} is {before.state}.", field="sop_id", suggestion=remedy
        )


async def _changes_can_be_made(request: ReviseSop, call: ToolCall) -> None:
    before = await request.before(call)
    refuse(check_changes(before.steps, request.step_changes, request.sections))


async def _something_changes(request: ReviseSop, call: ToolCall) -> None:
    if _content(await request.before(call)) == _content(await request.drafted(call)):
        raise RuleViolated(
            f"{request.sop_id} says all of this already; a revision needs a change.",
            field="sections",
            suggestion="Give sections, step_changes or hazards that differ.",
        )


async def _the_revision_before_is_untouched(request: ReviseSop, _result: SopWritten, call: WriteCall) -> None:
    """Read again, it is byte by byte what it was; only a draft is now superseded (ISO 9001 7.5.3.2)."""
    before = await request.before(call)
    replaced = before.state is DocumentState.DRAFT
    right = before.model_copy(update={"state": DocumentState.SUPERSEDED}) if replaced else before
    found = await call.plant.get(Sop, before.key)
    if found is None or found.model_dump_json() != right.model_dump_json():
        raise VerificationFailed(f"Revision {before.revision} of {before.id} was changed.", field="sop_id")


async def _only_the_changes_changed(request: ReviseSop, result: SopWritten, call: WriteCall) -> None:
    """The stored row is the one before with what was asked for; nothing else moved, and no step was lost."""
    stored, before = await call.plant.get(Sop, result.record.key), await request.before(call)
    asked: dict[str, Any] = {change.section: change.value for change in request.sections}
    if request.hazards is not None:
        asked["hazards"] = request.hazards
    right, found = _content(before) | asked, {} if stored is None else _content(stored)
    different = [name for name in right if name != "steps" and found.get(name) != right[name]]
    if stored is None or different or not _steps_moved_only_so(before.steps, stored.steps, request.step_changes):
        field = request.place(different[0] if different else "steps")
        raise VerificationFailed("The new revision is not what was asked for.", field=field)


@tool(
    toolset="procedures",
    effect=Effect.UPDATE,
    request=ReviseSop,
    result=SopWritten,
    preconditions=(_is_open_to_change, _changes_can_be_made, _something_changes, *SOP_RULES),
    result_checks=(
        _the_revision_before_is_untouched,
        _only_the_changes_changed,
        has_one_open_revision,
        report_follows_from_the_record,
    ),
)
async def revise_sop(request: ReviseSop, call: WriteCall) -> SopWritten:
    """Make the next revision of a procedure, a draft; the released one stays in force. Rules as in create_sop: never
    make up lockout content.
    """
    before, sop = await request.before(call), await request.drafted(call)
    if before.state is DocumentState.DRAFT:
        await call.unit.replace(before.model_copy(update={"state": DocumentState.SUPERSEDED}))
    await call.unit.insert(sop)
    return await written("updated", sop, request, call)


def _steps_moved_only_so(before: Sequence[SopStep], after: Sequence[SopStep], changes: Sequence[StepChange]) -> bool:
    """The steps that no change names are all there, in their order; and so is the content of every change."""
    touched = {change.position for change in changes if change.action != "insert"}
    remaining = iter(after)
    kept = all(step in remaining for position, step in enumerate(before, start=1) if position not in touched)
    there = all(any(change.given.items() <= step.model_dump().items() for step in after) for change in changes)
    grown = sum({"insert": 1, "remove": -1}.get(change.action, 0) for change in changes)
    return kept and there and len(after) == len(before) + grown


def _content(sop: Sop) -> dict[str, Any]:
    return {name: value for name, value in sop if name not in _OF_THE_REVISION}


TOOLS = (revise_sop,)
