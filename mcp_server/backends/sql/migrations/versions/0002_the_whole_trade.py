"""The whole trade: documents with revisions, maintenance, procedures, lots and stock, issues to their close.

SQLite cannot alter a constraint, so four tables are made anew. Their rows wait in temporary tables, which belong to
the same transaction; renaming instead would leave the tables with other SQL than new ones have. No store on PostgreSQL
is older than this step, so there are no rows to carry over there.
"""

import sqlalchemy as sa
from alembic import op

from mcp_server.backends.sql.tables import TEXT, UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_MADE_ANEW = ("quality_plan_rows", "quality_plans", "issues", "specs")
"""Children before parents: a table can be dropped when no row refers to it."""
_SPEC_COLUMNS = (
    "id", "project", "material_id", "operation", "characteristic", "kind", "data_type", "unit", "nominal", "lsl",
    "usl", "special_class", "gauge",
)  # fmt: skip
_PLAN_COLUMNS = (
    "id", "project", "title", "phase", "material_id", "material_revision", "revision", "state", "customer",
    "core_team", "created_at", "created_by",
)  # fmt: skip
_PLAN_ROW_COLUMNS = (
    "position", "spec_id", "operation", "machine_id", "characteristic", "kind", "unit", "nominal", "lsl", "usl",
    "special_class", "technique", "gauge_id", "sampling", "sample_size", "aql", "inspection_level", "frequency",
    "control_method", "reaction_plan", "reaction_owner",
)  # fmt: skip
_ISSUE_COLUMNS = (
    "id", "project", "title", "description", "category", "severity", "state", "machine_id", "workstation",
    "material_id", "spec_id", "qty_affected", "detected_at", "detected_by", "immediate_containment", "opened_at",
    "acknowledge_due_at", "contain_due_at", "close_due_at",
)  # fmt: skip
_ISSUE_LISTS = ("lot_ids", "actions", "effect_checks", "dispositions", "escalations", "comments", "rounds")

_DOCUMENT_STATES = "state IN ('draft', 'in_review', 'approved', 'released', 'superseded', 'withdrawn')"
_OPEN = sa.text("state IN ('draft', 'in_review', 'approved')")
_RELEASED = sa.text("state IN ('released')")
_PLANNED = sa.text("state = 'planned'")


def upgrade() -> None:
    has_rows = op.get_bind().dialect.name == "sqlite"
    for name in _MADE_ANEW:
        if has_rows:
            op.execute(f"CREATE TEMPORARY TABLE before_{name} AS SELECT * FROM {name}")  # noqa: S608 - names of ours
        op.drop_table(name)
    _plant()
    _quality_plans()
    _inspection()
    _maintenance()
    _procedures()
    _issues()
    _history()
    if has_rows:
        _carry_all_over()


def _carry_all_over() -> None:
    _carry_over("specs", _SPEC_COLUMNS)
    _carry_over("quality_plans", _PLAN_COLUMNS, key=_plan_key(), signatures=sa.literal("[]"))
    _carry_over("quality_plan_rows", _PLAN_ROW_COLUMNS, plan_key=_key_of_plan())
    _carry_over(
        "issues",
        _ISSUE_COLUMNS,
        revision=sa.literal(1),
        root_cause_due_at=_root_cause_due_at(),
        **{name: sa.literal("[]") for name in _ISSUE_LISTS},
    )
    for name in _MADE_ANEW:
        op.execute(f"DROP TABLE temp.before_{name}")


def _carry_over(name: str, kept: tuple[str, ...], **made: sa.ColumnElement[str] | sa.ColumnElement[int]) -> None:
    """Insert what stood in the table before: `kept` columns as they were, and the new ones as `made` says."""
    before = sa.table(f"before_{name}")
    rows = sa.select(*map(sa.column, kept), *made.values()).select_from(before)
    now = sa.table(name, *map(sa.column, (*kept, *made)))
    op.execute(sa.insert(now).from_select([*kept, *made], rows))


def _plan_key() -> sa.ColumnElement[str]:
    return sa.func.printf("%s@%04d", sa.column("id"), sa.column("revision"))


def _key_of_plan() -> sa.ColumnElement[str]:
    """A plan had one row until now, so its id tells the revision."""
    plans = sa.table("quality_plans", sa.column("id"), sa.column("key"))
    return sa.select(plans.c.key).where(plans.c.id == sa.column("plan_id")).scalar_subquery()


def _root_cause_due_at() -> sa.ColumnElement[str]:
    """Days after the report, as the rules stood at this step; the time of day stays, to the microsecond."""
    severity, opened_at = sa.column("severity", TEXT), sa.column("opened_at", TEXT)
    days = sa.case((severity == "critical", "+5 days"), (severity == "major", "+10 days"), else_="+20 days")
    return sa.func.date(opened_at, days, type_=TEXT) + sa.func.substr(opened_at, 11, type_=TEXT)


def _plant() -> None:
    op.create_table(
        "people",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("skills", sa.JSON(), nullable=False),
        sa.Column("shift", TEXT, nullable=False),
        sa.CheckConstraint("shift IN ('A', 'B', 'C')", name=op.f("ck_people_shift")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
    )
    op.create_index(op.f("ix_people_project"), "people", ["project"], unique=False)
    op.create_table(
        "plant_days",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("from_on", sa.Date(), nullable=False),
        sa.Column("to_on", sa.Date(), nullable=False),
        sa.CheckConstraint("kind IN ('holiday', 'shutdown', 'freeze')", name=op.f("ck_plant_days_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plant_days")),
    )
    op.create_index(op.f("ix_plant_days_project"), "plant_days", ["project"], unique=False)
    op.create_table(
        "takt_inputs",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("line_group", TEXT, nullable=False),
        sa.Column("shifts_per_day", sa.BigInteger(), nullable=False),
        sa.Column("shift_min", sa.Double[float](), nullable=False),
        sa.Column("planned_breaks_min_per_shift", sa.Double[float](), nullable=False),
        sa.Column("meetings_5s_min_per_shift", sa.Double[float](), nullable=False),
        sa.Column("days_per_week", sa.BigInteger(), nullable=False),
        sa.Column("demand_per_day", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_takt_inputs")),
    )
    op.create_index(op.f("ix_takt_inputs_project"), "takt_inputs", ["project"], unique=False)
    op.create_table(
        "stock_items",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("unit", TEXT, nullable=False),
        sa.Column("on_hand", sa.Double[float](), nullable=False),
        sa.Column("minimum", sa.Double[float](), nullable=False),
        sa.Column("location", TEXT, nullable=False),
        sa.Column("machine_types", sa.JSON(), nullable=False),
        sa.Column("lead_time_days", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("kind IN ('tool', 'ppe', 'consumable', 'spare_part')", name=op.f("ck_stock_items_kind")),
        sa.CheckConstraint("minimum >= 0", name=op.f("ck_stock_items_minimum")),
        sa.CheckConstraint("on_hand >= 0", name=op.f("ck_stock_items_on_hand")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_items")),
    )
    op.create_index(op.f("ix_stock_items_project"), "stock_items", ["project"], unique=False)
    op.create_table(
        "lots",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("material_id", TEXT, nullable=False),
        sa.Column("material_revision", TEXT, nullable=False),
        sa.Column("qty", sa.BigInteger(), nullable=False),
        sa.Column("made_on", sa.Date(), nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.CheckConstraint("status IN ('released', 'quarantine', 'consumed')", name=op.f("ck_lots_status")),
        sa.CheckConstraint("qty >= 0", name=op.f("ck_lots_qty")),
        sa.ForeignKeyConstraint(["material_id"], ["materials.id"], name=op.f("fk_lots_material_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lots")),
    )
    op.create_index(op.f("ix_lots_material_id"), "lots", ["material_id"], unique=False)
    op.create_index(op.f("ix_lots_project"), "lots", ["project"], unique=False)
    op.create_table(
        "meter_readings",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("machine_id", TEXT, nullable=False),
        sa.Column("value", sa.Double[float](), nullable=False),
        sa.Column("read_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name=op.f("fk_meter_readings_machine_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meter_readings")),
    )
    op.create_index(op.f("ix_meter_readings_machine_id"), "meter_readings", ["machine_id"], unique=False)
    op.create_index(op.f("ix_meter_readings_project"), "meter_readings", ["project"], unique=False)
    op.create_index(op.f("ix_meter_readings_read_at"), "meter_readings", ["read_at"], unique=False)


def _quality_plans() -> None:
    op.create_table(
        "specs",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("material_id", TEXT, nullable=False),
        sa.Column("operation", TEXT, nullable=False),
        sa.Column("characteristic", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("data_type", TEXT, nullable=False),
        sa.Column("unit", TEXT, nullable=False),
        sa.Column("nominal", sa.Double[float](), nullable=True),
        sa.Column("lsl", sa.Double[float](), nullable=True),
        sa.Column("usl", sa.Double[float](), nullable=True),
        sa.Column("special_class", TEXT, nullable=True),
        sa.Column("gauge", TEXT, nullable=False),
        sa.CheckConstraint("data_type IN ('variable', 'attribute')", name=op.f("ck_specs_data_type")),
        sa.CheckConstraint("kind IN ('product', 'process')", name=op.f("ck_specs_kind")),
        sa.CheckConstraint("special_class IN ('CC', 'SC')", name=op.f("ck_specs_special_class")),
        sa.ForeignKeyConstraint(["material_id"], ["materials.id"], name=op.f("fk_specs_material_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_specs")),
    )
    op.create_index(op.f("ix_specs_material_id"), "specs", ["material_id"], unique=False)
    op.create_index(op.f("ix_specs_project"), "specs", ["project"], unique=False)
    op.create_table(
        "quality_plans",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("change_reason", TEXT, nullable=True),
        sa.Column("signatures", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("phase", TEXT, nullable=False),
        sa.Column("material_id", TEXT, nullable=False),
        sa.Column("material_revision", TEXT, nullable=False),
        sa.Column("customer", TEXT, nullable=True),
        sa.Column("core_team", sa.JSON(), nullable=False),
        sa.Column("review_reason", TEXT, nullable=True),
        sa.CheckConstraint(
            "phase IN ('prototype', 'pre_launch', 'safe_launch', 'production')", name=op.f("ck_quality_plans_phase")
        ),
        sa.CheckConstraint(_DOCUMENT_STATES, name=op.f("ck_quality_plans_state")),
        sa.CheckConstraint("revision >= 1", name=op.f("ck_quality_plans_revision")),
        sa.ForeignKeyConstraint(["material_id"], ["materials.id"], name=op.f("fk_quality_plans_material_id")),
        sa.ForeignKeyConstraint(["project"], ["projects.id"], name=op.f("fk_quality_plans_project")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_quality_plans")),
        sa.UniqueConstraint("id", "revision", name=op.f("uq_quality_plans_id_revision")),
    )
    op.create_index(op.f("ix_quality_plans_material_id"), "quality_plans", ["material_id"], unique=False)
    op.create_index(op.f("ix_quality_plans_project"), "quality_plans", ["project"], unique=False)
    op.create_index(
        "uq_quality_plans_open", "quality_plans", ["id"], unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN
    )
    op.create_index(
        "uq_quality_plans_released",
        "quality_plans",
        ["id"],
        unique=True,
        sqlite_where=_RELEASED,
        postgresql_where=_RELEASED,
    )
    op.create_table(
        "quality_plan_rows",
        sa.Column("plan_key", TEXT, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("spec_id", TEXT, nullable=True),
        sa.Column("operation", TEXT, nullable=True),
        sa.Column("machine_id", TEXT, nullable=True),
        sa.Column("characteristic", TEXT, nullable=True),
        sa.Column("kind", TEXT, nullable=True),
        sa.Column("unit", TEXT, nullable=True),
        sa.Column("nominal", sa.Double[float](), nullable=True),
        sa.Column("lsl", sa.Double[float](), nullable=True),
        sa.Column("usl", sa.Double[float](), nullable=True),
        sa.Column("special_class", TEXT, nullable=True),
        sa.Column("technique", TEXT, nullable=True),
        sa.Column("gauge_id", TEXT, nullable=True),
        sa.Column("sampling", TEXT, nullable=False),
        sa.Column("sample_size", sa.BigInteger(), nullable=True),
        sa.Column("aql", TEXT, nullable=True),
        sa.Column("inspection_level", TEXT, nullable=True),
        sa.Column("frequency", TEXT, nullable=False),
        sa.Column("control_method", TEXT, nullable=False),
        sa.Column("reaction_plan", TEXT, nullable=False),
        sa.Column("reaction_owner", TEXT, nullable=False),
        sa.CheckConstraint(
            "aql IN ('0.010', '0.015', '0.025', '0.040', '0.065', '0.10', '0.15', '0.25', '0.40', '0.65', '1.0', "
            "'1.5', '2.5', '4.0', '6.5', '10', '15', '25', '40', '65', '100', '150', '250', '400', '650', '1000')",
            name=op.f("ck_quality_plan_rows_aql"),
        ),
        sa.CheckConstraint(
            "control_method IN ('spc_chart', 'inspection_record', 'error_proofing', 'automatic_gauging', "
            "'first_last_piece', 'parameter_monitoring', 'visual_standard')",
            name=op.f("ck_quality_plan_rows_control_method"),
        ),
        sa.CheckConstraint(
            "inspection_level IN ('I', 'II', 'III', 'S-1', 'S-2', 'S-3', 'S-4')",
            name=op.f("ck_quality_plan_rows_inspection_level"),
        ),
        sa.CheckConstraint("kind IN ('product', 'process')", name=op.f("ck_quality_plan_rows_kind")),
        sa.CheckConstraint("sampling IN ('fixed', 'aql', 'full')", name=op.f("ck_quality_plan_rows_sampling")),
        sa.CheckConstraint("special_class IN ('CC', 'SC')", name=op.f("ck_quality_plan_rows_special_class")),
        sa.CheckConstraint("lsl < usl", name=op.f("ck_quality_plan_rows_limits")),
        sa.CheckConstraint("sample_size >= 1", name=op.f("ck_quality_plan_rows_sample_size")),
        sa.ForeignKeyConstraint(["gauge_id"], ["gauges.id"], name=op.f("fk_quality_plan_rows_gauge_id")),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name=op.f("fk_quality_plan_rows_machine_id")),
        sa.ForeignKeyConstraint(["plan_key"], ["quality_plans.key"], name=op.f("fk_quality_plan_rows_plan_key")),
        sa.ForeignKeyConstraint(["spec_id"], ["specs.id"], name=op.f("fk_quality_plan_rows_spec_id")),
        sa.PrimaryKeyConstraint("plan_key", "position", name=op.f("pk_quality_plan_rows")),
    )
    op.create_index(op.f("ix_quality_plan_rows_gauge_id"), "quality_plan_rows", ["gauge_id"], unique=False)
    op.create_index(op.f("ix_quality_plan_rows_machine_id"), "quality_plan_rows", ["machine_id"], unique=False)
    op.create_index(op.f("ix_quality_plan_rows_spec_id"), "quality_plan_rows", ["spec_id"], unique=False)


def _inspection() -> None:
    op.create_table(
        "checklists",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("change_reason", TEXT, nullable=True),
        sa.Column("signatures", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("plan_id", TEXT, nullable=True),
        sa.Column("plan_revision", sa.BigInteger(), nullable=True),
        sa.Column("material_id", TEXT, nullable=False),
        sa.Column("operation", TEXT, nullable=False),
        sa.Column("lot_size", sa.BigInteger(), nullable=True),
        sa.Column("items", sa.JSON(), nullable=False),
        sa.CheckConstraint(_DOCUMENT_STATES, name=op.f("ck_checklists_state")),
        sa.CheckConstraint("revision >= 1", name=op.f("ck_checklists_revision")),
        sa.ForeignKeyConstraint(["material_id"], ["materials.id"], name=op.f("fk_checklists_material_id")),
        sa.ForeignKeyConstraint(["project"], ["projects.id"], name=op.f("fk_checklists_project")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_checklists")),
        sa.UniqueConstraint("id", "revision", name=op.f("uq_checklists_id_revision")),
    )
    op.create_index(op.f("ix_checklists_material_id"), "checklists", ["material_id"], unique=False)
    op.create_index(op.f("ix_checklists_project"), "checklists", ["project"], unique=False)
    op.create_index("uq_checklists_open", "checklists", ["id"], unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN)
    op.create_index(
        "uq_checklists_released", "checklists", ["id"], unique=True, sqlite_where=_RELEASED, postgresql_where=_RELEASED
    )
    op.create_table(
        "inspection_results",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("checklist_id", TEXT, nullable=True),
        sa.Column("checklist_revision", sa.BigInteger(), nullable=True),
        sa.Column("checklist_item", sa.BigInteger(), nullable=True),
        sa.Column("spec_id", TEXT, nullable=True),
        sa.Column("characteristic", TEXT, nullable=False),
        sa.Column("material_id", TEXT, nullable=False),
        sa.Column("lot_id", TEXT, nullable=False),
        sa.Column("sample_size", sa.BigInteger(), nullable=False),
        sa.Column("readings", sa.JSON(), nullable=False),
        sa.Column("unit", TEXT, nullable=False),
        sa.Column("lsl", sa.Double[float](), nullable=True),
        sa.Column("usl", sa.Double[float](), nullable=True),
        sa.Column("nonconforming", sa.BigInteger(), nullable=False),
        sa.Column("accept", sa.BigInteger(), nullable=False),
        sa.Column("reject", sa.BigInteger(), nullable=False),
        sa.Column("verdict", TEXT, nullable=False),
        sa.Column("inspector", TEXT, nullable=False),
        sa.Column("gauge_id", TEXT, nullable=True),
        sa.Column("measured_at", UtcDateTime(), nullable=False),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.Column("recorded_by", TEXT, nullable=False),
        sa.Column("issue_id", TEXT, nullable=True),
        sa.CheckConstraint("verdict IN ('accept', 'reject')", name=op.f("ck_inspection_results_verdict")),
        sa.CheckConstraint("accept >= 0", name=op.f("ck_inspection_results_accept")),
        sa.CheckConstraint("nonconforming >= 0", name=op.f("ck_inspection_results_nonconforming")),
        sa.ForeignKeyConstraint(["gauge_id"], ["gauges.id"], name=op.f("fk_inspection_results_gauge_id")),
        sa.ForeignKeyConstraint(["lot_id"], ["lots.id"], name=op.f("fk_inspection_results_lot_id")),
        sa.ForeignKeyConstraint(["material_id"], ["materials.id"], name=op.f("fk_inspection_results_material_id")),
        sa.ForeignKeyConstraint(["project"], ["projects.id"], name=op.f("fk_inspection_results_project")),
        sa.ForeignKeyConstraint(["spec_id"], ["specs.id"], name=op.f("fk_inspection_results_spec_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inspection_results")),
    )
    op.create_index(op.f("ix_inspection_results_gauge_id"), "inspection_results", ["gauge_id"], unique=False)
    op.create_index(op.f("ix_inspection_results_lot_id"), "inspection_results", ["lot_id"], unique=False)
    op.create_index(op.f("ix_inspection_results_material_id"), "inspection_results", ["material_id"], unique=False)
    op.create_index(op.f("ix_inspection_results_measured_at"), "inspection_results", ["measured_at"], unique=False)
    op.create_index(op.f("ix_inspection_results_project"), "inspection_results", ["project"], unique=False)
    op.create_index(op.f("ix_inspection_results_spec_id"), "inspection_results", ["spec_id"], unique=False)


def _maintenance() -> None:
    op.create_table(
        "pm_plans",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("change_reason", TEXT, nullable=True),
        sa.Column("signatures", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("machine_id", TEXT, nullable=False),
        sa.Column("task_ids", sa.JSON(), nullable=False),
        sa.CheckConstraint(_DOCUMENT_STATES, name=op.f("ck_pm_plans_state")),
        sa.CheckConstraint("revision >= 1", name=op.f("ck_pm_plans_revision")),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name=op.f("fk_pm_plans_machine_id")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_pm_plans")),
        sa.UniqueConstraint("id", "revision", name=op.f("uq_pm_plans_id_revision")),
    )
    op.create_index(op.f("ix_pm_plans_machine_id"), "pm_plans", ["machine_id"], unique=False)
    op.create_index("uq_pm_plans_open", "pm_plans", ["id"], unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN)
    op.create_index(
        "uq_pm_plans_released", "pm_plans", ["id"], unique=True, sqlite_where=_RELEASED, postgresql_where=_RELEASED
    )
    op.create_table(
        "pm_tasks",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("plan_id", TEXT, nullable=False),
        sa.Column("machine_id", TEXT, nullable=False),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("calendar_interval", sa.BigInteger(), nullable=True),
        sa.Column("calendar_unit", TEXT, nullable=True),
        sa.Column("meter_interval", sa.Double[float](), nullable=True),
        sa.Column("strategy", TEXT, nullable=False),
        sa.Column("tolerance_pct", sa.Double[float](), nullable=False),
        sa.Column("est_min", sa.BigInteger(), nullable=False),
        sa.Column("skill", TEXT, nullable=False),
        sa.Column("loto", sa.Boolean(), nullable=False),
        sa.Column("sop_id", TEXT, nullable=True),
        sa.Column("parts", sa.JSON(), nullable=False),
        sa.Column("anchor_on", sa.Date(), nullable=False),
        sa.Column("last_scheduled_on", sa.Date(), nullable=True),
        sa.Column("last_completed_on", sa.Date(), nullable=True),
        sa.Column("last_completed_meter", sa.Double[float](), nullable=True),
        sa.Column("next_due_on", sa.Date(), nullable=True),
        sa.Column("next_due_meter", sa.Double[float](), nullable=True),
        sa.CheckConstraint("calendar_unit IN ('d', 'w', 'm', 'y')", name=op.f("ck_pm_tasks_calendar_unit")),
        sa.CheckConstraint("strategy IN ('fixed', 'floating')", name=op.f("ck_pm_tasks_strategy")),
        sa.CheckConstraint("calendar_interval >= 1", name=op.f("ck_pm_tasks_calendar_interval")),
        sa.CheckConstraint(
            "calendar_interval IS NOT NULL OR meter_interval IS NOT NULL", name=op.f("ck_pm_tasks_trigger")
        ),
        sa.CheckConstraint("est_min >= 1", name=op.f("ck_pm_tasks_est_min")),
        sa.CheckConstraint("meter_interval > 0", name=op.f("ck_pm_tasks_meter_interval")),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name=op.f("fk_pm_tasks_machine_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pm_tasks")),
    )
    op.create_index(op.f("ix_pm_tasks_machine_id"), "pm_tasks", ["machine_id"], unique=False)
    op.create_index(op.f("ix_pm_tasks_plan_id"), "pm_tasks", ["plan_id"], unique=False)
    op.create_index(op.f("ix_pm_tasks_project"), "pm_tasks", ["project"], unique=False)
    op.create_table(
        "work_orders",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("machine_id", TEXT, nullable=False),
        sa.Column("task_id", TEXT, nullable=True),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("start", UtcDateTime(), nullable=False),
        sa.Column("duration_min", sa.BigInteger(), nullable=False),
        sa.Column("technician_id", TEXT, nullable=True),
        sa.Column("skill", TEXT, nullable=True),
        sa.Column("loto", sa.Boolean(), nullable=False),
        sa.Column("priority", sa.BigInteger(), nullable=False),
        sa.Column("reason", TEXT, nullable=True),
        sa.Column("backdated_reason", TEXT, nullable=True),
        sa.Column("override_reason", TEXT, nullable=True),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("window_start", sa.Date(), nullable=True),
        sa.Column("window_end", sa.Date(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("completed_at", UtcDateTime(), nullable=True),
        sa.Column("moved_reason", TEXT, nullable=True),
        sa.Column("cancelled_reason", TEXT, nullable=True),
        sa.CheckConstraint(
            "kind IN ('preventive', 'corrective', 'breakdown', 'calibration')", name=op.f("ck_work_orders_kind")
        ),
        sa.CheckConstraint("state IN ('planned', 'done', 'cancelled')", name=op.f("ck_work_orders_state")),
        sa.CheckConstraint("duration_min >= 1", name=op.f("ck_work_orders_duration_min")),
        sa.CheckConstraint("priority >= 1", name=op.f("ck_work_orders_priority")),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name=op.f("fk_work_orders_machine_id")),
        sa.ForeignKeyConstraint(["task_id"], ["pm_tasks.id"], name=op.f("fk_work_orders_task_id")),
        sa.ForeignKeyConstraint(["technician_id"], ["people.id"], name=op.f("fk_work_orders_technician_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_work_orders")),
    )
    op.create_index(op.f("ix_work_orders_machine_id"), "work_orders", ["machine_id"], unique=False)
    op.create_index(op.f("ix_work_orders_project"), "work_orders", ["project"], unique=False)
    op.create_index(op.f("ix_work_orders_start"), "work_orders", ["start"], unique=False)
    op.create_index(op.f("ix_work_orders_state"), "work_orders", ["state"], unique=False)
    op.create_index(op.f("ix_work_orders_task_id"), "work_orders", ["task_id"], unique=False)
    op.create_index(op.f("ix_work_orders_technician_id"), "work_orders", ["technician_id"], unique=False)
    op.create_index(
        "uq_work_orders_open", "work_orders", ["task_id"], unique=True, sqlite_where=_PLANNED, postgresql_where=_PLANNED
    )
    op.create_table(
        "maintenance_history",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("machine_id", TEXT, nullable=False),
        sa.Column("task_id", TEXT, nullable=True),
        sa.Column("work_order_id", TEXT, nullable=True),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("summary", TEXT, nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("completed_on", sa.Date(), nullable=False),
        sa.Column("completed_at", UtcDateTime(), nullable=True),
        sa.Column("in_window", sa.Boolean(), nullable=True),
        sa.Column("labor_min", sa.BigInteger(), nullable=False),
        sa.Column("downtime_min", sa.BigInteger(), nullable=False),
        sa.Column("skill", TEXT, nullable=False),
        sa.Column("technician_id", TEXT, nullable=True),
        sa.Column("meter_reading", sa.Double[float](), nullable=True),
        sa.Column("parts", sa.JSON(), nullable=False),
        sa.Column("findings", TEXT, nullable=True),
        sa.Column("follow_up", TEXT, nullable=True),
        sa.CheckConstraint(
            "type IN ('preventive', 'corrective', 'breakdown', 'calibration')", name=op.f("ck_maintenance_history_type")
        ),
        sa.CheckConstraint("downtime_min >= 0", name=op.f("ck_maintenance_history_downtime_min")),
        sa.CheckConstraint("labor_min >= 0", name=op.f("ck_maintenance_history_labor_min")),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name=op.f("fk_maintenance_history_machine_id")),
        sa.ForeignKeyConstraint(
            ["work_order_id"], ["work_orders.id"], name=op.f("fk_maintenance_history_work_order_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maintenance_history")),
        sa.UniqueConstraint("work_order_id", name=op.f("uq_maintenance_history_work_order_id")),
    )
    op.create_index(op.f("ix_maintenance_history_completed_on"), "maintenance_history", ["completed_on"], unique=False)
    op.create_index(op.f("ix_maintenance_history_machine_id"), "maintenance_history", ["machine_id"], unique=False)
    op.create_index(op.f("ix_maintenance_history_project"), "maintenance_history", ["project"], unique=False)
    op.create_index(op.f("ix_maintenance_history_task_id"), "maintenance_history", ["task_id"], unique=False)
    op.create_index(
        op.f("ix_maintenance_history_work_order_id"), "maintenance_history", ["work_order_id"], unique=False
    )


def _procedures() -> None:
    op.create_table(
        "sops",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("change_reason", TEXT, nullable=True),
        sa.Column("signatures", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("workstation", TEXT, nullable=True),
        sa.Column("machine_ids", sa.JSON(), nullable=False),
        sa.Column("material_id", TEXT, nullable=True),
        sa.Column("material_revision", TEXT, nullable=True),
        sa.Column("purpose", TEXT, nullable=True),
        sa.Column("scope", TEXT, nullable=True),
        sa.Column("ppe", sa.JSON(), nullable=False),
        sa.Column("ppe_not_required_reason", TEXT, nullable=True),
        sa.Column("hazards", sa.JSON(), nullable=False),
        sa.Column("loto_sop_id", TEXT, nullable=True),
        sa.Column("loto_not_required_reason", TEXT, nullable=True),
        sa.Column("tools", sa.JSON(), nullable=False),
        sa.Column("training", sa.JSON(), nullable=False),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.Column("reaction_plan", TEXT, nullable=True),
        sa.Column("records", sa.JSON(), nullable=False),
        sa.Column("references", sa.JSON(), nullable=False),
        sa.Column("effective_on", sa.Date(), nullable=True),
        sa.Column("inspected_on", sa.Date(), nullable=True),
        sa.CheckConstraint("kind IN ('sop', 'loto')", name=op.f("ck_sops_kind")),
        sa.CheckConstraint(_DOCUMENT_STATES, name=op.f("ck_sops_state")),
        sa.CheckConstraint("revision >= 1", name=op.f("ck_sops_revision")),
        sa.ForeignKeyConstraint(["material_id"], ["materials.id"], name=op.f("fk_sops_material_id")),
        sa.ForeignKeyConstraint(["workstation"], ["workstations.id"], name=op.f("fk_sops_workstation")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_sops")),
        sa.UniqueConstraint("id", "revision", name=op.f("uq_sops_id_revision")),
    )
    op.create_index(op.f("ix_sops_material_id"), "sops", ["material_id"], unique=False)
    op.create_index(op.f("ix_sops_workstation"), "sops", ["workstation"], unique=False)
    op.create_index("uq_sops_open", "sops", ["id"], unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN)
    op.create_index("uq_sops_released", "sops", ["id"], unique=True, sqlite_where=_RELEASED, postgresql_where=_RELEASED)
    op.create_table(
        "training_records",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("person_id", TEXT, nullable=False),
        sa.Column("sop_id", TEXT, nullable=False),
        sa.Column("sop_revision", sa.BigInteger(), nullable=False),
        sa.Column("trained_on", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_training_records_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_training_records")),
    )
    op.create_index(op.f("ix_training_records_person_id"), "training_records", ["person_id"], unique=False)
    op.create_index(op.f("ix_training_records_project"), "training_records", ["project"], unique=False)
    op.create_index(op.f("ix_training_records_sop_id"), "training_records", ["sop_id"], unique=False)


def _issues() -> None:
    op.create_table(
        "issues",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("description", TEXT, nullable=False),
        sa.Column("category", TEXT, nullable=False),
        sa.Column("severity", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("machine_id", TEXT, nullable=True),
        sa.Column("workstation", TEXT, nullable=True),
        sa.Column("material_id", TEXT, nullable=True),
        sa.Column("spec_id", TEXT, nullable=True),
        sa.Column("lot_ids", sa.JSON(), nullable=False),
        sa.Column("qty_affected", sa.BigInteger(), nullable=False),
        sa.Column("detected_at", UtcDateTime(), nullable=False),
        sa.Column("detected_by", TEXT, nullable=False),
        sa.Column("immediate_containment", TEXT, nullable=True),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.Column("acknowledge_due_at", UtcDateTime(), nullable=False),
        sa.Column("contain_due_at", UtcDateTime(), nullable=False),
        sa.Column("root_cause_due_at", UtcDateTime(), nullable=False),
        sa.Column("close_due_at", UtcDateTime(), nullable=False),
        sa.Column("triage", sa.JSON(), nullable=True),
        sa.Column("containment", sa.JSON(), nullable=True),
        sa.Column("root_cause", sa.JSON(), nullable=True),
        sa.Column("actions", sa.JSON(), nullable=False),
        sa.Column("effect_checks", sa.JSON(), nullable=False),
        sa.Column("dispositions", sa.JSON(), nullable=False),
        sa.Column("escalations", sa.JSON(), nullable=False),
        sa.Column("comments", sa.JSON(), nullable=False),
        sa.Column("rounds", sa.JSON(), nullable=False),
        sa.Column("cancellation", sa.JSON(), nullable=True),
        sa.Column("closed_at", UtcDateTime(), nullable=True),
        sa.Column("closed_by", TEXT, nullable=True),
        sa.Column("closure_summary", TEXT, nullable=True),
        sa.Column("lessons", TEXT, nullable=True),
        sa.CheckConstraint(
            "category IN ('quality', 'equipment', 'process', 'safety', 'supplier', 'customer', 'document', "
            "'measurement')",
            name=op.f("ck_issues_category"),
        ),
        sa.CheckConstraint("severity IN ('critical', 'major', 'minor')", name=op.f("ck_issues_severity")),
        sa.CheckConstraint(
            "state IN ('open', 'triaged', 'contained', 'investigating', 'action_planned', 'action_implemented', "
            "'verifying', 'closed', 'cancelled', 'reopened')",
            name=op.f("ck_issues_state"),
        ),
        sa.CheckConstraint("qty_affected >= 0", name=op.f("ck_issues_qty_affected")),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name=op.f("fk_issues_machine_id")),
        sa.ForeignKeyConstraint(["material_id"], ["materials.id"], name=op.f("fk_issues_material_id")),
        sa.ForeignKeyConstraint(["spec_id"], ["specs.id"], name=op.f("fk_issues_spec_id")),
        sa.ForeignKeyConstraint(["workstation"], ["workstations.id"], name=op.f("fk_issues_workstation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issues")),
    )
    op.create_index(op.f("ix_issues_machine_id"), "issues", ["machine_id"], unique=False)
    op.create_index(op.f("ix_issues_material_id"), "issues", ["material_id"], unique=False)
    op.create_index(op.f("ix_issues_project"), "issues", ["project"], unique=False)
    op.create_index(op.f("ix_issues_spec_id"), "issues", ["spec_id"], unique=False)
    op.create_index(op.f("ix_issues_state"), "issues", ["state"], unique=False)
    op.create_index(op.f("ix_issues_workstation"), "issues", ["workstation"], unique=False)


def _history() -> None:
    op.create_table(
        "record_history",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("record_type", TEXT, nullable=False),
        sa.Column("record_id", TEXT, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("tool", TEXT, nullable=False),
        sa.Column("principal", TEXT, nullable=False),
        sa.Column("on_behalf_of", TEXT, nullable=True),
        sa.Column("audit_id", sa.BigInteger(), nullable=False),
        sa.Column("changed", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_record_history")),
    )
    op.create_index(op.f("ix_record_history_audit_id"), "record_history", ["audit_id"], unique=False)
    op.create_index(op.f("ix_record_history_record_id"), "record_history", ["record_id"], unique=False)
