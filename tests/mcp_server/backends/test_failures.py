"""What PostgreSQL's errors mean to a caller, each raised by a real server."""

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from mcp_server.backends.sql.failures import failure_of, is_lost
from mcp_server.backends.sql.postgres import PostgresDatabase
from mcp_server.errors import BackendUnavailable, Conflict, InternalError, NotAllowed

pytestmark = pytest.mark.anyio

MEANINGS = {
    "serialization_failure": BackendUnavailable,
    "deadlock_detected": BackendUnavailable,
    "lock_not_available": BackendUnavailable,
    "too_many_connections": BackendUnavailable,
    "disk_full": BackendUnavailable,
    "cannot_connect_now": BackendUnavailable,
    "admin_shutdown": BackendUnavailable,
    "query_canceled": BackendUnavailable,
    "connection_failure": BackendUnavailable,
    "io_error": BackendUnavailable,
    "read_only_sql_transaction": BackendUnavailable,
    "unique_violation": Conflict,
    "foreign_key_violation": Conflict,
    "check_violation": Conflict,
    "insufficient_privilege": NotAllowed,
    "invalid_authorization_specification": NotAllowed,
    "undefined_table": InternalError,
    "division_by_zero": InternalError,
    "data_corrupted": InternalError,
}
NO_ANSWER = {"cannot_connect_now", "admin_shutdown", "query_canceled", "connection_failure"}
"""Raised in a commit, they leave open what became of it."""


@pytest.mark.parametrize("condition", MEANINGS)
async def test_every_error_of_the_server_means_one_thing(cluster, condition: str) -> None:
    database = PostgresDatabase(cluster.url("postgres"))
    failing = sa.text(f"DO $$ BEGIN RAISE EXCEPTION 'it failed' USING ERRCODE = '{condition}'; END $$")
    with pytest.raises(DBAPIError) as raised:
        async with database.reading() as connection:
            await connection.execute(failing)
    await database.aclose()
    failure = failure_of(raised.value)
    assert type(failure) is MEANINGS[condition]
    assert "it failed" not in failure.message
    assert is_lost(raised.value) is (condition in NO_ANSWER)
