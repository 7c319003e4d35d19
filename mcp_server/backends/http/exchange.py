"""One request, once: what came back, or how far it got. Every exception of `httpx` ends here."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import anyio
import httpx

__all__ = ["FATES", "MOST_BYTES", "Fate", "Received", "Unanswered", "exchange", "unanswered"]

MOST_BYTES = 32 * 1024 * 1024
_MOST_BYTES_OF_AN_ERROR = 64 * 1024


class Fate(StrEnum):
    """How far a request got that ended in an exception."""

    NOT_SENT = "not sent"
    """The system, or the way to it, was not reached."""
    NOT_SENDABLE = "not sendable"
    """It is no request at all: an error of ours, and nothing was sent."""
    SENT = "sent"
    """Some or all of it may have arrived."""


FATES: Mapping[type[Exception], Fate] = MappingProxyType(
    {
        httpx.ConnectError: Fate.NOT_SENT,
        httpx.ConnectTimeout: Fate.NOT_SENT,
        httpx.PoolTimeout: Fate.NOT_SENT,
        httpx.ProxyError: Fate.NOT_SENT,  # it is the proxy that answered, before there was a way to the system
        httpx.InvalidURL: Fate.NOT_SENDABLE,
        httpx.UnsupportedProtocol: Fate.NOT_SENDABLE,
        httpx.LocalProtocolError: Fate.NOT_SENDABLE,  # raised while the first line and the headers are put together
        httpx.RequestNotRead: Fate.NOT_SENDABLE,
        httpx.ReadTimeout: Fate.SENT,
        httpx.WriteTimeout: Fate.SENT,
        httpx.ReadError: Fate.SENT,
        httpx.WriteError: Fate.SENT,
        httpx.CloseError: Fate.SENT,
        httpx.RemoteProtocolError: Fate.SENT,
        httpx.DecodingError: Fate.SENT,
        httpx.TooManyRedirects: Fate.SENT,
        httpx.HTTPStatusError: Fate.SENT,
        httpx.CookieConflict: Fate.SENT,
        httpx.StreamConsumed: Fate.SENT,
        httpx.StreamClosed: Fate.SENT,
        httpx.ResponseNotRead: Fate.SENT,
    }
)
"""Every exception of `httpx` that is not merely the base of others."""


@dataclass(frozen=True, slots=True)
class Received:
    """`whole` is False where the body was longer than allowed, or ended in a failure after a status that says no."""

    status: int
    headers: httpx.Headers
    content: bytes
    whole: bool = True

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")


@dataclass(frozen=True, slots=True)
class Unanswered:
    """`why` names the failure; `detail` is what the operating system or TLS said, where no header can be in it."""

    fate: Fate
    why: str
    detail: str = ""


def unanswered(error: Exception) -> Unanswered:
    """What is unknown counts as sent: a write whose fate is unknown must be looked up."""
    fate = next((FATES[kind] for kind in type(error).__mro__ if kind in FATES), Fate.SENT)
    harmless = isinstance(error, httpx.ConnectError | httpx.ProxyError)
    return Unanswered(fate, type(error).__name__, str(error) if harmless else "")


async def exchange(
    client: httpx.AsyncClient, request: httpx.Request, *, within_s: float, most_bytes: int
) -> Received | Unanswered:
    """Send the request once, and read the answer up to `most_bytes`, all within `within_s` seconds.

    The error itself goes no further, not even as a cause: its text may be a header with a credential in it.
    """
    response: httpx.Response | None = None
    try:
        with anyio.fail_after(within_s):
            response = await client.send(request, stream=True)
            return await _received(response, most_bytes)
    except Exception as error:  # noqa: BLE001 - a raw ssl.SSLError gets through httpx; a write it ends must not pass for unsent
        if response is not None and response.is_error:
            return Received(response.status_code, response.headers, b"", whole=False)
        return unanswered(error)


async def _received(response: httpx.Response, most_bytes: int) -> Received:
    most = min(most_bytes, _MOST_BYTES_OF_AN_ERROR) if response.is_error else most_bytes
    content, whole = bytearray(), True
    try:
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > most:
                whole = False
                break
    finally:
        await response.aclose()
    return Received(response.status_code, response.headers, bytes(content) if whole else b"", whole)
