"""The first schema"""

import sqlalchemy as sa
from alembic import op

from mcp_server.backends.sql.tables import TEXT, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("principal", TEXT, nullable=False),
        sa.Column("on_behalf_of", TEXT, nullable=True),
        sa.Column("tool", TEXT, nullable=False),
        sa.Column("outcome", TEXT, nullable=False),
        sa.Column("record_type", TEXT, nullable=True),
        sa.Column("record_id", TEXT, nullable=True),
        sa.Column("idempotency_key", TEXT, nullable=True),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("audit_log", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_log_record_id"), ["record_id"], unique=False)

    op.create_table(
        "equipment",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("level", TEXT, nullable=False),
        sa.Column("parent", TEXT, nullable=True),
        sa.ForeignKeyConstraint(["parent"], ["equipment.id"], name=op.f("fk_equipment_parent")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_equipment")),
    )
    op.create_table(
        "gauges",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("resolution", sa.Double[float](), nullable=True),
        sa.Column("cal_interval_days", sa.BigInteger(), nullable=False),
        sa.Column("last_calibrated", sa.Date(), nullable=False),
        sa.Column("cal_due", sa.Date(), nullable=False),
        sa.Column("grr_pct", sa.Double[float](), nullable=True),
        sa.Column("ndc", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gauges")),
    )
    with op.batch_alter_table("gauges", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_gauges_project"), ["project"], unique=False)

    op.create_table(
        "idempotency_keys",
        sa.Column("principal", TEXT, nullable=False),
        sa.Column("tool", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("arguments_hash", TEXT, nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("stored_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("principal", "tool", "key", name=op.f("pk_idempotency_keys")),
    )
    with op.batch_alter_table("idempotency_keys", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_idempotency_keys_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "machines",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("workstation", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("make", TEXT, nullable=False),
        sa.Column("model", TEXT, nullable=False),
        sa.Column("serial", TEXT, nullable=False),
        sa.Column("commissioned_on", sa.Date(), nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("criticality", TEXT, nullable=False),
        sa.Column("energy_sources", sa.JSON(), nullable=False),
        sa.Column("meter", TEXT, nullable=False),
        sa.CheckConstraint("criticality IN ('A', 'B', 'C')", name=op.f("ck_machines_criticality")),
        sa.CheckConstraint(
            "status IN ('running', 'idle', 'standby', 'down', 'maintenance', 'commissioning', 'decommissioned')",
            name=op.f("ck_machines_status"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_machines")),
        sa.UniqueConstraint("serial", name=op.f("uq_machines_serial")),
    )
    with op.batch_alter_table("machines", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_machines_project"), ["project"], unique=False)

    op.create_table(
        "materials",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("standard", TEXT, nullable=False),
        sa.Column("revision", TEXT, nullable=False),
        sa.Column("uom", TEXT, nullable=False),
        sa.Column("lot_tracked", sa.Boolean(), nullable=False),
        sa.Column("supplier", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_materials")),
    )
    with op.batch_alter_table("materials", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_materials_project"), ["project"], unique=False)

    op.create_table(
        "plant_info",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_plant_info")),
    )
    op.create_table(
        "projects",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("site", TEXT, nullable=False),
        sa.Column("product", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("sop_date", sa.Date(), nullable=False),
        sa.Column("annual_volume", sa.BigInteger(), nullable=False),
        sa.Column("time_zone", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
    )
    op.create_table(
        "workstations",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("line", TEXT, nullable=False),
        sa.Column("operation", TEXT, nullable=False),
        sa.Column("cycle_time_s", sa.Double[float](), nullable=False),
        sa.Column("operators", sa.Double[float](), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workstations")),
    )
    with op.batch_alter_table("workstations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_workstations_project"), ["project"], unique=False)

    op.create_table(
        "quality_plans",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("phase", TEXT, nullable=False),
        sa.Column("material_id", TEXT, nullable=False),
        sa.Column("material_revision", TEXT, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("customer", TEXT, nullable=True),
        sa.Column("core_team", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", TEXT, nullable=False),
        sa.CheckConstraint(
            "phase IN ('prototype', 'pre_launch', 'safe_launch', 'production')", name=op.f("ck_quality_plans_phase")
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'in_review', 'approved', 'released', 'superseded', 'withdrawn')",
            name=op.f("ck_quality_plans_state"),
        ),
        sa.ForeignKeyConstraint(["material_id"], ["materials.id"], name=op.f("fk_quality_plans_material_id")),
        sa.ForeignKeyConstraint(["project"], ["projects.id"], name=op.f("fk_quality_plans_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quality_plans")),
        sa.UniqueConstraint(
            "project",
            "material_id",
            "phase",
            "revision",
            name=op.f("uq_quality_plans_project_material_id_phase_revision"),
        ),
    )
    with op.batch_alter_table("quality_plans", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_quality_plans_material_id"), ["material_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_quality_plans_project"), ["project"], unique=False)

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
        sa.CheckConstraint("kind IN ('product', 'process')", name=op.f("ck_specs_kind")),
        sa.CheckConstraint("special_class IN ('CC', 'SC')", name=op.f("ck_specs_special_class")),
        sa.ForeignKeyConstraint(["material_id"], ["materials.id"], name=op.f("fk_specs_material_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_specs")),
    )
    with op.batch_alter_table("specs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_specs_material_id"), ["material_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_specs_project"), ["project"], unique=False)

    op.create_table(
        "issues",
        sa.Column("id", TEXT, nullable=False),
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
        sa.Column("qty_affected", sa.BigInteger(), nullable=False),
        sa.Column("detected_at", UtcDateTime(), nullable=False),
        sa.Column("detected_by", TEXT, nullable=False),
        sa.Column("immediate_containment", TEXT, nullable=True),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.Column("acknowledge_due_at", UtcDateTime(), nullable=False),
        sa.Column("contain_due_at", UtcDateTime(), nullable=False),
        sa.Column("close_due_at", UtcDateTime(), nullable=False),
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
    with op.batch_alter_table("issues", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_issues_machine_id"), ["machine_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_issues_material_id"), ["material_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_issues_project"), ["project"], unique=False)
        batch_op.create_index(batch_op.f("ix_issues_spec_id"), ["spec_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_issues_state"), ["state"], unique=False)
        batch_op.create_index(batch_op.f("ix_issues_workstation"), ["workstation"], unique=False)

    op.create_table(
        "quality_plan_rows",
        sa.Column("plan_id", TEXT, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("spec_id", TEXT, nullable=True),
        sa.Column("operation", TEXT, nullable=False),
        sa.Column("machine_id", TEXT, nullable=True),
        sa.Column("characteristic", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
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
            "control_method IN ('spc_chart', 'inspection_record', 'error_proofing', 'automatic_gauging', "
            "'first_last_piece', 'parameter_monitoring', 'visual_standard')",
            name=op.f("ck_quality_plan_rows_control_method"),
        ),
        sa.CheckConstraint("kind IN ('product', 'process')", name=op.f("ck_quality_plan_rows_kind")),
        sa.CheckConstraint("sampling IN ('fixed', 'aql', 'full')", name=op.f("ck_quality_plan_rows_sampling")),
        sa.CheckConstraint("special_class IN ('CC', 'SC')", name=op.f("ck_quality_plan_rows_special_class")),
        sa.CheckConstraint("lsl < usl", name=op.f("ck_quality_plan_rows_limits")),
        sa.CheckConstraint("sample_size >= 1", name=op.f("ck_quality_plan_rows_sample_size")),
        sa.ForeignKeyConstraint(["gauge_id"], ["gauges.id"], name=op.f("fk_quality_plan_rows_gauge_id")),
        sa.ForeignKeyConstraint(["machine_id"], ["machines.id"], name=op.f("fk_quality_plan_rows_machine_id")),
        sa.ForeignKeyConstraint(["plan_id"], ["quality_plans.id"], name=op.f("fk_quality_plan_rows_plan_id")),
        sa.ForeignKeyConstraint(["spec_id"], ["specs.id"], name=op.f("fk_quality_plan_rows_spec_id")),
        sa.PrimaryKeyConstraint("plan_id", "position", name=op.f("pk_quality_plan_rows")),
    )
    with op.batch_alter_table("quality_plan_rows", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_quality_plan_rows_gauge_id"), ["gauge_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_quality_plan_rows_machine_id"), ["machine_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_quality_plan_rows_spec_id"), ["spec_id"], unique=False)
