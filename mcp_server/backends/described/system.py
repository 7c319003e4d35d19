"""A system as its description says: signs in, and offers one collection for each kind that is described."""

from base64 import b64encode
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from mcp_server.backends.described.collection import DescribedCollection
from mcp_server.backends.described.description import Description
from mcp_server.backends.described.kinds import RECORD_KINDS
from mcp_server.backends.described.loading import load_description
from mcp_server.backends.described.places import PLACEHOLDER, fill, text_at, value_at
from mcp_server.backends.described.references import References
from mcp_server.backends.http.client import SystemClient
from mcp_server.backends.http.wording import told
from mcp_server.backends.remote.port import Collection, SystemInfo
from mcp_server.domain.records import Record
from mcp_server.errors import ConfigurationError

__all__ = ["DescribedSystem", "open_described"]

_SETTINGS = {
    "user": "SHOPFLOOR_BACKEND_USER",
    "password": "SHOPFLOOR_BACKEND_PASSWORD",
    "token": "SHOPFLOOR_BACKEND_TOKEN",
}


class DescribedSystem:
    def __init__(self, description: Description, client: SystemClient) -> None:
        self._description = description
        self._client = client
        references = References()
        self._collections: dict[type[Record], DescribedCollection[Any]] = {}
        for name in description.records:
            references.told_by(name, partial(self._pages_of, name))
        for name, described in description.records.items():
            kind = RECORD_KINDS[name]
            self._collections[kind] = DescribedCollection(kind, described, description, client, references)

    @property
    def name(self) -> str:
        return f"{self._description.name} at {urlsplit(self._description.base_url).netloc}"

    @property
    def collections(self) -> Mapping[type[Record], Collection[Any]]:
        return self._collections

    @property
    def idempotency_keys(self) -> bool:
        return self._description.idempotency_key is not None

    @property
    def revisions(self) -> bool:
        return self._description.etag

    @property
    def list_style(self) -> str:
        listings = (record.list for record in self._description.records.values())
        styles = (f"{each.envelope or 'bare array'}, paging {each.paging.style}" for each in listings)
        return "; ".join(dict.fromkeys(styles))

    @property
    def error_style(self) -> str:
        return f"4xx with {' or '.join(self._description.error)}" if self._description.error else "4xx"

    async def probe(self) -> SystemInfo:
        """Signs in, asks what is described, and reads the first page and the first record of every kind."""
        asked, answer = self._description.probe, None
        if asked is not None:
            answer = (await self._client.read("GET", asked.path)).body
        notes = [*self._description.notes, *self._client.notes]
        for name, kind in RECORD_KINDS.items():
            if kind in self._collections:
                notes += await self._doubts(name, self._collections[kind])
        return SystemInfo(
            product=self._description.name,
            version=text_at(asked.version, answer) if asked and asked.version else None,
            signed_in_as=text_at(asked.user, answer) if asked and asked.user else None,
            notes=tuple(notes),
        )

    async def aclose(self) -> None:
        await self._client.aclose()

    def _pages_of(self, name: str) -> Any:  # noqa: ANN401 - an iterator of pages, whose collection is made later
        return self._collections[RECORD_KINDS[name]].pages()

    async def _doubts(self, name: str, collection: DescribedCollection[Any]) -> list[str]:
        """A column that no record of the first page shows may be misspelled, and so may the request for one record."""
        async for page in collection.pages():
            columns = [m.column for m in collection.fields if all(row.values[m.column] is None for row in page)]
            doubts = [f"No {name} of the first page shows {', '.join(columns)}."] if columns else []
            if await collection.one(page[0].key, page[0].ref) is None:
                doubts.append(f"The list shows {name} {page[0].ref}, which is not found alone: check one.")
            return doubts
        return []


def open_described(
    path: Path, *, user: str | None = None, password: SecretStr | None = None, token: SecretStr | None = None
) -> DescribedSystem:
    """The system that a file describes; nothing is sent yet.

    Raises:
        ConfigurationError: the file is wrong, or lacks a credential that it asks for.
    """
    description = load_description(path)
    credentials = _credentials(path, description, {"user": user, "password": _plain(password), "token": _plain(token)})
    auth = description.auth
    headers = dict(description.headers)
    if auth is not None and auth.login is None:
        headers[auth.header] = str(fill(auth.value, credentials))
    client = SystemClient(
        description.base_url,
        sign_in=partial(_signed_in, description, credentials) if auth is not None and auth.login else None,
        headers=headers,
        told_by=partial(_told, description.error),
        timeout_s=description.timeout_s,
    )
    return DescribedSystem(description, client)


def _plain(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def _credentials(path: Path, description: Description, given: Mapping[str, str | None]) -> dict[str, str]:
    """What the placeholders stand for.

    Raises:
        ConfigurationError: one that is used is not set.
    """
    auth = description.auth
    if auth is None:
        return {}
    of_value = set(PLACEHOLDER.findall(auth.value))
    used = (of_value - {"token"}) | set(PLACEHOLDER.findall(str(auth.login.body))) if auth.login else of_value
    needed = (used | {"user", "password"}) - {"basic"} if "basic" in used else used
    missing = sorted(_SETTINGS[name] for name in needed if not given.get(name))
    if missing:
        raise ConfigurationError(
            f"{path.name} signs in with {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not set.",
            suggestion="Set it in the environment of the server.",
        )
    found = {name: value for name, value in given.items() if value}
    if "basic" in used:
        found["basic"] = b64encode(f"{found['user']}:{found['password']}".encode()).decode()
    return found


async def _signed_in(
    description: Description, credentials: Mapping[str, str], client: httpx.AsyncClient
) -> Mapping[str, str]:
    auth = description.auth
    if auth is None or auth.login is None:
        raise AssertionError("called only where a login is described")
    login = auth.login
    body: Any = fill(login.body, credentials)
    sent: dict[str, Any] = {"data": body} if login.form else {"json": body}
    response = await client.request(login.method, login.path, **sent)
    response.raise_for_status()
    token = text_at(login.token, response.json())
    if token is None:
        raise LookupError(login.token)
    return {auth.header: str(fill(auth.value, {**credentials, "token": token}))}


def _told(places: tuple[str, ...], body: Any) -> str:  # noqa: ANN401 - any JSON
    """The system's own words, from where they are said to stand; else from one of the usual places."""
    found = (value_at(place, body) for place in places)
    return next((text for text in found if isinstance(text, str) and text), "") or told(body)
