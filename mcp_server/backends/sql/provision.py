"""Opens the plant's store: makes the file on first use, brings it to the current schema, seeds it when it is empty.

An older file is copied beside itself first. Its upgrade is one transaction with what the sample plant has got since.
"""

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import AsyncExitStack, closing
from datetime import date
from functools import partial
from pathlib import Path

import sqlalchemy as sa
import structlog
from anyio import to_thread
from sqlalchemy.exc import DBAPIError, IntegrityError

from mcp_server.backends.sql import migrations
from mcp_server.backends.sql.engine import BUSY_TIMEOUT_S, Connection
from mcp_server.backends.sql.seed import (
    complete_sample_plant,
    is_sample_plant,
    is_seeded,
    reseed_plant,
    seed_sample_plant,
)
from mcp_server.backends.sql.sqlite import SqliteFile, is_damage
from mcp_server.backends.sql.store import SqlBackend
from mcp_server.domain.records import Record
from mcp_server.errors import ConfigurationError

__all__ = ["DATABASE_NAME", "open_companion", "open_store", "reseed"]

DATABASE_NAME = "plant.sqlite3"
_CHECKED_WHOLE = 32 * 1024 * 1024
"""Bytes of a file that is still read through at every start; measured at 1.7 ms a megabyte."""
_CHOOSE_ANOTHER = "Choose another folder with --data-dir or SHOPFLOOR_DATA_DIR."
_log = structlog.get_logger()


async def open_store(
    data_dir: Path, *, sample_plant: Path, as_of: date, seed: bool = True, busy_timeout_s: float = BUSY_TIMEOUT_S
) -> SqlBackend:
    """The store in `data_dir`, ready for use. Unless not `seed`, an empty one gets the sample plant for `as_of`.

    Raises:
        ConfigurationError: the folder cannot be used; the file is damaged, is not ours, belongs to a newer program,
            or cannot be backed up or upgraded. It is then as it was.
        BackendUnavailable: another process holds the file for longer than the busy timeout.
    """
    async with AsyncExitStack() as undo:
        file = SqliteFile(data_dir / DATABASE_NAME, busy_timeout_s=busy_timeout_s)
        await _prepare(file, sample_plant, undo)
        async with file.writing() as connection:
            if seed and not await is_seeded(connection):
                await seed_sample_plant(connection, sample_plant, as_of)
            kept = " (sample plant)" if await is_sample_plant(connection) else ""
        undo.pop_all()
    return SqlBackend(file, source=f"sqlite:{DATABASE_NAME}{kept}")


async def open_companion(data_dir: Path, name: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> SqlBackend:
    """The store `name` in `data_dir`, for what a remote system cannot hold; it starts without any record.

    Its records may refer to records of the remote system, so nothing checks that. Raises what `open_store` raises.
    """
    async with AsyncExitStack() as undo:
        path = data_dir / f"{name}.sqlite3"
        file = SqliteFile(path, foreign_keys=False, busy_timeout_s=busy_timeout_s)
        await _prepare(file, None, undo)
        undo.pop_all()
    return SqlBackend(file, source=f"sqlite:{path.name}")


async def reseed(
    data_dir: Path, *, sample_plant: Path, as_of: date, erase: bool, own: Sequence[Record] | None = None
) -> dict[str, int] | None:
    """Seed the store in `data_dir`; returns the count of each table, or None when it holds data and stays as it is.

    `erase` deletes everything in the store first, in the same transaction. `own` records are stored instead of the
    sample plant. Raises what `open_store` and `seed_own_plant` raise.
    """
    async with AsyncExitStack() as after:
        file = SqliteFile(data_dir / DATABASE_NAME)
        await _prepare(file, sample_plant, after)
        async with file.writing() as connection:
            return await reseed_plant(connection, sample_plant, as_of, erase=erase, own=own)


async def _prepare(file: SqliteFile, sample_plant: Path | None, stack: AsyncExitStack) -> None:
    """Bring the file to the current schema; the stack closes it."""
    path = file.path
    stack.push_async_callback(file.aclose)
    try:
        size = await _made(file)
        if size == 0:
            raise _damaged(path)
        async with file.writing() as connection:
            at = await connection.run_sync(partial(_checked, path=path, whole=size <= _CHECKED_WHOLE))
            if at is None:
                await connection.run_sync(migrations.upgrade)
            elif at != migrations.HEAD:
                await _upgrade(connection, path, sample_plant, at)
    except DBAPIError as error:
        if is_damage(error):
            raise _damaged(path) from error
        raise ConfigurationError(f"{path} cannot be opened: {error.orig}.", suggestion=_CHOOSE_ANOTHER) from error


async def _made(file: SqliteFile) -> int:
    """Make the folder and the file where they are missing; returns the file's size."""
    folder = file.path.parent
    try:
        await to_thread.run_sync(partial(folder.mkdir, parents=True, exist_ok=True))
        await file.make()
        return (await to_thread.run_sync(file.path.stat)).st_size
    except OSError as error:
        raise ConfigurationError(
            f"The data folder {folder} cannot be used: {error.strerror}.", suggestion=_CHOOSE_ANOTHER
        ) from error


def _checked(connection: sa.Connection, *, path: Path, whole: bool) -> str | None:
    """The schema the file is at, or None for an empty one; refuses a file that this program must not touch."""
    if whole and connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one() != "ok":
        raise _damaged(path)
    return migrations.checked(connection, name=str(path), remedy=_CHOOSE_ANOTHER)


async def _upgrade(connection: Connection, path: Path, sample_plant: Path | None, at: str) -> None:
    """Bring an older store to the current schema, after a copy of it was put beside it."""
    backup = await to_thread.run_sync(_back_up, path)
    _log.warning("plant database backed up", backup=str(backup), schema=at)
    try:
        await connection.run_sync(migrations.upgrade)
        added = {} if sample_plant is None else await complete_sample_plant(connection, sample_plant)
    except IntegrityError as error:
        raise ConfigurationError(
            f"{path} cannot be upgraded from schema {at} to {migrations.HEAD}: {error.orig}. It is as it was.",
            suggestion=f"Correct the rows in it that this schema forbids. {_CHOOSE_ANOTHER}",
        ) from error
    _log.warning("plant database upgraded", schema=migrations.HEAD, sample_records_added=sum(added.values()))


def _back_up(path: Path) -> Path:
    """Copy what is committed; an older copy from an upgrade that failed is replaced, and only by a whole one.

    The caller holds the file, so nothing is written meanwhile, and nobody else makes the copy.
    """
    backup = path.with_name(f"{path.name}.before-{migrations.HEAD}")
    unfinished = backup.with_name(f"{backup.name}.new")
    try:
        unfinished.unlink(missing_ok=True)
        with (
            closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(unfinished)) as copy,
        ):
            source.backup(copy)
        shutil.copymode(path, unfinished)
        unfinished.replace(backup)
    except (OSError, sqlite3.Error) as error:
        unfinished.unlink(missing_ok=True)
        raise ConfigurationError(
            f"{path} needs an upgrade, and its backup {backup.name} cannot be written: {error}. It is as it was.",
            suggestion=f"Check the folder's permissions and disk space. {_CHOOSE_ANOTHER}",
        ) from error
    return backup


def _damaged(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{path} is damaged, or not a database at all.",
        suggestion="Restore it from a backup, or move it away to start with a new sample plant.",
    )
