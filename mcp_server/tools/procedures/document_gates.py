"""What a document of each kind must hold before it is approved or released. What stops raises a `RuleViolated`."""

from mcp_server.domain import documents
from mcp_server.domain.procedures.sop import missing_sections
from mcp_server.domain.quality.checklists import not_of_plan_in_force
from mcp_server.domain.quality.control_plan import behind_material
from mcp_server.domain.records import Checklist, Material, Project, QualityPlan, Sop
from mcp_server.errors import RuleViolated
from mcp_server.pipeline.declaration import ToolCall
from mcp_server.pipeline.preconditions import in_use, record_of, revisions_of
from mcp_server.tools.quality.plan_rows import (
    RowsAsked,
    covered,
    findings,
    refer_to_the_plant,
    refuse_stopping,
    warnings,
)

__all__ = ["plan_is_complete", "plan_of_checklist_is_released", "remarks_on_plan", "sop_is_complete"]


async def plan_is_complete(plan: QualityPlan, call: ToolCall, project: Project) -> None:
    """It is for the material as it is now (change level, IATF 16949 Annex A), all special characteristics are in it
    (8.3.3.3), and the rules of its rows hold today.
    """
    await _material_is_current(plan, call, project)
    missing = (await covered(plan.material_id, plan.rows, call)).missing
    if missing:
        raise RuleViolated(
            f"{plan.id} revision {plan.revision} leaves special characteristics of {plan.material_id} without a row: "
            f"{', '.join(missing)}.",
            field="revision",
            suggestion="Add rows for them with update_quality_plan; reject this revision first.",
            also=[f"{spec_id}: no row" for spec_id in missing],
        )
    rows = _rows_of(plan)
    await refer_to_the_plant(rows, call, project)
    refuse_stopping(await findings(rows, plan.phase, call, project))


async def remarks_on_plan(plan: QualityPlan, call: ToolCall, project: Project) -> tuple[str, ...]:
    """What does not stop a plan, but whoever signs it answers for."""
    found = await findings(_rows_of(plan), plan.phase, call, project)
    return warnings(found, await covered(plan.material_id, plan.rows, call))


def _rows_of(plan: QualityPlan) -> RowsAsked:
    return RowsAsked(plan.rows, plan.material_id, range(len(plan.rows)), given_at={}, otherwise="revision")


async def _material_is_current(plan: QualityPlan, call: ToolCall, project: Project) -> None:
    material = await record_of(call, Material, plan.material_id, field="revision", project=project)
    if not in_use(material):
        raise RuleViolated(
            f"{material.id} (revision {material.revision}), which the plan is for, is obsolete.",
            field="revision",
            suggestion="Withdraw the plan, and create one for the current material.",
        )
    behind = behind_material(plan, material)
    if behind is not None:
        raise RuleViolated(
            f"{behind}.",
            field="revision",
            suggestion="Reject it, check its rows, and let update_quality_plan take over the new revision.",
        )


async def plan_of_checklist_is_released(checklist: Checklist, call: ToolCall) -> None:
    if checklist.plan_id is None:
        return
    revisions = await revisions_of(call, QualityPlan, checklist.plan_id)
    outdated = not_of_plan_in_force(checklist, revisions)
    if outdated is not None:
        anew = "Make the checklist again with create_inspection_checklist."
        raise RuleViolated(
            f"{outdated}.",
            field="revision",
            suggestion=anew if documents.released(revisions) else "Release the plan first.",
        )


def sop_is_complete(sop: Sop) -> None:
    missing = missing_sections(sop)
    if missing:
        raise RuleViolated(
            f"{sop.id} revision {sop.revision} lacks {', '.join(missing)}.",
            field="revision",
            suggestion="Add the sections with revise_sop; reject this revision first.",
            also=[f"{section}: missing" for section in missing],
        )
