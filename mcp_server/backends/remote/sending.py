"""Sends the records of one call to a system that has no transactions: each of them once, and with a trace of it.

Before a record is sent, the companion store keeps that it may have arrived. So whatever breaks afterwards, the same
call with the same key looks the record up first. It is sent again only where the system itself would refuse a double.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import structlog

from mcp_server.backends.base import Change, Sending, StoredCall
from mcp_server.backends.remote.port import RemoteSystem
from mcp_server.backends.remote.step import REPEAT, Step
from mcp_server.backends.sql.store import SqlBackend
from mcp_server.domain.records import Record
from mcp_server.errors import BackendUnavailable, Conflict, Interrupted, ToolFailure

__all__ = ["LOOKUP_WAITS_S", "Outcome", "Sender", "is_overtaken"]

LOOKUP_WAITS_S = (0.0, 0.5, 2.0)
"""Seconds before each look for a record whose answer was lost; a slow system may store it after it has hung up."""

_log = structlog.get_logger()


@dataclass(slots=True)
class Outcome:
    """How far a call has come.

    Attributes:
        begun: how many of its changes may have arrived, as the companion store knows it.
        refs: what the system calls each record that it holds now, by kind and key.
        stored: keys of the records that the system holds because of this call.
        recovered: one of them had to be looked up.
    """

    begun: int
    refs: dict[tuple[type[Record], str], str] = field(default_factory=dict[tuple[type[Record], str], str])
    stored: list[str] = field(default_factory=list[str])
    recovered: bool = False


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the companion store has of a record, and what it knows the system to call it."""

    record: Record | None
    ref: str | None


class Sender:
    """Sends calls to one system; `store` is its companion store, which nobody else writes to meanwhile."""

    def __init__(
        self, system: RemoteSystem, store: SqlBackend, *, lookup_waits_s: Sequence[float] = LOOKUP_WAITS_S
    ) -> None:
        self._system = system
        self._store = store
        self._waits_s = lookup_waits_s

    async def send(self, call: StoredCall) -> Outcome:
        """Send what is left to send of the call.

        Raises:
            ToolFailure: the system refused, and nothing was stored; or, with `outcome_known` False, something may be.
        """
        sending = call.sending
        if sending is None:
            raise ValueError("a call without anything to send")
        kept = await self._kept(sending)
        outcome = Outcome(begun=sending.begun)
        for position, change in enumerate(sending.changes):
            if type(change.after) not in self._system.collections:
                continue
            step = self._step(call, position, change, kept[position], maybe_there=position < sending.begun)
            try:
                await self._taken(step, call, sending, position, outcome)
            except ToolFailure as failure:
                if not failure.outcome_known:
                    raise
                await self._note_stopped(call, sending, position, outcome)
                if not outcome.stored and outcome.begun <= position + 1:
                    raise
                if (told := self._half_done(failure, outcome)) is failure:
                    raise
                raise told from failure
        return outcome

    def _step(self, call: StoredCall, position: int, change: Change, kept: _Kept, *, maybe_there: bool) -> Step:
        return Step(
            system=self._system,
            collection=self._system.collections[type(change.after)],
            change=change,
            key=_key(call, position),
            waits_s=self._waits_s,
            maybe_there=maybe_there,
            ref=kept.ref,
            only_ours=kept.record is not None and kept.ref is None,
        )

    async def _taken(self, step: Step, call: StoredCall, sending: Sending, position: int, outcome: Outcome) -> None:
        """One record is brought into the system, or found there."""
        row = await step.found()
        if row is not None and step.is_done(row):
            ref, recovered, stored = row.ref, step.maybe_there, step.maybe_there
        elif step.belongs_there(row):
            if outcome.begun <= position:
                await self._note(call, replace(sending, begun=position + 1))
                outcome.begun = position + 1
            ref, recovered = await step.sent(row)
            stored = True
        else:
            return
        outcome.recovered |= recovered
        outcome.refs[type(step.change.after), step.change.after.key] = ref
        outcome.stored += [step.change.after.key] if stored else []

    async def _kept(self, sending: Sending) -> list[_Kept]:
        """What the companion store has of each record.

        Raises:
            Conflict: it has changed since an earlier attempt, so that going on would undo another call.
        """
        found: list[_Kept] = []
        async with self._store.reader() as companion:
            for change in sending.changes:
                kind, key = type(change.after), change.after.key
                found.append(_Kept(await companion.get(kind, key), await companion.remote_ref(kind, key)))
        if sending.begun:
            for change, kept in zip(sending.changes, found, strict=True):
                self._check_not_overtaken(change, kept.record)
        return found

    def _check_not_overtaken(self, change: Change, known: Record | None) -> None:
        if not is_overtaken(self._system, change, known):
            return
        overtaken = Conflict(
            f"{change.after.id} was changed by another call since this one broke off, and part of this one may be in "
            f"{self._system.name}.",
            suggestion="Read it again; send what is still missing as a new call with a new key.",
        )
        overtaken.outcome_known = False
        raise overtaken

    async def _note(self, call: StoredCall, sending: Sending) -> None:
        async with self._store.unit_of_work() as unit:
            await unit.remember(replace(call, sending=sending))

    async def _note_stopped(self, call: StoredCall, sending: Sending, position: int, outcome: Outcome) -> None:
        """The record at this position certainly did not arrive; without any other, the call has left no trace.

        Where that cannot be noted, the call stays open, and its repetition looks the record up first.
        """
        if not position < outcome.begun <= position + 1:
            return
        try:
            if outcome.stored:
                await self._note(call, replace(sending, begun=position))
            else:
                async with self._store.unit_of_work() as unit:
                    await unit.forget(call.principal, call.tool, call.key)
        except ToolFailure as failure:
            _log.warning("a stopped call stays open", tool=call.tool, code=failure.code)

    def _half_done(self, failure: ToolFailure, outcome: Outcome) -> ToolFailure:
        there = ", ".join(outcome.stored) or "Part of it"
        if isinstance(failure, BackendUnavailable):
            told = Interrupted(
                f"{there} is in {self._system.name}, the rest is not: {failure.message}",
                suggestion=REPEAT,
                retry_after_s=failure.retry_after_s,
            )
            told.repeatable = failure.repeatable
            return told
        failure.outcome_known = False
        failure.also = (*failure.also, f"{there} is already in {self._system.name}.")
        return failure


def is_overtaken(system: RemoteSystem, change: Change, known: Record | None) -> bool:
    """Whether another call has gone on since this one began; `known` is what the companion store has of the record."""
    collection = system.collections.get(type(change.after))
    theirs = frozenset[str]() if collection is None else {mapped.field for mapped in collection.fields}
    return known is not None and (change.before is None or not _is_no_later(known, change.before, theirs))


def _is_no_later(known: Record, before: Record, theirs: frozenset[str] | set[str]) -> bool:
    """Whether the companion store still has what the call began with. What the system holds may differ from it."""
    ours = type(known).model_fields.keys() - theirs - {"revision"}
    return getattr(known, "revision", 0) <= getattr(before, "revision", 0) and all(
        getattr(known, name) == getattr(before, name) for name in ours
    )


def _key(call: StoredCall, position: int) -> str:
    """One key a record of a call, the same at every attempt; it tells the other system nothing."""
    named = "\n".join((call.principal, call.tool, call.key, str(position)))
    return hashlib.sha256(named.encode()).hexdigest()[:32]
