"""The sample plant on the loopback system of `plant_system.py`, connected by `plant_system.yaml`."""

import json
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from mcp_server.backends.described import open_described
from mcp_server.backends.remote.federation import FederatedBackend, open_federated
from mcp_server.backends.remote.seeding import seed_federated
from mcp_server.backends.sql.seed import sample_records
from mcp_server.bundled import sample_plant_dir
from mcp_server.pipeline.call import Pipeline
from tests.support.plant_system import Behavior, House, PlantSystem
from tests.support.sample_plant import AS_OF, CLOCK, SamplePlant

__all__ = ["Seeded", "described_as", "described_plant", "seeded"]

_DESCRIPTION = Path(__file__).with_name("plant_system.yaml")
_NO_WAIT = (0.0, 0.0, 0.0)


class Seeded:
    """The sample plant in a system and in the companion store beside it, to start from again and again."""

    def __init__(self, system: PlantSystem, companion: Path) -> None:
        self.system = system
        self.companion = companion


async def seeded(house: House, folder: Path) -> Seeded:
    """Put the sample plant there once, as `seed` of the command line does."""
    house.plant = PlantSystem()
    async with _opened(house, folder) as backend:
        await seed_federated(backend, sample_records(sample_plant_dir(), AS_OF))
    (companion,) = folder.glob("companion-*.sqlite3")
    return Seeded(house.plant.copy(), companion)


@asynccontextmanager
async def described_plant(
    house: House, start: Seeded, folder: Path, behavior: Behavior
) -> AsyncGenerator[SamplePlant]:
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
