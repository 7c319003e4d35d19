"""Machines as work centers, materials as products."""

from functools import partial
from typing import Any

from mcp_server.backends.remote.port import FieldMap, Row
from mcp_server.backends.tryton.client import TrytonClient, beneath
from mcp_server.backends.tryton.collection import Kept, TrytonCollection, at, in_turn, ref_of
from mcp_server.backends.tryton.values import Column, Mark, flag, line, text, uom_decoded, uom_encoded
from mcp_server.domain.records import SHARED, Machine, MachineStatus, Material
from mcp_server.errors import Conflict, NotFound, RuleViolated

__all__ = ["MACHINES", "MATERIALS", "Machines", "Materials"]

_UNKNOWN = "unknown"


def _in_use(status: MachineStatus) -> bool:
    return status is not MachineStatus.DECOMMISSIONED


def _status(in_use: bool) -> MachineStatus:
    return MachineStatus.RUNNING if in_use else MachineStatus.DECOMMISSIONED


MACHINES = Kept(
    kind=Machine,
    model="production.work.center",
    module="production_work",
    native="CENTER",
    mark=Mark("name", bracketed=True),
    fields=(FieldMap("name", "name", line), FieldMap("status", "active", _in_use, _status)),
    columns={"name": Column(text), "active": Column(flag)},
    changes=frozenset({"name", "status"}),
    assumed={
        "project": SHARED,
        "workstation": _UNKNOWN,
        "type": _UNKNOWN,
        "make": _UNKNOWN,
        "model": _UNKNOWN,
        "serial": _UNKNOWN,
        "criticality": "A",  # until somebody says that it is less
        "energy_sources": ("electrical",),  # none would say that nothing need be locked out
        "meter": _UNKNOWN,
    },
)

MATERIALS = Kept(
    kind=Material,
    model="product.product",
    module="product",
    native="PRODUCT",
    mark=Mark("code", bracketed=False),
    fields=(FieldMap("name", "name", line), FieldMap("uom", "default_uom.symbol", uom_encoded, uom_decoded)),
    columns={"name": Column(text)},
    domain=(("active", "=", True), ("type", "=", "goods")),  # codes are unique only among what is active
    changes=frozenset({"name"}),
    client_ids=True,
    assumed={
        "project": SHARED,
        "type": _UNKNOWN,
        "standard": "-",
        "revision": "-",
        "lot_tracked": False,
        "supplier": _UNKNOWN,
        "status": "released",
    },
)


class Machines(TrytonCollection[Machine]):
    """A work center that is out of use takes no other change, and cannot be made so."""

    def __init__(self, client: TrytonClient) -> None:
        super().__init__(client, MACHINES)

    async def create(self, record: Machine, idempotency_key: str) -> str:  # noqa: ARG002 - Tryton knows no such keys
        body = self._body(record)
        made = await self._client.create(self._kept.model, body | {"active": True})
        if not body["active"]:
            await in_turn([partial(self._client.write, self._kept.model, made["id"], {"active": False})], taken=1)
        return ref_of(self._kept.model, made["id"])

    async def change(self, before: Machine, after: Machine, row: Row, idempotency_key: str) -> None:  # noqa: ARG002 - as above
        values = self._differing(after, row)
        back = {"active": True} if values.get("active") else {}
        rest = {name: value for name, value in values.items() if name not in back}
        write = partial(self._client.write, self._kept.model, self._number(row))
        await in_turn([partial(write, each) for each in (back, rest) if each])


class Materials(TrytonCollection[Material]):
    """A product is a variant of a template, which has its name and unit; we make both in one request."""

    def __init__(self, client: TrytonClient) -> None:
        super().__init__(client, MATERIALS)

    async def create(self, record: Material, idempotency_key: str) -> str:  # noqa: ARG002 - Tryton knows no such keys
        values = await self._template(record)
        try:
            made = await self._client.create("product.template", values, ("products.id",), repeatable=True)
        except RuleViolated as refused:
            if await self.one(record.id, None) is None:
                raise
            raise Conflict(refused.message, suggestion=refused.suggestion) from None
        return ref_of("product.product", beneath(made, "products"))

    async def change(self, before: Material, after: Material, row: Row, idempotency_key: str) -> None:  # noqa: ARG002 - as above
        if not (values := self._differing(after, row)):
            return
        product = await self._client.read("product.product", self._number(row), ("template.id",))
        template = at(product, "template.id")
        if not isinstance(template, int):
            raise NotFound(f"Tryton shows no {row.ref} any more, or not its template.")
        await self._client.write("product.template", template, values)

    async def _template(self, record: Material) -> dict[str, Any]:
        values = self._encoded(record, self._kept.fields)
        symbol = values.pop("default_uom.symbol")
        unit = await self._id_of("product.uom", f"unit of measure {symbol}", [("symbol", "=", symbol)])
        variants: list[Any] = [["create", [{}]]]
        return {"code": record.id, "type": "goods", "default_uom": unit, "products": variants} | values
