"""One record of a call on its way into a system that has no transactions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import anyio

from mcp_server.backends.base import Change
from mcp_server.backends.remote.merging import held_differently, holds
from mcp_server.backends.remote.port import Collection, RemoteSystem, Row
from mcp_server.errors import BackendUnavailable, Conflict, Interrupted, OutcomeUnknown, ToolFailure

__all__ = ["REPEAT", "Step", "is_repeatable"]

REPEAT = "Repeat the same call with the same key: it finds out what was stored and goes on from there."


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`maybe_there`: an earlier attempt may have stored it. `ref` is what the system is known to call it, and with
    `only_ours` it is not known to have it.
    """

    system: RemoteSystem
    collection: Collection[Any]
    change: Change
    key: str
    waits_s: Sequence[float]
    maybe_there: bool
    ref: str | None
    only_ours: bool

    @property
    def _repeatable(self) -> bool:
        return is_repeatable(self.system, self.collection)

    async def found(self) -> Row | None:
        """The record as the system shows it; one that nobody can have sent yet is not looked for.

        Raises:
            Conflict: it was there when the call decided to change it, and is gone.
        """
        if self.change.before is None and not self.maybe_there:
            return None
        row = await (self._look_after_sending() if self.maybe_there else self._look())
        if row is None and self.change.before is not None and not self.only_ours:
            raise Conflict(
                f"{self.change.after.id} was deleted in {self.system.name} meanwhile.", suggestion="Read it again."
            )
        return row

    def is_done(self, row: Row) -> bool:
        """A record that was found new is done; whether it is right is found by reading it back."""
        return self.change.before is None or holds(self.collection, row, self.change.after)

    def belongs_there(self, row: Row | None) -> bool:
        """Whether the system is the place of this record; otherwise the companion store holds it alone."""
        if self.change.before is not None:
            return row is not None
        return self.collection.creates and self.collection.takes(self.change.after)

    async def sent(self, row: Row | None) -> tuple[str, bool]:
        """What the system calls the record that it holds now, and whether it had to be looked up.

        Raises:
            Interrupted: it is not known to be there, and may be asked for again.
            OutcomeUnknown: it is not known to be there, and nothing protects it from being doubled.
        """
        if self.maybe_there and row is None and not self._repeatable:
            raise self._unconfirmed()
        if row is not None:
            self._check_unmoved(row)
        try:
            return await self._asked(row), False
        except OutcomeUnknown as lost:
            return (await self._looked_up(lost)).ref, True
        except BackendUnavailable as error:
            if self.maybe_there:
                raise self._interrupted(error) from error
            raise
        except ToolFailure as refusal:
            late = await self._arrived_late(row, refusal)
            if late is None:
                raise
            return late.ref, True

    async def _asked(self, row: Row | None) -> str:
        if row is None:
            return await self.collection.create(self.change.after, self.key)
        await self.collection.change(self.change.before, self.change.after, row, self.key)
        return row.ref

    def _check_unmoved(self, row: Row) -> None:
        """Between reading and writing somebody else may have changed it in the system itself.

        What an earlier attempt may have stored is either as before it or as after it.
        """
        if self.change.before is None:
            return
        moved = held_differently(self.collection, row, self.change.before)
        if self.maybe_there:
            moved = [name for name in held_differently(self.collection, row, self.change.after) if name in moved]
        if moved:
            conflict = Conflict(
                f"{self.change.after.id} was changed in {self.system.name} meanwhile: {', '.join(moved)}.",
                suggestion="Read it again, then decide.",
            )
            conflict.outcome_known = not self.maybe_there
            raise conflict

    async def _looked_up(self, lost: OutcomeUnknown) -> Row:
        looked = False
        for wait_s in self.waits_s:
            await anyio.sleep(wait_s)
            try:
                row = await self._look_after_sending()
            except Interrupted:
                continue
            looked = True
            if row is not None and self.is_done(row):
                return row
        if looked and self.change.before is None and not self._repeatable:
            raise self._unconfirmed() from lost
        raise self._interrupted(lost) from lost

    async def _arrived_late(self, row: Row | None, refusal: ToolFailure) -> Row | None:
        """The record, if the system refuses it only because it has it already."""
        id_is_taken = row is None and self.collection.client_ids and isinstance(refusal, Conflict)
        if not (self.maybe_there or id_is_taken):
            return None
        there = await self._look_after_sending()
        if there is None:
            return None
        is_this = self.is_done(there) if self.maybe_there else holds(self.collection, there, self.change.after)
        return there if is_this else None

    async def _look(self) -> Row | None:
        return await self.collection.one(self.change.after.key, self.ref)

    async def _look_after_sending(self) -> Row | None:
        """Whatever keeps us from looking, the record may be there."""
        try:
            return await self._look()
        except BackendUnavailable as error:
            raise self._interrupted(error) from error
        except ToolFailure as failure:
            failure.outcome_known = False
            raise

    def _interrupted(self, why: ToolFailure) -> Interrupted:
        return Interrupted(
            f"It is not known yet whether {self.system.name} has stored {self.change.after.id}: {why.message}",
            suggestion=REPEAT,
            retry_after_s=why.retry_after_s,
        )

    def _unconfirmed(self) -> OutcomeUnknown:
        return OutcomeUnknown(
            f"Unconfirmed: {self.change.after.id} was sent to {self.system.name}, no answer came, and it is not to be "
            f"found there. It is not sent again, since nothing would keep it from being stored twice.",
            suggestion=f"Look for {self.change.after.id} in that system. This call with the same key looks again; only "
            f"a call with a new key sends it anew.",
        )


def is_repeatable(system: RemoteSystem, collection: Collection[Any]) -> bool:
    """Whether the system would refuse a second record, or know it again, so that a create may be sent once more."""
    return collection.client_ids or system.idempotency_keys
