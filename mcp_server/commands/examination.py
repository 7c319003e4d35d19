"""Looks at a backend from end to end: what it is, what it can hold, what is there, and whether a record comes back."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from mcp_server.backends.base import Backend, Holding, Query
from mcp_server.backends.remote.federation import FederatedBackend
from mcp_server.backends.remote.reading import FederatedReader
from mcp_server.backends.sql.store import SqlBackend
from mcp_server.backends.sql.tables import TABLES
from mcp_server.commands.check_report import (
    CheckReport,
    KindFound,
    Problem,
    Promises,
    RoundTrip,
    SystemFound,
)
from mcp_server.commands.open_writes import open_writes
from mcp_server.commands.round_trip import rehearsed, rolled_back, written
from mcp_server.domain.records import HistoryEntry, Project, Record
from mcp_server.errors import BackendUnavailable, ToolFailure

__all__ = ["examine"]

_MOST_FAULTS = 5

_NO_PROJECT = (
    "No project is known, so no tool can be used yet. Seed the sample plant with `shopfloor-mcp seed --backend …`, or "
    "load your own with `shopfloor-mcp seed --backend … --plant FOLDER`."
)


async def examine(backend: Backend, *, write: bool, now: datetime, progress: Callable[[str], None]) -> CheckReport:
    """Look at everything there is to see; the first failure that makes the rest pointless ends it.

    Args:
        backend: open; it is not closed.
        write: put one record into a remote system, if it is not there yet. A database of ours is tried anyway, in a
            transaction that is rolled back.
        now: what the record is stamped with.
        progress: told what is being done.
    """
    report = CheckReport(backend.source)
    try:
        progress("Connecting …")
        report.system = await _system(backend)
        report.promises = _promises(backend)
        await _count(backend, report, progress)
        await _open_writes(backend, report)
        progress("Trying one record …")
        report.round_trip = await _tried(backend, report, write=write, now=now)
        _judge(report)
    except ToolFailure as failure:
        report.problems.append(Problem.of(failure))
    return report


async def _system(backend: Backend) -> SystemFound:
    if isinstance(backend, FederatedBackend):
        info = await backend.system.probe()
        return SystemFound(info.product, info.version, info.signed_in_as, info.notes)
    assert isinstance(backend, SqlBackend)
    product, version, user = await backend.engine()
    return SystemFound(product, version, user, ())


def _promises(backend: Backend) -> Promises:
    can = backend.capabilities
    return Promises(can.atomic, can.idempotency_keys, can.revisions, can.list_style, can.error_style)


async def _count(backend: Backend, report: CheckReport, progress: Callable[[str], None]) -> None:
    for kind in TABLES:
        if kind is HistoryEntry:
            continue
        holding = _holding(backend, kind)
        if holding is not None and isinstance(backend, FederatedBackend):
            progress(f"Reading every {kind.noun} …")
        try:
            found, example = await _kind(backend, kind, holding)
            report.kinds.append(found)
            report.problems += await _alone(backend, example) if holding is not None else ()
        except BackendUnavailable:
            raise
        except ToolFailure as failure:
            report.kinds.append(_found(backend, kind, holding))
            report.problems.append(Problem.of(failure))
    if not next(found.records for found in report.kinds if found.kind == Project.noun):
        report.warnings.append(_NO_PROJECT)


def _holding(backend: Backend, kind: type[Record]) -> Holding | None:
    if backend.capabilities.atomic:
        everything = frozenset(kind.model_fields)
        return Holding(everything, creates=True, changes=everything - {"id"}, client_ids=True)
    return backend.capabilities.holdings.get(kind)


async def _kind(backend: Backend, kind: type[Record], holding: Holding | None) -> tuple[KindFound, Sequence[Record]]:
    """What is there of a kind, and a record of it if there is one."""
    async with backend.reader() as reader:
        page = await reader.find(kind, Query(limit=1))
        faults = reader.faults if isinstance(reader, FederatedReader) else ()
        empty = reader.never_shown(kind) if isinstance(reader, FederatedReader) else ()
    found = _found(backend, kind, holding)
    found = replace(found, records=page.total, faulty=len(faults), faults=faults[:_MOST_FAULTS])
    return replace(found, never_shown=tuple(f"{mapped.column} ({mapped.field})" for mapped in empty)), page.items


async def _alone(backend: Backend, listed: Sequence[Record]) -> Sequence[Problem]:
    """A record that is asked for by itself must be the one that the list shows."""
    async with backend.reader() as reader:
        found = [await reader.get(type(record), record.key) for record in listed]
    return [
        Problem(
            f"The system lists {record.noun} {record.id}; asked for by itself, it is {'another' if alone else 'gone'}.",
            "Run the check again. If it stays so, correct the system, or how its description asks for one record.",
        )
        for record, alone in zip(listed, found, strict=True)
        if alone != record
    ]


def _found(backend: Backend, kind: type[Record], holding: Holding | None) -> KindFound:
    if holding is None:
        return KindFound(
            kind.noun, "companion", (), tuple(kind.model_fields), creates=True, changes=(), client_ids=True
        )
    beside = kind.model_fields.keys() - {"id"} - holding.fields
    held_by = "system + companion" if beside else "system"
    return KindFound(
        kind.noun,
        "database" if backend.capabilities.atomic else held_by,
        tuple(name for name in kind.model_fields if name in holding.fields),
        tuple(name for name in kind.model_fields if name in beside),
        creates=holding.creates,
        changes=tuple(name for name in kind.model_fields if name in holding.changes),
        client_ids=holding.client_ids if holding.creates else None,
    )


async def _open_writes(backend: Backend, report: CheckReport) -> None:
    if not isinstance(backend, FederatedBackend):
        return
    report.open_writes += await open_writes(backend)
    if report.open_writes:
        report.warnings.append("Some writes have no known end; each of them says what settles it.")


async def _tried(backend: Backend, report: CheckReport, *, write: bool, now: datetime) -> RoundTrip | None:
    if not isinstance(backend, FederatedBackend):
        return await rolled_back(backend, now)
    tried = await (written(backend, now) if write else rehearsed(backend, now))
    if tried is None:
        report.warnings.append(f"{backend.system.name} takes no material, machine or issue: no record was tried.")
    return tried


def _judge(report: CheckReport) -> None:
    tried = report.round_trip
    if tried is not None and tried.differences:
        fields = ", ".join(difference.field for difference in tried.differences)
        report.problems.append(
            Problem(
                f"The {tried.kind} {tried.id} came back different: {fields}.",
                "Correct how the field is translated, or what the system does with it. Until then, a write of it ends "
                "in verification_failed.",
            )
        )
    for found in report.kinds:
        if found.faulty:
            more = f" And {found.faulty - _MOST_FAULTS} more." if found.faulty > _MOST_FAULTS else ""
            report.warnings.append(f"Not in order ({found.kind}): {' '.join(found.faults)}{more}")
        if found.never_shown:
            columns = ", ".join(found.never_shown)
            report.warnings.append(
                f"No {found.kind} shows anything in {columns}. Check how the column is called there."
            )
