"""The schema. What a rule can say in SQL stands here as a constraint, so that no path around the tools breaks it."""

from collections.abc import Iterable
from datetime import UTC, datetime

import sqlalchemy as sa

from mcp_server.domain.records import (
    CharacteristicKind,
    ControlMethod,
    IssueCategory,
    IssueState,
    MachineStatus,
    Phase,
    PlanState,
    Sampling,
    Severity,
    SpecialClass,
)

__all__ = [
    "UtcDateTime",
    "audit_log",
    "equipment",
    "gauges",
    "idempotency_keys",
    "issues",
    "machines",
    "materials",
    "metadata",
    "plant_info",
    "projects",
    "quality_plan_rows",
    "quality_plans",
    "specs",
    "workstations",
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


def _id() -> sa.Column[str]:
    return sa.Column("id", sa.Text, primary_key=True)


def _text(name: str, *, null: bool = False, index: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=null, index=index)


def _real(name: str, *, null: bool = False) -> sa.Column[float]:
    return sa.Column(name, sa.Double, nullable=null)


def _integer(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=null)


def _time(name: str) -> sa.Column[datetime]:
    return sa.Column(name, UtcDateTime, nullable=False)


def _refers(name: str, target: sa.Table, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, sa.ForeignKey(target.c.id), nullable=null, index=True)


def _one_of(column: str, values: Iterable[str]) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=column)


def _limits() -> sa.CheckConstraint:
    return sa.CheckConstraint("lsl < usl", name="limits")  # unknown, and so allowed, when one side is missing


projects = sa.Table(
    "projects",
    metadata,
    _id(),
    _text("name"),
    _text("site"),
    _text("product"),
    _text("status"),
    sa.Column("sop_date", sa.Date, nullable=False),
    _integer("annual_volume"),
    _text("time_zone"),
)

equipment = sa.Table(
    "equipment",
    metadata,
    _id(),
    _text("name"),
    _text("level"),
    sa.Column("parent", sa.Text, sa.ForeignKey("equipment.id"), nullable=True),
)

machines = sa.Table(
    "machines",
    metadata,
    _id(),
    _text("project", index=True),
    _text("workstation"),
    _text("name"),
    _text("type"),
    _text("make"),
    _text("model"),
    _text("serial"),
    sa.Column("commissioned_on", sa.Date, nullable=False),
    _text("status"),
    _text("criticality"),
    sa.Column("energy_sources", sa.JSON, nullable=False),
    _text("meter"),
    _one_of("status", MachineStatus),
    _one_of("criticality", "ABC"),
    sa.UniqueConstraint("serial"),
)

materials = sa.Table(
    "materials",
    metadata,
    _id(),
    _text("project", index=True),
    _text("name"),
    _text("type"),
    _text("standard"),
    _text("revision"),
    _text("uom"),
    sa.Column("lot_tracked", sa.Boolean, nullable=False),
    _text("supplier"),
    _text("status"),
)

specs = sa.Table(
    "specs",
    metadata,
    _id(),
    _text("project", index=True),
    _refers("material_id", materials),
    _text("operation"),
    _text("characteristic"),
    _text("kind"),
    _text("data_type"),
    _text("unit"),
    _real("nominal", null=True),
    _real("lsl", null=True),
    _real("usl", null=True),
    _text("special_class", null=True),
    _text("gauge"),
    _one_of("kind", CharacteristicKind),
    _one_of("special_class", SpecialClass),
)
"""No check of lsl < usl here: a system of record may hold such a row, and a reader must be told, not spared."""

workstations = sa.Table(
    "workstations",
    metadata,
    _id(),
    _text("project", index=True),
    _text("line"),
    _text("operation"),
    _real("cycle_time_s"),
    _real("operators"),
)

gauges = sa.Table(
    "gauges",
    metadata,
    _id(),
    _text("project", index=True),
    _text("name"),
    _real("resolution", null=True),
    _integer("cal_interval_days"),
    sa.Column("last_calibrated", sa.Date, nullable=False),
    sa.Column("cal_due", sa.Date, nullable=False),
    _real("grr_pct", null=True),
    _integer("ndc", null=True),
)

quality_plans = sa.Table(
    "quality_plans",
    metadata,
    _id(),
    _refers("project", projects),
    _text("title"),
    _text("phase"),
    _refers("material_id", materials),
    _text("material_revision"),
    _integer("revision"),
    _text("state"),
    _text("customer", null=True),
    sa.Column("core_team", sa.JSON, nullable=False),
    _time("created_at"),
    _text("created_by"),
    _one_of("phase", Phase),
    _one_of("state", PlanState),
    sa.UniqueConstraint("project", "material_id", "phase", "revision"),
)

quality_plan_rows = sa.Table(
    "quality_plan_rows",
    metadata,
    sa.Column("plan_id", sa.Text, sa.ForeignKey(quality_plans.c.id), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    _refers("spec_id", specs, null=True),
    _text("operation"),
    _refers("machine_id", machines, null=True),
    _text("characteristic"),
    _text("kind"),
    _text("unit", null=True),
    _real("nominal", null=True),
    _real("lsl", null=True),
    _real("usl", null=True),
    _text("special_class", null=True),
    _text("technique", null=True),
    _refers("gauge_id", gauges, null=True),
    _text("sampling"),
    _integer("sample_size", null=True),
    _text("aql", null=True),
    _text("inspection_level", null=True),
    _text("frequency"),
    _text("control_method"),
    _text("reaction_plan"),
    _text("reaction_owner"),
    _one_of("kind", CharacteristicKind),
    _one_of("special_class", SpecialClass),
    _one_of("sampling", Sampling),
    _one_of("control_method", ControlMethod),
    sa.CheckConstraint("sample_size >= 1", name="sample_size"),
    _limits(),
)

issues = sa.Table(
    "issues",
    metadata,
    _id(),
    _text("project", index=True),
    _text("title"),
    _text("description"),
    _text("category"),
    _text("severity"),
    _text("state", index=True),
    _refers("machine_id", machines, null=True),
    _refers("workstation", workstations, null=True),
    _refers("material_id", materials, null=True),
    _refers("spec_id", specs, null=True),
    _integer("qty_affected"),
    _time("detected_at"),
    _text("detected_by"),
    _text("immediate_containment", null=True),
    _time("opened_at"),
    _time("acknowledge_due_at"),
    _time("contain_due_at"),
    _time("close_due_at"),
    _one_of("category", IssueCategory),
    _one_of("severity", Severity),
    _one_of("state", IssueState),
    sa.CheckConstraint("qty_affected >= 0", name="qty_affected"),
)

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("principal", sa.Text, primary_key=True),
    sa.Column("tool", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    _text("arguments_hash"),
    sa.Column("result", sa.JSON, nullable=False),
    _time("stored_at"),
    sa.Column("expires_at", UtcDateTime, nullable=False, index=True),
)

audit_log = sa.Table(
    "audit_log",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    _time("at"),
    _text("principal"),
    _text("on_behalf_of", null=True),
    _text("tool"),
    _text("outcome"),
    _text("record_type", null=True),
    _text("record_id", null=True, index=True),
    _text("idempotency_key", null=True),
    sa.Column("arguments", sa.JSON, nullable=False),
    sqlite_autoincrement=True,
)

plant_info = sa.Table(
    "plant_info",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    _text("value"),
)
