from datetime import date
from pathlib import Path
from typing import Any

import pytest

from mcp_server.domain.records import DocumentState, Lot, LotStatus, QualityPlan, Spec, document_key
from tests.support.inspections import AQL_ROW, GOOD, PLAN, checklist, of_plan, result
from tests.support.sample_plant import SamplePlant, control_plan, plan_row, sample_plant

pytestmark = pytest.mark.anyio


async def add_lot(plant: SamplePlant, lot_id: str, qty: int, *, material_id: str = "HSG-FC57", revision: str = "D"):
    async with plant.backend.unit_of_work() as unit:
        await unit.insert(
            Lot(
                id=lot_id,
                project="ALPHA",
                material_id=material_id,
                material_revision=revision,
                qty=qty,
                made_on=date(2026, 11, 20),
                status=LotStatus.RELEASED,
            )
        )


async def test_good_readings_accept_the_lot_and_are_stored_as_given(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        issues = plant.counts()["issues"]
        answer = await plant.call("record_inspection_result", result(inspector="E101"))
        record = answer["record"]
        assert (record["id"], record["verdict"], record["nonconforming"]) == ("IR-0001", "accept", 0)
        assert (record["readings"], record["lsl"], record["usl"], record["unit"]) == (GOOD, 57.0, 57.03, "mm")
        assert (record["accept"], record["reject"], record["sample_size"]) == (0, 1, 5)
        assert (record["inspector"], record["gauge_id"]) == ("E101", "AG-01")
        assert record["measured_at"] == "2026-11-22T12:00:00Z"
        assert answer["outside"] == []
        assert "issue_id" not in answer
        assert "warnings" not in answer
        assert plant.counts()["issues"] == issues


async def test_a_reading_out_of_limits_rejects_the_lot_and_raises_a_critical_issue_for_cc(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        bad = result(readings=[*GOOD, 57.031], measured_at="2026-11-22T05:30:00-06:00")
        answer = await plant.call("record_inspection_result", bad)
        assert (answer["record"]["verdict"], answer["outside"]) == ("reject", [6])
        assert answer["issue_id"] == answer["record"]["issue_id"]
        (issue,) = plant.rows(f"SELECT * FROM issues WHERE id = '{answer['issue_id']}'")
        assert (issue["severity"], issue["state"], issue["category"]) == ("critical", "open", "quality")
        assert (issue["spec_id"], issue["material_id"], issue["lot_ids"]) == ("SP-001", "HSG-FC57", '["LOT-HSG-004"]')
        assert issue["qty_affected"] == 1200
        assert issue["detected_by"] == "M. Novak"
        assert issue["detected_at"].startswith("2026-11-22 11:30")
        assert issue["acknowledge_due_at"].startswith("2026-11-22 13:00")
        assert "1 of 6 pieces" in issue["description"]
        assert "57.031" in issue["description"]
        assert "IR-0001" in issue["description"]
        assert "quarantine LOT-HSG-004" in answer["warnings"][0]


async def test_a_lot_rejected_again_stays_with_its_open_issue(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        first = await plant.call("record_inspection_result", result(readings=[57.04]))
        issues = plant.counts()["issues"]
        again = await plant.call("record_inspection_result", result(readings=[57.05]))
        assert again["issue_id"] == first["issue_id"]
        assert plant.counts()["issues"] == issues
        other = await plant.call("record_inspection_result", result(readings=[57.05], lot_id="LOT-HSG-006"))
        assert "keep LOT-HSG-006 quarantined" in other["warnings"][0]
        assert other["issue_id"] != first["issue_id"]
        assert plant.counts()["issues"] == issues + 1


async def test_a_dry_run_decides_and_leaves_no_trace(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        before = plant.counts()
        answer = await plant.call("record_inspection_result", result(readings=[57.04], dry_run=True))
        assert (answer["dry_run"], answer["record"]["verdict"]) == (True, "reject")
        assert plant.counts() == before


async def test_the_same_report_sent_twice_is_stored_once(tmp_path: Path):
    at = {"measured_at": "2026-11-22T09:00:00Z"}
    async with sample_plant(tmp_path) as plant:
        results = plant.counts()["inspection_results"]
        first = await plant.call("record_inspection_result", result(readings=[57.04], **at), key="first-key")
        again = await plant.call("record_inspection_result", result(readings=[57.04], **at), key="second-key")
        assert (again["status"], again["record"]["id"]) == ("already_exists", "IR-0001")
        assert again["issue_id"] == first["issue_id"]
        assert plant.counts()["inspection_results"] == results + 1


async def test_within_ac_a_bad_piece_is_told_and_the_lot_accepted(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await plant.call("create_quality_plan", PLAN)
        await plant.call("create_inspection_checklist", of_plan(lot_size=500))
        await add_lot(plant, "LOT-500", 500)
        asked = result(checklist_id="CL-0001", spec_id=None, gauge_id=None, lot_id="LOT-500")
        one = await plant.call("record_inspection_result", asked | {"readings": [0] * 49 + [1]})
        assert (one["record"]["verdict"], one["record"]["accept"], one["outside"]) == ("accept", 1, [50])
        assert "issue_id" not in one
        assert any("within Ac 1" in warning for warning in one["warnings"])
        two = await plant.call("record_inspection_result", asked | {"readings": [0] * 48 + [1, 1]})
        assert two["record"]["verdict"] == "reject"
        assert (two["record"]["checklist_item"], two["record"]["characteristic"]) == (1, "Deburred edges")
        (issue,) = plant.rows(f"SELECT severity, spec_id FROM issues WHERE id = '{two['issue_id']}'")
        assert issue == {"severity": "major", "spec_id": None}


async def test_the_sample_by_aql_is_that_of_the_lot_at_hand(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await plant.call("create_quality_plan", PLAN)
        await plant.call("create_inspection_checklist", of_plan(lot_size=500))
        asked = result(checklist_id="CL-0001", spec_id=None, gauge_id=None, lot_id="LOT-HSG-004")  # 1,200 pieces
        failure = await plant.refused("record_inspection_result", asked | {"readings": [0] * 50})
        assert failure.field == "readings"
        assert "asks for 80 by AQL 1.0, as LOT-HSG-004 has 1,200 pieces" in failure.message
        told = await plant.refused("record_inspection_result", asked | {"readings": [0] * 50, "sample_n": 50})
        assert (told.field, told.alternatives) == ("sample_n", ("80",))
        answer = await plant.call("record_inspection_result", asked | {"readings": [0] * 80})
        assert (answer["record"]["sample_size"], answer["record"]["accept"]) == (80, 2)


async def test_a_checklist_with_several_items_needs_the_item(tmp_path: Path):
    rows = [plan_row(), AQL_ROW | {"operation": "OP20"}]
    async with sample_plant(tmp_path) as plant:
        await plant.call("create_quality_plan", control_plan(*rows))
        await plant.call("create_inspection_checklist", of_plan(operation="OP20"))
        asked = result(checklist_id="CL-0001", spec_id=None)
        failure = await plant.refused("record_inspection_result", asked)
        assert (failure.field, failure.alternatives) == ("item", ("1", "2"))
        assert "1 Piston bore diameter, 2 Deburred edges" in failure.suggestion
        assert (await plant.refused("record_inspection_result", asked | {"item": 3})).field == "item"
        assert (await plant.refused("record_inspection_result", asked | {"spec_id": "SP-003"})).field == "spec_id"
        by_item = await plant.call("record_inspection_result", asked | {"item": 1})
        assert (by_item["record"]["spec_id"], by_item["record"]["checklist_item"]) == ("SP-001", 1)
        assert any("CL-0001 rev 1 is draft" in warning for warning in by_item["warnings"])
        by_spec = await plant.call("record_inspection_result", asked | {"spec_id": "SP-001", "readings": GOOD[::-1]})
        assert by_spec["record"]["checklist_item"] == 1


async def test_every_piece_of_a_large_lot_is_recorded_in_parts(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await add_lot(plant, "LOT-3000", 3_000)
        await plant.call("create_inspection_checklist", checklist(spec_ids=["SP-001"]))
        asked = result(checklist_id="CL-0001", lot_id="LOT-3000")
        first = await plant.call("record_inspection_result", asked | {"readings": [57.015] * 2_000})
        assert any("2000 of 3000 pieces are on record" in warning for warning in first["warnings"])
        last = await plant.call("record_inspection_result", asked | {"readings": [57.016] * 1_000})
        assert any("3000 of 3000" in warning for warning in last["warnings"])
        await plant.call("create_inspection_checklist", checklist(spec_ids=["SP-003"]))
        short = result(checklist_id="CL-0002", spec_id="SP-003", gauge_id="GG-02", readings=[63.1] * 5)
        failure = await plant.refused("record_inspection_result", short)
        assert "every piece is to be inspected and LOT-HSG-004 has 1,200 pieces" in failure.message


async def test_one_sided_limits_decide(tmp_path: Path):
    leak = result(spec_id="SP-013", lot_id="LOT-FG-001", gauge_id="LT-130")
    async with sample_plant(tmp_path) as plant:
        good = await plant.call("record_inspection_result", leak | {"readings": [0.0, 0.12, 0.3]})
        assert good["record"]["verdict"] == "accept"
        assert "cp" not in good["capability"]
        assert "one-sided" in " ".join(good["capability"]["reasons"])
        bad = await plant.call("record_inspection_result", leak | {"readings": [0.0, 0.12, 0.31]})
        assert (bad["record"]["verdict"], bad["outside"]) == ("reject", [3])


async def test_all_that_is_wrong_with_a_gauge_is_said_at_once(tmp_path: Path):
    worn = result(spec_id="SP-013", lot_id="LOT-FG-001", gauge_id="LT-131", readings=[0.1])
    async with sample_plant(tmp_path) as plant:
        failure = await plant.refused("record_inspection_result", worn)
        assert "gauge R&R of 33 %" in failure.also[0]
        assert "only 3 categories apart" in failure.also[1]


TRAPS: dict[str, tuple[dict[str, Any], str, str]] = {
    "a gauge out of calibration": (
        result(spec_id="SP-004", gauge_id="GG-03", readings=[4.776]),
        "gauge_id",
        "GG-03 (groove width gauge) was due for calibration on 2026-10-31",
    ),
    "the same gauge, not named": (
        result(spec_id="SP-004", gauge_id=None, readings=[4.776]),
        "gauge_id",
        "GG-03 (groove width gauge) was due",
    ),
    "the worn leak tester": (
        result(spec_id="SP-013", lot_id="LOT-FG-001", gauge_id="LT-131", readings=[0.1]),
        "gauge_id",
        "LT-131 (leak tester 2) was due",
    ),
    "a lot of another material": (
        result(lot_id="LOT-FG-001"),
        "lot_id",
        "LOT-FG-001 is a lot of FC57-FG; Piston bore diameter is a characteristic of HSG-FC57",
    ),
    "a lot of the superseded revision": (result(lot_id="LOT-HSGC-001"), "lot_id", "is a lot of HSG-FC57-C"),
    "a consumed lot": (result(lot_id="LOT-HSG-001"), "lot_id", "consumed"),
    "a lot that is not there": (result(lot_id="LOT-HSG-044"), "lot_id", "no lot"),
    "a lot of another project": (result(lot_id="LOT-RC38-001"), "lot_id", "belongs to project BETA"),
    "the future": (result(measured_at="2026-11-23T00:00:00Z"), "measured_at", "future"),
    "before the lot was made": (
        result(measured_at="2026-11-01T00:00:00Z"), "measured_at", "before LOT-HSG-004 was made",
    ),
    "a person who is not there": (result(inspector="E999"), "inspector", "no person"),
    "inches": (result(readings=[2.2447] * 5), "readings[0]", "it looks like the value in inches"),
    "a slip of the decimal point": (result(readings=[*GOOD, 570.15]), "readings[5]", "one place too far right"),
    "an attribute that is measured": (
        result(spec_id="SP-006", gauge_id="TP-10", readings=[0, 0.5]), "readings[1]", "judged good or bad",
    ),
    "fewer readings than asked for": (result(sample_n=10), "readings", "sample_n asks for 10"),
    "more pieces than the lot has": (
        result(spec_id="SP-007", lot_id="LOT-SMALL", gauge_id="CM-420", readings=[0.01] * 4),
        "readings",
        "has 3 pieces",
    ),
    "no characteristic": (result(spec_id=None), "spec_id", "not said which characteristic"),
    "an item without a checklist": (result(item=1), "checklist_id", "not said which characteristic"),
    "a checklist that is not there": (result(checklist_id="CL-0009"), "checklist_id", "no checklist"),
}  # fmt: skip


@pytest.mark.parametrize("name", TRAPS)
async def test_a_result_that_cannot_count_is_refused_before_any_effect(tmp_path: Path, name: str):
    arguments, field, word = TRAPS[name]
    async with sample_plant(tmp_path) as plant:
        await add_lot(plant, "LOT-SMALL", 3)
        before = plant.counts()
        failure = await plant.refused("record_inspection_result", arguments)
        assert failure.field == field
        assert word in failure.message
        assert failure.suggestion
        after = plant.counts()
        assert {table for table in after if after[table] != before[table]} <= {"audit_log", "sqlite_sequence"}


async def test_a_real_value_far_outside_can_be_confirmed(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        scrap = result(readings=[*GOOD, 58.2])
        assert "confirm_outliers" in (await plant.refused("record_inspection_result", scrap)).suggestion
        answer = await plant.call("record_inspection_result", scrap | {"confirm_outliers": True})
        assert (answer["record"]["verdict"], answer["outside"]) == ("reject", [6])


WARNINGS = {
    "a conditional gauge": (
        result(spec_id="SP-003", gauge_id="GG-02", readings=[63.1]), "GG-02 has a gauge R&R of 14.5 %",
    ),
    "readings between the gauge's steps": (result(readings=[57.0153]), "AG-01 shows steps of 0.001"),
    "another gauge than prescribed": (result(gauge_id="CM-420"), "to be measured with AG-01, not with CM-420"),
    "no gauge on record": (
        result(spec_id="SP-009", gauge_id=None, readings=[1.1]), "no gauge is on record for Residual particle mass",
    ),
    "a coarse gauge": (
        result(spec_id="SP-005", gauge_id="RF-01", readings=[142.0]), "RF-01 resolves 0.1 mm, more than a tenth",
    ),
    "an older revision of the part": (
        result(lot_id="LOT-OLD"), "LOT-OLD was made to revision C of HSG-FC57, judged by D",
    ),
    "a roughness below zero": (
        result(spec_id="SP-002", gauge_id="RO-421", readings=[0.3, -0.3]), "-0.3 is below zero",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WARNINGS)
async def test_what_an_auditor_would_ask_about_is_a_warning(tmp_path: Path, name: str):
    arguments, word = WARNINGS[name]
    async with sample_plant(tmp_path) as plant:
        await add_lot(plant, "LOT-OLD", 100, revision="C")
        answer = await plant.call("record_inspection_result", arguments)
        assert answer["status"] == "created"
        assert any(word in warning for warning in answer["warnings"]), answer["warnings"]


async def test_a_lot_is_not_measured_until_it_passes(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        rejected = await plant.call("record_inspection_result", result(readings=[57.031]))
        again = await plant.call("record_inspection_result", result())
        assert again["record"]["verdict"] == "accept"
        assert any(
            f"{rejected['record']['id']} rejected LOT-HSG-004 for Piston bore diameter before" in warning
            for warning in again["warnings"]
        )
        other = await plant.call("record_inspection_result", result(lot_id="LOT-HSG-005"))
        assert "warnings" not in other


async def test_a_checklist_of_a_plan_revision_no_longer_in_force_is_warned_about(tmp_path: Path):
    marking = result(spec_id=None, checklist_id="CHK-A-070", item=1, lot_id="LOT-ONE", gauge_id=None, readings=[115.0])
    async with sample_plant(tmp_path) as plant:
        await add_lot(plant, "LOT-ONE", 1, material_id="FC57-FG")
        assert "warnings" not in await plant.call("record_inspection_result", marking | {"dry_run": True})
        async with plant.backend.unit_of_work() as unit:
            plan = await unit.get(QualityPlan, document_key("CP-A-01", 2))
            assert plan is not None
            await unit.replace(plan.model_copy(update={"state": DocumentState.SUPERSEDED}))
            await unit.insert(plan.model_copy(update={"revision": 3}))
        answer = await plant.call("record_inspection_result", marking)
        assert answer["warnings"] == ["CHK-A-070 was made from CP-A-01 revision 2; revision 3 is in force now."]


async def test_a_checklist_older_than_the_specification_is_refused(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await plant.call("create_inspection_checklist", checklist(spec_ids=["SP-001"], sample_size=5))
        async with plant.backend.unit_of_work() as unit:
            spec = await unit.get(Spec, "SP-001")
            assert spec is not None
            await unit.replace(spec.model_copy(update={"usl": 57.025}))
        failure = await plant.refused("record_inspection_result", result(checklist_id="CL-0001"))
        assert (failure.field, failure.code) == ("checklist_id", "precondition")
        assert "one above 57.025" in failure.message


async def test_two_of_the_last_five_lots_rejected_call_for_tightened_inspection(tmp_path: Path):
    lots = [f"LOT-{number}" for number in range(1, 8)]
    async with sample_plant(tmp_path) as plant:
        await plant.call("create_quality_plan", PLAN)
        await plant.call("create_inspection_checklist", of_plan(lot_size=500))
        for lot in lots:
            await add_lot(plant, lot, 500)

        async def warned(number: int, bad: int) -> bool:
            asked = result(
                checklist_id="CL-0001",
                spec_id=None,
                gauge_id=None,
                lot_id=lots[number],
                readings=[0] * (50 - bad) + [1] * bad,
            )
            answer = await plant.call(
                "record_inspection_result", asked | {"measured_at": f"2026-11-22T0{number}:00:00Z"}
            )
            return any("tightened" in warning for warning in answer["warnings"])

        assert [await warned(number, bad) for number, bad in enumerate([2, 0, 0, 0, 2, 0, 0])] == (
            [False, False, False, False, True, False, False]
        )


async def test_a_process_value_is_no_piece_of_the_lot(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await add_lot(plant, "LOT-3", 3)
        wash = result(spec_id="SP-016", lot_id="LOT-3", gauge_id=None, readings=[60.0, 60.5, 61.0, 59.5])
        assert (await plant.call("record_inspection_result", wash))["record"]["verdict"] == "accept"


async def test_capability_is_over_every_stored_result_of_the_characteristic(tmp_path: Path):
    groups = [[141.998, 142.0, 142.002], [141.997, 141.999, 142.001], [141.999, 142.001, 142.003]]
    spacing = result(spec_id="SP-005", gauge_id="CM-420")
    async with sample_plant(tmp_path) as plant:
        for readings in groups:
            answer = await plant.call("record_inspection_result", spacing | {"readings": readings})
        found = answer["capability"]
        within, overall = 0.004 / 1.693, (30 / 8) ** 0.5 * 0.001
        assert (found["readings"], found["subgroups"], found["mean"]) == (9, 3, pytest.approx(142.0))
        assert found["cp"] == pytest.approx(0.2 / (6 * within), rel=1e-4)
        assert found["cpk"] == pytest.approx(0.1 / (3 * within), rel=1e-4)
        assert found["ppk"] == pytest.approx(0.1 / (3 * overall), rel=1e-4)
        assert found["assessment"] == "meets"
        assert found["warnings"][0].startswith("Preliminary: 9 readings in 3 subgroups")
        uneven = (await plant.call("record_inspection_result", spacing | {"readings": [142.0, 142.001]}))["capability"]
        assert (uneven["readings"], "cpk" in uneven, "ppk" in uneven) == (11, False, True)
        assert any("differ in size" in reason for reason in uneven["reasons"])


async def test_equal_readings_have_a_reason_instead_of_an_index(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        groove = result(spec_id="SP-003", gauge_id="GG-02", readings=[63.1, 63.1])
        found = (await plant.call("record_inspection_result", groove))["capability"]
        assert {"cp", "cpk", "pp", "ppk", "assessment"} & set(found) == set()
        assert all("without spread" in reason for reason in found["reasons"])


async def test_the_study_of_the_sample_plant_is_no_longer_preliminary(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        found = (await plant.call("record_inspection_result", result()))["capability"]
        assert (found["readings"], found["subgroups"], found["warnings"]) == (130, 26, [])
        assert found["cpk"] <= found["cp"]


async def test_good_and_bad_have_no_capability(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        thread = result(spec_id="SP-006", gauge_id="TP-10", readings=[0, 0, 1])
        answer = await plant.call("record_inspection_result", thread)
        assert (answer["record"]["verdict"], answer["outside"]) == ("reject", [3])
        assert "no capability" in answer["capability"]["reasons"][0]
        assert "cpk" not in answer["capability"]


@pytest.mark.parametrize("readings", [[], ["57.01"], [float("nan")], [float("inf")], [None], [57.01] * 2_001])
async def test_readings_are_finite_numbers_and_not_too_many(tmp_path: Path, readings: list[Any]):
    async with sample_plant(tmp_path) as plant:
        failure = await plant.refused("record_inspection_result", result() | {"readings": readings})
        assert failure.code == "validation"
        assert (failure.field or "").startswith("readings")
