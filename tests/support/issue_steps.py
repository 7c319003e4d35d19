"""An issue taken through its steps on the sample plant, as `update_issue` takes them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mcp_server.domain.records import (
    ControlMethod,
    DocumentState,
    Phase,
    PlanRow,
    QualityPlan,
    Sampling,
)
from tests.support.sample_plant import SamplePlant, report

STEPS: Mapping[str, Mapping[str, Any]] = {
    "triage": {"by": "E110", "owner": "E105"},
    "containment": {"by": "E110", "text": "Both boxes of the shift are on hold."},
    "root_cause": {"by": "E105", "whys": ["Burr stands up", "Tool is worn", "Tool life is not counted"]},
    "action": {"by": "E105", "text": "Count the tool life", "owner": "E108", "due_on": "2026-11-30"},
    "action_done": {"by": "E108", "action_id": "A1", "evidence": "Counter active in the control"},
    "effect_check": {"by": "E105", "text": "300 pieces", "evidence": "No burr", "result": "effective"},
    "disposition": {"by": "E105", "disposition": "scrap", "qty": 3},
}
"""One way from the report to the close, for three affected pieces."""


def step(section: str, issue_id: str, revision: int, **changes: Any) -> dict[str, Any]:
    """Arguments of `update_issue`; a change of None leaves the field out."""
    arguments = {"project": "ALPHA", "issue_id": issue_id, "expected_revision": revision, "section": section}
    whole = arguments | {"by": "E105"} | dict(STEPS.get(section, {})) | changes
    return {name: value for name, value in whole.items() if value is not None}


async def issue_after(plant: SamplePlant, *sections: str, **changes: Any) -> dict[str, Any]:
    """A fresh issue, reported with `changes`, after these sections; as stored."""
    reported = report(severity="major", qty_affected=3) | changes
    record = (await plant.call("log_issue", reported))["record"]
    for section in sections:
        record = (await plant.call("update_issue", step(section, record["id"], record["revision"])))["record"]
    return record


def closing(record: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """Arguments of `close_issue`."""
    return {
        "project": "ALPHA",
        "issue_id": record["id"],
        "expected_revision": record["revision"],
        "closure_summary": "Tool life is counted; no burr since.",
        "closed_by": "E113",
    } | changes


async def a_plan_that_controls(plant: SamplePlant, spec_id: str, **changes: Any) -> QualityPlan:
    """A released plan with one row, put into the store."""
    row = PlanRow(
        spec_id=spec_id,
        operation="OP20",
        sampling=Sampling.FULL,
        frequency="every piece",
        control_method=ControlMethod.AUTOMATIC_GAUGING,
        reaction_plan="Stop and sort.",
        reaction_owner="Shift lead",
    )
    plan = QualityPlan(
        id="QP-9001",
        project="ALPHA",
        title="Housing, launch",
        revision=1,
        state=DocumentState.RELEASED,
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
        created_by="E105",
        phase=Phase.SAFE_LAUNCH,
        material_id="HSG-FC57",
        material_revision="D",
        rows=(row,),
    ).model_copy(update=changes)
    async with plant.backend.unit_of_work() as unit:
        await unit.insert(plan)
    return plan
