"""Opens the system of record that the settings name."""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import date
from pathlib import Path

from mcp_server.backends.base import Backend
from mcp_server.backends.remote.port import RemoteSystem
from mcp_server.bundled import sample_plant_dir
from mcp_server.clock import Clock
from mcp_server.domain.records import Record
from mcp_server.errors import ConfigurationError
from mcp_server.settings import Settings

__all__ = ["BACKENDS", "check_settings", "is_remote", "open_backend", "seed_backend"]

BACKENDS = (
    "postgresql://user@host/database, fsmes+https://host, tryton+https://host/database, or a file that describes a "
    "REST API (.yaml)"
)
"""What `--backend` takes, for a person."""
_DESCRIPTIONS = (".yaml", ".yml")


async def open_backend(settings: Settings, clock: Clock, *, seed: bool = True) -> Backend:
    """The backend, ready for use. The embedded store and an empty PostgreSQL get the sample plant, unless not `seed`.

    Raises:
        ConfigurationError: it cannot be used as the settings say.
        BackendUnavailable: it cannot be reached now.
    """
    if is_remote(settings):
        from mcp_server.backends.remote.federation import open_federated

        return await open_federated(_remote_system(settings), settings.data_dir)
    if settings.backend is not None:
        from mcp_server.backends.sql.provision_postgres import open_postgres

        url = settings.backend.get_secret_value()
        return await open_postgres(url, sample_plant=sample_plant_dir(), as_of=clock.today(), seed=seed)
    from mcp_server.backends.sql.provision import open_store

    return await open_store(settings.data_dir, sample_plant=sample_plant_dir(), as_of=clock.today(), seed=seed)


async def seed_backend(
    settings: Settings,
    as_of: date,
    *,
    erase: bool,
    own: Sequence[Record] | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, int] | None:
    """Put a plant into the backend; returns how many records of each kind, or None when it holds a plant.

    Args:
        settings: name the backend.
        as_of: the day that the sample plant's dates are moved to.
        erase: delete what a database of ours holds first, in the same transaction.
        own: the records of the plant's own files, in the order of their references, instead of the sample plant.
        progress: told what is being done, where that takes a while.

    Raises:
        ConfigurationError: it cannot be used as the settings say, or `erase` is asked of a system that is not ours.
        ToolFailure: the system refused a record, or cannot be reached.
    """
    if is_remote(settings):
        if erase:
            raise ConfigurationError(
                "A remote system of record is never erased.",
                suggestion="Delete its records there, or leave out --erase.",
            )
        from mcp_server.backends.sql.seed import sample_records

        records = sample_records(sample_plant_dir(), as_of) if own is None else own
        return await _seed_remote(settings, records, progress)
    if settings.backend is not None:
        from mcp_server.backends.sql.provision_postgres import reseed_postgres

        url = settings.backend.get_secret_value()
        return await reseed_postgres(url, sample_plant=sample_plant_dir(), as_of=as_of, erase=erase, own=own)
    from mcp_server.backends.sql.provision import reseed

    return await reseed(settings.data_dir, sample_plant=sample_plant_dir(), as_of=as_of, erase=erase, own=own)


def check_settings(settings: Settings) -> None:
    """Find out what can be told without connecting.

    Raises:
        ConfigurationError: the settings name no system, lack a credential, or a file of theirs is wrong.
    """
    if is_remote(settings):
        _remote_system(settings)
    elif settings.backend is not None:
        from mcp_server.backends.sql.postgres import PostgresDatabase

        PostgresDatabase(settings.backend.get_secret_value())


def is_remote(settings: Settings) -> bool:
    """Whether the backend is a system with an API, and not a database of ours.

    Raises:
        ConfigurationError: the setting names nothing that we know.
    """
    if settings.backend is None:
        return False
    named = settings.backend.get_secret_value()
    if Path(named).suffix.lower() in _DESCRIPTIONS or _scheme(named).startswith(("fsmes+", "tryton+")):
        return True
    if _scheme(named) in {"postgresql", "postgres"}:
        return False
    raise ConfigurationError(
        "--backend (SHOPFLOOR_BACKEND) names no system that Shopfloor knows.", suggestion=f"It takes {BACKENDS}."
    )


def _remote_system(settings: Settings) -> RemoteSystem:
    named = "" if settings.backend is None else settings.backend.get_secret_value()
    user, password, token = settings.backend_user, settings.backend_password, settings.backend_token
    scheme = _scheme(named)
    if scheme.startswith("fsmes+"):
        from mcp_server.backends.fsmes import open_fsmes

        return open_fsmes(named, user=user, password=password, token=token, timeout_s=settings.backend_timeout_s)
    if scheme.startswith("tryton+"):
        from mcp_server.backends.tryton import open_tryton

        return open_tryton(named, token=token, timeout_s=settings.backend_timeout_s)
    from mcp_server.backends.described import open_described

    return open_described(Path(named).expanduser(), user=user, password=password, token=token)


async def _seed_remote(
    settings: Settings, records: Sequence[Record], progress: Callable[[str], None]
) -> dict[str, int] | None:
    from mcp_server.backends.remote.federation import open_federated
    from mcp_server.backends.remote.seeding import seed_federated

    async with aclosing(await open_federated(_remote_system(settings), settings.data_dir)) as backend:
        return await seed_federated(backend, records, progress=progress)


def _scheme(named: str) -> str:
    return named.partition("://")[0].lower() if "://" in named else ""
