"""Opens the system of record that the settings name."""

from mcp_server.backends.base import Backend
from mcp_server.bundled import sample_plant_dir
from mcp_server.clock import Clock
from mcp_server.settings import Settings

__all__ = ["open_backend"]


async def open_backend(settings: Settings, clock: Clock) -> Backend:
    """The backend, ready for use.

    Raises:
        ConfigurationError: it cannot be used as the settings say.
    """
    from mcp_server.backends.sql.provision import open_store

    return await open_store(settings.data_dir, sample_plant=sample_plant_dir(), as_of=clock.today())
