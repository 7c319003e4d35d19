import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from pydantic import SecretStr

from mcp_server.backends.described.system import DescribedSystem, open_described
from mcp_server.domain.records import WorkOrder
from mcp_server.errors import BackendUnavailable, ConfigurationError, InternalError, NotAllowed

pytestmark = pytest.mark.anyio

Describe = Callable[..., Path]
Open = Callable[[Path], DescribedSystem]
API = "https://plant.example/api"
LOGIN = {"path": "/login", "body": {"mail": "{user}", "password": "{password}", "app": 7}, "token": "data.token"}
NOTHING = httpx.Response(200, json={"items": []})


@pytest.fixture
async def opened() -> AsyncIterator[Open]:
    systems: list[DescribedSystem] = []

    def opening(path: Path) -> DescribedSystem:
        systems.append(open_described(path, user="bot", password=SecretStr("p4ss-word"), token=SecretStr("t0ken-0815")))
        return systems[-1]

    yield opening
    for system in systems:
        await system.aclose()


async def read_orders(system: DescribedSystem) -> None:
    assert [page async for page in system.collections[WorkOrder].pages()] == []


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        ({"value": "Bearer {token}"}, "Authorization", "Bearer t0ken-0815"),
        ({"value": "token {user}:{password}"}, "Authorization", "token bot:p4ss-word"),
        ({"value": "Basic {basic}"}, "Authorization", "Basic Ym90OnA0c3Mtd29yZA=="),
        ({"value": 'Token token="{token}"'}, "Authorization", 'Token token="t0ken-0815"'),
        ({"header": "x-api-key", "value": "{token}"}, "x-api-key", "t0ken-0815"),
    ],
)
async def test_credentials_of_the_settings_make_the_header(
    describe: Describe, opened: Open, auth: dict[str, str], header: str, value: str
) -> None:
    with respx.mock(base_url=API) as router:
        route = router.get("/orders").mock(return_value=NOTHING)
        await read_orders(opened(describe("auth", auth)))
    assert route.calls.last.request.headers[header] == value


@pytest.mark.parametrize(("form", "content"), [(False, "json"), (True, "x-www-form-urlencoded")])
async def test_a_login_is_asked_once_for_the_token(describe: Describe, opened: Open, form: bool, content: str) -> None:
    auth = {"value": "Bearer {token}", "login": LOGIN | {"form": form}}
    with respx.mock(base_url=API) as router:
        login = router.post("/login").mock(return_value=httpx.Response(200, json={"data": {"token": "s3ssion"}}))
        route = router.get("/orders").mock(return_value=NOTHING)
        system = opened(describe("auth", auth))
        await read_orders(system)
        await read_orders(system)
    assert login.call_count == 1
    request = login.calls.last.request
    assert content in request.headers["Content-Type"]
    if not form:
        assert json.loads(request.content) == {"mail": "bot", "password": "p4ss-word", "app": 7}
    assert route.calls.last.request.headers["Authorization"] == "Bearer s3ssion"


async def test_a_session_that_ended_is_renewed(describe: Describe, opened: Open) -> None:
    auth = {"value": "Bearer {token}", "login": LOGIN}
    answers = [httpx.Response(200, json={"data": {"token": token}}) for token in ("first", "second")]
    with respx.mock(base_url=API) as router:
        router.post("/login").mock(side_effect=answers)
        route = router.get("/orders").mock(side_effect=[NOTHING, httpx.Response(401), NOTHING])
        system = opened(describe("auth", auth))
        await read_orders(system)
        await read_orders(system)
    assert [call.request.headers["Authorization"] for call in route.calls] == [
        "Bearer first",
        "Bearer first",
        "Bearer second",
    ]


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (httpx.Response(401, json={"detail": "wrong p4ss-word"}), NotAllowed),
        (httpx.Response(200, json={"data": {}}), InternalError),
        (httpx.Response(200, text="<html>"), InternalError),
        (httpx.Response(503), BackendUnavailable),
        (httpx.ConnectError("no way"), BackendUnavailable),
    ],
)
async def test_a_login_that_fails_says_why_and_shows_no_credential(
    describe: Describe, opened: Open, answer: httpx.Response | Exception, failure: type[Exception]
) -> None:
    auth = {"value": "Bearer {token}", "login": LOGIN}
    with respx.mock(base_url=API) as router:
        router.post("/login").mock(side_effect=[answer])
        with pytest.raises(failure) as refused:
            await read_orders(opened(describe("auth", auth)))
    assert "p4ss-word" not in str(refused.value)


@pytest.mark.parametrize(
    ("auth", "words"),
    [
        ({"value": "Bearer {token}"}, "signs in with SHOPFLOOR_BACKEND_TOKEN, which is not set"),
        ({"value": "Basic {basic}"}, "SHOPFLOOR_BACKEND_PASSWORD, SHOPFLOOR_BACKEND_USER, which are not set"),
        ({"value": "Bearer {token}", "login": LOGIN}, "SHOPFLOOR_BACKEND_PASSWORD, SHOPFLOOR_BACKEND_USER"),
    ],
)
def test_a_credential_that_is_not_set_is_named_at_once(describe: Describe, auth: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        open_described(describe("auth", auth))


async def test_a_system_without_sign_in_needs_no_credential(describe: Describe) -> None:
    system = open_described(describe("auth"))
    with respx.mock(base_url=API) as router:
        route = router.get("/orders").mock(return_value=NOTHING)
        await read_orders(system)
    assert "Authorization" not in route.calls.last.request.headers
    await system.aclose()


async def test_a_credential_never_shows_in_a_refusal_nor_in_the_name(describe: Describe, opened: Open) -> None:
    system = opened(describe())
    assert system.name == "Plant at plant.example"
    with respx.mock(base_url=API) as router:
        router.get("/orders").mock(return_value=httpx.Response(400, json={"detail": "bad key t0ken-0815 of Bearer"}))
        with pytest.raises(InternalError) as refused:
            await read_orders(system)
    assert "bad key" in refused.value.message
    assert "t0ken" not in refused.value.message


@pytest.mark.parametrize(
    ("places", "body", "words"),
    [
        ("why[0].text", {"why": [{"text": "too hot"}], "message": "x"}, "too hot"),
        (["nowhere", "error.text"], {"error": {"text": "too hot", "message": "x"}}, "too hot"),
        ("nowhere", {"message": "too hot"}, "too hot"),
    ],
)
async def test_the_words_of_an_error_are_found_where_they_are_described(
    describe: Describe, opened: Open, places: Any, body: dict[str, Any], words: str
) -> None:
    with respx.mock(base_url=API) as router:
        router.get("/orders").mock(return_value=httpx.Response(400, json=body))
        with pytest.raises(InternalError, match=words):
            await read_orders(opened(describe("error", places)))


async def test_a_probe_says_who_is_connected_to_what_and_which_columns_nobody_saw(
    describe: Describe, opened: Open
) -> None:
    path = describe()
    probe = "probe: {path: /about, version: release.number, user: me}\nnotes: [A test plant.]\n"
    path.write_text(probe + path.read_text().replace("https://plant.example", "http://plant.example"))
    with respx.mock(base_url="http://plant.example/api") as router:
        router.get("/about").mock(return_value=httpx.Response(200, json={"release": {"number": 9}, "me": "bot"}))
        router.get("/orders").mock(return_value=NOTHING)
        shown = {"code": "M", "label": "Lathe", "type": "lathe", "since": "2020-05-01", "State": "on", "energy": ""}
        router.get("/machines").mock(return_value=httpx.Response(200, json={"items": [shown]}))
        router.get("/machines/M").mock(return_value=httpx.Response(404))
        info = await opened(path).probe()
    assert (info.product, info.version, info.signed_in_as) == ("Plant", "9", "bot")
    assert info.notes == (
        "A test plant.",
        "The connection is not encrypted: anyone on the way can read the credentials. Use https.",
        "No machine of the first page shows state.",
        "The list shows machine M, which is not found alone: check one.",
    )


async def test_styles_are_told_in_words(describe: Describe, opened: Open) -> None:
    system = opened(describe())
    assert system.list_style == "items, paging offset; items, paging none"
    assert system.error_style == "4xx with detail"
    assert not system.idempotency_keys
    assert not system.revisions
