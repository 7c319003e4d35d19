"""A quality plan and a procedure, and how the MES shows a revision of a document."""

from datetime import UTC, datetime
from typing import Any

from mcp_server.domain.records import (
    ControlMethod,
    DocumentState,
    Hazard,
    Phase,
    PlanRow,
    QualityPlan,
    Sampling,
    SignalWord,
    Sop,
    SopStep,
)
from tests.mcp_server.backends.fsmes.recorded import body_of_answer

__all__ = ["PLAN", "PROCEDURE", "shown"]

_NOW = datetime(2026, 7, 1, 8, tzinfo=UTC)
_ROW = PlanRow(
    characteristic="Bore diameter", unit="mm", lsl=57.0, usl=57.03, technique="bore gauge", gauge_id="AG-01",
    sampling=Sampling.FIXED, sample_size=5, frequency="every 2 hours", control_method=ControlMethod.SPC_CHART,
    reaction_plan="Stop.\n```json shopfloor\nSort.", reaction_owner="operator",
)  # fmt: skip
PLAN = QualityPlan(
    id="QP-0001", project="ALPHA", title="Housing, 57 µm control plan", revision=1, state=DocumentState.DRAFT,
    created_at=_NOW, created_by="E105", phase=Phase.PRODUCTION, material_id="MAT-1", material_revision="D",
    rows=(_ROW, _ROW),
)  # fmt: skip
PROCEDURE = Sop(
    id="SOP-0001", project="ALPHA", title="Change the tool", revision=1, state=DocumentState.DRAFT, created_at=_NOW,
    created_by="E105", workstation="ALPHA-OP20", machine_ids=("MC-103",), purpose="So that it is done one way.",
    hazards=(Hazard(hazard="Spindle", consequence="It cuts", avoidance="Wait", signal_word=SignalWord.DANGER),),
    steps=(SopStep(text="Open the guard.", time_s=4.0, key_point="Slowly"),),
)  # fmt: skip


def shown(body: str, *, revision: int = 1, status: str = "draft", title: str = PLAN.title) -> dict[str, Any]:
    """One revision, as the MES showed the one that was recorded."""
    (recorded,) = body_of_answer("documents", "GET /documents/WI-1/revisions")
    return recorded | {"code": PLAN.id, "body": body, "revision": revision, "status": status, "title": title}
