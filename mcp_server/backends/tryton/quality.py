"""Specifications as points of quality controls, issues as quality alerts."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from mcp_server.backends.remote.port import FieldMap, Row
from mcp_server.backends.tryton.client import Found, TrytonClient, beneath
from mcp_server.backends.tryton.collection import Kept, TrytonCollection, in_turn, ref_of
from mcp_server.backends.tryton.values import Column, Mark, in_unit_text, line, moment, number, text, unit_in
from mcp_server.domain.issues.reporting import due_times
from mcp_server.domain.records import (
    SHARED,
    CharacteristicKind,
    Issue,
    IssueCategory,
    IssueState,
    Severity,
    Spec,
)
from mcp_server.errors import AnswerLost, BackendUnavailable, RuleViolated

__all__ = ["ISSUES", "SPECS", "Issues", "Specs"]

SPECS = Kept(
    kind=Spec,
    model="quality.control.point",
    module="quality",
    native="POINT",
    mark=Mark("string", bracketed=True),
    fields=(
        FieldMap("material_id", "control.product.code"),
        FieldMap("operation", "control.name", line),
        FieldMap("characteristic", "string", line),
        FieldMap("data_type", "type_"),
        FieldMap("unit", "help", str.strip),
        FieldMap("lsl", "tolerance_lower"),
        FieldMap("usl", "tolerance_upper"),
    ),
    columns={
        # A point of type `numeric` would compare decimals with floats: 57.00 would be below a limit of 57.00.
        "type_": Column(
            lambda type_: "attribute" if type_ == "boolean" else "variable",
            lambda data_type: "boolean" if data_type == "attribute" else "float",
        ),
        "help": Column(unit_in, in_unit_text),
        "tolerance_lower": Column(number),
        "tolerance_upper": Column(number),
    },
    domain=(("control.product", "!=", None), ("control.active", "=", True)),
    changes=frozenset({"characteristic", "unit", "lsl", "usl"}),
    assumed={"project": SHARED, "kind": CharacteristicKind.PRODUCT, "gauge": "unknown"},
)

_DIGITS = 6
"""Decimal places that Tryton's client offers for a value; it stores all there are."""


class Specs(TrytonCollection[Spec]):
    """One control holds all points of a material at an operation: its name is the operation's."""

    def __init__(self, client: TrytonClient) -> None:
        super().__init__(client, SPECS)

    async def create(self, record: Spec, idempotency_key: str) -> str:  # noqa: ARG002 - Tryton knows no such keys
        product = await self._id_of(
            "product.product",
            f"product {record.material_id}",
            [("code", "=", record.material_id), ("active", "=", True)],
        )
        point = self._point(record)
        control = await self._control(product, line(record.operation))
        if control is not None:
            made = await self._client.create(self._kept.model, {"control": control} | point)
            return ref_of(self._kept.model, made["id"])
        points = [["create", [point]]]
        values = {"name": line(record.operation), "product": product, "operations": [], "points": points}
        made = await self._client.create("quality.control", values, ("points.id",))
        return ref_of(self._kept.model, beneath(made, "points"))

    def _point(self, record: Spec) -> dict[str, Any]:
        own = {name: value for name, value in self._body(record).items() if not name.startswith("control.")}
        return {"name": record.id, "digits": _DIGITS} | own

    async def _control(self, product: int, operation: str) -> int | None:
        domain = [("product", "=", product), ("name", "=", operation), ("active", "=", True)]
        listed = await self._client.search("quality.control", domain, ("id",), limit=1)
        return listed.records[0]["id"] if listed.records else None


_STATES = {
    IssueState.OPEN: "open",
    IssueState.CLOSED: "resolved",
    IssueState.CANCELLED: "resolved",
}
_STATES_BACK = {
    "open": IssueState.OPEN,
    "processing": IssueState.TRIAGED,
    "deferred": IssueState.TRIAGED,
    "resolved": IssueState.CLOSED,
}
_BUTTONS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("open", "processing"): ("process",),
    ("open", "resolved"): ("process", "resolve"),
    ("processing", "open"): ("resolve", "open"),
    ("processing", "resolved"): ("resolve",),
    ("deferred", "open"): ("process", "resolve", "open"),
    ("deferred", "processing"): ("process",),
    ("deferred", "resolved"): ("process", "resolve"),
    ("resolved", "open"): ("open",),
    ("resolved", "processing"): ("open", "process"),
}
"""Which buttons take an alert from one state to another; Tryton has no shorter way."""
_WRITABLE = ("open", "processing")

_REPORTED = "Reported to Shopfloor"
"""The control behind our alerts: an alert must come from an inspection, and an inspection from a control."""
_REPORTED_POINT = {"name": "as_it_should_be", "string": "As it should be", "type_": "boolean"}


def _opened(found: Found) -> Mapping[str, Any]:
    opened = moment(found.get("create_date"))
    if opened is None:
        return {}
    return {"detected_at": opened, "opened_at": opened, **due_times(Severity.MAJOR, opened)}


ISSUES = Kept(
    kind=Issue,
    model="quality.alert",
    module="quality",
    native="ALERT",
    mark=Mark("title", bracketed=True),
    fields=(
        FieldMap("title", "title", line),
        FieldMap("description", "description", str.strip),
        FieldMap("state", "state", lambda state: _STATES.get(state, "processing"), _STATES_BACK.__getitem__),
    ),
    columns={"title": Column(lambda title: title or "Quality alert"), "description": Column(text)},
    changes=frozenset({"title", "description", "state"}),
    assumed={
        "project": SHARED,
        "category": IssueCategory.QUALITY,
        "severity": Severity.MAJOR,
        "qty_affected": 0,
        "detected_by": "unknown",
    },
    beside=("create_date",),
    tells=_opened,
)


class Issues(TrytonCollection[Issue]):
    """An alert is made together with the inspection it must come from: a person in Tryton may confirm that one."""

    def __init__(self, client: TrytonClient) -> None:
        super().__init__(client, ISSUES)

    def takes(self, record: Issue) -> bool:
        """An alert begins as open; what has come to its end already would look as if it happened now."""
        return record.state is IssueState.OPEN and super().takes(record)

    async def create(self, record: Issue, idempotency_key: str) -> str:  # noqa: ARG002 - Tryton knows no such keys
        alert = {name: value for name, value in self._body(record).items() if name != "state"}
        values = {
            "control": await self._reported(),
            "reference": record.id,
            "points": {_REPORTED_POINT["name"]: False},
            "alerts": [["create", [alert]]],
        }
        made = await self._client.create("quality.inspection", values, ("alerts.id",))
        return ref_of(self._kept.model, beneath(made, "alerts"))

    async def change(self, before: Issue, after: Issue, row: Row, idempotency_key: str) -> None:  # noqa: ARG002 - as above
        """Tryton keeps the texts of an alert that is deferred or resolved from being changed."""
        values = self._differing(after, row)
        now = row.values["state"]
        then = values.pop("state", now)
        steps = [partial(self._client.press, self._kept.model, self._number(row), b) for b in _buttons(now, then)]
        if values:
            write = partial(self._client.write, self._kept.model, self._number(row), values)
            steps.insert(0 if now in _WRITABLE else len(steps), write)
        await in_turn(steps)

    async def _reported(self) -> int:
        """The control behind our alerts; the first issue makes it."""
        listed = await self._client.search("quality.control", [("name", "=", _REPORTED)], ("id",), limit=1)
        if listed.records:
            found: int = listed.records[0]["id"]
            return found
        values = {"name": _REPORTED, "operations": [], "points": [["create", [_REPORTED_POINT]]]}
        try:
            made: int = (await self._client.create("quality.control", values))["id"]
        except AnswerLost as lost:  # of the issue itself nothing was sent
            raise BackendUnavailable(lost.message, suggestion="Try again.", retry_after_s=lost.retry_after_s) from None
        return made


def _buttons(now: str, then: str) -> tuple[str, ...]:
    if now == then:
        return ()
    if (now, then) not in _BUTTONS:
        raise RuleViolated(f"Tryton cannot take a quality alert from {now} to {then}.", field="state")
    return _BUTTONS[now, then]
