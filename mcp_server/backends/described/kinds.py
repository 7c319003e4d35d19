"""What can be described: the kinds of records by name, and the shape of each of their fields."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from mcp_server.domain import records
from mcp_server.domain.records import ChangedRecord, Document, HistoryEntry, Record

__all__ = ["RECORD_KINDS", "FieldShape", "Shape", "ours_alone", "shapes_of"]

Shape = Literal["text", "integer", "number", "boolean", "date", "datetime", "choice", "texts", "numbers", "structure"]

_SHAPES: dict[Any, Shape] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "boolean",
    date: "date",
    datetime: "datetime",
}


@dataclass(frozen=True, slots=True)
class FieldShape:
    """`choices` are the values of a fixed set, as in JSON."""

    shape: Shape
    required: bool
    nullable: bool
    choices: tuple[str, ...] = ()


def _kinds() -> dict[str, type[Record]]:
    """All kinds but documents, whose revisions are records of their own, and the history."""
    found = (getattr(records, name) for name in records.__all__)
    return {
        re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower(): kind
        for kind in found
        if isinstance(kind, type)
        and issubclass(kind, Record)
        and not issubclass(kind, Document | HistoryEntry)
        and kind not in {Record, ChangedRecord}
    }


RECORD_KINDS = _kinds()


def ours_alone(kind: type[Record]) -> Mapping[str, str]:
    """Fields that cannot be described, and why."""
    why = {"id": "is described under id"}
    if issubclass(kind, ChangedRecord):
        why["revision"] = "counts our own changes and is never there"
    return why


def shapes_of(kind: type[Record]) -> dict[str, FieldShape]:
    """The fields that can be described, by name."""
    return {
        name: _shape_of(field.annotation, required=field.is_required())
        for name, field in kind.model_fields.items()
        if name not in ours_alone(kind)
    }


def _shape_of(annotation: Any, *, required: bool) -> FieldShape:  # noqa: ANN401 - any annotation
    nullable = get_origin(annotation) in {Union, UnionType} and NoneType in get_args(annotation)
    if nullable:
        annotation = next(part for part in get_args(annotation) if part is not NoneType)
    if get_origin(annotation) is Literal:
        return FieldShape("choice", required, nullable, get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return FieldShape("choice", required, nullable, tuple(annotation))
    if get_origin(annotation) is tuple:
        lists: dict[Any, Shape] = {str: "texts", float: "numbers"}
        return FieldShape(lists.get(get_args(annotation)[0], "structure"), required, nullable)
    return FieldShape(_SHAPES.get(annotation, "structure"), required, nullable)
