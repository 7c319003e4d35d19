from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcp_server.domain.records import Material, PlanRow, QualityPlan, document_key
from mcp_server.errors import VerificationFailed
from tests.mcp_server.tools.checks.quality import CASTING, a_draft, change
from tests.support.sample_plant import TOOLS, control_plan, plan_row, sample_plant

pytestmark = pytest.mark.anyio

OWN = {"spec_id": None, "characteristic": "Deburred edges", "kind": "product", "operation": "OP40"}
UNCLASSED = {"gauge_id": None, "machine_id": "WA-111", "control_method": "parameter_monitoring"}


async def test_every_row_and_number_of_a_new_plan_can_be_read_again(tmp_path: Path):
    rows = [
        plan_row("SP-001", lsl=57.002, usl=57.028, nominal=57.015, core=None),
        plan_row("SP-002", gauge_id="RO-421", sample_size=3, frequency="every shift"),
        plan_row("SP-003", gauge_id="GG-02", sampling="full", sample_size=None, control_method="automatic_gauging"),
        plan_row("SP-016", **UNCLASSED, sampling="aql", aql="0.65", inspection_level="S-2", sample_size=None),
        plan_row(**OWN, machine_id="RB-110", gauge_id=None, sampling="full", sample_size=None, unit="mm", usl=0.1),
    ]
    arguments = control_plan(*rows, customer="Meridian", core_team=["Quality", "Machining"])
    async with sample_plant(tmp_path) as plant:
        written = await plant.call("create_quality_plan", arguments)
        (read,) = (await plant.call("get_quality_plans", {"project": "ALPHA", "id": written["record"]["id"]}))["items"]
        computed = {"row_count": 5, "uncovered": ["SP-004", "SP-005", "SP-007", "SP-009"], "needs_review": True}
        assert read == written["record"] | computed
        assert {name: read[name] for name in arguments if name != "rows"} == {
            name: value for name, value in arguments.items() if name != "rows"
        }
        assert [{name: row[name] for name in asked} for asked, row in zip(rows, read["rows"], strict=True)] == rows
        assert (read["id"], read["revision"], read["state"], read["material_revision"]) == ("QP-0001", 1, "draft", "D")
        stored = plant.rows("SELECT * FROM quality_plan_rows WHERE plan_key = 'QP-0001@0001' ORDER BY position")
        assert [{n: v for n, v in row.items() if n in PlanRow.model_fields and v is not None} for row in stored] == (
            read["rows"]
        )


async def test_a_row_takes_from_the_specification_what_the_caller_left_out(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("create_quality_plan", control_plan(plan_row("SP-003", gauge_id="GG-02")))
        assert answer["record"]["rows"] == [
            plan_row("SP-003", gauge_id="GG-02")
            | {
                "operation": "OP20",
                "characteristic": "Seal groove diameter",
                "kind": "product",
                "unit": "mm",
                "nominal": 63.1,
                "lsl": 63.05,
                "usl": 63.15,
                "special_class": "CC",
                "technique": "groove gauge GG-02",
            }
        ]


async def test_an_aql_row_stores_the_inspection_level_that_holds(tmp_path: Path):
    row = plan_row("SP-016", **UNCLASSED, sampling="aql", aql="1.0", sample_size=None)
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("create_quality_plan", control_plan(row))
        assert answer["record"]["rows"][0]["inspection_level"] == "II"
        stored = plant.rows("SELECT inspection_level FROM quality_plan_rows WHERE plan_key = 'QP-0001@0001'")
        assert stored == [{"inspection_level": "II"}]


async def test_special_characteristics_without_a_row_are_listed(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("create_quality_plan", control_plan(plan_row("SP-001")))
        missing = ["SP-002", "SP-003", "SP-004", "SP-005", "SP-007", "SP-009"]
        assert answer["coverage"] == {"special_total": 7, "special_covered": 1, "missing": missing}
        assert answer["warnings"] == [f"Special characteristics without a row: {', '.join(missing)}."]


async def test_what_does_not_stop_a_plan_is_told_row_by_row(tmp_path: Path):
    rows = (
        plan_row("SP-103", machine_id="LT-230", gauge_id=None, sampling="full", sample_size=None),
        plan_row(None, characteristic="Bore", kind="product", operation="OP20", machine_id="MC-203", gauge_id="RO-421"),
    )
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("create_quality_plan", control_plan(*rows, project="BETA", material_id="RC38-FG"))
        new, conditional, uncovered = answer["warnings"]
        assert new.startswith("rows[1].machine_id: MC-203")
        assert "still commissioning" in new
        assert "RO-421 has a gauge R&R of 11.9 % of tolerance; 10 to 30 %" in conditional
        assert uncovered == "Special characteristics without a row: SP-101, SP-102."


FIELDS_AND_WAYS_OUT = {
    "a missing project": (control_plan(project=None), "validation", "project", "Give project", ()),
    "an unknown project": (
        control_plan(project="OMEGA"),
        "not_found",
        "project",
        "Projects are ALPHA",
        ("ALPHA", "BETA", "GAMMA"),
    ),
    "an extra argument": (control_plan() | {"fase": "production"}, "validation", "fase", "use one of", ("phase",)),
    "an unknown phase": (
        control_plan(phase="series"),
        "validation",
        "phase",
        "alternatives",
        ("prototype", "pre_launch", "safe_launch", "production"),
    ),
    "an unknown material": (
        control_plan(material_id="HSG-FC58"),
        "not_found",
        "material_id",
        "Did you mean HSG-FC57",
        ("HSG-FC57", "CST-FC57"),
    ),
    "a material of another project": (
        control_plan(material_id="RC38-FG"),
        "not_found",
        "material_id",
        "ALPHA has",
        None,
    ),
    "a specified characteristic without its specification": (
        control_plan(
            plan_row(None, characteristic="piston bore diameter", operation="op20", kind="product", lsl=56, usl=58)
        ),
        "precondition",
        "rows[0].spec_id",
        "Give spec_id SP-001",
        ("SP-001",),
    ),
    "an obsolete material": (
        control_plan(material_id="HSG-FC57-C"),
        "precondition",
        "material_id",
        "current revision: HSG-FC57 ",
        ("HSG-FC57",),
    ),
    "a decommissioned machine": (
        control_plan(plan_row(machine_id="MC-104")),
        "precondition",
        "rows[0].machine_id",
        "At ALPHA-OP20",
        ("MC-103", "MC-105"),
    ),
    "an unknown machine": (
        control_plan(plan_row(machine_id="MC-13")),
        "not_found",
        "rows[0].machine_id",
        "Did you mean MC-103",
        None,
    ),
    "an ambiguous machine name": (
        control_plan(plan_row(machine_id="Leak tester 2")),
        "ambiguous",
        "rows[0].machine_id",
        "Give the id",
        ("LT-131", "LT-230"),
    ),
    "the name of a machine": (
        control_plan(plan_row(machine_id="hmc 3")),
        "not_found",
        "rows[0].machine_id",
        "Did you mean MC-103",
        ("MC-103",),
    ),
    "a machine of another project": (
        control_plan(plan_row(machine_id="MC-203")),
        "not_found",
        "rows[0].machine_id",
        "Did you mean MC-103",
        None,
    ),
    "an unknown gauge": (control_plan(plan_row(gauge_id="AG-02")), "not_found", "rows[0].gauge_id", "AG-01", None),
    "a spec of another material": (
        control_plan(plan_row("SP-011", gauge_id="TQ-122")),
        "precondition",
        "rows[0].spec_id",
        "HSG-FC57 has SP-001",
        None,
    ),
    "lower limit above the upper": (
        control_plan(plan_row(lsl=57.03, usl=57.0)),
        "precondition",
        "rows[0].lsl",
        "Swap",
        (),
    ),
    "limits wider than the specification": (
        control_plan(plan_row(), plan_row("SP-003", gauge_id="GG-02", lsl=63.0)),
        "precondition",
        "rows[1].lsl",
        "Leave lsl out",
        (),
    ),
    "another unit than the specification": (
        control_plan(plan_row(unit="um")),
        "precondition",
        "rows[0].unit",
        "Leave unit out",
        (),
    ),
    "nominal outside the limits": (
        control_plan(plan_row(nominal=58.0)),
        "precondition",
        "rows[0].nominal",
        "Correct",
        (),
    ),
    "no characteristic": (control_plan(plan_row(None)), "precondition", "rows[0].spec_id", "Give spec_id", ()),
    "a CC characteristic by AQL": (
        control_plan(plan_row(sampling="aql", aql="1.0", sample_size=None)),
        "precondition",
        "rows[0].sampling",
        "full inspection",
        (),
    ),
    "a CC characteristic on an inspection record": (
        control_plan(plan_row(control_method="inspection_record")),
        "precondition",
        "rows[0].control_method",
        "spc_chart",
        (),
    ),
    "a CC characteristic talked down": (
        control_plan(plan_row(special_class="SC")),
        "precondition",
        "rows[0].special_class",
        "Leave it out",
        (),
    ),
    "a gauge that cannot tell": (
        control_plan(plan_row("SP-013", machine_id="LT-130", gauge_id="LT-131"), material_id="FC57-FG"),
        "precondition",
        "rows[0].gauge_id",
        "another gauge",
        (),
    ),
    "the same characteristic twice": (
        control_plan(plan_row(), plan_row(frequency="once a day")),
        "precondition",
        "rows[1].spec_id",
        "Remove one",
        (),
    ),
    "the same own characteristic twice": (
        control_plan(plan_row(**OWN), plan_row(**(OWN | {"characteristic": "DEBURRED edges"}))),
        "precondition",
        "rows[1].characteristic",
        "Remove one",
        (),
    ),
}


@pytest.mark.parametrize("wrong", FIELDS_AND_WAYS_OUT)
async def test_a_refused_plan_names_the_field_and_the_way_out_and_leaves_no_record(tmp_path: Path, wrong: str):
    arguments, code, field, way_out, alternatives = FIELDS_AND_WAYS_OUT[wrong]
    async with sample_plant(tmp_path) as plant:
        before = plant.counts()
        failure = await plant.refused("create_quality_plan", arguments)
        assert (failure.code, failure.field) == (code, field)
        assert way_out in failure.suggestion
        if alternatives is not None:
            assert failure.alternatives == alternatives
        after = plant.counts()
        for table in ("quality_plans", "quality_plan_rows", "idempotency_keys"):
            assert after[table] == before[table]


async def test_no_alternative_is_obsolete_or_decommissioned(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        for arguments in (
            control_plan(material_id="HSG-FC57-D"),
            control_plan(material_id="Machined housing FC57 (superseded rev C)"),
            control_plan(plan_row(machine_id="MC-1044")),
            control_plan(plan_row(machine_id="HMC 4")),
        ):
            failure = await plant.refused("create_quality_plan", arguments)
            assert failure.alternatives
            assert not {"HSG-FC57-C", "MC-104"} & set(failure.alternatives)


async def test_several_broken_rules_are_told_at_once(tmp_path: Path):
    wrong = control_plan(
        plan_row(usl=57.1), plan_row("SP-003", gauge_id="GG-02", unit="in", sampling="fixed", sample_size=None)
    )
    async with sample_plant(tmp_path) as plant:
        failure = await plant.refused("create_quality_plan", wrong)
        assert failure.field == "rows[0].usl"
        assert [entry.partition(":")[0] for entry in failure.also] == ["rows[1].sample_size", "rows[1].unit"]


async def test_an_overdue_gauge_is_a_warning(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("create_quality_plan", control_plan(plan_row("SP-004", gauge_id="GG-03")))
        assert answer["warnings"][0] == "rows[0].gauge_id: GG-03 is overdue for calibration since 2026-10-31."


async def test_another_phase_of_the_same_material_gets_a_plan_of_its_own(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await plant.call("create_quality_plan", control_plan())
        second = await plant.call("create_quality_plan", control_plan(phase="safe_launch"))
        assert second["record"]["id"] == "QP-0002"
        failure = await plant.refused("create_quality_plan", control_plan(title="Once more"))
        assert (failure.code, failure.alternatives) == ("conflict", ("QP-0001",))


async def test_a_row_that_is_changed_on_the_way_is_found_out(tmp_path: Path):
    honest = TOOLS["create_quality_plan"]

    async def run(request: Any, call: Any) -> Any:
        rows = tuple(row.model_copy(update={"frequency": "once a year"}) for row in request.rows)
        return await honest.run(request.model_copy(update={"rows": rows}), call)

    async with sample_plant(tmp_path) as plant:
        failure = await plant.refused(replace(honest, run=run), control_plan())
        assert isinstance(failure, VerificationFailed)
        assert failure.field == "rows[0].frequency"


async def test_a_second_plan_for_the_same_points_to_the_update(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        first = await plant.call("create_quality_plan", control_plan(phase="prototype"))
        failure = await plant.refused("create_quality_plan", control_plan(phase="prototype", title="Once more"))
        assert (failure.code, failure.alternatives) == ("conflict", (first["record"]["id"],))
        assert "update_quality_plan" in failure.suggestion


async def test_plans_are_found_by_what_they_are_for(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        made = {
            phase: (await plant.call("create_quality_plan", CASTING | {"phase": phase}))["record"]["id"]
            for phase in ("prototype", "safe_launch", "pre_launch")
        }

        async def found(**wanted: Any) -> list[str]:
            answer = await plant.call("get_quality_plans", {"project": "ALPHA", "material_id": "CST-FC57"} | wanted)
            return [plan["id"] for plan in answer["items"]]

        assert set(made.values()) <= set(await found())
        assert await found(phase="safe_launch") == [made["safe_launch"]]
        assert await found(phase="prototype", state="released") == []
        assert made["prototype"] not in await found(material_id="FC57-FG")
        assert await found(phase="prototype", needs_review=True) == []
        assert await found(phase="prototype", needs_review=False) == [made["prototype"]]


async def test_a_list_leaves_out_the_rows_and_counts_them(tmp_path: Path):
    wanted = {"project": "ALPHA", "material_id": "CST-FC57", "phase": "prototype"}
    async with sample_plant(tmp_path) as plant:
        made = (await plant.call("create_quality_plan", CASTING))["record"]
        (listed,) = (await plant.call("get_quality_plans", wanted))["items"]
        (whole,) = (await plant.call("get_quality_plans", {"project": "ALPHA", "id": made["id"]}))["items"]
        assert (listed["rows"], listed["row_count"], len(whole["rows"])) == ([], 1, 1)


async def test_of_each_plan_the_newest_revision_in_use_is_shown_and_any_other_on_demand(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        which = await a_draft(plant)
        await plant.call("update_quality_plan", change((0, "frequency", "every shift")) | which)

        async def revisions(**wanted: Any) -> list[int]:
            answer = await plant.call("get_quality_plans", {"project": "ALPHA", "phase": "prototype"} | wanted)
            return [plan["revision"] for plan in answer["items"] if plan["id"] == which["plan_id"]]

        assert await revisions() == [2]
        assert await revisions(id=which["plan_id"]) == [2]
        assert await revisions(id=which["plan_id"], revision=1) == [1]
        assert await revisions(state="superseded") == [1]
        failure = await plant.refused("get_quality_plans", {"project": "ALPHA", "id": which["plan_id"], "revision": 3})
        assert (failure.field, failure.alternatives) == ("revision", ("1", "2"))
        failure = await plant.refused("get_quality_plans", {"project": "ALPHA", "revision": 1})
        assert failure.field == "id"


async def test_a_plan_needs_review_when_it_was_asked_for_or_something_special_is_uncovered(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        which = await a_draft(plant)
        bare = await plant.call("create_quality_plan", control_plan(phase="prototype"))

        async def due() -> set[str]:
            answer = await plant.call("get_quality_plans", {"project": "ALPHA", "needs_review": True})
            return {plan["id"] for plan in answer["items"]}

        assert bare["record"]["id"] in await due()
        assert which["plan_id"] not in await due()
        async with plant.backend.unit_of_work() as unit:
            plan = await unit.get(QualityPlan, document_key(which["plan_id"], 1))
            assert plan is not None
            await unit.replace(plan.model_copy(update={"review_reason": "ISS-0012 was closed"}))
        assert which["plan_id"] in await due()


async def test_a_plan_needs_review_when_its_material_got_a_new_revision(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        which = await a_draft(plant)
        asked = {"project": "ALPHA", "material_id": "CST-FC57"}
        before = await plant.call("get_quality_plans", asked)
        assert (before["items"][0]["needs_review"], "warnings" in before) == (False, False)
        async with plant.backend.unit_of_work() as unit:
            material = await unit.get(Material, "CST-FC57")
            assert material is not None
            await unit.replace(material.model_copy(update={"revision": "D"}))
        after = await plant.call("get_quality_plans", asked)
        assert after["items"][0]["needs_review"]
        assert after["warnings"] == [
            f"{which['plan_id']} revision 1 is for CST-FC57 revision C; the material is at revision D now."
        ]
