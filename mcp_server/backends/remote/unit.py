"""One change of a remote system and its companion store."""

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar

import anyio
import structlog

from mcp_server.backends.base import AuditEntry, Change, Query, StoredCall
from mcp_server.backends.remote.ids import next_id
from mcp_server.backends.remote.merging import UNFIT
from mcp_server.backends.remote.origin import Origin
from mcp_server.backends.remote.port import Collection, FieldMap, RemoteSystem
from mcp_server.backends.remote.reading import FederatedReader
from mcp_server.backends.remote.sending import Sender
from mcp_server.backends.remote.step import REPEAT
from mcp_server.backends.sql.store import SqlBackend, SqlUnitOfWork
from mcp_server.domain.records import Record
from mcp_server.errors import (
    BackendUnavailable,
    Conflict,
    InternalError,
    Interrupted,
    OutcomeUnknown,
    RuleViolated,
    ToolFailure,
    VerificationFailed,
)

__all__ = ["FederatedUnit"]

R = TypeVar("R", bound=Record)
_log = structlog.get_logger()


class _RehearsalOver(Exception):
    """Undoes a transaction; nobody sees it."""


class FederatedUnit(FederatedReader):
    """Until `send`, all writes stand in a transaction of the companion store that will be undone: a rehearsal, which
    finds out what its constraints forbid. `send` puts them into the system, and then into the companion store for good.
    """

    _local: SqlUnitOfWork

    def __init__(self, system: RemoteSystem, store: SqlBackend, sender: Sender, *, commit: bool) -> None:
        super().__init__(system)
        self._store = store
        self._sender = sender
        self._commit = commit
        self._written: dict[tuple[type[Record], str], Record] = {}
        self._handed_over = False
        self._sending = False
        self._sent = False
        self._transaction: AbstractAsyncContextManager[SqlUnitOfWork] | None = None

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator["FederatedUnit"]:
        try:
            await self._begin()
            try:
                yield self
                self._check_handed_over()
            except BaseException as error:
                await self._end(error)
                raise
            with anyio.CancelScope(shield=self._sent):
                await self._end(None)
        except ToolFailure as failure:
            if (told := self._after_sending(failure)) is failure:
                raise
            raise told from failure
        except Exception as error:
            if not (self._sending or self._sent):
                raise
            _log.exception("crashed after the sending began", system=self._system.name)
            raise OutcomeUnknown(
                f"It failed unexpectedly after it began to write to {self._system.name}; part of it may be there.",
                suggestion=f"See the server's log. {REPEAT}",
            ) from error

    async def get(self, kind: type[R], key: str) -> R | None:
        written = self._written.get((kind, key))
        return await super().get(kind, key) if written is None else written  # pyright: ignore[reportReturnType] - its kind is part of the key

    async def next_id(self, kind: type[Record], prefix: str) -> str:
        """Ids that calls without an end have given out are taken too, wherever their records will live."""
        collection = self._collection(kind)
        planned = [
            change.after.id
            for call in await self._local.open_calls()
            if call.sending
            for change in call.sending.changes
            if type(change.after) is kind
        ]
        if collection is not None:
            written = [record.id for record in self._of_this_call(kind)]
            return next_id(prefix, (*(await self._listing(collection)).ids, *written, *planned))
        if not planned:
            return await self._local.next_id(kind, prefix)
        return next_id(prefix, (*(r.id for r in (await self._local.find(kind, Query())).items), *planned))

    async def insert(self, record: Record) -> None:
        collection = self._system.collections.get(type(record))
        if collection is not None:
            if await self._row(collection, record.key, None) is not None:
                raise Conflict(f"{self._system.name} has {record.noun} {record.key} already.")
            if collection.creates and collection.takes(record):
                self._refuse_what_it_has_no_word_for(record, collection.fields)
        await self._local.insert(record)
        self._overlay(record)

    async def replace(self, record: Record) -> None:
        before = await self.get(type(record), record.key)
        if before is None:
            raise Conflict(f"There is no {record.noun} {record.key} to change.", suggestion="Read it again.")
        await self._refuse_what_cannot_change(before, record)
        await self._keep(Change(before, record))
        self._overlay(record)

    async def send(self, call: StoredCall) -> bool:
        if not self._commit or call.sending is None:
            return False
        self._handed_over = True
        self._origin = Origin(self._system.name)  # what is read from here on is what was written
        if not any(type(change.after) in self._system.collections for change in call.sending.changes):
            return False
        await self._end(_RehearsalOver())
        self._sending = True
        outcome = await self._sender.send(call)
        self._sending = False
        self._sent = bool(outcome.stored)
        await self._begin()
        self._written.clear()
        for change in call.sending.changes:
            await self._keep(change)
        made = {(type(change.after), change.after.key) for change in call.sending.changes if change.before is None}
        for (kind, key), ref in outcome.refs.items():
            really = await self._found_by_our_id(kind, key) if (kind, key) in made else None
            await self._local.keep_remote_ref(kind, key, really or ref)
        return outcome.recovered

    async def recall(self, principal: str, tool: str, key: str, now: datetime) -> StoredCall | None:
        return await self._local.recall(principal, tool, key, now)

    async def remember(self, call: StoredCall) -> None:
        await self._local.remember(call)

    async def audit(self, entry: AuditEntry) -> int:
        return await self._local.audit(entry)

    async def _found_by_our_id(self, kind: type[Record], key: str) -> str | None:
        """What the system calls a record that was just made; what it answered to the making is not believed.

        Raises:
            VerificationFailed: it holds the record more than once.
        """
        try:
            row = await self._system.collections[kind].one(key, None)
        except Conflict as double:
            raise VerificationFailed(
                f"The system of record has stored {key} more than once. {double.message}",
                suggestion="Delete all but one there, then repeat this call: it is checked again, not written again.",
            ) from double
        if row is None:
            return None
        self._rows[kind, key] = row
        return row.ref

    def _check_handed_over(self) -> None:
        if self._written and self._commit and not self._handed_over:
            raise InternalError("A write was never sent to the system of record.")

    async def _begin(self) -> None:
        transaction = self._store.unit_of_work(commit=self._commit)
        self._local = await transaction.__aenter__()
        self._transaction = transaction
        self.look_at(self._local)

    async def _end(self, error: BaseException | None) -> None:
        """Leave the transaction; with an error it is undone, and the error may come out as one of ours."""
        transaction, self._transaction = self._transaction, None
        if transaction is not None:
            await transaction.__aexit__(type(error) if error else None, error, error.__traceback__ if error else None)

    def _after_sending(self, failure: ToolFailure) -> ToolFailure:
        """What goes wrong once the system has it must not say that nothing was stored."""
        if not self._sent or not failure.outcome_known:
            return failure
        if isinstance(failure, BackendUnavailable):
            return Interrupted(
                f"It was sent to {self._system.name}, and then: {failure.message}",
                suggestion=REPEAT,
                retry_after_s=failure.retry_after_s,
            )
        failure.outcome_known = False
        return failure

    async def _keep(self, change: Change) -> None:
        """A record of the system that is changed for the first time is new to the companion store."""
        record = change.after
        if change.before is None or await self._local.get(type(record), record.key) is None:
            await self._local.insert(record)
        else:
            await self._local.replace(record)

    def _overlay(self, record: Record) -> None:
        """The system shows the former state until `send`; this unit sees its own writes."""
        if not self._handed_over and type(record) in self._system.collections:
            self._written[type(record), record.key] = record

    async def _records(self, collection: Collection[R]) -> Mapping[str, R]:
        ours: dict[str, Any] = {record.key: record for record in self._of_this_call(collection.kind)}
        return {**await super()._records(collection), **ours}

    def _of_this_call(self, kind: type[Record]) -> list[Record]:
        return [record for (of, _), record in self._written.items() if of is kind]

    async def _refuse_what_cannot_change(self, before: R, after: R) -> None:
        collection: Collection[R] | None = self._system.collections.get(type(after))
        if collection is None or await self._is_only_ours(collection, after.key):
            return
        moved = [mapped for mapped in collection.fields if _moves(mapped, before, after)]
        if stuck := sorted({mapped.field for mapped in moved} - collection.changes):
            raise RuleViolated(
                f"{self._system.name} cannot change {', '.join(stuck)} of {_with_article(after.noun)} "
                f"through its interface.",
                suggestion=f"Change {after.id} in that system; it is read from there.",
            )
        self._refuse_what_it_has_no_word_for(after, moved)

    async def _is_only_ours(self, collection: Collection[Any], key: str) -> bool:
        ref = await self._local.remote_ref(collection.kind, key)
        return ref is None and await self._row(collection, key, None) is None

    def _refuse_what_it_has_no_word_for(self, record: Record, fields: Iterable[FieldMap]) -> None:
        if unsaid := sorted(mapped.field for mapped in fields if not _has_word(mapped, record)):
            raise RuleViolated(
                f"{self._system.name} has no word for {', '.join(f'{n} {getattr(record, n)}' for n in unsaid)}.",
                field=unsaid[0],
                suggestion="Choose a value that it knows, or complete the description of the system.",
            )


def _moves(mapped: FieldMap, before: Record, after: Record) -> bool:
    try:
        return bool(mapped.encode(getattr(before, mapped.field)) != mapped.encode(getattr(after, mapped.field)))
    except UNFIT:
        return getattr(before, mapped.field) != getattr(after, mapped.field)


def _has_word(mapped: FieldMap, record: Record) -> bool:
    try:
        mapped.encode(getattr(record, mapped.field))
    except UNFIT:
        return False
    return True


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
