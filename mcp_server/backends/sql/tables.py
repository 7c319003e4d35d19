"""The schema: one table a kind of record, its columns read off the record. What a rule can say in SQL stands here as
a constraint, so that no path around the tools breaks it.
"""

import types
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Literal, Union, get_args, get_origin

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

from mcp_server.domain import records

__all__ = [
    "TABLES",
    "TEXT",
    "Folded",
    "UtcDateTime",
    "audit_log",
    "idempotency_keys",
    "metadata",
    "plant_info",
    "quality_plan_rows",
    "remote_records",
]

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware time; stored in UTC, returned in UTC, refused when naive."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored time needs a time zone")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        del dialect
        return None if value is None else value.replace(tzinfo=UTC)


class Folded(GenericFunction[str]):
    """Text in lower case, for a search without case; `ÖL` becomes `öl` on every engine."""

    type = sa.Text()
    inherit_cache = True
    name = "lower"


@compiles(Folded, "postgresql")
def _folded_by_icu(element: Folded, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - as SQLAlchemy calls it
    """The collation of our columns knows only ASCII."""
    return f'lower({compiler.process(element.clauses, **options)} COLLATE "und-x-icu")'


TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
"""Ordered by its bytes everywhere: pages go on after a key."""

_PLAIN: Mapping[type, sa.types.TypeEngine[Any]] = {
    str: TEXT,
    bool: sa.Boolean(),
    int: sa.BigInteger(),
    float: sa.Double(),
    date: sa.Date(),
    datetime: UtcDateTime(),
}


def _table(
    name: str,
    kind: type[records.Part],
    *identity: sa.Column[Any],
    refers: Mapping[str, sa.Table] | None = None,
    index: Iterable[str] = (),
    without: Iterable[str] = (),
    constraints: Iterable[sa.Constraint] = (),
) -> sa.Table:
    """A table with a column for every field of `kind`. `identity` columns come first; default: `id` as primary key.

    Enumerations are checked, parts and lists are JSON, `refers` makes foreign keys.
    """
    first = identity or (sa.Column("id", TEXT, primary_key=True),)
    given = {column.name for column in first} | set(without)
    parts: list[sa.Column[Any] | sa.CheckConstraint] = [*first]
    for field, info in kind.model_fields.items():
        if field in given:
            continue
        target = (refers or {}).get(field)
        keys = () if target is None else (sa.ForeignKey(target.c.id),)
        plain, null = _unwrapped(info.annotation)
        indexed = target is not None or field in index
        parts.append(sa.Column(field, _column_type(plain), *keys, nullable=null, index=indexed))
        if allowed := _allowed(plain):
            parts.append(_one_of(field, allowed))
    return sa.Table(name, metadata, *parts, *constraints)


def _document(name: str, kind: type[records.Document], *, refers: Mapping[str, sa.Table]) -> sa.Table:
    """Every revision of a document is a row; one of them at most is released, and one at most is being worked on."""
    table = _table(
        name,
        kind,
        sa.Column("key", TEXT, primary_key=True),
        sa.Column("id", TEXT, nullable=False),
        refers=refers,
        without=("rows",),
        constraints=(
            sa.UniqueConstraint("id", "revision"),
            sa.CheckConstraint("revision >= 1", name="revision"),
        ),
    )
    state = table.c.state
    for rule, states in {"released": ("released",), "open": ("draft", "in_review", "approved")}.items():
        sa.Index(
            f"uq_{name}_{rule}",
            table.c.id,
            unique=True,
            sqlite_where=state.in_(states),
            postgresql_where=state.in_(states),
        )
    return table


def _unwrapped(annotation: Any) -> tuple[Any, bool]:  # noqa: ANN401 - any annotation
    """The annotation without `| None`, and whether it had it."""
    if get_origin(annotation) not in {Union, types.UnionType}:
        return annotation, False
    (plain,) = (part for part in get_args(annotation) if part is not types.NoneType)
    return get_args(plain)[0] if hasattr(plain, "__metadata__") else plain, True


def _column_type(plain: Any) -> sa.types.TypeEngine[Any]:  # noqa: ANN401 - any annotation
    if _allowed(plain):
        return TEXT
    return _PLAIN[plain] if plain in _PLAIN else sa.JSON(none_as_null=True)


def _allowed(plain: Any) -> tuple[str, ...]:  # noqa: ANN401 - any annotation
    """The values of an enumeration; nothing for every other type."""
    if get_origin(plain) is Literal:
        return get_args(plain)
    return tuple(plain) if isinstance(plain, type) and issubclass(plain, StrEnum) else ()


def _one_of(column: str, values: Iterable[str]) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=column)


def _at_least(bound: int, *columns: str) -> tuple[sa.CheckConstraint, ...]:
    return tuple(sa.CheckConstraint(f"{column} >= {bound}", name=column) for column in columns)


projects = _table("projects", records.Project)
equipment = sa.Table(
    "equipment",
    metadata,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("name", TEXT, nullable=False),
    sa.Column("level", TEXT, nullable=False),
    sa.Column("parent", TEXT, sa.ForeignKey("equipment.id"), nullable=True),
)
machines = _table(
    "machines",
    records.Machine,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("commissioned_on", sa.Date, nullable=False),
    index=("project",),
    constraints=(sa.UniqueConstraint("serial"),),
)
"""A machine of a remote system may lack the day it was commissioned; one that is kept here has it."""
materials = _table("materials", records.Material, index=("project",))
specs = _table("specs", records.Spec, index=("project",), refers={"material_id": materials})
"""No check of lsl < usl here: a system of record may hold such a row, and a reader must be told, not spared."""
workstations = _table("workstations", records.Workstation, index=("project",))
gauges = _table("gauges", records.Gauge, index=("project",))
people = _table("people", records.Person, index=("project",))
training_records = _table(
    "training_records", records.TrainingRecord, index=("project", "sop_id"), refers={"person_id": people}
)
stock_items = _table(
    "stock_items", records.StockItem, index=("project",), constraints=_at_least(0, "on_hand", "minimum")
)
lots = _table(
    "lots", records.Lot, index=("project",), refers={"material_id": materials}, constraints=_at_least(0, "qty")
)
meter_readings = _table(
    "meter_readings", records.MeterReading, index=("project", "read_at"), refers={"machine_id": machines}
)
plant_days = _table("plant_days", records.PlantDay, index=("project",))
takt_inputs = _table("takt_inputs", records.TaktInputs, index=("project",))

quality_plans = _document("quality_plans", records.QualityPlan, refers={"project": projects, "material_id": materials})
quality_plan_rows = _table(
    "quality_plan_rows",
    records.PlanRow,
    sa.Column("plan_key", TEXT, sa.ForeignKey(quality_plans.c.key), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    refers={"spec_id": specs, "machine_id": machines, "gauge_id": gauges},
    constraints=(*_at_least(1, "sample_size"), sa.CheckConstraint("lsl < usl", name="limits")),
)
checklists = _document("checklists", records.Checklist, refers={"project": projects, "material_id": materials})
inspection_results = _table(
    "inspection_results",
    records.InspectionResult,
    refers={"project": projects, "spec_id": specs, "material_id": materials, "lot_id": lots, "gauge_id": gauges},
    index=("measured_at",),
    constraints=_at_least(0, "nonconforming", "accept"),
)

pm_plans = _document("pm_plans", records.PmPlan, refers={"machine_id": machines})
pm_tasks = _table(
    "pm_tasks",
    records.PmTask,
    refers={"machine_id": machines},
    index=("project", "plan_id"),
    constraints=(
        *_at_least(1, "calendar_interval", "est_min"),
        sa.CheckConstraint("meter_interval > 0", name="meter_interval"),
        sa.CheckConstraint("calendar_interval IS NOT NULL OR meter_interval IS NOT NULL", name="trigger"),
    ),
)
work_orders = _table(
    "work_orders",
    records.WorkOrder,
    refers={"machine_id": machines, "task_id": pm_tasks, "technician_id": people},
    index=("project", "state", "start"),
    constraints=_at_least(1, "duration_min", "priority"),
)
sa.Index(
    "uq_work_orders_open",
    work_orders.c.task_id,
    unique=True,
    sqlite_where=work_orders.c.state == records.WorkOrderState.PLANNED.value,
    postgresql_where=work_orders.c.state == records.WorkOrderState.PLANNED.value,
)
maintenance_history = _table(
    "maintenance_history",
    records.MaintenanceRecord,
    refers={"machine_id": machines, "work_order_id": work_orders},
    index=("project", "completed_on", "task_id"),
    constraints=(*_at_least(0, "labor_min", "downtime_min"), sa.UniqueConstraint("work_order_id")),
)

sops = _document("sops", records.Sop, refers={"workstation": workstations, "material_id": materials})
issues = _table(
    "issues",
    records.Issue,
    refers={"machine_id": machines, "workstation": workstations, "material_id": materials, "spec_id": specs},
    index=("project", "state"),
    constraints=_at_least(0, "qty_affected"),
)

record_history = _table("record_history", records.HistoryEntry, index=("record_id", "audit_id"))

TABLES: Mapping[type[records.Record], sa.Table] = {
    records.Project: projects,
    records.EquipmentNode: equipment,
    records.Machine: machines,
    records.Material: materials,
    records.Spec: specs,
    records.Workstation: workstations,
    records.Gauge: gauges,
    records.Person: people,
    records.TrainingRecord: training_records,
    records.StockItem: stock_items,
    records.Lot: lots,
    records.MeterReading: meter_readings,
    records.PlantDay: plant_days,
    records.TaktInputs: takt_inputs,
    records.QualityPlan: quality_plans,
    records.Checklist: checklists,
    records.InspectionResult: inspection_results,
    records.PmPlan: pm_plans,
    records.PmTask: pm_tasks,
    records.WorkOrder: work_orders,
    records.MaintenanceRecord: maintenance_history,
    records.Sop: sops,
    records.Issue: issues,
    records.HistoryEntry: record_history,
}

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("principal", TEXT, primary_key=True),
    sa.Column("tool", TEXT, primary_key=True),
    sa.Column("key", TEXT, primary_key=True),
    sa.Column("arguments_hash", TEXT, nullable=False),
    sa.Column("result", sa.JSON, nullable=False),
    sa.Column("stored_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False, index=True),
    sa.Column("sending", sa.JSON(none_as_null=True), nullable=True),
)

audit_log = sa.Table(
    "audit_log",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("principal", TEXT, nullable=False),
    sa.Column("on_behalf_of", TEXT, nullable=True),
    sa.Column("tool", TEXT, nullable=False),
    sa.Column("outcome", TEXT, nullable=False),
    sa.Column("record_type", TEXT, nullable=True),
    sa.Column("record_id", TEXT, nullable=True, index=True),
    sa.Column("idempotency_key", TEXT, nullable=True),
    sa.Column("arguments", sa.JSON, nullable=False),
    sqlite_autoincrement=True,
)

remote_records = sa.Table(
    "remote_records",
    metadata,
    sa.Column("kind", TEXT, primary_key=True),
    sa.Column("key", TEXT, primary_key=True),
    sa.Column("ref", TEXT, nullable=False),
    sa.Index(None, "kind", "ref"),
)
"""What a remote system calls a record of ours."""

plant_info = sa.Table(
    "plant_info",
    metadata,
    sa.Column("key", TEXT, primary_key=True),
    sa.Column("value", TEXT, nullable=False),
)
