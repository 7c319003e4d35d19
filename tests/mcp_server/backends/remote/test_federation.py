from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from mcp_server.backends.remote.federation import FederatedBackend, open_federated
from mcp_server.backends.remote.seeding import seed_federated
from mcp_server.backends.sql.seed import sample_records
from mcp_server.bundled import sample_plant_dir
from mcp_server.domain.records import Issue, Machine
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
    assert "what the system does not hold of a machine" in answer["source"]


async def test_a_written_record_is_in_the_system_and_its_rest_beside_it(plant: SamplePlant) -> None:
    answer = await plant.call("log_issue", report(), key="first-key-1")

    number = answer["record"]["id"]
    stored: dict[str, Any] = system_of(plant).collections[Issue].rows[number]
    assert stored["summary"] == report()["title"]
    assert answer["status"] == "created"
    assert answer["verification"]["fields_checked"] > 10
    shown = await plant.call("get_record", {"project": "ALPHA", "type": "issue", "id": number})
    assert shown["record"]["description"] == report()["description"]
