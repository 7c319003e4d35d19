"""Fills an empty store with the sample plant, its dates moved so that the sample's as-of day becomes the day given;
a store that an older program filled gets what has come since. A plant's own records are stored as they are.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby
from pathlib import Path

import sqlalchemy as sa
from anyio import to_thread
from sqlalchemy.exc import IntegrityError

from mcp_server.backends.sql import (
    seed_issues,
    seed_maintenance,
    seed_plant,
    seed_procedures,
    seed_quality,
    seed_store,
    tables,
)
from mcp_server.backends.sql.engine import Connection
from mcp_server.backends.sql.mapping import plan_row_values, values_of
from mcp_server.backends.sql.seed_files import SAMPLE_AS_OF, SampleFiles
from mcp_server.backends.sql.tables import TABLES
from mcp_server.domain.records import Part, QualityPlan, Record
from mcp_server.errors import ConfigurationError

__all__ = [
    "SAMPLE_AS_OF",
    "complete_sample_plant",
    "erase_plant",
    "is_sample_plant",
    "is_seeded",
    "records_of",
    "reseed_plant",
    "sample_records",
    "seed_own_plant",
    "seed_sample_plant",
]

_MAKERS: tuple[Callable[[SampleFiles], Iterable[Record]], ...] = (
    seed_plant.projects,
    seed_plant.equipment,
    seed_plant.machines,
    seed_plant.materials,
    seed_plant.specs,
    seed_plant.workstations,
    seed_plant.gauges,
    seed_plant.people,
    seed_plant.takt_inputs,
    seed_store.stock_items,
    seed_store.lots,
    seed_store.training_records,
    seed_store.meter_readings,
    seed_store.plant_days,
    seed_quality.quality_plans,
    seed_quality.checklists,
    seed_quality.inspection_results,
    seed_procedures.sops,
    seed_maintenance.pm_plans,
    seed_maintenance.pm_tasks,
    seed_maintenance.work_orders,
    seed_maintenance.history,
    seed_issues.issues,
)
"""In the order their references need."""


_AS_OF, _OWN = "as_of", "own_plant"


async def is_seeded(connection: Connection) -> bool:
    """Whether it holds a plant, the sample plant or another."""
    keys = tables.plant_info.c.key
    return bool((await connection.execute(sa.select(keys).where(keys.in_((_AS_OF, _OWN))))).all())


async def is_sample_plant(connection: Connection) -> bool:
    return await _seeded_for(connection) is not None


async def seed_sample_plant(connection: Connection, folder: Path, as_of: date) -> dict[str, int]:
    """Insert every record of the sample plant; returns how many of each table.

    Raises:
        FileNotFoundError: `folder` does not hold the sample plant.
    """
    counts = await _insert_all(connection, await to_thread.run_sync(sample_records, folder, as_of))
    await _stamp(connection, {_AS_OF: as_of.isoformat(), "sample_as_of": SAMPLE_AS_OF.isoformat()})
    return counts


async def seed_own_plant(connection: Connection, records: Sequence[Record]) -> dict[str, int]:
    """Insert the records of a plant, in the order of their references; returns how many of each table.

    Raises:
        ConfigurationError: the store refuses one of them; the transaction must not be committed.
    """
    try:
        counts = await _insert_all(connection, records)
    except IntegrityError as error:
        raise ConfigurationError(
            f"The files hold a record that the store refuses: {error.orig}.",
            suggestion="Correct the rows it names. Nothing was stored.",
        ) from error
    await _stamp(connection, {_OWN: "yes"})
    return counts


async def reseed_plant(
    connection: Connection, folder: Path, as_of: date, *, erase: bool, own: Sequence[Record] | None
) -> dict[str, int] | None:
    """Store the `own` records, or the sample plant of the folder; returns how many of each table.

    `erase` deletes everything first; otherwise a store that holds a plant stays as it is, and the answer is None.
    Raises what `seed_sample_plant` and `seed_own_plant` raise.
    """
    if erase:
        await erase_plant(connection)
    elif await is_seeded(connection):
        return None
    if own is not None:
        return await seed_own_plant(connection, own)
    return await seed_sample_plant(connection, folder, as_of)


async def complete_sample_plant(connection: Connection, folder: Path) -> dict[str, int]:
    """Insert the kinds of records that an older program did not seed, for the day it seeded the others for.

    A kind with any record of the sample plant is left alone, and no row that is there changes. A record about
    something that was deleted since is left out. Returns how many of each table; nothing for a store not seeded yet.

    Raises:
        FileNotFoundError: `folder` does not hold the sample plant.
    """
    as_of = await _seeded_for(connection)
    if as_of is None:
        return {}
    counts: dict[str, int] = {}
    there: dict[str, set[str]] = {}
    for kind, group in groupby(await to_thread.run_sync(sample_records, folder, as_of), key=type):
        same, table = list(group), TABLES[kind]
        (key,) = table.primary_key.columns
        known = there[table.name] = set((await connection.execute(sa.select(key))).scalars())
        if known.isdisjoint(record.key for record in same):
            added = [record for record in same if _stands(record, there)]
            counts[table.name] = await _insert(connection, kind, added)
            known.update(record.key for record in added)
    return counts


def sample_records(folder: Path, as_of: date) -> list[Record]:
    """Every record of the sample plant as it stands on `as_of`, kind by kind.

    Raises:
        FileNotFoundError: `folder` does not hold the sample plant.
    """
    return records_of(SampleFiles(folder, as_of - SAMPLE_AS_OF))


def records_of(files: SampleFiles) -> list[Record]:
    """Every record that the files tell of, kind by kind, in the order that their references need."""
    return [record for make in _MAKERS for record in make(files)]


async def erase_plant(connection: Connection) -> None:
    """Delete every record, key and audit row; the schema stays."""
    for table in reversed(tables.metadata.sorted_tables):
        await connection.execute(sa.delete(table))


async def _seeded_for(connection: Connection) -> date | None:
    found = await connection.execute(sa.select(tables.plant_info.c.value).where(tables.plant_info.c.key == _AS_OF))
    value = found.scalar_one_or_none()
    return None if value is None else date.fromisoformat(value)


async def _insert_all(connection: Connection, records: Iterable[Record]) -> dict[str, int]:
    return {TABLES[kind].name: await _insert(connection, kind, list(same)) for kind, same in groupby(records, key=type)}


async def _stamp(connection: Connection, told: Mapping[str, str]) -> None:
    await connection.execute(sa.insert(tables.plant_info), [{"key": k, "value": v} for k, v in told.items()])


async def _insert(connection: Connection, kind: type[Record], records: Sequence[Record]) -> int:
    """Insert records of one kind; returns how many."""
    if records:
        await connection.execute(sa.insert(TABLES[kind]), [values_of(record) for record in records])
    if rows := [row for plan in records if isinstance(plan, QualityPlan) for row in plan_row_values(plan)]:
        await connection.execute(sa.insert(tables.quality_plan_rows), rows)
    return len(records)


def _stands(record: Record, there: Mapping[str, set[str]]) -> bool:
    """Whether every record that this one names by a foreign key is there."""
    return all(value in there[table] for table, value in _named(record))


def _named(record: Record) -> Iterator[tuple[str, str]]:
    """Table and key of everything the record refers to, but for records of its own kind."""
    own = TABLES[type(record)]
    parts: list[tuple[sa.Table, Part]] = [(own, record)]
    if isinstance(record, QualityPlan):
        parts += [(tables.quality_plan_rows, row) for row in record.rows]
    for table, part in parts:
        for reference in table.foreign_keys:
            target = reference.column.table
            if target is not own and (value := getattr(part, reference.parent.name)) is not None:
                yield target.name, value
