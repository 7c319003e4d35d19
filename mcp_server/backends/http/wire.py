"""How `httpx` is set up for a remote system, and how a request for it is put together."""

import ssl
from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import version
from typing import Any
from urllib.parse import unquote

import httpx

from mcp_server.errors import ConfigurationError

__all__ = ["build_request", "open_client"]

_LONGEST_CONNECT_S = 5.0
_KEPT_OPEN_S = 1.5
"""Shorter than servers keep an idle connection (gunicorn 2 s, uvicorn and Node 5 s): a write must not meet its end."""


def open_client(
    url: httpx.URL,
    *,
    headers: Mapping[str, str],
    timeout_s: float,
    connections: int,
    verify: bool | ssl.SSLContext,
    transport: httpx.AsyncBaseTransport | None,
) -> httpx.AsyncClient:
    """Proxies and `SSL_CERT_FILE` of the environment hold; a `.netrc` is read by httpx only where it is asked to."""
    connect_s = min(timeout_s, _LONGEST_CONNECT_S)
    try:
        _check_printable(headers)
        return httpx.AsyncClient(
            base_url=url,
            headers={"Accept": "application/json", "User-Agent": f"shopfloor-mcp/{version('shopfloor')}", **headers},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # a session stands in headers, nowhere else
            verify=verify,
            timeout=httpx.Timeout(connect=connect_s, read=timeout_s, write=timeout_s, pool=timeout_s),
            limits=httpx.Limits(
                max_connections=connections + 1,  # one more, to sign in while all others are under way
                max_keepalive_connections=connections,
                keepalive_expiry=_KEPT_OPEN_S,
            ),
            transport=transport,
        )
    except (httpx.InvalidURL, ValueError, ImportError):
        problem = ConfigurationError(
            "A header, a certificate or a proxy for the system of record cannot be used.",
            suggestion="Check SHOPFLOOR_BACKEND_TOKEN for line breaks, spaces and other than ASCII letters, "
            "SSL_CERT_FILE, HTTP_PROXY, HTTPS_PROXY and ALL_PROXY.",
        )
    raise problem


def _check_printable(headers: Mapping[str, str]) -> None:
    """What a file or an editor leaves behind a token would otherwise end every single request."""
    if not all(value.isprintable() and value.strip() == value for value in headers.values()):
        raise ValueError("a header cannot be sent")


def build_request(
    client: httpx.AsyncClient,
    method: str,
    path: str,
    *,
    params: Mapping[str, Any] | None,
    json: Any,  # noqa: ANN401 - any JSON
    headers: Mapping[str, str],
) -> httpx.Request | None:
    """None where it cannot be one: an id with a slash or a question mark in it would ask for something else."""
    if not _is_plain(path):
        return None
    try:
        return client.build_request(method, path, params=params, json=json, headers=headers)
    except (httpx.InvalidURL, ValueError, TypeError, RecursionError):
        return None


def _is_plain(path: str) -> bool:
    segments = [unquote(segment) for segment in path.split("/")]
    if not path.startswith("/") or not all(segments[1:-1]) or {".", ".."} & {*segments}:
        return False
    return not any(sign in path for sign in "?#\\")
