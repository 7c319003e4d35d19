"""What a document of each kind must hold before it is approved or released. Each raises a `RuleViolated`."""

from mcp_server.domain import documents
from mcp_server.domain.procedures.sop import missing_sections
from mcp_server.domain.records import Checklist, Material, Project, QualityPlan, Sop
from mcp_server.errors import RuleViolated
from mcp_server.pipeline.declaration import ToolCall
from mcp_server.pipeline.preconditions import in_use, record_of, revisions_of
from mcp_server.tools.quality.plan_rows import RowsAsked, covered, findings, refer_to_the_plant, refuse_stopping

__all__ = ["plan_is_complete", "plan_of_checklist_is_released", "sop_is_complete"]


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
    rows = RowsAsked(plan.rows, plan.material_id, range(len(plan.rows)), given_at={}, otherwise="revision")
    await refer_to_the_plant(rows, call, project)
    refuse_stopping(await findings(rows, plan.phase, call, project))


async def _material_is_current(plan: QualityPlan, call: ToolCall, project: Project) -> None:
    material = await record_of(call, Material, plan.material_id, field="revision", project=project)
    if not in_use(material):
        raise RuleViolated(
            f"{material.id} (revision {material.revision}), which the plan is for, is obsolete.",
            field="revision",
            suggestion="Withdraw the plan, and create one for the current material.",
        )
    if material.revision != plan.material_revision:
        raise RuleViolated(
            f"{plan.id} revision {plan.revision} is for {material.id} revision {plan.material_revision}; "
            f"the material is at revision {material.revision} now.",
            field="revision",
            suggestion="Reject it, check its rows, and let update_quality_plan take over the new revision.",
        )


async def plan_of_checklist_is_released(checklist: Checklist, call: ToolCall) -> None:
    if checklist.plan_id is None:
        return
    in_force = documents.released(await revisions_of(call, QualityPlan, checklist.plan_id))
    if any(checklist.plan_revision in {None, plan.revision} for plan in in_force):
        return
    made_from = f"{checklist.id} was made from {checklist.plan_id} revision {checklist.plan_revision}"
    raise RuleViolated(
        f"{made_from}; {f'revision {in_force[0].revision} is in force now' if in_force else 'that is not released'}.",
        field="revision",
        suggestion=(
            "Make the checklist again with create_inspection_checklist." if in_force else "Release the plan first."
        ),
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
