from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mcp_server.clock import Clock
from mcp_server.domain.records import DocumentState, Issue
from tests.support.issue_steps import STEPS, a_plan_that_controls, closing, issue_after, step
from tests.support.sample_plant import AS_OF, SamplePlant, sample_plant

pytestmark = pytest.mark.anyio


async def the_issue(plant: SamplePlant, issue_id: str) -> dict[str, Any]:
    (item,) = (await plant.call("get_issues", {"project": "ALPHA", "id": issue_id}))["items"]
    return item


async def test_an_issue_goes_from_the_report_to_the_close(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        record = await issue_after(plant)
        open_gates: list[int] = []
        for section in STEPS:
            answer = await plant.call("update_issue", step(section, record["id"], record["revision"]))
            record = answer["record"]
            open_gates.append(len(answer["next_required"]))
            item = await the_issue(plant, record["id"])
            assert (item["record"], item["next_required"]) == (record, answer["next_required"])
            assert item["clock"] == answer["clock"]
        assert open_gates == [5, 4, 3, 3, 2, 1, 0]
        closed = await plant.call("close_issue", closing(record, lessons="Count the life of every tool."))
        assert (closed["status"], closed["record"]["state"]) == ("updated", "closed")
        assert (closed["record"]["closed_by"], closed["record"]["closed_at"]) == ("E113", "2026-11-22T12:00:00Z")
        assert len(closed["gates"]) == 7
        still_open = await plant.call("get_issues", {"project": "ALPHA", "open_only": True, "limit": 200})
        assert record["id"] not in {item["id"] for item in still_open["items"]}


async def test_what_is_recorded_stands_in_the_record_with_its_person_and_time(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        record = await issue_after(plant, *STEPS)
    at = "2026-11-22T12:00:00Z"
    assert record["triage"] == {"by": "E110", "at": at, "owner": "E105"}
    assert record["containment"] == {"what": "Both boxes of the shift are on hold.", "by": "E110", "at": at}
    assert record["root_cause"]["whys"] == ["Burr stands up", "Tool is worn", "Tool life is not counted"]
    (action,) = record["actions"]
    assert (action["id"], action["owner"], action["due_on"]) == ("A1", "E108", "2026-11-30")
    assert (action["done_by"], action["evidence"]) == ("E108", "Counter active in the control")
    assert record["effect_checks"][0]["verifier"] == "E105"
    assert record["dispositions"] == [{"qty": 3, "kind": "scrap", "by": "E105", "at": at}]


async def test_every_step_leaves_an_entry_in_the_history(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        record = await issue_after(plant, "triage", "containment")
        entries = plant.rows(
            f"SELECT revision, tool FROM record_history WHERE record_id = '{record['id']}' ORDER BY id"
        )
    assert [(entry["revision"], entry["tool"]) for entry in entries] == [
        (1, "log_issue"),
        (2, "update_issue"),
        (3, "update_issue"),
    ]


@pytest.mark.parametrize(
    ("done", "section", "changes", "expected"),
    [
        ((), "containment", {}, ("precondition", "section", "section triage")),
        (("triage",), "root_cause", {}, ("precondition", "section", "Section containment")),
        (("triage",), "containment", {"text": None}, ("validation", "text", "It takes text")),
        (("triage",), "containment", {"to": "supervisor"}, ("validation", "to", "Leave to out")),
        ((), "triage", {"owner": "Ana Ortiz"}, ("not_found", "owner", "E100")),
        ((), "triage", {"by": "Ana Ortiz"}, ("not_found", "by", "E100")),
        (tuple(STEPS)[:2], "root_cause", {"whys": ["Worn tool"]}, ("precondition", "whys", "why again")),
        (tuple(STEPS)[:3], "action", {"due_on": "2026-11-21"}, ("precondition", "due_on", "2026-11-22 or later")),
        (tuple(STEPS)[:4], "effect_check", {}, ("precondition", "section", "A1 (E108, due 2026-11-30)")),
        (tuple(STEPS)[:5], "effect_check", {"by": "E108"}, ("precondition", "by", "somebody else")),
        (("triage",), "disposition", {"qty": 4}, ("precondition", "qty", "1 to 3")),
        (("triage",), "disposition", {"disposition": "rework"}, ("precondition", "evidence", "result")),
        (("triage",), "disposition", {"disposition": "use_as_is"}, ("precondition", "concession_id", "concession_id")),
        (("triage",), "reopen", {"text": "Again"}, ("precondition", "section", "Only a closed issue")),
        (("triage",), "cancel", {"text": "A mistake"}, ("precondition", "section", "qty 0")),
    ],
)
async def test_a_step_out_of_order_names_the_field_and_the_way_out(
    tmp_path: Path,
    done: tuple[str, ...],
    section: str,
    changes: dict[str, Any],
    expected: tuple[str, str, str],
):
    async with sample_plant(tmp_path) as plant:
        record = await issue_after(plant, *done)
        failure = await plant.refused("update_issue", step(section, record["id"], record["revision"], **changes))
        assert (failure.code, failure.field) == expected[:2]
        assert expected[2] in failure.suggestion
        assert (await the_issue(plant, record["id"]))["record"] == record


async def test_an_issue_somebody_else_has_changed_is_not_written_over(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        record = await issue_after(plant, "triage")
        failure = await plant.refused("update_issue", step("containment", record["id"], 1))
        assert (failure.code, failure.field, failure.alternatives) == ("conflict", "expected_revision", ("2",))
        failure = await plant.refused("close_issue", closing(record, expected_revision=1))
        assert (failure.code, failure.field) == ("conflict", "expected_revision")


async def test_a_dry_run_tells_what_would_be_and_stores_nothing(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        record = await issue_after(plant)
        answer = await plant.call("update_issue", step("triage", record["id"], 1, dry_run=True))
        assert (answer["dry_run"], answer["record"]["state"]) == (True, "triaged")
        assert (await the_issue(plant, record["id"]))["record"] == record


@pytest.mark.parametrize(
    ("reported", "refused"), [({"category": "safety"}, True), ({"spec_id": "SP-013"}, True), ({}, False)]
)
async def test_triage_cannot_talk_safety_and_cc_down(tmp_path: Path, reported: dict[str, Any], refused: bool):
    async with sample_plant(tmp_path) as plant:
        record = await issue_after(plant, **reported)
        arguments = step("triage", record["id"], 1, severity="minor")
        if refused:
            failure = await plant.refused("update_issue", arguments)
            assert (failure.code, failure.field, failure.alternatives) == ("precondition", "severity", ("critical",))
        else:
            answer = await plant.call("update_issue", arguments)
            assert answer["record"]["severity"] == "minor"
            assert answer["record"]["contain_due_at"] == "2026-11-25T12:00:00Z"
            assert "severity is minor now" in answer["warnings"][0]


async def test_triage_puts_right_a_severity_that_came_in_too_low(tmp_path: Path):
    """ISS-0071 of the sample plant is about a CC characteristic, and only major."""
    async with sample_plant(tmp_path) as plant:
        before = (await the_issue(plant, "ISS-0071"))["record"]
        assert (before["severity"], before["spec_id"]) == ("major", "SP-013")
        answer = await plant.call("update_issue", step("triage", "ISS-0071", 1))
        assert answer["record"]["severity"] == "critical"
        assert "it was major" in answer["warnings"][0]
        assert answer["escalate_to"] == "plant_manager"


@pytest.mark.parametrize(("qty", "refused"), [(1180, False), (1181, True)])
async def test_no_more_pieces_are_affected_than_the_lots_hold(tmp_path: Path, qty: int, refused: bool):
    async with sample_plant(tmp_path) as plant:
        record = await issue_after(plant, lot_ids=["LOT-HSG-003"])
        arguments = step("triage", record["id"], 1, qty=qty)
        if refused:
            failure = await plant.refused("update_issue", arguments)
            assert (failure.field, "1180 or less" in failure.suggestion) == ("qty", True)
        else:
            assert (await plant.call("update_issue", arguments))["record"]["qty_affected"] == qty


@pytest.mark.parametrize(("by", "cancelled"), [("E105", False), ("E110", False), ("E113", True), ("E115", True)])
async def test_a_critical_report_is_cancelled_by_a_manager_only(tmp_path: Path, by: str, cancelled: bool):
    async with sample_plant(tmp_path) as plant:
        record = await issue_after(plant, category="safety", qty_affected=0)
        arguments = step("cancel", record["id"], 1, by=by, text="The guard was open for maintenance.")
        if cancelled:
            assert (await plant.call("update_issue", arguments))["record"]["state"] == "cancelled"
        else:
            failure = await plant.refused("update_issue", arguments)
            assert (failure.field, set(failure.alternatives)) == ("by", {"E113", "E115"})


async def test_recording_a_section_again_says_what_it_replaces(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        record = await issue_after(plant, "triage", "containment")
        answer = await plant.call("update_issue", step("containment", record["id"], 3, by="E105", text="All shifts."))
        assert answer["warnings"] == ["This replaces the containment of E110."]
        assert answer["record"]["containment"]["first_at"] == "2026-11-22T12:00:00Z"


async def test_the_day_of_the_close_is_that_of_the_site(tmp_path: Path):
    """Closing is due at 03:00 UTC, which is the evening before in Lakeside."""
    async with sample_plant(tmp_path) as plant:
        record = await issue_after(plant, *tuple(STEPS)[:3])
        async with plant.backend.unit_of_work() as unit:
            issue = await unit.get(Issue, record["id"])
            assert issue is not None
            await unit.replace(issue.model_copy(update={"close_due_at": datetime(2027, 1, 6, 3, tzinfo=UTC)}))
        answer = await plant.call("update_issue", step("action", record["id"], 4, due_on="2027-01-06"))
        assert answer["warnings"] == ["A1 is due after the day the issue should be closed, 2027-01-05."]


@pytest.mark.parametrize(("due_on", "late"), [("2027-01-06", False), ("2027-01-07", True)])
async def test_an_action_due_after_the_close_is_pointed_out(tmp_path: Path, due_on: str, late: bool):
    async with sample_plant(tmp_path) as plant:
        record = await issue_after(plant, *tuple(STEPS)[:3])
        answer = await plant.call("update_issue", step("action", record["id"], 4, due_on=due_on))
    expected = {"warnings": ["A1 is due after the day the issue should be closed, 2027-01-06."]} if late else {}
    assert {name: value for name, value in answer.items() if name == "warnings"} == expected


async def test_whoever_must_be_told_is_named_until_told(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        record = await issue_after(plant)
    async with sample_plant(tmp_path, clock=Clock(AS_OF + timedelta(days=1))) as plant:
        item = await the_issue(plant, record["id"])
        assert (item["escalate_to"], [tick["state"] for tick in item["clock"]][:2]) == (
            "quality_manager",
            ["overdue", "at_risk"],
        )
        text = "Nobody has taken it on for a day."
        answer = await plant.call("update_issue", step("escalate", record["id"], 1, to="quality_manager", text=text))
        assert "escalate_to" not in answer
        assert answer["record"]["escalations"][0]["reason"] == text


async def test_the_close_is_refused_with_every_open_gate_at_once(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        record = await issue_after(plant, "triage", "disposition")
        failure = await plant.refused("close_issue", closing(record))
        assert (failure.code, failure.field) == ("precondition", "issue_id")
        assert all(gate in failure.message for gate in ("containment", "root_cause", "action", "effect_check"))
        assert "disposition" not in failure.message
        assert len(failure.also) == 3
        ready = await issue_after(plant, *STEPS, title="Another burr, another place")
        failure = await plant.refused("close_issue", closing(ready, closed_by="E108"))
        assert (failure.code, failure.field) == ("precondition", "closed_by")
        closed = (await plant.call("close_issue", closing(ready)))["record"]
        failure = await plant.refused("close_issue", closing(closed, closure_summary="Once more, to be sure."))
        assert "closed already" in failure.message


async def test_a_reopened_issue_is_open_again_and_remembers(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        ready = await issue_after(plant, *STEPS)
        closed = (await plant.call("close_issue", closing(ready)))["record"]
        again = step("reopen", closed["id"], closed["revision"], text="Burr found at the customer.")
        answer = await plant.call("update_issue", again)
        assert answer["record"]["state"] == "reopened"
        assert [need["gate"] for need in answer["next_required"]] == [
            "containment",
            "root_cause",
            "action",
            "effect_check",
        ]
        (former,) = answer["record"]["rounds"]
        assert (former["closed_by"], former["actions"]) == ("E113", closed["actions"])
        assert (await the_issue(plant, closed["id"]))["record"] == answer["record"]


async def plan_in_store(plant: SamplePlant) -> dict[str, Any]:
    (row,) = plant.rows("SELECT state, review_reason FROM quality_plans WHERE id = 'QP-9001'")
    return row


@pytest.mark.parametrize(
    ("reported", "plan", "flagged", "listed"),
    [
        ({"spec_id": "SP-002"}, {}, True, True),
        ({"spec_id": "SP-003"}, {}, False, True),
        ({"spec_id": "SP-010"}, {}, False, False),
        ({"category": "customer", "material_id": "HSG-FC57"}, {}, True, True),
        ({"category": "customer", "material_id": "FC57-FG"}, {}, False, False),
        ({"spec_id": "SP-002"}, {"state": DocumentState.DRAFT}, False, True),
        ({"spec_id": "SP-002"}, {"state": DocumentState.SUPERSEDED}, False, False),
    ],
)
async def test_closing_asks_for_a_review_of_the_plans_it_concerns(
    tmp_path: Path, reported: dict[str, Any], plan: dict[str, Any], flagged: bool, listed: bool
):
    async with sample_plant(tmp_path) as plant:
        await a_plan_that_controls(plant, "SP-002", **plan)
        record = await issue_after(plant, *STEPS, **reported)
        answer = await plant.call("close_issue", closing(record))
        stored = await plan_in_store(plant)
        assert stored["state"] == plan.get("state", "released")
        assert (stored["review_reason"] is not None) is flagged
        found = {entry["id"]: entry["flagged"] for entry in answer["documents_to_update"]}
        assert found.get("QP-9001") == (flagged if listed else None)
        if flagged:
            assert record["id"] in stored["review_reason"]


async def test_a_second_issue_adds_to_the_reason_for_the_review(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await a_plan_that_controls(plant, "SP-002", review_reason="Process change 12")
        record = await issue_after(plant, *STEPS, spec_id="SP-002")
        await plant.call("close_issue", closing(record))
        reason = (await plan_in_store(plant))["review_reason"]
    assert reason == f"Process change 12; {record['id']} (quality) closed: {record['title']}"


async def test_the_documents_of_the_place_are_listed(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        record = await issue_after(plant, *STEPS, machine_id="MC-103")
        answer = await plant.call("close_issue", closing(record))
    kinds = {(entry["kind"], entry["id"]) for entry in answer["documents_to_update"]}
    assert {("procedure", "SOP-A-020"), ("maintenance plan", "PMP-MC103")} <= kinds
    assert not any(entry["flagged"] for entry in answer["documents_to_update"] if entry["kind"] != "quality plan")
