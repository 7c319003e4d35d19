"""The sample plant on the loopback system of `plant_system.py`, connected by `plant_system.yaml`."""

import atexit
import functools
import json
import shutil
import tempfile
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import yaml

from mcp_server.backends.described import open_described
from mcp_server.backends.remote.federation import FederatedBackend, companion_name, open_federated
from mcp_server.backends.remote.seeding import seed_federated
from mcp_server.backends.sql.seed import sample_records
from mcp_server.bundled import sample_plant_dir
from mcp_server.pipeline.call import Pipeline
from tests.support.plant_system import Behavior, House, PlantSystem, running_house
from tests.support.sample_plant import AS_OF, CLOCK, SamplePlant

__all__ = ["Seeded", "begun", "described_as", "described_plant"]

_DESCRIPTION = Path(__file__).with_name("plant_system.yaml")
_NO_WAIT = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Seeded:
    """The sample plant in a system and in the companion store beside it, to start from again and again."""

    system: PlantSystem
    companion: Path


@functools.cache
def begun() -> tuple[House, Seeded]:
    """One house a process, and the sample plant as `seed` of the command line puts it there; call it outside a loop."""
    until_the_end = ExitStack()
    atexit.register(until_the_end.close)
    house = until_the_end.enter_context(running_house())
    folder = Path(until_the_end.enter_context(tempfile.TemporaryDirectory(prefix="described-plant-")))
    return house, anyio.run(_seeded, house, folder)


async def _seeded(house: House, folder: Path) -> Seeded:
    async with _opened(house, folder) as backend:
        await seed_federated(backend, sample_records(sample_plant_dir(), AS_OF))
        name = companion_name(backend.system.name)
    return Seeded(house.plant.copy(), folder / f"{name}.sqlite3")


@asynccontextmanager
async def described_plant(house: House, start: Seeded, folder: Path, behavior: Behavior) -> AsyncGenerator[SamplePlant]:
    """The sample plant anew, on a system that behaves like this; what was in the house before moves out."""
    house.plant = start.system.copy()
    house.plant.behavior = behavior
    if not (folder / start.companion.name).exists():
        shutil.copy(start.companion, folder)
    async with _opened(house, folder) as backend:
        yield SamplePlant(folder, backend, Pipeline(backend, CLOCK))


def described_as(behavior: Behavior, url: str) -> dict[str, Any]:
    """The description of a system that behaves like this, at this address."""
    description: dict[str, Any] = yaml.safe_load(_DESCRIPTION.read_text())
    description |= {"base_url": url, "etag": behavior.etag}
    if behavior.keys:
        description["idempotency_key"] = "Idempotency-Key"
    for record in description["records"].values():
        record["list"]["paging"]["size"] = behavior.page_size
        if behavior.envelope != "items":
            del record["list"]["paging"]["total"]
        match behavior.envelope:
            case "bare":
                del record["list"]["envelope"]
            case envelope:
                record["list"]["envelope"] = envelope
        if "change" in record:
            record["change"] |= {"method": behavior.update, "send": "all" if behavior.update == "PUT" else "changed"}
            record["change"]["fields"] = [name for name in record["fields"] if name not in behavior.fixed]
            if not behavior.client_ids:
                record["id"] = {"stamp": "title"}
                record["one"]["path"] = record["change"]["path"]
    return description


@asynccontextmanager
async def _opened(house: House, folder: Path) -> AsyncGenerator[FederatedBackend]:
    description = folder / "plant_system.yaml"
    description.write_text(json.dumps(described_as(house.plant.behavior, house.url), default=str))
    backend = await open_federated(open_described(description), folder, lookup_waits_s=_NO_WAIT)
    try:
        yield backend
    finally:
        await backend.aclose()
