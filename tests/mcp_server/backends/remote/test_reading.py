from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mcp_server.backends.base import Query
from mcp_server.backends.remote.port import Row
from mcp_server.backends.remote.reading import FederatedReader
from mcp_server.domain.records import Issue, Machine, Person, Record
from mcp_server.errors import BackendUnavailable, InternalError
from tests.support.federated_plant import (
    Crash,
    FederatedPlant,
    Fuse,
    an_issue,
    federated_plant,
    plant_records,
    rename_issue,
    report_one,
)

pytestmark = pytest.mark.anyio

TITLE = "Guard door damaged"


def put(plant: FederatedPlant, *issues: Issue, ref: str | None = None) -> None:
    """Into the system, past us."""
    for issue in issues:
        plant.issues.rows[ref or issue.id] = plant.issues.encoded(issue)


async def keep(plant: FederatedPlant, *issues: Issue, ref: str | None = None) -> None:
    """Into the companion store, as one that the system calls `ref`."""
    async with plant.store.unit_of_work() as unit:
        await unit.insert_all(issues)
        for issue in issues if ref else ():
            await unit.keep_remote_ref(Issue, issue.key, ref or "")


async def read(plant: FederatedPlant, kind: type[Record], key: str) -> tuple[Record | None, Record | None]:
    """The record asked for by itself, and the one in the list."""
    async with plant.federation.reader() as reader:
        alone = await reader.get(kind, key)
    async with plant.federation.reader() as reader:
        listed = {record.key: record for record in (await reader.find(kind, Query())).items}
        assert await reader.get(kind, key) == listed.get(key)
    return alone, listed.get(key)


async def test_a_kind_that_the_system_does_not_know_is_read_from_the_companion_store(tmp_path: Path):
    async with federated_plant(tmp_path) as plant, plant.federation.reader() as reader:
        people = [r for r in plant_records() if isinstance(r, Person)]
        assert (await reader.find(Person, Query())).total == len(people)
        assert await reader.get(Person, people[0].key) == people[0]
        assert reader.source == "companion store (person)"
        assert [c.requests for c in plant.system.collections.values()] == [[], [], []]


async def test_records_of_many_pages_are_fetched_once(tmp_path: Path):
    async with federated_plant(tmp_path) as plant, plant.federation.reader() as reader:
        machines = plant.system.collections[Machine]
        assert len(machines.rows) > 30  # pages of ten
        first = await reader.find(Machine, Query(limit=5))
        assert (first.total, len(first.items)) == (len(machines.rows), 5)
        assert (await reader.find(Machine, Query(after=first.next_after))).items[0].id > first.items[-1].id
        assert await reader.get(Machine, first.items[0].id) == first.items[0]
        assert machines.requests == ["list"]


async def test_a_record_is_asked_for_once(tmp_path: Path):
    async with federated_plant(tmp_path) as plant, plant.federation.reader() as reader:
        for _ in range(3):
            assert await reader.get(Machine, "MC-103") is not None
            assert await reader.get(Machine, "MC-999") is None
        assert plant.system.collections[Machine].requests == ["one MC-103", "one MC-999"]


async def test_a_record_that_the_system_never_had_stays(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        await keep(plant, an_issue())
        assert await read(plant, Issue, "ISS-0001") == (an_issue(), an_issue())


async def test_a_record_that_was_deleted_in_the_system_is_gone(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        await plant.call(report_one, {"project": "ALPHA", "title": TITLE})
        plant.issues.rows.clear()
        assert await read(plant, Issue, "ISS-0001") == (None, None)


async def test_a_change_behind_our_back_is_seen_as_a_later_revision(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        await plant.call(report_one, {"project": "ALPHA", "title": TITLE})
        plant.issues.rows["ISS-0001"]["summary"] = "Changed there"
        for found in await read(plant, Issue, "ISS-0001"):
            assert isinstance(found, Issue)
            assert (found.title, found.revision) == ("Changed there", 2)
        answer = await plant.call(rename_issue, {"project": "ALPHA", "id": "ISS-0001", "title": "Changed here"})
        assert answer["record"]["revision"] == 3


async def test_a_revision_that_was_read_before_a_change_behind_our_back_is_refused(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        await plant.call(report_one, {"project": "ALPHA", "title": TITLE})
        plant.issues.rows["ISS-0001"]["summary"] = "Changed there"
        step = {"project": "ALPHA", "issue_id": "ISS-0001", "section": "comment", "by": "E110", "text": "Seen."}
        failure = await plant.refused("update_issue", step | {"expected_revision": 1})
        assert failure.code == "conflict"
        assert plant.issues.writes == ["create ISS-0001"]
        assert (await plant.call("update_issue", step | {"expected_revision": 2}))["record"]["revision"] == 3


async def test_the_name_that_the_companion_store_knows_counts_more_than_the_stamp(tmp_path: Path):
    async with federated_plant(tmp_path, client_ids=False) as plant:
        put(plant, an_issue("TYPED-1"), ref="7")
        await keep(plant, an_issue("ISS-0001"), ref="7")
        assert await read(plant, Issue, "ISS-0001") == (an_issue("ISS-0001"), an_issue("ISS-0001"))


@pytest.mark.parametrize("order", [("7", "9"), ("9", "7")])
async def test_a_double_is_told_and_the_one_that_we_made_is_shown(tmp_path: Path, order: Sequence[str]):
    async with federated_plant(tmp_path, client_ids=False) as plant:
        for ref in order:
            put(plant, an_issue(qty_affected=int(ref)), ref=ref)
        await keep(plant, an_issue(qty_affected=7), ref="7")
        async with plant.federation.reader() as reader:
            (found,) = (await reader.find(Issue, Query())).items
            assert found.qty_affected == 7
            assert reader.faults == ("It holds issue ISS-0001 twice, as 7 and as 9; 7 is shown.",)
            assert reader.faults[0] in reader.source


async def test_of_two_that_nobody_knows_the_first_is_shown(tmp_path: Path):
    async with federated_plant(tmp_path, client_ids=False) as plant:
        machines = plant.system.collections[Machine]
        machines.rows = {
            "7": {"stamp": "M-1", "label": "A", "state": "on"},
            "9": {"stamp": "M-1", "label": "B", "state": "on"},
        }
        async with plant.federation.reader() as reader:
            assert [machine.name for machine in (await reader.find(Machine, Query())).items] == ["A"]
            assert reader.faults == ("It holds machine M-1 twice, as 7 and as 9; 7 is shown.",)


async def test_a_record_that_cannot_be_read_is_left_out_of_lists_and_told(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        plant.system.collections[Machine].rows["MC-103"]["state"] = "melted"
        async with plant.federation.reader() as reader:
            with pytest.raises(InternalError):
                await reader.get(Machine, "MC-103")
            found = [machine.id for machine in (await reader.find(Machine, Query())).items]
            assert "MC-103" not in found
            assert "MC-101" in found
            assert "The system of record holds machine MC-103 in a form" in reader.source
            with pytest.raises(InternalError, match="status"):
                await reader.get(Machine, "MC-103")  # though the list has been read


async def test_a_record_of_a_call_that_broke_off_is_read_as_it_was_meant(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        plant.light(4)
        with pytest.raises(Crash):
            await plant.call(report_one, {"project": "ALPHA", "title": TITLE}, key="key-of-the-call")
        meant = an_issue(title=TITLE)
        assert await read(plant, Issue, "ISS-0001") == (meant, meant)


async def test_a_list_that_shows_the_same_page_for_ever_ends_in_an_error(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        page = [Row(key="M-1", ref="1", values={"label": "A", "state": "on"})]

        async def pages() -> Any:
            while True:
                yield page

        plant.system.collections[Machine].pages = pages  # type: ignore[method-assign]  # a list that never ends
        async with plant.federation.reader() as reader:
            with pytest.raises(InternalError, match="same page of its machine list over and over"):
                await reader.find(Machine, Query())


async def test_a_list_that_shifts_while_it_is_paged_shows_each_record_once(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        row, other = (Row(key=f"M-{n}", ref=str(n), values={"label": "A", "state": "on"}) for n in (1, 2))

        async def pages() -> Any:
            yield [row]
            yield [row, other]
            yield []

        plant.system.collections[Machine].pages = pages  # type: ignore[method-assign]  # a list that shifts
        async with plant.federation.reader() as reader:
            found = (await reader.find(Machine, Query())).items
            assert [machine.id for machine in found] == ["M-1", "M-2"]
            assert reader.faults == ()


async def test_a_system_that_is_down_is_not_replaced_by_what_we_remember(tmp_path: Path):
    async with federated_plant(tmp_path) as plant, plant.federation.reader() as reader:
        plant.system.collections[Machine].asked = Fuse(1, lambda: BackendUnavailable("Down."))
        with pytest.raises(BackendUnavailable):
            await reader.get(Machine, "MC-103")
        assert isinstance(reader, FederatedReader)
        assert await reader.get(Machine, "MC-103") is not None
