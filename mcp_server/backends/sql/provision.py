"""Opens the plant's store: makes the file on first use, brings it to the current schema, seeds it when it is empty."""

from datetime import date
from pathlib import Path

from mcp_server.backends.sql import migrations
from mcp_server.backends.sql.engine import SqliteFile
from mcp_server.backends.sql.seed import erase_plant, is_seeded, seed_sample_plant
from mcp_server.backends.sql.store import SqlBackend
from mcp_server.errors import ConfigurationError

__all__ = ["DATABASE_NAME", "open_store", "reseed"]

DATABASE_NAME = "plant.sqlite3"


async def open_store(data_dir: Path, *, sample_plant: Path, as_of: date) -> SqlBackend:
    """The store in `data_dir`, ready for use. The sample plant is seeded for `as_of` when there is nothing yet.

    Raises:
        ConfigurationError: the folder cannot be written, or the file belongs to a newer program.
    """
    file = await _open_file(data_dir)
    async with file.writing() as connection:
        if not await is_seeded(connection):
            await seed_sample_plant(connection, sample_plant, as_of)
    return SqlBackend(file, source=f"sqlite:{DATABASE_NAME} (sample plant)")


async def reseed(data_dir: Path, *, sample_plant: Path, as_of: date, erase: bool) -> dict[str, int] | None:
    """Seed the store in `data_dir`; returns the count of each table, or None when it holds data and stays as it is.

    `erase` deletes everything in the store first, in the same transaction.
    """
    file = await _open_file(data_dir)
    try:
        async with file.writing() as connection:
            if await is_seeded(connection):
                if not erase:
                    return None
                await erase_plant(connection)
            return await seed_sample_plant(connection, sample_plant, as_of)
    finally:
        await file.aclose()


async def _open_file(data_dir: Path) -> SqliteFile:
    path = data_dir / DATABASE_NAME
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        raise ConfigurationError(
            f"The data folder {data_dir} cannot be used: {error.strerror}.",
            suggestion="Choose another with --data-dir or SHOPFLOOR_DATA_DIR.",
        ) from error
    file = SqliteFile(path)
    async with file.writing() as connection:
        at = await connection.run_sync(migrations.revision_of)
        if at is not None and at > migrations.HEAD:
            raise ConfigurationError(
                f"{path} was written by a newer Shopfloor (schema {at}; this one knows {migrations.HEAD}).",
                suggestion="Update Shopfloor, or choose another folder with --data-dir.",
            )
        if at != migrations.HEAD:
            await connection.run_sync(migrations.upgrade)
    return file
