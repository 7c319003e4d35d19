"""The URL of a remote system, checked before anything is sent to it."""

import httpx

from mcp_server.errors import ConfigurationError

__all__ = ["checked_base_url"]

_SETTING = "--backend (SHOPFLOOR_BACKEND)"
_PORTS = range(1, 65_536)


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
    if url.userinfo:
        raise ConfigurationError(
            f"{_SETTING} has a user or a password in its URL.",
            suggestion="Take them out, and set SHOPFLOOR_BACKEND_USER and SHOPFLOOR_BACKEND_PASSWORD.",
        )
    if "?" in text or "#" in text:
        raise ConfigurationError(
            f"{_SETTING} has a query or a fragment in its URL.", suggestion="Take out everything from ? or # on."
        )
    return url


def _parsed(text: str) -> httpx.URL | None:
    try:
        return httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        return None
