import json
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
import stamina
from anyio.abc import TaskStatus

from mcp_server.clock import Clock
from mcp_server.domain.records import Issue
from mcp_server.errors import (
    AnswerLost,
    BackendUnavailable,
    Conflict,
    DeadlineExceeded,
    InternalError,
    Interrupted,
    NotAllowed,
    NotRepeated,
    OutcomeUnknown,
    RuleViolated,
    VerificationFailed,
)
from mcp_server.pipeline.declaration import Tool
from mcp_server.pipeline.execution import ATTEMPTS
from tests.support.federated_plant import (
    Crash,
    FederatedPlant,
    Fuse,
    federated_plant,
    read_meter,
    rename_issue,
    report_and_order,
    report_one,
)
from tests.support.sample_plant import AS_OF

pytestmark = pytest.mark.anyio

KEY = "key-of-the-call"
STEPS_OF_TWO = 10
"""Before and after: a note of the first record, its sending, the same of the second, and the last commit."""
both = pytest.mark.parametrize("client_ids", [True, False], ids=["client ids", "own numbers"])


def asked(title: str = "Guard door damaged", **more: Any) -> dict[str, Any]:
    return {"project": "ALPHA", "title": title} | more


@contextmanager
def attempts(number: int) -> Generator[None]:
    """No waits, and no more attempts than this."""
    with stamina.set_testing(True, attempts=number):
        yield


def lost() -> AnswerLost:
    return AnswerLost("The connection broke.")


def down() -> BackendUnavailable:
    return BackendUnavailable("Down.")


def full() -> BackendUnavailable:
    return BackendUnavailable("The disk is full.")


def is_there_once(plant: FederatedPlant, title: str, kinds: str = "issues work_orders") -> None:
    """In the system, in the companion store with its reference, in the audit log and in the history."""
    for kind in kinds.split():
        collection = plant.issues if kind == "issues" else plant.orders
        refs = [ref for ref, row in collection.rows.items() if row["summary"] == title]
        (row,) = plant.rows(f"SELECT id FROM {kind} WHERE title = '{title}'")
        assert len(refs) == 1
        assert plant.rows(f"SELECT ref FROM remote_records WHERE key = '{row['id']}'") == [{"ref": refs[0]}]
        assert len(plant.rows(f"SELECT id FROM record_history WHERE record_id = '{row['id']}'")) == 1


def audited(plant: FederatedPlant, key: str = KEY) -> list[str]:
    return [row["outcome"] for row in plant.rows(f"SELECT outcome FROM audit_log WHERE idempotency_key = '{key}'")]


async def interrupted(plant: FederatedPlant, tool: Tool[Any, Any, Any], arguments: dict[str, Any]) -> Any:
    with attempts(1):
        failure = await plant.refused(tool, arguments, key=KEY)
    assert failure.outcome_known is False
    return failure


@both
async def test_a_call_that_broke_off_at_any_step_is_carried_on_by_its_repetition(tmp_path: Path, client_ids: bool):
    """The process ends before and after everything that any store or system writes down."""
    async with federated_plant(tmp_path, client_ids=client_ids) as plant:
        for at in range(1, STEPS_OF_TWO + 2):
            key, title = f"key-number-{at}", f"Broken off at step {at}"
            fuse = plant.light(at)
            try:
                await plant.call(report_and_order, asked(title), key=key)
            except Crash:
                plant.light(0)
            else:
                assert (at, fuse.steps) == (STEPS_OF_TWO + 1, STEPS_OF_TWO)
                break
            try:
                with attempts(1):
                    answer = await plant.call(report_and_order, asked(title), key=key)
            except OutcomeUnknown:
                assert not client_ids  # it was noted and never sent; only a person can tell that
                assert at in {2, 3, 6, 7}
                assert title not in [row["summary"] for row in plant.orders.rows.values()]
                continue
            arrived = at in {4, 5, 6, 8, 9} or (at == 7 and client_ids)
            assert answer["status"] == ("recovered" if arrived else "created")
            assert answer["replayed"] is (at == 10)
            is_there_once(plant, title)
            assert len(audited(plant, key)) == 1
            before = len(plant.issues.writes + plant.orders.writes)
            again = await plant.call(report_and_order, asked(title), key=key)
            assert again == answer | {"replayed": True}
            assert len(plant.issues.writes + plant.orders.writes) == before


async def test_a_change_that_broke_off_at_any_step_is_carried_on_by_its_repetition(tmp_path: Path):
    async with federated_plant(tmp_path, client_ids=False) as plant:
        number = (await plant.call(report_one, asked()))["record"]["id"]
        for at in range(1, 7):
            key, title = f"key-number-{at}", f"Renamed at step {at}"
            plant.light(at)
            with pytest.raises(Crash):
                await plant.call(rename_issue, asked(title, id=number), key=key)
            plant.light(0)
            answer = await plant.call(rename_issue, asked(title, id=number), key=key)
            assert answer["status"] == ("recovered" if at in {4, 5} else "updated")
            assert answer["record"]["revision"] == at + 1
            assert plant.issues.rows["1"]["summary"] == title
            assert [row["title"] for row in plant.rows("SELECT title FROM issues")] == [title]
            assert len(audited(plant, key)) == 1
            assert plant.open_calls() == 0


async def test_another_process_carries_on_what_a_dead_one_began(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        plant.light(4)
        with pytest.raises(Crash):
            await plant.call(report_and_order, asked(), key=KEY)
        plant.light(0)
    async with federated_plant(tmp_path, system=plant.system) as again:
        answer = await again.call(report_and_order, asked(), key=KEY)
        assert answer["status"] == "recovered"
        is_there_once(again, asked()["title"])


@both
async def test_a_lost_answer_of_a_stored_record_is_found_by_looking_it_up(tmp_path: Path, client_ids: bool):
    async with federated_plant(tmp_path, client_ids=client_ids) as plant:
        plant.issues.after = Fuse(1, lost)
        answer = await plant.call(report_one, asked(), key=KEY)
        assert (answer["status"], answer["replayed"]) == ("recovered", False)
        assert len(plant.issues.writes) == 1
        is_there_once(plant, asked()["title"], "issues")
        assert audited(plant) == ["recovered"]


async def test_a_lost_request_is_sent_again_where_the_system_refuses_doubles(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        plant.issues.before = Fuse(1, lost)
        with attempts(ATTEMPTS):
            answer = await plant.call(report_one, asked(), key=KEY)
        assert answer["status"] == "created"
        assert len(plant.issues.writes) == 2
        is_there_once(plant, asked()["title"], "issues")


async def test_a_lost_request_is_never_sent_again_where_nothing_refuses_doubles(tmp_path: Path):
    async with federated_plant(tmp_path, client_ids=False) as plant:
        plant.issues.before = Fuse(1, lost)
        for _ in range(2):
            with attempts(ATTEMPTS):
                failure = await plant.refused(report_one, asked(), key=KEY)
            assert isinstance(failure, OutcomeUnknown)
            assert failure.message.startswith("Unconfirmed: ISS-0001 was sent to memory MES")
        assert len(plant.issues.writes) == 1
        plant.issues.rows["77"] = plant.issues.encoded(Issue.model_validate(_sent(plant), strict=False))
        assert (await plant.call(report_one, asked(), key=KEY))["status"] == "recovered"
        is_there_once(plant, asked()["title"], "issues")
        assert audited(plant) == ["unknown:outcome_unknown", "unknown:outcome_unknown", "recovered"]


def _sent(plant: FederatedPlant) -> dict[str, Any]:
    """The record of the one open call."""
    (row,) = plant.rows("SELECT sending FROM idempotency_keys")
    return json.loads(row["sending"])["changes"][0]["after"]


@both
async def test_a_record_that_is_stored_after_the_last_look_is_found_by_the_repetition(tmp_path: Path, client_ids: bool):
    async with federated_plant(tmp_path, client_ids=client_ids) as plant:
        plant.issues.before = Fuse(1, lost)
        await interrupted(plant, report_one, asked())
        late = Issue.model_validate(_sent(plant), strict=False)
        plant.issues.rows["ISS-0001" if client_ids else "77"] = plant.issues.encoded(late)
        answer = await plant.call(report_one, asked(), key=KEY)
        assert answer["status"] == "recovered"
        assert len(plant.issues.writes) == 1


async def test_a_record_that_is_stored_between_the_last_look_and_the_second_sending_is_found(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        plant.issues.before = Fuse(1, lost)
        await interrupted(plant, report_one, asked())

        def arrives(record: Issue) -> None:
            plant.issues.rows[record.id] = plant.issues.encoded(record)

        plant.issues.before = arrives
        answer = await plant.call(report_one, asked(), key=KEY)
        assert answer["status"] == "recovered"
        is_there_once(plant, asked()["title"], "issues")


@both
@pytest.mark.parametrize("trouble", [down(), NotAllowed("No."), InternalError("What?"), Conflict("Twice.")])
async def test_whatever_keeps_us_from_looking_the_outcome_is_unknown_and_the_call_stays_open(
    tmp_path: Path, client_ids: bool, trouble: Exception
):
    async with federated_plant(tmp_path, client_ids=client_ids) as plant:
        plant.issues.after = Fuse(1, lost)
        plant.issues.asked = Fuse(2, lambda: trouble)  # the first request is the list for the next number
        await interrupted(plant, report_one, asked())
        assert plant.open_calls() == 1
        assert (await plant.call(report_one, asked(), key=KEY))["status"] == "recovered"
        is_there_once(plant, asked()["title"], "issues")
        assert plant.open_calls() == 0


async def test_a_second_sending_that_cannot_be_made_leaves_the_first_one_open(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        plant.issues.before = Fuse(1, lost)
        await interrupted(plant, report_one, asked())
        plant.issues.before = Fuse(1, down)
        assert isinstance(await interrupted(plant, report_one, asked()), Interrupted)
        assert plant.open_calls() == 1


async def test_a_companion_store_that_is_full_once_the_system_has_it_does_not_lose_it(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        plant.light(5, full)
        failure = await interrupted(plant, report_one, asked())
        assert isinstance(failure, Interrupted)
        assert failure.message == "It was sent to memory MES, and then: The disk is full."
        assert len(plant.issues.rows) == 1
        plant.light(0)
        assert (await plant.call(report_one, asked(), key=KEY))["status"] == "recovered"
        is_there_once(plant, asked()["title"], "issues")


async def test_a_companion_store_that_cannot_be_begun_once_the_system_has_it_does_not_lose_it(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        plant.store.opening = Fuse(3, down)  # after the rehearsal and the note
        assert isinstance(await interrupted(plant, report_one, asked()), Interrupted)
        assert len(plant.issues.rows) == 1
        assert (await plant.call(report_one, asked(), key=KEY))["status"] == "recovered"
        is_there_once(plant, asked()["title"], "issues")


async def test_a_statement_that_fails_once_the_system_has_it_does_not_lose_it(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        plant.issues.after = lambda _: plant.execute("ALTER TABLE audit_log RENAME TO not_now")
        assert isinstance(await interrupted(plant, report_one, asked()), Interrupted)
        plant.execute("ALTER TABLE not_now RENAME TO audit_log")
        assert (await plant.call(report_one, asked(), key=KEY))["status"] == "recovered"
        is_there_once(plant, asked()["title"], "issues")


async def test_the_retry_of_the_pipeline_finds_what_the_full_companion_store_did_not_keep(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        plant.light(5, full)
        with attempts(ATTEMPTS):
            answer = await plant.call(report_one, asked(), key=KEY)
        assert answer["status"] == "recovered"
        assert len(plant.issues.writes) == 1
        assert audited(plant) == ["recovered"]


@pytest.mark.parametrize("at", [1, 3])
async def test_what_fails_before_anything_is_stored_leaves_no_open_call(tmp_path: Path, at: int):
    async with federated_plant(tmp_path) as plant:
        plant.light(at, down)
        with attempts(1):
            failure = await plant.refused(report_and_order, asked(), key=KEY)
        assert (type(failure), failure.outcome_known) == (BackendUnavailable, True)
        assert plant.open_calls() == 0
        plant.light(0)
        assert (await plant.call(report_and_order, asked(), key=KEY))["record"]["id"] == "ISS-0001"


@pytest.mark.parametrize("refusal", [RuleViolated("No."), NotAllowed("No."), Conflict("No."), NotRepeated("Busy.")])
async def test_a_refused_record_leaves_no_open_call_and_nothing_stored(tmp_path: Path, refusal: Exception):
    async with federated_plant(tmp_path) as plant:
        plant.issues.before = Fuse(1, lambda: refusal)
        with attempts(ATTEMPTS):
            failure = await plant.refused(report_one, asked(), key=KEY)
        assert (failure, failure.outcome_known) == (refusal, True)
        assert audited(plant) == ([] if isinstance(failure, BackendUnavailable) else [f"refused:{failure.code}"])
        assert plant.open_calls() == 0
        assert plant.rows("SELECT id FROM issues") == []
        assert len(plant.issues.writes) == 1


async def test_a_second_record_that_is_refused_says_that_the_first_one_is_there(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        plant.orders.before = Fuse(1, lambda: RuleViolated("No more orders today."))
        failure = await interrupted(plant, report_and_order, asked())
        assert isinstance(failure, RuleViolated)
        assert failure.also == ("ISS-0001 is already in memory MES.",)
        answer = await plant.call(report_and_order, asked(), key=KEY)
        assert answer["status"] == "recovered"
        assert plant.issues.writes == ["create ISS-0001"]
        is_there_once(plant, asked()["title"])


async def test_a_system_that_goes_down_between_two_records_gets_the_second_one_later(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        plant.orders.before = Fuse(1, down)
        failure = await interrupted(plant, report_and_order, asked())
        assert isinstance(failure, Interrupted)
        assert "ISS-0001 is in memory MES, the rest is not: Down." in failure.message
        with attempts(ATTEMPTS):
            assert (await plant.call(report_and_order, asked(), key=KEY))["status"] == "recovered"
        assert (len(plant.issues.writes), len(plant.orders.writes)) == (1, 2)
        is_there_once(plant, asked()["title"])


async def test_a_second_record_that_we_may_not_repeat_is_not_repeated_by_ourselves(tmp_path: Path):
    async with federated_plant(tmp_path, client_ids=False) as plant:
        plant.orders.before = Fuse(1, lambda: NotRepeated("Busy."))
        with attempts(ATTEMPTS):
            failure = await plant.refused(report_and_order, asked(), key=KEY)
        assert (failure.outcome_known, len(plant.orders.writes)) == (False, 1)
        assert (await plant.call(report_and_order, asked(), key=KEY))["status"] == "recovered"
        is_there_once(plant, asked()["title"])


async def test_a_companion_store_that_is_full_between_two_records_does_not_hide_the_first(tmp_path: Path):
    """Neither the note for the second record nor the one that it stopped can be written."""
    async with federated_plant(tmp_path) as plant:
        left = [0]

        def stays_full(_: object = None) -> None:
            left[0] += 1
            if left[0] >= 3:
                raise full()

        plant.store.fuse = stays_full  # type: ignore[assignment]  # another kind of fuse: this one stays blown
        failure = await interrupted(plant, report_and_order, asked())
        assert isinstance(failure, Interrupted)
        plant.light(0)
        assert (await plant.call(report_and_order, asked(), key=KEY))["status"] == "recovered"
        is_there_once(plant, asked()["title"])


async def test_a_call_that_concerns_the_companion_store_alone_is_one_transaction(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        fuse = plant.light(1, full)
        with attempts(1):
            failure = await plant.refused(read_meter, asked(), key=KEY)
        assert (type(failure), failure.outcome_known, fuse.steps) == (BackendUnavailable, True, 1)
        fuse = plant.light(0)
        assert (await plant.call(read_meter, asked(), key=KEY))["status"] == "created"
        assert fuse.steps == 2
        assert len(plant.rows("SELECT id FROM meter_readings")) == 1


async def test_a_dry_run_sends_and_stores_nothing(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        before = plant.counts()
        answer = await plant.call(report_and_order, asked(dry_run=True), key=KEY)
        assert (answer["dry_run"], answer["record"]["id"]) == (True, "ISS-0001")
        assert "verification" not in answer
        assert plant.issues.writes + plant.orders.writes == []
        assert plant.counts() == before


async def test_a_crash_in_our_own_code_after_the_sending_began_is_an_unknown_outcome(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        plant.issues.after = Fuse(1, lambda: KeyError("id"))
        failure = await interrupted(plant, report_one, asked())
        assert isinstance(failure, OutcomeUnknown)
        assert (await plant.call(report_one, asked(), key=KEY))["status"] == "recovered"


async def test_other_arguments_under_the_key_of_an_open_call_are_a_conflict(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        plant.issues.before = Fuse(1, lost)
        await interrupted(plant, report_one, asked())
        assert isinstance(await plant.refused(report_one, asked("Another title"), key=KEY), Conflict)
        assert plant.open_calls() == 1


async def test_the_ids_of_an_open_call_are_not_given_out_again(tmp_path: Path):
    """Neither those for the system nor those for the companion store, which it would overwrite when it goes on."""
    async with federated_plant(tmp_path) as plant:
        plant.issues.before = Fuse(1, lost)
        await interrupted(plant, report_and_order, asked())
        other = await plant.call(report_and_order, asked("Another one"), key="another-key")
        assert other["record"]["id"] == "ISS-0002"
        await plant.call(report_and_order, asked(), key=KEY)
        is_there_once(plant, "Another one")
        is_there_once(plant, asked()["title"])
        assert [row["id"] for row in plant.rows("SELECT id FROM meter_readings")] == ["MR-0001", "MR-0002"]


async def test_an_open_call_without_a_key_is_carried_on_long_after_its_window_and_replayed_from_then_on(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        plant.light(4)
        with pytest.raises(Crash):
            await plant.call(report_one, asked())
        plant.light(0)
        tomorrow = plant.at(Clock(AS_OF + timedelta(days=1)))
        answer = await tomorrow.call(report_one, asked())
        assert answer["status"] == "recovered"
        assert await tomorrow.call(report_one, asked()) == answer | {"replayed": True}
        assert len(plant.issues.writes) == 1


async def test_a_call_that_goes_on_does_not_undo_what_another_call_did_meanwhile(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        number = (await plant.call(report_one, asked()))["record"]["id"]
        plant.light(4)
        with pytest.raises(Crash):
            await plant.call(rename_issue, asked("First rename", id=number), key=KEY)
        plant.light(0)
        await plant.call(rename_issue, asked("Second rename", id=number), key="another-key")
        failure = await interrupted(plant, rename_issue, asked("First rename", id=number))
        assert isinstance(failure, Conflict)
        assert plant.issues.rows[number]["summary"] == "Second rename"
        assert [row["title"] for row in plant.rows("SELECT title FROM issues")] == ["Second rename"]


async def test_a_call_that_goes_on_does_not_undo_what_another_call_did_beside_the_system(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        number = (await plant.call(report_one, asked()))["record"]["id"]
        plant.light(4)
        with pytest.raises(Crash):
            await plant.call(rename_issue, asked("First rename", id=number), key=KEY)
        plant.light(0)
        step = {"project": "ALPHA", "issue_id": number, "section": "comment", "by": "E110", "text": "Seen."}
        await plant.call("update_issue", step | {"expected_revision": 2})
        failure = await interrupted(plant, rename_issue, asked("First rename", id=number))
        assert isinstance(failure, Conflict)
        assert "changed by another call since this one broke off" in failure.message
        (row,) = plant.rows("SELECT revision, comments FROM issues")
        assert row["revision"] == 3
        assert "Seen." in row["comments"]


async def test_a_change_whose_request_was_lost_is_sent_again(tmp_path: Path):
    async with federated_plant(tmp_path, client_ids=False) as plant:
        number = (await plant.call(report_one, asked()))["record"]["id"]
        plant.issues.before = Fuse(1, lost)
        with attempts(ATTEMPTS):
            answer = await plant.call(rename_issue, asked("Renamed", id=number), key=KEY)
        assert answer["status"] == "updated"
        assert plant.issues.rows["1"]["summary"] == "Renamed"


async def test_a_record_that_the_system_stored_otherwise_is_told_and_may_be_stored(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:

        def cuts(record: Issue) -> None:
            plant.issues.rows[record.id]["pieces"] = 4

        plant.issues.after = cuts
        failure = await interrupted(plant, report_one, asked())
        assert isinstance(failure, VerificationFailed)
        assert any("qty_affected: sent 3, found 4" in told for told in failure.also)
        plant.issues.rows["ISS-0001"]["pieces"] = 3
        assert (await plant.call(report_one, asked(), key=KEY))["status"] == "recovered"


async def test_whoever_gives_up_while_it_is_sent_finds_it_done(tmp_path: Path):
    async with federated_plant(tmp_path) as plant:
        with anyio.CancelScope() as scope:

            def give_up(_: object) -> None:
                scope.cancel()

            plant.issues.after = give_up
            await plant.call(report_one, asked(), key=KEY)
            await anyio.lowlevel.checkpoint()
        assert scope.cancelled_caught
        assert plant.open_calls() == 0
        is_there_once(plant, asked()["title"], "issues")
        assert (await plant.call(report_one, asked(), key=KEY))["replayed"] is True


async def _keeps_the_turn(plant: FederatedPlant, *, task_status: TaskStatus[None]) -> None:
    async with plant.federation.alone():
        task_status.started()
        await anyio.sleep_forever()


async def test_time_that_is_up_before_the_sending_ends_the_call_and_after_it_does_not(tmp_path: Path):
    async with federated_plant(tmp_path, lookup_waits_s=(0.3,)) as plant:
        async with anyio.create_task_group() as group:
            await group.start(_keeps_the_turn, plant)
            with pytest.raises(DeadlineExceeded):
                await plant.call(report_one, asked(), key=KEY, deadline_s=0.05)
            group.cancel_scope.cancel()
        assert plant.issues.writes == []
        plant.issues.after = Fuse(1, lost)
        answer = await plant.call(report_one, asked(), key=KEY, deadline_s=0.25)
        assert answer["status"] == "recovered"


async def test_fifty_clients_at_once_get_ids_of_their_own(tmp_path: Path):
    numbers: list[str] = []
    async with federated_plant(tmp_path) as plant:

        async def client(number: int) -> None:
            answer = await plant.call(report_one, asked(f"Client {number}"), key=f"client-{number:04d}")
            numbers.append(answer["record"]["id"])

        with anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                for number in range(50):
                    group.start_soon(client, number)
        assert sorted(numbers) == [f"ISS-{number:04d}" for number in range(1, 51)]
        assert len(plant.issues.rows) == 50
