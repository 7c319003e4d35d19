"""Brings a database to the current schema with alembic. One file per step in `versions/`; steps never change."""

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from mcp_server.errors import ConfigurationError

if TYPE_CHECKING:
    from alembic.config import Config

__all__ = ["HEAD", "alembic_config", "checked", "is_known", "revision_of", "upgrade"]

HEAD = "0003"
"""The revision this program needs. A test holds it equal to the newest step, so that start-up need not load alembic."""


def revision_of(connection: sa.Connection) -> str | None:
    """The revision a database is at, or None when alembic never touched it."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one_or_none()


def checked(connection: sa.Connection, *, name: str, remedy: str) -> str | None:
    """The revision a database is at, or None for an empty one.

    Raises:
        ConfigurationError: it belongs to another program, or to a newer one; `remedy` is how to choose another.
    """
    at = revision_of(connection)
    if at is None and sa.inspect(connection).get_table_names():
        raise ConfigurationError(f"{name} is a database of another program.", suggestion=remedy)
    if at is not None and at != HEAD and not is_known(at):
        raise ConfigurationError(
            f"{name} was written by a newer Shopfloor (schema {at}; this one knows {HEAD}).",
            suggestion=f"Update Shopfloor. {remedy}",
        )
    return at


def is_known(revision: str) -> bool:
    """Whether there is a step with this revision; a newer program may have written one there is not."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(alembic_config())
    return revision in {step.revision for step in scripts.walk_revisions()}


def upgrade(connection: sa.Connection) -> None:
    """Apply every missing step inside the caller's transaction: all of them, or none."""
    from alembic import command

    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def alembic_config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
