from pathlib import Path

import pytest

from mcp_server.backends.base import Query
from mcp_server.backends.remote.federation import FederatedBackend, open_federated
from mcp_server.backends.remote.seeding import seed_federated
from mcp_server.domain.records import Machine, Project
from mcp_server.errors import AnswerLost, Conflict, RuleViolated
from tests.support.federated_plant import Fuse, plant_records
from tests.support.memory_system import MemorySystem, memory_system

pytestmark = pytest.mark.anyio

MACHINES = [r for r in plant_records() if isinstance(r, Machine)]


async def opened(folder: Path, system: MemorySystem) -> FederatedBackend:
    return await open_federated(system, folder, lookup_waits_s=(0,))


async def test_master_data_goes_into_the_system_and_everything_beside_it(tmp_path: Path):
    system = memory_system()
    backend = await opened(tmp_path, system)
    try:
        counts = await seed_federated(backend, plant_records())
        assert counts == {"machine": len(MACHINES), "companion": len(plant_records())}
        assert list(system.collections[Machine].rows) == [machine.id for machine in MACHINES]
        async with backend.reader() as reader:
            assert (await reader.find(Machine, Query())).items == tuple(sorted(MACHINES, key=lambda m: m.id))
    finally:
        await backend.aclose()


async def test_a_plant_that_is_there_is_left_alone(tmp_path: Path):
    system = memory_system()
    backend = await opened(tmp_path, system)
    try:
        await seed_federated(backend, plant_records())
        system.collections[Machine].rows.clear()
        assert await seed_federated(backend, plant_records()) is None
        assert system.collections[Machine].rows == {}
    finally:
        await backend.aclose()


async def test_what_the_system_has_already_is_left_as_it_is_and_what_it_does_not_take_stays_here(tmp_path: Path):
    system = memory_system()
    machines = system.collections[Machine]
    machines.rows["7"] = machines.encoded(MACHINES[0]) | {"label": "Its own name"}
    machines.taken = lambda machine: machine.id != MACHINES[1].id
    backend = await opened(tmp_path, system)
    try:
        counts = await seed_federated(backend, plant_records())
        assert counts == {"machine": len(MACHINES) - 1, "companion": len(plant_records())}
        async with backend.reader() as reader:
            first = await reader.get(Machine, MACHINES[0].id)
            assert first is not None
            assert first.name == "Its own name"
            assert await reader.get(Machine, MACHINES[1].id) == MACHINES[1]
        assert MACHINES[1].id not in machines.rows
    finally:
        await backend.aclose()


async def test_what_the_system_has_under_a_name_of_its_own_is_taken_for_the_same_only_when_it_is_equal(tmp_path: Path):
    system = memory_system()
    machines = system.collections[Machine]
    machines.rows[MACHINES[0].id] = machines.encoded(MACHINES[0]) | {"stamp": "HMC"}
    backend = await opened(tmp_path, system)
    try:
        machines.rows[MACHINES[0].id]["label"] = "Another"
        with pytest.raises(Conflict):
            await seed_federated(backend, plant_records())
        machines.rows[MACHINES[0].id]["label"] = MACHINES[0].name
        counts = await seed_federated(backend, plant_records())
        assert counts == {"machine": len(MACHINES), "companion": len(plant_records())}
        async with backend.reader() as reader:
            assert (await reader.find(Machine, Query())).items == tuple(sorted(MACHINES, key=lambda m: m.id))
    finally:
        await backend.aclose()


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_seeding_that_broke_off_is_repeated_without_doubles(tmp_path: Path, moment: str):
    system = memory_system()
    machines = system.collections[Machine]
    setattr(machines, moment, Fuse(5, lambda: AnswerLost("Lost.")))
    backend = await opened(tmp_path, system)
    try:
        with pytest.raises(AnswerLost):
            await seed_federated(backend, plant_records())
        counts = await seed_federated(backend, plant_records())
        assert counts == {"machine": len(MACHINES), "companion": len(plant_records())}
        assert [row["stamp"] for row in machines.rows.values()] == [machine.id for machine in MACHINES]
    finally:
        await backend.aclose()


async def test_a_record_that_the_system_refuses_is_told_and_the_companion_store_stays_empty(tmp_path: Path):
    system = memory_system()
    system.collections[Machine].before = Fuse(3, lambda: RuleViolated("No such type."))
    backend = await opened(tmp_path, system)
    try:
        with pytest.raises(RuleViolated):
            await seed_federated(backend, plant_records())
        async with backend.reader() as reader:
            assert (await reader.find(Project, Query())).total == 0
    finally:
        await backend.aclose()
