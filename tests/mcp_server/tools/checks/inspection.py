"""Cases for the tools of inspection: checklists and results."""

from typing import Any

from mcp_server.domain.records import DocumentState, Material, Record, Spec, Verdict
from tests.support.checks import Case, answering
from tests.support.inspections import GOOD, PLAN, checklist, of_plan, plan_in_state, result
from tests.support.sample_plant import Lies, SamplePlant

VALID: dict[str, dict[str, Any]] = {
    "create_inspection_checklist": checklist(),
    "record_inspection_result": result(),
}


async def _withdrawn(plant: SamplePlant) -> dict[str, Any]:
    return await plan_in_state(plant, DocumentState.WITHDRAWN)


def _getting(kind: type[Record], **update: Any) -> Lies:
    return Lies(get=lambda record: record.model_copy(update=update) if type(record) is kind else record)


def _record_with(**update: Any) -> Any:
    return answering(lambda answer: {"record": answer.record.model_copy(update=update)})


def _smaller_sample(answer: Any) -> dict[str, Any]:
    (item,) = answer.record.items
    fewer = item.model_copy(update={"sample_size": item.sample_size - 1})
    return {"record": answer.record.model_copy(update={"items": (fewer,)})}


def _other_issue(answer: Any) -> dict[str, Any]:
    """One that exists, but reports something else."""
    return {"record": answer.record.model_copy(update={"issue_id": "ISS-0001"}), "issue_id": "ISS-0001"}


PRECONDITIONS: dict[tuple[str, str], Case] = {
    ("create_inspection_checklist", "_one_source_is_named"): Case(
        "precondition", "sample_size", of_plan(sample_size=5), before=("create_quality_plan", PLAN)
    ),
    ("create_inspection_checklist", "_plan_is_in_force"): Case(
        "precondition", "plan_id", of_plan(), before=("create_quality_plan", PLAN), prepare=_withdrawn
    ),
    ("create_inspection_checklist", "_operation_is_in_the_plan"): Case(
        "precondition", "operation", of_plan(operation="OP30"), before=("create_quality_plan", PLAN)
    ),
    ("create_inspection_checklist", "_specs_are_of_one_operation"): Case(
        "precondition", "spec_ids[1]", checklist(spec_ids=["SP-001", "SP-006"])
    ),
    ("create_inspection_checklist", "_specs_can_decide"): Case(
        "precondition", "spec_ids[0]", checklist(), lies=_getting(Spec, lsl=None, usl=None)
    ),
    ("create_inspection_checklist", "_material_is_in_use"): Case(
        "precondition", "spec_ids[0]", checklist(), lies=_getting(Material, status="obsolete")
    ),
    ("record_inspection_result", "_lot_is_of_the_material"): Case(
        "precondition", "lot_id", result(lot_id="LOT-FG-001")
    ),
    ("record_inspection_result", "_lot_is_still_there"): Case("precondition", "lot_id", result(lot_id="LOT-HSG-001")),
    ("record_inspection_result", "_time_is_possible"): Case(
        "precondition", "measured_at", result(measured_at="2026-11-22T12:06:00Z")
    ),
    ("record_inspection_result", "_inspector_is_known"): Case("not_found", "inspector", result(inspector="E999")),
    ("record_inspection_result", "_limits_can_judge"): Case(
        "precondition", "spec_id", result(), lies=_getting(Spec, lsl=None, usl=None)
    ),
    ("record_inspection_result", "_attribute_readings_are_zero_or_one"): Case(
        "precondition", "readings[1]", result(spec_id="SP-006", gauge_id="TP-10", readings=[0, 2])
    ),
    ("record_inspection_result", "_readings_are_as_many_as_asked"): Case(
        "precondition", "readings", result(sample_n=6)
    ),
    ("record_inspection_result", "_readings_are_plausible"): Case(
        "precondition", "readings[0]", result(readings=[2.2447])
    ),
    ("record_inspection_result", "_gauge_and_checklist_can_decide"): Case(
        "precondition", "gauge_id", result(spec_id="SP-004", gauge_id="GG-03", readings=[4.776])
    ),
}

RESULT_CHECKS: dict[tuple[str, str], Case] = {
    ("create_inspection_checklist", "_items_are_the_source"): Case(
        "verification_failed", "items", checklist(), run=_record_with(items=())
    ),
    ("create_inspection_checklist", "_samples_are_the_tables"): Case(
        "verification_failed",
        "items[0]",
        of_plan(lot_size=500),
        before=("create_quality_plan", PLAN),
        run=answering(_smaller_sample),
    ),
    ("record_inspection_result", "_verdict_follows_from_the_readings"): Case(
        "verification_failed", "verdict", result(readings=[*GOOD, 57.04]), run=_record_with(verdict=Verdict.ACCEPT)
    ),
    ("record_inspection_result", "_a_rejected_lot_has_an_issue"): Case(
        "verification_failed", "issue_id", result(readings=[*GOOD, 57.04]), run=answering(_other_issue)
    ),
    ("record_inspection_result", "_capability_is_of_all_results"): Case(
        "verification_failed",
        "capability.ppk",
        result(),
        run=answering(lambda answer: {"capability": answer.capability.model_copy(update={"ppk": 1.67})}),
    ),
}
