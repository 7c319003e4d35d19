from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mcp_server.backends.base import Change, Sending, StoredCall
from mcp_server.backends.remote.sending import Sender
from mcp_server.domain.records import Issue, Record
from mcp_server.errors import AnswerLost, BackendUnavailable, Conflict, Interrupted
from tests.support.federated_plant import NOW, FederatedPlant, Fuse, an_issue, an_order, federated_plant

pytestmark = pytest.mark.anyio


def call(
    *changes: Change | Record,
    begun: int = 0,
    principal: str = "local",
    tool: str = "a_tool",
    key: str = "a-key-of-mine",
) -> StoredCall:
    every = tuple(c if isinstance(c, Change) else Change(None, c) for c in changes)
    return StoredCall(
        principal=principal,
        tool=tool,
        key=key,
        arguments_hash="0",
        result={},
        stored_at=NOW,
        expires_at=NOW + timedelta(days=1),
        sending=Sending(every, begun, None, None),
    )


def sender(plant: FederatedPlant) -> Sender:
    return Sender(plant.system, plant.store, lookup_waits_s=(0, 0))


async def kept(plant: FederatedPlant, issue: Issue, *, ref: str | None = None, **shown: Any) -> None:
    """In both stores; the system shows it with other values."""
    async with plant.store.unit_of_work() as unit:
        await unit.insert(issue)
        if ref is not None:
            await unit.keep_remote_ref(Issue, issue.key, ref)
    if ref is not None:
        plant.issues.rows[ref] = plant.issues.encoded(issue) | shown


def renamed(issue: Issue, title: str = "Renamed") -> Change:
    return Change(issue, issue.model_copy(update={"title": title, "revision": issue.revision + 1}))


async def test_each_record_is_noted_before_it_is_sent(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        begun: list[int] = []

        def look(_: object) -> None:
            (row,) = plant.rows("SELECT json_extract(sending, '$.begun') AS begun FROM idempotency_keys")
            begun.append(row["begun"])

        plant.issues.before = plant.orders.before = look
        outcome = await sender(plant).send(call(an_issue(), an_order()))
        assert begun == [1, 2]
        assert outcome.stored == ["ISS-0001", "WO-0001"]
        assert list(outcome.refs.values()) == ["ISS-0001", "WO-0001"]


async def test_a_record_has_one_key_at_every_attempt_that_tells_nothing_and_differs_from_all_others(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        plant.issues.before = Fuse(1, lambda: AnswerLost("Lost."))
        with pytest.raises(Interrupted):
            await sender(plant).send(call(an_issue(), an_issue("ISS-0002")))
        await sender(plant).send(call(an_issue(), an_issue("ISS-0002"), begun=1))
        first, again, second = plant.issues.keys
        assert first == again != second
        plant.issues.rows.clear()
        await sender(plant).send(call(an_issue("ISS-0003"), principal="eve"))
        await sender(plant).send(call(an_issue("ISS-0004"), tool="b_tool"))
        await sender(plant).send(call(an_issue("ISS-0005"), key="another-key"))
        assert len(set(plant.issues.keys)) == 5
        assert not any(text in key for key in plant.issues.keys for text in ("local", "a_tool", "a-key"))


async def test_what_was_changed_in_the_system_meanwhile_is_a_conflict_and_nothing_is_sent(tmp_path: Path):
    async with federated_plant(tmp_path, client_ids=False) as plant:
        await kept(plant, an_issue(), ref="7", status="closed")
        with pytest.raises(Conflict, match="ISS-0001 was changed in memory MES meanwhile: state") as raised:
            await sender(plant).send(call(renamed(an_issue())))
        assert raised.value.outcome_known
        assert plant.issues.writes == []
        assert plant.open_calls() == 0


async def test_what_was_deleted_in_the_system_meanwhile_is_a_conflict_and_nothing_is_kept(tmp_path: Path):
    async with federated_plant(tmp_path, client_ids=False) as plant:
        await kept(plant, an_issue(), ref="7")
        plant.issues.rows.clear()
        with pytest.raises(Conflict, match="ISS-0001 was deleted in memory MES meanwhile"):
            await sender(plant).send(call(renamed(an_issue())))
        with pytest.raises(Conflict, match="ISS-0009 was deleted"):
            await sender(plant).send(call(renamed(an_issue("ISS-0009"))))  # one that only the system had


async def test_a_record_is_found_by_what_the_system_called_it_when_it_was_made(tmp_path: Path):
    async with federated_plant(tmp_path, client_ids=False) as plant:
        await kept(plant, an_issue(), ref="7", stamp="nothing of ours")
        outcome = await sender(plant).send(call(renamed(an_issue())))
        assert outcome.refs == {(Issue, "ISS-0001"): "7"}
        assert plant.issues.rows["7"]["summary"] == "Renamed"


async def test_a_record_that_only_the_companion_store_has_is_not_sent(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        await kept(plant, an_issue())
        outcome = await sender(plant).send(call(renamed(an_issue()), an_order(kind="calibration")))
        assert (outcome.refs, outcome.stored, outcome.recovered) == ({}, [], False)
        assert plant.issues.writes + plant.orders.writes == []
        assert plant.open_calls() == 0


async def test_a_change_that_moves_nothing_there_leaves_no_open_call_when_the_next_record_is_refused(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        await kept(plant, an_issue(), ref="ISS-0001")
        plant.orders.before = Fuse(1, lambda: BackendUnavailable("Down."))
        silent = Change(an_issue(), an_issue(lessons="Oil it.", revision=2))
        with pytest.raises(BackendUnavailable) as raised:
            await sender(plant).send(call(silent, an_order()))
        assert type(raised.value) is BackendUnavailable
        assert plant.open_calls() == 0


async def test_a_change_of_which_one_part_arrived_goes_on_and_one_that_somebody_else_moved_does_not(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        after = an_issue(title="Renamed", state="closed", revision=2)
        await kept(plant, an_issue(), ref="ISS-0001", summary="Renamed")
        outcome = await sender(plant).send(call(Change(an_issue(), after), begun=1))
        assert (outcome.recovered, plant.issues.rows["ISS-0001"]["status"]) == (False, "closed")
        plant.issues.rows["ISS-0001"]["summary"] = "Somebody else's"
        with pytest.raises(Conflict, match="meanwhile: title") as raised:
            await sender(plant).send(call(Change(an_issue(), after), begun=1))
        assert raised.value.outcome_known is False
        assert plant.issues.rows["ISS-0001"]["summary"] == "Somebody else's"


async def test_a_lost_change_that_arrived_is_done(tmp_path: Path):
    async with federated_plant(tmp_path, client_ids=False) as plant:
        await kept(plant, an_issue(), ref="7")
        plant.issues.after = Fuse(1, lambda: AnswerLost("Lost."))
        outcome = await sender(plant).send(call(renamed(an_issue())))
        assert (outcome.recovered, len(plant.issues.writes)) == (True, 1)


async def test_a_call_whose_stop_cannot_be_noted_stays_open(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        plant.store.fuse = Fuse(3, lambda: BackendUnavailable("The disk is full."))  # after both of the first note
        plant.issues.before = Fuse(1, lambda: Conflict("Taken."))
        with pytest.raises(Conflict, match="Taken"):
            await sender(plant).send(call(an_issue()))
        assert plant.open_calls() == 1


async def test_an_identical_record_that_is_there_already_is_taken_for_ours_and_another_one_is_a_conflict(
    tmp_path: Path,
):
    async with federated_plant(tmp_path) as plant:
        plant.issues.rows["ISS-0001"] = plant.issues.encoded(an_issue())
        assert (await sender(plant).send(call(an_issue()))).recovered
        with pytest.raises(Conflict, match="is taken"):
            await sender(plant).send(call(an_issue(title="Not that one"), key="another-key"))


async def test_a_call_without_anything_to_send_is_a_fault_of_ours(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        nothing = call()
        with pytest.raises(ValueError, match="without anything"):
            await sender(plant).send(StoredCall("p", "t", "k", "h", {}, nothing.stored_at, nothing.expires_at))
