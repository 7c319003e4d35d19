"""What an error of a database means to whoever called: one table for all engines."""

from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from mcp_server.backends.sql.sqlite import is_damage
from mcp_server.errors import BackendUnavailable, Conflict, InternalError, NotAllowed, ToolFailure

__all__ = ["failure_of", "is_lost", "sqlstate_of"]

_PASSING_CLASSES = {"08", "40", "53", "55", "57", "58"}
"""Of PostgreSQL's SQLSTATE: connection, rolled back, resources, not in the state for it, operator, system."""
_PASSING = {"0A000", "25006"}
"""A statement prepared before the schema was upgraded; a server that became a read-only standby."""
_REFUSED_CLASSES = {"28", "42501"}
_NO_ANSWER_CLASSES = {"08", "57"}


def sqlstate_of(error: DBAPIError) -> str:
    """PostgreSQL's SQLSTATE, or nothing where the driver itself failed."""
    return getattr(error.orig, "sqlstate", None) or ""


def is_lost(error: DBAPIError) -> bool:
    """Whether the connection ended under the statement, so that nobody knows what became of it."""
    return error.connection_invalidated or not sqlstate_of(error) or sqlstate_of(error)[:2] in _NO_ANSWER_CLASSES


def failure_of(error: DBAPIError) -> ToolFailure:
    state = sqlstate_of(error)
    if isinstance(error, IntegrityError):
        return Conflict(
            "The plant's data forbids this change: it repeats or contradicts a stored record.",
            suggestion="Read the record again, then decide.",
        )
    if isinstance(error, OperationalError):
        return BackendUnavailable(
            "The plant database cannot be used right now.",
            suggestion="Try again in a moment; if it stays so, check disk space and the file's permissions.",
        )
    if state[:2] in _PASSING_CLASSES or state in _PASSING or error.connection_invalidated:
        return BackendUnavailable(
            "The plant database cannot be used right now.",
            suggestion="Try again in a moment; if it stays so, ask whoever runs the PostgreSQL server.",
        )
    if state[:2] in _REFUSED_CLASSES or state in _REFUSED_CLASSES:
        return NotAllowed(
            "The plant database refuses the user it was opened with.",
            suggestion="Whoever runs the PostgreSQL server must grant it what it needs.",
        )
    if is_damage(error):
        return InternalError(
            "The plant's database file is damaged.", suggestion="Stop the server and restore it from a backup."
        )
    return InternalError("The plant database answered in a way the server does not know.")
