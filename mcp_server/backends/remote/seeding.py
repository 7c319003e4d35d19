"""Puts a plant into a remote system and its companion store: the sample plant, to try the system with, or one's own."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mcp_server.backends.base import Query
from mcp_server.backends.remote.federation import FederatedBackend
from mcp_server.backends.remote.merging import held_differently
from mcp_server.backends.remote.port import Collection, Row
from mcp_server.domain.records import EquipmentNode, Machine, Material, Project, Record, Spec
from mcp_server.errors import Conflict

__all__ = ["seed_federated"]

_MASTER_DATA: tuple[type[Record], ...] = (EquipmentNode, Machine, Material, Spec)
"""What is put into the system. What has happened (orders, results, issues) stays in the companion store: a system of
record would take it for something that happens now."""


async def seed_federated(
    backend: FederatedBackend, records: Iterable[Record], *, progress: Callable[[str], None] = lambda _: None
) -> dict[str, int] | None:
    """Put the records, in the order of their references, where each belongs; what the system has already is left alone.

    It may be repeated after it broke off. `progress` is told what is being done. Returns how many of each kind the
    system holds now, and how many the companion store does (under `companion`); None when the companion store knows
    projects already, and nothing was done.

    Raises:
        ToolFailure: the system refused a record, or cannot be asked.
    """
    async with backend.alone():
        async with backend.store.reader() as companion:
            if (await companion.find(Project, Query(limit=1))).total:
                return None
        given = list(records)
        refs: dict[type[Record], Mapping[str, str]] = {}
        for kind in _MASTER_DATA:
            if kind in backend.system.collections:
                progress(f"{backend.system.name}: every {kind.noun} …")
                refs[kind] = await _sent(backend, kind, given)
        progress("Companion store: all that the system does not hold …")
        async with backend.store.unit_of_work() as unit:
            await unit.insert_all(given)
            for kind, by_key in refs.items():
                for key, ref in by_key.items():
                    await unit.keep_remote_ref(kind, key, ref)
    counts = Counter({kind.noun: len(by_key) for kind, by_key in refs.items()})
    return {**counts, "companion": len(given)}


async def _sent(backend: FederatedBackend, kind: type[Record], records: Iterable[Record]) -> Mapping[str, str]:
    """What the system calls each of the records of this kind that it holds now, by our key."""
    collection = backend.system.collections[kind]
    there = [row async for page in collection.pages() for row in page]
    ref_of = {row.key: row.ref for row in there}
    refs: dict[str, str] = {}
    for record in records:
        if type(record) is not kind:
            continue
        if record.key in ref_of:
            refs[record.key] = ref_of[record.key]
        elif collection.creates and collection.takes(record):
            try:
                refs[record.key] = await collection.create(record, f"seed-{kind.__name__}-{record.key}")
            except Conflict:
                if (equal := _equal_to(record, collection, there)) is None:
                    raise
                refs[record.key] = equal.ref
    return refs


def _equal_to(record: Record, collection: Collection[Any], there: Iterable[Row]) -> Row | None:
    """The record under a name of the system's own, if the system has it but cannot know our id."""
    return next((row for row in there if not held_differently(collection, row, record)), None)
