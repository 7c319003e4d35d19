import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from mcp_server.backends.remote.federation import FederatedBackend, companion_name, open_federated
from mcp_server.backends.remote.seeding import seed_federated
from mcp_server.backends.sql.seed import sample_records
from mcp_server.bundled import sample_plant_dir
from mcp_server.domain.records import Issue, Machine
from mcp_server.errors import BackendUnavailable, ConfigurationError
from mcp_server.pipeline.call import Pipeline
from tests.support.memory_system import MemorySystem, memory_system
from tests.support.sample_plant import AS_OF, CLOCK, SamplePlant, report

pytestmark = pytest.mark.anyio


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncGenerator[SamplePlant]:
    backend = await open_federated(memory_system(), tmp_path, lookup_waits_s=(0,))
    await seed_federated(backend, sample_records(sample_plant_dir(), AS_OF))
    yield SamplePlant(tmp_path, backend, Pipeline(backend, CLOCK))
    await backend.aclose()


def system_of(plant: SamplePlant) -> MemorySystem:
    backend = plant.backend
    assert isinstance(backend, FederatedBackend)
    assert isinstance(backend.system, MemorySystem)
    return backend.system


async def test_machines_come_from_the_system_and_their_details_from_the_companion_store(plant: SamplePlant) -> None:
    machines = system_of(plant).collections[Machine]
    machines.rows["MC-103"]["label"] = "Bore mill"

    answer = await plant.call("get_machines", {"project": "ALPHA", "limit": 200})

    found = {item["id"]: item for item in answer["items"]}
    assert found["MC-103"]["name"] == "Bore mill"
    assert found["MC-103"]["workstation"]
    assert answer["source"].startswith("memory MES + companion store (project")
    assert "details of machine" in answer["source"]


async def test_closing_closes_both_even_if_the_system_does_not_part_well(tmp_path: Path) -> None:
    system = memory_system()
    backend = await open_federated(system, tmp_path)
    closed: list[str] = []
    close = backend.store.aclose

    async def close_store() -> None:
        await close()
        closed.append("store")

    async def close_system() -> None:
        closed.append("system")
        raise BackendUnavailable("Down.")

    backend.store.aclose = close_store  # type: ignore[method-assign]  # it closes and says so
    system.aclose = close_system  # type: ignore[method-assign]  # it closes badly
    with pytest.raises(BackendUnavailable):
        await backend.aclose()
    assert closed == ["system", "store"]


async def test_a_companion_store_that_cannot_be_used_closes_the_system(tmp_path: Path) -> None:
    system = memory_system()
    (tmp_path / "a-file").write_text("")
    with pytest.raises(ConfigurationError):
        await open_federated(system, tmp_path / "a-file")
    assert system.closed


def test_each_system_has_a_companion_store_of_its_own() -> None:
    names = ["MES at a.example", "MES at a-example", "mes at a.example", "MES" * 40, "MES" * 41, "", "ÄÖ"]
    found = {companion_name(name) for name in names}
    assert len(found) == len(names)
    assert all(re.fullmatch(r"companion-[a-z0-9-]{0,40}-[0-9a-f]{8}", name) for name in found)


async def test_what_the_system_can_hold_stands_in_the_capabilities(plant: SamplePlant) -> None:
    found = plant.backend.capabilities
    assert (found.atomic, found.idempotency_keys, found.revisions) == (False, False, False)
    assert found.holdings[Issue].changes == {"state", "title"}
    assert found.holdings[Machine].fields == {"name", "status"}
    assert plant.backend.source == "memory MES + companion store"


async def test_a_written_record_is_in_the_system_and_its_rest_beside_it(plant: SamplePlant) -> None:
    answer = await plant.call("log_issue", report(), key="first-key-1")

    number = answer["record"]["id"]
    stored: dict[str, Any] = system_of(plant).collections[Issue].rows[number]
    assert stored["summary"] == report()["title"]
    assert answer["status"] == "created"
    assert answer["verification"]["fields_checked"] > 10
    shown = await plant.call("get_record", {"project": "ALPHA", "type": "issue", "id": number})
    assert shown["record"]["description"] == report()["description"]


async def test_the_source_says_when_a_record_is_only_in_the_companion_store(plant: SamplePlant) -> None:
    seeded = await plant.call("get_record", {"project": "ALPHA", "type": "issue", "id": "ISS-0001"})
    written = await plant.call("log_issue", report(), key="first-key-1")
    assert "records only here: issue" in seeded["source"]
    assert "only here" not in written["source"]
