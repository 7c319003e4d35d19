"""Cases for the tools of issues: reporting and finding them."""

from typing import Any

from mcp_server.domain.records import Issue, IssueCategory, IssueState
from tests.support.checks import ALPHA, Case, answering, asked_for, each, lying
from tests.support.sample_plant import Lies, report

VALID: dict[str, dict[str, Any]] = {
    "log_issue": report(),
    "get_issues": {"project": "ALPHA"},
}

PRECONDITIONS: dict[tuple[str, str], Case] = {
    ("log_issue", "_references_exist"): Case("not_found", "machine_id", report(machine_id="LT-13")),
    ("log_issue", "_lots_hold_the_pieces"): Case(
        "precondition", "qty_affected", report(lot_ids=["LOT-HSG-003"], qty_affected=1181)
    ),
    ("log_issue", "_not_in_the_future"): Case(
        "precondition", "detected_at", report(detected_at="2026-11-22T12:06:00+00:00")
    ),
    ("get_issues", "_issue_references_exist"): Case("not_found", "id", ALPHA | {"id": "ISS-9999"}),
    ("get_issues", "_range_is_in_order"): Case(
        "precondition",
        "opened_from",
        ALPHA | {"opened_from": "2026-11-02T00:00:00Z", "opened_to": "2026-11-01T00:00:00Z"},
    ),
}

RESULT_CHECKS: dict[tuple[str, str], Case] = {
    ("log_issue", "_severity_is_not_talked_down"): Case(
        "verification_failed", "severity", report(category="safety"), run=asked_for(category=IssueCategory.QUALITY)
    ),
    ("log_issue", "_is_open_with_a_clock"): Case(
        "verification_failed",
        "state",
        report(),
        run=answering(lambda result: {"record": result.record.model_copy(update={"state": IssueState.CLOSED})}),
    ),
    ("log_issue", "_stands_among_the_open"): Case(
        "verification_failed",
        "state",
        report(),
        lies=Lies(insert=lambda record: record.model_copy(update={"state": IssueState.CANCELLED})),
    ),
    ("get_issues", "page_is_as_asked"): Case(
        "verification_failed", None, ALPHA | {"machine_id": "LT-131"}, lies=lying(Issue, each(machine_id="LT-130"))
    ),
    ("get_issues", "_times_are_as_asked"): Case(
        "verification_failed", None, ALPHA | {"open_only": True}, lies=lying(Issue, each(state=IssueState.CLOSED))
    ),
    ("get_issues", "_clock_and_gates_are_recomputed"): Case(
        "verification_failed",
        None,
        ALPHA | {"id": "ISS-0071"},
        run=answering(
            lambda result: {"items": tuple(i.model_copy(update={"next_required": ()}) for i in result.items)}
        ),
    ),
}
