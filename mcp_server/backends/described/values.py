"""How a field's value is written there, and read back.

Encoders and decoders raise `ValueError`, `TypeError` or `LookupError` for a value they have no word for.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, tzinfo
from fractions import Fraction
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from mcp_server.backends.described.description import Description, FieldDescription, RecordDescription, Scalar
from mcp_server.backends.described.field_checks import scale_of
from mcp_server.backends.described.kinds import FieldShape, shapes_of
from mcp_server.backends.described.references import References
from mcp_server.backends.remote.port import FieldMap, unchanged
from mcp_server.domain.records import Record

__all__ = ["field_maps"]

Way = tuple[Callable[[Any], Any], Callable[[Any], Any]]
"""There and back."""


def field_maps(
    kind: type[Record],
    fields: Mapping[str, FieldDescription],
    record: RecordDescription,
    description: Description,
    references: References,
) -> tuple[FieldMap, ...]:
    """Of the `fields` or of the `tells` of a record."""
    shapes = shapes_of(kind)
    maps: list[FieldMap] = []
    for name, described in fields.items():
        encode, decode = _way(shapes[name], described, references)
        fallback = record.assumed.get(name, _EMPTY.get(shapes[name].shape))
        missing = None if shapes[name].nullable else fallback
        shows_empty = description.empty if shapes[name].shape != "boolean" else None
        maps.append(
            FieldMap(
                field=name,
                column=described.column,
                encode=partial(_encoded, encode, shows_empty),
                decode=partial(_decoded, decode, shows_empty, missing),
            )
        )
    return tuple(maps)


_EMPTY: Mapping[str, Any] = {"text": "", "texts": (), "numbers": ()}


def _encoded(encode: Callable[[Any], Any], shows_empty: Any, value: Any) -> Any:  # noqa: ANN401 - any value
    return shows_empty if value is None else encode(value)


def _decoded(decode: Callable[[Any], Any], shows_empty: Any, missing: Any, value: Any) -> Any:  # noqa: ANN401 - any value
    """What is empty there is None, or what a field that must have a value is assumed to have."""
    if value is None or (shows_empty is not None and value == shows_empty and isinstance(value, type(shows_empty))):
        return missing
    return decode(value)


def _way(shape: FieldShape, described: FieldDescription, references: References) -> Way:
    if described.refers is not None:
        to_ref, to_key = references.ways(described.refers)
        encode, decode = _number_of_text if described.form == "number" else _TEXT
        return (lambda key: encode(to_ref(key))), (lambda theirs: to_key(decode(theirs)))
    if described.values is not None:
        return _mapped(described.values, described.reads, shape)
    if shape.shape in {"integer", "number"}:
        return _number(scale_of(described), whole=shape.shape == "integer", as_text=described.form == "text")
    if shape.shape in {"date", "datetime"}:
        return _moment(described, only_day=shape.shape == "date")
    if shape.shape == "texts" and described.separator is not None:
        return _joined(described.separator)
    return _PLAIN[shape.shape, described.form]


def _mapped(values: Mapping[str, Scalar], reads: Mapping[str, str], shape: FieldShape) -> Way:
    back: dict[Any, str] = {}
    for ours, theirs in values.items():
        back.setdefault(_told_apart(theirs), ours)
    taken = {**{_told_apart(theirs): ours for theirs, ours in reads.items()}, **back}
    open_set = shape.shape == "text"

    def encode(value: Any) -> Any:  # noqa: ANN401 - any value
        name = str(value).lower() if shape.shape == "boolean" else str(value)
        return values.get(name, name) if open_set else values[name]

    def decode(theirs: Any) -> Any:  # noqa: ANN401 - any value
        key = _told_apart(theirs)
        key = key if key in taken else str(theirs)  # a key of `reads` is always a text
        if open_set:
            return taken.get(key) or _text(theirs)
        return taken[key] == "true" if shape.shape == "boolean" else taken[key]

    return encode, decode


def _told_apart(theirs: Any) -> Any:  # noqa: ANN401 - any scalar
    """As a key of a dict, where true would be 1."""
    return (str(theirs),) if isinstance(theirs, bool) else theirs


def _number(scale: Fraction | None, *, whole: bool, as_text: bool) -> Way:
    def encode(value: float) -> Any:  # noqa: ANN401 - a number, or it as text
        exact = Fraction(repr(value)) * (scale or 1)
        number = int(exact) if exact.denominator == 1 and (whole or scale) else float(exact)
        return str(number) if as_text else number

    def decode(theirs: Any) -> float:  # noqa: ANN401 - any value
        if isinstance(theirs, bool) or not isinstance(theirs, str if as_text else int | float):
            raise TypeError(type(theirs).__name__)
        exact = Fraction(theirs if isinstance(theirs, str) else repr(theirs)) / (scale or 1)
        if whole and scale is None and exact.denominator != 1:
            raise ValueError("not a whole number")
        return round(exact) if whole else float(exact)

    return encode, decode


def _moment(described: FieldDescription, *, only_day: bool) -> Way:
    zone: tzinfo = ZoneInfo(described.zone) if described.zone else UTC
    if only_day and described.form is None:
        return date.isoformat, _day
    write, read = _MOMENTS[described.form or "iso"]

    def encode(value: date) -> Any:  # noqa: ANN401 - text or number
        moment = value if isinstance(value, datetime) else datetime.combine(value, time(), zone)
        return write(moment.astimezone(zone))

    def decode(theirs: Any) -> date:  # noqa: ANN401 - any value
        moment = read(theirs, zone)
        return moment.astimezone(zone).date() if only_day else moment.astimezone(UTC)

    return encode, decode


def _day(theirs: Any) -> date:  # noqa: ANN401 - any value
    """The day of a date, or of a time that is written as one: `2026-11-22 00:00:00`."""
    return date.fromisoformat(theirs[:10])


def _iso(moment: datetime) -> str:
    text = moment.isoformat()
    return f"{text[:-6]}Z" if text.endswith("+00:00") else text


def _read_text(theirs: Any, zone: tzinfo) -> datetime:  # noqa: ANN401 - any value
    moment = datetime.fromisoformat(theirs)
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _read_since(per_second: int, theirs: Any, _zone: tzinfo) -> datetime:  # noqa: ANN401 - any value
    if isinstance(theirs, bool):
        raise TypeError("bool")
    return datetime.fromtimestamp(theirs / per_second, UTC)


_MOMENTS: Mapping[str, tuple[Callable[[datetime], Any], Callable[[Any, tzinfo], datetime]]] = {
    "iso": (_iso, _read_text),
    "space": (lambda moment: moment.strftime("%Y-%m-%d %H:%M:%S"), _read_text),
    "seconds": (lambda moment: int(moment.timestamp()), partial(_read_since, 1)),
    "milliseconds": (lambda moment: round(moment.timestamp() * 1000), partial(_read_since, 1000)),
}


def _joined(separator: str) -> Way:
    def decode(theirs: Any) -> tuple[str, ...]:  # noqa: ANN401 - any value
        return tuple(part.strip() for part in _text(theirs).split(separator.strip() or separator) if part.strip())

    return separator.join, decode


def _text(theirs: Any) -> str:  # noqa: ANN401 - any value
    """Text; a number of theirs, such as an id, as text."""
    if isinstance(theirs, bool) or not isinstance(theirs, str | int):
        raise TypeError(type(theirs).__name__)
    return str(theirs)


def _truth(theirs: Any) -> bool:  # noqa: ANN401 - any value
    if theirs not in (0, 1):  # of which false and true are two
        raise ValueError("neither 0 nor 1")
    return bool(theirs)


def _truth_of_text(theirs: Any) -> bool:  # noqa: ANN401 - any value
    return {"true": True, "false": False}[_text(theirs).lower()]


def _texts(theirs: Any) -> tuple[str, ...]:  # noqa: ANN401 - any value
    return tuple(map(_text, _items(theirs)))


def _items(theirs: Any) -> list[Any]:  # noqa: ANN401 - any value
    if not isinstance(theirs, list):
        raise TypeError(type(theirs).__name__)
    return theirs  # pyright: ignore[reportUnknownVariableType] - JSON


_TEXT: Way = (unchanged, _text)
_number_of_text: Way = (int, _text)
_PLAIN: Mapping[tuple[str, str | None], Way] = {
    ("text", None): _TEXT,
    ("text", "number"): _number_of_text,
    ("choice", None): (str, _text),
    ("boolean", None): (unchanged, _truth),
    ("boolean", "zero_one"): (int, _truth),
    ("boolean", "text"): (lambda value: str(value).lower(), _truth_of_text),
    ("texts", None): (list, _texts),
    ("numbers", None): (list, lambda theirs: tuple(map(float, _items(theirs)))),
}
