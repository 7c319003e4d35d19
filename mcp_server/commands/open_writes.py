"""Writes of which nobody knows how they ended: how each is settled, and how one that never arrived is given up."""

from collections.abc import Sequence
from datetime import datetime

from mcp_server.backends.base import AuditEntry, Change, StoredCall
from mcp_server.backends.remote.federation import FederatedBackend
from mcp_server.backends.remote.merging import holds
from mcp_server.backends.remote.sending import is_overtaken
from mcp_server.backends.remote.step import is_repeatable
from mcp_server.commands.check_report import OpenWrite
from mcp_server.commands.trial_records import TRIED_BY
from mcp_server.errors import Conflict, NotFound
from mcp_server.pipeline.idempotency import MADE_OF_ARGUMENTS

__all__ = ["forgotten", "open_writes", "writes_to_forget"]


async def open_writes(backend: FederatedBackend) -> list[OpenWrite]:
    """All of them, the oldest first, each with what settles it."""
    return [_told(backend, call) for call in await _open(backend)]


async def writes_to_forget(backend: FederatedBackend, record_id: str) -> list[OpenWrite]:
    """The open writes of this record; the system was asked, and the same calls could not end them.

    Raises:
        NotFound: no write of the record is open.
        Conflict: something of one of them is in the system, or is there twice.
        BackendUnavailable: the system cannot say.
    """
    return [_told(backend, call) for call in await _lost(backend, record_id)]


async def forgotten(backend: FederatedBackend, record_id: str, now: datetime) -> list[OpenWrite]:
    """Let go of these writes, with an audit row each. Meanwhile they may have arrived, so the system is asked again.

    Raises:
        ToolFailure: see `writes_to_forget`; nothing was forgotten.
    """
    async with backend.alone():
        calls = await _lost(backend, record_id)
        async with backend.store.unit_of_work() as unit:
            for call in calls:
                await unit.forget(call.principal, call.tool, call.key)
                await unit.audit(_audit_row(call, now))
    return [_told(backend, call) for call in calls]


async def _open(backend: FederatedBackend) -> tuple[StoredCall, ...]:
    async with backend.store.reader() as companion:
        return await companion.open_calls()


async def _lost(backend: FederatedBackend, record_id: str) -> list[StoredCall]:
    every = await _open(backend)
    wanted = record_id.strip().casefold()
    calls = [call for call in every if wanted in {change.after.id.casefold() for change in _changes(call)}]
    if not calls:
        raise _unknown(record_id, every)
    for call in calls:
        if there := await _there(backend, call):
            raise Conflict(
                f"{', '.join(there)} is in {backend.system.name}, so this write is not forgotten.",
                suggestion=f"{_repeat(call)}: it looks the record up and ends the write.",
            )
    return calls


async def _there(backend: FederatedBackend, call: StoredCall) -> list[str]:
    """What of the call is in the system, unless another call has gone on from there: then it cannot be repeated."""
    found: list[str] = []
    async with backend.store.reader() as companion:
        for change in _changes(call):
            kind, key = type(change.after), change.after.key
            if is_overtaken(backend.system, change, await companion.get(kind, key)):
                return []
        for change in _begun(call):
            kind, key = type(change.after), change.after.key
            collection = backend.system.collections.get(kind)
            if collection is None:
                continue
            row = await collection.one(key, await companion.remote_ref(kind, key))
            if row is None:
                continue
            if change.before is None or (
                holds(collection, row, change.after) and not holds(collection, row, change.before)
            ):
                found.append(change.after.id)
    return found


def _told(backend: FederatedBackend, call: StoredCall) -> OpenWrite:
    first, *others = [change.after.id for change in _changes(call)]
    give_up = f"give it up with `shopfloor-mcp backend forget {first}`"
    suggestion = f"{_repeat(call)}: it looks the record up and ends the write"
    if _is_not_sent_again(backend, call):
        suggestion += f" if it is there. If it never arrived, {give_up}"
    elif any(change.before is not None for change in _begun(call)):
        suggestion += f". If somebody has changed the record since, {give_up}"
    return OpenWrite(call.tool, ", ".join((first, *others)), call.stored_at, f"{suggestion}.")


def _is_not_sent_again(backend: FederatedBackend, call: StoredCall) -> bool:
    """Whether a record was sent new that nothing would keep from being stored twice."""
    made = [backend.system.collections.get(type(change.after)) for change in _begun(call) if change.before is None]
    return any(collection is not None and not is_repeatable(backend.system, collection) for collection in made)


def _repeat(call: StoredCall) -> str:
    if call.principal == TRIED_BY:
        return "Run `shopfloor-mcp backend check --write`"
    made = call.key.startswith(MADE_OF_ARGUMENTS)
    return f"Repeat {call.tool} with the same arguments{'' if made else f' and the key {call.key}'}"


def _unknown(record_id: str, every: Sequence[StoredCall]) -> NotFound:
    known = "; ".join(
        f"{', '.join(change.after.id for change in _changes(call))} ({call.tool}, {call.stored_at:%Y-%m-%d %H:%M} UTC)"
        for call in every
    )
    return NotFound(
        f"No write of {record_id!r} is open.",
        suggestion=f"Open writes: {known}." if known else "No write is open at all.",
        alternatives=[change.after.id for call in every for change in _changes(call)],
    )


def _audit_row(call: StoredCall, now: datetime) -> AuditEntry:
    sending = call.sending
    return AuditEntry(
        at=now,
        principal=call.principal,
        on_behalf_of=None,
        tool=call.tool,
        outcome="forgotten",
        record_type=sending.record_type if sending else None,
        record_id=sending.record_id if sending else None,
        idempotency_key=None if call.key.startswith(MADE_OF_ARGUMENTS) else call.key,
        arguments={},
    )


def _changes(call: StoredCall) -> Sequence[Change]:
    return call.sending.changes if call.sending else ()


def _begun(call: StoredCall) -> Sequence[Change]:
    """What may have arrived."""
    return call.sending.changes[: call.sending.begun] if call.sending else ()
