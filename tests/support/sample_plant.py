"""The sample plant on a real SQLite file, called through the whole pipeline, and backends that lie, fail or wait."""

import atexit
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import pytest

from mcp_server.backends.base import Backend, Page, Query, Reader, UnitOfWork
from mcp_server.backends.sql.provision import DATABASE_NAME, open_store
from mcp_server.bundled import sample_plant_dir
from mcp_server.clock import Clock
from mcp_server.domain.records import Record
from mcp_server.errors import ToolFailure
from mcp_server.pipeline.call import Pipeline
from mcp_server.pipeline.declaration import Caller, Tool
from mcp_server.tools import ALL_TOOLS

AS_OF = date(2026, 11, 22)
CLOCK = Clock(AS_OF)
TOOLS: Mapping[str, Tool[Any, Any, Any]] = {tool.name: tool for tool in ALL_TOOLS}

R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class SamplePlant:
    """`backend` is the store, or what was put in front of it; `directory` holds the store's file."""

    directory: Path
    backend: Backend
    pipeline: Pipeline

    async def call(
        self,
        tool: str | Tool[Any, Any, Any],
        arguments: Mapping[str, Any],
        *,
        key: str | None = None,
        deadline_s: float | None = None,
    ) -> dict[str, Any]:
        declared = TOOLS[tool] if isinstance(tool, str) else tool
        return await self.pipeline.call(declared, arguments, Caller(idempotency_key=key, deadline_s=deadline_s))

    async def refused(
        self, tool: str | Tool[Any, Any, Any], arguments: Mapping[str, Any], *, key: str | None = None
    ) -> ToolFailure:
        with pytest.raises(ToolFailure) as raised:
            await self.call(tool, arguments, key=key)
        return raised.value

    def rows(self, query: str) -> list[dict[str, Any]]:
        """What stands in the file, read past all our code."""
        with closing(sqlite3.connect(f"file:{self.directory / DATABASE_NAME}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query)]

    def counts(self) -> dict[str, int]:
        """How many rows every table has."""
        names = [row["name"] for row in self.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
        each = " UNION ALL ".join(f"SELECT '{name}' AS name, count(*) AS n FROM {name}" for name in names)
        return {row["name"]: row["n"] for row in self.rows(each)}


@asynccontextmanager
async def sample_plant(
    directory: Path, *, wrap: Callable[[Backend], Backend] = lambda backend: backend, clock: Clock = CLOCK
) -> AsyncGenerator[SamplePlant]:
    """The store in `directory`, seeded if it is new; what `wrap` makes of it is what the pipeline talks to."""
    if not (directory / DATABASE_NAME).exists():
        shutil.copy(await _seeded(), directory / DATABASE_NAME)
    store = await open_store(directory, sample_plant=sample_plant_dir(), as_of=AS_OF)
    try:
        backend = wrap(store)
        yield SamplePlant(directory, backend, Pipeline(backend, clock))
    finally:
        await store.aclose()


def plan_row(spec_id: str | None = "SP-001", **changes: Any) -> dict[str, Any]:
    """A control plan row that meets every rule; a change of None leaves the field out."""
    row = {
        "spec_id": spec_id,
        "machine_id": "MC-103",
        "gauge_id": "AG-01",
        "sampling": "fixed",
        "sample_size": 5,
        "frequency": "every 2 hours",
        "control_method": "spc_chart",
        "reaction_plan": "Stop the machine and quarantine the last two hours.",
        "reaction_owner": "Shift lead",
    }
    return {name: value for name, value in (row | changes).items() if value is not None}


def control_plan(*rows: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Arguments of `create_quality_plan` that meet every rule; a change of None leaves the field out."""
    plan = {
        "project": "ALPHA",
        "title": "Housing FC57, machining",
        "phase": "production",
        "material_id": "HSG-FC57",
        "rows": list(rows) or [plan_row()],
    }
    return {name: value for name, value in (plan | changes).items() if value is not None}


def report(**changes: Any) -> dict[str, Any]:
    """Arguments of `log_issue` that meet every rule; a change of None leaves the field out."""
    issue = {
        "project": "ALPHA",
        "title": "Burr on the seal groove edge",
        "description": "Found at the wash, on three housings of the morning shift.",
        "category": "quality",
        "detected_by": "M. Novak",
    }
    return {name: value for name, value in (issue | changes).items() if value is not None}


class Wrapped:
    """A backend in front of another one; what it hands out may be wrapped too."""

    def __init__(self, inner: Backend) -> None:
        self._inner = inner
        self.source = inner.source
        self.capabilities = inner.capabilities

    @asynccontextmanager
    async def reader(self) -> AsyncGenerator[Reader]:
        async with self._inner.reader() as reader:
            yield reader

    @asynccontextmanager
    async def unit_of_work(self, *, commit: bool = True) -> AsyncGenerator[UnitOfWork]:
        async with self._inner.unit_of_work(commit=commit) as unit:
            yield unit

    async def aclose(self) -> None:
        await self._inner.aclose()


@dataclass(frozen=True)
class Lies:
    """What a lying backend makes of a record it stores, changes or gives back, and of a page it found; None is: no
    record, or no change.
    """

    insert: Callable[[Any], Any] = lambda record: record
    replace: Callable[[Any], Any] = lambda record: record
    get: Callable[[Any], Any] = lambda record: record
    find: Callable[[Page[Any]], Page[Any]] = lambda page: page


class _LyingUnit:
    """Reader and unit of work at once; everything that is no lie goes to the real one."""

    def __init__(self, inner: Any, lies: Lies) -> None:
        self._inner = inner
        self._lies = lies

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def find(self, kind: type[R], query: Query) -> Page[R]:
        return self._lies.find(await self._inner.find(kind, query))

    async def get(self, kind: type[R], key: str) -> R | None:
        found = await self._inner.get(kind, key)
        return None if found is None else self._lies.get(found)

    async def insert(self, record: Record) -> None:
        stored = self._lies.insert(record)
        if stored is not None:
            await self._inner.insert(stored)

    async def replace(self, record: Record) -> None:
        stored = self._lies.replace(record)
        if stored is not None:
            await self._inner.replace(stored)


class Lying(Wrapped):
    """Says yes and does something else."""

    def __init__(self, inner: Backend, lies: Lies) -> None:
        super().__init__(inner)
        self._lies = lies

    @asynccontextmanager
    async def reader(self) -> AsyncGenerator[Any]:
        async with self._inner.reader() as reader:
            yield _LyingUnit(reader, self._lies)

    @asynccontextmanager
    async def unit_of_work(self, *, commit: bool = True) -> AsyncGenerator[Any]:
        async with self._inner.unit_of_work(commit=commit) as unit:
            yield _LyingUnit(unit, self._lies)


class Failing(Wrapped):
    """Fails with the next of `failures` before each commit and after each read, until they are used up.

    `attempts` counts the units of work and the readers.
    """

    def __init__(self, inner: Backend, failures: Iterable[Exception]) -> None:
        super().__init__(inner)
        self._failures = iter(failures)
        self.attempts = 0

    @asynccontextmanager
    async def reader(self) -> AsyncGenerator[Reader]:
        self.attempts += 1
        async with self._inner.reader() as reader:
            yield reader
            self._fail()

    @asynccontextmanager
    async def unit_of_work(self, *, commit: bool = True) -> AsyncGenerator[UnitOfWork]:
        self.attempts += 1
        async with self._inner.unit_of_work(commit=commit) as unit:
            yield unit
            self._fail()

    def _fail(self) -> None:
        for failure in self._failures:
            raise failure


async def _seeded() -> Path:
    """A seeded store to copy, made once in a process."""
    folder = _TEMPLATE
    if not (folder / DATABASE_NAME).exists():
        store = await open_store(folder, sample_plant=sample_plant_dir(), as_of=AS_OF)
        await store.aclose()
    return folder / DATABASE_NAME


_TEMPLATE = Path(tempfile.mkdtemp(prefix="sample-plant-"))
atexit.register(shutil.rmtree, _TEMPLATE, ignore_errors=True)
