"""Cases for the tools of issues: one step at a time, and the close."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mcp_server.domain.records import Issue, IssueState, QualityPlan, Record, Severity
from tests.support.checks import Case
from tests.support.issue_steps import STEPS, a_plan_that_controls, closing, issue_after, step
from tests.support.sample_plant import Lies, SamplePlant

Prepare = Callable[[SamplePlant], Awaitable[Mapping[str, Any]]]
COMMENT = step("comment", "ISS-0071", 1, text="Seen again on the night shift.")

VALID: dict[str, dict[str, Any]] = {
    "update_issue": COMMENT,
    "close_issue": closing({"id": "ISS-0071", "revision": 1}),
}


def stored(**changes: Any) -> Lies:
    """A system of record that changes issues on the way."""
    return Lies(replace=lambda record: record.model_copy(update=changes) if isinstance(record, Issue) else record)


def stored_when_closed(**changes: Any) -> Lies:
    def replaced(record: Record) -> Record:
        closed = isinstance(record, Issue) and record.state is IssueState.CLOSED
        return record.model_copy(update=changes) if closed else record

    return Lies(replace=replaced)


def after(*sections: str, **reported: Any) -> Prepare:
    """The issue to work on, after these sections."""

    async def prepare(plant: SamplePlant) -> Mapping[str, Any]:
        record = await issue_after(plant, *sections, **reported)
        return {"issue_id": record["id"], "expected_revision": record["revision"]}

    return prepare


def without_plans(record: Record) -> Record | None:
    return None if isinstance(record, QualityPlan) else record


async def ready_with_a_plan(plant: SamplePlant) -> Mapping[str, Any]:
    await a_plan_that_controls(plant, "SP-002")
    return await after(*STEPS, spec_id="SP-002")(plant)


def only_the_last_comment(record: Record) -> Record:
    return record.model_copy(update={"comments": record.comments[-1:]}) if isinstance(record, Issue) else record


async def read_too_early(plant: SamplePlant) -> Mapping[str, Any]:
    return {**await after(*STEPS)(plant), "expected_revision": 1}


CLOSE = closing({"id": "ISS-0071", "revision": 1})

PRECONDITIONS: dict[tuple[str, str], Case] = {
    ("update_issue", "issue_is_as_read"): Case("conflict", "expected_revision", COMMENT | {"expected_revision": 2}),
    ("update_issue", "_fields_belong_to_the_section"): Case("validation", "qty", COMMENT | {"qty": 3}),
    ("update_issue", "_people_exist"): Case("not_found", "by", COMMENT | {"by": "E999"}),
    ("update_issue", "_step_is_possible"): Case(
        "precondition", "section", step("root_cause", "", 1), prepare=after("triage")
    ),
    ("update_issue", "_severity_stays_forced"): Case(
        "precondition", "severity", step("triage", "", 1, severity="minor"), prepare=after(spec_id="SP-013")
    ),
    ("update_issue", "_lots_hold_the_pieces"): Case(
        "precondition", "qty", step("triage", "", 1, qty=1181), prepare=after(lot_ids=["LOT-HSG-003"])
    ),
    ("update_issue", "_critical_is_cancelled_by_a_manager"): Case(
        "precondition",
        "by",
        step("cancel", "", 1, text="No hazard after all"),
        prepare=after(category="safety", qty_affected=0),
    ),
    ("close_issue", "issue_is_as_read"): Case("conflict", "expected_revision", CLOSE, prepare=read_too_early),
    ("close_issue", "_closer_exists"): Case(
        "not_found", "closed_by", CLOSE | {"closed_by": "Nia Scott"}, prepare=after(*STEPS)
    ),
    ("close_issue", "_every_gate_is_met"): Case("precondition", "issue_id", CLOSE, prepare=after("triage")),
}


RESULT_CHECKS: dict[tuple[str, str], Case] = {
    ("update_issue", "_section_is_stored"): Case("verification_failed", "by", COMMENT, lies=stored(comments=())),
    ("update_issue", "_nothing_else_is_lost"): Case(
        "verification_failed",
        "comments",
        COMMENT | {"expected_revision": 2},
        before=("update_issue", COMMENT | {"text": "Seen for the first time."}),
        lies=Lies(replace=only_the_last_comment),
    ),
    ("update_issue", "_rules_hold_on_what_is_stored"): Case(
        "verification_failed",
        "severity",
        step("triage", "", 1),
        prepare=after(category="safety"),
        lies=stored(severity=Severity.MINOR),
    ),
    ("close_issue", "_left_the_open_list"): Case(
        "verification_failed",
        "issue_id",
        CLOSE,
        prepare=after(*STEPS),
        lies=stored_when_closed(state=IssueState.VERIFYING),
    ),
    ("close_issue", "_is_closed"): Case(
        "verification_failed",
        "closed_by",
        CLOSE,
        prepare=after(*STEPS),
        lies=stored_when_closed(closed_by="E100"),
    ),
    ("close_issue", "_gates_hold_on_what_is_stored"): Case(
        "verification_failed",
        "issue_id",
        CLOSE,
        prepare=after(*STEPS),
        lies=stored_when_closed(root_cause=None),
    ),
    ("close_issue", "_plans_are_under_review"): Case(
        "verification_failed",
        "documents_to_update",
        CLOSE,
        prepare=ready_with_a_plan,
        lies=Lies(replace=without_plans),
    ),
}
