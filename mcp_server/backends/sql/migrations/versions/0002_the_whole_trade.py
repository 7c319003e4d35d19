"""The whole trade (being developed: generated anew at the end)"""

from alembic import op

from mcp_server.backends.sql.tables import metadata

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("quality_plan_rows", "quality_plans", "issues", "specs"):
        op.drop_table(name)
    metadata.create_all(op.get_bind())
