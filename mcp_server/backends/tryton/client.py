"""Tryton's REST API: search, read, create, write and press a button, with its own way of saying each."""

import base64
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

import httpx
from pydantic import SecretStr

from mcp_server.backends.http.client import Answer, SystemClient
from mcp_server.backends.tryton.address import Address
from mcp_server.errors import AnswerLost, InternalError, NotAllowed

__all__ = ["PAGE", "Clause", "Found", "Listed", "TrytonClient", "beneath", "connected"]

PAGE = 200
"""Records a page."""
_RANGE = re.compile(r"records 0-(\d+)/(\d+|\*)")
_PREFERENCES = "/rest/model/res.user/get_preferences"

Clause = Sequence[Any]
"""One condition of a domain: field, operator, value."""
Found = Mapping[str, Any]
"""A record as Tryton shows it; what a dotted field names stands in records of its own."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of a search; `more` says whether there are records behind it."""

    records: tuple[Found, ...]
    more: bool


class TrytonClient:
    """`modules` names the module that brings each model, to say which one is missing."""

    def __init__(self, client: SystemClient, modules: Mapping[str, str]) -> None:
        self._client = client
        self._modules = modules
        self._there: frozenset[str] = frozenset()

    @property
    def notes(self) -> tuple[str, ...]:
        return self._client.notes

    async def preferences(self) -> Found:
        """What Tryton knows of the user whose key we have."""
        answer = await self._client.read("POST", _PREFERENCES, json={"context_only": True})
        return _object(answer.body, "res.user")

    async def search(
        self, model: str, domain: Sequence[Clause], fields: Sequence[str], *, after: int = 0, limit: int = PAGE
    ) -> Listed:
        """Records in the order of their ids, from behind the id `after` on.

        Raises:
            BackendUnavailable, NotAllowed: it cannot be asked.
            InternalError: the model is not there, or the answer has another form.
        """
        await self._check_there(model)
        answer = await self._client.read(
            "GET",
            f"/rest/model/{model}",
            params={"f": list(fields), "d": _packed([*domain, ["id", ">", after]]), "o": _packed([["id", "ASC"]])},
            headers={"Range": f"records=0-{limit}"},
        )
        records = tuple(_record(each, model) for each in _array(answer.body, model))
        return Listed(records, _more(answer, len(records), model))

    async def read(self, model: str, number: int, fields: Sequence[str]) -> Found | None:
        await self._check_there(model)
        answer = await self._client.read(
            "GET", f"/rest/model/{model}/{number}", params={"f": list(fields)}, missing_ok=True
        )
        return None if answer.body is None else _record(answer.body, model, number)

    async def create(
        self, model: str, values: Found, fields: Sequence[str] = ("id",), *, repeatable: bool = False
    ) -> Found:
        """Make a record, and what `values` makes beneath it, in one transaction; returns `fields` of it.

        Raises:
            AnswerLost: nothing says what became of it.
            RuleViolated: Tryton refused it.
        """
        path, params = f"/rest/model/{model}", {"f": list(fields)}
        answer = await self._client.write("POST", path, params=params, json=values, repeatable=repeatable)
        try:
            return _record(answer.body, model)
        except InternalError as error:
            raise AnswerLost(error.message, suggestion="Read the record before you try again.") from None

    async def write(self, model: str, number: int, values: Found) -> None:
        path, params = f"/rest/model/{model}/{number}", {"f": ["id"]}
        await self._client.write("PUT", path, params=params, json=values, repeatable=True)

    async def press(self, model: str, number: int, button: str) -> None:
        """Take a record one step on in its workflow. Tryton refuses a step that was taken already."""
        path, params = f"/rest/model/{model}/{number}/{button}", {"f": ["id"]}
        await self._client.write("POST", path, params=params, json={}, repeatable=True)

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _check_there(self, model: str) -> None:
        """Tryton answers a question about an unknown model with status 500, as if trying again could help."""
        if model not in self._modules or model in self._there:
            return
        answer = await self._client.read(
            "GET", "/rest/model/ir.model", params={"f": ["name"], "d": _packed([["name", "in", [*self._modules]]])}
        )
        self._there = frozenset(_record(each, "ir.model").get("name", "") for each in _array(answer.body, "ir.model"))
        if model not in self._there:
            module = self._modules[model]
            raise InternalError(
                f"Tryton has no {model}: its module {module} is not activated.",
                suggestion=f"Whoever runs Tryton activates it: trytond-admin -d DATABASE -u {module}.",
            )


def beneath(made: Found, name: str) -> int:
    """The number of the one record that was made beneath another.

    Raises:
        AnswerLost: the answer does not say.
    """
    records: Any = made.get(name)
    try:
        return int(records[0]["id"])
    except (LookupError, TypeError, ValueError):
        raise AnswerLost(
            f"Tryton does not say which of {name} it made.", suggestion="Read the record before you try again."
        ) from None


def connected(address: Address, token: SecretStr, *, timeout_s: float) -> SystemClient:
    """The client of a database. It opens no connection yet."""
    return SystemClient(
        address.base_url,
        headers={"Authorization": f"bearer {token.get_secret_value()}"},
        sign_in=_signing_in(address),
        timeout_s=timeout_s,
    )


def _signing_in(address: Address) -> Callable[[httpx.AsyncClient], Awaitable[Mapping[str, str]]]:
    """A key needs no session; what is asked once is for which company its user acts."""

    async def sign_in(client: httpx.AsyncClient) -> Mapping[str, str]:
        response = await client.post(_PREFERENCES, json={"context_only": True})
        if response.status_code == HTTPStatus.NOT_FOUND:
            raise NotAllowed(
                f"Tryton at {address.place} has no database {address.database}, or no REST API.",
                suggestion="Check the database's name in --backend (SHOPFLOOR_BACKEND).",
            )
        own = response.raise_for_status().json()
        company, employee = address.company or own.get("company"), address.employee or own.get("employee")
        if company is None:
            raise NotAllowed(
                "The user of this Tryton key acts for no company.",
                suggestion="Choose a company in the user's preferences in Tryton, or add ?company=1 to --backend.",
            )
        # Without `active_test` Tryton hides what is out of use, and says that it is not there.
        return {"X-Tryton-Context": _packed({"company": company, "employee": employee, "active_test": False})}

    return sign_in


def _packed(value: Any) -> str:  # noqa: ANN401 - any JSON
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode("ascii")


def _array(body: Any, model: str) -> list[Any]:  # noqa: ANN401 - any JSON
    if not isinstance(body, list):
        raise _unknown_form(model)
    return cast("list[Any]", body)  # what isinstance leaves unknown


def _object(body: Any, model: str) -> Found:  # noqa: ANN401 - any JSON
    if not isinstance(body, Mapping):
        raise _unknown_form(model)
    return cast("Found", body)  # JSON objects have text keys


def _record(body: Any, model: str, number: int | None = None) -> Found:  # noqa: ANN401 - any JSON
    """The body, if it is a record of this model; and the one with this number, if one is given."""
    found = _object(body, model)
    if found.get("__name__") != model or not isinstance(found.get("id"), int):
        raise _unknown_form(model)
    if number is not None and found["id"] != number:
        raise InternalError(f"Tryton was asked for {model} {number} and answered with {found['id']}.")
    return found


def _more(answer: Answer, shown: int, model: str) -> bool:
    """Whether the range says that there is more; `*` stands for more than Tryton wants to count."""
    told = _RANGE.fullmatch(answer.headers.get("content-range", ""))
    if told is None or int(told[1]) != shown:
        raise _unknown_form(model)
    return told[2] == "*" or int(told[2]) > shown


def _unknown_form(model: str) -> InternalError:
    return InternalError(
        f"Tryton answered about {model} in a form that the server does not know.",
        suggestion="It must be Tryton 8.2, and nothing between may change its answers or their Content-Range header.",
    )
