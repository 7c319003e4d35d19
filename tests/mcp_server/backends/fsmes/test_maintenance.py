import json
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest
import respx

from mcp_server.backends.fsmes import FsmesSystem
from mcp_server.backends.remote.merging import held_differently, merged
from mcp_server.backends.remote.port import Row
from mcp_server.domain.records import SHARED, MaintenanceKind, PmTask, Strategy, WorkOrder, WorkOrderState
from mcp_server.errors import AnswerLost, Conflict, RuleViolated
from tests.mcp_server.backends.fsmes.recorded import answer_to, body_of_answer

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 7, 1, 8, tzinfo=UTC)
LISTED = "GET /maintenance/orders"
COMPLETE = "POST /maintenance/orders/CM-00001/complete"
TASK = PmTask(
    id="PM-1", project=SHARED, plan_id="PMP-1", machine_id="MC-103", title="Grease", calendar_interval=30,
    calendar_unit="d", strategy=Strategy.FIXED, tolerance_pct=10.0, est_min=20, skill="mechanical", loto=True,
    anchor_on=date(2026, 7, 1),
)  # fmt: skip
ORDER = WorkOrder(
    id="WO-0001", project=SHARED, machine_id="MC-103", kind=MaintenanceKind.BREAKDOWN, title="Replace seal",
    state=WorkOrderState.PLANNED, start=NOW, duration_min=60, priority=2, reason="It leaks.", created_at=NOW,
    created_by="E100",
)  # fmt: skip


async def test_a_task_in_days_is_sent_and_read(mes: FsmesSystem, server: respx.MockRouter) -> None:
    made = server.post("/maintenance/plans").mock(return_value=answer_to("plans", "POST /maintenance/plans"))
    server.get("/maintenance/plans").mock(return_value=answer_to("plans", "GET /maintenance/plans"))
    tasks = mes.collections[PmTask]
    assert await tasks.create(TASK, "key") == "PM-1"
    sent = json.loads(made.calls.last.request.content)
    assert (sent["trigger"], sent["interval"], sent["needs_stop"]) == ("calendar_days", 30, True)
    row = await tasks.one("PM-1", None)
    assert row is not None
    assert held_differently(tasks, row, TASK) == ()


async def test_plans_in_days_and_hours_are_tasks_and_those_in_pieces_are_not(
    mes: FsmesSystem, server: respx.MockRouter
) -> None:
    server.get("/maintenance/plans").mock(return_value=answer_to("plans", "GET /maintenance/plans"))
    tasks = mes.collections[PmTask]
    in_days, in_hours = [merged(tasks, row, None) async for page in tasks.pages() for row in page]
    assert (in_days.calendar_interval, in_days.calendar_unit, in_days.meter_interval) == (30, "d", None)
    assert (in_hours.calendar_interval, in_hours.calendar_unit, in_hours.meter_interval) == (None, None, 500.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"calendar_unit": "m"},
        {"calendar_unit": "w"},
        {"meter_interval": 500.0},
        {"calendar_interval": None, "calendar_unit": None, "meter_interval": 500.0},
    ],
)
async def test_a_task_that_the_mes_cannot_say_in_days_is_not_sent(mes: FsmesSystem, changes: dict[str, Any]) -> None:
    assert not mes.collections[PmTask].takes(TASK.model_copy(update=changes))


async def test_a_work_order_is_stamped_with_our_id(mes: FsmesSystem, server: respx.MockRouter) -> None:
    made = server.post("/maintenance/corrective").mock(return_value=answer_to("orders", "POST /maintenance/corrective"))
    server.get("/maintenance/orders").mock(return_value=answer_to("orders", LISTED))
    orders = mes.collections[WorkOrder]
    assert await orders.create(ORDER, "key") == "CM-00001"
    assert json.loads(made.calls.last.request.content) == {
        "equipment": "MC-103", "summary": "[WO-0001] Replace seal", "reason": "It leaks.", "priority": 2,
        "needs_stop": False,
    }  # fmt: skip
    row = await orders.one("WO-0001", None)
    assert row is not None
    assert row.ref == "CM-00001"
    assert held_differently(orders, row, ORDER) == ()


async def test_an_order_of_the_mes_itself_is_read_with_what_it_tells(
    mes: FsmesSystem, server: respx.MockRouter
) -> None:
    server.get("/maintenance/orders").mock(return_value=answer_to("orders", LISTED))
    row = await mes.collections[WorkOrder].one("CM-00002", None)
    assert row is not None
    order: WorkOrder = merged(mes.collections[WorkOrder], row, None)
    assert (order.title, order.priority) == ("[urgent] Look at the pump", 3)
    assert (order.technician_id, order.start) == ("ADMIN", datetime(2026, 12, 1, 8, tzinfo=UTC))


async def test_no_order_is_found_where_there_is_none(mes: FsmesSystem, server: respx.MockRouter) -> None:
    asked = server.get("/maintenance/orders").mock(return_value=answer_to("orders", f"{LISTED}?q=WO-9999"))
    assert await mes.collections[WorkOrder].one("WO-9999", None) is None
    assert asked.calls.last.request.url.params["q"] == "WO-9999"


async def test_an_order_that_is_there_twice_is_told(mes: FsmesSystem, server: respx.MockRouter) -> None:
    page = body_of_answer("orders", LISTED)
    page["items"] = [page["items"][1], page["items"][1] | {"code": "CM-00007"}]
    server.get("/maintenance/orders").respond(json=page)
    with pytest.raises(Conflict, match="CM-00001, CM-00007"):
        await mes.collections[WorkOrder].one("WO-0001", None)
    assert await mes.collections[WorkOrder].one("WO-0001", "CM-00007") is not None


async def test_an_answer_without_a_number_is_lost(mes: FsmesSystem, server: respx.MockRouter) -> None:
    server.post("/maintenance/corrective").respond(201, json={})
    with pytest.raises(AnswerLost, match="did not say"):
        await mes.collections[WorkOrder].create(ORDER, "key")


async def test_an_order_is_done_and_that_is_looked_for(mes: FsmesSystem, server: respx.MockRouter) -> None:
    done = server.post("/maintenance/orders/CM-00001/complete").mock(return_value=answer_to("orders", COMPLETE))
    asked = server.get("/maintenance/orders").mock(
        side_effect=[answer_to("orders", LISTED), answer_to("orders", f"{LISTED}?q=CM-00001")]
    )
    await mes.collections[WorkOrder].change(ORDER, in_state(WorkOrderState.DONE), a_row("planned"), "key")
    assert done.call_count == 1
    assert asked.call_count == 2


async def test_an_order_that_was_done_before_is_refused(mes: FsmesSystem, server: respx.MockRouter) -> None:
    server.post("/maintenance/orders/CM-00001/complete").mock(return_value=answer_to("orders", COMPLETE, 2))
    with pytest.raises(Conflict, match="already done"):
        await mes.collections[WorkOrder].change(ORDER, in_state(WorkOrderState.DONE), a_row("planned"), "key")


async def test_an_order_that_the_mes_does_not_show_done_is_not_believed(
    mes: FsmesSystem, server: respx.MockRouter
) -> None:
    server.post("/maintenance/orders/CM-00001/complete").mock(return_value=answer_to("orders", COMPLETE))
    server.get("/maintenance/orders").mock(return_value=answer_to("orders", LISTED))
    with pytest.raises(AnswerLost):
        await mes.collections[WorkOrder].change(ORDER, in_state(WorkOrderState.DONE), a_row("planned"), "key")


async def test_the_mes_cancels_no_order(mes: FsmesSystem) -> None:
    with pytest.raises(RuleViolated, match="from planned to cancelled"):
        await mes.collections[WorkOrder].change(ORDER, in_state(WorkOrderState.CANCELLED), a_row("planned"), "key")


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": MaintenanceKind.PREVENTIVE},
        {"state": WorkOrderState.DONE},
        {"priority": 4},
        {"id": "CM 1"},
    ],
)
async def test_an_order_that_the_mes_has_no_word_for_is_not_sent(mes: FsmesSystem, changes: dict[str, Any]) -> None:
    assert mes.collections[WorkOrder].takes(ORDER)
    assert not mes.collections[WorkOrder].takes(ORDER.model_copy(update=changes))


def in_state(state: WorkOrderState) -> WorkOrder:
    return ORDER.model_copy(update={"state": state})


def a_row(state: str) -> Row:
    return Row("WO-0001", "CM-00001", {"state": state})


async def test_a_long_reason_is_shortened_and_still_the_same(mes: FsmesSystem, server: respx.MockRouter) -> None:
    long = ORDER.model_copy(update={"reason": "It leaks. " * 40})
    page = body_of_answer("orders", LISTED)
    page["items"][1]["reason"] = ("It leaks. " * 40)[:200]
    server.get("/maintenance/orders").mock(return_value=httpx.Response(200, json=page))
    row = await mes.collections[WorkOrder].one("WO-0001", None)
    assert row is not None
    assert merged(mes.collections[WorkOrder], row, long).reason == long.reason
