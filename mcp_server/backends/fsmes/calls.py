"""How this MES lists and takes records: some lists are bare arrays, the long ones come in pages."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar, cast
from urllib.parse import quote

import anyio

from mcp_server.backends.http.client import SystemClient
from mcp_server.errors import AnswerLost, BackendUnavailable, InternalError, NotAllowed

__all__ = ["LOOKS_AFTER_S", "Calls", "Entry", "in_path", "moment", "understood"]

T = TypeVar("T")
Entry = Mapping[str, Any]
"""One JSON object of an answer."""

LOOKS_AFTER_S = (0.0, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
_PAGE = 200
"""The MES takes up to 500 as it is delivered, and a plant may set less."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Reads and writes of one MES.

    Attributes:
        client: signs in and sends.
        keyed: the MES stands on PostgreSQL, where it knows a write with the same `Idempotency-Key` again. On SQLite it
            answers such a write with 500, after up to 15 seconds, and does not do it.
        looks_after_s: seconds before each look for what was written.
    """

    client: SystemClient
    keyed: bool
    looks_after_s: Sequence[float] = LOOKS_AFTER_S

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

    async def post(
        self, path: str, body: Entry, key: str, *, refuses_doubles: bool = False, is_second: bool = False
    ) -> Entry:
        """Send a write once. The answer is no proof: the MES gives it before it commits; see `await_shown`.

        Args:
            path: what is written to.
            body: what is sent.
            key: the idempotency key; each step of a change has one of its own.
            refuses_doubles: a second one would be answered 409.
            is_second: the change has begun with another write, so that nothing may say that nothing was stored.
        """
        try:
            answer = await self.client.write(
                "POST",
                path,
                json=dict(body),
                idempotency_key=key if self.keyed else None,
                repeatable=self.keyed or refuses_doubles,
            )
        except BackendUnavailable as error:
            if is_second:
                raise AnswerLost(f"The first half of a change is stored: {error.message}") from error
            raise
        return cast("Entry", answer.body) if isinstance(answer.body, dict) else {}  # JSON objects have text keys

    async def await_shown(self, is_shown: Callable[[], Awaitable[bool]], what: str) -> None:
        """Wait until the MES shows what it said it has done.

        It commits after it has answered, so a read at once may come too early; and where the commit fails, or a key was
        used before for something else, the answer was yes and nothing was done.

        Raises:
            AnswerLost: it still does not show it.
        """
        for wait_s in self.looks_after_s:
            await anyio.sleep(wait_s)
            try:
                if await is_shown():
                    return
            except (BackendUnavailable, InternalError, NotAllowed):
                continue  # what was written stays written, whatever reading it is answered with
        raise AnswerLost(f"The MES said yes to {what}, and does not show it.")


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
