"""The decisions about documents of every kind: who signs, what a person confirms, and what is in force afterwards."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from mcp_server.domain.records import (
    CheckItem,
    Checklist,
    DocumentState,
    Gauge,
    Machine,
    MachineStatus,
    Material,
    Record,
    Sop,
    TrainingRecord,
    document_key,
)
from mcp_server.errors import ConfirmationRequired
from tests.mcp_server.tools.checks.documents import APPROVED, SUBMITTED, a_plan, decide
from tests.mcp_server.tools.checks.quality import CASTING, change
from tests.support.sample_plant import SamplePlant, control_plan, plan_row, sample_plant

pytestmark = pytest.mark.anyio

BETA = {"project": "BETA"}


async def confirmed(plant: SamplePlant, arguments: dict[str, Any]) -> dict[str, Any]:
    """Both steps of a decision that a person confirms."""
    asked = await plant.refused("approve_document", arguments)
    assert isinstance(asked, ConfirmationRequired), asked.message
    return await plant.call("approve_document", arguments | {"confirmation": asked.alternatives[0]})


async def a_released_plan(plant: SamplePlant) -> dict[str, Any]:
    which = await a_plan(SUBMITTED, APPROVED)(plant)
    await confirmed(plant, decide("release", "E112", **which))
    return which


async def store(plant: SamplePlant, *records: Record) -> None:
    async with plant.backend.unit_of_work() as unit:
        for record in records:
            await unit.insert(record)


async def change_stored(plant: SamplePlant, kind: type[Record], key: str, **update: Any) -> None:
    async with plant.backend.unit_of_work() as unit:
        record = await unit.get(kind, key)
        assert record is not None
        await unit.replace(record.model_copy(update=update))


def stored(plant: SamplePlant, table: str, document_id: str) -> list[tuple[int, str, list[str]]]:
    """Revision, state and who decided what, as it stands in the file."""
    rows = plant.rows(f"SELECT revision, state, signatures FROM {table} WHERE id = '{document_id}' ORDER BY revision")
    return [
        (row["revision"], row["state"], [f"{s['decision']} {s['by']}" for s in json.loads(row["signatures"])])
        for row in rows
    ]


def a_checklist(plan_id: str | None, plan_revision: int | None, state: DocumentState) -> Checklist:
    return Checklist(
        id="CL-9001",
        project="ALPHA",
        title="Receiving inspection of castings",
        revision=1,
        state=state,
        created_at=datetime(2026, 11, 1, tzinfo=UTC),
        created_by="Faye Kim",
        plan_id=plan_id,
        plan_revision=plan_revision,
        material_id="CST-FC57",
        operation="RCV",
        items=(CheckItem(spec_id="SP-008", characteristic="Brinell hardness", frequency="every lot"),),
    )


CHECKLIST = {"project": "ALPHA", "kind": "checklist", "id": "CL-9001", "revision": 1}


async def test_a_plan_goes_from_draft_to_release_with_every_signature(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        which = await a_plan()(plant)
        states: list[str] = []
        for decision, person in (SUBMITTED, APPROVED):
            answer = await plant.call("approve_document", decide(decision, person, **which, comment="As discussed"))
            states.append(answer["record"]["state"])
        answer = await confirmed(plant, decide("release", "E112", **which))
        assert [*states, answer["record"]["state"]] == ["in_review", "approved", "released"]
        last = answer["record"]["signatures"][-1]
        assert last == {"decision": "release", "by": "E112", "role": "document_controller", "at": answer_time(answer)}
        assert "rows" not in answer["record"]
        assert "superseded" not in answer
        signed = ["submit E105", "approve E113", "release E112"]
        assert stored(plant, "quality_plans", which["id"]) == [(1, "released", signed)]


def answer_time(answer: dict[str, Any]) -> str:
    return answer["verification"]["read_at"]


async def test_a_release_supersedes_the_revision_in_force(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        which = await a_released_plan(plant)
        await plant.call(
            "update_quality_plan",
            change((0, "usl", "225"), plan_id=which["id"], expected_revision=1, on_behalf_of="Faye Kim"),
        )
        second = which | {"revision": 2}
        for decision, person in (SUBMITTED, APPROVED):
            await plant.call("approve_document", decide(decision, person, **second))
        asked = await plant.refused("approve_document", decide("release", "E113", **second))
        assert "Revision 1, in force now, is superseded." in asked.message
        answer = await plant.call(
            "approve_document", decide("release", "E113", **second, confirmation=asked.alternatives[0])
        )
        assert answer["superseded"] == 1
        first, now = stored(plant, "quality_plans", which["id"])
        assert (first[:2], now[:2]) == ((1, "superseded"), (2, "released"))
        assert first[2] == ["submit E105", "approve E113", "release E112"]


async def test_the_first_call_to_release_says_what_will_happen_and_does_nothing(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        which = await a_plan(SUBMITTED, APPROVED)(plant)
        before = stored(plant, "quality_plans", which["id"])
        asked = await plant.refused("approve_document", decide("release", "E113", **which))
        assert (asked.code, asked.field, asked.retryable) == ("confirmation_required", "confirmation", False)
        assert asked.message == (
            f"This will release quality plan {which['id']} revision 1, 'Casting FC57, receiving'. "
            "It is the first in force. E113 (Nia Scott, quality_manager) signs."
        )
        (code,) = asked.alternatives
        assert len(code) == 8
        assert stored(plant, "quality_plans", which["id"]) == before


async def test_only_the_code_of_this_decision_by_this_person_goes_through(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        which = await a_plan(SUBMITTED, APPROVED)(plant)
        release = decide("release", "E113", **which)
        code = (await plant.refused("approve_document", release)).alternatives[0]
        by_another = await plant.refused("approve_document", decide("release", "E112", **which, confirmation=code))
        withdrawal = decide("withdraw", "E113", **which, comment="Not needed", confirmation=code)
        other = await plant.refused("approve_document", withdrawal)
        guessed = await plant.refused("approve_document", release | {"confirmation": "00000000"})
        for failure in (by_another, other, guessed):
            assert failure.code == "confirmation_required"
            assert failure.message.startswith("The code is not that of what would happen now.")
        await plant.call("approve_document", decide("reject", "E113", **which, comment="Once more, please"))
        for decision, person in (SUBMITTED, APPROVED):
            await plant.call("approve_document", decide(decision, person, **which, comment="Again"))
        stale = await plant.refused("approve_document", release | {"confirmation": code})
        assert stale.code == "confirmation_required"
        assert stale.alternatives != (code,)


async def test_a_dry_run_needs_no_confirmation_and_leaves_no_trace(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        which = await a_plan(SUBMITTED, APPROVED)(plant)
        answer = await plant.call("approve_document", decide("release", "E113", **which, dry_run=True))
        assert (answer["dry_run"], answer["record"]["state"]) == (True, "released")
        assert stored(plant, "quality_plans", which["id"])[0][1] == "approved"


async def test_a_withdrawal_says_that_the_document_goes_out_of_force(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        which = await a_released_plan(plant)
        await store(plant, a_checklist(which["id"], 1, DocumentState.RELEASED))
        withdrawal = decide("withdraw", "E112", **which, comment="Casting is bought finished")
        asked = await plant.refused("approve_document", withdrawal)
        assert "for good. It is in force now and will not be any more. E112" in asked.message
        answer = await confirmed(plant, withdrawal)
        assert answer["record"]["state"] == "withdrawn"
        assert answer["warnings"] == ["Checklists still in force, made from a revision that is not: CL-9001."]


async def test_a_rejected_revision_is_a_draft_again_and_keeps_its_signatures(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        which = await a_plan(SUBMITTED, APPROVED)(plant)
        await plant.call("approve_document", decide("reject", "E113", **which, comment="Frequency is too low"))
        signed = ["submit E105", "approve E113", "reject E113"]
        assert stored(plant, "quality_plans", which["id"]) == [(1, "draft", signed)]


@pytest.mark.parametrize(
    ("decisions", "decision", "possible"),
    [
        ((), "approve", ("submit", "withdraw")),
        ((), "release", ("submit", "withdraw")),
        ((SUBMITTED,), "submit", ("approve", "reject", "withdraw")),
        ((SUBMITTED,), "release", ("approve", "reject", "withdraw")),
        ((SUBMITTED, APPROVED), "approve", ("reject", "release", "withdraw")),
    ],
)
async def test_a_decision_out_of_turn_is_refused_with_those_that_can_be_taken(
    tmp_path: Path, decisions: tuple[tuple[str, str], ...], decision: str, possible: tuple[str, ...]
):
    async with sample_plant(tmp_path) as plant:
        which = await a_plan(*decisions)(plant)
        failure = await plant.refused("approve_document", decide(decision, "E113", **which, comment="Once more"))
        assert (failure.code, failure.field, failure.alternatives) == ("precondition", "decision", possible)


async def test_an_old_revision_points_to_the_one_to_decide_about(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        which = await a_plan()(plant)
        await plant.call("update_quality_plan", change((0, "usl", "225"), plan_id=which["id"], expected_revision=1))
        failure = await plant.refused("approve_document", decide("submit", "E105", **which))
        assert (failure.field, failure.alternatives) == ("revision", ("2",))
        failure = await plant.refused("approve_document", decide("submit", "E105", id=which["id"], revision=3))
        assert (failure.code, failure.field, failure.alternatives) == ("not_found", "revision", ("1", "2"))


async def test_the_author_is_told_who_may_approve(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        which = await a_plan(SUBMITTED)(plant)
        for person in ("E105", "E114", "E112", "E108"):
            failure = await plant.refused("approve_document", decide("approve", person, **which))
            assert (failure.code, failure.field) == ("precondition", "approver_id")
            assert failure.alternatives == ("E113",)
            assert failure.suggestion == "Ask E113 (Nia Scott, quality_manager)."
        failure = await plant.refused("approve_document", decide("approve", "E999", **which))
        assert (failure.code, failure.field) == ("not_found", "approver_id")


async def test_the_manager_who_wrote_the_plan_does_not_approve_it(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        made = await plant.call("create_quality_plan", CASTING | {"on_behalf_of": "E113"})
        which = {"id": made["record"]["id"], "revision": 1}
        await plant.call("approve_document", decide("submit", "E105", **which))
        failure = await plant.refused("approve_document", decide("approve", "E113", **which))
        assert "own work" in failure.message
        assert failure.alternatives == ()


async def test_nobody_signs_in_the_name_of_somebody_else(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        which = await a_plan(SUBMITTED)(plant)
        failure = await plant.refused("approve_document", decide("approve", "E113", **which, on_behalf_of="E105"))
        assert (failure.field, failure.alternatives) == ("approver_id", ("E105",))
        await plant.call("approve_document", decide("approve", "E113", **which, on_behalf_of="Nia Scott"))


async def test_a_plan_with_uncovered_special_characteristics_is_not_approved(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        which = await a_plan(SUBMITTED, plan=control_plan(plan_row(), phase="prototype"))(plant)
        failure = await plant.refused("approve_document", decide("approve", "E113", **which))
        assert (failure.code, failure.field) == ("precondition", "revision")
        assert "SP-002, SP-003, SP-004, SP-005, SP-007, SP-009" in failure.message
        assert len(failure.also) == 6
        assert "update_quality_plan" in failure.suggestion


async def test_who_signs_a_plan_is_told_what_did_not_stop_it(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        which = await a_plan(SUBMITTED)(plant)
        await change_stored(plant, Gauge, "HT-422", grr_pct=14.0, cal_due=date(2026, 11, 1))
        answer = await plant.call("approve_document", decide("approve", "E113", **which))
        overdue, conditional = answer["warnings"]
        assert overdue == "rows[0].gauge_id: HT-422 is overdue for calibration since 2026-11-01."
        assert "rows[0].gauge_id: HT-422 has a gauge R&R of 14 % of tolerance" in conditional
        released = await confirmed(plant, decide("release", "E112", **which))
        assert released["warnings"] == answer["warnings"]


async def test_a_plan_whose_gauge_or_machine_has_changed_since_is_not_released(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        which = await a_plan(
            SUBMITTED, APPROVED, plan=CASTING | {"rows": [CASTING["rows"][0] | {"machine_id": "MC-101"}]}
        )(plant)
        release = decide("release", "E113", **which)
        await change_stored(plant, Gauge, "HT-422", grr_pct=31.0)
        failure = await plant.refused("approve_document", release)
        assert (failure.code, failure.field) == ("precondition", "revision")
        assert failure.message.startswith("rows[0].gauge_id: HT-422 has a gauge R&R of 31 %")
        await change_stored(plant, Machine, "MC-101", status=MachineStatus.DECOMMISSIONED)
        failure = await plant.refused("approve_document", release)
        assert failure.message == "MC-101 (HMC 1) is decommissioned."


async def test_a_plan_for_another_revision_of_its_material_is_not_approved(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        which = await a_plan(SUBMITTED)(plant)
        await change_stored(plant, Material, "CST-FC57", revision="E")
        failure = await plant.refused("approve_document", decide("approve", "E113", **which))
        assert "is for CST-FC57 revision C; the material is at revision E now" in failure.message
        await change_stored(plant, Material, "CST-FC57", status="obsolete")
        failure = await plant.refused("approve_document", decide("approve", "E113", **which, comment="Again"))
        assert (failure.field, "is obsolete" in failure.message) == ("revision", True)


async def test_a_changed_plan_is_for_the_material_as_it_is_now(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        which = await a_plan()(plant)
        await change_stored(plant, Material, "CST-FC57", revision="E")
        answer = await plant.call("update_quality_plan", change(plan_id=which["id"], expected_revision=1))
        assert answer["record"]["material_revision"] == "E"
        assert answer["diff"] == [{"field": "material_revision", "before": "C", "after": "E"}]


async def test_a_checklist_waits_for_the_release_of_its_plan(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        which = await a_plan(SUBMITTED, APPROVED)(plant)
        await store(plant, a_checklist(which["id"], 1, DocumentState.IN_REVIEW))
        approval = CHECKLIST | {"decision": "approve", "approver_id": "E113"}
        failure = await plant.refused("approve_document", approval)
        assert (failure.field, failure.suggestion) == ("revision", "Release the plan first.")
        await confirmed(plant, decide("release", "E112", **which))
        assert (await plant.call("approve_document", approval))["record"]["state"] == "approved"


async def test_a_checklist_of_another_revision_is_made_again(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        which = await a_released_plan(plant)
        await store(plant, a_checklist(which["id"], 2, DocumentState.IN_REVIEW))
        failure = await plant.refused("approve_document", CHECKLIST | {"decision": "approve", "approver_id": "E113"})
        assert "revision 1 is in force now" in failure.message
        assert "create_inspection_checklist" in failure.suggestion


async def test_a_checklist_without_a_plan_is_approved_on_its_own(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await store(plant, a_checklist(None, None, DocumentState.IN_REVIEW))
        answer = await plant.call("approve_document", CHECKLIST | {"decision": "approve", "approver_id": "E113"})
        assert answer["record"]["state"] == "approved"


async def test_a_procedure_that_lacks_a_section_is_not_approved(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        approval = {"kind": "sop", "id": "SOP-A-070", "revision": 4, "decision": "approve", "approver_id": "E113"}
        failure = await plant.refused("approve_document", {"project": "ALPHA"} | approval)
        assert (failure.code, failure.field) == ("precondition", "revision")
        assert "lacks reaction_plan" in failure.message
        assert "revise_sop" in failure.suggestion


async def test_a_released_procedure_is_effective_today_at_the_site_and_asks_for_training(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await store(
            plant,
            *(
                TrainingRecord(
                    id=f"TR-900{number}",
                    project="BETA",
                    person_id=person,
                    sop_id="SOP-B-010",
                    sop_revision=revision,
                    trained_on=datetime(2026, 11, 1, tzinfo=UTC).date(),
                )
                for number, (person, revision) in enumerate([("E104", 0), ("E106", 0), ("E106", 1)])
            ),
        )
        sop = BETA | {"kind": "sop", "id": "SOP-B-010", "revision": 1}
        await plant.call("approve_document", sop | {"decision": "submit", "approver_id": "E106"})
        await plant.call("approve_document", sop | {"decision": "approve", "approver_id": "E115"})
        release = sop | {"decision": "release", "approver_id": "E112"}
        asked = await plant.refused("approve_document", release)
        assert "It is effective from 2026-11-22." in asked.message
        answer = await confirmed(plant, release)
        assert answer["warnings"] == ["Trained only on another revision, to be trained again: E104."]
        signed = ["submit E106", "approve E115", "release E112"]
        assert stored(plant, "sops", "SOP-B-010") == [(1, "released", signed)]
        assert plant.rows("SELECT effective_on FROM sops WHERE id = 'SOP-B-010'") == [{"effective_on": "2026-11-22"}]


async def test_a_lockout_procedure_rests_with_environment_health_and_safety(tmp_path: Path):
    loto = {"project": "ALPHA", "kind": "sop", "id": "LOTO-WA", "revision": 1, "comment": "Washer is scrapped"}
    async with sample_plant(tmp_path) as plant:
        await change_stored(plant, Sop, document_key("SOP-A-040", 2), loto_sop_id="LOTO-WA")
        for person in ("E112", "E113", "E114"):
            failure = await plant.refused("approve_document", loto | {"decision": "withdraw", "approver_id": person})
            assert (failure.field, failure.alternatives) == ("approver_id", ("E115",))
            assert "lockout procedure" in failure.message
        answer = await confirmed(plant, loto | {"decision": "withdraw", "approver_id": "E115"})
        (told,) = answer["warnings"]
        assert told.startswith("These still refer to it: SOP-A-040")


async def test_a_maintenance_plan_is_withdrawn_by_the_maintenance_manager(tmp_path: Path):
    plan = {"project": "ALPHA", "kind": "pm_plan", "id": "PMP-AS121", "revision": 1, "comment": "Line is rebuilt"}
    async with sample_plant(tmp_path) as plant:
        failure = await plant.refused("approve_document", plan | {"decision": "withdraw", "approver_id": "E113"})
        assert set(failure.alternatives) == {"E112", "E114"}
        answer = await confirmed(plant, plan | {"decision": "withdraw", "approver_id": "E114"})
        assert answer["record"]["state"] == "withdrawn"
        failure = await plant.refused("approve_document", plan | {"decision": "release", "approver_id": "E114"})
        assert (failure.field, failure.suggestion) == ("revision", "The document has ended; make a new one.")


@pytest.mark.parametrize("decision", ["reject", "withdraw"])
async def test_a_refusal_or_an_end_takes_a_reason(tmp_path: Path, decision: str):
    async with sample_plant(tmp_path) as plant:
        which = await a_plan(SUBMITTED)(plant)
        failure = await plant.refused("approve_document", decide(decision, "E113", **which))
        assert (failure.code, failure.field) == ("precondition", "comment")
