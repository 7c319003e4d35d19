"""Makes a new session file, or brings an older one to the newest schema after a copy of it was put beside it."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DatabaseError

from orchestrator_client.errors import ConfigurationError
from orchestrator_client.sessions import tables

__all__ = ["backup_of", "prepare"]

_log = structlog.get_logger(__name__)

_CHOOSE_ANOTHER = "choose another folder with --data-dir"

_TO_2 = (
    # A task has a project of its own now. Until then its calls named the session's, and its agent was shown that one.
    """UPDATE sessions SET state = json_set(state, '$.task.project', json_extract(state, '$.project'),
           '$.task.context_of', json_extract(state, '$.project'))
       WHERE json_type(state, '$.task') = 'object'""",
    # The mode follows from the rest. What a person said was taken up once it stood in the log.
    """UPDATE sessions SET state = json_set(json_remove(state, '$.mode'), '$.heard',
           (SELECT coalesce(max(turn), 0) FROM messages WHERE session_id = sessions.id AND kind = 'person'))""",
    "UPDATE messages SET body = json_set(body, '$.origin', kind) WHERE kind IN ('context', 'note')",
    """CREATE TABLE usage (
           session_id TEXT NOT NULL, number INTEGER NOT NULL, turn INTEGER NOT NULL, task_id TEXT NOT NULL,
           purpose TEXT NOT NULL, model TEXT NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
           cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL, estimated_tokens INTEGER NOT NULL,
           duration_ms FLOAT NOT NULL,
           PRIMARY KEY (session_id, number), FOREIGN KEY(session_id) REFERENCES sessions (id))""",
    "CREATE INDEX ix_usage_task ON usage (session_id, task_id, number)",
    """CREATE TABLE condensed (
           session_id TEXT NOT NULL, task_id TEXT NOT NULL, number INTEGER NOT NULL, turns INTEGER NOT NULL,
           cleared_turns INTEGER NOT NULL, summary TEXT NOT NULL,
           PRIMARY KEY (session_id, task_id, number), FOREIGN KEY(session_id) REFERENCES sessions (id))""",
)
"""What version 2 changed. Written out, for it must stay the same whatever the tables become later."""

_STEPS = {2: _TO_2}


def prepare(connection: sa.Connection, path: Path) -> None:
    """Bring the file to the newest schema; the caller's transaction keeps everybody else out meanwhile.

    Raises:
        ConfigurationError: a newer program wrote the file, or it cannot be backed up or upgraded. It is as it was.
    """
    version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    if version == tables.SCHEMA_VERSION:
        return
    if version > tables.SCHEMA_VERSION:
        raise ConfigurationError(
            f"{path} was written by a newer Shopfloor.", suggestion=f"Update Shopfloor, or {_CHOOSE_ANOTHER}."
        )
    if version == 0:
        tables.metadata.create_all(connection)
    else:
        _upgrade(connection, path, version)
    connection.exec_driver_sql(f"PRAGMA user_version={tables.SCHEMA_VERSION}")


def backup_of(path: Path) -> Path:
    """Where the copy of a file goes before it is brought to the newest schema."""
    return path.with_name(f"{path.name}.before-{tables.SCHEMA_VERSION}")


def _upgrade(connection: sa.Connection, path: Path, version: int) -> None:
    _back_up(path)
    try:
        for step in range(version + 1, tables.SCHEMA_VERSION + 1):
            for statement in _STEPS[step]:
                connection.exec_driver_sql(statement)
    except DatabaseError as error:
        raise ConfigurationError(
            f"{path} cannot be upgraded from schema {version}: {error.orig}. It is as it was.",
            suggestion=f"Move it away to start with a new one, or {_CHOOSE_ANOTHER}.",
        ) from error
    _log.info("session file upgraded", schema=tables.SCHEMA_VERSION, backup=str(backup_of(path)))


def _back_up(path: Path) -> None:
    """Copy what is committed; a copy from an upgrade that failed is replaced, and only by a whole one."""
    backup = backup_of(path)
    unfinished = backup.with_name(f"{backup.name}.new")
    try:
        unfinished.unlink(missing_ok=True)
        unfinished.touch(mode=0o600, exist_ok=False)
        with (
            closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(unfinished)) as copy,
        ):
            source.backup(copy)
        unfinished.replace(backup)
    except (OSError, sqlite3.Error) as error:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise ConfigurationError(
            f"{path} needs an upgrade, and its backup {backup.name} cannot be written: {error}. It is as it was.",
            suggestion=f"Check the folder's permissions and disk space, or {_CHOOSE_ANOTHER}.",
        ) from error
