"""What a description must get right beyond its shape: kinds, fields, required values, placeholders, and no secret."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import JsonValue, TypeAdapter, ValidationError

from mcp_server.backends.described.description import (
    Auth,
    Description,
    FieldDescription,
    Listing,
    RecordDescription,
)
from mcp_server.backends.described.field_checks import field_problems
from mcp_server.backends.described.kinds import RECORD_KINDS, ours_alone, shapes_of
from mcp_server.backends.described.places import PLACEHOLDER, is_place
from mcp_server.backends.described.problems import did_you_mean
from mcp_server.backends.described.source import Problem, Where
from mcp_server.domain.records import Record

__all__ = ["problems_of", "typed_value"]

_SECRET_NAME = re.compile(r"(?i)authori[sz]ation|cookie|token|secret|passw|api-?_?key|credential")
_CREDENTIALS = ("user", "password", "token", "basic")
_SECRETS = {"password", "token", "basic"}
_AROUND_CREDENTIALS = re.compile(r'[A-Za-z]{0,20} ?[A-Za-z]{0,10}[ :="]{0,4}')
_TO_SETTINGS = "Credentials come from SHOPFLOOR_BACKEND_USER, _PASSWORD and _TOKEN, never from the file."


def problems_of(description: Description) -> Iterator[Problem]:
    yield from _auth_problems(description.auth)
    for name, value in description.headers.items():
        if _SECRET_NAME.search(name) or "{" in value:
            yield Problem(("headers", name), f"would carry a credential; describe it under auth. {_TO_SETTINGS}")
    for index, place in enumerate(description.error):
        yield from _place_problems(("error", index), place)
    for kind, record in description.records.items():
        if kind not in RECORD_KINDS:
            yield Problem(("records", kind), f"is no kind of record. {did_you_mean(kind, sorted(RECORD_KINDS))}")
        else:
            yield from _record_problems(("records", kind), RECORD_KINDS[kind], record, description)


def typed_value(kind: type[Record], name: str, value: JsonValue) -> Any:  # noqa: ANN401 - a value of any field
    """A value of the file as one of the field.

    Raises:
        ValueError: it is none.
    """
    field = kind.model_fields[name]
    adapter: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())
    return adapter.validate_python(value, strict=False)


def _auth_problems(auth: Auth | None) -> Iterator[Problem]:
    if auth is None:
        return
    used = set(PLACEHOLDER.findall(auth.value))
    if unknown := used - set(_CREDENTIALS):
        yield Problem(
            ("auth", "value"), f"has the unknown {{{min(unknown)}}}. {did_you_mean(min(unknown), _CREDENTIALS)}"
        )
    elif not used & _SECRETS or not _AROUND_CREDENTIALS.fullmatch(PLACEHOLDER.sub("", auth.value)):
        yield Problem(("auth", "value"), f'must be made of placeholders, such as "Bearer {{token}}". {_TO_SETTINGS}')
    if auth.login is None:
        return
    if "token" not in used:
        yield Problem(("auth", "value"), "must hold {token}, which the login answers with.")
    yield from _place_problems(("auth", "login", "token"), auth.login.token)
    for where, text in _texts(("auth", "login", "body"), auth.login.body):
        used = set(PLACEHOLDER.findall(text))
        if unknown := used - set(_CREDENTIALS):
            yield Problem(where, f"has the unknown {{{min(unknown)}}}. {did_you_mean(min(unknown), _CREDENTIALS)}")
        elif _SECRET_NAME.search(str(where[-1])) and not used:
            yield Problem(where, f'must be a placeholder, such as "{{password}}". {_TO_SETTINGS}')


def _record_problems(
    where: Where, kind: type[Record], record: RecordDescription, description: Description
) -> Iterator[Problem]:
    shapes, alone = shapes_of(kind), ours_alone(kind)
    for key in ("fields", "tells", "assumed", "takes"):
        for name in getattr(record, key):
            if name in alone:
                yield Problem((*where, key, name), f"{alone[name]}; take it out.")
            elif name not in shapes:
                yield Problem((*where, key, name), f"is no field of {kind.noun}. {did_you_mean(name, shapes)}")
    yield from field_problems(where, record, shapes, description)
    for name, shape in shapes.items():
        if shape.required and name not in {*record.fields, *record.tells, *record.assumed}:
            yield Problem(
                (*where, "fields"),
                f"lacks {name}, which a {kind.noun} must have. Map it, or name it under tells or assumed.",
            )
    yield from _value_problems(where, kind, record)
    yield from _request_problems(where, record)
    yield from _identity_problems(
        where, record, texts={name for name, shape in shapes.items() if shape.shape == "text"}
    )
    if description.etag and record.change and record.one is None:
        yield Problem(where, "lacks one: with etag, a record is read alone before it is changed.")


def _value_problems(where: Where, kind: type[Record], record: RecordDescription) -> Iterator[Problem]:
    for key in ("assumed", "takes"):
        given: Mapping[str, JsonValue] = getattr(record, key)
        for name, value in given.items():
            if name not in shapes_of(kind):
                continue
            several = value if key == "takes" and isinstance(value, list) else [value]
            for one in several:
                try:
                    typed_value(kind, name, one)
                except ValidationError as error:
                    reason = error.errors(include_url=False, include_input=False)[0]["msg"]
                    yield Problem((*where, key, name), f"is no {name} of a {kind.noun}: {reason}.")


def _identity_problems(where: Where, record: RecordDescription, texts: set[str]) -> Iterator[Problem]:
    columns = {described.column: name for name, described in record.fields.items()}
    for place in filter(None, (record.id.client, record.id.stamp, record.ref)):
        yield from _place_problems((*where, "id"), place)
    stamp, client = record.id.stamp, record.id.client
    if client is not None and client.startswith("["):
        yield Problem((*where, "id", "client"), "must begin with the name of a column.")
    if client is not None and client in columns:
        yield Problem((*where, "id", "client"), f"is also the column of {columns[client]}. Our id needs its own.")
    if stamp is None:
        return
    field = columns.get(stamp)
    if field is None:
        yield Problem((*where, "id", "stamp"), f"is no column under fields. {did_you_mean(stamp, columns)}")
    elif field not in texts or record.fields[field] != FieldDescription(column=stamp):
        yield Problem((*where, "id", "stamp"), f"must be the plain column of a text; {field} is not.")


def _request_problems(where: Where, record: RecordDescription) -> Iterator[Problem]:
    known = {"id", "ref"} if record.id.client else {"ref"}
    yield from _template_problems((*where, "path"), record.path, set())
    yield from _list_problems((*where, "list"), record.list)
    if record.one:
        yield from _template_problems((*where, "one"), record.one.model_dump(), known)
        if record.one.method == "GET" and record.one.body:
            yield Problem((*where, "one", "body"), "is never sent with GET. Use query, or method: POST.")
        if not _placeholders(record.one.model_dump()):
            yield Problem((*where, "one"), "names no record. Put {ref} into its path, query or body.")
    if record.create:
        yield from _create_problems((*where, "create"), record)
    if record.change:
        yield from _template_problems((*where, "change"), record.change.model_dump(), known)
        if not _placeholders(record.change.model_dump()):
            yield Problem((*where, "change"), "names no record. Put {ref} into its path or body.")
        for name in record.change.fields or ():
            if name not in record.fields:
                yield Problem(
                    (*where, "change", "fields"),
                    f"names {name}, which is not mapped. {did_you_mean(name, record.fields)}",
                )


def _list_problems(where: Where, listing: Listing) -> Iterator[Problem]:
    yield from _template_problems(where, listing.model_dump(), set())
    for place in listing.where:
        yield from _place_problems((*where, "where", place), place)
    if listing.method == "GET" and listing.body:
        yield Problem((*where, "body"), "is never sent with GET. Use query, or method: POST.")


def _create_problems(where: Where, record: RecordDescription) -> Iterator[Problem]:
    create = record.create
    if create is None:
        return
    yield from _template_problems(where, create.model_dump(), {"id"} if record.id.client else set())
    columns = {described.column for described in record.fields.values()} | {record.id.client}
    for name in create.constants:
        if name in columns:
            yield Problem((*where, "constants", name), "is mapped already. Take it out here or under fields.")


def _template_problems(where: Where, template: Any, known: set[str]) -> Iterator[Problem]:  # noqa: ANN401 - any JSON
    for place, text in _texts(where, template):
        if _SECRET_NAME.search(str(place[-1])):
            yield Problem(place, f"would carry a credential; describe it under auth. {_TO_SETTINGS}")
        if place[-1] in {"envelope", "ref", "total", "next"}:
            yield from _place_problems(place, text)
            continue
        allowed = known | {"ref:number"} if "ref" in known and place[-1] != "path" else known
        for name in PLACEHOLDER.findall(text):
            if name not in allowed:
                yield Problem(place, f"has {{{name}}}, which is not known here. {_offered(allowed)}")
            elif name == "ref:number" and text != "{ref:number}":
                yield Problem(place, "must be {ref:number} alone, since it becomes a number.")


def _offered(allowed: set[str]) -> str:
    return f"Known: {', '.join(f'{{{name}}}' for name in sorted(allowed))}." if allowed else "Write a fixed text."


def _place_problems(where: Where, place: str) -> Iterator[Problem]:
    if not is_place(place):
        yield Problem(where, f"is no place in JSON: {place[:60]!r}. Write it as data, asset.id or detail[0].msg.")


def _placeholders(template: Any) -> bool:  # noqa: ANN401 - any JSON
    return any(PLACEHOLDER.search(text) for _, text in _texts((), template))


def _texts(where: Where, template: Any) -> Iterator[tuple[Where, str]]:  # noqa: ANN401 - any JSON
    if isinstance(template, str):
        yield where, template
    elif isinstance(template, Mapping):
        for name, part in template.items():  # pyright: ignore[reportUnknownVariableType] - any JSON
            yield from _texts((*where, str(name)), part)  # pyright: ignore[reportUnknownArgumentType] - any JSON
    elif isinstance(template, list):
        for index, part in enumerate(template):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - any JSON
            yield from _texts((*where, index), part)
