from pathlib import Path

import pytest

from mcp_server.domain.records import TaktInputs
from tests.support.sample_plant import SamplePlant, sample_plant

pytestmark = pytest.mark.anyio

ALPHA = {"project": "ALPHA"}


async def change_inputs(plant: SamplePlant, **changes: object) -> None:
    async with plant.backend.unit_of_work() as unit:
        stored = await unit.get(TaktInputs, "TI-ALPHA-ALL")
        assert stored is not None
        await unit.replace(stored.model_copy(update=changes))


@pytest.mark.parametrize(("project", "takt"), [("ALPHA", 43.0), ("BETA", 68.8), ("GAMMA", 30.46)])
async def test_takt_of_the_sample_projects(tmp_path: Path, project: str, takt: float):
    async with sample_plant(tmp_path) as plant:
        assert (await plant.call("get_takt_time", {"project": project}))["takt_s"] == takt


async def test_alpha_is_told_where_it_is_slow(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        told = await plant.call("get_takt_time", ALPHA)
    loads = {station["id"]: (station["load_pct"], station["status"]) for station in told["stations"]}
    assert loads["ALPHA-OP70"] == (107.7, "over")
    assert loads["ALPHA-OP80"] == (99.8, "near")
    assert loads["ALPHA-OP60"] == (81.6, "ok")
    assert told["bottleneck"] == "ALPHA-OP70"
    assert (told["total_cycle_s"], told["minimum_stations"], told["efficiency_pct"]) == (353.9, 9, 84.9)
    assert told["net_time_min_per_day"] == 860
    assert any("ALPHA-OP70 needs 46.3 s a piece, takt is 43.00 s (107.7 %)" in text for text in told["warnings"])
    assert any("ALPHA-OP80 uses 99.8 % of takt" in text for text in told["warnings"])
    assert "parallel machines are already in it" in told["basis"]
    assert "missing" not in told or told["missing"] == []


async def test_inputs_say_where_they_come_from(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        told = await plant.call("get_takt_time", ALPHA | {"demand_per_day": 1000})
    sources = {put["name"]: (put["value"], put["source"]) for put in told["inputs"]}
    assert sources == {
        "demand_per_day": (1000, "override"),
        "shifts_per_day": (2, "plant_data"),
        "shift_min": (480, "plant_data"),
        "planned_breaks_min_per_shift": (40, "plant_data"),
        "meetings_5s_min_per_shift": (10, "plant_data"),
    }
    assert told["takt_s"] == 51.6


async def test_more_shifts_give_more_time(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        told = await plant.call("get_takt_time", ALPHA | {"shifts_per_day": 3})
    assert told["takt_s"] == 64.5
    assert {station["status"] for station in told["stations"]} == {"ok"}
    assert "warnings" not in told


async def test_one_line_is_balanced_by_itself(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        told = await plant.call("get_takt_time", ALPHA | {"line": "alpha-a1"})
    assert [station["id"] for station in told["stations"]] == ["ALPHA-OP50", "ALPHA-OP60", "ALPHA-OP70"]
    assert (told["total_cycle_s"], told["minimum_stations"], told["efficiency_pct"]) == (120.8, 3, 87.0)


async def test_a_line_of_another_project_is_refused_with_those_there_are(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        refusal = await plant.refused("get_takt_time", ALPHA | {"line": "BETA-A2"})
    assert (refusal.code, refusal.field) == ("not_found", "line")
    assert "ALPHA-A1" in refusal.alternatives


async def test_without_data_takt_is_unknown_and_the_missing_inputs_are_named(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await change_inputs(plant, project="GAMMA")
        told = await plant.call("get_takt_time", ALPHA | {"demand_per_day": 1000})
    assert "takt_s" not in told
    assert told["missing"] == [
        "shifts_per_day",
        "shift_min",
        "planned_breaks_min_per_shift",
        "meetings_5s_min_per_shift",
    ]
    assert told["bottleneck"] == "ALPHA-OP70"
    assert all("load_pct" not in station for station in told["stations"])
    assert told["warnings"] == [f"No takt time: ALPHA has no {', '.join(told['missing'])} on record."]


async def test_breaks_longer_than_the_shift_are_refused(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await change_inputs(plant, planned_breaks_min_per_shift=475.0)
        refusal = await plant.refused("get_takt_time", ALPHA)
    assert refusal.code == "precondition"
    assert refusal.message == "Planned breaks (475 min) and meetings (10 min) take the whole shift of 480 min."


async def test_a_stored_demand_of_nothing_is_refused_until_one_is_given(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await change_inputs(plant, demand_per_day=0)
        refusal = await plant.refused("get_takt_time", ALPHA)
        assert (refusal.code, refusal.field) == ("precondition", "demand_per_day")
        assert (await plant.call("get_takt_time", ALPHA | {"demand_per_day": 1200}))["takt_s"] == 43.0


async def test_a_line_s_own_data_come_before_the_project_s(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        async with plant.backend.unit_of_work() as unit:
            whole = await unit.get(TaktInputs, "TI-ALPHA-ALL")
            assert whole is not None
            own = whole.model_copy(update={"id": "TI-ALPHA-A1", "line_group": "ALPHA-A1", "demand_per_day": 600})
            await unit.insert(own)
        assert (await plant.call("get_takt_time", ALPHA | {"line": "ALPHA-A1"}))["takt_s"] == 86.0
        assert (await plant.call("get_takt_time", ALPHA))["takt_s"] == 43.0
