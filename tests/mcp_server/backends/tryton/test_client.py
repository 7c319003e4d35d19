import base64
import json
from typing import Any

import httpx
import pytest
import respx
from pydantic import SecretStr

from mcp_server.backends.remote.port import Collection, Row
from mcp_server.backends.tryton import TrytonSystem, open_tryton
from mcp_server.domain.records import Issue, Machine
from mcp_server.errors import AnswerLost, BackendUnavailable, InternalError, NotAllowed, ToolFailure
from tests.mcp_server.backends.tryton.conftest import BASE, KEY, URL, Replay, recorded, response
from tests.support.tryton_records import machine

pytestmark = pytest.mark.anyio


async def listed(collection: Collection[Any]) -> list[Row]:
    return [row async for page in collection.pages() for row in page]


def context(request: httpx.Request) -> Any:
    return json.loads(base64.urlsafe_b64decode(request.headers["x-tryton-context"]))


def signed_in_with(tryton: respx.MockRouter, **preferences: object) -> None:
    answer = recorded("sign_in", "probe")[0]["answer"]
    tryton["sign_in"].mock(response(answer | {"json": answer["json"] | preferences}))


async def test_all_pages_are_asked_for_one_behind_the_other(system: TrytonSystem, replay: Replay) -> None:
    played = replay("machines", "three on two pages")
    rows = await listed(system.collections[Machine])
    assert [(row.key, row.ref) for row in rows] == [
        ("MC-103", "production.work.center,1"),
        ("MC-900", "production.work.center,2"),
        ("CENTER-3", "production.work.center,3"),
    ]
    assert [request.headers["range"] for request in played.requests] == ["records=0-200", "records=0-200"]


async def test_a_list_that_tryton_does_not_count_goes_on(system: TrytonSystem, replay: Replay) -> None:
    first, second = recorded("machines", "three on two pages")
    first["answer"]["headers"]["content-range"] = "records 0-2/*"
    replay("machines", exchanges=[first, second])
    assert len(await listed(system.collections[Machine])) == 3


@pytest.mark.parametrize("told", ["", "records 0-9/9", "records 2-4/4", "bytes 0-2/3"])
async def test_a_range_that_does_not_fit_the_records_is_an_unknown_form(
    system: TrytonSystem, replay: Replay, told: str
) -> None:
    exchange = recorded("machines", "three on two pages")[0]
    exchange["answer"]["headers"]["content-range"] = told
    replay("machines", exchanges=[exchange])
    with pytest.raises(InternalError, match="form"):
        await listed(system.collections[Machine])


@pytest.mark.parametrize(
    "body",
    [{}, None, ["HMC 3"], [{"id": 1, "__name__": "stock.location"}], [{"__name__": "production.work.center"}]],
)
async def test_something_else_than_records_is_an_unknown_form(
    system: TrytonSystem, replay: Replay, body: object
) -> None:
    exchange = recorded("machines", "found")[0]
    exchange["answer"]["json"] = body
    replay("machines", exchanges=[exchange])
    with pytest.raises(InternalError, match="form"):
        await system.collections[Machine].one("MC-103", None)


@pytest.mark.parametrize(
    ("answer", "failure"),
    [(("refusals", "401"), NotAllowed), (("refusals", "unknown model"), BackendUnavailable)],
)
async def test_a_refused_list_is_a_failure_by_who_must_act(
    system: TrytonSystem, tryton: respx.MockRouter, answer: tuple[str, str], failure: type[ToolFailure]
) -> None:
    tryton.get(f"{BASE}/production.work.center").mock(response(recorded(*answer)[0]["answer"]))
    with pytest.raises(failure):
        await listed(system.collections[Machine])


@pytest.mark.parametrize("status", [200, 204])
async def test_an_answer_that_does_not_say_what_was_made_is_lost(
    system: TrytonSystem, tryton: respx.MockRouter, status: int
) -> None:
    tryton.post(f"{BASE}/production.work.center").mock(httpx.Response(status, json={} if status == 200 else None))
    with pytest.raises(AnswerLost):
        await system.collections[Machine].create(machine(), "key")


async def test_a_model_that_is_missing_is_told_with_its_module_and_not_asked_for(
    system: TrytonSystem, tryton: respx.MockRouter
) -> None:
    answer = recorded("sign_in", "models")[0]["answer"]
    left = [model for model in answer["json"] if model["name"] != "quality.alert"]
    tryton["models"].mock(response(answer | {"json": left}))
    with pytest.raises(InternalError, match="module quality is not activated") as caught:
        await system.collections[Issue].one("ISS-0101", None)
    assert "trytond-admin" in caught.value.suggestion


async def test_the_models_are_asked_for_once(system: TrytonSystem, tryton: respx.MockRouter, replay: Replay) -> None:
    replay("machines", "absent", "absent")
    for _ in range(2):
        await system.collections[Machine].one("MC-103", None)
    assert tryton["models"].call_count == 1
    assert tryton["sign_in"].call_count == 1


async def test_every_request_carries_the_key_and_the_users_own_company(system: TrytonSystem, replay: Replay) -> None:
    played = replay("machines", "absent")
    await system.collections[Machine].one("MC-103", None)
    (request,) = played.requests
    assert request.headers["authorization"] == f"bearer {KEY}"
    assert context(request) == {"company": 1, "employee": 1, "active_test": False}


async def test_company_and_employee_of_the_url_go_first(tryton: respx.MockRouter, replay: Replay) -> None:
    signed_in_with(tryton, company=None, employee=None)
    played = replay("machines", "absent")
    system = open_tryton(f"{URL}?company=3&employee=4", token=SecretStr(KEY))
    await system.collections[Machine].one("MC-103", None)
    await system.aclose()
    assert system.name == "Tryton at tryton.test:8000, database factory, company 3"
    assert context(played.requests[0]) == {"company": 3, "employee": 4, "active_test": False}


async def test_a_user_without_a_company_is_told_what_to_do(system: TrytonSystem, tryton: respx.MockRouter) -> None:
    signed_in_with(tryton, company=None)
    with pytest.raises(NotAllowed, match="no company") as caught:
        await system.collections[Machine].one("MC-103", None)
    assert "?company=1" in caught.value.suggestion


@pytest.mark.parametrize(("name", "words"), [("401", "refused the sign-in"), ("no such database", "has no database")])
async def test_a_sign_in_that_fails_says_why(
    system: TrytonSystem, tryton: respx.MockRouter, name: str, words: str
) -> None:
    tryton["sign_in"].mock(response(recorded("refusals", name)[0]["answer"]))
    with pytest.raises(NotAllowed, match=words) as caught:
        await system.probe()
    assert KEY not in str(caught.value)
