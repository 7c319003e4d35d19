"""Between a record and its table rows. A plain record is one row; a quality plan is a header and its rows."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import sqlalchemy as sa

from mcp_server.backends.sql import tables
from mcp_server.domain.records import (
    EquipmentNode,
    Gauge,
    Issue,
    Machine,
    Material,
    PlanRow,
    Project,
    QualityPlan,
    Record,
    Spec,
    Workstation,
)

__all__ = ["SEARCHED", "TABLES", "plan_row_values", "record_from", "values_of"]

R = TypeVar("R", bound=Record)

TABLES: Mapping[type[Record], sa.Table] = {
    Project: tables.projects,
    EquipmentNode: tables.equipment,
    Machine: tables.machines,
    Material: tables.materials,
    Spec: tables.specs,
    Workstation: tables.workstations,
    Gauge: tables.gauges,
    QualityPlan: tables.quality_plans,
    Issue: tables.issues,
}

SEARCHED = ("id", "name", "title", "characteristic", "operation", "type", "description")
"""Fields a text search looks at, where a record has them."""


def values_of(record: Record) -> dict[str, Any]:
    """Column values of the record's own row."""
    return {column.name: getattr(record, column.name) for column in TABLES[type(record)].columns}


def plan_row_values(plan: QualityPlan) -> list[dict[str, Any]]:
    names = PlanRow.model_fields
    return [
        {"plan_id": plan.id, "position": position, **{name: getattr(row, name) for name in names}}
        for position, row in enumerate(plan.rows, start=1)
    ]


def record_from(kind: type[R], row: Mapping[str, Any], plan_rows: Iterable[Mapping[str, Any]] = ()) -> R:
    """A record from what the database returned.

    Raises:
        pydantic.ValidationError: the row is not one that our tools could have stored.
    """
    values = dict(row)
    if kind is QualityPlan:
        names = PlanRow.model_fields
        values["rows"] = tuple(PlanRow.model_validate({n: r[n] for n in names}, strict=False) for r in plan_rows)
    return kind.model_validate(values, strict=False)
