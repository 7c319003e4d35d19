"""What PostgreSQL adds to the port: a server that others write to, that restarts, and that is reached over a wire."""

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.util import await_only
from structlog.testing import capture_logs

from mcp_server.backends.base import AuditEntry, Query
from mcp_server.backends.sql import postgres
from mcp_server.backends.sql.postgres import PostgresDatabase, named
from mcp_server.backends.sql.store import SqlBackend
from mcp_server.domain.records import Issue, Machine
from mcp_server.errors import BackendUnavailable, ConfigurationError, Interrupted
from mcp_server.pipeline.call import Pipeline
from mcp_server.pipeline.declaration import Caller
from tests.support.postgres import PASSWORD, PASSWORD_IN_URL, Cluster
from tests.support.sample_plant import CLOCK, TOOLS, report

pytestmark = pytest.mark.anyio

SLEEPS = sa.text("SELECT pg_sleep(60)")


@pytest.fixture
async def store(cluster: Cluster, database: str) -> AsyncIterator[SqlBackend]:
    """The plant in `database`, without what a start does."""
    async with another(cluster, database) as opened:
        yield opened


@asynccontextmanager
async def another(cluster: Cluster, database: str, busy_timeout_s: float = 5.0) -> AsyncIterator[SqlBackend]:
    """As another process would open it: nothing is shared but the server."""
    opened = SqlBackend(PostgresDatabase(cluster.url(database), busy_timeout_s=busy_timeout_s), source="postgresql:it")
    try:
        yield opened
    finally:
        await opened.aclose()


async def run_sql(cluster: Cluster, database: str, statement: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(cluster.url(database))
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()


async def end_sessions(cluster: Cluster, database: str) -> None:
    ends = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{database}'"
    await run_sql(cluster, "postgres", ends)


def lose_commits(store: SqlBackend, *, stored: bool, times: float = 1) -> list[str]:
    """Commits of the store lose their connection, after or before the server has carried them out."""
    lost: list[str] = []

    def lose(connection: sa.Connection) -> None:
        if len(lost) < times:
            lost.append("lost")
            driver = connection.connection.driver_connection
            if stored:
                await_only(driver.execute("COMMIT"))
            driver.terminate()

    event.listen(store._database._writer.sync_engine, "commit", lose)
    return lost


async def log(backend: SqlBackend, key: str | None = None) -> dict[str, object]:
    return await Pipeline(backend, CLOCK).call(TOOLS["log_issue"], report(), Caller(idempotency_key=key))


async def test_writers_of_many_processes_take_turns_and_none_fails(cluster, database, make_issue) -> None:
    async def write(name: str) -> None:
        async with another(cluster, database) as store:
            for _ in range(10):
                async with store.unit_of_work() as unit:
                    issue_id = await unit.next_id(Issue, "ZZ-")
                    await unit.insert(make_issue(issue_id, detected_by=name))

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for number in range(5):
                tasks.start_soon(write, f"writer {number}")
    found = await run_sql(cluster, database, "SELECT id FROM issues WHERE id LIKE 'ZZ-%' ORDER BY id")
    assert [row["id"] for row in found] == [f"ZZ-{number:04}" for number in range(1, 51)]


async def test_a_unit_waits_for_another_process_no_longer_than_the_busy_timeout(cluster, database, store) -> None:
    async with another(cluster, database, busy_timeout_s=0.2) as other, store.unit_of_work():
        with pytest.raises(BackendUnavailable, match=rf"writing to 127.0.0.1/{database} for 0.2 s") as refused:
            async with other.unit_of_work():
                pytest.fail("two writers at once")
        assert refused.value.retry_after_s == 1.0
        async with other.reader() as reader:  # reading goes on meanwhile
            assert (await reader.find(Machine, Query(limit=1))).total == 42


async def test_a_caller_who_gives_up_waiting_leaves_the_queue(cluster, database, store, make_issue) -> None:
    async with another(cluster, database, busy_timeout_s=60) as other:
        async with store.unit_of_work():
            with anyio.move_on_after(0.2) as scope:
                async with other.unit_of_work():
                    pytest.fail("two writers at once")
            assert scope.cancelled_caught
        with anyio.fail_after(10):
            async with other.unit_of_work() as unit:
                await unit.insert(make_issue("ISS-9001"))


async def test_a_restart_between_two_calls_costs_neither_of_them(cluster: Cluster, database: str, store) -> None:
    async with anyio.create_task_group() as tasks:  # as many connections as there can be
        for _ in range(8):
            tasks.start_soon(count_machines, store)
    async with store.unit_of_work() as unit:
        await unit.audit(an_entry())
    await anyio.to_thread.run_sync(cluster.restart)
    for _ in range(8):
        await count_machines(store)
    async with store.unit_of_work() as unit:
        assert await unit.audit(an_entry()) > 1


async def count_machines(store: SqlBackend) -> None:
    async with store.reader() as reader:
        assert (await reader.find(Machine, Query(limit=1))).total == 42


def an_entry() -> AuditEntry:
    return AuditEntry(CLOCK.now(), "tester", None, "test", "ok", None, None, None, {})


@pytest.mark.parametrize("writes", [False, True])
async def test_a_session_that_is_ended_in_a_unit_stores_nothing_and_may_be_tried_again(
    cluster, database, store, make_issue, writes: bool
) -> None:
    async def use() -> None:
        async with store.unit_of_work() if writes else store.reader() as plant:
            if writes:
                await plant.insert(make_issue("ISS-9001"))
            await end_sessions(cluster, database)
            await plant.find(Machine, Query())

    with pytest.raises(BackendUnavailable) as failed:
        await use()
    assert failed.value.outcome_known
    async with store.reader() as reader:
        assert await reader.get(Issue, "ISS-9001") is None


@pytest.mark.parametrize("stored", [True, False], ids=["stored", "not stored"])
@pytest.mark.parametrize("key", ["key-00000001", None], ids=["with key", "without key"])
async def test_a_connection_lost_in_the_commit_leaves_one_effect_and_the_right_answer(
    cluster, database, store, stored: bool, key: str | None
) -> None:
    lost = lose_commits(store, stored=stored)
    answer = await log(store, key)
    assert lost
    assert answer.get("replayed", False) is stored
    kept = await run_sql(cluster, database, "SELECT record_id FROM audit_log WHERE outcome = 'created'")
    issues = await run_sql(cluster, database, "SELECT id FROM issues WHERE id > 'ISS-0072'")
    assert [row[0] for row in kept] == [row[0] for row in issues] == [answer["record"]["id"]]


async def test_a_commit_whose_end_stays_unknown_is_never_called_undone(cluster, store) -> None:
    """The commit arrives, its answer does not, and no later attempt reaches the server."""
    lose_commits(store, stored=True)
    event.listen(store._database._writer.sync_engine, "commit", lambda _: cluster.stop(), once=True)
    try:
        with pytest.raises(Interrupted) as failed:
            await log(store, "key-00000001")
    finally:
        await anyio.to_thread.run_sync(cluster.start)
    assert not failed.value.outcome_known
    assert failed.value.code == "outcome_unknown"
    assert (await log(store, "key-00000001"))["replayed"]


async def test_a_server_that_is_not_there_is_unavailable_and_no_secret_is_said(unused_tcp_port_url: str) -> None:
    gone = SqlBackend(PostgresDatabase(unused_tcp_port_url), source="postgresql:it")
    with capture_logs() as said, pytest.raises(BackendUnavailable) as failed:
        async with gone.reader():
            pytest.fail("there is no server")
    await gone.aclose()
    assert failed.value.retryable
    for text in (str(said), str(failed.value.as_json()), repr(failed.value), str(failed.value.__cause__)):
        assert PASSWORD not in text
        assert PASSWORD_IN_URL not in text


@pytest.fixture
def unused_tcp_port_url(cluster: Cluster) -> str:
    return cluster.url("plant").replace(f":{cluster.port}/", ":9/")


async def test_a_statement_that_takes_too_long_is_ended_by_the_server(cluster, database, monkeypatch) -> None:
    monkeypatch.setattr(postgres, "_STATEMENT_S", 0.1)
    async with another(cluster, database) as store:
        with pytest.raises(BackendUnavailable):
            async with store.reader() as reader:
                await reader._connection.execute(SLEEPS)
        await count_machines(store)


async def test_a_statement_without_any_answer_is_given_up(cluster, database, monkeypatch) -> None:
    monkeypatch.setattr(postgres, "_NO_ANSWER_S", 0.1)
    async with another(cluster, database) as store:
        for _ in range(6):
            with pytest.raises(BackendUnavailable, match="did not answer"):
                async with store.reader() as reader:
                    await reader._connection.execute(SLEEPS)
        with pytest.raises(BackendUnavailable, match="did not answer"):
            async with store.unit_of_work() as unit:
                await unit._connection.execute(SLEEPS)
        async with store.unit_of_work() as unit:
            assert await unit.next_id(Issue, "ISS-") == "ISS-0073"


async def test_keys_are_in_byte_order_although_the_server_orders_text_otherwise(
    cluster, database, store, make_issue
) -> None:
    ids = ["Z-1", "Za", "ZÄ", "Zb", "ZB", "z-1"]
    async with store.unit_of_work() as unit:
        for issue_id in ids:
            await unit.insert(make_issue(issue_id))
    async with store.reader() as reader:
        found, after = [], None
        while len(found) < len(ids):
            page = await reader.find(Issue, Query({"id": ids}, after=after, limit=2))
            found += [issue.id for issue in page.items]
            after = page.next_after
    assert found == sorted(ids)
    (row,) = await run_sql(cluster, database, "SELECT array_agg(x ORDER BY x) AS x FROM unnest(ARRAY['B', 'a']) AS x")
    assert row["x"] == ["a", "B"]


async def test_every_text_of_the_store_is_in_byte_order(cluster: Cluster, database: str) -> None:
    rows = await run_sql(
        cluster,
        database,
        "SELECT table_name, column_name, collation_name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND data_type = 'text'",
    )
    assert len(rows) > 100
    assert [row for row in rows if row["collation_name"] != "C"] == []


async def test_the_server_sees_what_the_sessions_are(cluster: Cluster, database: str, store) -> None:
    async with store.reader(), store.unit_of_work() as unit:
        await unit.audit(an_entry())
        found = await run_sql(
            cluster, "postgres", f"SELECT application_name FROM pg_stat_activity WHERE datname = '{database}'"
        )
    assert {row["application_name"] for row in found} == {"shopfloor-mcp"}


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (
            f"postgresql://me:{PASSWORD_IN_URL}@db.plant.example:5433/plant?sslmode=verify-full",
            "db.plant.example/plant",
        ),
        ("postgres://me@[::1]/plant", "::1/plant"),
        ("postgresql:///plant?host=/run/postgresql", "/run/postgresql/plant"),
        ("postgresql:///plant", "local/plant"),
    ],
)
async def test_a_database_is_named_without_user_and_password(url: str, name: str) -> None:
    assert named(url) == name


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cret/of@the:plant@db.plant.example/plant",
        "postgresql://me:s3cret@the-plant@db.plant.example/plant",
        "postgresql://me:s3cret@db.plant.example",
        "postgresql://me:s3cret@db.plant.example/",
        "postgresql://me:s3cret@db.plant.example:port/plant",
        "mysql://me:s3cret@db.plant.example/plant",
        "s3cret",
        "",
    ],
)
async def test_a_url_that_cannot_be_read_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"postgresql://user:password@host:port/database") as refused:
        PostgresDatabase(url)
    assert "s3cret" not in str(refused.value)
    assert refused.value.__context__ is None


@pytest.mark.parametrize(
    ("sslmode", "says"), [("require", "rejected SSL upgrade"), ("verify-full", "root certificate")]
)
async def test_the_url_says_how_far_the_server_is_trusted(cluster, monkeypatch, tmp_path, sslmode, says) -> None:
    """The server of the tests has no certificate, so whoever insists on one is refused."""
    monkeypatch.setenv("HOME", str(tmp_path))
    strict = PostgresDatabase(f"{cluster.url('postgres')}?sslmode={sslmode}")
    with pytest.raises(Exception, match=says):
        async with strict.reading():
            pytest.fail("not encrypted")
    await strict.aclose()


def test_a_missing_driver_is_named_with_the_command_that_installs_it(monkeypatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(postgres, "import_module", absent)
    with pytest.raises(ConfigurationError, match=r"pip install 'shopfloor\[postgres\]'"):
        PostgresDatabase("postgresql://me@localhost/plant")
    assert importlib.import_module("asyncpg") is asyncpg
