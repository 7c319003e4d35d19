"""What every listing tool does: one page of records, and a cursor to the next."""

import base64
import binascii
from typing import Any, TypeVar

from mcp_server.backends.base import Page, Query
from mcp_server.domain.records import Record
from mcp_server.errors import InvalidInput
from mcp_server.pipeline.declaration import ListRequest, ToolCall

__all__ = ["envelope", "one_page", "selection"]

R = TypeVar("R", bound=Record)


async def one_page(call: ToolCall, kind: type[R], query: Query, request: ListRequest) -> Page[R]:
    """The page that the request's cursor and limit ask for.

    Raises:
        InvalidInput: the cursor is not one of ours.
    """
    after = None if request.cursor is None else _after(request.cursor)
    paged = Query(query.among, query.text, query.since, query.until, after, request.limit)
    return await call.plant.find(kind, paged)


def envelope(page: Page[Any], call: ToolCall) -> dict[str, Any]:
    """The fields of a `ListResult` beside its items."""
    cursor = None if page.next_after is None else base64.urlsafe_b64encode(page.next_after.encode()).decode()
    return {"total": page.total, "next_cursor": cursor, "as_of": call.now, "source": call.source}


def selection(**fields: Any) -> dict[str, tuple[Any, ...]]:  # noqa: ANN401 - values of any filter
    """Filters that were given, as allowed values per field; a single value and a tuple of them both do."""
    given = {name: value for name, value in fields.items() if value is not None}
    return {name: value if isinstance(value, tuple) else (value,) for name, value in given.items()}


def _after(cursor: str) -> str:
    try:
        return base64.urlsafe_b64decode(cursor.encode("ascii")).decode()
    except (UnicodeError, binascii.Error):
        raise InvalidInput(
            "cursor: is not a cursor of this server.",
            field="cursor",
            suggestion="Leave cursor out to start at the first page.",
        ) from None
