import json

import httpx
import pytest
import respx

from mcp_server.backends.fsmes import FsmesSystem
from mcp_server.backends.remote.merging import held_differently, merged
from mcp_server.domain.records import SHARED, EquipmentNode, Machine, MachineStatus, Material
from mcp_server.errors import AnswerLost, Conflict, NotFound, RuleViolated
from tests.mcp_server.backends.fsmes.recorded import answer_to

pytestmark = pytest.mark.anyio
ASKED = "GET /masterdata/equipment"
MADE = "POST /masterdata/equipment"
MACHINE = Machine(
    id="MC-103", project=SHARED, workstation="", name="HMC 3", type="cnc", make="DMG", model="NHX", serial="1",
    status=MachineStatus.DOWN, criticality="A", energy_sources=(), meter="spindle_h",
)  # fmt: skip
MATERIAL = Material(
    id="MAT-1", project=SHARED, name="Housing", type="wip", standard="", revision="D", uom="ea", lot_tracked=True,
    supplier="", status="released",
)  # fmt: skip


async def test_machines_are_the_work_units_and_places_the_rest(mes: FsmesSystem, server: respx.MockRouter) -> None:
    server.get("/masterdata/equipment").mock(return_value=answer_to("equipment", ASKED))
    machines = [row async for page in mes.collections[Machine].pages() for row in page]
    places = [row async for page in mes.collections[EquipmentNode].pages() for row in page]
    assert [row.key for row in machines] == ["MIX01", "PACK01", "MC-103"]
    assert [row.key for row in places] == ["ACME", "KC1", "PKG", "LINE1"]
    mixer = merged(mes.collections[Machine], machines[0], None)
    assert (mixer.name, mixer.workstation) == ("Mixer 01", "LINE1")
    assert merged(mes.collections[EquipmentNode], places[3], None).parent == "PKG"


async def test_an_empty_plant_has_no_machines(mes: FsmesSystem, server: respx.MockRouter) -> None:
    server.get("/masterdata/equipment").respond(json=[])
    assert [row async for page in mes.collections[Machine].pages() for row in page] == []
    assert await mes.collections[Machine].one("MC-103", None) is None


async def test_a_machine_is_sent_and_looked_for(mes: FsmesSystem, server: respx.MockRouter) -> None:
    made = server.post("/masterdata/equipment").mock(return_value=answer_to("equipment", MADE))
    asked = server.get("/masterdata/equipment").mock(
        side_effect=[httpx.Response(200, json=[]), answer_to("equipment", ASKED)]
    )
    assert await mes.collections[Machine].create(MACHINE, "key") == "MC-103"
    assert json.loads(made.calls.last.request.content) == {"code": "MC-103", "name": "HMC 3", "level": "work_unit"}
    assert dict(asked.calls.last.request.url.params) == {"level": "work_unit", "q": "MC-103"}


async def test_a_machine_that_is_not_shown_is_not_believed(mes: FsmesSystem, server: respx.MockRouter) -> None:
    server.post("/masterdata/equipment").mock(return_value=answer_to("equipment", MADE))
    server.get("/masterdata/equipment").respond(json=[])
    with pytest.raises(AnswerLost):
        await mes.collections[Machine].create(MACHINE, "key")


@pytest.mark.parametrize(
    ("nth", "failure", "words"),
    [(2, Conflict, "already exists"), (3, NotFound, "'NO' not found"), (4, RuleViolated, "level")],
)
async def test_a_refusal_is_told_in_the_words_of_the_mes(
    mes: FsmesSystem, server: respx.MockRouter, nth: int, failure: type[Exception], words: str
) -> None:
    server.post("/masterdata/equipment").mock(return_value=answer_to("equipment", MADE, nth))
    with pytest.raises(failure, match=words):
        await mes.collections[Machine].create(MACHINE, "key")


async def test_a_place_is_sent_with_the_level_that_the_mes_knows(mes: FsmesSystem, server: respx.MockRouter) -> None:
    line = EquipmentNode(id="L2", name="Line 2", level="work_center:production_line", parent="PKG")
    shown = {"code": "L2", "name": "Line 2", "level": "work_center", "parent": "PKG"}
    made = server.post("/masterdata/equipment").respond(201, json=shown)
    server.get("/masterdata/equipment").respond(json=[shown])
    assert await mes.collections[EquipmentNode].create(line, "key") == "L2"
    assert json.loads(made.calls.last.request.content) == shown
    row = await mes.collections[EquipmentNode].one("L2", None)
    assert row is not None
    assert held_differently(mes.collections[EquipmentNode], row, line) == ()


async def test_a_material_is_sent_and_read(mes: FsmesSystem, server: respx.MockRouter) -> None:
    made = server.post("/masterdata/materials").mock(return_value=answer_to("materials", "POST /masterdata/materials"))
    server.get("/masterdata/materials").mock(return_value=answer_to("materials", "GET /masterdata/materials"))
    materials = mes.collections[Material]
    assert await materials.create(MATERIAL, "key") == "MAT-1"
    assert json.loads(made.calls.last.request.content)["type"] == "intermediate"
    rows = {row.key: row async for page in materials.pages() for row in page}
    assert held_differently(materials, rows["MAT-1"], MATERIAL) == ()
    assert merged(materials, rows["RAW-SUGAR"], None).type == "component"


async def test_what_the_mes_has_no_room_for_is_not_sent(mes: FsmesSystem) -> None:
    assert not mes.collections[Machine].takes(MACHINE.model_copy(update={"id": "M" * 41}))
    assert not mes.collections[Material].takes(MATERIAL.model_copy(update={"uom": "pieces of twenty letters"}))
    unknown = EquipmentNode(id="X", name="X", level="bench")
    assert not mes.collections[EquipmentNode].takes(unknown)


async def test_master_data_is_not_changed(mes: FsmesSystem, server: respx.MockRouter) -> None:
    server.get("/masterdata/equipment").mock(return_value=answer_to("equipment", ASKED))
    row = await mes.collections[Machine].one("MC-103", None)
    assert row is not None
    with pytest.raises(RuleViolated, match="cannot change a machine"):
        await mes.collections[Machine].change(MACHINE, MACHINE, row, "key")
