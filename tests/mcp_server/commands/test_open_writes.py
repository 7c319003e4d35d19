"""What settles a write without a known end, and when it may be given up, over a remote system in memory."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from mcp_server.backends.base import Change, Sending, StoredCall
from mcp_server.commands.open_writes import forgotten, open_writes, writes_to_forget
from mcp_server.domain.records import Issue, MeterReading, Record
from mcp_server.errors import AnswerLost, BackendUnavailable, Conflict, NotFound, OutcomeUnknown, ToolFailure
from mcp_server.pipeline.declaration import Caller
from tests.support.federated_plant import NOW, FederatedPlant, an_issue, an_order, federated_plant, report_one

pytestmark = pytest.mark.anyio

AGAIN = {"project": "ALPHA", "title": "Guard door damaged"}
CALLER = Caller("ann", idempotency_key="a-key-of-ann")


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncGenerator[FederatedPlant]:
    async with federated_plant(tmp_path, client_ids=False) as plant:
        yield plant


async def lose(plant: FederatedPlant, caller: Caller = CALLER) -> None:
    """An issue that is sent, and never arrives."""

    def lost(_: object) -> None:
        raise AnswerLost("The line went dead.")

    plant.issues.before = lost
    with pytest.raises(OutcomeUnknown, match="Unconfirmed"):
        await plant.pipeline.call(report_one, AGAIN, caller)
    plant.issues.before = lambda _: None


async def leave_open(plant: FederatedPlant, *given: Record | Change, begun: int = 1) -> None:
    changes = tuple(each if isinstance(each, Change) else Change(None, each) for each in given)
    sending = Sending(changes, begun, "Issue", changes[0].after.id)
    later = NOW + timedelta(days=7)
    async with plant.store.unit_of_work() as unit:
        await unit.remember(StoredCall("ann", "a_tool", "a-key-of-ann", "hash", {}, NOW, later, sending))


def renamed() -> Change:
    return Change(an_issue(), an_issue(title="Renamed", revision=2))


async def test_a_write_that_never_arrived_can_be_given_up_and_its_check_names_the_command(plant: FederatedPlant):
    await lose(plant)
    (told,) = await open_writes(plant.federation)
    assert (told.tool, told.record) == ("report_one", "ISS-0001")
    assert told.suggestion.startswith("Repeat report_one with the same arguments and the key a-key-of-ann: ")
    assert "`shopfloor-mcp backend forget ISS-0001`" in told.suggestion

    assert [write.record for write in await writes_to_forget(plant.federation, "iss-0001")] == ["ISS-0001"]
    assert plant.open_calls() == 1
    assert [write.record for write in await forgotten(plant.federation, "ISS-0001", NOW)] == ["ISS-0001"]

    assert plant.open_calls() == 0
    row = plant.rows("SELECT * FROM audit_log ORDER BY id")[-1]
    assert [row[name] for name in ("principal", "tool", "outcome", "record_type", "record_id", "idempotency_key")] == [
        "ann",
        "report_one",
        "forgotten",
        "Issue",
        "ISS-0001",
        "a-key-of-ann",
    ]


async def test_the_same_call_sends_it_anew_once_it_is_forgotten(plant: FederatedPlant):
    await lose(plant)
    await forgotten(plant.federation, "ISS-0001", NOW)
    assert (await plant.pipeline.call(report_one, AGAIN, CALLER))["status"] == "created"
    assert len(plant.issues.rows) == 1


async def test_a_key_made_of_the_arguments_is_not_asked_for(plant: FederatedPlant):
    await lose(plant, Caller("ann"))
    (told,) = await open_writes(plant.federation)
    assert told.suggestion.startswith("Repeat report_one with the same arguments: ")
    await forgotten(plant.federation, "ISS-0001", NOW)
    assert plant.rows("SELECT idempotency_key FROM audit_log ORDER BY id")[-1]["idempotency_key"] is None


async def test_what_arrived_after_all_is_not_given_up_and_the_same_call_ends_it(plant: FederatedPlant):
    await lose(plant)
    looked_at = await writes_to_forget(plant.federation, "ISS-0001")
    plant.issues.rows["1"] = plant.issues.encoded(an_issue())

    with pytest.raises(Conflict, match="ISS-0001 is in memory MES") as refused:
        await forgotten(plant.federation, "ISS-0001", NOW)

    assert len(looked_at) == plant.open_calls() == 1
    assert "Repeat report_one with the same arguments and the key a-key-of-ann" in refused.value.suggestion
    assert (await plant.pipeline.call(report_one, AGAIN, CALLER))["status"] == "recovered"
    assert await open_writes(plant.federation) == []


async def test_every_record_of_the_call_that_may_have_arrived_is_looked_up(plant: FederatedPlant):
    reading = MeterReading(id="MR-0001", project="ALPHA", machine_id="MC-103", value=1.0, read_at=NOW)
    await leave_open(plant, reading, an_issue(), an_order(), begun=3)
    plant.orders.rows["9"] = plant.orders.encoded(an_order())
    with pytest.raises(Conflict, match=r"^WO-0001 is in memory MES"):
        await writes_to_forget(plant.federation, "ISS-0001")
    await leave_open(plant, reading, an_issue(), an_order(), begun=2)  # so the order there is somebody else's
    assert [write.record for write in await writes_to_forget(plant.federation, "MR-0001")] == [
        "MR-0001, ISS-0001, WO-0001"
    ]


@pytest.mark.parametrize(
    ("shown", "arrived"), [({}, False), ({"summary": "Renamed"}, True), ({"summary": "Somebody else's"}, False)]
)
async def test_a_change_has_arrived_where_the_system_shows_it(
    plant: FederatedPlant, shown: dict[str, str], arrived: bool
):
    async with plant.store.unit_of_work() as unit:
        await unit.insert(an_issue())
        await unit.keep_remote_ref(Issue, "ISS-0001", "7")
    plant.issues.rows["7"] = plant.issues.encoded(an_issue()) | shown
    await leave_open(plant, renamed())
    if arrived:
        with pytest.raises(Conflict, match="is in memory MES"):
            await forgotten(plant.federation, "ISS-0001", NOW)
    else:
        assert len(await forgotten(plant.federation, "ISS-0001", NOW)) == 1


async def test_a_change_that_the_system_has_no_place_for_has_not_arrived(plant: FederatedPlant):
    plant.issues.rows["7"] = plant.issues.encoded(an_issue())
    await leave_open(plant, Change(an_issue(), an_issue(description="Now it is bent.", revision=2)))
    assert len(await forgotten(plant.federation, "ISS-0001", NOW)) == 1


async def test_a_call_that_another_one_has_overtaken_can_be_given_up_since_it_can_never_be_repeated(
    plant: FederatedPlant,
):
    async with plant.store.unit_of_work() as unit:
        await unit.insert(an_issue(revision=3))
    plant.issues.rows["7"] = plant.issues.encoded(an_issue(title="Renamed"))
    await leave_open(plant, renamed())
    (told,) = await open_writes(plant.federation)
    assert "If somebody has changed the record since, give it up with" in told.suggestion
    assert len(await forgotten(plant.federation, "ISS-0001", NOW)) == 1


async def test_where_a_repetition_is_sure_to_end_the_write_the_command_is_not_named(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        await leave_open(plant, an_issue())
        (told,) = await open_writes(plant.federation)
        assert told.suggestion.endswith("it looks the record up and ends the write.")


async def test_an_unknown_record_is_refused_with_the_writes_that_are_open(plant: FederatedPlant):
    with pytest.raises(NotFound, match="'ISS-0404'") as refused:
        await writes_to_forget(plant.federation, "ISS-0404")
    assert refused.value.suggestion == "No write is open at all."
    await lose(plant)
    with pytest.raises(NotFound) as refused:
        await forgotten(plant.federation, "ISS-0404", NOW)
    assert refused.value.suggestion.startswith("Open writes: ISS-0001 (report_one, 2026-")
    assert refused.value.alternatives == ("ISS-0001",)
    assert plant.open_calls() == 1


async def test_a_system_that_cannot_be_asked_leaves_the_write_open(plant: FederatedPlant):
    await lose(plant)

    def down(_: str) -> None:
        raise BackendUnavailable("The system is down.")

    plant.issues.asked = down
    with pytest.raises(ToolFailure, match="down"):
        await forgotten(plant.federation, "ISS-0001", NOW)
    assert plant.open_calls() == 1


async def test_it_waits_for_the_write_that_is_under_way(plant: FederatedPlant):
    await lose(plant)
    done = anyio.Event()

    async def give_up() -> None:
        await forgotten(plant.federation, "ISS-0001", NOW)
        done.set()

    async with anyio.create_task_group() as group:
        async with plant.federation.alone():
            group.start_soon(give_up)
            await anyio.wait_all_tasks_blocked()
            assert plant.open_calls() == 1
        with anyio.fail_after(5):
            await done.wait()
    assert plant.open_calls() == 0
