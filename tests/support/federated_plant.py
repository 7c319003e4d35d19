"""A small plant in a remote system in memory and its companion store, tools that write to both, and a way to break off
at any step.
"""

import atexit
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from mcp_server.backends.remote.federation import FederatedBackend, companion_name, open_federated
from mcp_server.backends.remote.seeding import seed_federated
from mcp_server.backends.remote.turn import Turn
from mcp_server.backends.sql.provision import open_companion
from mcp_server.backends.sql.seed import sample_records
from mcp_server.backends.sql.store import SqlBackend, SqlReader, SqlUnitOfWork
from mcp_server.bundled import sample_plant_dir
from mcp_server.clock import Clock
from mcp_server.domain.records import Issue, Machine, MeterReading, Person, Project, Record, WorkOrder
from mcp_server.errors import Conflict
from mcp_server.pipeline.call import Pipeline
from mcp_server.pipeline.declaration import Effect, WriteCall, WriteRequest, WriteResult, tool
from tests.support.memory_system import MemoryCollection, MemorySystem, memory_system
from tests.support.sample_plant import AS_OF, CLOCK, SamplePlant

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Crash(BaseException):
    """The process ends here."""


@dataclass
class Fuse:
    """Counts the steps it is told of and raises `error` at number `at`, and at no other."""

    at: int = 0
    error: Callable[[], BaseException] = Crash
    steps: int = 0

    def __call__(self, _: object = None) -> None:
        self.steps += 1
        if self.steps == self.at:
            raise self.error()


class WatchedStore(SqlBackend):
    """A companion store that tells a fuse of each commit, right before it and right after it, and another of each
    unit that begins.
    """

    def __init__(self, inner: SqlBackend) -> None:
        self._inner = inner
        self.source = inner.source
        self.fuse = Fuse()
        self.opening = Fuse()

    @asynccontextmanager
    async def reader(self) -> AsyncGenerator[SqlReader]:
        async with self._inner.reader() as reader:
            yield reader

    @asynccontextmanager
    async def unit_of_work(self, *, commit: bool = True) -> AsyncGenerator[SqlUnitOfWork]:
        self.opening()
        async with self._inner.unit_of_work(commit=commit) as unit:
            yield unit
            self.fuse()
        self.fuse()

    async def aclose(self) -> None:
        await self._inner.aclose()


@dataclass(frozen=True)
class FederatedPlant(SamplePlant):
    system: MemorySystem
    store: WatchedStore
    federation: FederatedBackend

    @property
    def issues(self) -> MemoryCollection:
        return self.system.collections[Issue]

    @property
    def orders(self) -> MemoryCollection:
        return self.system.collections[WorkOrder]

    @property
    def _file(self) -> Path:
        return self.directory / f"{companion_name(self.system.name)}.sqlite3"

    def light(self, at: int, error: Callable[[], BaseException] = Crash) -> Fuse:
        """Break off at this step: before and after each write of the system and each commit of the companion store."""
        fuse = Fuse(at, error)
        self.store.fuse = fuse
        for collection in (self.issues, self.orders):
            collection.before = collection.after = fuse
        return fuse

    def at(self, clock: Clock) -> "FederatedPlant":
        """The same plant at another time."""
        pipeline = Pipeline(self.backend, clock)
        return FederatedPlant(self.directory, self.backend, pipeline, self.system, self.store, self.federation)

    def rows(self, query: str) -> list[dict[str, Any]]:
        """What stands in the companion store, read past all our code."""
        with closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query)]

    def execute(self, statement: str) -> None:
        """Past all our code."""
        with closing(sqlite3.connect(self._file, isolation_level=None)) as connection:
            connection.execute(statement)

    def open_calls(self) -> int:
        return len(self.rows("SELECT key FROM idempotency_keys WHERE sending IS NOT NULL"))


@asynccontextmanager
async def federated_plant(
    directory: Path,
    *,
    system: MemorySystem | None = None,
    client_ids: bool = True,
    lookup_waits_s: Sequence[float] = (0,),
) -> AsyncGenerator[FederatedPlant]:
    """The plant in `directory`, seeded if it is new."""
    seeded = await _seeded()
    name = companion_name(seeded.system.name)
    if system is None:
        system = memory_system(client_ids=client_ids)
        system.collections[Machine].rows |= deepcopy(seeded.system.collections[Machine].rows)
        shutil.copy(seeded.folder / f"{name}.sqlite3", directory)
    store = WatchedStore(await open_companion(directory, name))
    backend = FederatedBackend(system, store, Turn(directory / f"{name}.turn"), lookup_waits_s=lookup_waits_s)
    try:
        yield FederatedPlant(directory, backend, Pipeline(backend, CLOCK), system, store, backend)
    finally:
        await backend.aclose()


@cache
def plant_records() -> tuple[Record, ...]:
    """Projects, machines and people of the sample plant."""
    return tuple(r for r in sample_records(sample_plant_dir(), AS_OF) if isinstance(r, Project | Machine | Person))


@dataclass(frozen=True)
class _Seeded:
    folder: Path
    system: MemorySystem


async def _seeded() -> _Seeded:
    """A seeded plant to copy, made once in a process."""
    if not _SEEDED:
        folder = Path(tempfile.mkdtemp(prefix="federated-plant-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        system = memory_system()
        backend = await open_federated(system, folder)
        await seed_federated(backend, plant_records())
        await backend.aclose()
        _SEEDED.append(_Seeded(folder, system))
    return _SEEDED[0]


_SEEDED: list[_Seeded] = []


def an_issue(issue_id: str = "ISS-0001", **changes: Any) -> Issue:
    plain = {
        "id": issue_id,
        "project": "ALPHA",
        "title": "Guard door damaged",
        "description": "The hinge of the guard door is bent.",
        "category": "equipment",
        "severity": "minor",
        "state": "open",
        "qty_affected": 3,
        "detected_at": NOW,
        "detected_by": "operator",
        "opened_at": NOW,
        "acknowledge_due_at": NOW,
        "contain_due_at": NOW,
        "root_cause_due_at": NOW,
        "close_due_at": NOW,
    }
    return Issue.model_validate(plain | changes, strict=False)


def an_order(order_id: str = "WO-0001", **changes: Any) -> WorkOrder:
    plain = {
        "id": order_id,
        "project": "ALPHA",
        "machine_id": "MC-103",
        "kind": "preventive",
        "title": "Repair the guard door",
        "state": "planned",
        "start": NOW,
        "duration_min": 30,
        "priority": 2,
        "created_at": NOW,
        "created_by": "tester",
    }
    return WorkOrder.model_validate(plain | changes, strict=False)


class Report(WriteRequest):
    title: str


class Rename(WriteRequest):
    id: str
    title: str
    qty: int | None = None


class Written(WriteResult):
    record: Issue

    @property
    def stored(self) -> Issue | None:
        return self.record


class Read(WriteResult):
    record: MeterReading

    @property
    def stored(self) -> MeterReading | None:
        return self.record


@tool(toolset="issues", effect=Effect.CREATE, request=Report, result=Written)
async def report_and_order(request: Report, call: WriteCall) -> Written:
    """Report an issue, order its repair, and note the meter, which the system has no place for."""
    issue = an_issue(await call.unit.next_id(Issue, "ISS-"), title=request.title)
    await call.unit.insert(issue)
    await call.unit.insert(an_order(await call.unit.next_id(WorkOrder, "WO-"), title=request.title))
    await call.unit.insert(await _reading(request.project, call))
    return Written(status="created", record=issue)


@tool(toolset="issues", effect=Effect.CREATE, request=Report, result=Written)
async def report_one(request: Report, call: WriteCall) -> Written:
    """Report an issue."""
    issue = an_issue(await call.unit.next_id(Issue, "ISS-"), title=request.title)
    await call.unit.insert(issue)
    return Written(status="created", record=issue)


@tool(toolset="issues", effect=Effect.UPDATE, request=Rename, result=Written)
async def rename_issue(request: Rename, call: WriteCall) -> Written:
    """Give an issue another title."""
    issue = await call.unit.get(Issue, request.id)
    if issue is None:
        raise Conflict(f"There is no issue {request.id}.")
    changes = {"title": request.title, "revision": issue.revision + 1}
    changes |= {} if request.qty is None else {"qty_affected": request.qty}
    after = issue.model_copy(update=changes)
    await call.unit.replace(after)
    return Written(status="updated", record=after)


@tool(toolset="issues", effect=Effect.CREATE, request=Report, result=Read)
async def read_meter(request: Report, call: WriteCall) -> Read:
    """Note a meter."""
    reading = await _reading(request.project, call)
    await call.unit.insert(reading)
    return Read(status="created", record=reading)


async def _reading(project: str, call: WriteCall) -> MeterReading:
    number = await call.unit.next_id(MeterReading, "MR-")
    return MeterReading(id=number, project=project, machine_id="MC-103", value=1.0, read_at=call.now)
