import pytest
import respx

from mcp_server.backends.fsmes import FsmesSystem
from mcp_server.backends.fsmes.system import WRITTEN_FOR
from mcp_server.backends.remote.port import holding
from mcp_server.domain.records import Issue, Machine, QualityPlan, WorkOrder
from tests.mcp_server.backends.fsmes.recorded import answer_to

pytestmark = pytest.mark.anyio


@pytest.fixture
def signed_in(server: respx.MockRouter) -> respx.MockRouter:
    server.get("/auth/me").mock(return_value=answer_to("session", "GET /auth/me"))
    server.get("/maintenance/plans").mock(return_value=answer_to("plans", "GET /maintenance/plans"))
    return server


async def test_it_says_what_it_is_who_is_signed_in_and_what_it_leaves_out(
    mes: FsmesSystem, signed_in: respx.MockRouter
) -> None:
    signed_in.get("/openapi.json").respond(json={"info": {"version": WRITTEN_FOR}})
    info = await mes.probe()
    assert (info.version, info.signed_in_as) == (WRITTEN_FOR, "ADMIN (admin)")
    assert [note for note in info.notes if "PM-3, PM-4" in note]
    assert not [note for note in info.notes if "another version" in note]


async def test_another_version_is_noted(mes: FsmesSystem, signed_in: respx.MockRouter) -> None:
    signed_in.get("/openapi.json").respond(json={"info": {"version": "0.5.0"}})
    info = await mes.probe()
    assert [note for note in info.notes if "another version" in note]


async def test_it_says_what_it_cannot_hold(mes: FsmesSystem) -> None:
    held = {kind: holding(collection) for kind, collection in mes.collections.items()}
    assert held[Machine].changes == frozenset()
    assert held[QualityPlan].changes == {"state"}
    assert not held[Issue].creates
    assert not held[WorkOrder].client_ids
    assert all(kind is collection.kind for kind, collection in mes.collections.items())
