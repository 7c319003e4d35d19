"""Starts on PostgreSQL: an empty database, one of ours of any age, and one that is none of our business."""

from datetime import timedelta
from pathlib import Path

import anyio
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from structlog.testing import capture_logs

from mcp_server.backends.base import Query
from mcp_server.backends.sql import migrations, tables
from mcp_server.backends.sql.postgres import PostgresDatabase
from mcp_server.backends.sql.provision_postgres import open_postgres, reseed_postgres
from mcp_server.bundled import sample_plant_dir
from mcp_server.domain.records import Issue, Project
from mcp_server.errors import BackendUnavailable, ConfigurationError
from tests.support.postgres import PASSWORD, PASSWORD_IN_URL, Cluster
from tests.support.sample_plant import AS_OF

pytestmark = pytest.mark.anyio

CONSTRAINTS = """
    SELECT conrelid::regclass::text AS "table", conname AS name, pg_get_constraintdef(oid) AS rule
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'alembic_version'
    UNION ALL SELECT tablename, indexname, indexdef FROM pg_indexes
    WHERE schemaname = 'public' AND tablename <> 'alembic_version'
    ORDER BY 1, 2, 3
"""


async def opened(url: str) -> str:
    """Open the store and close it; returns what answers would call it."""
    store = await open_postgres(url, sample_plant=sample_plant_dir(), as_of=AS_OF)
    await store.aclose()
    return store.source


def counts(cluster: Cluster, database: str) -> dict[str, int]:
    names = [table.name for table in tables.metadata.sorted_tables]
    query = " UNION ALL ".join(f"SELECT '{name}' AS name, count(*) AS n FROM {name}" for name in names)
    return {row["name"]: row["n"] for row in cluster.run_sql(query, database=database)}


async def refusal_of(url: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        await opened(url)
    assert PASSWORD not in str(refused.value)
    assert PASSWORD_IN_URL not in str(refused.value)
    return str(refused.value)


def test_starts_at_once_on_an_empty_database_end_with_one_plant(cluster: Cluster, empty_database, database) -> None:
    async def start_all() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(opened, cluster.url(empty_database))

    anyio.run(start_all)
    found = counts(cluster, empty_database)
    assert found["issues"] == 72
    assert found == counts(cluster, database)


async def test_the_migrated_schema_is_the_declared_one(cluster: Cluster, database: str) -> None:
    def differences(connection: sa.Connection) -> list[object]:
        options = {"compare_type": True, "compare_server_default": True}
        return compare_metadata(MigrationContext.configure(connection, opts=options), tables.metadata)

    shared = PostgresDatabase(cluster.url(database))
    async with shared.reading() as connection:
        assert await connection.run_sync(differences) == []
    await shared.aclose()


def test_the_migrated_constraints_and_indexes_are_the_declared_ones(cluster, database, empty_database) -> None:
    async def declare() -> None:
        shared = PostgresDatabase(cluster.url(empty_database))
        async with shared.preparing() as connection:
            await connection.run_sync(tables.metadata.create_all)
        await shared.aclose()

    anyio.run(declare)
    declared, migrated = (cluster.run_sql(CONSTRAINTS, database=name) for name in (empty_database, database))
    assert len(migrated) > 150
    assert migrated == declared


async def test_the_source_names_host_and_database_and_that_it_is_the_sample_plant(cluster, database) -> None:
    assert await opened(cluster.url(database)) == f"postgresql:127.0.0.1/{database} (sample plant)"


def test_opening_again_adds_and_moves_nothing(cluster: Cluster, database: str) -> None:
    before = counts(cluster, database), cluster.run_sql("SELECT * FROM gauges ORDER BY id", database=database)

    async def open_later() -> None:
        later = AS_OF + timedelta(days=40)
        store = await open_postgres(cluster.url(database), sample_plant=sample_plant_dir(), as_of=later)
        await store.aclose()

    anyio.run(open_later)
    assert before == (counts(cluster, database), cluster.run_sql("SELECT * FROM gauges ORDER BY id", database=database))


async def test_a_plant_that_was_emptied_is_not_seeded_again_by_a_start(cluster: Cluster, database: str) -> None:
    await anyio.to_thread.run_sync(
        lambda: cluster.run_sql(
            "TRUNCATE " + ", ".join(table.name for table in tables.metadata.sorted_tables), database=database
        )
    )
    store = await open_postgres(cluster.url(database), sample_plant=sample_plant_dir(), as_of=AS_OF)
    async with store.reader() as reader:
        assert (await reader.find(Project, Query())).total == 0
    await store.aclose()
    assert store.source == f"postgresql:127.0.0.1/{database}"


async def test_seeding_again_changes_nothing_and_erasing_starts_over(cluster, database, make_issue) -> None:
    url = cluster.url(database)
    store = await open_postgres(url, sample_plant=sample_plant_dir(), as_of=AS_OF)
    async with store.unit_of_work() as unit:
        await unit.insert(make_issue("ISS-9001"))
    assert await reseed_postgres(url, sample_plant=sample_plant_dir(), as_of=AS_OF, erase=False) is None
    async with store.reader() as reader:
        assert await reader.get(Issue, "ISS-9001") is not None
    seeded = await reseed_postgres(url, sample_plant=sample_plant_dir(), as_of=AS_OF, erase=True)
    assert seeded is not None
    assert seeded["issues"] == 72
    async with store.reader() as reader:
        assert await reader.get(Issue, "ISS-9001") is None
    await store.aclose()


async def test_a_sample_plant_that_cannot_be_read_leaves_the_database_empty(
    cluster, empty_database, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        await open_postgres(cluster.url(empty_database), sample_plant=tmp_path / "nowhere", as_of=AS_OF)
    await opened(cluster.url(empty_database))


@pytest.mark.parametrize("older", ["0001", "0002"])
async def test_an_older_schema_is_upgraded_and_the_log_says_so(cluster, empty_database, older: str) -> None:
    def migrate(connection: sa.Connection) -> None:
        config = migrations.alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, older)

    shared = PostgresDatabase(cluster.url(empty_database))
    async with shared.preparing() as connection:
        await connection.run_sync(migrate)
    await shared.aclose()
    with capture_logs() as said:
        assert await opened(cluster.url(empty_database)) == f"postgresql:127.0.0.1/{empty_database}"
    assert [(line["event"], line["was"]) for line in said] == [("plant database upgraded", older)]
    assert "pg_dump" in said[0]["backup"]


async def test_the_database_of_another_program_is_left_alone(cluster, empty_database) -> None:
    def give_away() -> None:
        cluster.run_sql("CREATE TABLE theirs (id int)", database=empty_database)

    await anyio.to_thread.run_sync(give_away)
    message = await refusal_of(cluster.url(empty_database))
    assert f"127.0.0.1/{empty_database} is a database of another program" in message
    assert "--backend" in message


async def test_a_schema_this_program_does_not_know_is_refused(cluster, database) -> None:
    def age() -> None:
        cluster.run_sql("UPDATE alembic_version SET version_num = '9999'", database=database)

    await anyio.to_thread.run_sync(age)
    assert f"schema 9999; this one knows {migrations.HEAD}" in await refusal_of(cluster.url(database))


async def test_a_wrong_password_an_absent_database_and_a_foreign_setting_are_named(cluster, empty_database) -> None:
    assert "password authentication failed" in await refusal_of(cluster.url(empty_database, password="wrong"))
    assert 'database "no_such" does not exist' in await refusal_of(cluster.url("no_such"))
    assert "no_such_setting" in await refusal_of(f"{cluster.url(empty_database)}?no_such_setting=1")


async def test_a_user_who_may_not_make_tables_is_refused(cluster, empty_database) -> None:
    def make_user() -> None:
        cluster.run_sql("DROP ROLE IF EXISTS reader")
        cluster.run_sql("CREATE ROLE reader LOGIN PASSWORD 'reads'")

    await anyio.to_thread.run_sync(make_user)
    url = cluster.url(empty_database).replace(f"shopfloor:{PASSWORD_IN_URL}", "reader:reads")
    assert "permission denied" in await refusal_of(url)


async def test_a_database_in_another_encoding_is_refused(cluster) -> None:
    def make() -> None:
        cluster.run_sql("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc")

    await anyio.to_thread.run_sync(make)
    assert "encoding LATIN1" in await refusal_of(cluster.url("latin"))


async def test_a_server_that_is_not_there_is_unavailable(cluster: Cluster) -> None:
    with pytest.raises(BackendUnavailable, match="cannot be reached"):
        await opened(cluster.url("plant").replace(f":{cluster.port}/", ":9/"))
