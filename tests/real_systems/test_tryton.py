"""Every collection of the Tryton adapter against Tryton itself: made, read back alone and in the list, and changed."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from mcp_server.backends.remote.merging import held_differently, merged
from mcp_server.backends.remote.port import Collection, Row
from mcp_server.backends.tryton import TrytonSystem, open_tryton
from mcp_server.domain.records import Issue, IssueState, Machine, MachineStatus, Material, Record, Spec
from mcp_server.errors import Conflict, NotAllowed, RuleViolated
from tests.real_systems.processes import CannotStart
from tests.real_systems.tryton import RealTryton, started
from tests.support.tryton_records import issue, machine, material, spec

pytestmark = pytest.mark.anyio
KEY = "any key"


@pytest.fixture(scope="module")
def tryton(tmp_path_factory: pytest.TempPathFactory) -> Generator[RealTryton]:
    try:
        with started(tmp_path_factory.mktemp("tryton")) as running:
            yield running
    except CannotStart as failure:
        pytest.skip(f"NOT RUN AGAINST THE REAL TRYTON: {failure.reason}")


@asynccontextmanager
async def opened(tryton: RealTryton, key: str | None = None) -> AsyncGenerator[TrytonSystem]:
    system = open_tryton(tryton.url, token=SecretStr(key or tryton.key))
    try:
        yield system
    finally:
        await system.aclose()


@pytest.fixture
async def system(tryton: RealTryton) -> AsyncGenerator[TrytonSystem]:
    async with opened(tryton) as found:
        yield found


async def listed(collection: Collection[Any]) -> list[Row]:
    return [row async for page in collection.pages() for row in page]


async def put(system: TrytonSystem, record: Record) -> Row:
    """Make the record, and read it back alone and in the list; whatever Tryton holds of it must be equal."""
    collection = system.collections[type(record)]
    ref = await collection.create(record, KEY)
    row = await collection.one(record.key, ref)
    assert row is not None
    assert row.ref == ref
    assert held_differently(collection, row, record) == ()
    assert [found for found in await listed(collection) if found.key == record.key] == [row]
    assert merged(collection, row, record) == record
    assert merged(collection, row, None).id == record.id
    return row


async def move(system: TrytonSystem, before: Record, after: Record) -> Row:
    """Change the record, and read it back."""
    collection = system.collections[type(before)]
    row = await collection.one(before.key, None)
    assert row is not None
    await collection.change(before, after, row, KEY)
    changed = await collection.one(after.key, None)
    assert changed is not None
    assert held_differently(collection, changed, after) == ()
    return changed


async def with_material(system: TrytonSystem, material_id: str) -> str:
    await put(system, material(material_id))
    return material_id


async def test_it_says_what_it_is(system: TrytonSystem) -> None:
    info = await system.probe()
    assert (info.product, info.version, info.signed_in_as) == ("Tryton", "8.2.0", "Shopfloor, Plant")
    assert info.notes == ()


async def test_a_wrong_key_is_refused(tryton: RealTryton) -> None:
    async with opened(tryton, "0" * 64) as system:
        with pytest.raises(NotAllowed, match="401"):
            await listed(system.collections[Machine])


async def test_an_unknown_database_is_named(tryton: RealTryton) -> None:
    async with opened(RealTryton(tryton.url + "x", tryton.key, tryton.pid)) as system:
        with pytest.raises(NotAllowed, match="has no database factoryx"):
            await system.probe()


async def test_a_machine_is_a_work_center(system: TrytonSystem) -> None:
    made = machine("MC-103")
    await put(system, made)
    await move(system, made, made.model_copy(update={"name": "HMC 3 (rebuilt)"}))


async def test_a_decommissioned_machine_is_out_of_use_and_comes_back(system: TrytonSystem) -> None:
    made = machine("MC-900", status=MachineStatus.DECOMMISSIONED)
    row = await put(system, made)
    assert row.values["active"] is False
    back = made.model_copy(update={"status": MachineStatus.IDLE, "name": "HMC 9"})
    assert (await move(system, made, back)).values["active"] is True


async def test_two_machines_with_one_mark_are_both_named(system: TrytonSystem) -> None:
    machines = system.collections[Machine]
    refs = [await machines.create(machine("MC-666"), KEY) for _ in range(2)]
    with pytest.raises(Conflict) as caught:
        await machines.one("MC-666", refs[0])
    assert all(ref in caught.value.message for ref in refs)
    assert [row.ref for row in await listed(machines) if row.key == "MC-666"] == refs


async def test_an_id_with_a_wildcard_finds_only_itself(system: TrytonSystem) -> None:
    await put(system, machine("MC_1"))
    await put(system, machine("MCX1"))
    assert (await put(system, machine("M%1"))).key == "M%1"


async def test_more_records_than_fit_on_a_page_are_all_listed(system: TrytonSystem) -> None:
    machines = system.collections[Machine]
    before = len(await listed(machines))
    keys = [f"PG-{number:03d}" for number in range(205)]
    for key in keys:
        await machines.create(machine(key), KEY)
    assert [row.key for row in await listed(machines)][before:] == keys


async def test_a_material_is_a_product(system: TrytonSystem) -> None:
    made = material("HSG-1")
    await put(system, made)
    await move(system, made, made.model_copy(update={"name": "Housing"}))


@pytest.mark.parametrize("uom", ["set", "kg", "g", "L", "m"])
async def test_units_of_measure_come_back(system: TrytonSystem, uom: str) -> None:
    await put(system, material(f"UOM-{uom}", uom=uom))


async def test_a_material_that_is_there_is_refused(system: TrytonSystem) -> None:
    await put(system, material("HSG-2"))
    with pytest.raises(Conflict, match="unique"):
        await system.collections[Material].create(material("HSG-2"), KEY)


async def test_a_specification_is_a_point_of_a_control(system: TrytonSystem) -> None:
    material_id = await with_material(system, "HSG-3")
    made = spec("SP-001", material_id=material_id)
    row = await put(system, made)
    assert (row.values["tolerance_lower"], row.values["tolerance_upper"]) == (57.0, 57.03)
    changed = made.model_copy(update={"characteristic": "Bore", "unit": "um", "lsl": None, "usl": 57030.000001})
    await move(system, made, changed)


async def test_specifications_of_one_operation_stand_in_one_control(system: TrytonSystem) -> None:
    material_id = await with_material(system, "HSG-4")
    await put(system, spec("SP-002", material_id=material_id, lsl=None, usl=0.8))
    await put(
        system, spec("SP-006", material_id=material_id, data_type="attribute", unit="go/no-go", lsl=None, usl=None)
    )
    with pytest.raises(RuleViolated, match="unique"):
        await system.collections[Spec].create(spec("SP-006", material_id=material_id), KEY)


@pytest.mark.parametrize("limit", [57.03, 0.1, 1e-7, 142.1, 123456.789012, 0.30000000000000004])
async def test_a_limit_comes_back_to_the_last_digit(system: TrytonSystem, limit: float) -> None:
    material_id = await with_material(system, f"LIM-{limit!r}")
    row = await put(system, spec(f"SP-{limit!r}", material_id=material_id, lsl=None, usl=limit))
    assert repr(row.values["tolerance_upper"]) == repr(limit)


async def test_a_specification_of_an_unknown_material_is_refused(system: TrytonSystem) -> None:
    with pytest.raises(RuleViolated, match="has no product NO-SUCH"):
        await system.collections[Spec].create(spec("SP-404", material_id="NO-SUCH"), KEY)


async def test_an_issue_is_a_quality_alert_through_all_its_states(system: TrytonSystem) -> None:
    made = issue("ISS-0101")
    await put(system, made)
    known = made
    for state, shown in (
        (IssueState.TRIAGED, "processing"),
        (IssueState.INVESTIGATING, "processing"),
        (IssueState.CLOSED, "resolved"),
        (IssueState.REOPENED, "processing"),
        (IssueState.CANCELLED, "resolved"),
    ):
        after = known.model_copy(update={"state": state})
        row = await move(system, known, after)
        assert row.values["state"] == shown
        assert merged(system.collections[Issue], row, after) == after
        known = after


async def test_the_text_of_a_resolved_issue_is_changed_when_it_is_reopened(system: TrytonSystem) -> None:
    made = issue("ISS-0102")
    await put(system, made)
    closed = made.model_copy(update={"state": IssueState.CLOSED, "title": "Bore out"})
    await move(system, made, closed)
    await move(system, closed, closed.model_copy(update={"state": IssueState.REOPENED, "description": "Again."}))


async def test_what_tryton_refuses_is_told_in_its_words(system: TrytonSystem) -> None:
    issues = system.collections[Issue]
    made = issue("ISS-0103")
    row = await put(system, made)
    closed = made.model_copy(update={"state": IssueState.CLOSED})
    await issues.change(made, closed, row, KEY)
    with pytest.raises(RuleViolated, match='You can not call "process"'):
        await issues.change(made, closed, row, KEY)
