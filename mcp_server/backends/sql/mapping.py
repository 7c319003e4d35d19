"""Between records and calls and their table rows. A plain record is one row; a quality plan is a header and rows."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

import sqlalchemy as sa

from mcp_server.backends.base import Change, Sending, StoredCall
from mcp_server.backends.sql.tables import TABLES
from mcp_server.domain.records import PlanRow, QualityPlan, Record

__all__ = ["SEARCHED", "call_from", "call_values", "plan_row_values", "record_from", "values_of"]

R = TypeVar("R", bound=Record)

_KINDS = {kind.__name__: kind for kind in TABLES}

SEARCHED = ("id", "name", "title", "characteristic", "operation", "type", "description", "summary")
"""Fields a text search looks at, where a record has them."""


def values_of(record: Record) -> dict[str, Any]:
    """Column values of the record's own row."""
    columns = TABLES[type(record)].columns
    structured = {column.name for column in columns if isinstance(column.type, sa.JSON)}
    as_json = record.model_dump(mode="json", include=structured) if structured else {}
    return {c.name: as_json[c.name] if c.name in structured else getattr(record, c.name) for c in columns}


def plan_row_values(plan: QualityPlan) -> list[dict[str, Any]]:
    names = PlanRow.model_fields
    return [
        {"plan_key": plan.key, "position": position, **{name: getattr(row, name) for name in names}}
        for position, row in enumerate(plan.rows, start=1)
    ]


def record_from(kind: type[R], row: Mapping[str, Any], plan_rows: Iterable[Mapping[str, Any]] = ()) -> R:
    """A record from what the database returned.

    Raises:
        pydantic.ValidationError: the row is not one that our tools could have stored.
    """
    values = {name: value for name, value in row.items() if name in kind.model_fields}
    if kind is QualityPlan:
        names = PlanRow.model_fields
        values["rows"] = tuple(PlanRow.model_validate({n: r[n] for n in names}, strict=False) for r in plan_rows)
    return kind.model_validate(values, strict=False)


def call_values(call: StoredCall) -> dict[str, Any]:
    values = {field.name: getattr(call, field.name) for field in fields(call)}
    return values | {"sending": None if call.sending is None else _sending_values(call.sending)}


def call_from(row: Mapping[Any, Any]) -> StoredCall:
    """A stored call from what the database returned.

    Raises:
        KeyError, pydantic.ValidationError: what it was sending is not what our tools could have stored.
    """
    values = dict(row)
    if values["sending"] is not None:
        values["sending"] = _sending_from(values["sending"])
    return StoredCall(**values)


def _sending_values(sending: Sending) -> dict[str, Any]:
    changes = [
        {
            "kind": type(change.after).__name__,
            "before": None if change.before is None else change.before.model_dump(mode="json"),
            "after": change.after.model_dump(mode="json"),
        }
        for change in sending.changes
    ]
    return {field.name: getattr(sending, field.name) for field in fields(sending)} | {"changes": changes}


def _sending_from(values: Mapping[str, Any]) -> Sending:
    changes = tuple(_change_from(**change) for change in values["changes"])
    return Sending(changes, values["begun"], values["record_type"], values["record_id"])


def _change_from(kind: str, before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> Change:
    record = _KINDS[kind].model_validate
    return Change(None if before is None else record(before, strict=False), record(after, strict=False))
