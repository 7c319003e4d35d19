from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from mcp_server.backends.base import Page, Query
from mcp_server.backends.sql.provision import open_store
from mcp_server.domain.records import DocumentState, EquipmentNode, Sop
from mcp_server.pipeline.call import Pipeline
from tests.support.sample_plant import AS_OF, CLOCK, Lies, Lying, SamplePlant, control_plan, sample_plant

pytestmark = pytest.mark.anyio

ALPHA = {"project": "ALPHA"}


async def test_projects_are_listed_with_what_they_have(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await plant.call("create_quality_plan", control_plan())
        answer = await plant.call("list_projects", {})
        assert (answer["total"], [p["id"] for p in answer["items"]]) == (3, ["ALPHA", "BETA", "GAMMA"])
        alpha = answer["items"][0]
        assert (alpha["machines"], alpha["time_zone"]) == (18, "America/Chicago")
        live = "SELECT count(DISTINCT id) AS n FROM quality_plans WHERE project = 'ALPHA' AND state NOT IN "
        assert alpha["quality_plans"] == plant.rows(live + "('superseded', 'withdrawn')")[0]["n"] == 4
        for table, name in (("machines", "machines"), ("materials", "materials"), ("specs", "specs")):
            assert alpha[name] == plant.rows(f"SELECT count(*) AS n FROM {table} WHERE project = 'ALPHA'")[0]["n"]
        open_issues = (
            "SELECT count(*) AS n FROM issues WHERE project = 'ALPHA' AND state NOT IN ('closed', 'cancelled')"
        )
        assert alpha["open_issues"] == plant.rows(open_issues)[0]["n"]
        assert [p["id"] for p in (await plant.call("list_projects", {"status": "pre_launch"}))["items"]] == ["BETA"]


async def test_a_plant_that_knows_no_project_says_who_loads_one(tmp_path: Path):
    async with aclosing(await open_store(tmp_path, sample_plant=tmp_path, as_of=AS_OF, seed=False)) as store:
        plant = SamplePlant(tmp_path, store, Pipeline(store, CLOCK))
        for asked in ({}, {"status": "production"}):
            (warning,) = (await plant.call("list_projects", asked))["warnings"]
            assert "`shopfloor-mcp seed`" in warning
            assert "--plant FOLDER" in warning
        refused = await plant.refused("get_machines", ALPHA)
    assert (refused.code, refused.field, refused.suggestion) == ("not_found", "project", warning)


async def test_a_filter_that_no_project_fits_is_no_plant_without_projects(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("list_projects", {"status": "closed"})
        assert (answer["total"], answer.get("warnings")) == (0, None)


@pytest.mark.parametrize("project", ["ALPHA", "alpha", "Project Alpha", "PROJECT ALPHA"])
async def test_a_project_is_known_by_code_and_name(tmp_path: Path, project: str):
    async with sample_plant(tmp_path) as plant:
        assert (await plant.call("get_workstations", {"project": project}))["total"] == 9


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        ({"ids": ["MC-103", "CM-420"]}, ["CM-420", "MC-103"]),
        ({"workstation": "ALPHA-OP20"}, ["MC-103", "MC-104", "MC-105"]),
        ({"workstation": "LAK-QL"}, ["CM-420", "HT-422", "RO-421"]),
        ({"area": "ALPHA-T1", "include_shared": False}, ["CV-142", "LM-141", "LT-130", "LT-131", "VI-140"]),
        ({"area": "ALPHA-OP80"}, ["LT-130", "LT-131"]),
        ({"area": "LAK-MCH", "q": "cnc_machining_center", "status": "idle"}, ["MC-107"]),
        ({"area": "BRN"}, []),
        ({"status": "decommissioned"}, ["MC-104"]),
        ({"criticality": "A", "q": "washer"}, ["WA-111"]),
        ({"q": "leak"}, ["LT-130", "LT-131"]),
        ({"q": "100%"}, []),
    ],
)
async def test_machines_are_found_by_what_is_asked(tmp_path: Path, asked: dict[str, Any], ids: list[str]):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("get_machines", ALPHA | asked)
        assert [machine["id"] for machine in answer["items"]] == ids
        assert answer["total"] == len(ids)


async def test_a_machine_says_where_it_stands(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        (machine,) = (await plant.call("get_machines", ALPHA | {"ids": ["LT-131"]}))["items"]
        assert machine["path"].split("/")[:2] == ["MBS", "LAK"]
        assert machine["path"].split("/")[-2:] == ["ALPHA-T1", "ALPHA-OP80"]
        assert (machine["status"], machine["energy_sources"]) == ("down", ["electrical", "pneumatic"])


async def test_places_that_contain_each_other_do_not_hang_the_server(tmp_path: Path):
    def circle(page: Page[Any]) -> Page[Any]:
        nodes = tuple(n.model_copy(update={"parent": n.id}) if isinstance(n, EquipmentNode) else n for n in page.items)
        return Page(nodes, page.total, page.next_after)

    async with sample_plant(tmp_path, wrap=lambda backend: Lying(backend, Lies(find=circle))) as plant:
        assert (await plant.call("get_machines", ALPHA | {"ids": ["LT-131"]}))["items"][0]["path"] == (
            "ALPHA-T1/ALPHA-OP80"
        )


@pytest.mark.parametrize(
    ("asked", "field", "alternatives"),
    [
        ({"ids": ["MC-103", "MC-13"]}, "ids[1]", {"MC-103"}),
        ({"workstation": "ALPHA-OP21"}, "workstation", {"ALPHA-OP20"}),
        ({"area": "LAK-MACH"}, "area", {"LAK-MCH"}),
    ],
)
async def test_an_unknown_id_gets_the_near_ones(
    tmp_path: Path, asked: dict[str, Any], field: str, alternatives: set[str]
):
    async with sample_plant(tmp_path) as plant:
        failure = await plant.refused("get_machines", ALPHA | asked)
        assert (failure.code, failure.field) == ("not_found", field)
        assert alternatives <= set(failure.alternatives)


async def test_a_machine_of_another_project_is_named_as_such(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        failure = await plant.refused("get_machines", ALPHA | {"ids": ["LA-301"]})
        assert failure.message == "LA-301 belongs to project GAMMA, not to ALPHA."
        assert "LA-301" not in failure.alternatives


async def test_an_obsolete_material_is_listed_with_a_warning(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("get_materials", ALPHA | {"q": "housing FC57"})
        assert {m["id"]: m["status"] for m in answer["items"]} == {
            "HSG-FC57": "released",
            "HSG-FC57-C": "obsolete",
        }
        assert answer["warnings"] == ["HSG-FC57-C is obsolete."]
        assert "warnings" not in await plant.call("get_materials", ALPHA | {"status": "released"})


async def test_characteristics_are_found_by_what_is_asked(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        asked = ALPHA | {"material_id": "HSG-FC57", "operation": "OP20", "special_class": "CC"}
        answer = await plant.call("get_specs", asked)
        assert [spec["id"] for spec in answer["items"]] == ["SP-001", "SP-003", "SP-004"]
        one_sided = (await plant.call("get_specs", ALPHA | {"ids": ["SP-002"]}))["items"][0]
        assert "lsl" not in one_sided
        assert (one_sided["usl"], one_sided["data_quality"]) == (0.8, [])


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"lsl": 57.03, "usl": 57.0}, ["lsl is not below usl", "nominal is outside the limits"]),
        ({"nominal": 58.0}, ["nominal is outside the limits"]),
        ({"lsl": None, "usl": None}, ["no limit on either side"]),
        ({"unit": " "}, ["no unit"]),
    ],
)
async def test_a_characteristic_that_contradicts_itself_is_shown_and_marked(
    tmp_path: Path, wrong: dict[str, Any], told: list[str]
):
    def find(page: Page[Any]) -> Page[Any]:
        items = tuple(i.model_copy(update=wrong) if i.id == "SP-001" else i for i in page.items)
        return Page(items, page.total, page.next_after)

    async with sample_plant(tmp_path, wrap=lambda backend: Lying(backend, Lies(find=find))) as plant:
        (spec,) = (await plant.call("get_specs", ALPHA | {"ids": ["SP-001"]}))["items"]
        assert spec["data_quality"] == told


async def test_workstations_come_with_their_machines(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("get_workstations", ALPHA | {"line": "ALPHA-T1"})
        assert {station["id"]: station["machines"] for station in answer["items"]} == {
            "ALPHA-OP80": ["LT-130", "LT-131"],
            "ALPHA-OP90": ["CV-142", "LM-141", "VI-140"],
        }
        assert answer["items"][0]["cycle_time_s"] == 42.9


@pytest.mark.parametrize("operation", ["op20", "OP21"])
async def test_an_operation_without_specifications_is_no_empty_list(tmp_path: Path, operation: str):
    async with sample_plant(tmp_path) as plant:
        failure = await plant.refused("get_specs", ALPHA | {"operation": operation})
        assert (failure.code, failure.field) == ("not_found", "operation")
        assert "OP20" in failure.alternatives
        assert (await plant.call("get_specs", ALPHA | {"operation": "OP20"}))["total"] == 5


async def test_a_line_that_is_not_there_is_no_empty_list(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        failure = await plant.refused("get_workstations", ALPHA | {"line": "ALPHA-A9"})
        assert (failure.code, failure.field) == ("not_found", "line")
        assert "ALPHA-A1" in failure.alternatives


async def test_a_workstation_names_its_procedure_and_says_when_none_is_released(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("get_workstations", ALPHA)
        sops = {station["id"]: station["sop"] for station in answer["items"]}
        assert sops["ALPHA-OP20"] == {"id": "SOP-A-020", "revision": 5, "state": "released"}
        assert sops["ALPHA-OP70"] == {"id": "SOP-A-070", "revision": 4, "state": "in_review"}
        assert answer["warnings"] == ["ALPHA-OP70 has no released procedure; SOP-A-070 is in_review."]
        beta = await plant.call("get_workstations", {"project": "BETA", "ids": ["BETA-OP20"]})
        assert "sop" not in beta["items"][0]
        assert beta["warnings"] == ["BETA-OP20 has no procedure."]


async def test_the_procedure_in_force_stands_before_the_one_being_worked_on(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        async with plant.backend.unit_of_work() as unit:
            (current,) = (await unit.find(Sop, Query({"id": ("SOP-A-020",)}))).items
            await unit.insert(current.model_copy(update={"revision": 6, "state": DocumentState.DRAFT}))
        (station,) = (await plant.call("get_workstations", ALPHA | {"ids": ["ALPHA-OP20"]}))["items"]
        assert station["sop"] == {"id": "SOP-A-020", "revision": 5, "state": "released"}
