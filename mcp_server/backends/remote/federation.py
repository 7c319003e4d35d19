"""A `Backend` made of one remote system and the companion store that keeps what the system cannot hold."""

import hashlib
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import anyio

from mcp_server.backends.base import Capabilities
from mcp_server.backends.remote.port import RemoteSystem, holding
from mcp_server.backends.remote.reading import FederatedReader
from mcp_server.backends.remote.sending import LOOKUP_WAITS_S, Sender
from mcp_server.backends.remote.turn import Turn
from mcp_server.backends.remote.unit import FederatedUnit
from mcp_server.backends.sql.provision import open_companion
from mcp_server.backends.sql.store import SqlBackend

__all__ = ["FederatedBackend", "companion_name", "open_federated"]

_LONGEST_SLUG = 40


class FederatedBackend:
    """Reads see both stores as one; a write goes into the system first, then into the companion store."""

    def __init__(
        self,
        system: RemoteSystem,
        store: SqlBackend,
        turn: Turn,
        *,
        lookup_waits_s: Sequence[float] = LOOKUP_WAITS_S,
    ) -> None:
        self.system = system
        self.store = store
        self._turn = turn
        self._sender = Sender(system, store, lookup_waits_s=lookup_waits_s)

    @property
    def source(self) -> str:
        return f"{self.system.name} + companion store"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            atomic=False,
            idempotency_keys=self.system.idempotency_keys,
            revisions=self.system.revisions,
            list_style=self.system.list_style,
            error_style=self.system.error_style,
            holdings={kind: holding(collection) for kind, collection in self.system.collections.items()},
        )

    @asynccontextmanager
    async def reader(self) -> AsyncGenerator[FederatedReader]:
        async with self.store.reader() as companion:
            reader = FederatedReader(self.system)
            reader.look_at(companion)
            yield reader

    def alone(self) -> AbstractAsyncContextManager[None]:
        """No other write of ours runs meanwhile, in this process or another."""
        return self._turn.taken()

    @asynccontextmanager
    async def unit_of_work(self, *, commit: bool = True) -> AsyncGenerator[FederatedUnit]:
        async with self.alone():
            unit = FederatedUnit(self.system, self.store, self._sender, commit=commit)
            async with unit.opened():
                yield unit

    async def aclose(self) -> None:
        try:
            await self.system.aclose()
        finally:
            with anyio.CancelScope(shield=True):
                await self.store.aclose()


async def open_federated(
    system: RemoteSystem, data_dir: Path, *, lookup_waits_s: Sequence[float] = LOOKUP_WAITS_S
) -> FederatedBackend:
    """The system with its companion store, which is made on first use. The system itself is not asked yet.

    Raises:
        ConfigurationError: the companion store cannot be used; the system is closed then.
    """
    name = companion_name(system.name)
    try:
        store = await open_companion(data_dir, name)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await system.aclose()
        raise
    return FederatedBackend(system, store, Turn(data_dir / f"{name}.turn"), lookup_waits_s=lookup_waits_s)


def companion_name(system_name: str) -> str:
    """One companion store a system: what belongs to one must never be mixed with another."""
    slug = re.sub(r"[^a-z0-9]+", "-", system_name.lower()).strip("-")[:_LONGEST_SLUG].strip("-")
    return f"companion-{slug}-{hashlib.sha256(system_name.encode()).hexdigest()[:8]}"
