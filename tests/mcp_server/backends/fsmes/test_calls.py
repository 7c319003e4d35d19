import json

import httpx
import pytest
import respx

from mcp_server.backends.fsmes import FsmesSystem
from mcp_server.backends.fsmes.calls import Calls, moment
from mcp_server.domain.records import Material, WorkOrder
from mcp_server.errors import AnswerLost, BackendUnavailable, InternalError
from tests.mcp_server.backends.fsmes.recorded import PLACE, body_of_answer, client_to

pytestmark = pytest.mark.anyio


async def test_pages_are_read_until_there_are_no_more(mes: FsmesSystem, server: respx.MockRouter) -> None:
    whole = body_of_answer("orders", "GET /maintenance/orders")
    pages = [whole | {"items": [item], "has_more": number == 0} for number, item in enumerate(whole["items"])]
    asked = server.get("/maintenance/orders").mock(side_effect=[httpx.Response(200, json=page) for page in pages])
    found = [row.ref async for page in mes.collections[WorkOrder].pages() for row in page]
    assert found == ["CM-00002", "CM-00001"]
    assert asked.call_count == 2
    assert asked.calls.last.request.url.params["offset"] == "1"


async def test_an_empty_page_that_promises_more_is_not_believed(mes: FsmesSystem, server: respx.MockRouter) -> None:
    server.get("/maintenance/orders").respond(json={"items": [], "has_more": True})
    with pytest.raises(InternalError, match="form this adapter does not know"):
        [page async for page in mes.collections[WorkOrder].pages()]


@pytest.mark.parametrize("body", [{"items": []}, ["MAT-1"], [{"code": "MAT-1"}], [{"code": 1, "name": None}]])
async def test_a_list_of_another_form_is_told(mes: FsmesSystem, server: respx.MockRouter, body: object) -> None:
    server.get("/masterdata/materials").respond(json=body)
    with pytest.raises(InternalError, match="form this adapter does not know"):
        [page async for page in mes.collections[Material].pages()]


@pytest.mark.parametrize(("keyed", "sent"), [(True, "a-key"), (False, None)])
async def test_a_key_is_sent_where_the_mes_knows_it(server: respx.MockRouter, keyed: bool, sent: str | None) -> None:
    asked = server.post("/somewhere").respond(201, json={"code": "X"})
    client = client_to(PLACE)
    assert await Calls(client, keyed).post("/somewhere", {"a": 1}, "a-key") == {"code": "X"}
    await client.aclose()
    assert asked.calls.last.request.headers.get("Idempotency-Key") == sent
    assert json.loads(asked.calls.last.request.content) == {"a": 1}


async def test_what_is_shown_late_is_waited_for_even_when_a_look_fails(server: respx.MockRouter) -> None:
    looks = iter([False, BackendUnavailable("busy"), True])

    async def is_shown() -> bool:
        look = next(looks)
        if isinstance(look, Exception):
            raise look
        return look

    client = client_to(PLACE)
    await Calls(client, keyed=False, looks_after_s=(0, 0, 0, 0)).await_shown(is_shown, "X")
    await client.aclose()
    assert list(looks) == []
    assert not server.calls


async def test_what_is_never_shown_is_an_answer_lost(server: respx.MockRouter) -> None:
    async def is_shown() -> bool:
        return False

    client = client_to(PLACE)
    with pytest.raises(AnswerLost, match="said yes to X"):
        await Calls(client, keyed=False, looks_after_s=(0, 0)).await_shown(is_shown, "X")
    await client.aclose()
    assert not server.calls


async def test_after_the_first_half_of_a_change_nothing_says_that_nothing_was_stored(server: respx.MockRouter) -> None:
    server.post("/somewhere").respond(429)
    client = client_to(PLACE)
    calls = Calls(client, keyed=False)
    with pytest.raises(BackendUnavailable):
        await calls.post("/somewhere", {}, "key", refuses_doubles=True)
    with pytest.raises(AnswerLost):
        await calls.post("/somewhere", {}, "key", refuses_doubles=True, is_second=True)
    await client.aclose()


def test_times_without_a_zone_are_in_utc() -> None:
    assert moment("2026-11-22T20:56:21.497219") == moment("2026-11-22T21:56:21.497219+01:00")
