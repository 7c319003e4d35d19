"""One change of a remote system and its companion store."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar

from mcp_server.backends.base import AuditEntry, StoredCall
from mcp_server.backends.remote.ids import next_id
from mcp_server.backends.remote.merging import UNFIT
from mcp_server.backends.remote.port import Collection, FieldMap, RemoteSystem
from mcp_server.backends.remote.reading import FederatedReader
from mcp_server.backends.remote.sending import REPEAT, Sender
from mcp_server.backends.sql.store import SqlBackend, SqlUnitOfWork
from mcp_server.domain.records import Record
from mcp_server.errors import (
    BackendUnavailable,
    Conflict,
    InternalError,
    Interrupted,
    RuleViolated,
    ToolFailure,
    VerificationFailed,
)

__all__ = ["FederatedUnit"]

R = TypeVar("R", bound=Record)


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
        self._sent = False
        self._transaction: AbstractAsyncContextManager[SqlUnitOfWork] | None = None

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator["FederatedUnit"]:
        await self._begin()
        try:
            yield self
            self._check_sent()
        except BaseException as error:  # noqa: BLE001 - every way out undoes the transaction, and is raised again
            await self._end(error)
            raise self._after_sending(error) from None
        try:
            await self._end(None)
        except BackendUnavailable as error:
            raise self._after_sending(error) from error

    async def get(self, kind: type[R], key: str) -> R | None:
        written = self._written.get((kind, key))
        return await super().get(kind, key) if written is None else written  # pyright: ignore[reportReturnType] - its kind is part of the key

    async def next_id(self, kind: type[Record], prefix: str) -> str:
        collection = self._collection(kind)
        if collection is None:
            return await self._local.next_id(kind, prefix)
        planned = [c.after.id for call in await self._local.open_calls() if call.sending for c in call.sending.changes]
        return next_id(prefix, (*(r.id for r in (await self._records(collection)).values()), *planned))

    async def insert(self, record: Record) -> None:
        await self._local.insert(record)
        self._overlay(record)

    async def replace(self, record: Record) -> None:
        before = await self.get(type(record), record.key)
        if before is None:
            raise Conflict(f"There is no {record.noun} {record.key} to change.", suggestion="Read it again.")
        await self._refuse_what_cannot_change(before, record)
        await self._keep(record)
        self._overlay(record)

    async def send(self, call: StoredCall) -> bool:
        if not self._commit or call.sending is None:
            return False
        if not any(type(change.after) in self._system.collections for change in call.sending.changes):
            self._sent = True
            return False
        await self._end(_RehearsalOver())
        outcome = await self._sender.send(call)
        self._sent = True
        await self._begin()
        for change in call.sending.changes:
            await self._keep(change.after)
        for (kind, key), ref in outcome.refs.items():
            await self._local.keep_remote_ref(kind, key, ref)
        self._written.clear()
        return outcome.recovered

    async def recall(self, principal: str, tool: str, key: str, now: datetime) -> StoredCall | None:
        return await self._local.recall(principal, tool, key, now)

    async def remember(self, call: StoredCall) -> None:
        await self._local.remember(call)

    async def audit(self, entry: AuditEntry) -> int:
        return await self._local.audit(entry)

    def _check_sent(self) -> None:
        if self._written and self._commit and not self._sent:
            raise InternalError("A write was never sent to the system of record.")

    async def _begin(self) -> None:
        self._transaction = self._store.unit_of_work(commit=self._commit)
        self._local = await self._transaction.__aenter__()
        self.look_at(self._local)

    async def _end(self, error: BaseException | None) -> None:
        """Leave the transaction; with an error it is undone, and the error may come out as one of ours."""
        transaction, self._transaction = self._transaction, None
        if transaction is not None:
            await transaction.__aexit__(type(error) if error else None, error, error.__traceback__ if error else None)

    def _after_sending(self, error: BaseException) -> BaseException:
        """What goes wrong once the system has it must not say that nothing was stored."""
        if not self._sent or not isinstance(error, ToolFailure) or isinstance(error, VerificationFailed):
            return error
        if isinstance(error, BackendUnavailable):
            return Interrupted(
                f"It was sent to {self._system.name}, and then: {error.message}",
                suggestion=REPEAT,
                retry_after_s=error.retry_after_s,
            )
        error.outcome_known = False
        return error

    async def _keep(self, record: Record) -> None:
        if await self._local.get(type(record), record.key) is None:
            await self._local.insert(record)
        else:
            await self._local.replace(record)

    def _overlay(self, record: Record) -> None:
        """The system shows the former state until `send`; this unit sees its own writes."""
        if not self._sent and type(record) in self._system.collections:
            self._written[type(record), record.key] = record

    async def _records(self, collection: Collection[R]) -> dict[str, R]:
        ours: dict[str, Any] = {key: record for (kind, key), record in self._written.items() if kind is collection.kind}
        return await super()._records(collection) | ours

    async def _refuse_what_cannot_change(self, before: R, after: R) -> None:
        collection: Collection[R] | None = self._system.collections.get(type(after))
        if collection is None or await self._is_only_ours(collection, after.key):
            return
        moved = {mapped.field for mapped in collection.fields if _moves(mapped, before, after)}
        if stuck := sorted(moved - collection.changes):
            raise RuleViolated(
                f"{self._system.name} cannot change {', '.join(stuck)} of a {after.noun} through its interface.",
                suggestion=f"Change {after.id} in that system; it is read from there.",
            )

    async def _is_only_ours(self, collection: Collection[Any], key: str) -> bool:
        ref = await self._local.remote_ref(collection.kind, key)
        return ref is None and await collection.one(key, None) is None


def _moves(mapped: FieldMap, before: Record, after: Record) -> bool:
    try:
        return bool(mapped.encode(getattr(before, mapped.field)) != mapped.encode(getattr(after, mapped.field)))
    except UNFIT:
        return getattr(before, mapped.field) != getattr(after, mapped.field)
