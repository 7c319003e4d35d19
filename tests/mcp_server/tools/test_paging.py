import base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mcp_server.backends.base import Page
from mcp_server.domain.records import Machine
from mcp_server.errors import InvalidInput, VerificationFailed
from mcp_server.pipeline.declaration import ListRequest, Result
from mcp_server.tools.paging import MOST_OF_A_PAGE, envelope, page_of
from tests.support.sample_plant import Lies, Lying, sample_plant

pytestmark = pytest.mark.anyio

NO_CALL: Any = SimpleNamespace(now=None, source="")


@pytest.mark.parametrize("limit", [1, 7, 26, 200])
async def test_the_pages_together_are_all_records_once(tmp_path: Path, limit: int):
    ids: list[str] = []
    ask: dict[str, Any] = {"project": "ALPHA", "limit": limit}
    async with sample_plant(tmp_path) as plant:
        while True:
            page = await plant.call("get_machines", ask)
            assert len(page["items"]) <= limit
            assert page["total"] == 26
            ids += [machine["id"] for machine in page["items"]]
            if "next_cursor" not in page:
                break
            ask["cursor"] = page["next_cursor"]
        expected = plant.rows("SELECT id FROM machines WHERE project IN ('ALPHA', 'SHARED') ORDER BY id")
        assert ids == [row["id"] for row in expected]


@pytest.mark.parametrize(
    "cursor", ["!!!!", "MC-103", "TUMtMTAz=", "TUMtMTAz\n", "é", base64.b64encode(b"\xff\xfe").decode(), "QQ"]
)
async def test_what_is_no_cursor_is_refused(tmp_path: Path, cursor: str):
    async with sample_plant(tmp_path) as plant:
        failure = await plant.refused("get_machines", {"project": "ALPHA", "cursor": cursor})
        assert (failure.code, failure.field) == ("validation", "cursor")
        assert "Leave cursor out" in failure.suggestion


@pytest.mark.parametrize(
    "lie",
    [
        pytest.param(lambda machines: machines[:1] * 2, id="repeated"),
        pytest.param(lambda machines: (*machines, machines[0].model_copy(update={"id": "MC-1"})), id="more than asked"),
        pytest.param(lambda machines: (machines[0].model_copy(update={"project": "BETA"}),), id="of another project"),
        pytest.param(lambda machines: (machines[0].model_copy(update={"criticality": "C"}),), id="not filtered"),
    ],
)
async def test_a_page_that_is_not_what_was_asked_is_not_shown(tmp_path: Path, lie: Callable[[Any], Any]):
    def find(page: Page[Any]) -> Page[Any]:
        return replace(page, items=lie(page.items)) if page.items and isinstance(page.items[0], Machine) else page

    ask = {"project": "ALPHA", "limit": 2, "criticality": "A"}
    async with sample_plant(tmp_path) as plant:
        assert len((await plant.call("get_machines", ask))["items"]) == 2
    async with sample_plant(tmp_path, wrap=lambda backend: Lying(backend, Lies(find=find))) as plant:
        assert isinstance(await plant.refused("get_machines", ask), VerificationFailed)


class Line(Result):
    id: str
    text: str = ""


def pages(lines: list[Line], limit: int) -> list[list[str]]:
    """The ids of every page, from the first cursor to the last."""
    found: list[list[str]] = []
    request = ListRequest(limit=limit)
    while True:
        page = page_of(lines, request, lambda line: line.id)
        assert page.total == len(lines)
        found.append([line.id for line in page.items])
        cursor = envelope(page, NO_CALL)["next_cursor"]
        if cursor is None:
            return found
        request = ListRequest(limit=limit, cursor=cursor)


def test_a_computed_list_is_paged_in_its_own_order():
    lines = [Line(id=name) for name in "zayb"]
    assert pages(lines, 3) == [["z", "a", "y"], ["b"]]
    assert pages(lines, 4) == [["z", "a", "y", "b"]]
    assert pages([], 4) == [[]]


def test_a_page_that_would_fill_a_context_ends_early_and_goes_on():
    third = "x" * (MOST_OF_A_PAGE // 3)
    assert pages([Line(id=name, text=third) for name in "abcde"], 200) == [["a", "b"], ["c", "d"], ["e"]]
    assert pages([Line(id=name, text=third * 4) for name in "ab"], 200) == [["a"], ["b"]]


def test_a_cursor_of_an_item_that_is_gone_is_refused():
    page = page_of([Line(id="a"), Line(id="b")], ListRequest(limit=1), lambda line: line.id)
    request = ListRequest(limit=1, cursor=envelope(page, NO_CALL)["next_cursor"])
    with pytest.raises(InvalidInput, match="cursor"):
        page_of([Line(id="b")], request, lambda line: line.id)
