"""Fills an empty store with the sample plant, its dates moved so that the sample's as-of day becomes the day given."""

from collections.abc import Callable, Iterable
from datetime import date
from itertools import groupby
from pathlib import Path

import sqlalchemy as sa
from anyio import to_thread

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
from mcp_server.domain.records import QualityPlan, Record

__all__ = ["SAMPLE_AS_OF", "erase_plant", "is_seeded", "sample_records", "seed_sample_plant"]

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


async def is_seeded(connection: Connection) -> bool:
    found = await connection.execute(sa.select(tables.plant_info.c.value).where(tables.plant_info.c.key == "as_of"))
    return found.scalar_one_or_none() is not None


async def seed_sample_plant(connection: Connection, folder: Path, as_of: date) -> dict[str, int]:
    """Insert every record of the sample plant; returns how many of each table.

    Raises:
        FileNotFoundError: `folder` does not hold the sample plant.
    """
    counts: dict[str, int] = {}
    records = await to_thread.run_sync(sample_records, folder, as_of)
    for kind, group in groupby(records, key=type):
        same = list(group)
        await connection.execute(sa.insert(TABLES[kind]), [values_of(record) for record in same])
        counts[TABLES[kind].name] = len(same)
        if rows := [row for plan in same if isinstance(plan, QualityPlan) for row in plan_row_values(plan)]:
            await connection.execute(sa.insert(tables.quality_plan_rows), rows)
    stamp = {"as_of": as_of.isoformat(), "sample_as_of": SAMPLE_AS_OF.isoformat()}
    await connection.execute(sa.insert(tables.plant_info), [{"key": k, "value": v} for k, v in stamp.items()])
    return counts


def sample_records(folder: Path, as_of: date) -> list[Record]:
    """Every record of the sample plant as it stands on `as_of`, kind by kind.

    Raises:
        FileNotFoundError: `folder` does not hold the sample plant.
    """
    files = SampleFiles(folder, as_of - SAMPLE_AS_OF)
    return [record for make in _MAKERS for record in make(files)]


async def erase_plant(connection: Connection) -> None:
    """Delete every record, key and audit row; the schema stays."""
    for table in reversed(tables.metadata.sorted_tables):
        await connection.execute(sa.delete(table))
