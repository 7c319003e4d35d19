"""What a tool is: one declaration that drives every stage of the pipeline."""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from mcp_server.backends.base import Reader, UnitOfWork
from mcp_server.domain.records import Record

__all__ = [
    "Caller",
    "Code",
    "Day",
    "Effect",
    "Items",
    "ListRequest",
    "ListResult",
    "Moment",
    "ProjectField",
    "Request",
    "Result",
    "Tool",
    "ToolCall",
    "Toolset",
    "UpdateRequest",
    "Verification",
    "WriteCall",
    "WriteRequest",
    "WriteResult",
    "published",
    "tool",
]

_TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]")
_CALENDAR_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def _written_as_a_time(value: object) -> object:
    """Pydantic would also take a number in quotes, as seconds since 1970; a lot number would pass for a time."""
    if not (isinstance(value, str) and _TIMESTAMP.match(value)):
        raise PydanticCustomError("moment", "must be a time as text in ISO 8601, such as 2026-11-22T08:00:00Z")
    return value


def _written_as_a_day(value: object) -> object:
    if not (isinstance(value, str) and _CALENDAR_DAY.fullmatch(value)):
        raise PydanticCustomError("moment", "must be a day as text in ISO 8601, such as 2026-11-22")
    return value


Code = Annotated[str, Field(max_length=40)]
ProjectField = Annotated[str, Field(max_length=80, description="Code or name")]
Moment = Annotated[
    AwareDatetime,
    Field(strict=False, ge=datetime(2000, 1, 1, tzinfo=UTC), le=datetime(2100, 1, 1, tzinfo=UTC)),
    BeforeValidator(_written_as_a_time),
]
"""A time with its offset from UTC, in years that a plant can mean."""
Day = Annotated[
    date,
    Field(strict=False, ge=date(2000, 1, 1), le=date(2100, 1, 1)),
    BeforeValidator(_written_as_a_day),
]
"""A calendar day at the site, in years that a plant can mean."""
Toolset = Literal["core", "quality", "maintenance", "procedures", "issues"]


class Effect(StrEnum):
    """What a call does to the plant; the hints a host sees follow from it."""

    READ = "read"
    CREATE = "create"
    UPDATE = "update"
    DESTROY = "destroy"


class Request(BaseModel):
    """Base of all requests: immutable, strict, unknown names refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True, use_enum_values=False
    )


class ListRequest(Request):
    """A question with many answers, given page by page."""

    limit: Annotated[int, Field(ge=1, le=200, description="Page size")] = 50
    cursor: Annotated[str | None, Field(max_length=200, description="next_cursor")] = None


class WriteRequest(Request):
    project: ProjectField
    dry_run: Annotated[bool, Field(description="Check only")] = False
    on_behalf_of: Annotated[str | None, Field(max_length=80, description="For whom")] = None


class UpdateRequest(WriteRequest):
    """A change of a record the caller has read: `expected_revision` is the one it was read at."""

    expected_revision: Annotated[int, Field(ge=1, le=9_999, description="As read")]


class Result(BaseModel):
    """Base of all results and of what stands in them."""

    model_config = Request.model_config


Items = TypeVar("Items", bound=BaseModel)


class ListResult(Result, Generic[Items]):
    """One page: `total` counts all items of the query, `as_of` is when it was read."""

    items: tuple[Items, ...]
    total: int
    next_cursor: str | None = None
    as_of: datetime
    source: str
    warnings: tuple[str, ...] = ()


class Verification(Result):
    """What was read back after the write and compared, by value, with what was sent."""

    method: Literal["read_back"] = "read_back"
    fields_checked: int
    read_at: datetime


class WriteResult(Result):
    """Outcome of a write. The pipeline fills in `verification`, `audit_id`, `replayed` and, where more than one store
    holds the record, `source`.

    `dry_run` results describe what would be stored; nothing is, and ids may differ later.
    """

    status: Literal["created", "updated", "unchanged", "already_exists", "recovered", "unconfirmed"]
    dry_run: bool = False
    replayed: bool = False
    verification: Verification | None = None
    source: str | None = None
    warnings: tuple[str, ...] = ()
    audit_id: int | None = None

    @property
    def stored(self) -> Record | None:
        """The record this call wrote, or None when it wrote nothing."""
        raise NotImplementedError


def published(result: BaseModel) -> dict[str, Any]:
    """As JSON, without absent fields and without a list of warnings that warns of nothing."""
    answer = result.model_dump(mode="json", exclude_none=True)
    if answer.get("warnings") == []:
        del answer["warnings"]
    return answer


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: `principal` owns the idempotency keys; `deadline_s` is what the caller will still wait."""

    principal: str = "local"
    idempotency_key: str | None = None
    deadline_s: float | None = None


@dataclass(slots=True)
class ToolCall:
    """One call under way: what checks and tool functions may use. `seen` keeps what was already looked up."""

    plant: Reader
    caller: Caller
    now: datetime
    today: Callable[[str | None], date]
    seen: dict[tuple[type[Record], str], Record] = field(default_factory=dict[tuple[type[Record], str], Record])

    @property
    def source(self) -> str:
        """Where what the call has read so far comes from."""
        return self.plant.source


@dataclass(slots=True)
class WriteCall(ToolCall):
    """A call that may change the plant, through `unit`. Its `plant` reads inside the same unit of work."""

    unit: UnitOfWork = field(kw_only=True)


Req = TypeVar("Req", bound=Request)
Res = TypeVar("Res", bound=BaseModel)
CallT = TypeVar("CallT", bound=ToolCall)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool(Generic[Req, Res, CallT]):
    """A tool: typed request and result, declared effect, checks before and after, and a short async function.

    `preconditions` raise a `ToolFailure`; so do `result_checks`, which see what was asked and what came out.
    `description` is product text: models choose and call the tool by it.
    """

    name: str
    description: str
    toolset: Toolset
    effect: Effect
    request: type[Req]
    result: type[Res]
    run: Callable[[Req, CallT], Awaitable[Res]]
    preconditions: tuple[Callable[[Req, CallT], Awaitable[None]], ...] = ()
    result_checks: tuple[Callable[[Req, Res, CallT], Awaitable[None]], ...] = ()
    deadline_s: float = 30.0

    @property
    def writes(self) -> bool:
        return self.effect is not Effect.READ

    @property
    def annotations(self) -> Mapping[str, Any]:
        """Hints of the protocol, all of them explicit. A keyed write repeated has one effect, so it is idempotent."""
        return {
            "readOnlyHint": not self.writes,
            "destructiveHint": self.effect is Effect.DESTROY,
            "idempotentHint": True,
            "openWorldHint": False,
        }


def tool(
    *,
    toolset: Toolset,
    effect: Effect,
    request: type[Req],
    result: type[Res],
    preconditions: tuple[Callable[[Req, CallT], Awaitable[None]], ...] = (),
    result_checks: tuple[Callable[[Req, Res, CallT], Awaitable[None]], ...] = (),
) -> Callable[[Callable[[Req, CallT], Awaitable[Res]]], Tool[Req, Res, CallT]]:
    """Declare the decorated function as a tool; its name and docstring become the tool's name and description."""

    def declare(run: Callable[[Req, CallT], Awaitable[Res]]) -> Tool[Req, Res, CallT]:
        return Tool(
            name=run.__name__,
            description=inspect.cleandoc(run.__doc__ or ""),
            toolset=toolset,
            effect=effect,
            request=request,
            result=result,
            run=run,
            preconditions=preconditions,
            result_checks=result_checks,
        )

    return declare
