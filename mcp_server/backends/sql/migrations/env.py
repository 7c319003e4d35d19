"""Alembic's entry: it runs the steps on the connection handed over by `upgrade`."""

from alembic import context

from mcp_server.backends.sql.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
