"""A Tryton database as a remote system."""

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from mcp_server.backends.remote.port import Collection, SystemInfo
from mcp_server.backends.tryton.address import Address, address_of
from mcp_server.backends.tryton.client import TrytonClient, connected
from mcp_server.backends.tryton.plant import MACHINES, MATERIALS, Machines, Materials
from mcp_server.backends.tryton.quality import ISSUES, SPECS, Issues, Specs
from mcp_server.domain.records import Issue, Machine, Material, Record, Spec
from mcp_server.errors import ConfigurationError

__all__ = ["TrytonSystem", "open_tryton"]

_KEPT = (MACHINES, MATERIALS, SPECS, ISSUES)
_MODULES = {kept.model: kept.module for kept in _KEPT}


class TrytonSystem:
    """Tryton knows no idempotency keys, and its REST API neither ETags nor revisions."""

    idempotency_keys = False
    revisions = False
    list_style = "bare array, Range and Content-Range in records"
    error_style = "{status, message} for what it refuses, HTML for anything else"

    def __init__(self, address: Address, client: TrytonClient) -> None:
        self._address = address
        self._client = client
        self._collections: Mapping[type[Record], Collection[Any]] = {
            Machine: Machines(client),
            Material: Materials(client),
            Spec: Specs(client),
            Issue: Issues(client),
        }

    @property
    def name(self) -> str:
        company = f", company {self._address.company}" if self._address.company else ""
        return f"Tryton at {self._address.place}, database {self._address.database}{company}"

    @property
    def collections(self) -> Mapping[type[Record], Collection[Any]]:
        return self._collections

    async def probe(self) -> SystemInfo:
        own = await self._client.preferences()
        wanted = sorted({"company", *_MODULES.values()})
        domain = [("name", "in", wanted), ("state", "=", "activated")]
        listed = await self._client.search("ir.module", domain, ("name", "version"))
        active = {record["name"]: record.get("version") for record in listed.records}
        return SystemInfo(
            product="Tryton",
            version=active.get("company"),
            signed_in_as=", ".join(filter(None, (own.get("employee.rec_name"), own.get("company.rec_name")))) or None,
            notes=(*self._client.notes, *(_missing(module) for module in wanted if module not in active)),
        )

    async def aclose(self) -> None:
        await self._client.aclose()


def open_tryton(url: str, *, token: SecretStr | None, timeout_s: float = 10.0) -> TrytonSystem:
    """The Tryton database at `tryton+https://host:port/database`. It is not asked anything yet.

    Args:
        url: with `?company=1&employee=1` behind it where the key's user acts for several.
        token: the key of a user application of kind REST.
        timeout_s: for each part of an exchange.

    Raises:
        ConfigurationError: the URL cannot be used, or there is no key.
    """
    address = address_of(url)
    if token is None or not token.get_secret_value():
        raise ConfigurationError(
            "Tryton needs the key of a user application.",
            suggestion="Set SHOPFLOOR_BACKEND_TOKEN; Tryton makes keys in the user's preferences, under Applications.",
        )
    return TrytonSystem(address, TrytonClient(connected(address, token, timeout_s=timeout_s), _MODULES))


def _missing(module: str) -> str:
    nouns = " and ".join(f"{kept.kind.noun}s" for kept in _KEPT if kept.module == module)
    return f"The module {module} is not activated{f', so {nouns} cannot be read' if nouns else ''}: activate it."
