"""Remote systems: what a write is still sending, and what they call our records."""

import sqlalchemy as sa
from alembic import op

from mcp_server.backends.sql.tables import TEXT

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("idempotency_keys", sa.Column("sending", sa.JSON(none_as_null=True), nullable=True))
    op.create_table(
        "remote_records",
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("ref", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("kind", "key", name=op.f("pk_remote_records")),
    )
    op.create_index(op.f("ix_remote_records_kind_ref"), "remote_records", ["kind", "ref"], unique=False)
