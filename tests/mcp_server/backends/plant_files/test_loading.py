from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from mcp_server.backends.base import Query
from mcp_server.backends.plant_files import own_records
from mcp_server.backends.remote.federation import open_federated
from mcp_server.backends.remote.seeding import seed_federated
from mcp_server.backends.sql.provision import open_store, reseed
from mcp_server.backends.sql.provision_postgres import open_postgres, reseed_postgres
from mcp_server.bundled import sample_plant_dir
from mcp_server.domain.records import Document, Issue, Machine, Project, Record
from mcp_server.errors import ConfigurationError
from mcp_server.pipeline.call import Pipeline
from tests.support.memory_system import memory_system
from tests.support.postgres import Cluster
from tests.support.sample_plant import AS_OF, CLOCK, SamplePlant, report

pytestmark = pytest.mark.anyio

WriteFiles = Callable[..., Path]


async def load(data_dir: Path, records: list[Record]) -> dict[str, int] | None:
    return await reseed(data_dir, sample_plant=sample_plant_dir(), as_of=AS_OF, erase=False, own=records)


def test_every_file_of_the_sample_plant_can_be_a_plant_s_own() -> None:
    records = own_records(sample_plant_dir(), AS_OF)
    kinds = {type(record) for record in records}
    assert len(kinds) == 23
    project = next(record for record in records if isinstance(record, Project))
    assert project.sop_date == date(2024, 9, 2)


def test_nobody_is_said_to_have_signed_or_done_anything() -> None:
    records = own_records(sample_plant_dir(), AS_OF)
    assert not any(record.signatures for record in records if isinstance(record, Document))
    issues = [record for record in records if isinstance(record, Issue)]
    assert not any(issue.triage or issue.actions or issue.closed_by for issue in issues)
    assert {issue.detected_by for issue in issues} == {"plant files"}


async def test_a_plant_of_one_file_can_be_worked_with(plant: WriteFiles, tmp_path: Path) -> None:
    assert await load(tmp_path, own_records(plant(), AS_OF)) == {"projects": 1}

    async with aclosing(await open_store(tmp_path, sample_plant=sample_plant_dir(), as_of=AS_OF)) as store:
        assert store.source == "sqlite:plant.sqlite3"
        answer = await SamplePlant(tmp_path, store, Pipeline(store, CLOCK)).call(
            "log_issue", report(project="PUMP", machine_id=None, spec_id=None, material_id=None), key="first-of-pump"
        )
        assert answer["record"]["project"] == "PUMP"
        async with store.reader() as reader:
            assert [project.id for project in (await reader.find(Project, Query())).items] == ["PUMP"]


async def test_a_store_that_holds_a_plant_stays_as_it_is(plant: WriteFiles, tmp_path: Path) -> None:
    records = own_records(plant(), AS_OF)
    await load(tmp_path, records)
    assert await load(tmp_path, records) is None


async def test_all_is_stored_or_nothing(plant: WriteFiles, tmp_path: Path) -> None:
    records = own_records(plant(), AS_OF)
    with pytest.raises(ConfigurationError, match="a record that the store refuses"):
        await load(tmp_path, [*records, records[0].model_copy(update={"name": "again"})])
    async with (
        aclosing(await open_store(tmp_path, sample_plant=sample_plant_dir(), as_of=AS_OF, seed=False)) as store,
        store.reader() as reader,
    ):
        assert (await reader.find(Project, Query())).total == 0


async def test_an_issue_is_loaded_with_what_its_file_says(plant: WriteFiles) -> None:
    issues = (
        "issue_id,project,title,category,severity,state,opened_on,qty_affected,description,detected_by\n"
        "I-1,PUMP,Oil on the floor,safety,critical,open,2026-03-01,0,Under the mill.,shift A\n"
    )
    (issue,) = [r for r in own_records(plant(issues=issues), AS_OF) if isinstance(r, Issue)]
    assert (issue.description, issue.detected_by) == ("Under the mill.", "shift A")
    assert issue.opened_at == datetime(2026, 3, 1, 8, tzinfo=UTC)


async def test_what_a_remote_system_has_already_is_matched_by_id_and_only_completed(tmp_path: Path) -> None:
    system = memory_system()
    machines = system.collections[Machine]
    machines.rows["MC-101"] = {"stamp": "MC-101", "label": "Theirs", "state": "on"}
    said: list[str] = []
    async with aclosing(await open_federated(system, tmp_path, lookup_waits_s=(0,))) as backend:
        counts = await seed_federated(backend, own_records(sample_plant_dir(), AS_OF), progress=said.append)
        assert counts is not None
        assert counts["machine"] == 42
        assert "create MC-101" not in machines.requests
        assert machines.rows["MC-101"]["label"] == "Theirs"
        async with backend.reader() as reader:
            known = await reader.get(Machine, "MC-101")
        assert known is not None
        assert (known.name, known.workstation) == ("Theirs", "ALPHA-OP10")
    assert "memory MES: every machine …" in said


async def test_postgresql_takes_all_of_it_or_nothing(plant: WriteFiles, cluster: Cluster, empty_database: str) -> None:
    url, records = cluster.url(empty_database), own_records(plant(), AS_OF)

    async def stored(own: list[Record]) -> dict[str, int] | None:
        return await reseed_postgres(url, sample_plant=sample_plant_dir(), as_of=AS_OF, erase=False, own=own)

    with pytest.raises(ConfigurationError, match="a record that the store refuses"):
        await stored([*records, records[0].model_copy(update={"name": "again"})])
    assert await stored(records) == {"projects": 1}
    assert await stored(records) is None
    async with aclosing(await open_postgres(url, sample_plant=sample_plant_dir(), as_of=AS_OF)) as store:
        assert store.source == f"postgresql:127.0.0.1/{empty_database}"
