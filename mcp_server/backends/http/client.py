"""The HTTP client of every remote system: pooled, bounded in time, size and number, and never retrying by itself.

`wire.py` sets up `httpx`, `exchange.py` sends one request, `refusals.py` says what its end means, `sign_in.py` keeps
the session.
"""

import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import anyio
import httpx
import structlog

from mcp_server.backends.http.base_url import checked_base_url, notes_on
from mcp_server.backends.http.exchange import MOST_BYTES, Received, Unanswered, exchange
from mcp_server.backends.http.refusals import GONE, Refusals
from mcp_server.backends.http.sign_in import Session, SignIn
from mcp_server.backends.http.wire import build_request, open_client
from mcp_server.backends.http.wording import NotJson, Wording, parsed, told
from mcp_server.errors import InternalError

__all__ = ["Answer", "SystemClient"]

_log = structlog.get_logger()

_WHOLE_EXCHANGE = 3
"""Times `timeout_s`: a request ends then, even if the system sends a byte now and again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a system answered. `body` is its JSON, or None: no body at all, or with `missing_ok` no such record."""

    status: int
    body: Any = field(repr=False)
    headers: httpx.Headers = field(repr=False)


class SystemClient:
    """Talks to one system. Safe for any number of calls at once; `connections` of them are on their way at a time."""

    def __init__(
        self,
        base_url: str,
        *,
        sign_in: Callable[[httpx.AsyncClient], Awaitable[Mapping[str, str]]] | None = None,
        headers: Mapping[str, str] | None = None,
        told_by: Callable[[Any], str] = told,
        timeout_s: float = 10.0,
        connections: int = 10,
        verify: bool | ssl.SSLContext = True,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Open no connection yet.

        Args:
            base_url: `http` or `https`, may have a path; every request's path is put behind it.
            sign_in: signs in with the client it is given, and returns the headers of every later request. Called before
                the first request, and once more after a 401.
            headers: sent with every request, the sign-in too. Their values are taken for secret.
            told_by: picks the system's own words out of the JSON of an error.
            timeout_s: for a free connection, for each write and each read; three times that for the whole request.
            connections: how many requests may be under way; the others wait.
            verify: False trusts any certificate, and says so in the log.
            transport: instead of the network.

        Raises:
            ConfigurationError: the URL cannot be used, or a proxy of the environment cannot.
        """
        url = checked_base_url(base_url)
        self._client = open_client(
            url,
            headers=headers or {},
            timeout_s=timeout_s,
            connections=connections,
            verify=verify,
            transport=transport,
        )
        self.notes = notes_on(url)
        self._place = url.netloc.decode("ascii")
        self._timeout_s = timeout_s
        self._slots = anyio.Semaphore(connections)
        self._fixed_secrets = tuple((headers or {}).values())
        self._refusals = Refusals(self._place, Wording(told_by, self._secrets))
        self._within_s = _WHOLE_EXCHANGE * timeout_s
        self._sign_in = sign_in and SignIn(sign_in, self._client, self._refusals, within_s=self._within_s)
        if verify is False:
            _log.warning("certificate not verified", system=self._place)

    async def read(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,  # noqa: ANN401 - any JSON
        headers: Mapping[str, str] | None = None,
        missing_ok: bool = False,
    ) -> Answer:
        """Ask something that changes nothing, whatever its method.

        Raises:
            BackendUnavailable: no answer, or it cannot answer now.
            NotFound: no such record, unless `missing_ok`.
            NotAllowed: it refuses our credentials.
            InternalError: it answered in a form that is not expected.
        """
        received = await self._received(method, path, params, json, headers or {})
        if isinstance(received, Unanswered):
            raise self._refusals.unanswered(received, wrote=False)
        if missing_ok and received.status in GONE:
            return Answer(received.status, None, received.headers)
        if not 200 <= received.status < 300:  # noqa: PLR2004 - the statuses that say yes
            raise self._refusals.of_read(received)
        answer = _answer(received)
        if answer is None:
            raise self._refusals.unread(received)
        return answer

    async def write(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,  # noqa: ANN401 - any JSON
        headers: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
        repeatable: bool = False,
    ) -> Answer:
        """Change something, sent once; again only after a 401, which means that nothing was done.

        Args:
            method: `POST`, `PUT`, `PATCH` or `DELETE`.
            path: begins with a slash; ids in it are quoted.
            params: the query.
            json: the body.
            headers: for this request only.
            idempotency_key: sent as the header `Idempotency-Key`.
            repeatable: a key the system knows, or a natural key, keeps a second one from taking effect.

        Raises:
            BackendUnavailable: nothing was done; `NotRepeated` where it was sent and is not `repeatable`.
            AnswerLost: it was sent, and nothing says what became of it.
            Conflict, NotFound, RuleViolated, NotAllowed, InternalError: the system refused, nothing was done.
        """
        key = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        received = await self._received(method, path, params, json, {**(headers or {}), **key})
        if isinstance(received, Unanswered):
            raise self._refusals.unanswered(received, wrote=True)
        if not 200 <= received.status < 300:  # noqa: PLR2004 - the statuses that say yes
            raise self._refusals.of_write(received, repeatable=repeatable)
        answer = _answer(received)
        if answer is None:
            raise self._refusals.unread_write(received)
        return answer

    async def aclose(self) -> None:
        await self._client.aclose()

    def _secrets(self) -> Iterable[str]:
        return (*self._fixed_secrets, *(self._sign_in.secrets if self._sign_in else ()))

    async def _received(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None,
        json: Any,  # noqa: ANN401 - any JSON
        headers: Mapping[str, str],
    ) -> Received | Unanswered:
        def request(session: Session | None) -> httpx.Request | None:
            all_headers = {**(session.headers if session else {}), **headers}
            return build_request(self._client, method, path, params=params, json=json, headers=all_headers)

        session = await self._sign_in.session() if self._sign_in else None
        received = await self._sent(request(session))
        if self._sign_in and isinstance(received, Received) and received.status == HTTPStatus.UNAUTHORIZED:
            session = await self._sign_in.session(instead_of=session)
            received = await self._sent(request(session))
        return received

    async def _sent(self, request: httpx.Request | None) -> Received | Unanswered:
        if request is None:
            raise InternalError(
                f"A request to {self._place} cannot be put together; nothing was sent.",
                suggestion="The path must begin with a slash and its ids be quoted; the body must be JSON.",
            )
        async with self._slot():
            started = time.perf_counter()
            received = await exchange(self._client, request, within_s=self._within_s, most_bytes=MOST_BYTES)
        _log.debug(
            "remote request",
            system=self._place,
            method=request.method,
            path=request.url.raw_path.partition(b"?")[0].decode("ascii"),
            status=received.status if isinstance(received, Received) else received.why,
            duration_ms=round((time.perf_counter() - started) * 1000, 2),
        )
        return received

    @asynccontextmanager
    async def _slot(self) -> AsyncGenerator[None]:
        """A place among the requests that are under way.

        Raises:
            BackendUnavailable: none became free.
        """
        with anyio.move_on_after(self._timeout_s) as waiting:
            await self._slots.acquire()
        if waiting.cancelled_caught:
            raise self._refusals.busy(self._timeout_s)
        try:
            yield
        finally:
            self._slots.release()


def _answer(received: Received) -> Answer | None:
    """None where it cannot be read."""
    if not received.whole:
        return None
    try:
        return Answer(received.status, parsed(received.content), received.headers)
    except NotJson:
        return None
