"""Asks for a list page by page, in each of the ways that systems have."""

import json
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

from pydantic import JsonValue

from mcp_server.backends.described.description import (
    CursorPaging,
    Listing,
    OffsetPaging,
    PagePaging,
    Paging,
    RangePaging,
)
from mcp_server.backends.described.places import value_at
from mcp_server.backends.http.client import Answer, SystemClient
from mcp_server.errors import InternalError

__all__ = ["as_query", "listed"]

_CONTENT_RANGE = re.compile(r"\s*[a-z_-]+ (?:\d+-\d+|\*)/(\d+|\*)\s*", re.IGNORECASE)


async def listed(client: SystemClient, listing: Listing, path: str) -> AsyncIterator[list[Any]]:
    """The rows of each page, as they stand in the answers; no page is empty.

    Raises:
        InternalError: there is no list where the description says, or the same page comes again and again.
    """
    at: int | str | None = listing.paging.first if isinstance(listing.paging, PagePaging) else 0
    seen, before = 0, None
    while at is not None:
        params, headers = _asking(listing.paging, at)
        body = {**listing.body, **params} if listing.method == "POST" else None
        query = listing.query if listing.method == "POST" else {**listing.query, **params}
        answer = await client.read(listing.method, path, params=as_query(query), json=body, headers=headers)
        rows = _rows(answer, listing, path)
        if rows and rows == before:
            raise InternalError(
                f"{path} answers the same page again and again.",
                suggestion="Correct list.paging in the description of the system.",
            )
        if fitting := [row for row in rows if _fits(row, listing.where)]:
            yield fitting
        seen += len(rows)
        at, before = _next(listing.paging, at, len(rows), seen, answer), rows


def as_query(given: Mapping[str, JsonValue]) -> dict[str, Any] | None:
    """Parameters of a URL; what is not a single value goes as JSON."""
    return {name: json.dumps(v) if isinstance(v, list | dict) else v for name, v in given.items()} or None


def _rows(answer: Answer, listing: Listing, path: str) -> list[Any]:
    rows = value_at(listing.envelope, answer.body)
    if isinstance(rows, list):
        return cast("list[Any]", rows)  # of anything, each is looked at by itself
    where = f"at {listing.envelope}" if listing.envelope else "as the whole answer"
    raise InternalError(
        f"{path} shows no list {where}.", suggestion="Correct list.envelope in the description of the system."
    )


def _fits(row: Any, where: Mapping[str, JsonValue]) -> bool:  # noqa: ANN401 - any JSON
    return all(
        value_at(place, row) in (value if isinstance(value, list) else [value]) for place, value in where.items()
    )


def _asking(paging: Paging, at: int | str) -> tuple[Mapping[str, JsonValue], dict[str, str]]:
    """Parameters and headers of the page that begins there."""
    match paging:
        case OffsetPaging():
            return {paging.start_name: at, paging.size_name: paging.size}, {}
        case PagePaging():
            return {paging.page_name: at} | ({paging.size_name: paging.size} if paging.size_name else {}), {}
        case RangePaging():
            return {}, {"Range": f"{paging.unit}={at}-{int(at) + paging.size - 1}"}
        case CursorPaging():
            size: dict[str, JsonValue] = {paging.size_name: paging.size} if paging.size_name else {}
            return ({paging.cursor_name: at} if at else {}) | size, {}
        case _:
            return {}, {}


def _next(paging: Paging, at: int | str, count: int, seen: int, answer: Answer) -> int | str | None:
    """Where the next page begins; None at the end."""
    match paging:
        case OffsetPaging():
            return None if _ends(paging, count, seen, answer) else seen
        case PagePaging():
            return None if _ends(paging, count, seen, answer) else int(at) + 1
        case RangePaging():
            told = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            if told is None or not count:
                return None  # without the header it is everything
            return seen if told[1] == "*" or seen < int(told[1]) else None
        case CursorPaging():
            following = value_at(paging.next, answer.body)
            return following if isinstance(following, str | int) and following else None
        case _:
            return None


def _ends(paging: OffsetPaging | PagePaging, count: int, seen: int, answer: Answer) -> bool:
    if not count or (paging.full_pages and count < paging.size):
        return True
    total = value_at(paging.total, answer.body) if paging.total else None
    return isinstance(total, int) and seen >= total
