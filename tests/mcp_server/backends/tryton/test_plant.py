import pytest
import respx

from mcp_server.backends.remote.merging import held_differently, merged
from mcp_server.backends.tryton import TrytonSystem
from mcp_server.domain.records import Machine, MachineStatus, Material
from mcp_server.errors import AnswerLost, Conflict, NotFound, RuleViolated
from tests.mcp_server.backends.tryton.conftest import BASE, Replay, recorded
from tests.support.tryton_records import machine, material

pytestmark = pytest.mark.anyio


async def test_a_machine_is_made_with_its_mark(system: TrytonSystem, replay: Replay) -> None:
    replay("machines", "made")
    assert await system.collections[Machine].create(machine(), "key") == "production.work.center,1"


async def test_only_what_differs_is_written(system: TrytonSystem, replay: Replay) -> None:
    replay("machines", "found", "renamed")
    machines = system.collections[Machine]
    row = await machines.one("MC-103", None)
    assert row is not None
    await machines.change(machine(), machine(status=MachineStatus.IDLE), row, "key")  # Tryton knows only: in use
    await machines.change(machine(), machine(name="HMC 3b"), row, "key")


async def test_a_machine_out_of_use_is_made_and_then_put_out_of_use(system: TrytonSystem, replay: Replay) -> None:
    replay("machines", "made out of use")
    out = machine("MC-900", status=MachineStatus.DECOMMISSIONED, name="HMC 9")
    assert await system.collections[Machine].create(out, "key") == "production.work.center,2"


async def test_a_machine_that_could_not_be_put_out_of_use_is_not_called_absent(
    system: TrytonSystem, replay: Replay
) -> None:
    made, put_out = recorded("machines", "made out of use")
    put_out["answer"] = recorded("refusals", "400")[0]["answer"]
    replay("machines", exchanges=[made, put_out])
    out = machine("MC-900", status=MachineStatus.DECOMMISSIONED, name="HMC 9")
    with pytest.raises(AnswerLost, match="took 1 of 2 steps"):
        await system.collections[Machine].create(out, "key")


async def test_a_machine_is_put_into_use_before_it_is_renamed(system: TrytonSystem, replay: Replay) -> None:
    found = recorded("machines", "three on two pages")[0]
    found["request"]["domain"].insert(0, ["name", "like", "[MC-900]%"])
    found["answer"]["json"] = [
        {"__name__": "production.work.center", "id": 2, "name": "[MC-900] HMC 9", "active": 0},
    ]
    found["answer"]["headers"]["content-range"] = "records 0-1/1"
    replay("machines", exchanges=[found, *recorded("machines", "taken back")])
    machines = system.collections[Machine]
    row = await machines.one("MC-900", None)
    assert row is not None
    before = merged(machines, row, None)
    assert before.status is MachineStatus.DECOMMISSIONED
    await machines.change(before, machine("MC-900", name="HMC 9b"), row, "key")


async def test_a_status_that_tryton_does_not_tell_apart_stands_as_we_know_it(
    system: TrytonSystem, replay: Replay
) -> None:
    replay("machines", "found")
    machines = system.collections[Machine]
    row = await machines.one("MC-103", None)
    assert row is not None
    assert merged(machines, row, machine(status=MachineStatus.DOWN)).status is MachineStatus.DOWN
    assert merged(machines, row, machine(status=MachineStatus.DECOMMISSIONED)).status is MachineStatus.RUNNING


async def test_a_material_is_a_template_with_one_variant(system: TrytonSystem, replay: Replay) -> None:
    replay("materials", "made")
    assert await system.collections[Material].create(material(), "key") == "product.product,1"


async def test_a_material_that_is_there_is_a_conflict(system: TrytonSystem, replay: Replay) -> None:
    replay("materials", "made again")
    with pytest.raises(Conflict, match="Code of active product must be unique"):
        await system.collections[Material].create(material(), "key")


async def test_another_refusal_of_a_material_is_no_conflict(system: TrytonSystem, replay: Replay) -> None:
    unit, refused, found = recorded("materials", "made again")
    found["answer"]["json"] = []
    found["answer"]["headers"]["content-range"] = "records 0-0/0"
    replay("materials", exchanges=[unit, refused, found])
    with pytest.raises(RuleViolated):
        await system.collections[Material].create(material(), "key")


async def test_a_material_without_a_number_in_the_answer_is_lost(system: TrytonSystem, replay: Replay) -> None:
    unit, made = recorded("materials", "made")
    made["answer"]["json"]["products"] = []
    replay("materials", exchanges=[unit, made])
    with pytest.raises(AnswerLost, match="which of products"):
        await system.collections[Material].create(material(), "key")


async def test_a_material_is_renamed_in_its_template(system: TrytonSystem, replay: Replay) -> None:
    replay("materials", "found", "renamed")
    materials = system.collections[Material]
    row = await materials.one("HSG-FC57", None)
    assert row is not None
    await materials.change(material(), material(), row, "key")
    await materials.change(material(), material(name="Housing"), row, "key")


async def test_a_material_that_has_gone_meanwhile_is_not_found(system: TrytonSystem, replay: Replay) -> None:
    template = recorded("materials", "renamed")[0]
    template["answer"] = recorded("refusals", "404")[0]["answer"]
    replay("materials", exchanges=[*recorded("materials", "found"), template])
    materials = system.collections[Material]
    row = await materials.one("HSG-FC57", None)
    assert row is not None
    with pytest.raises(NotFound, match=r"product\.product,1"):
        await materials.change(material(), material(name="Housing"), row, "key")


async def test_sets_are_units_in_tryton_and_sets_with_us(system: TrytonSystem, replay: Replay) -> None:
    replay("materials", "found")
    materials = system.collections[Material]
    row = await materials.one("HSG-FC57", None)
    assert row is not None
    assert held_differently(materials, row, material(uom="set")) == ()
    assert held_differently(materials, row, material(uom="kg")) == ("uom",)
    assert merged(materials, row, material(uom="kg")).uom == "ea"


async def test_a_material_in_an_unknown_unit_stays_in_the_companion_store(
    system: TrytonSystem, tryton: respx.MockRouter
) -> None:
    materials = system.collections[Material]
    assert not materials.takes(material(uom="coil"))
    with pytest.raises(RuleViolated) as caught:
        await materials.create(material(uom="coil"), "key")
    assert caught.value.field == "uom"
    assert not tryton.get(f"{BASE}/product.uom").called
