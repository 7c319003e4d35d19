"""How this MES lists and takes records: some lists are bare arrays, the long ones come in pages."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar, cast
from urllib.parse import quote

from mcp_server.backends.remote.http import SystemClient
from mcp_server.errors import InternalError

__all__ = ["Calls", "Entry", "in_path", "moment", "understood"]

T = TypeVar("T")
Entry = Mapping[str, Any]
"""One JSON object of an answer."""

_PAGE = 200
"""The MES takes up to 500 as it is delivered, and a plant may set less."""


@dataclass(frozen=True, slots=True)
class Calls:
    """`keyed`: the MES stands on PostgreSQL, where it knows a write with the same `Idempotency-Key` again.

    On SQLite it answers such a write with 500 and does not do it.
    """

    client: SystemClient
    keyed: bool

    async def array(self, path: str, **params: str) -> list[Entry]:
        """A list that comes as a bare array, whole."""
        answer = await self.client.read("GET", path, params=params)
        return _entries(answer.body, path)

    async def pages(self, path: str, **params: str) -> AsyncIterator[list[Entry]]:
        """A list that comes as `{items, total, limit, offset, has_more}`."""
        offset = 0
        while True:
            answer = await self.client.read("GET", path, params={**params, "limit": _PAGE, "offset": offset})
            page = _entry(answer.body, path)
            items = _entries(page.get("items"), path)
            yield items
            if page.get("has_more") is not True:
                return
            if not items:
                raise _unknown_form(path)
            offset += len(items)

    async def found(self, path: str, **params: str) -> Entry | None:
        """One record, or None where the MES has none under that path."""
        answer = await self.client.read("GET", path, params=params, missing_ok=True)
        return None if answer.body is None else _entry(answer.body, path)

    async def post(self, path: str, body: Entry, key: str, *, refuses_doubles: bool = False) -> Entry:
        """Send a write once; `refuses_doubles` where a second one would be answered 409."""
        answer = await self.client.write(
            "POST",
            path,
            json=dict(body),
            idempotency_key=key if self.keyed else None,
            repeatable=self.keyed or refuses_doubles,
        )
        return cast("Entry", answer.body) if isinstance(answer.body, dict) else {}  # JSON objects have text keys


def in_path(part: str) -> str:
    """An id as one part of a path."""
    return quote(part, safe="")


def moment(text: str) -> datetime:
    """The MES tells UTC without saying so, and with it what was sent with an offset."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def understood(path: str, meaning: Callable[[Sequence[Entry]], T], entries: Sequence[Entry]) -> T:
    """What entries mean to us.

    Raises:
        InternalError: they lack what 0.4.2 has, or have it in another form.
    """
    try:
        return meaning(entries)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise _unknown_form(path) from error


def _entries(body: Any, path: str) -> list[Entry]:  # noqa: ANN401 - any JSON
    if not isinstance(body, list):
        raise _unknown_form(path)
    return [_entry(item, path) for item in cast("list[Any]", body)]  # what isinstance leaves unknown


def _entry(body: Any, path: str) -> Entry:  # noqa: ANN401 - any JSON
    if not isinstance(body, dict):
        raise _unknown_form(path)
    return cast("Entry", body)  # JSON objects have text keys


def _unknown_form(path: str) -> InternalError:
    return InternalError(
        f"The MES answered {path.split('/')[1]} in a form this adapter does not know.",
        suggestion="It is written for FactorySemantics MES 0.4.2; check which version runs there.",
    )
