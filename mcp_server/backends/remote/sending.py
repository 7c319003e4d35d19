"""Sends the records of one call to a system that has no transactions: each of them once, and with a trace of it.

Before a record is sent, the companion store keeps that it may have arrived. So whatever breaks afterwards, the same
call with the same key looks the record up first. It is sent again only where the system itself would refuse a double.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import anyio

from mcp_server.backends.base import Change, Sending, StoredCall
from mcp_server.backends.remote.merging import held_differently, holds
from mcp_server.backends.remote.port import Collection, RemoteSystem, Row
from mcp_server.backends.sql.store import SqlBackend
from mcp_server.domain.records import Record
from mcp_server.errors import (
    AnswerLost,
    BackendUnavailable,
    Conflict,
    Interrupted,
    OutcomeUnknown,
    ToolFailure,
)

__all__ = ["LOOKUP_WAITS_S", "REPEAT", "Outcome", "Sender"]

LOOKUP_WAITS_S = (0.0, 0.5, 2.0)
"""Seconds before each look for a record whose answer was lost; a slow system may store it after it has hung up."""
REPEAT = "Repeat the same call with the same key: it finds out what was stored and goes on from there."


@dataclass(slots=True)
class Outcome:
    """What the system calls each record that it holds now, by kind and key; `recovered` if one had to be looked up."""

    refs: dict[tuple[type[Record], str], str] = field(default_factory=dict[tuple[type[Record], str], str])
    recovered: bool = False


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
        outcome = Outcome()
        for position, change in enumerate(sending.changes):
            collection = self._system.collections.get(type(change.after))
            if collection is None:
                continue
            step = _Step(self._system, collection, change, _key(call, position), self._waits_s)
            try:
                await self._taken(step, call, sending, position, outcome)
            except (Interrupted, OutcomeUnknown):
                raise
            except ToolFailure as failure:
                await self._note_stopped(call, sending, position, outcome)
                raise self._told(failure, outcome) from None
        return outcome

    async def _taken(self, step: "_Step", call: StoredCall, sending: Sending, position: int, outcome: Outcome) -> None:
        """One record is brought into the system, or found there."""
        maybe_there = position < sending.begun
        row = await step.found(maybe_there=maybe_there)
        if row is not None and step.is_done(row):
            outcome.recovered |= maybe_there
        elif step.belongs_there(row):
            await self._note(call, replace(sending, begun=max(sending.begun, position + 1)))
            row, recovered = await step.sent(row, maybe_there=maybe_there)
            outcome.recovered |= recovered
        if row is not None:
            outcome.refs[type(step.change.after), step.change.after.key] = row if isinstance(row, str) else row.ref

    async def _note(self, call: StoredCall, sending: Sending) -> None:
        async with self._store.unit_of_work() as unit:
            await unit.remember(replace(call, sending=sending))

    async def _note_stopped(self, call: StoredCall, sending: Sending, position: int, outcome: Outcome) -> None:
        """The record at this position certainly did not arrive; without any before it, the call has left no trace."""
        if outcome.refs:
            await self._note(call, replace(sending, begun=position))
        else:
            async with self._store.unit_of_work() as unit:
                await unit.forget(call.principal, call.tool, call.key)

    def _told(self, failure: ToolFailure, outcome: Outcome) -> ToolFailure:
        if not outcome.refs:
            return failure
        there = ", ".join(key for _, key in outcome.refs)
        if isinstance(failure, BackendUnavailable):
            return Interrupted(
                f"{there} is in {self._system.name}, the rest is not: {failure.message}",
                suggestion=REPEAT,
                retry_after_s=failure.retry_after_s,
            )
        failure.outcome_known = False
        failure.also = (*failure.also, f"{there} is already in {self._system.name}.")
        return failure


@dataclass(frozen=True, slots=True)
class _Step:
    """One record of a call on its way into the system."""

    system: RemoteSystem
    collection: Collection[Any]
    change: Change
    key: str
    waits_s: Sequence[float]

    @property
    def _repeatable(self) -> bool:
        """Whether the system would refuse a double, or know it again."""
        return self.collection.client_ids or self.system.idempotency_keys

    async def found(self, *, maybe_there: bool) -> Row | None:
        """The record as the system shows it; one that nobody can have sent yet is not looked for."""
        if self.change.before is None and not maybe_there:
            return None
        try:
            return await self.collection.one(self.change.after.key, None)
        except BackendUnavailable as error:
            if not maybe_there:
                raise
            raise self._interrupted(error.message) from error

    def is_done(self, row: Row) -> bool:
        """A record that was found new is done; whether it is right is found by reading it back."""
        return self.change.before is None or holds(self.collection, row, self.change.after)

    def belongs_there(self, row: Row | None) -> bool:
        """Whether the system is the place of this record; otherwise the companion store holds it alone."""
        if self.change.before is not None:
            return row is not None
        return self.collection.creates and self.collection.takes(self.change.after)

    async def sent(self, row: Row | None, *, maybe_there: bool) -> tuple[Row | str, bool]:
        """The record in the system, or what it is called there; and whether it had to be looked up.

        Raises:
            Interrupted: it is not known to be there, and may be sent again.
            OutcomeUnknown: it is not known to be there, and nothing protects it from being doubled.
        """
        if maybe_there and row is None and not self._repeatable:
            raise self._unconfirmed()
        try:
            if row is None:
                return await self.collection.create(self.change.after, self.key), False
            self._check_unmoved(row, maybe_there=maybe_there)
            await self.collection.change(self.change.before, self.change.after, row, self.key)
        except AnswerLost as lost:
            return await self._looked_up(lost), True
        except Conflict:
            if row is None and self.collection.client_ids and (there := await self._is_there()) is not None:
                return there, True
            raise
        return row, False

    def _check_unmoved(self, row: Row, *, maybe_there: bool) -> None:
        """Between reading and writing somebody else may have changed it in the system itself."""
        if maybe_there or self.change.before is None:
            return
        if moved := held_differently(self.collection, row, self.change.before):
            raise Conflict(
                f"{self.change.after.id} was changed in {self.system.name} meanwhile: {', '.join(moved)}.",
                suggestion="Read it again, then decide.",
            )

    async def _looked_up(self, lost: AnswerLost) -> Row:
        for wait_s in self.waits_s:
            await anyio.sleep(wait_s)
            try:
                row = await self.collection.one(self.change.after.key, None)
            except BackendUnavailable:
                continue
            if row is not None and self.is_done(row):
                return row
        if self.change.before is not None or self._repeatable:
            raise self._interrupted(lost.message) from lost
        raise self._unconfirmed() from lost

    async def _is_there(self) -> Row | None:
        """The system says that the id is taken: by this very record, if an earlier attempt arrived late."""
        row = await self.collection.one(self.change.after.key, None)
        return row if row is not None and holds(self.collection, row, self.change.after) else None

    def _interrupted(self, why: str) -> Interrupted:
        return Interrupted(
            f"It is not known yet whether {self.system.name} has stored {self.change.after.id}: {why}",
            suggestion=REPEAT,
        )

    def _unconfirmed(self) -> OutcomeUnknown:
        return OutcomeUnknown(
            f"Unconfirmed: {self.change.after.id} was sent to {self.system.name}, no answer came, and it is not to be "
            f"found there. It is not sent again, since nothing would keep it from being stored twice.",
            suggestion=f"Look for {self.change.after.id} in that system. This call with the same key looks again; only "
            f"a call with a new key sends it anew.",
        )


def _key(call: StoredCall, position: int) -> str:
    """One key a record of a call, the same at every attempt; it tells the other system nothing."""
    named = "\n".join((call.principal, call.tool, call.key, str(position)))
    return hashlib.sha256(named.encode()).hexdigest()[:32]
