"""The URL of a remote system, checked before anything is sent to it."""

import httpx

from mcp_server.errors import ConfigurationError

__all__ = ["checked_base_url", "notes_on"]

_SETTING = "--backend (SHOPFLOOR_BACKEND)"
_PORTS = range(1, 65_536)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def checked_base_url(text: str) -> httpx.URL:
    """The URL; no message repeats it, because a password may be in it.

    Raises:
        ConfigurationError: it is none that requests can be put behind.
    """
    url = _parsed(text)
    if (
        url is None
        or url.scheme not in {"http", "https"}
        or not url.host
        or (url.port is not None and url.port not in _PORTS)
    ):
        raise ConfigurationError(
            f"{_SETTING} has no usable http or https URL.", suggestion="Give one such as https://mes.example:8443/api."
        )
    if "@" in text:  # one behind a slash in the password is in the path
        raise ConfigurationError(
            f"{_SETTING} has a user or a password in its URL.",
            suggestion="Take them out, and set SHOPFLOOR_BACKEND_USER and SHOPFLOOR_BACKEND_PASSWORD.",
        )
    if "?" in text or "#" in text:
        raise ConfigurationError(
            f"{_SETTING} has a query or a fragment in its URL.", suggestion="Take out everything from ? or # on."
        )
    return url


def notes_on(url: httpx.URL) -> tuple[str, ...]:
    """What whoever runs the system should know of it."""
    if url.scheme == "https" or url.host in _LOOPBACK:
        return ()
    return ("The connection is not encrypted: anyone on the way can read the credentials. Use https.",)


def _parsed(text: str) -> httpx.URL | None:
    try:
        return httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        return None
