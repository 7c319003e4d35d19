"""A changed plan is a new revision: what may be changed, what comes out, and what stays as it was."""

from pathlib import Path
from typing import Any

import pytest

from mcp_server.domain.records import QualityPlan, document_key
from tests.mcp_server.tools.checks.documents import APPROVED, SUBMITTED, a_plan, decide
from tests.mcp_server.tools.checks.quality import HARDNESS, a_draft, change
from tests.support.sample_plant import SamplePlant, control_plan, plan_row, sample_plant

pytestmark = pytest.mark.anyio


async def released(plant: SamplePlant) -> dict[str, Any]:
    """A released plan, as the arguments that name it."""
    which = await a_plan(SUBMITTED, APPROVED)(plant)
    asked = await plant.refused("approve_document", decide("release", "E113", **which))
    await plant.call("approve_document", decide("release", "E113", **which, confirmation=asked.alternatives[0]))
    return {"plan_id": which["id"], "expected_revision": 1}


def states(plant: SamplePlant, plan_id: str) -> list[tuple[int, str]]:
    rows = plant.rows(f"SELECT revision, state FROM quality_plans WHERE id = '{plan_id}' ORDER BY revision")
    return [(row["revision"], row["state"]) for row in rows]


async def test_a_changed_draft_is_the_next_revision_and_the_old_one_is_superseded(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        which = await a_draft(plant)
        answer = await plant.call("update_quality_plan", change((0, "usl", "225")) | which)
        assert (answer["status"], answer["record"]["revision"], answer["record"]["state"]) == ("updated", 2, "draft")
        assert answer["record"]["rows"][0]["usl"] == 225
        assert answer["record"]["change_reason"] == "Complaint of the customer, 8D 4711"
        assert answer["diff"] == [{"row": 0, "field": "usl", "before": "230.0", "after": "225.0"}]
        assert states(plant, which["plan_id"]) == [(1, "superseded"), (2, "draft")]
        old = plant.rows(f"SELECT usl FROM quality_plan_rows WHERE plan_key = '{document_key(which['plan_id'], 1)}'")
        assert old == [{"usl": 230.0}]


async def test_a_released_plan_stays_in_force_word_for_word(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        which = await released(plant)
        before = plant.rows(f"SELECT * FROM quality_plans WHERE id = '{which['plan_id']}'")
        answer = await plant.call("update_quality_plan", change((0, "usl", "225")) | which)
        assert answer["record"].get("signatures") == []
        after = plant.rows(f"SELECT * FROM quality_plans WHERE id = '{which['plan_id']}' AND revision = 1")
        assert after == before
        assert states(plant, which["plan_id"]) == [(1, "released"), (2, "draft")]


@pytest.mark.parametrize(("decisions", "state"), [([SUBMITTED], "in_review"), ([SUBMITTED, APPROVED], "approved")])
async def test_a_plan_under_decision_is_rejected_before_it_is_changed(tmp_path: Path, decisions: Any, state: str):
    async with sample_plant(tmp_path) as plant:
        which = await a_plan(*decisions)(plant)
        edit = change((0, "usl", "225"), plan_id=which["id"], expected_revision=1)
        failure = await plant.refused("update_quality_plan", edit)
        assert (failure.code, failure.field) == ("precondition", "plan_id")
        assert state in failure.message
        assert "approve_document" in failure.suggestion
        await plant.call("approve_document", decide("reject", "E113", **which, comment="Limits are too wide"))
        assert (await plant.call("update_quality_plan", edit))["record"]["revision"] == 2


async def test_a_withdrawn_draft_leaves_the_released_revision_to_be_changed_and_its_number_unused(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        which = await released(plant)
        await plant.call("update_quality_plan", change((0, "usl", "225")) | which)
        second = decide("withdraw", "E112", id=which["plan_id"], revision=2, comment="Made by mistake")
        asked = await plant.refused("approve_document", second)
        await plant.call("approve_document", second | {"confirmation": asked.alternatives[0]})
        answer = await plant.call("update_quality_plan", change((0, "usl", "220")) | which)
        assert answer["record"]["revision"] == 3
        assert states(plant, which["plan_id"]) == [(1, "released"), (2, "withdrawn"), (3, "draft")]


async def test_an_ended_plan_cannot_be_changed(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        which = await a_plan()(plant)
        ended = decide("withdraw", "E112", **which, comment="Part was cancelled")
        asked = await plant.refused("approve_document", ended)
        await plant.call("approve_document", ended | {"confirmation": asked.alternatives[0]})
        edit = change((0, "usl", "225"), plan_id=which["id"], expected_revision=1)
        failure = await plant.refused("update_quality_plan", edit)
        assert (failure.field, failure.suggestion) == ("plan_id", "It has ended; create a new plan.")


async def test_rows_are_added_changed_and_removed_in_one_call(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        made = await plant.call(
            "create_quality_plan", control_plan(plan_row(), plan_row("SP-003", gauge_id="GG-02"), phase="prototype")
        )
        edit = change(
            (2, "spec_id", "SP-004"),
            (2, "gauge_id", "GG-03"),
            (2, "sampling", "full"),
            plan_id=made["record"]["id"],
            expected_revision=1,
            copy_rows=[1],
            remove_rows=[0],
        )
        edit["changes"] += [{"field": "core_team", "value": "Quality; Machining"}, {"field": "title", "value": "Bores"}]
        answer = await plant.call("update_quality_plan", edit)
        kept, added = answer["record"]["rows"]
        assert kept == made["record"]["rows"][1]
        assert (added["spec_id"], added["characteristic"], added["usl"]) == ("SP-004", "Seal groove width", 4.8)
        assert (added["technique"], added["sampling"]) == ("groove gauge GG-03", "full")
        assert "sample_size" not in added
        assert answer["record"]["core_team"] == ["Quality", "Machining"]
        assert answer["diff"] == [
            {"field": "title", "before": "Housing FC57, machining", "after": "Bores"},
            {"field": "core_team", "before": "", "after": "Quality; Machining"},
            {"row": 1, "field": "added", "after": "SP-004"},
            {"row": 0, "field": "removed", "before": "SP-001"},
        ]
        assert answer["warnings"][1].startswith("rows[1].gauge_id: GG-03 is overdue for calibration")
        assert answer["coverage"]["special_covered"] == 2


async def test_a_patch_that_changes_nothing_makes_no_revision(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        which = await a_draft(plant)
        for edit in (change(), change((0, "usl", "230"))):
            answer = await plant.call("update_quality_plan", edit | which)
            assert (answer["status"], answer["record"]["revision"], answer["diff"]) == ("unchanged", 1, [])
            assert "no revision was made" in answer["warnings"][0]
        assert states(plant, which["plan_id"]) == [(1, "draft")]


async def test_a_review_that_was_asked_for_is_answered_by_a_revision_even_without_a_change(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        which = await a_draft(plant)
        async with plant.backend.unit_of_work() as unit:
            plan = await unit.get(QualityPlan, document_key(which["plan_id"], 1))
            assert plan is not None
            await unit.replace(plan.model_copy(update={"review_reason": "ISS-0012 was closed"}))
        answer = await plant.call("update_quality_plan", change() | which)
        assert (answer["status"], answer["record"].get("review_reason")) == ("updated", None)
        assert answer["diff"] == [{"field": "review_reason", "before": "ISS-0012 was closed"}]
        assert answer["warnings"] == ["This revision must answer the review asked for: ISS-0012 was closed"]


async def test_a_dry_run_shows_the_next_revision_and_stores_nothing(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        which = await a_draft(plant)
        answer = await plant.call("update_quality_plan", change((0, "usl", "225"), dry_run=True) | which)
        assert (answer["dry_run"], answer["record"]["revision"]) == (True, 2)
        assert states(plant, which["plan_id"]) == [(1, "draft")]


async def test_the_second_of_two_editors_is_told_to_read_again(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        which = await a_draft(plant)
        await plant.call("update_quality_plan", change((0, "usl", "225")) | which)
        failure = await plant.refused("update_quality_plan", change((0, "usl", "220")) | which)
        assert (failure.code, failure.field, failure.alternatives) == ("conflict", "expected_revision", ("2",))


REFUSED: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "wider than the specification": (change((0, "usl", "231")), "precondition", "changes[0].value", "tighten"),
    "no number": (change((0, "usl", "about 225")), "validation", "changes[0].value", "Give usl"),
    "a required field cleared": (
        change() | {"changes": [{"row": 0, "field": "frequency"}]},
        "validation",
        "changes[0].value",
        "Give frequency",
    ),
    "an unknown row": (change((4, "usl", "225")), "validation", "changes[0].row", "Rows are 0 to 0"),
    "no row": (
        change() | {"changes": [{"field": "usl", "value": "225"}]},
        "validation",
        "changes[0].row",
        "Say which row",
    ),
    "the same field twice": (
        change((0, "usl", "225"), (0, "usl", "226")),
        "validation",
        "changes[1].field",
        "Keep one",
    ),
    "every row removed": (change(remove_rows=[0]), "validation", "remove_rows", "withdraw"),
    "a removed row changed": (
        change((0, "usl", "225"), copy_rows=[0], remove_rows=[0]),
        "validation",
        "changes[0].row",
        "one of the two",
    ),
    "a copy left as it is": (change(copy_rows=[0]), "precondition", "copy_rows[0]", "Remove one"),
    "a row cut loose from its specification": (
        change() | {"changes": [{"row": 0, "field": "spec_id"}]},
        "precondition",
        "changes[0].value",
        "Give spec_id SP-008",
    ),
    "a retired machine": (change((0, "machine_id", "MC-104")), "precondition", "changes[0].value", "At ALPHA-OP20"),
    "a specification of another part": (
        change((0, "spec_id", "SP-001")),
        "precondition",
        "changes[0].value",
        "CST-FC57 has SP-008",
    ),
    "what another change asks for": (
        change((0, "sampling", "aql")),
        "precondition",
        "changes",
        "Give one of",
    ),
    "an unknown plan": (change() | {"plan_id": "QP-9999"}, "not_found", "plan_id", ""),
}


@pytest.mark.parametrize("wrong", REFUSED)
async def test_a_refused_change_names_its_place_and_the_way_out_and_leaves_the_plan(tmp_path: Path, wrong: str):
    arguments, code, field, way_out = REFUSED[wrong]
    async with sample_plant(tmp_path) as plant:
        which = await a_draft(plant)
        failure = await plant.refused("update_quality_plan", which | arguments)
        assert (failure.code, failure.field) == (code, field)
        assert way_out in failure.suggestion
        assert states(plant, which["plan_id"]) == [(1, "draft")]


async def test_the_rows_of_the_casting_plan_meet_every_rule(tmp_path: Path):
    """What the tests above start from: no warning, nothing uncovered."""
    async with sample_plant(tmp_path) as plant:
        made = await plant.call(
            "create_quality_plan", control_plan(HARDNESS, material_id="CST-FC57", phase="prototype")
        )
        assert "warnings" not in made
        assert made["coverage"] == {"special_total": 1, "special_covered": 1, "missing": []}
