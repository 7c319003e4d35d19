"""Opens the plant's store on PostgreSQL: makes the tables in an empty database and seeds them, or upgrades older ones.

A start is one transaction, and one start goes on at a time: of several processes at once, the first does the work.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date
from functools import partial
from pathlib import Path

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DBAPIError, IntegrityError

from mcp_server.backends.sql import migrations
from mcp_server.backends.sql.engine import BUSY_TIMEOUT_S, Connection
from mcp_server.backends.sql.failures import failure_of
from mcp_server.backends.sql.postgres import QUEUE_UP, PostgresDatabase
from mcp_server.backends.sql.seed import (
    complete_sample_plant,
    is_sample_plant,
    reseed_plant,
    seed_sample_plant,
)
from mcp_server.backends.sql.store import SqlBackend
from mcp_server.domain.records import Record
from mcp_server.errors import BackendUnavailable, ConfigurationError

__all__ = ["open_postgres", "reseed_postgres"]

_CHOOSE_ANOTHER = "Name another database with --backend or SHOPFLOOR_BACKEND."
_log = structlog.get_logger()


async def open_postgres(
    url: str, *, sample_plant: Path, as_of: date, seed: bool = True, busy_timeout_s: float = BUSY_TIMEOUT_S
) -> SqlBackend:
    """The store in the database, ready for use. Unless not `seed`, an empty database gets the sample plant for `as_of`.

    Raises:
        ConfigurationError: the URL is none, the driver is missing, the database is not ours, belongs to a newer
            program, refuses us, or cannot be upgraded. It is then as it was.
        BackendUnavailable: the server cannot be reached now.
    """
    async with AsyncExitStack() as undo:
        database = PostgresDatabase(url, busy_timeout_s=busy_timeout_s)
        undo.push_async_callback(database.aclose)
        async with _preparing(database) as connection:
            if await _brought_up_to_date(connection, database.name, sample_plant) is None and seed:
                await seed_sample_plant(connection, sample_plant, as_of)
            kept = " (sample plant)" if await is_sample_plant(connection) else ""
        undo.pop_all()
    return SqlBackend(database, source=f"postgresql:{database.name}{kept}")


async def reseed_postgres(
    url: str, *, sample_plant: Path, as_of: date, erase: bool, own: Sequence[Record] | None = None
) -> dict[str, int] | None:
    """Seed the database; returns the count of each table, or None when it holds data and stays as it is.

    `erase` deletes everything in our tables first, in the same transaction. `own` records are stored instead of the
    sample plant. Raises what `open_postgres` and `seed_own_plant` raise.
    """
    async with AsyncExitStack() as after:
        database = PostgresDatabase(url)
        after.push_async_callback(database.aclose)
        async with _preparing(database) as connection:
            await _brought_up_to_date(connection, database.name, sample_plant)
            await connection.execute(QUEUE_UP)  # other processes may be writing
            return await reseed_plant(connection, sample_plant, as_of, erase=erase, own=own)


async def _brought_up_to_date(connection: Connection, name: str, sample_plant: Path) -> str | None:
    """The schema the database was at before, or None if it was empty."""
    await connection.run_sync(_check_server)
    at = await connection.run_sync(partial(migrations.checked, name=name, remedy=_CHOOSE_ANOTHER))
    if at == migrations.HEAD:
        return at
    await connection.run_sync(migrations.upgrade)
    if at is not None:
        added = await complete_sample_plant(connection, sample_plant)
        _log.warning(
            "plant database upgraded",
            was=at,
            schema=migrations.HEAD,
            sample_records_added=sum(added.values()),
            backup="none is made here: use pg_dump before you update Shopfloor",
        )
    return at


def _check_server(connection: sa.Connection) -> None:
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    icu = connection.exec_driver_sql("SELECT count(*) FROM pg_collation WHERE collname = 'und-x-icu'").scalar_one()
    if encoding != "UTF8" or not icu:
        raise ConfigurationError(
            f"The PostgreSQL database has the encoding {encoding} and {'an' if icu else 'no'} ICU collation und-x-icu.",
            suggestion="Shopfloor needs UTF8 and ICU: CREATE DATABASE ... TEMPLATE template0 ENCODING 'UTF8'.",
        )


@asynccontextmanager
async def _preparing(database: PostgresDatabase) -> AsyncGenerator[Connection]:
    try:
        async with database.preparing() as connection:
            yield connection
    except IntegrityError as error:
        raise ConfigurationError(
            f"{database.name} cannot be brought to schema {migrations.HEAD}: {error.orig}. It is as it was.",
            suggestion=f"Correct the rows in it that this schema forbids. {_CHOOSE_ANOTHER}",
        ) from error
    except DBAPIError as error:
        failure = failure_of(error)
        if isinstance(failure, BackendUnavailable):
            raise failure from error
        raise ConfigurationError(
            f"The PostgreSQL database {database.name} cannot be used: {error.orig}.",
            suggestion="Check the user, the password, the name of the database and the user's right to make tables.",
        ) from error
