"""FactorySemantics MES behind the port of remote systems."""

from collections.abc import Mapping, Sequence
from typing import Any

from mcp_server.backends.fsmes.calls import LOOKS_AFTER_S, Calls
from mcp_server.backends.fsmes.documents import Documents
from mcp_server.backends.fsmes.inspections import Counts
from mcp_server.backends.fsmes.maintenance import WorkOrders, plans_left_out, tasks
from mcp_server.backends.fsmes.nonconformances import Nonconformances
from mcp_server.backends.fsmes.plant import machines, materials, places
from mcp_server.backends.fsmes.specs import specs
from mcp_server.backends.http.client import SystemClient
from mcp_server.backends.remote.port import Collection, SystemInfo
from mcp_server.domain.records import QualityPlan, Record, Sop

__all__ = ["WRITTEN_FOR", "FsmesSystem"]

WRITTEN_FOR = "0.4.2"


class FsmesSystem:
    """One MES. With `keyed`, every write carries an idempotency key."""

    revisions = False
    list_style = "bare array, or {items, total, limit, offset, has_more}"
    error_style = "status and {detail}"

    def __init__(
        self, client: SystemClient, *, place: str, keyed: bool, looks_after_s: Sequence[float] = LOOKS_AFTER_S
    ) -> None:
        self._client = client
        self._calls = Calls(client, keyed, looks_after_s)
        self._place = place
        self._collections = _collections(self._calls)

    @property
    def name(self) -> str:
        return f"FactorySemantics MES at {self._place}"

    @property
    def idempotency_keys(self) -> bool:
        return self._calls.keyed

    @property
    def collections(self) -> Mapping[type[Record], Collection[Any]]:
        return self._collections

    async def probe(self) -> SystemInfo:
        described = await self._calls.found("/openapi.json")
        user = await self._calls.found("/auth/me")
        version = None if described is None else str(described["info"]["version"])
        return SystemInfo(
            product="FactorySemantics MES",
            version=version,
            signed_in_as=None if user is None else f"{user['code']} ({user['role']})",
            notes=(*self._client.notes, *self._notes(version), *await self._left_out()),
        )

    async def aclose(self) -> None:
        await self._client.aclose()

    def _notes(self, version: str | None) -> list[str]:
        notes = ["Its makers call it pre-alpha: stay on the version you have tried."]
        if version != WRITTEN_FOR:
            notes.append(f"This adapter is written for {WRITTEN_FOR}; read back what you write with another version.")
        if not self.idempotency_keys:
            notes.append("If it stands on PostgreSQL, put ?idempotency_keys=on behind its URL.")
        return notes

    async def _left_out(self) -> list[str]:
        codes = await plans_left_out(self._calls)
        told = f"Left out, as their intervals count pieces or parts of a day: maintenance plans {', '.join(codes)}."
        return [told] if codes else []


def _collections(calls: Calls) -> dict[type[Record], Collection[Any]]:
    collections: list[Collection[Any]] = [
        machines(calls),
        places(calls),
        materials(calls),
        specs(calls),
        Counts(calls),
        Nonconformances(calls),
        tasks(calls),
        WorkOrders(calls),
        Documents(calls, QualityPlan),
        Documents(calls, Sop),
    ]
    return {collection.kind: collection for collection in collections}
