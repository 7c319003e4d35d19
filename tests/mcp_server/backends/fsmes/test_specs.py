import json
from typing import Any

import pytest
import respx

from mcp_server.backends.fsmes import FsmesSystem
from mcp_server.backends.remote.merging import held_differently, merged
from mcp_server.domain.records import SHARED, CharacteristicKind, Spec
from mcp_server.errors import Conflict, InternalError
from tests.mcp_server.backends.fsmes.recorded import answer_to

pytestmark = pytest.mark.anyio
LISTED = "GET /quality/specs?material=MAT-1"
BORE = Spec(
    id="SP-1", project=SHARED, material_id="MAT-1", operation="OP20", characteristic="Bore diameter",
    kind=CharacteristicKind.PRODUCT, data_type="variable", unit="mm", lsl=57.0, usl=57.03, gauge="AG-01",
)  # fmt: skip


async def test_a_specification_is_found_by_what_was_sent_although_the_mes_has_no_id(
    mes: FsmesSystem, server: respx.MockRouter
) -> None:
    made = server.post("/quality/specs").mock(return_value=answer_to("specs", "POST /quality/specs"))
    asked = server.get("/quality/specs").mock(return_value=answer_to("specs", LISTED))
    specs = mes.collections[Spec]
    assert await specs.create(BORE, "key") == "MAT-1/Bore diameter"
    assert json.loads(made.calls.last.request.content) == {
        "material": "MAT-1", "characteristic": "Bore diameter", "unit": "mm", "min_value": 57.0, "max_value": 57.03,
    }  # fmt: skip
    assert asked.calls.last.request.url.params["q"] == "Bore diameter"
    by_what_was_sent = await specs.one("SP-1", None)
    assert by_what_was_sent is not None
    assert held_differently(specs, by_what_was_sent, BORE) == ()
    assert await specs.one("SP-1", "MAT-1/Bore diameter") == by_what_was_sent
    assert await specs.one("SP-2", None) is None


async def test_a_second_one_is_refused(mes: FsmesSystem, server: respx.MockRouter) -> None:
    server.post("/quality/specs").mock(return_value=answer_to("specs", "POST /quality/specs", 2))
    with pytest.raises(Conflict, match="already exists"):
        await mes.collections[Spec].create(BORE, "key")


async def test_limits_that_are_upside_down_are_left_out(mes: FsmesSystem, server: respx.MockRouter) -> None:
    server.get("/quality/specs").mock(return_value=answer_to("specs", LISTED))
    specs = mes.collections[Spec]
    rows = {row.ref: row async for page in specs.pages() for row in page}
    assert merged(specs, rows["MAT-1/Scratches"], None).data_type == "attribute"
    with pytest.raises(InternalError, match=r"lsl.*usl"):
        merged(specs, rows["MAT-1/Upside down"], None)


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ({}, True),
        ({"lsl": None}, True),
        ({"data_type": "attribute"}, False),
        ({"data_type": "attribute", "lsl": None, "usl": None}, True),
        ({"characteristic": "x" * 81}, False),
    ],
)
async def test_only_what_the_mes_can_hold_is_sent(mes: FsmesSystem, changes: dict[str, Any], taken: bool) -> None:
    assert mes.collections[Spec].takes(BORE.model_copy(update=changes)) is taken
