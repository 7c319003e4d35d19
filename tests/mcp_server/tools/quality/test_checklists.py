from pathlib import Path

import pytest

from mcp_server.domain.records import DocumentState, Material, QualityPlan, document_key
from tests.support.inspections import PLAN, checklist, of_plan, plan_in_state
from tests.support.sample_plant import control_plan, plan_row, sample_plant

pytestmark = pytest.mark.anyio


async def test_a_checklist_takes_its_items_from_the_rows_of_one_operation(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await plant.call("create_quality_plan", PLAN)
        answer = await plant.call("create_inspection_checklist", of_plan(operation="op20"))
        made = answer["record"]
        assert (made["id"], made["state"], made["plan_id"], made["plan_revision"]) == ("CL-0001", "draft", "QP-0001", 1)
        assert made["material_id"] == "HSG-FC57"
        (item,) = made["items"]
        assert {name: item[name] for name in ("spec_id", "lsl", "usl", "special_class", "gauge_id", "accept")} == {
            "spec_id": "SP-001", "lsl": 57.0, "usl": 57.03, "special_class": "CC", "gauge_id": "AG-01", "accept": 0,
        }  # fmt: skip
        assert item["sample_size"] == 5
        assert "QP-0001 rev 1 is draft" in answer["warnings"][0]


async def test_an_aql_row_gets_the_sample_of_the_lot(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await plant.call("create_quality_plan", PLAN)
        (item,) = (await plant.call("create_inspection_checklist", of_plan(lot_size=500)))["record"]["items"]
        assert (item["sample_size"], item["accept"], item["aql"]) == (50, 1, "1.0")
        small = await plant.call("create_inspection_checklist", of_plan(lot_size=4))
        assert small["record"]["items"][0]["sample_size"] == 4
        assert any("inspect every piece" in warning for warning in small["warnings"])
        unknown = await plant.call("create_inspection_checklist", of_plan())
        assert "sample_size" not in unknown["record"]["items"][0]
        assert any("depends on the lot" in warning for warning in unknown["warnings"])


async def test_a_released_plan_is_used_before_its_next_draft(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await plant.call("create_quality_plan", PLAN)
        await plan_in_state(plant, DocumentState.RELEASED)
        answer = await plant.call("create_inspection_checklist", of_plan(lot_size=500))
        assert answer["record"]["plan_revision"] == 1
        assert "warnings" not in answer
        async with plant.backend.unit_of_work() as unit:
            plan = await unit.get(QualityPlan, document_key("QP-0001", 1))
            assert plan is not None
            await unit.insert(plan.model_copy(update={"revision": 2, "state": DocumentState.DRAFT}))
        again = await plant.call("create_inspection_checklist", of_plan(lot_size=501))
        assert again["record"]["plan_revision"] == 1


async def test_the_same_checklist_is_not_made_twice(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        checklists = plant.counts()["checklists"]
        await plant.call("create_inspection_checklist", checklist())
        again = await plant.call("create_inspection_checklist", checklist(), key="another-key")
        assert (again["status"], again["record"]["id"]) == ("already_exists", "CL-0001")
        assert plant.counts()["checklists"] == checklists + 1
        other = await plant.call("create_inspection_checklist", checklist(sample_size=5))
        assert other["record"]["id"] == "CL-0002"


async def test_a_checklist_of_specifications_asks_every_piece_unless_told(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("create_inspection_checklist", checklist())
        assert [item["spec_id"] for item in answer["record"]["items"]] == ["SP-001", "SP-003"]
        assert {item["frequency"] for item in answer["record"]["items"]} == {"every lot"}
        assert not any("sample_size" in item for item in answer["record"]["items"])
        assert [item["gauge_id"] for item in answer["record"]["items"]] == ["AG-01", "GG-02"]
        daily = await plant.call("create_inspection_checklist", checklist(sample_size=3, frequency="daily"))
        assert {(i["sample_size"], i["frequency"]) for i in daily["record"]["items"]} == {(3, "daily")}


async def test_a_gauge_that_cannot_be_used_today_is_said_when_the_checklist_is_made(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("create_inspection_checklist", checklist(spec_ids=["SP-004"]))
        assert "GG-03 is overdue for calibration since 2026-10-31." in answer["warnings"]


REFUSED_CHECKLISTS = {
    "no source": (checklist(spec_ids=None), "plan_id", "Give plan_id or spec_ids"),
    "two sources": (checklist(plan_id="QP-0001"), "plan_id", "not both"),
    "a specification twice": (checklist(spec_ids=["SP-001", "SP-001"]), "spec_ids[1]", "once"),
    "specifications of two operations": (checklist(spec_ids=["SP-001", "SP-005"]), "spec_ids[1]", "OP30"),
    "specifications of two materials": (checklist(spec_ids=["SP-001", "SP-010"]), "spec_ids[1]", "each material"),
    "an unknown specification": (checklist(spec_ids=["SP-999"]), "spec_ids[0]", "SP-"),
    "an operation that the plan has not": (of_plan(operation="OP99"), "operation", "OP20, OP40"),
    "a frequency that the plan has not": (of_plan(frequency="daily"), "frequency", "alternatives"),
}


@pytest.mark.parametrize("name", REFUSED_CHECKLISTS)
async def test_a_checklist_that_makes_no_sense_is_refused_with_the_way_out(tmp_path: Path, name: str):
    arguments, field, way_out = REFUSED_CHECKLISTS[name]
    async with sample_plant(tmp_path) as plant:
        await plant.call("create_quality_plan", PLAN)
        checklists = plant.counts()["checklists"]
        failure = await plant.refused("create_inspection_checklist", arguments)
        assert failure.field == field
        assert way_out in failure.suggestion
        assert plant.counts()["checklists"] == checklists


async def test_a_checklist_says_the_operation_as_the_plan_does(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await plant.call("create_quality_plan", PLAN)
        made = await plant.call("create_inspection_checklist", of_plan(operation="op20"))
        assert (made["record"]["operation"], made["record"]["title"]) == ("OP20", "Inspection of HSG-FC57 at OP20")
        again = await plant.call("create_inspection_checklist", of_plan(operation="OP20"))
        assert (again["status"], again["record"]["id"]) == ("already_exists", made["record"]["id"])


async def test_the_gauge_that_a_row_names_by_its_technique_only_is_prescribed_and_checked(tmp_path: Path):
    groove = control_plan(plan_row("SP-004", gauge_id=None))
    async with sample_plant(tmp_path) as plant:
        planned = await plant.call("create_quality_plan", groove)
        assert planned["warnings"][0] == "rows[0].gauge_id: GG-03 is overdue for calibration since 2026-10-31."
        made = await plant.call("create_inspection_checklist", of_plan(operation="OP20"))
        assert made["record"]["items"][0]["gauge_id"] == "GG-03"
        assert "GG-03 is overdue for calibration since 2026-10-31." in made["warnings"]


async def test_samples_of_a_critical_characteristic_without_a_plan_are_warned_about(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("create_inspection_checklist", checklist(sample_size=5))
        assert any(
            "CC checked on samples" in warning and "Piston bore diameter, Seal groove diameter" in warning
            for warning in answer["warnings"]
        )
        every = await plant.call("create_inspection_checklist", checklist(spec_ids=["SP-001"]))
        assert "warnings" not in every


async def test_a_sample_larger_than_the_lot_is_told(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        small = checklist(spec_ids=["SP-017"], sample_size=5, lot_size=4)
        answer = await plant.call("create_inspection_checklist", small)
        assert answer["warnings"] == ["The lot has only 4 pieces, inspect every piece: Coolant concentration."]
        assert "warnings" not in await plant.call("create_inspection_checklist", small | {"lot_size": 5})


async def test_a_plan_for_an_older_revision_of_the_part_is_told(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await plant.call("create_quality_plan", PLAN)
        await plan_in_state(plant, DocumentState.RELEASED)
        async with plant.backend.unit_of_work() as unit:
            material = await unit.get(Material, "HSG-FC57")
            assert material is not None
            await unit.replace(material.model_copy(update={"revision": "E"}))
        answer = await plant.call("create_inspection_checklist", of_plan(lot_size=500))
        behind = "QP-0001 revision 1 is for HSG-FC57 revision D; the material is at revision E now."
        assert answer["warnings"] == [behind]
        listed = await plant.call("get_quality_plans", {"project": "ALPHA", "id": "QP-0001"})
        assert listed["items"][0]["needs_review"]
        assert listed["warnings"] == [behind]
