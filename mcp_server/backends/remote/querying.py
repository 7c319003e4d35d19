"""A `Query` over records in memory: systems of record filter and order each in their own way, so we do it ourselves."""

from collections.abc import Iterable
from typing import Any, TypeVar

from mcp_server.backends.base import Page, Query
from mcp_server.backends.sql.mapping import SEARCHED
from mcp_server.domain.records import Record

__all__ = ["page_of"]

R = TypeVar("R", bound=Record)


def page_of(records: Iterable[R], query: Query) -> Page[R]:
    """The page that a SQL store would answer with these rows."""
    wanted = sorted((r for r in records if _fits(r, query)), key=lambda r: r.key, reverse=query.descending)
    after = query.after
    left = wanted if after is None else [r for r in wanted if (r.key < after if query.descending else r.key > after)]
    shown = left if query.limit is None else left[: query.limit]
    more = len(left) > len(shown)
    return Page(items=tuple(shown), total=len(wanted), next_after=shown[-1].key if more and shown else None)


def _fits(record: Record, query: Query) -> bool:
    return (
        all(_is_set(v := getattr(record, name)) and v in values for name, values in query.among.items())
        and _has_text(record, query.text)
        and all(_is_set(v := getattr(record, name)) and v >= bound for name, bound in query.since.items())
        and all(_is_set(v := getattr(record, name)) and v <= bound for name, bound in query.until.items())
    )


def _has_text(record: Record, text: str | None) -> bool:
    if not text:
        return True
    wanted = text.lower()
    return any(wanted in str(getattr(record, name, None) or "").lower() for name in SEARCHED)


def _is_set(value: Any) -> bool:  # noqa: ANN401 - any comparable value
    """As in SQL, nothing equals NULL, and nothing is before or after it."""
    return value is not None
