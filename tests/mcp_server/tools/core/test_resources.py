from pathlib import Path
from typing import Any

import pytest

from tests.support.sample_plant import sample_plant

pytestmark = pytest.mark.anyio

ALPHA = {"project": "ALPHA"}


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        ({"kind": "person", "skill": "robot"}, ["E102"]),
        ({"kind": "person", "skill": "Mechanical", "shift": "A"}, ["E100"]),
        ({"kind": "person", "q": "novak"}, ["E103"]),
        ({"kind": "gauge", "q": "groove"}, ["GG-02", "GG-03"]),
        ({"kind": "ppe", "q": "laser"}, ["PPE-LASER"]),
        ({"kind": "spare_part", "q": "turret"}, []),
        ({"kind": "tool", "q": "leak"}, ["TL-MASTER-LEAK"]),
    ],
)
async def test_resources_are_found_by_what_is_asked(tmp_path: Path, asked: dict[str, Any], ids: list[str]):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("get_resources", ALPHA | asked)
        assert [item["id"] for item in answer["items"]] == ids
        assert answer["total"] == len(ids)
        assert {item["kind"] for item in answer["items"]} <= {asked["kind"]}


async def test_an_item_has_the_fields_of_its_kind_and_no_others(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        (person,) = (await plant.call("get_resources", ALPHA | {"kind": "person", "q": "E101"}))["items"]
        assert person == {
            "id": "E101",
            "kind": "person",
            "project": "ALPHA",
            "name": "Ben Carter",
            "role": "maintenance_technician",
            "skills": ["electrical", "plc", "loto_authorized"],
            "shift": "A",
        }
        (part,) = (await plant.call("get_resources", ALPHA | {"kind": "spare_part", "q": "heater"}))["items"]
        assert set(part) == {
            "id", "kind", "project", "name", "unit", "on_hand", "minimum", "short", "location", "machine_types",
            "lead_time_days",
        }  # fmt: skip


async def test_a_gauge_past_its_calibration_day_is_flagged(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("get_resources", ALPHA | {"kind": "gauge"})
        assert [item["id"] for item in answer["items"] if item["overdue"]] == ["GG-03", "LT-131"]
        assert answer["warnings"] == [
            "GG-03 is overdue for calibration since 2026-10-31.",
            "LT-131 is overdue for calibration since 2026-10-20.",
        ]
        (tester,) = (item for item in answer["items"] if item["id"] == "LT-131")
        assert (tester["grr_pct"], tester["ndc"]) == (33.0, 3)


async def test_stock_below_its_minimum_is_flagged_with_its_lead_time(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("get_resources", ALPHA | {"kind": "spare_part"})
        assert [item["id"] for item in answer["items"] if item["short"]] == ["SPR-OIL-SEPARATOR"]
        assert answer["warnings"] == ["SPR-OIL-SEPARATOR: 0 kit on hand, minimum 1, 12 days to get."]


async def test_a_skill_nobody_has_gets_the_skills_there_are(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("get_resources", ALPHA | {"kind": "person", "skill": "welding"})
        assert answer["total"] == 0
        (warning,) = answer["warnings"]
        assert warning.startswith("Nobody has the skill 'welding'. Skills are 8d, approver,")


async def test_another_projects_people_and_stock_are_not_listed(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        for kind in ("person", "gauge", "spare_part"):
            answer = await plant.call("get_resources", {"project": "GAMMA", "kind": kind})
            assert {item["project"] for item in answer["items"]} == {"GAMMA", "SHARED"}


async def test_pages_of_resources_join_without_a_gap(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        whole = await plant.call("get_resources", ALPHA | {"kind": "gauge"})
        found, cursor = list[str](), None
        while len(found) < whole["total"]:
            page = await plant.call(
                "get_resources", ALPHA | {"kind": "gauge", "limit": 5} | ({"cursor": cursor} if cursor else {})
            )
            found += [item["id"] for item in page["items"]]
            cursor = page.get("next_cursor")
        assert found == [item["id"] for item in whole["items"]]
        assert cursor is None


@pytest.mark.parametrize(("name", "value"), [("skill", "mechanical"), ("shift", "A")])
async def test_a_filter_for_people_is_refused_for_things(tmp_path: Path, name: str, value: str):
    async with sample_plant(tmp_path) as plant:
        failure = await plant.refused("get_resources", ALPHA | {"kind": "ppe", name: value})
        assert (failure.code, failure.field) == ("precondition", name)
        assert name in str(failure.suggestion)
