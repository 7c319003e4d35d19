"""Every backend of the contract suite, with the sample plant on it: how it is started once, and opened for a test.

The real systems are other programs. They are started only where SHOPFLOOR_REAL_SYSTEMS is set, as `make backends` does.
"""

import os
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, ExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import anyio
import pytest
from pydantic import SecretStr

from mcp_server.backends.base import Backend
from mcp_server.backends.remote.federation import open_federated
from mcp_server.backends.remote.port import RemoteSystem
from mcp_server.backends.remote.seeding import seed_federated
from mcp_server.backends.sql.provision_postgres import open_postgres
from mcp_server.backends.sql.seed import sample_records
from mcp_server.bundled import sample_plant_dir
from mcp_server.pipeline.call import Pipeline
from tests.support.described_plant import begun, described_plant
from tests.support.plant_system import Behavior, House
from tests.support.postgres import running_cluster
from tests.support.sample_plant import AS_OF, CLOCK, SamplePlant, sample_plant

__all__ = ["DESCRIBED", "NOT_RUN", "OFFERS", "REAL", "Open", "Stage", "is_run", "started"]

NOT_RUN = "BACKEND NOT RUN: "
"""What the reason of such a skip begins with; the summary tells them apart by it."""

Open = Callable[[Path], AbstractAsyncContextManager[SamplePlant]]


@dataclass(frozen=True)
class Stage:
    """A started backend. `open` gives the plant in a folder for a test: anew, unless the system is a real one.

    `residents` are records that a real system had before. `house` is where our own system lives, whose records a test
    may touch, and `behaving` opens the plant on one that behaves otherwise.
    """

    name: str
    open: Open
    residents: frozenset[str] = frozenset()
    house: House | None = None
    behaving: Callable[[Path, Behavior], AbstractAsyncContextManager[SamplePlant]] | None = None

    @property
    def sql(self) -> bool:
        return self.name in {"sqlite", "postgresql"}


Start = Callable[[Path, ExitStack], Stage]
OpenSystem = Callable[[], RemoteSystem]


def _sqlite(_folder: Path, _stack: ExitStack) -> Stage:
    return Stage("sqlite", sample_plant)


def _postgresql(_folder: Path, stack: ExitStack) -> Stage:
    try:
        cluster = stack.enter_context(running_cluster())
    except pytest.skip.Exception as missing:
        _not_run("postgresql", str(missing))
    template = cluster.new_database()

    async def open_database(database: str) -> Backend:
        return await open_postgres(cluster.url(database), sample_plant=sample_plant_dir(), as_of=AS_OF)

    async def seed() -> None:
        await (await open_database(template)).aclose()

    anyio.run(seed)

    @asynccontextmanager
    async def opened(folder: Path) -> AsyncGenerator[SamplePlant]:
        database = await anyio.to_thread.run_sync(lambda: cluster.new_database(template=template))
        backend = await open_database(database)
        try:
            yield SamplePlant(folder, backend, Pipeline(backend, CLOCK))
        finally:
            await backend.aclose()

    return Stage("postgresql", opened)


def _described(name: str, behavior: Behavior) -> Start:
    def start(_folder: Path, _stack: ExitStack) -> Stage:
        house, begin = begun()

        def behaving(own: Path, other: Behavior) -> AbstractAsyncContextManager[SamplePlant]:
            return described_plant(house, begin, own, other)

        return Stage(name, lambda own: behaving(own, behavior), house=house, behaving=behaving)

    return start


def _fsmes(folder: Path, stack: ExitStack) -> OpenSystem:
    from mcp_server.backends.fsmes import open_fsmes
    from tests.real_systems.fsmes import started

    real = stack.enter_context(started(folder))
    return lambda: open_fsmes(real.url, user=real.user, password=SecretStr(real.password), token=None)


def _tryton(folder: Path, stack: ExitStack) -> OpenSystem:
    from mcp_server.backends.tryton import open_tryton
    from tests.real_systems.tryton import started

    real = stack.enter_context(started(folder))
    return lambda: open_tryton(real.url, token=SecretStr(real.key))


def _real(name: str, begin: Callable[[Path, ExitStack], OpenSystem]) -> Start:
    """A real system keeps what it was given, so its companion store stays with it."""

    def start(folder: Path, stack: ExitStack) -> Stage:
        from tests.real_systems.processes import CannotStart

        own = folder / "system"
        own.mkdir()
        try:
            open_system = begin(own, stack)
        except CannotStart as failure:
            _not_run(name, failure.reason)

        @asynccontextmanager
        async def plant(_folder: Path) -> AsyncGenerator[SamplePlant]:
            backend = await open_federated(open_system(), folder)
            await seed_federated(backend, sample_records(sample_plant_dir(), AS_OF))
            try:
                yield SamplePlant(folder, backend, Pipeline(backend, CLOCK))
            finally:
                await backend.aclose()

        return Stage(name, plant, residents=anyio.run(_residents, open_system))

    return start


async def _residents(open_system: OpenSystem) -> frozenset[str]:
    async with aclosing(open_system()) as system:
        return frozenset(
            [row.key for collection in system.collections.values() async for page in collection.pages() for row in page]
        )


def _not_run(name: str, reason: str) -> NoReturn:
    pytest.skip(f"{NOT_RUN}{name}: {reason}")


OFFERS: dict[str, Start] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "described": _described("described", Behavior()),
    "described, numbering": _described(
        "described, numbering",
        Behavior(envelope="bare", client_ids=False, etag=True, keys=True, update="PUT", page_size=7),
    ),
    "fsmes": _real("fsmes", _fsmes),
    "tryton": _real("tryton", _tryton),
}

DESCRIBED = ("described", "described, numbering")
REAL = ("fsmes", "tryton")


def is_run(name: str) -> bool:
    """Whether tests start this backend here at all."""
    return name not in REAL or bool(os.environ.get("SHOPFLOOR_REAL_SYSTEMS"))


def started(name: str, folder: Path) -> Generator[Stage]:
    """The backend while a fixture lasts."""
    with ExitStack() as stack:
        yield OFFERS[name](folder, stack)
