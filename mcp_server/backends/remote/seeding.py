"""Puts a plant into a remote system and its companion store: the sample plant, to try the system with."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from mcp_server.backends.base import Query
from mcp_server.backends.remote.federation import FederatedBackend
from mcp_server.backends.remote.port import Collection
from mcp_server.domain.records import EquipmentNode, Machine, Material, Project, Record, Spec

__all__ = ["seed_federated"]

_MASTER_DATA: tuple[type[Record], ...] = (EquipmentNode, Machine, Material, Spec)
"""What is put into the system. What has happened (orders, results, issues) stays in the companion store: a system of
record would take it for something that happens now."""


async def seed_federated(backend: FederatedBackend, records: Iterable[Record]) -> dict[str, int] | None:
    """Put the records, in the order of their references, where each belongs; what the system has already is left alone.

    It may be repeated after it broke off. Returns how many of each kind the system took, and how many the companion
    store did (under `companion`); None when the companion store knows projects already, and nothing was done.

    Raises:
        ToolFailure: the system refused a record, or cannot be asked.
    """
    async with backend.alone():
        async with backend.store.reader() as companion:
            if (await companion.find(Project, Query(limit=1))).total:
                return None
        given = list(records)
        refs = {kind: await _sent(backend, kind, given) for kind in _MASTER_DATA if kind in backend.system.collections}
        async with backend.store.unit_of_work() as unit:
            for record in given:
                await unit.insert(record)
            for kind, by_key in refs.items():
                for key, ref in by_key.items():
                    await unit.keep_remote_ref(kind, key, ref)
    counts = Counter({kind.noun: len(by_key) for kind, by_key in refs.items()})
    return {**counts, "companion": len(given)}


async def _sent(backend: FederatedBackend, kind: type[Record], records: Iterable[Record]) -> Mapping[str, str]:
    """What the system calls each of the records of this kind that it holds now, by our key."""
    collection: Collection[Any] = backend.system.collections[kind]
    there = {row.key: row.ref async for page in collection.pages() for row in page}
    refs: dict[str, str] = {}
    for record in records:
        if type(record) is not kind:
            continue
        if record.key in there:
            refs[record.key] = there[record.key]
        elif collection.creates and collection.takes(record):
            refs[record.key] = await collection.create(record, f"seed-{kind.__name__}-{record.key}")
    return refs
