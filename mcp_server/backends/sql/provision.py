"""Opens the plant's store: makes the file on first use, brings it to the current schema, seeds it when it is empty."""

from contextlib import AsyncExitStack
from datetime import date
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from anyio import to_thread
from sqlalchemy.exc import DBAPIError

from mcp_server.backends.sql import migrations
from mcp_server.backends.sql.engine import BUSY_TIMEOUT_S, SqliteFile, is_damage
from mcp_server.backends.sql.seed import erase_plant, is_seeded, seed_sample_plant
from mcp_server.backends.sql.store import SqlBackend
from mcp_server.errors import ConfigurationError

__all__ = ["DATABASE_NAME", "open_store", "reseed"]

DATABASE_NAME = "plant.sqlite3"
_CHECKED_WHOLE = 32 * 1024 * 1024
"""Bytes of a file that is still read through at every start; measured at 1.7 ms a megabyte."""
_CHOOSE_ANOTHER = "Choose another folder with --data-dir or SHOPFLOOR_DATA_DIR."


async def open_store(
    data_dir: Path, *, sample_plant: Path, as_of: date, busy_timeout_s: float = BUSY_TIMEOUT_S
) -> SqlBackend:
    """The store in `data_dir`, ready for use. The sample plant is seeded for `as_of` when there is nothing yet.

    Raises:
        ConfigurationError: the folder cannot be used; the file is damaged, is not ours, or belongs to a newer program.
        BackendUnavailable: another process holds the file for longer than the busy timeout.
    """
    async with AsyncExitStack() as undo:
        file = await _open_file(data_dir, busy_timeout_s, undo)
        async with file.writing() as connection:
            if not await is_seeded(connection):
                await seed_sample_plant(connection, sample_plant, as_of)
        undo.pop_all()
    return SqlBackend(file, source=f"sqlite:{DATABASE_NAME} (sample plant)")


async def reseed(data_dir: Path, *, sample_plant: Path, as_of: date, erase: bool) -> dict[str, int] | None:
    """Seed the store in `data_dir`; returns the count of each table, or None when it holds data and stays as it is.

    `erase` deletes everything in the store first, in the same transaction. Raises what `open_store` raises.
    """
    async with AsyncExitStack() as after:
        file = await _open_file(data_dir, BUSY_TIMEOUT_S, after)
        async with file.writing() as connection:
            if erase:
                await erase_plant(connection)
            elif await is_seeded(connection):
                return None
            return await seed_sample_plant(connection, sample_plant, as_of)


async def _open_file(data_dir: Path, busy_timeout_s: float, stack: AsyncExitStack) -> SqliteFile:
    """The file at the current schema; the stack closes it."""
    path = data_dir / DATABASE_NAME
    file = SqliteFile(path, busy_timeout_s=busy_timeout_s)
    stack.push_async_callback(file.aclose)
    try:
        await to_thread.run_sync(partial(data_dir.mkdir, parents=True, exist_ok=True))
        await file.make()
        size = (await to_thread.run_sync(path.stat)).st_size
        if size == 0:
            raise _damaged(path)
        async with file.writing() as connection:
            await connection.run_sync(partial(_bring_up_to_date, path=path, check=size <= _CHECKED_WHOLE))
    except OSError as error:
        raise ConfigurationError(
            f"The data folder {data_dir} cannot be used: {error.strerror}.", suggestion=_CHOOSE_ANOTHER
        ) from error
    except DBAPIError as error:
        if is_damage(error):
            raise _damaged(path) from error
        raise ConfigurationError(f"{path} cannot be opened: {error.orig}.", suggestion=_CHOOSE_ANOTHER) from error
    return file


def _bring_up_to_date(connection: sa.Connection, *, path: Path, check: bool) -> None:
    if check and connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one() != "ok":
        raise _damaged(path)
    at = migrations.revision_of(connection)
    if at == migrations.HEAD:
        return
    if at is None and sa.inspect(connection).get_table_names():
        raise ConfigurationError(f"{path} is a database of another program.", suggestion=_CHOOSE_ANOTHER)
    if at is not None and not migrations.is_known(at):
        raise ConfigurationError(
            f"{path} was written by a newer Shopfloor (schema {at}; this one knows {migrations.HEAD}).",
            suggestion=f"Update Shopfloor. {_CHOOSE_ANOTHER}",
        )
    migrations.upgrade(connection)


def _damaged(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{path} is damaged, or not a database at all.",
        suggestion="Restore it from a backup, or move it away to start with a new sample plant.",
    )
