"""The session with a remote system: signed in once however many calls wait for it, and renewed when it has ended."""

from collections.abc import Awaitable, Callable, Mapping
from copy import copy
from dataclasses import dataclass, field

import anyio
import httpx

from mcp_server.backends.http.exchange import Received, unanswered
from mcp_server.backends.http.refusals import CHECK_CREDENTIALS, CHECK_URL, GONE, Refusals
from mcp_server.errors import InternalError, NotAllowed, ToolFailure

__all__ = ["Ask", "Session", "SignIn"]

Ask = Callable[[httpx.AsyncClient], Awaitable[Mapping[str, str]]]
"""Signs in, and returns the headers that go with every request from then on. It may use `raise_for_status()`."""

_REFUSED = (400, 401, 403, 422)
_NO_SIGN_IN = (*GONE, 405)
_NOT_OF_THE_WAY = (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError)


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    headers: Mapping[str, str] = field(repr=False)


class SignIn:
    """Asks once at a time. Who waits for an attempt that fails is told its failure and does not ask again.

    So a hundred calls with a wrong password are one failed sign-in, and do not lock the account.
    """

    def __init__(self, ask: Ask, client: httpx.AsyncClient, refusals: Refusals, *, within_s: float) -> None:
        self._ask = ask
        self._client = client
        self._refusals = refusals
        self._within_s = within_s
        self._lock = anyio.Lock()
        self._session: Session | None = None
        self._failure: ToolFailure | None = None
        self._ended = 0

    @property
    def secrets(self) -> list[str]:
        return list(self._session.headers.values()) if self._session else []

    async def session(self, *, instead_of: Session | None = None) -> Session:
        """The present session; one other than `instead_of`, which was refused.

        Raises:
            NotAllowed: the system refuses our credentials.
            BackendUnavailable: it could not be asked.
            InternalError: it answered in a form the adapter does not know.
        """
        known = self._ended
        if self._session is None or self._session is instead_of:
            async with self._lock:
                if self._ended == known:
                    await self._attempt()
                if self._failure is not None:
                    raise copy(self._failure)  # a copy has no cause, and a cause may carry a credential
        if self._session is None:
            raise AssertionError("an attempt ends with a session or a failure")
        return self._session

    async def _attempt(self) -> None:
        outcome = await self._outcome()
        self._ended += 1
        if isinstance(outcome, Session):
            self._session, self._failure = outcome, None
        else:
            self._session, self._failure = None, outcome

    async def _outcome(self) -> Session | ToolFailure:
        try:
            with anyio.fail_after(self._within_s):
                return Session(dict(await self._ask(self._client)))
        except ToolFailure as failure:
            return failure
        except httpx.HTTPStatusError as error:
            return self._refused(error.response)
        except (httpx.TransportError, OSError) as error:
            return self._refusals.unanswered(unanswered(error), wrote=False)
        except (LookupError, TypeError, ValueError, AttributeError, *_NOT_OF_THE_WAY):
            return InternalError(
                f"The system of record at {self._refusals.place} answered the sign-in in an unknown form.",
                suggestion=CHECK_URL,
            )

    def _refused(self, response: httpx.Response) -> ToolFailure:
        if response.status_code in _REFUSED:
            return NotAllowed(
                f"The system of record at {self._refusals.place} refused the sign-in (status {response.status_code}).",
                suggestion=CHECK_CREDENTIALS,
            )
        if response.status_code in _NO_SIGN_IN:
            return InternalError(
                f"The system of record at {self._refusals.place} has no sign-in at this address (status "
                f"{response.status_code}).",
                suggestion="Check the path in the URL of --backend (SHOPFLOOR_BACKEND), or in the description of the "
                "system.",
            )
        return self._refusals.of_read(Received(response.status_code, response.headers, b"", whole=False))
