import base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcp_server.backends.base import Page
from mcp_server.domain.records import Machine
from mcp_server.errors import VerificationFailed
from tests.support.sample_plant import Lies, Lying, sample_plant

pytestmark = pytest.mark.anyio


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
