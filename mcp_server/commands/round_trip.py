"""Sends one harmless record the whole way and reads it back by value.

A database of ours takes it in a transaction that is rolled back. A remote system has none: there it is rehearsed, and
only when a person asks for it put into the system, once, under an id that every later check finds again.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from mcp_server.backends.base import Backend, Change, Query, Sending, StoredCall
from mcp_server.backends.remote.federation import FederatedBackend
from mcp_server.backends.remote.merging import UNFIT, columns_of, merged
from mcp_server.backends.remote.port import Collection, Row
from mcp_server.backends.remote.unit import FederatedUnit
from mcp_server.commands.check_report import How, RoundTrip
from mcp_server.commands.trial_records import TRIALS, TRIED, TRIED_BY, Trial, trial_issue
from mcp_server.domain.records import Issue, Record
from mcp_server.errors import InternalError, RuleViolated
from mcp_server.pipeline.result_check import Mismatch, compare

__all__ = ["rehearsed", "rolled_back", "written"]

_TOOL = "backend-check"
_KEPT = timedelta(seconds=1)
"""The answer of a write that ended well is of no use to the next check."""


async def rolled_back(backend: Backend, now: datetime) -> RoundTrip:
    """An issue, written to a database, read back, and taken back.

    Raises:
        InternalError: it was not taken back.
    """
    sent = trial_issue(now)
    async with backend.unit_of_work(commit=False) as unit:
        await unit.insert(sent)
        found = await unit.get(Issue, sent.key)
    async with backend.reader() as reader:
        left = await reader.get(Issue, sent.key)
    if left is not None:
        raise InternalError(
            f"The issue {TRIED} was to be rolled back, and is still there.",
            suggestion="Delete it in the database, and look what there commits by itself.",
        )
    return _compared("rolled back", sent, found)


async def rehearsed(backend: FederatedBackend, now: datetime) -> RoundTrip | None:
    """The record in the system's own words and back, and in the companion store until it is rolled back there.

    Nothing is sent. None when the system takes no record that would do.
    """
    tried = await _candidate(backend, now)
    if tried is None:
        return None
    sent = tried.record
    async with backend.unit_of_work(commit=False) as unit:
        if await unit.get(type(sent), sent.key) is None:
            await unit.insert(sent)
    return _compared("rehearsed", sent, _translated(tried.collection, sent))


async def written(backend: FederatedBackend, now: datetime) -> RoundTrip | None:
    """The record in the system itself: made on the first run, on later ones changed where the system can do that.

    None when the system takes no record that would do.

    Raises:
        ToolFailure: the system refused it; or it is not known whether it is there, and the next run looks it up.
    """
    tried = await _candidate(backend, now)
    if tried is None:
        return None
    kind, key = type(tried.record), tried.record.key
    async with backend.unit_of_work() as unit:
        earlier = await unit.recall(TRIED_BY, _TOOL, _TOOL, now)
        sending = earlier.sending if earlier is not None else None
        if sending is None:
            sending = await _planned(unit, tried)
        if sending is not None:
            call = _call(sending, now)
            await unit.send(call)
            found = await unit.get(kind, key)
            await unit.remember(replace(call, sending=None))
            (change,) = sending.changes
            return _compared("created" if change.before is None else "changed", change.after, found)
    return await _read_back(backend, kind, key)


@dataclass(frozen=True, slots=True)
class _Tried:
    trial: Trial
    collection: Collection[Any]
    record: Record


async def _candidate(backend: FederatedBackend, now: datetime) -> _Tried | None:
    """The least harmful record that the system takes; in what a system chooses it is like one that is there."""
    for trial in TRIALS:
        collection = backend.system.collections.get(trial.kind)
        if collection is None or not collection.creates:
            continue
        async with backend.reader() as reader:
            there = (await reader.find(trial.kind, Query(limit=2))).items
        record = trial.made(now, next((other for other in there if other.id != TRIED), None))
        if collection.takes(record):
            return _Tried(trial, collection, record)
    return None


async def _planned(unit: FederatedUnit, tried: _Tried) -> Sending | None:
    """What is to be written, rehearsed in the unit; None where it is there, and cannot change or need not."""
    wanted = tried.record
    there = await unit.get(type(wanted), wanted.key)
    if there is None:
        await unit.insert(wanted)
        return _sending(Change(None, wanted))
    text = tried.trial.text
    after = there.model_copy(update={text: getattr(wanted, text)})
    if after == there:
        return None
    try:
        await unit.replace(after)
    except RuleViolated:
        return None
    return _sending(Change(there, after))


def _sending(change: Change) -> Sending:
    return Sending((change,), begun=0, record_type=type(change.after).__name__, record_id=change.after.id)


def _call(sending: Sending, now: datetime) -> StoredCall:
    return StoredCall(
        principal=TRIED_BY,
        tool=_TOOL,
        key=_TOOL,
        arguments_hash="",
        result={},
        stored_at=now,
        expires_at=now + _KEPT,
        sending=sending,
    )


async def _read_back(backend: FederatedBackend, kind: type[Record], key: str) -> RoundTrip:
    """What the system shows now, beside what was put into it."""
    async with backend.reader() as reader:
        found = await reader.get(kind, key)
    async with backend.store.reader() as companion:
        sent = await companion.get(kind, key) or found
    if sent is None:
        raise InternalError(f"The {kind.noun} {key} has just gone.", suggestion="Run the check again.")
    return _compared("read back", sent, found)


def _compared(how: How, sent: Record, found: Record | None) -> RoundTrip:
    if found is None:
        return RoundTrip(sent.noun, sent.id, how, 1, (Mismatch("id", sent.id, "no such record"),))
    checked, differences = compare(sent.model_dump(mode="json"), found.model_dump(mode="json"))
    return RoundTrip(sent.noun, sent.id, how, checked, differences)


def _translated(collection: Collection[Any], sent: Record) -> Record:
    """The record as it comes back from its own translation.

    A value that is not the same, but is the same to the system, is none that came back different: several of ours may
    be one of its.
    """
    try:
        columns = columns_of(collection, sent)
        back = merged(collection, Row(key=sent.key, ref=sent.key, values=columns), None)
        again = columns_of(collection, back)
    except UNFIT as error:
        raise InternalError(
            f"The {sent.noun} {sent.id} cannot be put into the words of the system: {error}",
            suggestion="Correct how its fields are translated in the description of the system.",
        ) from error
    changed = {m.field: getattr(back, m.field) for m in collection.fields if columns[m.column] != again[m.column]}
    return sent.model_copy(update=changed)
