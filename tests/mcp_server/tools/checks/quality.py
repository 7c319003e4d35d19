"""Cases for the tools of quality plans."""

import json
from datetime import UTC, datetime
from typing import Any

from mcp_server.domain.records import DocumentState, Phase, PlanRow, QualityPlan, document_key
from tests.support.checks import ALPHA, AnyTool, Case, answering, asked_for, each, lying
from tests.support.sample_plant import SamplePlant, control_plan, plan_row

DEBURRED = plan_row(None, characteristic="Deburred", kind="product", operation="OP40", gauge_id=None, machine_id=None)
HARDNESS = plan_row("SP-008", machine_id=None, gauge_id="HT-422", control_method="inspection_record")
CASTING = control_plan(
    HARDNESS, title="Casting FC57, receiving", material_id="CST-FC57", phase="prototype", on_behalf_of="Faye Kim"
)
"""A plan whose only row covers the only special characteristic of its material."""

VALID: dict[str, dict[str, Any]] = {
    "create_quality_plan": control_plan(),
    "get_quality_plans": {"project": "ALPHA"},
    "update_quality_plan": ALPHA
    | {
        "plan_id": "QP-0001",
        "expected_revision": 1,
        "change_reason": "Complaint of the customer, 8D 4711",
        "changes": [{"row": 0, "field": "usl", "value": "225"}],
        "copy_rows": [0],
        "remove_rows": [0],
    },
}


def change(*changes: tuple[int, str, str], **more: Any) -> dict[str, Any]:
    """Arguments of `update_quality_plan`, for a plan that is prepared."""
    listed = [{"row": row, "field": field, "value": value} for row, field, value in changes]
    return ALPHA | {"change_reason": "Complaint of the customer, 8D 4711", "changes": listed, **more}


async def a_draft(plant: SamplePlant) -> dict[str, Any]:
    made = await plant.call("create_quality_plan", CASTING)
    return {"plan_id": made["record"]["id"], "expected_revision": 1}


async def a_draft_read_too_early(plant: SamplePlant) -> dict[str, Any]:
    return {**await a_draft(plant), "expected_revision": 7}


async def a_plan_for_an_obsolete_material(plant: SamplePlant) -> dict[str, Any]:
    plan = QualityPlan(
        id="QP-9001",
        project="ALPHA",
        title="Housing revision C",
        revision=1,
        state=DocumentState.RELEASED,
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
        created_by="Faye Kim",
        phase=Phase.PROTOTYPE,
        material_id="HSG-FC57-C",
        material_revision="C",
        rows=(PlanRow.model_validate_json(json.dumps(DEBURRED)),),
    )
    async with plant.backend.unit_of_work() as unit:
        await unit.insert(plan)
    return {"plan_id": plan.id, "expected_revision": 1}


async def with_another_old_revision(tool: AnyTool, request: Any, call: Any) -> Any:
    """The tool also rewrites the revision that was to stay."""
    result = await tool.run(request, call)
    old = await call.plant.get(QualityPlan, document_key(request.plan_id, 1))
    await call.unit.replace(old.model_copy(update={"title": "Rewritten"}))
    return result


PRECONDITIONS: dict[tuple[str, str], Case] = {
    ("create_quality_plan", "_material_is_current"): Case(
        "precondition", "material_id", control_plan(DEBURRED, material_id="HSG-FC57-C")
    ),
    ("create_quality_plan", "_rows_refer_to_the_plant"): Case(
        "precondition", "rows[0].machine_id", control_plan(plan_row(machine_id="MC-104"))
    ),
    ("create_quality_plan", "_characteristics_are_listed_once"): Case(
        "precondition", "rows[1].spec_id", control_plan(plan_row(), plan_row(operation="OP20"))
    ),
    ("create_quality_plan", "_rows_follow_the_rules"): Case(
        "precondition", "rows[0].usl", control_plan(plan_row(usl=57.05))
    ),
    ("create_quality_plan", "_plan_is_new"): Case(
        "conflict", "material_id", CASTING | {"title": "The same once more"}, before=("create_quality_plan", CASTING)
    ),
    ("get_quality_plans", "_plan_exists"): Case("not_found", "id", ALPHA | {"id": "QP-9999"}),
    ("update_quality_plan", "_plan_can_be_changed"): Case(
        "conflict", "expected_revision", change((0, "usl", "225")), prepare=a_draft_read_too_early
    ),
    ("update_quality_plan", "_material_is_in_use"): Case(
        "precondition", "plan_id", change((0, "frequency", "every shift")), prepare=a_plan_for_an_obsolete_material
    ),
    ("update_quality_plan", "_changes_fit_the_plan"): Case(
        "validation", "changes[1].value", change((0, "lsl", "175"), (0, "usl", "much")), prepare=a_draft
    ),
    ("update_quality_plan", "_rows_refer_to_the_plant"): Case(
        "not_found", "changes[0].value", change((0, "gauge_id", "HT-999")), prepare=a_draft
    ),
    ("update_quality_plan", "_characteristics_are_listed_once"): Case(
        "precondition", "copy_rows[0]", change(copy_rows=[0]), prepare=a_draft
    ),
    ("update_quality_plan", "_rows_follow_the_rules"): Case(
        "precondition", "changes[0].value", change((0, "usl", "235")), prepare=a_draft
    ),
}

RESULT_CHECKS: dict[tuple[str, str], Case] = {
    ("create_quality_plan", "_rows_are_as_asked"): Case("verification_failed", "rows", CASTING, run=asked_for(rows=())),
    ("create_quality_plan", "_coverage_is_right"): Case(
        "verification_failed",
        "coverage",
        CASTING,
        run=answering(lambda result: {"coverage": result.coverage.model_copy(update={"special_total": 2})}),
    ),
    ("get_quality_plans", "page_is_as_asked"): Case(
        "verification_failed",
        None,
        ALPHA | {"phase": "prototype"},
        before=("create_quality_plan", CASTING),
        lies=lying(QualityPlan, each(project="BETA")),
    ),
    ("get_quality_plans", "_plans_are_whole"): Case(
        "verification_failed",
        None,
        ALPHA | {"phase": "prototype"},
        before=("create_quality_plan", CASTING),
        lies=lying(QualityPlan, each(rows=())),
    ),
    ("update_quality_plan", "_changes_are_stored"): Case(
        "verification_failed", "changes", change((0, "usl", "225")), prepare=a_draft, run=asked_for(changes=())
    ),
    ("update_quality_plan", "_old_revision_is_unchanged"): Case(
        "verification_failed", "plan_id", change((0, "usl", "225")), prepare=a_draft, run=with_another_old_revision
    ),
    ("update_quality_plan", "_coverage_is_right"): Case(
        "verification_failed",
        "coverage",
        change((0, "usl", "225")),
        prepare=a_draft,
        run=answering(lambda result: {"coverage": result.coverage.model_copy(update={"special_total": 2})}),
    ),
}
