from pathlib import Path
from typing import Any, get_args

import pytest

from mcp_server.backends.base import Query
from mcp_server.backends.sql.tables import TABLES
from mcp_server.domain.records import ChangedRecord, Document, DocumentState, HistoryEntry, QualityPlan
from mcp_server.tools.core.records import KINDS, RecordType
from tests.support.sample_plant import control_plan, report, sample_plant

pytestmark = pytest.mark.anyio

ALPHA = {"project": "ALPHA"}


def test_every_kind_that_is_stored_can_be_read():
    assert set(KINDS) == set(get_args(RecordType))
    assert set(KINDS.values()) == set(TABLES) - {HistoryEntry}


@pytest.mark.parametrize("kind", sorted(KINDS))
async def test_one_record_of_every_kind_is_read_as_it_is_stored(tmp_path: Path, kind: RecordType):
    async with sample_plant(tmp_path) as plant:
        async with plant.backend.reader() as reader:
            found = (await reader.find(KINDS[kind], Query(descending=True))).items
            stored = next(r for r in found if getattr(r, "project", "SHARED") in {"ALPHA", "SHARED"})
        answer = await plant.call("get_record", ALPHA | {"type": kind, "id": stored.id})
        assert answer["record"] == stored.model_dump(mode="json", exclude_none=True)
        counted = isinstance(stored, Document | ChangedRecord)
        assert answer.get("revision") == (stored.model_dump()["revision"] if counted else None)


async def test_a_document_comes_with_its_revisions_and_any_of_them_can_be_read(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        newest = await plant.call("get_record", ALPHA | {"type": "quality_plan", "id": "CP-A-01"})
        assert (newest["revision"], newest["record"]["state"]) == (2, "released")
        assert [(r["revision"], r["state"]) for r in newest["revisions"]] == [(1, "superseded"), (2, "released")]
        old = await plant.call("get_record", ALPHA | {"type": "quality_plan", "id": "CP-A-01", "revision": 1})
        assert (old["revision"], len(old["record"]["rows"])) == (1, 5)
        failure = await plant.refused("get_record", ALPHA | {"type": "quality_plan", "id": "CP-A-01", "revision": 3})
        assert (failure.code, failure.field, failure.alternatives) == ("not_found", "revision", ("1", "2"))


async def test_the_history_tells_who_made_a_record_and_only_when_asked(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        made = await plant.call("log_issue", report(on_behalf_of="Faye Kim"))
        wanted = ALPHA | {"type": "issue", "id": made["record"]["id"]}
        assert "history" not in await plant.call("get_record", wanted)
        (entry,) = (await plant.call("get_record", wanted | {"include_history": True}))["history"]
        assert (entry["tool"], entry["on_behalf_of"], entry["audit_id"]) == ("log_issue", "Faye Kim", made["audit_id"])


async def test_a_record_of_another_project_is_not_read(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        failure = await plant.refused("get_record", ALPHA | {"type": "machine", "id": "LA-301"})
        assert (failure.code, failure.field) == ("not_found", "id")
        assert failure.message == "LA-301 belongs to project GAMMA, not to ALPHA."


async def test_a_mistyped_id_gets_the_near_ones(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        failure = await plant.refused("get_record", ALPHA | {"type": "sop", "id": "SOP-A-60"})
        assert (failure.code, failure.field, failure.alternatives[0]) == ("not_found", "id", "SOP-A-060")


async def test_an_old_revision_of_what_is_no_document_is_told_to_be_gone(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        wanted = ALPHA | {"type": "issue", "id": "ISS-0071"}
        assert (await plant.call("get_record", wanted | {"revision": 1}))["revision"] == 1
        failure = await plant.refused("get_record", wanted | {"revision": 2})
        assert (failure.code, failure.field, failure.alternatives) == ("not_found", "revision", ("1",))


@pytest.mark.parametrize(
    ("q", "first"),
    [
        ("LT-131", ("machine", "LT-131")),
        ("spindle service MC-103", ("pm_task", "PM-MC103-03")),
        ("piston bore diameter", ("spec", "SP-001")),
        ("datum milling set-up", ("sop", "SOP-A-010")),
        ("oil separator", ("stock", "SPR-OIL-SEPARATOR")),
        ("lockout compressors", ("sop", "LOTO-AC")),
        ("KELVIN", None),
    ],
)
async def test_the_best_hit_comes_first(tmp_path: Path, q: str, first: tuple[str, str] | None):
    async with sample_plant(tmp_path) as plant:
        hits = (await plant.call("search_records", ALPHA | {"q": q}))["items"]
        assert first == next(((hit["type"], hit["id"]) for hit in hits), None)
        scores = [hit["score"] for hit in hits]
        assert scores == sorted(scores, reverse=True)
        assert all(0 < score <= 1 for score in scores)


async def test_only_what_the_project_may_see_is_found(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        for project in ("ALPHA", "GAMMA"):
            found = await plant.call("search_records", {"project": project, "q": "leak grinder washer", "limit": 50})
            assert {hit["project"] for hit in found["items"]} <= {project, "SHARED"}
        named = await plant.call("search_records", {"project": "GAMMA", "q": "Project Alpha", "types": ["project"]})
        assert [hit["id"] for hit in named["items"]] == ["GAMMA"]


async def test_a_document_is_found_once_at_its_newest_revision(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        asked = ALPHA | {"q": "FC57 assembly", "types": ["quality_plan"]}
        (hit,) = (await plant.call("search_records", asked))["items"]
        assert (hit["id"], hit["state"]) == ("CP-A-01", "released")


async def test_what_only_an_old_revision_said_is_not_found_as_if_it_still_stood(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        async with plant.backend.unit_of_work() as unit:
            (draft,) = (await unit.find(QualityPlan, Query({"id": ("CP-A-02",)}))).items
            await unit.replace(draft.model_copy(update={"state": DocumentState.SUPERSEDED}))
            await unit.insert(draft.model_copy(update={"revision": 2, "title": "Incoming goods"}))
        old = await plant.call("search_records", ALPHA | {"q": "receiving", "types": ["quality_plan"]})
        assert "CP-A-02" not in [hit["id"] for hit in old["items"]]
        (new,) = (await plant.call("search_records", ALPHA | {"q": "incoming goods"}))["items"]
        assert (new["id"], new["state"], new["score"]) == ("CP-A-02", "draft", 1.0)


async def test_a_new_record_is_found_at_once(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        made = await plant.call("create_quality_plan", control_plan(title="Zirconium trial"))
        (hit,) = (await plant.call("search_records", ALPHA | {"q": "zirconium"}))["items"]
        assert (hit["type"], hit["id"], hit["state"]) == ("quality_plan", made["record"]["id"], "draft")


async def test_hits_come_page_by_page(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        asked: dict[str, Any] = ALPHA | {"q": "leak", "limit": 3}
        first = await plant.call("search_records", asked)
        second = await plant.call("search_records", asked | {"cursor": first["next_cursor"]})
        keys = [(hit["type"], hit["id"]) for page in (first, second) for hit in page["items"]]
        assert len(set(keys)) == 6


async def test_an_unknown_type_gets_the_near_ones(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        failure = await plant.refused("search_records", ALPHA | {"q": "leak", "types": ["machine", "plan"]})
        assert (failure.code, failure.field) == ("precondition", "types[1]")
        assert "pm_plan" in failure.alternatives
