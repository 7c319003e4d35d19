"""Whether each field's column can hold it, there and back."""

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mcp_server.backends.described.description import Description, FieldDescription, RecordDescription, Scalar
from mcp_server.backends.described.kinds import RECORD_KINDS, FieldShape
from mcp_server.backends.described.places import is_place
from mcp_server.backends.described.problems import did_you_mean
from mcp_server.backends.described.source import Problem, Where

__all__ = ["FORMS", "field_problems", "scale_of"]

_TIME_FORMS = ("iso", "space", "seconds", "milliseconds")
FORMS: Mapping[str, tuple[str, ...]] = {
    "text": ("number",),
    "integer": ("text",),
    "number": ("text",),
    "boolean": ("text", "zero_one"),
    "date": _TIME_FORMS,
    "datetime": _TIME_FORMS,
}
"""The forms each shape of field may be written in, beside its own."""


def scale_of(described: FieldDescription) -> Fraction | None:
    """Theirs divided by ours.

    Raises:
        ValueError: it is no number above 0.
    """
    if described.scale is None:
        return None
    text = str(described.scale)
    if not re.fullmatch(r"[0-9.eE+-]+(/[0-9]+)?", text):
        raise ValueError(text)
    try:
        scale = Fraction(text)
    except ZeroDivisionError as error:
        raise ValueError(text) from error
    if scale <= 0:
        raise ValueError(text)
    return scale


def field_problems(
    where: Where, record: RecordDescription, shapes: Mapping[str, FieldShape], description: Description
) -> Iterator[Problem]:
    """Problems of `fields` and `tells`; two fields may read one column, but not both write it."""
    columns: dict[str, str] = {}
    for name, described in record.fields.items():
        if described.column in columns:
            at = (*where, "fields", name)
            yield Problem(at, f"has the column {described.column}, which {columns[described.column]} has already.")
        columns.setdefault(described.column, name)
    for name in record.tells:
        if name in record.fields:
            yield Problem((*where, "tells", name), "stands under fields already. Take one of them out.")
    for key, fields in (("fields", record.fields), ("tells", record.tells)):
        yield from _column_problems((*where, key), fields, shapes, description)


def _column_problems(
    where: Where,
    fields: Mapping[str, FieldDescription],
    shapes: Mapping[str, FieldShape],
    description: Description,
) -> Iterator[Problem]:
    for name, described in fields.items():
        if name not in shapes:
            continue
        at = (*where, name)
        if shapes[name].shape == "structure":
            yield Problem(at, "has parts of its own, which no column holds. Take it out; we keep it ourselves.")
            continue
        for key, place in (("column", described.column), ("read", described.read)):
            if place is not None and not is_place(place):
                yield Problem((*at, key), f"is no place in JSON: {place[:60]!r}. Write it as status or asset.id.")
        if described.column.startswith("["):
            yield Problem((*at, "column"), "must begin with the name of a column.")
        yield from _writing_problems(at, shapes[name], described)
        yield from _map_problems(at, shapes[name], described, description.empty)
        yield from _reference_problems(at, shapes[name], described, description.records)


def _writing_problems(at: Where, shape: FieldShape, described: FieldDescription) -> Iterator[Problem]:
    allowed = FORMS.get(shape.shape, ())
    if described.form is not None and described.form not in allowed:
        yield Problem((*at, "form"), f"cannot be {described.form}: {_forms_told(shape, allowed)}")
    if described.separator is not None and shape.shape != "texts":
        yield Problem((*at, "separator"), "is for a list of texts. Take it out.")
    if described.scale is not None:
        if shape.shape not in {"integer", "number"}:
            yield Problem((*at, "scale"), "is for a number. Take it out.")
        try:
            scale_of(described)
        except ValueError:
            yield Problem((*at, "scale"), "must be a number above 0, such as 1000, 0.5 or 1/60.")
    if described.zone is not None:
        if shape.shape not in {"date", "datetime"} or described.form not in _TIME_FORMS:
            yield Problem(
                (*at, "zone"), f"is for a time. Write form: {', '.join(_TIME_FORMS)} beside it, or take it out."
            )
        try:
            ZoneInfo(described.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones is no zone
            yield Problem((*at, "zone"), "is no IANA time zone. Write one such as Europe/Berlin.")


def _forms_told(shape: FieldShape, allowed: tuple[str, ...]) -> str:
    named = f"a {shape.shape} can be {' or '.join(allowed)}" if allowed else f"a {shape.shape} has only its own form"
    return f"{named}. Change it, or take it out."


def _map_problems(at: Where, shape: FieldShape, described: FieldDescription, empty: Scalar) -> Iterator[Problem]:
    ours = ("true", "false") if shape.shape == "boolean" else tuple(map(str, shape.choices))
    values = described.values
    if values is None:
        if described.reads:
            yield Problem((*at, "reads"), "needs values beside it, which say what we write.")
        return
    if shape.shape not in {"choice", "boolean", "text"} or described.form or described.scale:
        yield Problem((*at, "values"), "is for a text or one of a fixed set, and stands alone. Use form or scale.")
        return
    for value, theirs in values.items():
        if theirs is None or (theirs == empty and shape.shape != "boolean"):
            yield Problem((*at, "values", value), "becomes what an empty column shows, and could not be read back.")
    if ours:
        yield from _coverage_problems((*at, "values"), ours, values)
    shown = {str(theirs) for theirs in values.values()}
    for theirs, value in described.reads.items():
        if theirs in shown:
            yield Problem((*at, "reads", theirs), "is written by values already, and read back as that.")
        if value not in values:
            yield Problem(
                (*at, "reads", theirs), f"is taken for {value}, which values lacks. {did_you_mean(value, values)}"
            )


def _coverage_problems(at: Where, ours: tuple[str, ...], values: Mapping[str, Scalar]) -> Iterator[Problem]:
    for value in values:
        if value not in ours:
            yield Problem((*at, value), f"is no value of ours. {did_you_mean(value, ours)}")
    if missing := [value for value in ours if value not in values]:
        yield Problem(at, f"lacks {', '.join(missing)}. Say what each becomes there.")


def _reference_problems(
    at: Where, shape: FieldShape, described: FieldDescription, records: Mapping[str, RecordDescription]
) -> Iterator[Problem]:
    if described.refers is None:
        return
    if described.refers not in RECORD_KINDS:
        known = did_you_mean(described.refers, sorted(RECORD_KINDS))
        yield Problem((*at, "refers"), f"is no kind of record. {known}")
    elif described.refers not in records:
        yield Problem((*at, "refers"), "is a kind that this file does not describe. Describe it under records.")
    elif any(field.refers for field in records[described.refers].fields.values()):
        yield Problem((*at, "refers"), "names a kind that refers to another one itself, which is one step too many.")
    if shape.shape != "text" or described.values:
        yield Problem((*at, "refers"), "is for a field that holds one id, without values.")
