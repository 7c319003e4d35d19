"""The shape of a description file. What it means for the plant's records is checked in `checks`."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, JsonValue, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

__all__ = [
    "Auth",
    "Changing",
    "Creating",
    "CursorPaging",
    "Description",
    "FieldDescription",
    "Identity",
    "Listing",
    "Login",
    "OffsetPaging",
    "OnePage",
    "OneRequest",
    "PagePaging",
    "Paging",
    "Probe",
    "RangePaging",
    "RecordDescription",
    "Scalar",
]

Scalar = str | int | float | bool | None

Path = Annotated[str, Field(pattern=r"^/[^?#\\]*$")]
"""Below `base_url`, such as `/api/assets`; parameters stand under `query`."""

Place = Annotated[str, Field(min_length=1, max_length=200)]
"""Where something stands in JSON: `data`, `asset.id`, `detail[0].msg`, `[0]`."""

PageSize = Annotated[int, Field(ge=1, le=10_000, description="Records to ask for at once")]
FullPages = Annotated[
    bool,
    Field(
        description="The system never sends fewer than `size` before the end, so a shorter page is the last one; "
        "otherwise we go on until a page is empty"
    ),
]
Total = Annotated[Place | None, Field(description="Where the answer says how many records there are")]


def _one_or_several(given: Any) -> Any:  # noqa: ANN401 - YAML of any shape
    if isinstance(given, str):
        return (given,)
    return tuple(given) if isinstance(given, list) else given  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - as above


class _Described(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, allow_inf_nan=False)


class Login(_Described):
    """A request whose answer holds the token."""

    method: Annotated[Literal["POST", "GET"], Field(description="How to ask")] = "POST"
    path: Annotated[Path, Field(description="Where to sign in")]
    body: Annotated[
        dict[str, JsonValue], Field(description="What to send; {user}, {password} and {token} come from the settings")
    ]
    form: Annotated[bool, Field(description="Send it as a form, not as JSON")] = False
    token: Annotated[Place, Field(description="Where the token stands in the answer")]


class Auth(_Described):
    """One header; what is secret in it comes from the settings, never from the file."""

    header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,60}$", description="Name of the header")] = "Authorization"
    value: Annotated[
        str,
        Field(
            max_length=120,
            description="Its value, of {token}, {user}, {password}, or {basic} (user and password in Base64)",
        ),
    ]
    login: Annotated[Login | None, Field(description="Ask for the {token} of the value first")] = None


class OnePage(_Described):
    """Everything comes at once."""

    style: Literal["none"]


class OffsetPaging(_Described):
    """How many to leave out, and how many to send."""

    style: Literal["offset"]
    start_name: Annotated[str, Field(min_length=1, description="Parameter: how many to leave out")]
    size_name: Annotated[str, Field(min_length=1, description="Parameter: how many to send")]
    size: PageSize = 200
    total: Total = None
    full_pages: FullPages = False


class PagePaging(_Described):
    """Pages with a number."""

    style: Literal["page"]
    page_name: Annotated[str, Field(min_length=1, description="Parameter: number of the page")]
    size_name: Annotated[str | None, Field(min_length=1, description="Parameter: how many to send")] = None
    first: Annotated[int, Field(ge=0, le=1, description="Number of the first page")] = 1
    size: PageSize = 200
    total: Total = None
    full_pages: FullPages = False


class RangePaging(_Described):
    """A `Range` header, `records=0-199`; the answer's `Content-Range` says how many there are."""

    style: Literal["range"]
    unit: Annotated[str, Field(pattern=r"^[a-z_-]{1,30}$", description="Unit of the header")] = "records"
    size: PageSize = 200


class CursorPaging(_Described):
    """Each answer says where to go on; no cursor, or an empty one, is the end."""

    style: Literal["cursor"]
    cursor_name: Annotated[str, Field(min_length=1, description="Parameter: the cursor")]
    next: Annotated[Place, Field(description="Where the next cursor stands in the answer")]
    size_name: Annotated[str | None, Field(min_length=1, description="Parameter: how many to send")] = None
    size: PageSize = 200


Paging = Annotated[OnePage | OffsetPaging | PagePaging | RangePaging | CursorPaging, Field(discriminator="style")]


class Listing(_Described):
    """How to get all records of a kind. Parameters of the paging go into the query, or into the body of a POST."""

    method: Annotated[Literal["GET", "POST"], Field(description="How to ask")] = "GET"
    path: Annotated[Path | None, Field(description="Where, if not at the record's `path`")] = None
    envelope: Annotated[Place | None, Field(description="Where the array stands in the answer; left out: bare")] = None
    query: Annotated[dict[str, JsonValue], Field(description="Constant parameters; lists are sent as JSON")] = {}
    body: Annotated[dict[str, JsonValue], Field(description="Constant body of a POST")] = {}
    where: Annotated[
        dict[str, JsonValue], Field(description="Only rows with this value in this column, or one of these, count")
    ] = {}
    paging: Annotated[Paging, Field(description="How pages are asked for")] = OnePage(style="none")


class OneRequest(_Described):
    """How to get one record. Left out, it is looked for in the list."""

    method: Annotated[Literal["GET", "POST"], Field(description="How to ask")] = "GET"
    path: Annotated[Path, Field(description="Where; {ref} is what the system calls it, {id} our id")]
    envelope: Annotated[
        Place | None, Field(description="Where the record stands in the answer; left out: it is the answer")
    ] = None
    query: Annotated[dict[str, JsonValue], Field(description="Parameters; {ref} and {id} as in `path`")] = {}
    body: Annotated[dict[str, JsonValue], Field(description="Body; {ref:number} is the {ref} as a number")] = {}


class Creating(_Described):
    """How to make one. Left out, records of this kind are never made there."""

    method: Annotated[Literal["POST", "PUT"], Field(description="How to send it")] = "POST"
    path: Annotated[Path | None, Field(description="Where, if not at the record's `path`; {id} is our id")] = None
    envelope: Annotated[Place | None, Field(description="Where the columns stand in the body")] = None
    constants: Annotated[dict[str, JsonValue], Field(description="Further columns and their values")] = {}
    ref: Annotated[
        Place | None, Field(description="Where the answer says what it is called; left out: the column `ref` of it")
    ] = None


class Changing(_Described):
    """How to change one. Left out, records of this kind are never changed there."""

    method: Annotated[Literal["PUT", "PATCH", "POST"], Field(description="How to send it")]
    path: Annotated[Path, Field(description="Where; {ref} is what the system calls it, {id} our id")]
    envelope: Annotated[Place | None, Field(description="Where the columns stand in the body")] = None
    body: Annotated[dict[str, JsonValue], Field(description="Rest of the body, with {ref}, {ref:number}, {id}")] = {}
    send: Annotated[
        Literal["changed", "all"], Field(description="Only the columns that changed, or all that are mapped")
    ] = "changed"
    fields: Annotated[tuple[str, ...] | None, Field(description="Our fields it can change; left out: all")] = None


class Identity(_Described):
    """How our ids are known there: exactly one of the two."""

    client: Annotated[
        Place | None, Field(description="Column that takes our id; the system refuses one that is taken")
    ] = None
    stamp: Annotated[
        Place | None, Field(description="Text column that carries our id as its first word, `[WO-0007] ...`")
    ] = None

    @model_validator(mode="after")
    def _one_of_two(self) -> "Identity":
        if (self.client is None) == (self.stamp is None):
            raise ValueError("write exactly one of client and stamp")
        return self


class FieldDescription(_Described):
    """The column of a field, and how its value is written there. Only a column: just its name."""

    column: Annotated[Place, Field(description="Where it stands in the record, `status` or `asset.id`")]
    read: Annotated[Place | None, Field(description="Where it stands when read, if elsewhere: `asset_id[0]`")] = None
    values: Annotated[
        dict[str, Scalar] | None,
        Field(min_length=1, description="Our value: theirs. Several of ours may share one; the first is read back"),
    ] = None
    reads: Annotated[dict[str, str], Field(description="Further values of theirs: what we take them for")] = {}
    scale: Annotated[float | str | None, Field(description="Theirs = ours times this: 1000, or 1/60")] = None
    form: Annotated[
        Literal["text", "number", "zero_one", "iso", "space", "seconds", "milliseconds"] | None,
        Field(
            description="How it is written: a number or true as `text`, our text as `number`, true as 1 (`zero_one`), "
            "a time as `iso`, `space` (2026-11-22 06:00:00), or since 1970 in `seconds` or `milliseconds`"
        ),
    ] = None
    zone: Annotated[str | None, Field(description="IANA zone of a time written without one; left out: UTC")] = None
    separator: Annotated[str | None, Field(min_length=1, max_length=5, description="Joins a list into a text")] = None
    refers: Annotated[str | None, Field(description="Kind whose `ref` stands there, where we keep its id")] = None

    @model_validator(mode="before")
    @classmethod
    def _only_a_column(cls, given: Any) -> Any:  # noqa: ANN401 - YAML of any shape
        return {"column": given} if isinstance(given, str) else given

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        whole = handler.resolve_ref_schema(handler(core))
        described = {name: value for name, value in whole.items() if name != "description"}
        short = {"type": "string", "minLength": 1, "maxLength": 200}
        return {"description": whole["description"], "anyOf": [short, described]}


class RecordDescription(_Described):
    """One kind of record: where it is, how it is asked for and sent, and what it holds."""

    path: Annotated[Path, Field(description="Where its records are")]
    ref: Annotated[Place, Field(description="Column in which the system says what it calls a record")] = "id"
    id: Annotated[Identity, Field(description="How our ids are known there")]
    list: Annotated[Listing, Field(description="How to get all of them")] = Listing()
    one: Annotated[OneRequest | None, Field(description="How to get one; left out: from the list")] = None
    create: Annotated[Creating | None, Field(description="How to make one; left out: never")] = None
    change: Annotated[Changing | None, Field(description="How to change one; left out: never")] = None
    fields: Annotated[
        dict[str, FieldDescription], Field(min_length=1, description="Our field: column, or column and how")
    ]
    tells: Annotated[
        dict[str, FieldDescription],
        Field(description="Our field: column that is read, of a record that was made there, and never written"),
    ] = {}
    assumed: Annotated[
        dict[str, JsonValue], Field(description="Values of required fields that the system does not hold")
    ] = {}
    takes: Annotated[
        dict[str, JsonValue], Field(description="Only records with this value, or one of these, go there")
    ] = {}


class Probe(_Described):
    """A harmless request that tells who is connected to what."""

    path: Annotated[Path, Field(description="Where to ask, with GET")]
    version: Annotated[Place | None, Field(description="Where the answer says the system's version")] = None
    user: Annotated[Place | None, Field(description="Where it says who is signed in")] = None


class Description(_Described):
    """A REST system of record, for `--backend FILE.yaml`."""

    name: Annotated[str, Field(min_length=1, max_length=60, description="What answers call the system")]
    base_url: Annotated[
        str, Field(pattern=r"^https?://[^/@\s?#]+(/[^\s?#]*)?$", description="Root of its API, without credentials")
    ]
    auth: Annotated[Auth | None, Field(description="How to sign in; left out: it asks for nothing")] = None
    headers: Annotated[Mapping[str, str], Field(description="Sent with every request; nothing secret")] = {}
    error: Annotated[
        tuple[Place, ...],
        BeforeValidator(_one_or_several, json_schema_input_type=Place | tuple[Place, ...]),
        Field(description="Where its own words stand in an error, or several places, most telling first"),
    ] = ()
    idempotency_key: Annotated[
        str | None,
        Field(pattern=r"^[A-Za-z0-9-]{1,60}$", description="Header of a key under which a write takes effect once"),
    ] = None
    etag: Annotated[bool, Field(description="A change carries the record's ETag and is refused when it is old")] = False
    empty: Annotated[
        Literal["", False] | None, Field(description="What an empty column shows, beside null: false or ''")
    ] = None
    timeout_s: Annotated[float, Field(gt=0, le=120, description="Seconds to wait for an answer")] = 10.0
    notes: Annotated[tuple[str, ...], Field(description="What whoever runs it should know")] = ()
    probe: Annotated[Probe | None, Field(description="What `backend check` asks first")] = None
    records: Annotated[
        dict[str, RecordDescription], Field(min_length=1, description="Kind of record: how it is kept there")
    ]
