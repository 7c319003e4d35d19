from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from mcp_server.domain.records import DocumentState, Machine, MachineStatus, Signature, Sop
from tests.mcp_server.tools.checks.sops import BLEEDER, HAZARD, TIGHTEN, procedure, revision, section
from tests.support.sample_plant import SamplePlant, sample_plant

pytestmark = pytest.mark.anyio

ALPHA = {"project": "ALPHA"}
LOAD = {"text": "Load the housing", "time_s": 5.0}
BORE = {
    "workstation": "ALPHA-OP20",
    "material_id": "HSG-FC57",
    "steps": [
        {"text": f"Measure {spec}", "time_s": 14.0, "check_spec_id": spec} for spec in ("SP-001", "SP-003", "SP-004")
    ],
}


async def stored(plant: SamplePlant, key: str) -> Sop:
    async with plant.backend.reader() as reader:
        found = await reader.get(Sop, key)
    assert found is not None
    return found


async def move(plant: SamplePlant, key: str, **changes: Any) -> None:
    async with plant.backend.unit_of_work() as unit:
        found = await unit.get(Sop, key)
        assert found is not None
        await unit.replace(found.model_copy(update=changes))


async def test_a_procedure_is_stored_as_a_draft_with_what_was_said(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        result = await plant.call("create_sop", procedure())
        sop = await stored(plant, "SOP-0001@0001")
    assert result["record"]["id"] == "SOP-0001"
    assert (sop.state, sop.revision, sop.kind) == (DocumentState.DRAFT, 1, "sop")
    assert [step.text for step in sop.steps] == [TIGHTEN["text"], BLEEDER["text"]]
    assert [step.time_s for step in sop.steps] == [20.0, 26.0]
    assert sop.machine_ids == ("TQ-122", "TQ-123")
    assert (sop.material_id, sop.material_revision) == ("FC57-FG", "D")
    assert result["sections"]["missing"] == []
    assert result["times"] == {"steps_s": 46.0, "cycle_s": 46.3, "difference_pct": -0.6, "takt_s": 43.0}


async def test_what_is_missing_is_reported_and_does_not_stop_a_draft(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        result = await plant.call("create_sop", procedure(records=None, training=None, hazards=None, material_id=None))
    assert result["sections"]["missing"] == ["material_id", "hazards", "training", "records"]
    assert "Before approval it still needs material_id, hazards, training, records." in result["warnings"]
    assert "training" not in result["sections"]["present"]


async def test_a_station_that_has_a_procedure_gets_another_one_with_a_warning(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        result = await plant.call("create_sop", procedure())
    assert any(text.startswith("ALPHA-OP70 already has SOP-A-070") for text in result["warnings"])


async def test_the_same_title_at_the_same_station_is_a_revision(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        refusal = await plant.refused("create_sop", procedure(title="Torque  sequence"))
        await plant.call("create_sop", procedure(**BORE, title="Torque sequence"))
    assert (refusal.code, refusal.field) == ("conflict", "title")
    assert refusal.alternatives == ("SOP-A-070",)
    assert "revise_sop" in refusal.suggestion


async def test_a_withdrawn_procedure_frees_its_title(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await move(plant, "SOP-A-070@0004", state=DocumentState.WITHDRAWN)
        result = await plant.call("create_sop", procedure(title="Torque sequence"))
    assert result["status"] == "created"


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"workstation": "ALPHA-OP75"}, "not_found", "workstation"),
        ({"machine_ids": ["TQ-122", "TQ-999"]}, "not_found", "machine_ids[1]"),
        ({"machine_ids": ["TQ-222"]}, "not_found", "machine_ids[0]"),
        ({"machine_ids": ["MC-103"]}, "precondition", "machine_ids[0]"),
        ({"workstation": "ALPHA-OP20", "machine_ids": ["MC-104"]}, "precondition", "machine_ids[0]"),
        ({"material_id": "HSG-FC58"}, "not_found", "material_id"),
        ({"material_id": "HSG-FC57-C"}, "precondition", "material_id"),
        ({"material_id": "PIN-M8"}, "precondition", "steps[0].check_spec_id"),
        ({"steps": [TIGHTEN | {"check_spec_id": "SP-911"}]}, "not_found", "steps[0].check_spec_id"),
        ({"loto_sop_id": "LOTO-XX"}, "not_found", "loto_sop_id"),
        ({"loto_sop_id": "SOP-A-070"}, "not_found", "loto_sop_id"),
        ({"ppe": None}, "precondition", "ppe"),
        ({"loto_not_required_reason": "no"}, "validation", "loto_not_required_reason"),
        ({"loto_not_required_reason": "  none     "}, "validation", "loto_not_required_reason"),
        ({"steps": []}, "validation", "steps"),
    ],
)
async def test_what_does_not_fit_the_plant_is_refused(tmp_path: Path, changes: dict[str, Any], code: str, field: str):
    async with sample_plant(tmp_path) as plant:
        refusal = await plant.refused("create_sop", procedure(**changes))
    assert (refusal.code, refusal.field) == (code, field)


async def test_a_decommissioned_machine_is_answered_with_those_that_run(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        refusal = await plant.refused("create_sop", procedure(**BORE, machine_ids=["MC-104"]))
    assert refusal.message == "MC-104 (HMC 4) is decommissioned."
    assert refusal.alternatives == ("MC-103", "MC-105")


async def test_a_machine_all_projects_share_may_serve_any_station(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        result = await plant.call("create_sop", procedure(machine_ids=["TQ-122", "CM-420"]))
    assert result["record"]["machine_ids"] == ["TQ-122", "CM-420"]


async def test_critical_characteristics_without_a_step_are_listed(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        refusal = await plant.refused("create_sop", procedure(**(BORE | {"steps": [LOAD, BORE["steps"][0]]})))
        unnamed = await plant.refused("create_sop", procedure(material_id=None, steps=[BLEEDER]))
    assert refusal.field == "steps"
    assert refusal.alternatives == ("SP-003", "SP-004")
    assert unnamed.alternatives == ("SP-011",)


async def test_significant_characteristics_without_a_step_are_a_warning(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        result = await plant.call("create_sop", procedure(steps=[TIGHTEN]))
    assert "No step checks SP-012, significant (SC) for OP70." in result["warnings"]
    assert any("26.3 s less" in text for text in result["warnings"])
    assert not any("CC characteristics" in text for text in result["warnings"])


async def test_a_material_that_is_not_made_here_does_not_hide_the_critical_characteristics(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        result = await plant.call("create_sop", procedure(material_id="PIN-M8", steps=[LOAD]))
    assert "OP70 has CC characteristics, but none of PIN-M8: SP-011." in result["warnings"]


async def test_a_check_of_another_operation_is_pointed_out(tmp_path: Path):
    leak = LOAD | {"check_spec_id": "SP-013"}
    async with sample_plant(tmp_path) as plant:
        result = await plant.call("create_sop", procedure(steps=[TIGHTEN, leak]))
    assert "Step 2 checks SP-013 of OP80, not of OP70." in result["warnings"]


async def test_an_understated_hazard_is_refused_and_an_overstated_one_is_not(tmp_path: Path):
    crushing = HAZARD | {"consequence": "Could crush the hand"}
    async with sample_plant(tmp_path) as plant:
        refusal = await plant.refused("create_sop", procedure(hazards=[HAZARD, crushing]))
        result = await plant.call("create_sop", procedure(hazards=[crushing | {"signal_word": "danger"}]))
    assert (refusal.field, refusal.suggestion) == (
        "hazards[1].signal_word",
        "Use warning, or correct the consequence.",
    )
    assert any("danger overstates" in text for text in result["warnings"])


async def test_energy_needs_a_procedure_that_covers_every_machine(tmp_path: Path):
    bare = procedure(**BORE, loto_not_required_reason=None)
    async with sample_plant(tmp_path) as plant:
        nothing = await plant.refused("create_sop", bare)
        half = await plant.refused("create_sop", bare | {"loto_sop_id": "LOTO-MC-NHX"})
        other = await plant.refused("create_sop", procedure(**BORE, loto_sop_id="LOTO-AC"))
        whole = await plant.call("create_sop", bare | {"loto_sop_id": "LOTO-MC-NHX", "machine_ids": ["MC-103"]})
    assert nothing.suggestion.startswith("Name LOTO-MC-MAK or LOTO-MC-NHX in loto_sop_id")
    assert half.field == "loto_not_required_reason"
    assert "LOTO-MC-NHX does not cover MC-105" in half.message
    assert "covers none of MC-103, MC-105" in other.message
    assert whole["record"]["loto_sop_id"] == "LOTO-MC-NHX"


async def test_a_lockout_procedure_nobody_inspected_this_year_does_not_do(tmp_path: Path):
    wash = procedure(
        workstation="ALPHA-OP40", material_id="HSG-FC57", machine_ids=["WA-111"], steps=[LOAD], loto_sop_id="LOTO-WA"
    )
    async with sample_plant(tmp_path) as plant:
        refusal = await plant.refused("create_sop", wash)
    assert refusal.field == "loto_sop_id"
    assert "more than 12 months ago" in refusal.message


async def test_a_dry_run_stores_nothing(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        before = plant.counts()
        result = await plant.call("create_sop", procedure(dry_run=True))
        assert result["dry_run"]
        assert plant.counts() == before


async def test_the_sample_plant_s_traps_are_flagged(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        alpha, beta, gamma = [await plant.call("get_sops", {"project": name}) for name in ("ALPHA", "BETA", "GAMMA")]
    every = (*alpha["items"], *beta["items"], *gamma["items"])
    flagged = {item["id"]: item["flags"] for item in every if item["flags"]}
    assert flagged == {
        "LOTO-WA": ["inspection_overdue"],
        "SOP-A-070": ["not_released_in_use"],
        "SOP-G-020": ["review_overdue"],
    }
    assert "ALPHA-OP70 runs without a released procedure: SOP-A-070 revision 4 is in_review." in alpha["warnings"]


async def test_a_station_that_stands_still_works_by_no_draft(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        async with plant.backend.unit_of_work() as unit:
            tool = await unit.get(Machine, "TQ-122")
            assert tool is not None
            await unit.replace(tool.model_copy(update={"status": MachineStatus.DOWN}))
        found = await plant.call("get_sops", ALPHA | {"workstation": "ALPHA-OP70"})
    assert found["items"][0]["flags"] == []


async def test_a_procedure_that_has_ended_is_not_in_use(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await move(plant, "SOP-A-070@0004", state=DocumentState.WITHDRAWN)
        found = await plant.call("get_sops", ALPHA | {"workstation": "ALPHA-OP70"})
    assert [(item["id"], item["flags"]) for item in found["items"]] == [("SOP-A-070", [])]


async def test_a_draft_beside_a_released_procedure_is_no_gap(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await plant.call("create_sop", procedure(**BORE))
        found = await plant.call("get_sops", ALPHA | {"workstation": "ALPHA-OP20"})
    assert {item["id"]: item["flags"] for item in found["items"]} == {"SOP-0001": [], "SOP-A-020": []}


async def test_a_list_tells_what_there_is_and_one_procedure_gives_its_text(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await plant.call("create_sop", procedure())
        listed = await plant.call("get_sops", ALPHA | {"workstation": "ALPHA-OP70"})
        (whole,) = (await plant.call("get_sops", ALPHA | {"id": "SOP-0001"}))["items"]
    assert [(item["id"], item["steps"]) for item in listed["items"]] == [("SOP-0001", 2), ("SOP-A-070", 5)]
    assert all("document" not in item for item in listed["items"])
    assert whole["document"]["steps"][0]["text"] == TIGHTEN["text"]
    assert whole["missing_sections"] == []


async def test_procedures_are_found_by_words_state_and_what_is_in_force(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await plant.call("create_sop", procedure())

        async def keys(**asked: Any) -> list[tuple[str, int]]:
            found = await plant.call("get_sops", ALPHA | {"limit": 200} | asked)
            assert found["total"] == len(found["items"])
            return [(item["id"], item["revision"]) for item in found["items"]]

        assert await keys(q="torque") == [("SOP-0001", 1), ("SOP-A-070", 4)]
        assert await keys(state="in_review") == [("SOP-A-070", 4)]
        assert await keys(state="draft", workstation="ALPHA-OP70") == [("SOP-0001", 1)]
        assert await keys(state="released", workstation="ALPHA-OP70") == []
        assert await keys(state="released", workstation="ALPHA-OP10") == [("SOP-A-010", 3)]


async def test_pages_of_procedures_join_to_the_whole_list(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        whole = [item["id"] for item in (await plant.call("get_sops", ALPHA | {"limit": 200}))["items"]]
        pages: list[str] = []
        cursor: dict[str, str] = {}
        while len(pages) < len(whole):
            page = await plant.call("get_sops", ALPHA | {"limit": 7} | cursor)
            pages += [item["id"] for item in page["items"]]
            cursor = {"cursor": page.get("next_cursor", "")}
    assert pages == whole
    assert cursor == {"cursor": ""}


async def test_a_revision_needs_its_procedure(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        alone = await plant.refused("get_sops", ALPHA | {"revision": 2})
        unknown = await plant.refused("get_sops", ALPHA | {"id": "SOP-A-010", "revision": 9})
    assert (alone.code, alone.field) == ("precondition", "revision")
    assert (unknown.code, unknown.field) == ("not_found", "revision")


async def test_a_draft_is_superseded_by_its_next_revision(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await plant.call("create_sop", procedure())
        first = await stored(plant, "SOP-0001@0001")
        result = await plant.call("revise_sop", revision())
        was, now = await stored(plant, "SOP-0001@0001"), await stored(plant, "SOP-0001@0002")
        (old,) = (await plant.call("get_sops", ALPHA | {"id": "SOP-0001", "revision": 1}))["items"]
    assert result["status"] == "updated"
    assert was == first.model_copy(update={"state": DocumentState.SUPERSEDED})
    assert (now.state, now.change_reason) == (DocumentState.DRAFT, "Customer asked for a second check.")
    assert now.steps == (first.steps[0], first.steps[1].model_copy(update={"time_s": 25.0}))
    assert [(r["revision"], r["state"]) for r in old["revisions"]] == [(1, "superseded"), (2, "draft")]


async def test_what_is_released_stays_in_force_byte_by_byte(tmp_path: Path):
    asked = revision(sop_id="SOP-A-010", expected_revision=3, sections=section("tools", items=["Feeler gauge"]))
    async with sample_plant(tmp_path) as plant:
        signed = Signature(decision="release", by="E110", role="quality_manager", at=datetime(2026, 6, 8, tzinfo=UTC))
        await move(plant, "SOP-A-010@0003", signatures=(signed,))
        before = (await stored(plant, "SOP-A-010@0003")).model_dump_json()
        await plant.call("revise_sop", asked)
        assert (await stored(plant, "SOP-A-010@0003")).model_dump_json() == before
        draft = await stored(plant, "SOP-A-010@0004")
        (current,) = (await plant.call("get_sops", ALPHA | {"workstation": "ALPHA-OP10", "state": "released"}))["items"]
        newest = await plant.call("get_sops", ALPHA | {"workstation": "ALPHA-OP10"})
    assert (draft.state, draft.tools, draft.effective_on) == (DocumentState.DRAFT, ("Feeler gauge",), None)
    assert draft.signatures == ()
    assert current["revision"] == 3
    assert (newest["items"][0]["revision"], newest["items"][0]["flags"]) == (4, ["not_current"])
    assert "Do not work by this one." in newest["warnings"][0]


async def test_a_second_change_goes_on_from_the_open_draft(tmp_path: Path):
    asked = revision(sop_id="SOP-A-010", expected_revision=3)
    async with sample_plant(tmp_path) as plant:
        await plant.call("revise_sop", asked)
        stale = await plant.refused("revise_sop", asked | {"change_reason": "Another reason altogether"})
        again = await plant.call(
            "revise_sop", asked | {"expected_revision": 4, "sections": section("scope", text="Day shift")}
        )
        states = [r["state"] for r in plant.rows("SELECT state FROM sops WHERE id = 'SOP-A-010' ORDER BY revision")]
    assert (stale.code, stale.field) == ("conflict", "expected_revision")
    assert again["record"]["revision"] == 5
    assert states == ["released", "superseded", "draft"]


@pytest.mark.parametrize("state", [DocumentState.IN_REVIEW, DocumentState.APPROVED])
async def test_a_revision_under_review_or_approved_is_not_edited(tmp_path: Path, state: DocumentState):
    async with sample_plant(tmp_path) as plant:
        await plant.call("create_sop", procedure())
        await move(plant, "SOP-0001@0001", state=state)
        refusal = await plant.refused("revise_sop", revision())
    assert (refusal.code, refusal.field) == ("precondition", "sop_id")
    assert "approve_document" in refusal.suggestion


async def test_a_withdrawn_procedure_is_not_revised(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await plant.call("create_sop", procedure())
        await move(plant, "SOP-0001@0001", state=DocumentState.WITHDRAWN)
        refusal = await plant.refused("revise_sop", revision())
    assert (refusal.code, refusal.suggestion) == ("precondition", "Create a new one.")


async def test_after_a_withdrawn_draft_the_next_revision_starts_from_what_is_in_force(tmp_path: Path):
    asked = revision(sop_id="SOP-A-010", expected_revision=3)
    async with sample_plant(tmp_path) as plant:
        await plant.call("revise_sop", asked)
        await move(plant, "SOP-A-010@0004", state=DocumentState.WITHDRAWN)
        (shown,) = (await plant.call("get_sops", ALPHA | {"workstation": "ALPHA-OP10"}))["items"]
        result = await plant.call("revise_sop", asked | {"change_reason": "Now with the right fixture"})
    assert shown["revision"] == 3
    assert result["record"]["revision"] == 5


async def test_a_revision_meets_the_rules_of_a_new_procedure(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await plant.call("create_sop", procedure())
        machine = await plant.refused("revise_sop", revision(sections=section("machine_ids", items=["MC-104"])))
        spec = await plant.refused(
            "revise_sop", revision(step_changes=[{"position": 1, "action": "replace", "check_spec_id": "SP-012"}])
        )
        bare = await plant.refused("revise_sop", revision(sections=section("ppe", items=[])))
    assert (machine.code, machine.field) == ("precondition", "sections")
    assert (spec.field, spec.alternatives) == ("step_changes", ("SP-011",))
    assert (bare.code, bare.field) == ("precondition", "sections")


async def test_sections_steps_and_hazards_change_together(tmp_path: Path):
    asked = revision(
        sections=[*section("purpose", text="Join without a leak."), *section("records")],
        step_changes=[{"position": 1, "action": "insert", **LOAD}, {"position": 2, "action": "remove"}],
        hazards=[HAZARD | {"hazard": "Reaction arm"}],
    )
    async with sample_plant(tmp_path) as plant:
        await plant.call("create_sop", procedure())
        result = await plant.call("revise_sop", asked)
        now = await stored(plant, "SOP-0001@0002")
    assert [step.text for step in now.steps] == [LOAD["text"], TIGHTEN["text"]]
    assert (now.purpose, now.records, now.hazards[0].hazard) == ("Join without a leak.", (), "Reaction arm")
    assert result["sections"]["missing"] == ["records"]


async def test_a_lockout_procedure_is_revised_without_a_station_and_keeps_its_inspection(tmp_path: Path):
    asked = revision(
        sop_id="LOTO-WA",
        expected_revision=1,
        step_changes=[{"position": 1, "action": "insert", "text": "Put up the barrier", "time_s": 30.0}],
    )
    async with sample_plant(tmp_path) as plant:
        result = await plant.call("revise_sop", asked)
        unknown = await plant.refused(
            "revise_sop",
            asked | {"expected_revision": 2, "sections": section("machine_ids", items=["WA-111", "WA-999"])},
        )
        draft = await stored(plant, "LOTO-WA@0002")
    assert "times" not in result
    assert (draft.project, draft.state, draft.inspected_on) == ("SHARED", DocumentState.DRAFT, date(2025, 10, 4))
    assert draft.steps[0].text == "Put up the barrier"
    assert (unknown.code, unknown.field) == ("not_found", "sections")


async def test_a_lockout_procedure_covers_only_machines_with_energy_on_record(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        async with plant.backend.unit_of_work() as unit:
            washer = await unit.get(Machine, "WA-111")
            assert washer is not None
            await unit.replace(washer.model_copy(update={"energy_sources": ()}))
        refusal = await plant.refused(
            "revise_sop",
            revision(
                sop_id="LOTO-WA",
                expected_revision=1,
                step_changes=[{"position": 1, "action": "replace", "time_s": 61.0}],
            ),
        )
    assert refusal.message == "machine_ids: no energy source is on record for WA-111."
