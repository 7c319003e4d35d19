"""What every listing tool does: one page of records, a cursor to the next, and a check that it is what was asked."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel

from mcp_server.backends.base import Page, Query
from mcp_server.domain.records import SHARED, Record
from mcp_server.errors import InvalidInput, VerificationFailed
from mcp_server.pipeline.declaration import ListRequest, ListResult, ToolCall
from mcp_server.pipeline.preconditions import project_of
from mcp_server.pipeline.size import MOST_CHARACTERS

__all__ = ["MOST_OF_A_PAGE", "envelope", "one_page", "page_is_as_asked", "page_of", "selection"]

R = TypeVar("R", bound=Record)
Item = TypeVar("Item", bound=BaseModel)

MOST_OF_A_PAGE = MOST_CHARACTERS - 5_000
"""Characters of its items as JSON; the rest is for what stands beside them."""


async def one_page(call: ToolCall, kind: type[R], query: Query, request: ListRequest) -> Page[R]:
    """The page that the request's cursor and limit ask for.

    Raises:
        InvalidInput: the cursor is not one of ours.
    """
    after = None if request.cursor is None else _after(request.cursor)
    page = await call.plant.find(kind, replace(query, after=after, limit=request.limit))
    return _cut(page, lambda record: record.key)


def page_of(items: Sequence[Item], request: ListRequest, key: Callable[[Item], str]) -> Page[Item]:
    """The page of a list that was computed, in its own order; `key` names an item and is unique.

    Raises:
        InvalidInput: the cursor is not one of ours, or its item is no longer in the list.
    """
    start = 0
    if request.cursor is not None:
        after = _after(request.cursor)
        keys = [key(item) for item in items]
        if after not in keys:
            raise _no_cursor()
        start = keys.index(after) + 1
    shown = tuple(items[start : start + request.limit])
    more = start + len(shown) < len(items)
    return _cut(Page(items=shown, total=len(items), next_after=key(shown[-1]) if shown and more else None), key)


def envelope(page: Page[Any], call: ToolCall) -> dict[str, Any]:
    """The fields of a `ListResult` beside its items."""
    cursor = None if page.next_after is None else _cursor(page.next_after)
    return {"total": page.total, "next_cursor": cursor, "as_of": call.now, "source": call.source}


def selection(**fields: Any) -> dict[str, tuple[Any, ...]]:  # noqa: ANN401 - values of any filter
    """Filters that were given, as allowed values per field; a single value and a tuple of them both do."""
    given = {name: value for name, value in fields.items() if value is not None}
    return {name: value if isinstance(value, tuple) else (value,) for name, value in given.items()}


async def page_is_as_asked(request: ListRequest, result: ListResult[Any], call: ToolCall) -> None:
    """A backend that ignores a filter or the limit, repeats a record or answers for another project is found out.

    A filter is a field of the request that the records have too, and `ids`.
    """
    filters: dict[str, tuple[Any, ...]] = {name: (value,) for name, value in request if value is not None}
    if "ids" in filters:
        filters["id"] = filters["ids"][0]
    if "project" in filters:
        filters["project"] = ((await project_of(call, filters["project"][0])).id, SHARED)
    found = [getattr(item, "key", item.id) for item in result.items]
    wrong = [item.id for item in result.items if not _fits(item, filters)]
    if wrong or len(set(found)) != len(found) or len(found) > min(request.limit, result.total):
        raise VerificationFailed(
            f"The system of record answered with something else than was asked: {', '.join((wrong or found)[:10])}.",
            suggestion="Report this to whoever runs the system of record.",
        )


def _fits(item: BaseModel, filters: Mapping[str, tuple[Any, ...]]) -> bool:
    return all(getattr(item, name, allowed[0]) in allowed for name, allowed in filters.items())


def _cut(page: Page[Item], key: Callable[[Item], str]) -> Page[Item]:
    """The page, ended early where it would fill a model's context; the cursor goes on from there."""
    room = MOST_OF_A_PAGE
    for position, item in enumerate(page.items):
        room -= len(item.model_dump_json(exclude_none=True))
        if room < 0 and position > 0:
            return replace(page, items=page.items[:position], next_after=key(page.items[position - 1]))
    return page


def _after(cursor: str) -> str:
    try:
        after = base64.urlsafe_b64decode(cursor.encode("ascii")).decode()
        if _cursor(after) == cursor:
            return after
    except (UnicodeError, binascii.Error):
        pass
    raise _no_cursor()


def _no_cursor() -> InvalidInput:
    return InvalidInput(
        "cursor: is not a cursor of this server.",
        field="cursor",
        suggestion="Leave cursor out to start at the first page.",
    )


def _cursor(after: str) -> str:
    return base64.urlsafe_b64encode(after.encode()).decode()
