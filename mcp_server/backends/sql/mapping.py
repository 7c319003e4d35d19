"""Between a record and its table rows. A plain record is one row; a quality plan is a header and its rows."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import sqlalchemy as sa

from mcp_server.backends.sql.tables import TABLES
from mcp_server.domain.records import PlanRow, QualityPlan, Record

__all__ = ["SEARCHED", "plan_row_values", "record_from", "values_of"]

R = TypeVar("R", bound=Record)

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
