"""One record out of two stores: what the system holds of it, and what the companion store keeps beside."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from mcp_server.backends.remote.port import Collection, FieldMap, Row
from mcp_server.domain.records import ChangedRecord, Document, Record, split_document_key
from mcp_server.errors import InternalError

__all__ = ["columns_of", "held_differently", "holds", "merged"]

R = TypeVar("R", bound=Record)

_LONGEST_SHOWN = 40
UNFIT = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError)
"""What translating a value that does not fit raises."""


def columns_of(collection: Collection[R], record: R) -> dict[str, Any]:
    """The system's values of everything it holds of the record, by column."""
    return {mapped.column: mapped.encode(getattr(record, mapped.field)) for mapped in collection.fields}


def holds(collection: Collection[R], row: Row, record: R) -> bool:
    """Whether the system shows exactly this record, as far as it can."""
    return not held_differently(collection, row, record)


def held_differently(collection: Collection[R], row: Row, record: R) -> tuple[str, ...]:
    """The fields of the record that the system holds with another value."""
    return tuple(mapped.field for mapped in collection.fields if not _same(mapped, row, record))


def merged(collection: Collection[R], row: Row, known: R | None) -> R:
    """The record as the system holds it. What it does not hold is as `known`, or as the adapter assumes.

    Where the system's value is the one that the known value becomes there, the known value stands: several of ours may
    become one of theirs. A known record that was changed behind our back is of a later revision than its last one.

    Raises:
        InternalError: what the system shows does not make a record.
    """
    theirs = collection.fields if known is None else [m for m in collection.fields if not _same(m, row, known)]
    if known is not None and not theirs:
        return known
    values: dict[str, Any] = {**collection.assumed, **row.assumed} if known is None else known.model_dump()
    unknown: list[str] = []
    try:
        values |= _identity(collection.kind, row.key) if known is None else _next_revision(known)
    except ValueError:
        unknown.append("id")
    for mapped in theirs:
        try:
            values[mapped.field] = mapped.decode(row.values.get(mapped.column))
        except UNFIT:
            unknown.append(mapped.field)
    try:
        if not unknown:
            return collection.kind.model_validate(values, strict=False)
    except ValidationError as error:
        unknown += sorted({str(problem["loc"][0]) for problem in error.errors(include_input=False) if problem["loc"]})
    shown = {mapped.field: f"{mapped.field} ({_shown(row.values.get(mapped.column))})" for mapped in theirs}
    raise InternalError(
        f"The system of record holds {collection.kind.noun} {row.ref} in a form the server does not know: "
        f"{', '.join(shown.get(name, name) for name in unknown) or 'as a whole'}.",
        suggestion="Correct the record there, or the description of the system here.",
    )


def _shown(theirs: Any) -> str:  # noqa: ANN401 - a value of any system
    """A value of the system, as its beginning on one line."""
    match theirs:
        case None:
            return "nothing"
        case str():
            return f"{theirs[:_LONGEST_SHOWN]!r}{'…' if len(theirs) > _LONGEST_SHOWN else ''}"
        case int() | float():
            return repr(theirs)[:_LONGEST_SHOWN]
        case _:
            return f"a {type(theirs).__name__}"


def _same(mapped: FieldMap, row: Row, record: Record) -> bool:
    theirs = row.values.get(mapped.column)
    try:
        if _equal(mapped.encode(getattr(record, mapped.field)), theirs):
            return True
    except UNFIT:
        pass  # a value that the system has no word for may still be what it reads as
    return _reads_as(mapped, theirs, record)


def _reads_as(mapped: FieldMap, theirs: Any, record: Record) -> bool:  # noqa: ANN401 - a value of any system
    """A system may show one value in several ways, such as a time with another offset from UTC."""
    ours = getattr(record, mapped.field)
    try:
        decoded = mapped.decode(theirs)
        if isinstance(decoded, bool) is not isinstance(ours, bool):
            return False
        read = type(record).model_validate(record.model_dump() | {mapped.field: decoded}, strict=False)
    except UNFIT:
        return False
    return bool(getattr(read, mapped.field) == ours)


def _equal(ours: Any, theirs: Any) -> bool:  # noqa: ANN401 - values of any system
    """Equal in value and in kind: JSON's 1 is a float's 1.0, but neither is true, and NaN equals nothing."""
    match ours, theirs:
        case (bool(), _) | (_, bool()):
            return ours is theirs
        case (int() | float(), int() | float()):
            return ours == theirs
        case (list() | tuple(), list() | tuple()):
            return _all_equal(ours, theirs)  # pyright: ignore[reportUnknownArgumentType] - values of any system
        case (dict(), dict()):
            return ours.keys() == theirs.keys() and _all_equal(ours.values(), (theirs[k] for k in ours))  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType, reportUnknownVariableType] - as above
        case _:
            return bool(ours == theirs)


def _all_equal(ours: Iterable[Any], theirs: Iterable[Any]) -> bool:
    left, right = list(ours), list(theirs)
    return len(left) == len(right) and all(_equal(a, b) for a, b in zip(left, right, strict=True))


def _identity(kind: type[Record], key: str) -> Mapping[str, Any]:
    if not issubclass(kind, Document):
        return {"id": key}
    document_id, revision = split_document_key(key)
    return {"id": document_id, "revision": revision}


def _next_revision(known: Record) -> Mapping[str, Any]:
    return {"revision": known.revision + 1} if isinstance(known, ChangedRecord) else {}
