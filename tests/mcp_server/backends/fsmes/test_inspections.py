import json
from datetime import UTC, datetime
from typing import Any

import pytest
import respx

from mcp_server.backends.fsmes import FsmesSystem
from mcp_server.backends.remote.merging import held_differently, merged
from mcp_server.backends.remote.port import Row
from mcp_server.domain.records import SHARED, InspectionResult, Verdict
from mcp_server.errors import AnswerLost, Conflict, RuleViolated
from tests.mcp_server.backends.fsmes.recorded import answer_to, body_of_answer

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 7, 1, 8, tzinfo=UTC)
CHART = "GET /quality/spc/MAT-1/Scratches"
COUNTED = InspectionResult(
    id="IR-0001", project=SHARED, spec_id="SP-2", characteristic="Scratches", material_id="MAT-1", lot_id="LOT-1",
    sample_size=3, readings=(0.0, 1.0, 0.0), unit="", nonconforming=1, accept=0, reject=1, verdict=Verdict.REJECT,
    inspector="E105", measured_at=NOW, recorded_at=NOW, recorded_by="E105",
)  # fmt: skip


@pytest.fixture
def chart(server: respx.MockRouter) -> respx.Route:
    server.get("/quality/specs").mock(return_value=answer_to("specs", "GET /quality/specs?material=MAT-1"))
    return server.get("/quality/spc/MAT-1/Scratches").mock(return_value=answer_to("counts", CHART))


async def test_counts_are_the_points_of_the_charts_of_what_is_counted(mes: FsmesSystem, chart: respx.Route) -> None:
    counts = mes.collections[InspectionResult]
    ours, theirs = [row async for page in counts.pages() for row in page]
    assert held_differently(counts, ours, COUNTED) == ()
    assert (ours.key, ours.ref) == ("IR-0001", "MAT-1/Scratches#1")
    read = merged(counts, theirs, None)
    assert (read.id, read.lot_id, read.verdict) == ("MAT-1/Scratches#2", "shift 2", Verdict.ACCEPT)
    assert read.readings == (0.0,) * 9
    assert chart.call_count == 1


async def test_a_count_is_stamped_with_our_id_and_looked_for(mes: FsmesSystem, server: respx.MockRouter) -> None:
    made = server.post("/quality/counts").mock(return_value=answer_to("counts", "POST /quality/counts"))
    server.get("/quality/spc/MAT-1/Scratches").mock(return_value=answer_to("counts", CHART))
    assert await mes.collections[InspectionResult].create(COUNTED, "key") == "MAT-1/Scratches#1"
    assert json.loads(made.calls.last.request.content) == {
        "material": "MAT-1", "characteristic": "Scratches", "inspected": 3, "rejected": 1, "lot_ref": "[IR-0001] LOT-1",
    }  # fmt: skip


async def test_a_count_that_the_mes_does_not_number_is_lost(mes: FsmesSystem, server: respx.MockRouter) -> None:
    server.post("/quality/counts").respond(201, json={})
    with pytest.raises(AnswerLost):
        await mes.collections[InspectionResult].create(COUNTED, "key")


@pytest.mark.usefixtures("chart")
async def test_a_count_is_found_by_our_id_and_by_theirs(mes: FsmesSystem) -> None:
    counts = mes.collections[InspectionResult]
    by_ours = await counts.one("IR-0001", None)
    assert by_ours is not None
    assert await counts.one("IR-0001", "MAT-1/Scratches#1") == by_ours
    assert await counts.one("IR-0002", None) is None


async def test_a_count_that_is_there_twice_is_told(mes: FsmesSystem, server: respx.MockRouter) -> None:
    server.get("/quality/specs").mock(return_value=answer_to("specs", "GET /quality/specs?material=MAT-1"))
    doubled = body_of_answer("counts", CHART)
    doubled["points"].append(doubled["points"][0] | {"count": 7})
    server.get("/quality/spc/MAT-1/Scratches").respond(json=doubled)
    with pytest.raises(Conflict, match="Scratches#1, MAT-1/Scratches#7"):
        await mes.collections[InspectionResult].one("IR-0001", None)


@pytest.mark.parametrize(
    "changes",
    [{"lsl": 57.0}, {"usl": 57.0}, {"spec_id": None}, {"lot_id": "L" * 60}, {"characteristic": "Bore / seat"}],
)
async def test_what_could_not_be_read_back_is_not_sent(mes: FsmesSystem, changes: dict[str, Any]) -> None:
    assert mes.collections[InspectionResult].takes(COUNTED)
    assert not mes.collections[InspectionResult].takes(COUNTED.model_copy(update=changes))


async def test_a_count_is_never_changed(mes: FsmesSystem) -> None:
    with pytest.raises(RuleViolated):
        await mes.collections[InspectionResult].change(COUNTED, COUNTED, Row("IR-0001", "x#1", {}), "key")
