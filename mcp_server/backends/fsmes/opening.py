"""From the URL and the credentials of the settings to a MES one can talk to."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

import httpx
from pydantic import SecretStr

from mcp_server.backends.fsmes.system import FsmesSystem
from mcp_server.backends.http.base_url import checked_base_url
from mcp_server.backends.http.client import SystemClient
from mcp_server.errors import ConfigurationError

__all__ = ["open_fsmes"]

_PREFIX = "fsmes+"
_OPTION = "idempotency_keys"


def open_fsmes(
    url: str, *, user: str | None, password: SecretStr | None, token: SecretStr | None, timeout_s: float = 10.0
) -> FsmesSystem:
    """The MES at `fsmes+http(s)://host:port[/prefix][?idempotency_keys=on]`; nothing is sent yet.

    Its tokens live 12 hours, so with user and password a new one is fetched when a call is answered 401.

    Raises:
        ConfigurationError: the URL cannot be used, or there are no credentials.
    """
    base_url, keyed = _read(url)
    if token is not None:
        headers = _bearer(token.get_secret_value())
        client = SystemClient(base_url, headers=headers, timeout_s=timeout_s)
    elif user and password is not None:
        client = SystemClient(base_url, sign_in=_SignIn(user, password), timeout_s=timeout_s)
    else:
        missing = "SHOPFLOOR_BACKEND_PASSWORD" if user else "SHOPFLOOR_BACKEND_USER"
        raise ConfigurationError(
            f"The MES wants to know who is there, and {missing} is not set.",
            suggestion="Set SHOPFLOOR_BACKEND_USER and SHOPFLOOR_BACKEND_PASSWORD, or SHOPFLOOR_BACKEND_TOKEN.",
        )
    return FsmesSystem(client, place=httpx.URL(base_url).netloc.decode("ascii"), keyed=keyed)


def _read(url: str) -> tuple[str, bool]:
    """Where the MES is, and whether it knows keys; a wrong URL is told before a missing credential."""
    rest, _, query = url.removeprefix(url[: len(_PREFIX)]).partition("?")
    keyed = _is_keyed(query)
    checked_base_url(rest)
    return rest, keyed


class _SignIn:
    def __init__(self, user: str, password: SecretStr) -> None:
        self._user = user
        self._password = password

    async def __call__(self, client: httpx.AsyncClient) -> Mapping[str, str]:
        credentials = {"code": self._user, "password": self._password.get_secret_value()}
        answer = await client.post("auth/login", json=credentials)
        answer.raise_for_status()
        return _bearer(answer.json()["token"])


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _is_keyed(query: str) -> bool:
    match dict(parse_qsl(query, keep_blank_values=True)):
        case options if not options:
            return False
        case {"idempotency_keys": ("on" | "off") as switch, **others} if not others:
            return switch == "on"
        case _:
            raise ConfigurationError(
                "--backend (SHOPFLOOR_BACKEND) has an option the MES adapter does not know.",
                suggestion=f"The only one is {_OPTION}, on or off: ?{_OPTION}=on.",
            )
