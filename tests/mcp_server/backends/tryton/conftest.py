"""Tryton's recorded answers, given in the order in which they were recorded; what was asked is compared as well."""

import base64
import json
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from pydantic import SecretStr

from mcp_server.backends.tryton import TrytonSystem, open_tryton

HERE = Path(__file__).parent / "answers"
URL = "tryton+http://tryton.test:8000/factory"
BASE = "http://tryton.test:8000/factory/rest/model"
KEY = "0123456789abcdef" * 4

Exchange = dict[str, Any]
Replay = Callable[..., "Replayed"]


def recorded(file: str, name: str) -> list[Exchange]:
    found: list[Exchange] = json.loads((HERE / f"{file}.json").read_text())["recorded"][name]
    return found


def response(answer: dict[str, Any]) -> httpx.Response:
    body = {"json": answer["json"]} if "json" in answer else {"text": answer["text"]}
    made = httpx.Response(answer["status"], **body)
    made.headers.update(answer["headers"])
    return made


def asked(request: httpx.Request) -> Exchange:
    """A request as the recordings have it."""
    params = request.url.params
    shown: Exchange = {"method": request.method, "path": request.url.path}
    if "f" in params:
        shown["fields"] = params.get_list("f")
    for name, param in (("domain", "d"), ("order", "o")):
        if param in params:
            shown[name] = json.loads(base64.urlsafe_b64decode(params[param]))
    return shown | ({"body": json.loads(request.content)} if request.content else {})


@dataclass(slots=True)
class Replayed:
    """What is asked of Tryton beyond signing in, beside what was recorded."""

    exchanges: list[Exchange]
    requests: list[httpx.Request] = field(default_factory=list[httpx.Request])

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        position = len(self.requests) - 1
        return response(self.exchanges[position]["answer"]) if position < len(self.exchanges) else httpx.Response(418)

    @property
    def asked(self) -> list[Exchange]:
        return [asked(request) for request in self.requests]

    @property
    def as_recorded(self) -> list[Exchange]:
        return [exchange["request"] for exchange in self.exchanges]


@pytest.fixture
def tryton() -> Generator[respx.MockRouter]:
    """A Tryton that lets us in and has all modules."""
    with respx.mock(assert_all_called=False) as router:
        signed_in, models = recorded("sign_in", "probe")[0], recorded("sign_in", "models")[0]
        router.post(f"{BASE}/res.user/get_preferences", name="sign_in").mock(response(signed_in["answer"]))
        router.get(f"{BASE}/ir.model", name="models").mock(response(models["answer"]))
        yield router


@pytest.fixture
def replay(tryton: respx.MockRouter) -> Generator[Replay]:
    """Answers as one or several recordings do; at the end everything must have been asked as it was then."""
    replayed: list[Replayed] = []

    def played(file: str, *names: str, exchanges: Sequence[Exchange] = ()) -> Replayed:
        everything = [*(e for name in names for e in recorded(file, name)), *exchanges]
        replayed.append(Replayed(everything))
        tryton.route(name="tryton").mock(side_effect=replayed[-1])
        return replayed[-1]

    yield played
    for each in replayed:
        assert each.asked == each.as_recorded


@pytest.fixture
async def system(tryton: respx.MockRouter) -> AsyncGenerator[TrytonSystem]:
    found = open_tryton(URL, token=SecretStr(KEY), timeout_s=2.0)
    yield found
    await found.aclose()
