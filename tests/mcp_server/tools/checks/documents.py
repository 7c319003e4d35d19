"""Cases for the decisions about documents."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tests.mcp_server.tools.checks.quality import CASTING
from tests.support.checks import ALPHA, Case, answering, asked_for
from tests.support.sample_plant import SamplePlant, control_plan

VALID: dict[str, dict[str, Any]] = {
    "approve_document": ALPHA
    | {"kind": "quality_plan", "id": "QP-0001", "revision": 1, "decision": "submit", "approver_id": "E105"},
}

SUBMITTED = ("submit", "E105")
APPROVED = ("approve", "E113")


def decide(decision: str, approver_id: str, **more: Any) -> dict[str, Any]:
    """Arguments of `approve_document`, for a plan that is prepared."""
    return ALPHA | {"kind": "quality_plan", "decision": decision, "approver_id": approver_id, **more}


def a_plan(
    *decisions: tuple[str, str], plan: Mapping[str, Any] = CASTING
) -> Callable[[SamplePlant], Awaitable[dict[str, Any]]]:
    """Makes a plan, written by E105, and takes these decisions about it."""

    async def prepare(plant: SamplePlant) -> dict[str, Any]:
        made = await plant.call("create_quality_plan", plan)
        which = {"id": made["record"]["id"], "revision": 1}
        for decision, approver_id in decisions:
            await plant.call("approve_document", decide(decision, approver_id, **which))
        return which

    return prepare


PRECONDITIONS: dict[tuple[str, str], Case] = {
    ("approve_document", "_decision_can_be_taken"): Case(
        "precondition", "decision", decide("approve", "E113"), prepare=a_plan()
    ),
    ("approve_document", "_signer_has_the_authority"): Case(
        "precondition", "approver_id", decide("approve", "E105"), prepare=a_plan(SUBMITTED)
    ),
    ("approve_document", "_nobody_signs_for_another"): Case(
        "precondition",
        "approver_id",
        decide("approve", "E113", on_behalf_of="Faye Kim"),
        prepare=a_plan(SUBMITTED),
    ),
    ("approve_document", "_comment_is_given"): Case(
        "precondition", "comment", decide("reject", "E113"), prepare=a_plan(SUBMITTED)
    ),
    ("approve_document", "_content_is_complete"): Case(
        "precondition",
        "revision",
        decide("approve", "E113"),
        prepare=a_plan(SUBMITTED, plan=control_plan(phase="prototype")),
    ),
    ("approve_document", "_a_person_confirms"): Case(
        "confirmation_required", "confirmation", decide("release", "E113"), prepare=a_plan(SUBMITTED, APPROVED)
    ),
}

RESULT_CHECKS: dict[tuple[str, str], Case] = {
    ("approve_document", "_decision_is_stored"): Case(
        "verification_failed",
        "decision",
        decide("approve", "E113"),
        prepare=a_plan(SUBMITTED),
        run=asked_for(comment="Never said by anybody"),
    ),
    ("approve_document", "_one_revision_is_in_force"): Case(
        "verification_failed",
        "revision",
        decide("approve", "E113"),
        prepare=a_plan(SUBMITTED),
        run=answering(lambda _: {"superseded": 9}),
    ),
}
