"""One contract for every backend: the same calls, the same results and errors, or a capability flag says why not."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from mcp_server.backends.base import Backend, Capabilities, Query
from mcp_server.backends.sql.tables import TABLES
from mcp_server.domain.records import Issue, Record
from tests.support.backends import DESCRIBED, NOT_RUN, REAL, Stage, is_run
from tests.support.checks import ALPHA
from tests.support.contract_calls import PAGED, READINGS, STORY, Answer, Step, tell
from tests.support.issue_steps import issue_after, step
from tests.support.plant_system import Behavior
from tests.support.sample_plant import TOOLS, SamplePlant, sample_plant

pytestmark = pytest.mark.anyio

described = pytest.mark.parametrize("stage", DESCRIBED, indirect=True)
"""Only of our own system can a test touch the records behind our back, and delete them."""
_ONLY_HERE = {"source", "audit_id", "verification"}
"""What may differ in any answer: where it comes from, its number in the log, and how much there was to compare."""


def told(answer: Answer, residents: frozenset[str] = frozenset()) -> Answer:
    """The answer without what may differ, and without what the system of record held before."""
    kept = {name: value for name, value in answer.items() if name not in _ONLY_HERE}
    if any(isinstance(item, dict) and item.get("id") in residents for item in kept.get("items", ())):
        kept["items"] = [item for item in kept["items"] if item["id"] not in residents]
        kept["total"] -= len(answer["items"]) - len(kept["items"])
    return kept


def told_alike(one: Answer, other: Answer, residents: frozenset[str]) -> bool:
    """A refusal proposes, and counts, what the system of record held before too."""
    if residents and one.get("error", {}).get("code") == "not_found":
        one, other = ({**answer.get("error", answer), "suggestion": "", "alternatives": ()} for answer in (one, other))
    return told(one) == told(other, residents)


@pytest.mark.parametrize("name", REAL)
def test_a_real_system_is_among_the_backends(name: str):
    if not is_run(name):
        pytest.skip(f"{NOT_RUN}{name}: it is another program; `make backends` installs and starts it")


def test_the_story_calls_every_tool_well_and_meets_every_refusal():
    assert {step.tool for step in STORY if step.code is None} == set(TOOLS)
    assert len({step.name for step in STORY}) == len(STORY)
    assert {step.code for step in STORY} == {
        None, "validation", "not_found", "precondition", "conflict", "confirmation_required",
    }  # fmt: skip


async def test_what_only_checks_leaves_nothing(stage: Stage, tmp_path: Path):
    async with stage.open(tmp_path) as plant:
        before = await everything(plant.backend)
        asked: list[str] = []
        for checked in STORY:
            if checked.name.endswith("checked only") and isinstance(given := _alone(checked), dict):
                assert (await plant.call(checked.tool, given))["dry_run"] is True
                asked.append(checked.tool)
        assert len(asked) >= 8
        assert await everything(plant.backend) == before


def _alone(step: Step) -> dict[str, Any] | None:
    """The arguments of a step that needs no other before it."""
    try:
        return step.arguments({})
    except LookupError:
        return None


async def everything(backend: Backend) -> dict[type[Record], tuple[Record, ...]]:
    async with backend.reader() as reader:
        return {kind: (await reader.find(kind, Query())).items for kind in TABLES}


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    """How the story ends on the embedded store."""

    async def told_there() -> dict[str, Answer]:
        async with sample_plant(tmp_path_factory.mktemp("expected")) as plant:
            return await tell(plant, STORY)

    return anyio.run(told_there)


def test_the_story_ends_as_it_says(on_sqlite: dict[str, Answer]):
    assert [s.name for s in STORY if not _as_told(s, on_sqlite[s.name])] == []


async def test_the_same_calls_have_the_same_results_and_errors(
    stage: Stage, on_sqlite: dict[str, Answer], tmp_path: Path
):
    expected = on_sqlite
    async with stage.open(tmp_path) as plant:
        found = expected if stage.name == "sqlite" else await tell(plant, STORY)
        flags = plant.backend.capabilities
    differing = [s.name for s in STORY if not told_alike(expected[s.name], found[s.name], stage.residents)]
    assert {name: (expected[name], found[name]) for name in differing} == {}
    for told_step in STORY:
        if "error" not in found[told_step.name]:
            _has_its_evidence(told_step, found[told_step.name], flags)


def _as_told(step: Step, answer: Answer) -> bool:
    """Whether it ended as the step says."""
    error = answer.get("error", {})
    return error.get("code") == step.code and (step.field is None or error.get("field") == step.field)


def _has_its_evidence(step: Step, answer: Answer, flags: Capabilities) -> None:
    """A write says what was read back and, where several stores hold it, which.

    A call that only checks has nothing to read back on a system without transactions.
    """
    if not TOOLS[step.tool].writes:
        assert ("source" in answer) == ("source" in TOOLS[step.tool].result.model_fields), step.name
        return
    assert ("source" in answer) == (not flags.atomic and not answer["dry_run"]), step.name
    assert ("verification" in answer) == (flags.atomic or not answer["dry_run"]), step.name
    assert ("audit_id" in answer) == (not answer["dry_run"]), step.name


async def test_every_list_is_paged_to_its_end(stage: Stage, tmp_path: Path):
    async with stage.open(tmp_path) as plant:
        for tool in PAGED:
            whole = await plant.call(tool, {**READINGS[tool], "limit": 50})
            items, total = await paged(plant, tool, limit=max(1, min(50, whole["total"] // 3)))
            assert len(items) == total == whole["total"], tool
            assert items[: len(whole["items"])] == whole["items"], tool


async def paged(plant: SamplePlant, tool: str, *, limit: int) -> tuple[list[Any], int]:
    """All items, page by page, and the total that the last page tells."""
    items: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = await plant.call(tool, {**READINGS[tool], "limit": limit} | cursor)
        items += page["items"]
        if "next_cursor" not in page:
            return items, page["total"]
        cursor = {"cursor": page["next_cursor"]}


async def test_the_flags_are_true_of_the_fields(stage: Stage, tmp_path: Path):
    async with stage.open(tmp_path) as plant:
        flags = plant.backend.capabilities
        assert (flags.holdings == {}) == flags.atomic == stage.sql
        for kind, holding in flags.holdings.items():
            assert holding.fields <= kind.model_fields.keys()
            assert holding.changes <= holding.fields


async def test_what_was_written_is_read_and_comes_from_both_stores(stage: Stage, tmp_path: Path):
    async with stage.open(tmp_path) as plant:
        issue = await issue_after(plant, "triage", "containment")
        read = await plant.call("get_record", ALPHA | {"type": "issue", "id": issue["id"]})
        assert read["record"] == issue
        assert issue["containment"]["what"] == "Both boxes of the shift are on hold."
        holding = plant.backend.capabilities.holdings.get(Issue)
        if holding is not None:
            assert "containment" not in holding.fields
            system, _, companion = read["source"].partition(" + ")
            assert plant.backend.source.startswith(system)
            assert companion.startswith("companion store (")
            assert "issue" in companion


@described
async def test_a_change_behind_our_back_is_seen_and_refuses_who_read_before(stage: Stage, tmp_path: Path):
    house = stage.house
    assert house is not None
    async with stage.open(tmp_path) as plant:
        issue = await issue_after(plant, "triage")
        [stored] = house.plant.named("issues", issue["id"])
        stored |= {"pieces": 7, "version": stored["version"] + 1}
        read = (await plant.call("get_record", ALPHA | {"type": "issue", "id": issue["id"]}))["record"]
        assert (read["qty_affected"], read["triage"]) == (7, issue["triage"])
        refusal = await plant.refused("update_issue", step("containment", issue["id"], issue["revision"]))
        assert (refusal.code, refusal.field) == ("conflict", "expected_revision")
        after = await plant.call("update_issue", step("containment", issue["id"], read["revision"]))
        assert (after["record"]["qty_affected"], after["record"]["state"]) == (7, "contained")


@described
async def test_what_the_flags_say_cannot_be_changed_is_refused(stage: Stage, tmp_path: Path):
    assert stage.behaving is not None
    async with stage.behaving(tmp_path, Behavior(fixed=frozenset({"qty_affected"}))) as plant:
        flags = plant.backend.capabilities.holdings[Issue]
        assert flags.fields - flags.changes == {"qty_affected"}
        issue = await issue_after(plant)
        triage = step("triage", issue["id"], issue["revision"])
        refusal = await plant.refused("update_issue", triage | {"qty": 5})
        assert refusal.code == "precondition"
        assert "qty_affected" in refusal.message
        assert (await plant.call("update_issue", triage))["record"]["state"] == "triaged"


@described
async def test_what_was_deleted_there_is_gone_here(stage: Stage, tmp_path: Path):
    house = stage.house
    assert house is not None
    async with stage.open(tmp_path) as plant:
        issue = await issue_after(plant, "triage")
        [stored] = house.plant.named("issues", issue["id"])
        del house.plant.tables["issues"][stored["ref"]]
        refusal = await plant.refused("get_issues", ALPHA | {"id": issue["id"]})
        assert refusal.code == "not_found"
        assert (await plant.call("get_issues", ALPHA | {"opened_from": "2026-11-22T00:00:00Z"}))["items"] == []
        refusal = await plant.refused("update_issue", step("containment", issue["id"], issue["revision"]))
        assert refusal.code == "not_found"


@described
async def test_what_somebody_made_there_is_read_here(stage: Stage, tmp_path: Path):
    house = stage.house
    assert house is not None
    async with stage.open(tmp_path) as plant:
        house.plant.tables["materials"]["X-1"] = {
            "ref": "X-1", "code": "X-1", "version": 1, "site": "ALPHA", "label": "Shim", "kind": "part",
            "norm": "none", "rev": "A", "unit": "pcs",
        }  # fmt: skip
        [material] = (await plant.call("get_materials", ALPHA | {"ids": ["X-1"]}))["items"]
        assert (material["name"], material["supplier"], material["status"]) == ("Shim", "", "released")
