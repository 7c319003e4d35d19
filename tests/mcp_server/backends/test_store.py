"""The port's promises, on real SQLite files and PostgreSQL databases."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from mcp_server.backends.base import AuditEntry, Change, Query, Sending, StoredCall
from mcp_server.backends.sql import tables
from mcp_server.backends.sql.tables import TABLES
from mcp_server.domain.records import (
    ChangedRecord,
    Document,
    DocumentState,
    Gauge,
    HistoryEntry,
    Issue,
    IssueState,
    Machine,
    MaintenanceKind,
    Material,
    QualityPlan,
    Record,
    Spec,
    Triage,
    WorkOrder,
    WorkOrderState,
)
from mcp_server.errors import Conflict, InternalError

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def an_entry(record_id: str | None = None) -> AuditEntry:
    return AuditEntry(NOW, "tester", None, "log_issue", "created", "Issue", record_id, None, {"title": "x"})


def a_call(
    key: str, stored_at: datetime = NOW, kept: timedelta = timedelta(days=7), principal: str = "p"
) -> StoredCall:
    return StoredCall(principal, "log_issue", key, "hash", {"status": "created"}, stored_at, stored_at + kept)


async def ids(store, kind: type[Record], **query: object) -> list[str]:
    async with store.reader() as reader:
        return [record.id for record in (await reader.find(kind, Query(**query))).items]


async def test_a_restart_loses_nothing(open_plant, make_issue, make_plan) -> None:
    issue = make_issue("ISS-9001", title="Ölpumpe verliert Öl", immediate_containment="Wanne untergestellt")
    plan = make_plan("QP-9001", ("OP30", "OP10", "OP20"))
    async with open_plant() as store, store.unit_of_work() as unit:
        await unit.insert(issue)
        await unit.insert(plan)
        await unit.remember(a_call("key-00001"))
        await unit.audit(an_entry())
    async with open_plant() as store, store.unit_of_work() as unit:
        assert await unit.get(Issue, "ISS-9001") == issue
        assert await unit.get(QualityPlan, plan.key) == plan
        assert await unit.recall("p", "log_issue", "key-00001", NOW) == a_call("key-00001")


async def test_a_unit_reads_what_it_wrote_and_nobody_else_does(open_plant, make_issue) -> None:
    async with open_plant() as store, store.reader() as before:
        await before.find(Issue, Query(limit=1))
        async with store.unit_of_work() as unit:
            await unit.insert(make_issue("ISS-9001"))
            assert await unit.get(Issue, "ISS-9001") == make_issue("ISS-9001")
            assert await before.get(Issue, "ISS-9001") is None
        assert await before.get(Issue, "ISS-9001") is None  # a reader sees one moment
        assert "ISS-9001" in await ids(store, Issue)


async def test_an_error_rolls_the_whole_unit_back(open_plant, make_issue) -> None:
    async with open_plant() as store:

        async def fail_at_the_end() -> None:
            async with store.unit_of_work() as unit:
                await unit.insert(make_issue("ISS-9001"))
                await unit.audit(an_entry("ISS-9001"))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail_at_the_end()
        async with store.unit_of_work() as unit:
            assert await unit.get(Issue, "ISS-9001") is None
            assert (await unit._connection.execute(sa.select(tables.audit_log))).all() == []


async def test_a_dry_unit_leaves_nothing(open_plant, make_issue) -> None:
    async with open_plant() as store:
        async with store.unit_of_work(commit=False) as unit:
            await unit.insert(make_issue("ISS-9001"))
            assert await unit.get(Issue, "ISS-9001") is not None
        assert "ISS-9001" not in await ids(store, Issue)


async def test_a_cancelled_unit_leaves_nothing_and_holds_nothing_up(open_plant, make_issue) -> None:
    async with open_plant() as store:
        inserted = anyio.Event()

        async def hang() -> None:
            async with store.unit_of_work() as unit:
                await unit.insert(make_issue("ISS-9001"))
                inserted.set()
                await anyio.sleep_forever()

        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(hang)
                await inserted.wait()
                tasks.cancel_scope.cancel()
            async with store.unit_of_work() as unit:
                assert await unit.get(Issue, "ISS-9001") is None
                await unit.insert(make_issue("ISS-9001"))
        assert "ISS-9001" in await ids(store, Issue)


async def test_a_unit_whose_last_step_is_overtaken_by_its_deadline_is_not_committed(open_plant, make_issue) -> None:
    async with open_plant() as store:
        with anyio.CancelScope() as scope:
            async with store.unit_of_work() as unit:
                await unit.insert(make_issue("ISS-9001"))
                scope.cancel()
        assert scope.cancelled_caught
        assert "ISS-9001" not in await ids(store, Issue)


async def test_a_deadline_during_the_commit_cannot_make_a_stored_unit_look_cancelled(open_plant, make_issue) -> None:
    async with open_plant() as store:
        with anyio.CancelScope() as scope:
            event.listen(store._database._writer.sync_engine, "commit", lambda _connection: scope.cancel())
            async with store.unit_of_work() as unit:
                await unit.insert(make_issue("ISS-9001"))
        assert scope.cancel_called
        assert not scope.cancelled_caught
        assert "ISS-9001" in await ids(store, Issue)


@pytest.mark.parametrize("writes", [False, True])
async def test_cancellation_in_any_statement_never_costs_a_connection(open_plant, writes: bool) -> None:
    """200 calls are cancelled while a statement runs; afterwards as many calls at once as ever are served."""
    async with open_plant() as store:
        engine = (store._database._writer if writes else store._database._readers).sync_engine
        opened = 0

        def count(*_: object) -> None:
            nonlocal opened
            opened += 1

        event.listen(engine, "connect", count)

        async def use() -> None:
            async with store.unit_of_work() if writes else store.reader() as plant:
                for _ in range(3):
                    await plant.find(Material, Query())

        scope = anyio.CancelScope()

        def cancel_in_a_query(_connection, _cursor, statement: str, *_: object) -> None:
            if statement.startswith("SELECT"):
                scope.cancel()

        event.listen(engine, "before_cursor_execute", cancel_in_a_query)
        for number in range(200):
            scope = anyio.CancelScope()
            with scope:
                await use()
            assert scope.cancelled_caught, number
        event.remove(engine, "before_cursor_execute", cancel_in_a_query)
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                for _ in range(20):
                    tasks.start_soon(use)
        assert opened <= (1 if writes else 4)


async def test_a_reader_is_refused_to_write(open_plant) -> None:
    async with open_plant() as store, store._database.reading() as connection:
        with pytest.raises(DBAPIError, match=r"read-?only"):
            await connection.execute(sa.delete(tables.issues))


async def test_a_failed_query_gives_its_reader_back(open_plant) -> None:
    async with open_plant() as store:
        for _ in range(10):
            with pytest.raises(KeyError):
                async with store.reader() as reader:
                    await reader.find(Issue, Query(among={"no_such_field": ["x"]}))
        with anyio.fail_after(10):
            assert len(await ids(store, Issue)) == 72


async def test_more_readers_than_connections_wait_for_their_turn(open_plant) -> None:
    async with open_plant() as store:
        found: list[int] = []

        async def read() -> None:
            found.append(len(await ids(store, Machine)))

        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                for _ in range(40):
                    tasks.start_soon(read)
        assert found == [42] * 40


async def test_repeating_an_id_is_a_conflict_and_changes_nothing(open_plant, make_issue) -> None:
    async with open_plant() as store:
        async with store.reader() as reader:
            before = await reader.get(Issue, "ISS-0001")
        with pytest.raises(Conflict):
            async with store.unit_of_work() as unit:
                await unit.insert(make_issue("ISS-0001"))
        async with store.reader() as reader:
            assert await reader.get(Issue, "ISS-0001") == before


@pytest.mark.parametrize("changes", [{"machine_id": "NO-SUCH"}, {"spec_id": "NO-SUCH"}, {"qty_affected": -1}])
async def test_the_schema_refuses_what_no_tool_may_store(open_plant, make_issue, changes) -> None:
    async with open_plant() as store:
        with pytest.raises(Conflict):
            async with store.unit_of_work() as unit:
                await unit.insert(make_issue("ISS-9001", **changes))


async def test_a_row_the_server_does_not_know_is_named(open_file, folder: Path) -> None:
    with closing(sqlite3.connect(folder / "plant.sqlite3")) as foreign:
        foreign.execute("UPDATE gauges SET ndc = 'many' WHERE id = 'GG-03'")
        foreign.commit()
    async with open_file() as store:
        with pytest.raises(InternalError, match=r"Gauge GG-03.*ndc"):
            await ids(store, Gauge)


async def test_a_plan_without_rows_is_stored_without_rows(open_plant, make_plan) -> None:
    async with open_plant() as store, store.unit_of_work() as unit:
        plan = make_plan("QP-9001", ())
        await unit.insert(plan)
        stored = await unit.get(QualityPlan, plan.key)
        assert stored is not None
        assert stored.rows == ()


async def test_plans_of_one_page_keep_their_own_rows_in_order(open_plant, make_plan) -> None:
    first = make_plan("QP-9001", ("OP30", "OP10"))
    second = make_plan("QP-9002", ("OP20", "OP40", "OP05"), phase="production")
    async with open_plant() as store, store.unit_of_work() as unit:
        await unit.insert(second)
        await unit.insert(first)
        assert (await unit.find(QualityPlan, Query({"id": ("QP-9001", "QP-9002")}))).items == (first, second)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ([], "ZZ-0001"),
        (["ZZ-0001", "ZZ-0007"], "ZZ-0008"),
        (["ZZ-9999"], "ZZ-10000"),
        (["ZZ-9999", "ZZ-10000"], "ZZ-10001"),
        (["ZZ-5"], "ZZ-0006"),
        (["ZZ-00012"], "ZZ-00013"),
        (["ZZ-0013", "ZZ-00012"], "ZZ-0014"),
        (["ZZ-0012", "ZZ-00012"], "ZZ-00013"),
        (["ZZ-0003", "ZZ-2026-0001", "ZZ-12x", "ZZ-x", "ZZ-", "ZZ--4"], "ZZ-0004"),
        (["ZZ-0003", "zz-0009", "ZZZ-0010", "AZZ-0011"], "ZZ-0004"),
        (["ZZ-0003", "ZZ-99999999999999999999"], "ZZ-0004"),
    ],
)
async def test_the_next_id_follows_the_highest_number_whatever_else_is_stored(
    open_plant, make_issue, stored: list[str], expected: str
) -> None:
    async with open_plant() as store, store.unit_of_work() as unit:
        for issue_id in stored:
            await unit.insert(make_issue(issue_id))
        assert await unit.next_id(Issue, "ZZ-") == expected
        await unit.insert(make_issue(expected))


async def test_the_id_of_a_rolled_back_unit_is_used_again(open_plant, make_issue) -> None:
    async with open_plant() as store:
        async with store.unit_of_work(commit=False) as unit:
            lost = await unit.next_id(Issue, "ISS-")
            await unit.insert(make_issue(lost))
        async with store.unit_of_work() as unit:
            assert await unit.next_id(Issue, "ISS-") == lost == "ISS-0073"


@pytest.mark.parametrize("limit", [1, 5, 71, 72, 73])
async def test_pages_of_any_size_show_every_record_once_in_order(open_plant, limit: int) -> None:
    async with open_plant() as store, store.reader() as reader:
        every = (await reader.find(Issue, Query())).items
        seen: list[Issue] = []
        after: str | None = None
        while True:
            page = await reader.find(Issue, Query(after=after, limit=limit))
            assert page.total == len(every) == 72
            assert len(page.items) <= limit
            seen += page.items
            after = page.next_after
            if after is None:
                break
        assert tuple(seen) == every
        assert [issue.id for issue in seen] == sorted(issue.id for issue in seen)


async def test_a_page_past_the_end_is_empty_and_still_counts_all(open_plant) -> None:
    async with open_plant() as store, store.reader() as reader:
        page = await reader.find(Issue, Query(after="ZZZ", limit=5))
        assert (page.items, page.total, page.next_after) == ((), 72, None)


async def test_filters_narrow_together(open_plant) -> None:
    async with open_plant() as store:
        special = await ids(store, Spec, among={"special_class": ["CC"], "project": ["BETA"]})
        assert special == ["SP-101", "SP-102", "SP-103"]
        assert await ids(store, Spec, among={"project": []}) == []


async def test_since_and_until_include_their_edges(open_plant, make_issue) -> None:
    second = timedelta(seconds=1)
    async with open_plant() as store:
        async with store.unit_of_work() as unit:
            for number, at in enumerate((NOW - second, NOW, NOW + second, NOW + 2 * second), start=1):
                await unit.insert(make_issue(f"ZZ-000{number}", opened_at=at))
        edges = {"since": {"opened_at": NOW}, "until": {"opened_at": NOW + second}}
        assert await ids(store, Issue, among={"detected_by": ["operator"]}, **edges) == ["ZZ-0002", "ZZ-0003"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("leak tester 2", ["LT-131", "LT-230"]),
        ("LEAK TESTER 2", ["LT-131", "LT-230"]),
        ("lt-13", ["LT-130", "LT-131"]),
        ("no such thing", []),
        ("leak%tester", []),
        ("LT_131", []),
        ("leak\\tester", []),
        ("' OR 1=1 --", []),
    ],
)
async def test_a_text_search_ignores_case_and_takes_every_character_literally(open_plant, text, found) -> None:
    async with open_plant() as store:
        assert await ids(store, Machine, text=text) == found


@pytest.mark.parametrize(
    "text", ["100 %", "a_b", "back\\slash", "sl/ash", "ÖLPUMPE", "ölpumpe", "čerpadlo", "ČERPADLO"]
)
async def test_wildcards_and_accents_in_stored_text_are_found(open_plant, make_issue, text: str) -> None:
    async with open_plant() as store:
        async with store.unit_of_work() as unit:
            await unit.insert(make_issue("ZZ-0001", title="Ölpumpe und Čerpadlo 100 % a_b back\\slash sl/ash"))
            await unit.insert(make_issue("ZZ-0002", title="100 parts, aXb, backslash"))
        assert await ids(store, Issue, text=text) == ["ZZ-0001"]


async def test_a_key_is_recalled_until_it_expires_and_only_by_its_owner(open_plant) -> None:
    async with open_plant() as store, store.unit_of_work() as unit:
        await unit.remember(a_call("key-00001", kept=timedelta(minutes=2)))
        almost, over = NOW + timedelta(seconds=119), NOW + timedelta(minutes=2)
        assert await unit.recall("p", "log_issue", "key-00001", almost) == a_call(
            "key-00001", kept=timedelta(minutes=2)
        )
        assert await unit.recall("p", "log_issue", "key-00001", over) is None
        assert await unit.recall("someone else", "log_issue", "key-00001", NOW) is None
        assert await unit.recall("p", "create_quality_plan", "key-00001", NOW) is None


async def test_an_expired_key_can_be_used_again_and_old_ones_are_cleared_away(open_plant) -> None:
    later = NOW + timedelta(days=8)
    async with open_plant() as store:
        async with store.unit_of_work() as unit:
            await unit.remember(a_call("key-00001"))
            await unit.remember(a_call("key-00002"))
        async with store.unit_of_work() as unit:
            await unit.remember(a_call("key-00001", stored_at=later))
            assert await unit.recall("p", "log_issue", "key-00001", later) == a_call("key-00001", stored_at=later)
        async with store.unit_of_work() as unit:
            assert await unit.recall("p", "log_issue", "key-00002", NOW) is None


async def test_a_key_remembered_anew_stands_for_the_later_answer(open_plant) -> None:
    later = a_call("key-00001", stored_at=NOW + timedelta(hours=1))
    async with open_plant() as store:
        for call in (a_call("key-00001"), a_call("key-00001", principal="q"), later):
            async with store.unit_of_work() as unit:
                await unit.remember(call)
        async with store.unit_of_work() as unit:
            assert await unit.recall("p", "log_issue", "key-00001", NOW) == later
            assert await unit.recall("q", "log_issue", "key-00001", NOW) is not None


async def test_audit_rows_are_numbered_upwards(open_plant) -> None:
    async with open_plant() as store:
        numbers: list[int] = []
        for _ in range(3):
            async with store.unit_of_work() as unit:
                numbers.append(await unit.audit(an_entry()))
        assert numbers == [1, 2, 3]


async def test_a_time_without_a_zone_is_refused(open_plant) -> None:
    async with open_plant() as store:
        with pytest.raises(sa.exc.StatementError, match="time zone"):
            async with store.unit_of_work() as unit:
                await unit.remember(a_call("key-00001", stored_at=NOW.replace(tzinfo=None)))


def kinds_of_records(base: type[Record] = Record) -> set[type[Record]]:
    found = {kind for kind in base.__subclasses__() if kind.__module__.startswith("mcp_server.domain.records")}
    return {kind for kind in found if kind not in {Document, ChangedRecord}}.union(
        *(kinds_of_records(kind) for kind in found & {Document, ChangedRecord})
    )


async def test_every_kind_of_record_survives_the_way_to_the_file_and_back(open_plant, make_plan) -> None:
    """An inventory: a record kind without a table, or a field without a column, cannot be forgotten."""
    assert kinds_of_records() == set(TABLES)
    async with open_plant() as store, store.unit_of_work() as unit:
        await unit.insert(make_plan("QP-9001"))
        await unit.insert(an_entry_of_history())
        for kind, table in TABLES.items():
            (record,) = (await unit.find(kind, Query(limit=1))).items
            assert await unit.get(kind, record.key) == record
            own = {"key"} if issubclass(kind, Document) else set[str]()
            assert {column.name for column in table.columns} == (set(kind.model_fields) - {"rows"}) | own


def an_entry_of_history() -> HistoryEntry:
    return HistoryEntry(
        id="H-0000001-001",
        record_type="Issue",
        record_id="ISS-0001",
        revision=2,
        at=NOW,
        tool="update_issue",
        principal="p",
        audit_id=1,
        changed=("state", "triage"),
    )


async def test_a_replaced_record_is_the_one_that_is_read(open_plant, make_issue, make_plan) -> None:
    triage = Triage(by="E105", at=NOW, owner="E108")
    after = make_issue("ISS-9001", state=IssueState.TRIAGED, revision=2, triage=triage)
    plan = make_plan("QP-9001", ("OP10", "OP20"))
    shorter = plan.model_copy(update={"rows": plan.rows[1:], "state": DocumentState.IN_REVIEW})
    async with open_plant() as store, store.unit_of_work() as unit:
        await unit.insert(make_issue("ISS-9001"))
        await unit.insert(plan)
        await unit.replace(after)
        await unit.replace(shorter)
    async with open_plant() as store, store.reader() as reader:
        assert await reader.get(Issue, "ISS-9001") == after
        assert await reader.get(QualityPlan, plan.key) == shorter


async def test_a_record_that_is_not_there_cannot_be_replaced(open_plant, make_issue) -> None:
    async with open_plant() as store:
        with pytest.raises(Conflict, match="no issue ISS-9001"):
            async with store.unit_of_work() as unit:
                await unit.replace(make_issue("ISS-9001"))
        assert await ids(store, Issue, among={"id": ("ISS-9001",)}) == []


async def test_revisions_of_a_document_stand_beside_each_other(open_plant, make_plan) -> None:
    first = make_plan("QP-9001", state="superseded")
    second = make_plan("QP-9001", revision=2, state="released")
    third = make_plan("QP-9001", revision=3)
    async with open_plant() as store, store.unit_of_work() as unit:
        for plan in (third, first, second):
            await unit.insert(plan)
        found = (await unit.find(QualityPlan, Query({"id": ("QP-9001",)}))).items
        assert found == (first, second, third)
        assert await unit.get(QualityPlan, second.key) == second
        backwards = Query({"id": ("QP-9001",)}, limit=2, descending=True)
        page = await unit.find(QualityPlan, backwards)
        assert (page.items, page.total, page.next_after) == ((third, second), 3, second.key)
        rest = await unit.find(QualityPlan, replace(backwards, after=page.next_after))
        assert (rest.items, rest.next_after) == ((first,), None)
        assert await unit.next_id(QualityPlan, "QP-") == "QP-9002"


async def insert_together(store, *records: Record) -> None:
    async with store.unit_of_work() as unit:
        for record in records:
            await unit.insert(record)


@pytest.mark.parametrize("states", [("released", "released"), ("draft", "in_review"), ("approved", "draft")])
async def test_the_schema_holds_one_released_and_one_open_revision_at_most(open_plant, make_plan, states) -> None:
    first, second = (make_plan("QP-9001", revision=n, state=state) for n, state in enumerate(states, start=1))
    async with open_plant() as store:
        with pytest.raises(Conflict):
            await insert_together(store, first, second)
        assert await ids(store, QualityPlan, among={"id": ("QP-9001",)}) == []


async def test_the_schema_holds_one_open_work_order_a_task_at_most(open_plant) -> None:
    def order(number: int, state: WorkOrderState) -> WorkOrder:
        return WorkOrder(
            id=f"WO-900{number}",
            project="ALPHA",
            machine_id="MC-101",
            task_id="PM-MC101-03",
            kind=MaintenanceKind.PREVENTIVE,
            title="500 h service",
            state=state,
            start=NOW,
            duration_min=90,
            priority=3,
            created_at=NOW,
            created_by="tester",
        )

    planned, done = WorkOrderState.PLANNED, WorkOrderState.DONE
    async with open_plant() as store:
        async with store.unit_of_work() as unit:
            await unit.insert(order(1, done))
            await unit.insert(order(2, planned))
            await unit.insert(order(3, WorkOrderState.CANCELLED))
        with pytest.raises(Conflict):
            async with store.unit_of_work() as unit:
                await unit.insert(order(4, planned))


def a_sending(make_issue, make_plan, begun: int = 1) -> Sending:
    before = make_issue("ISS-9001")
    after = before.model_copy(update={"state": IssueState.TRIAGED, "revision": 2})
    changes = (Change(before, after), Change(None, make_plan("QP-9001", ("OP30", "OP10"))))
    return Sending(changes, begun, "Issue", "ISS-9001")


async def test_what_a_write_is_still_sending_comes_back_as_it_was(open_plant, make_issue, make_plan) -> None:
    call = replace(a_call("key-00001"), sending=a_sending(make_issue, make_plan))
    async with open_plant() as store:
        async with store.unit_of_work() as unit:
            await unit.remember(a_call("key-00002"))
            await unit.remember(call)
        async with store.unit_of_work() as unit:
            assert await unit.recall("p", "log_issue", "key-00001", NOW) == call
        async with store.reader() as reader:
            assert await reader.open_calls() == (call,)


async def test_a_write_that_is_still_sending_never_expires(open_plant, make_issue, make_plan) -> None:
    much_later = NOW + timedelta(days=365)
    sending = replace(a_call("key-00001"), sending=a_sending(make_issue, make_plan))
    async with open_plant() as store, store.unit_of_work() as unit:
        await unit.remember(sending)
        await unit.remember(a_call("key-00002", much_later))
        assert await unit.recall("p", "log_issue", "key-00001", much_later) == sending
        ended = replace(sending, sending=None)
        await unit.remember(ended)
        assert await unit.open_calls() == ()
        assert await unit.recall("p", "log_issue", "key-00001", NOW) == ended
        assert await unit.recall("p", "log_issue", "key-00001", much_later) is None


async def test_a_call_that_is_forgotten_takes_no_other_with_it(open_plant) -> None:
    async with open_plant() as store, store.unit_of_work() as unit:
        for key in ("key-00001", "key-00002"):
            await unit.remember(a_call(key))
        await unit.forget("p", "log_issue", "key-00001")
        assert await unit.recall("p", "log_issue", "key-00001", NOW) is None
        assert await unit.recall("p", "log_issue", "key-00002", NOW) == a_call("key-00002")


async def test_what_a_remote_system_calls_a_record_is_kept_by_kind_and_key(open_plant) -> None:
    async with open_plant() as store:
        async with store.unit_of_work() as unit:
            await unit.keep_remote_ref(Issue, "ISS-9002", "8")
            await unit.keep_remote_ref(Issue, "ISS-9001", "7")
            await unit.keep_remote_ref(Issue, "ISS-9001", "9")
            await unit.keep_remote_ref(Gauge, "ISS-9001", "1")
        async with store.reader() as reader:
            assert await reader.remote_ref(Issue, "ISS-9001") == "9"
            assert await reader.remote_ref(Issue, "ISS-9003") is None
            assert await reader.remote_refs(Issue) == {"ISS-9001": "9", "ISS-9002": "8"}


async def test_a_unit_has_nothing_to_send_and_says_where_it_reads(open_plant) -> None:
    async with open_plant() as store, store.unit_of_work() as unit:
        assert await unit.send(a_call("key-00001")) is False
        assert unit.source == store.source
