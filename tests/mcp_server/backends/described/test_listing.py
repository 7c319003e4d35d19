import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import respx
from pydantic import TypeAdapter

from mcp_server.backends.described.description import Listing
from mcp_server.backends.described.listing import listed
from mcp_server.backends.http.client import SystemClient
from mcp_server.errors import InternalError

pytestmark = pytest.mark.anyio

ROWS = [{"id": number} for number in range(1, 6)]
Serve = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
async def client() -> AsyncIterator[SystemClient]:
    client = SystemClient("https://plant.example")
    yield client
    await client.aclose()


async def ids(client: SystemClient, listing: dict[str, Any]) -> list[list[int]]:
    described = TypeAdapter(Listing).validate_json(json.dumps(listing))
    return [[row["id"] for row in rows] async for rows in listed(client, described, "/rows")]


def offsets(request: httpx.Request) -> httpx.Response:
    skip, take = int(request.url.params["skip"]), int(request.url.params["take"])
    return httpx.Response(200, json={"data": ROWS[skip : skip + min(take, 2)], "meta": {"total": len(ROWS)}})


def numbered(request: httpx.Request) -> httpx.Response:
    asked = json.loads(request.content)
    assert asked["order"] == "id"
    first = asked["page"] * asked["size"]
    return httpx.Response(200, json=ROWS[first : first + asked["size"]])


def ranged(request: httpx.Request) -> httpx.Response:
    first, last = map(int, request.headers["Range"].removeprefix("records=").split("-"))
    rows = ROWS[first : last + 1]
    return httpx.Response(
        206, json=rows, headers={"Content-Range": f"records {first}-{first + len(rows) - 1}/{len(ROWS)}"}
    )


def cursors(request: httpx.Request) -> httpx.Response:
    at = int(request.url.params.get("after", "0"))
    following = {"next": str(at + 3)} if at + 3 < len(ROWS) else {"next": None}
    return httpx.Response(200, json={"rows": ROWS[at : at + 3], "page": following})


OFFSET = {"style": "offset", "start_name": "skip", "size_name": "take", "size": 4}
CURSOR = {"style": "cursor", "cursor_name": "after", "next": "page.next"}
NUMBERED = {"style": "page", "page_name": "page", "size_name": "size", "size": 2, "first": 0}


@pytest.mark.parametrize(
    ("serve", "listing", "pages", "requests"),
    [
        (offsets, {"envelope": "data", "paging": OFFSET}, [[1, 2], [3, 4], [5]], 4),
        (offsets, {"envelope": "data", "paging": OFFSET | {"total": "meta.total"}}, [[1, 2], [3, 4], [5]], 3),
        (numbered, {"method": "POST", "body": {"order": "id"}, "paging": NUMBERED}, [[1, 2], [3, 4], [5]], 4),
        (
            numbered,
            {"method": "POST", "body": {"order": "id"}, "paging": NUMBERED | {"full_pages": True}},
            [[1, 2], [3, 4], [5]],
            3,
        ),
        (ranged, {"paging": {"style": "range", "size": 3}}, [[1, 2, 3], [4, 5]], 2),
        (cursors, {"envelope": "rows", "paging": CURSOR}, [[1, 2, 3], [4, 5]], 2),
        (lambda _: httpx.Response(200, json=ROWS), {}, [[1, 2, 3, 4, 5]], 1),
        (lambda _: httpx.Response(200, json=ROWS), {"paging": {"style": "range"}}, [[1, 2, 3, 4, 5]], 1),
        (lambda _: httpx.Response(200, json=[]), {}, [], 1),
        (offsets, {"envelope": "data", "where": {"id": [1, 5]}, "paging": OFFSET}, [[1], [5]], 4),
        (offsets, {"envelope": "data", "where": {"id": 9}, "paging": OFFSET}, [], 4),
    ],
    ids=[
        "capped",
        "total",
        "until-empty",
        "full-pages",
        "range",
        "cursor",
        "bare",
        "range-ignored",
        "empty",
        "where",
        "nowhere",
    ],
)
async def test_every_page_is_asked_for_once(
    client: SystemClient, serve: Serve, listing: dict[str, Any], pages: list[list[int]], requests: int
) -> None:
    with respx.mock() as router:
        route = router.route(path="/rows").mock(side_effect=serve)
        assert await ids(client, listing) == pages
    assert route.call_count == requests


async def test_constant_parameters_go_with_every_page_and_lists_as_json(client: SystemClient) -> None:
    with respx.mock() as router:
        route = router.get("/rows").mock(side_effect=[httpx.Response(200, json=ROWS), httpx.Response(200, json=[])])
        await ids(client, {"query": {"fields": ["*"], "active": True, "depth": 2}, "paging": OFFSET})
    for call, start in zip(route.calls, ("0", "5"), strict=True):
        sent = dict(call.request.url.params)
        assert sent == {"fields": '["*"]', "active": "true", "depth": "2", "skip": start, "take": "4"}


async def test_a_system_that_ignores_the_paging_is_found_out(client: SystemClient) -> None:
    with respx.mock() as router:
        router.get("/rows").mock(return_value=httpx.Response(200, json=ROWS))
        with pytest.raises(InternalError, match="the same page again and again") as refused:
            await ids(client, {"paging": OFFSET})
    assert "list.paging" in refused.value.suggestion


@pytest.mark.parametrize(
    ("envelope", "body", "words"),
    [("data", {"items": []}, "shows no list at data"), (None, {"data": []}, "shows no list as the whole answer")],
)
async def test_an_answer_without_the_list_is_no_empty_list(
    client: SystemClient, envelope: str | None, body: dict[str, Any], words: str
) -> None:
    with respx.mock() as router:
        router.get("/rows").mock(return_value=httpx.Response(200, json=body))
        with pytest.raises(InternalError, match=words):
            await ids(client, {"envelope": envelope})
