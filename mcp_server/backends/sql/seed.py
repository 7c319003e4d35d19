"""Fills an empty store with the sample plant, its dates moved so that the sample's as-of day becomes the day given."""

import csv
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from anyio import to_thread

from mcp_server.backends.sql import tables
from mcp_server.backends.sql.engine import Connection
from mcp_server.backends.sql.mapping import TABLES, values_of
from mcp_server.domain.issues import CLOCKS
from mcp_server.domain.records import (
    EquipmentNode,
    Gauge,
    Issue,
    Machine,
    Material,
    Project,
    Record,
    Severity,
    Spec,
    Workstation,
)

__all__ = ["SAMPLE_AS_OF", "erase_plant", "is_seeded", "seed_sample_plant"]

SAMPLE_AS_OF = date(2026, 6, 30)
"""The day the sample plant's files describe."""

_REPORTED_AT = time(8, 0, tzinfo=UTC)
_REPORTED_BY = "sample data"


async def is_seeded(connection: Connection) -> bool:
    found = await connection.execute(sa.select(tables.plant_info.c.value).where(tables.plant_info.c.key == "as_of"))
    return found.scalar_one_or_none() is not None


async def seed_sample_plant(connection: Connection, folder: Path, as_of: date) -> dict[str, int]:
    """Insert every record of the sample plant; returns how many of each table.

    Raises:
        FileNotFoundError: `folder` does not hold the sample plant.
    """
    counts: dict[str, int] = {}
    records = await to_thread.run_sync(lambda: list(_sample_records(folder, as_of - SAMPLE_AS_OF)))
    for kind, group in groupby(records, key=type):
        rows = [values_of(record) for record in group]
        await connection.execute(sa.insert(TABLES[kind]), rows)
        counts[TABLES[kind].name] = len(rows)
    stamp = {"as_of": as_of.isoformat(), "sample_as_of": SAMPLE_AS_OF.isoformat()}
    await connection.execute(sa.insert(tables.plant_info), [{"key": k, "value": v} for k, v in stamp.items()])
    return counts


async def erase_plant(connection: Connection) -> None:
    """Delete every record, key and audit row; the schema stays."""
    for table in reversed(tables.metadata.sorted_tables):
        await connection.execute(sa.delete(table))


def _sample_records(folder: Path, shift: timedelta) -> Iterator[Record]:
    """Records kind by kind, in the order their references need."""
    makers: Mapping[str, Callable[[dict[str, str], timedelta], Record]] = {
        "projects": _project,
        "equipment_hierarchy": _equipment,
        "machines": _machine,
        "materials": _material,
        "specs": _spec,
        "workstations": _workstation,
        "gauges": _gauge,
        "issues": _issue,
    }
    for name, make in makers.items():
        with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            yield from (make(row, shift) for row in csv.DictReader(file))


def _project(row: dict[str, str], shift: timedelta) -> Project:
    return Project(
        id=row["code"],
        name=row["project"],
        site=row["site"],
        product=row["product"],
        status=row["status"],
        sop_date=_day(row["sop_date"], shift),
        annual_volume=int(row["annual_volume"]),
        time_zone=row["time_zone"],
    )


def _equipment(row: dict[str, str], shift: timedelta) -> EquipmentNode:
    del shift
    return _read(EquipmentNode, row, id=row["code"], parent=row["parent"] or None)


def _machine(row: dict[str, str], shift: timedelta) -> Machine:
    return _read(
        Machine,
        row,
        id=row["machine_id"],
        commissioned_on=_day(row["commissioned_on"], shift),
        energy_sources=tuple(row["energy_sources"].split(";")),
    )


def _material(row: dict[str, str], shift: timedelta) -> Material:
    del shift
    return _read(Material, row, id=row["material_id"], lot_tracked=row["lot_tracked"] == "Y")


def _spec(row: dict[str, str], shift: timedelta) -> Spec:
    del shift
    limits = {name: _number(row[name]) for name in ("nominal", "lsl", "usl")}
    return _read(Spec, row, id=row["spec_id"], special_class=row["special_class"] or None, **limits)


def _workstation(row: dict[str, str], shift: timedelta) -> Workstation:
    del shift
    numbers = {name: _number(row[name]) for name in ("cycle_time_s", "operators")}
    return _read(Workstation, row, id=row["workstation"], **numbers)


def _gauge(row: dict[str, str], shift: timedelta) -> Gauge:
    return _read(
        Gauge,
        row,
        id=row["gauge_id"],
        resolution=_number(row["resolution"]),
        cal_interval_days=int(row["cal_interval_days"]),
        last_calibrated=_day(row["last_calibrated"], shift),
        cal_due=_day(row["cal_due"], shift),
        grr_pct=_number(row["grr_pct_tol"]),
        ndc=int(row["ndc"]) if row["ndc"] else None,
    )


def _issue(row: dict[str, str], shift: timedelta) -> Issue:
    opened = datetime.combine(_day(row["opened_on"], shift), _REPORTED_AT)
    clock = CLOCKS[Severity(row["severity"])]
    return _read(
        Issue,
        row,
        id=row["issue_id"],
        description=f"{row['title']} (sample issue)",
        machine_id=row["machine_id"] or None,
        spec_id=row["spec_id"] or None,
        qty_affected=int(row["qty_affected"]),
        detected_at=opened,
        detected_by=_REPORTED_BY,
        opened_at=opened,
        acknowledge_due_at=opened + clock.acknowledge,
        contain_due_at=opened + clock.contain,
        close_due_at=opened + clock.close,
    )


def _read(kind: type[Any], row: dict[str, str], **values: object) -> Any:  # noqa: ANN401 - one reader for all kinds
    """A record from a CSV row whose columns are named like its fields, with the given values instead of text."""
    plain = {name: text for name, text in row.items() if name in kind.model_fields}
    return kind.model_validate(plain | values, strict=False)


def _day(text: str, shift: timedelta) -> date:
    return date.fromisoformat(text) + shift


def _number(text: str) -> float | None:
    return float(text) if text else None
