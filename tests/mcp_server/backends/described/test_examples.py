"""The three examples against the answers that the systems' documentation shows. None of them was run for real."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from jsonschema import Draft202012Validator
from pydantic import SecretStr

from mcp_server.backends import described
from mcp_server.backends.described.schema import description_schema
from mcp_server.backends.described.source import read_source
from mcp_server.backends.described.system import DescribedSystem, open_described
from mcp_server.backends.remote.merging import holds, merged
from mcp_server.backends.remote.port import Row
from mcp_server.domain.records import (
    Issue,
    IssueCategory,
    IssueState,
    Machine,
    MachineStatus,
    MaintenanceKind,
    Material,
    PmTask,
    Severity,
    WorkOrder,
    WorkOrderState,
)
from mcp_server.errors import Conflict, NotAllowed, RuleViolated

pytestmark = pytest.mark.anyio

EXAMPLES = Path(described.__file__).parent / "examples"
Example = Callable[[str], DescribedSystem]
THEN = datetime(2000, 1, 1, tzinfo=UTC)

LATHE = Machine(
    id="MC-103", project="SHARED", workstation="unassigned", name="Lathe", type="unknown", make="Acme", model="L2",
    serial="S-9", commissioned_on=date(2000, 1, 1), status=MachineStatus.DOWN, criticality="B",
    energy_sources=("electrical",), meter="hours",
)  # fmt: skip
ORDER = WorkOrder(
    id="WO-0007", project="SHARED", machine_id="MC-103", kind=MaintenanceKind.BREAKDOWN, title="Replace belt",
    state=WorkOrderState.PLANNED, start=datetime(2026, 7, 1, 6, tzinfo=UTC), duration_min=90, priority=3,
    created_at=THEN, created_by="unknown",
)  # fmt: skip
PROBLEM = Issue(
    id="QI-0004", project="SHARED", title="Bore too wide", description="57.05", category=IssueCategory.QUALITY,
    severity=Severity.MAJOR, state=IssueState.TRIAGED, qty_affected=3, detected_at=THEN, detected_by="P-1",
    opened_at=THEN, acknowledge_due_at=THEN, contain_due_at=THEN, root_cause_due_at=THEN, close_due_at=THEN,
)  # fmt: skip


@pytest.fixture
async def example() -> AsyncIterator[Example]:
    opened: list[DescribedSystem] = []

    def opening(name: str) -> DescribedSystem:
        path = EXAMPLES / f"{name}.yaml"
        opened.append(open_described(path, user="key", password=SecretStr("s3cret"), token=SecretStr("t0ken")))
        return opened[-1]

    yield opening
    for system in opened:
        await system.aclose()


def sent(route: respx.Route) -> Any:
    return json.loads(route.calls.last.request.content)


def ok(body: Any) -> httpx.Response:
    return httpx.Response(200, json=body)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_an_example_fits_the_published_schema_and_says_that_it_was_never_run(path: Path) -> None:
    Draft202012Validator(description_schema()).validate(read_source(path).data)  # pyright: ignore[reportUnknownMemberType] - half typed in jsonschema
    head = path.read_text(encoding="utf-8")[:400]
    assert "ot run against the real system; shapes from its documentation" in head
    assert "https://" in head


async def test_erpnext_is_read_over_several_pages(example: Example) -> None:
    system = example("erpnext")
    pages = [[{"name": f"MC-{n:03d}", "workstation_name": f"MC-{n:03d}", "status": "Off"} for n in range(200)], []]
    with respx.mock(base_url="https://erp.example.com") as router:
        route = router.get("/api/resource/Workstation").mock(side_effect=[ok({"data": page}) for page in pages])
        rows = [row async for page in system.collections[Machine].pages() for row in page]
    assert len(rows) == 200
    queries = [dict(call.request.url.params) for call in route.calls]
    assert queries[0] == {"fields": '["*"]', "order_by": "name asc", "limit_start": "0", "limit_page_length": "200"}
    assert queries[1] == queries[0] | {"limit_start": "200"}
    assert route.calls.last.request.headers["Authorization"] == "token key:s3cret"
    machine = merged(system.collections[Machine], rows[7], None)
    assert (machine.id, machine.status, machine.name) == ("MC-007", MachineStatus.DECOMMISSIONED, "")


async def test_erpnext_takes_a_workstation_and_changes_its_status(example: Example) -> None:
    machines = example("erpnext").collections[Machine]
    shown = {"name": "MC-103", "workstation_name": "MC-103", "description": "Lathe", "status": "Problem", "disabled": 0}
    idle = LATHE.model_copy(update={"status": MachineStatus.IDLE})
    with respx.mock(base_url="https://erp.example.com") as router:
        post = router.post("/api/resource/Workstation").mock(return_value=ok({"data": shown}))
        router.get("/api/resource/Workstation/MC-103").mock(return_value=ok({"data": shown}))
        put = router.put("/api/resource/Workstation/MC-103").mock(return_value=ok({"data": shown}))
        ref = await machines.create(LATHE, "k")
        row = await machines.one("MC-103", ref)
        assert row is not None
        await machines.change(LATHE, idle, row, "k")
    assert sent(post) == {"workstation_name": "MC-103", "description": "Lathe", "status": "Problem"}
    assert holds(machines, row, LATHE)
    assert sent(put) == {"status": "Idle"}


async def test_erpnext_refuses_in_its_own_words(example: Example) -> None:
    machines = example("erpnext").collections[Machine]
    double = {"exc_type": "DuplicateEntryError", "exception": "frappe.exceptions.DuplicateEntryError: MC-103"}
    wrong = {"exc_type": "ValidationError", "exception": "frappe.exceptions.ValidationError: Status is wrong"}
    with respx.mock(base_url="https://erp.example.com") as router:
        answers = [httpx.Response(409, json=double), httpx.Response(417, json=wrong), httpx.Response(403, json={})]
        router.post("/api/resource/Workstation").mock(side_effect=answers)
        for failure, words in ((Conflict, "MC-103"), (RuleViolated, "Status is wrong"), (NotAllowed, "403")):
            with pytest.raises(failure, match=words):
                await machines.create(LATHE, "k")


async def test_erpnext_shows_items_and_takes_a_problem(example: Example) -> None:
    system = example("erpnext")
    item = {"name": "M-1", "item_code": "M-1", "item_name": "Bolt", "item_group": "Raw", "stock_uom": "Nos"}
    problem = {"name": "QA-NC-00001", "subject": "[QI-0004] Bore too wide", "status": "Open"}
    with respx.mock(base_url="https://erp.example.com") as router:
        router.get("/api/resource/Item").mock(return_value=ok({"data": [item | {"has_batch_no": 1}]}))
        post = router.post("/api/resource/Non Conformance").mock(return_value=ok({"data": problem}))
        seen = problem | {"subject": "Scratch", "creation": "2026-06-27 10:00:00.000000"}
        router.get("/api/resource/Non Conformance/QA-NC-00001").mock(return_value=ok({"data": seen}))
        put = router.put("/api/resource/Non Conformance/QA-NC-00001").mock(return_value=ok({"data": problem}))
        [[row]] = [page async for page in system.collections[Material].pages()]
        ref = await system.collections[Issue].create(PROBLEM, "k")
        found = await system.collections[Issue].one("QA-NC-00001", "QA-NC-00001")
        assert found is not None
        assert merged(system.collections[Issue], found, None).opened_at == datetime(2026, 6, 27, 10, tzinfo=UTC)
        closed = PROBLEM.model_copy(update={"state": IssueState.CLOSED, "closed_by": "P-2"})
        await system.collections[Issue].change(PROBLEM, closed, Row(key="QI-0004", ref=ref, values={}), "k")
    material = merged(system.collections[Material], row, None)
    assert (material.id, material.uom, material.lot_tracked) == ("M-1", "pcs", True)
    expected = {"subject": "[QI-0004] Bore too wide", "status": "Open", "procedure": "Handling of nonconformities"}
    assert sent(post) == expected
    assert sent(put) == {"status": "Resolved"}


async def test_erpnext_says_who_is_signed_in(example: Example) -> None:
    with respx.mock(base_url="https://erp.example.com") as router:
        router.get("/api/method/frappe.auth.get_logged_user").mock(return_value=ok({"message": "bot@example.com"}))
        router.get(path__startswith="/api/resource/").mock(return_value=ok({"data": []}))
        assert (await example("erpnext").probe()).signed_in_as == "bot@example.com"


EQUIPMENT = {"id": 7, "name": "[MC-103] Lathe", "model": "L2", "serial_no": False}
FIELDS = ["name", "equipment_id", "maintenance_type", "schedule_date", "create_date"]
REQUEST = {
    "create_date": "2026-06-30 12:00:00",
    "id": 31,
    "name": "[WO-0007] Replace belt",
    "equipment_id": [7, "[MC-103] Lathe"],
    "maintenance_type": "corrective",
    "schedule_date": "2026-07-01 06:00:00",
}


async def test_odoo_is_read_over_several_pages(example: Example) -> None:
    orders = example("odoo").collections[WorkOrder]
    pages = [
        [REQUEST | {"id": n, "name": "Oil"} for n in range(1, 501)],
        [REQUEST | {"id": 501, "schedule_date": False}],
    ]
    with respx.mock(base_url="https://odoo.example.com/json/2") as router:
        route = router.post("/maintenance.request/search_read").mock(side_effect=[ok(page) for page in pages])
        router.post("/maintenance.equipment/search_read").mock(return_value=ok([EQUIPMENT]))
        rows = [row async for page in orders.pages() for row in page]
    first = {"domain": [], "fields": FIELDS, "order": "id"}
    assert [json.loads(call.request.content) for call in route.calls] == [
        first | {"offset": 0, "limit": 500},
        first | {"offset": 500, "limit": 500},
    ]
    headers = route.calls.last.request.headers
    assert (headers["Authorization"], headers["X-Odoo-Database"]) == ("bearer t0ken", "plant")
    assert (rows[0].key, rows[500].key) == ("1", "WO-0007")
    assert merged(orders, rows[500], None).machine_id == "MC-103"
    assert merged(orders, rows[500], None).created_at == datetime(2026, 6, 30, 12, tzinfo=UTC)
    assert merged(orders, rows[500], None).start == THEN, "an empty date is what the description assumes"


async def test_odoo_takes_an_order_on_its_own_equipment_and_reads_it_back(example: Example) -> None:
    orders = example("odoo").collections[WorkOrder]
    later = ORDER.model_copy(update={"start": datetime(2026, 7, 2, 6, tzinfo=UTC), "moved_reason": "no part"})
    with respx.mock(base_url="https://odoo.example.com/json/2") as router:
        router.post("/maintenance.equipment/search_read").mock(return_value=ok([EQUIPMENT]))
        create = router.post("/maintenance.request/create").mock(return_value=ok([31]))
        read = router.post("/maintenance.request/search_read").mock(side_effect=[ok([REQUEST]), ok([])])
        write = router.post("/maintenance.request/write").mock(return_value=ok(True))
        ref = await orders.create(ORDER, "k")
        row = await orders.one("WO-0007", ref)
        assert row is not None
        assert holds(orders, row, ORDER)
        assert await orders.one("WO-0007", "32") is None
        assert sent(read)["domain"] == [["id", "=", 32]]
        await orders.change(ORDER, later, row, "k")
    columns = {"equipment_id": 7, "maintenance_type": "corrective", "schedule_date": "2026-07-01 06:00:00"}
    assert sent(create) == {"vals_list": [{"name": "[WO-0007] Replace belt"} | columns]}
    assert sent(write) == {"ids": [31], "vals": {"schedule_date": "2026-07-02 06:00:00"}}


async def test_odoo_takes_equipment(example: Example) -> None:
    machines = example("odoo").collections[Machine]
    bigger = LATHE.model_copy(update={"name": "Big lathe"})
    with respx.mock(base_url="https://odoo.example.com/json/2") as router:
        create = router.post("/maintenance.equipment/create").mock(return_value=ok([7]))
        write = router.post("/maintenance.equipment/write").mock(return_value=ok(True))
        assert await machines.create(LATHE, "k") == "7"
        await machines.change(LATHE, bigger, Row(key="MC-103", ref="7", values={}), "k")
    assert sent(create) == {"vals_list": [{"name": "[MC-103] Lathe", "model": "L2", "serial_no": "S-9"}]}
    assert sent(write) == {"ids": [7], "vals": {"name": "[MC-103] Big lathe"}}


async def test_odoo_refuses_in_its_own_words_without_the_traceback(example: Example) -> None:
    machines = example("odoo").collections[Machine]
    said = {
        "name": "odoo.exceptions.ValidationError",
        "message": "Serial number S-9 is taken",
        "debug": "Traceback ...",
    }
    with respx.mock(base_url="https://odoo.example.com/json/2") as router:
        unauthorized = {"name": "werkzeug.exceptions.Unauthorized", "message": "Invalid apikey"}
        answers = [httpx.Response(422, json=said), httpx.Response(401, json=unauthorized)]
        router.post("/maintenance.equipment/create").mock(side_effect=answers)
        with pytest.raises(RuleViolated, match="Serial number S-9 is taken") as refused:
            await machines.create(LATHE, "k")
        assert "Traceback" not in refused.value.message
        with pytest.raises(NotAllowed, match="401"):
            await machines.create(LATHE, "k")


async def test_odoo_says_its_version(example: Example) -> None:
    with respx.mock(base_url="https://odoo.example.com") as router:
        version = {"version_info": [19, 0, 0, "final", 0, ""], "version": "19.0"}
        router.get("/web/version").mock(return_value=ok(version))
        router.post(path__startswith="/json/2/").mock(return_value=ok([]))
        assert (await example("odoo").probe()).version == "19.0"


ASSET = {
    "id": 7, "name": "[MC-103] Lathe", "model": "L2", "serialNumber": "S-9", "manufacturer": "Acme", "status": "DOWN",
}  # fmt: skip
JOB = {
    "id": 31, "title": "[WO-0007] Replace belt", "asset": {"id": 7, "name": "[MC-103] Lathe"}, "status": "OPEN",
    "estimatedDuration": 1.5,
}  # fmt: skip


def page_of(rows: list[dict[str, Any]], total: int) -> httpx.Response:
    return ok({"content": rows, "totalElements": total, "last": False})


async def test_atlas_is_read_over_several_pages(example: Example) -> None:
    machines = example("atlas_cmms").collections[Machine]
    pages = [[ASSET | {"id": n, "name": "Saw"} for n in range(200)], [ASSET | {"status": "EMERGENCY_SHUTDOWN"}]]
    with respx.mock(base_url="https://cmms.example.com") as router:
        route = router.post("/assets/search").mock(side_effect=[page_of(rows, 201) for rows in pages])
        rows = [row async for page in machines.pages() for row in page]
    search = {"filterFields": [], "sortField": "id", "direction": "ASC", "pageSize": 200}
    assert [json.loads(call.request.content) for call in route.calls] == [
        search | {"pageNum": 0},
        search | {"pageNum": 1},
    ]
    assert route.calls.last.request.headers["x-api-key"] == "t0ken"
    assert rows[200].key == "MC-103"
    assert merged(machines, rows[200], None).status is MachineStatus.DOWN


async def test_atlas_takes_an_asset_and_never_changes_it(example: Example) -> None:
    machines = example("atlas_cmms").collections[Machine]
    with respx.mock(base_url="https://cmms.example.com") as router:
        post = router.post("/assets").mock(return_value=ok(ASSET))
        router.get("/assets/7").mock(return_value=ok(ASSET))
        row = await machines.one("MC-103", await machines.create(LATHE, "k"))
    assert sent(post) == {key: value for key, value in ASSET.items() if key != "id"}
    assert row is not None
    assert holds(machines, row, LATHE)
    assert machines.changes == frozenset()


async def test_atlas_takes_a_work_order_and_changes_only_its_state(example: Example) -> None:
    orders = example("atlas_cmms").collections[WorkOrder]
    done = ORDER.model_copy(update={"state": WorkOrderState.DONE, "completed_at": THEN})
    with respx.mock(base_url="https://cmms.example.com") as router:
        router.post("/assets/search").mock(return_value=page_of([ASSET], 1))
        post = router.post("/work-orders").mock(return_value=ok(JOB))
        router.get("/work-orders/31").mock(return_value=ok(JOB))
        patch = router.patch("/work-orders/31/change-status").mock(return_value=ok(JOB | {"status": "COMPLETE"}))
        row = await orders.one("WO-0007", await orders.create(ORDER, "k"))
        assert row is not None
        assert holds(orders, row, ORDER)
        await orders.change(ORDER, done, row, "k")
    assert sent(post) == {key: value for key, value in JOB.items() if key != "id"} | {"asset": {"id": 7}}
    assert sent(patch) == {"status": "COMPLETE"}
    assert orders.changes == {"state"}


async def test_atlas_shows_its_preventive_maintenances_and_takes_none(example: Example) -> None:
    tasks = example("atlas_cmms").collections[PmTask]
    shown = {"id": 3, "title": "Grease spindle", "asset": {"id": 7}, "estimatedDuration": 0.5}
    with respx.mock(base_url="https://cmms.example.com") as router:
        router.post("/assets/search").mock(return_value=page_of([ASSET], 1))
        router.post("/preventive-maintenances/search").mock(return_value=page_of([shown], 1))
        [[row]] = [page async for page in tasks.pages()]
    task = merged(tasks, row, None)
    assert (task.id, task.machine_id, task.est_min, task.title) == ("3", "MC-103", 30, "Grease spindle")
    assert not tasks.creates


async def test_atlas_refuses_in_its_own_words(example: Example) -> None:
    machines = example("atlas_cmms").collections[Machine]
    said = {"success": False, "message": "Asset with same barcode exists"}
    with respx.mock(base_url="https://cmms.example.com") as router:
        router.post("/assets").mock(return_value=httpx.Response(406, json=said))
        with pytest.raises(RuleViolated, match="Asset with same barcode exists"):
            await machines.create(LATHE, "k")
