"""Arguments of the inspection tools that meet every rule, and states of the plant that only a test brings about."""

from typing import Any

from mcp_server.backends.base import Query
from mcp_server.domain.records import DocumentState, QualityPlan
from tests.support.sample_plant import SamplePlant, control_plan, plan_row

GOOD = [57.010, 57.012, 57.015, 57.016, 57.020]

AQL_ROW = plan_row(
    None,
    characteristic="Deburred edges",
    kind="product",
    operation="OP40",
    machine_id=None,
    gauge_id=None,
    sampling="aql",
    aql="1.0",
    sample_size=None,
    control_method="visual_standard",
)
PLAN = control_plan(plan_row(), AQL_ROW)


def result(**changes: Any) -> dict[str, Any]:
    """Arguments of `record_inspection_result`; a change of None leaves the field out."""
    found = {
        "project": "ALPHA",
        "spec_id": "SP-001",
        "lot_id": "LOT-HSG-004",
        "readings": GOOD,
        "inspector": "M. Novak",
        "gauge_id": "AG-01",
    }
    return {name: value for name, value in (found | changes).items() if value is not None}


def checklist(**changes: Any) -> dict[str, Any]:
    """Arguments of `create_inspection_checklist`; a change of None leaves the field out."""
    found = {"project": "ALPHA", "spec_ids": ["SP-001", "SP-003"], "operation": "OP20"}
    return {name: value for name, value in (found | changes).items() if value is not None}


def of_plan(**changes: Any) -> dict[str, Any]:
    """The same from the plan that was made first."""
    return checklist(**({"spec_ids": None, "plan_id": "QP-0001", "operation": "OP40"} | changes))


async def plan_in_state(plant: SamplePlant, state: DocumentState) -> dict[str, Any]:
    """Bring the newest quality plan into a state, past the tools."""
    async with plant.backend.unit_of_work() as unit:
        (plan,) = (await unit.find(QualityPlan, Query(limit=1, descending=True))).items
        await unit.replace(plan.model_copy(update={"state": state}))
    return {}
