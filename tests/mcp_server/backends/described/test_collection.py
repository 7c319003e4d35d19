import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from pydantic import SecretStr

from mcp_server.backends.described.system import DescribedSystem, open_described
from mcp_server.backends.remote.merging import holds, merged
from mcp_server.backends.remote.port import Collection, Row, holding
from mcp_server.domain.records import Machine, MachineStatus, MaintenanceKind, WorkOrder, WorkOrderState
from mcp_server.errors import AnswerLost, BackendUnavailable, Conflict, InternalError, RuleViolated

pytestmark = pytest.mark.anyio

Describe = Callable[..., Path]
Open = Callable[..., DescribedSystem]

LATHE = Machine(
    id="MC-103", project="SHARED", workstation="OP10", name="Lathe", type="lathe", make="?", model="?", serial="?",
    commissioned_on=date(2020, 5, 1), status=MachineStatus.STANDBY, criticality="B",
    energy_sources=("air", "electrical"), meter="hours",
)  # fmt: skip
LATHE_THERE = {
    "code": "MC-103", "label": "Lathe", "type": "lathe", "since": "2020-05-01", "state": "off",
    "energy": "air, electrical",
}  # fmt: skip
ORDER = WorkOrder(
    id="WO-0007", project="SHARED", machine_id="MC-103", kind=MaintenanceKind.CORRECTIVE, title="Replace belt",
    state=WorkOrderState.PLANNED, start=datetime(2026, 7, 1, 6, tzinfo=UTC), duration_min=90, loto=True, priority=3,
    created_at=datetime(2026, 1, 1, tzinfo=UTC), created_by="?",
)  # fmt: skip
ORDER_THERE: dict[str, Any] = {
    "number": 12, "subject": "[WO-0007] Replace belt", "machine": {"code": "MC-103"}, "begins": "2026-07-01 08:00:00",
    "hours": 1.5, "lockout": 1, "note": None,
}  # fmt: skip


@pytest.fixture
async def open_plant(describe: Describe) -> AsyncIterator[Open]:
    opened: dict[str, DescribedSystem] = {}

    def opening(place: str | None = None, *value: Any, first: str = "", ref: str = "") -> DescribedSystem:
        given = f"{place} {value} {first} {ref}"
        if given not in opened:
            path = describe(place, *value)
            text = path.read_text()
            path.write_text(first + (text.replace("ref: code", f"ref: {ref}") if ref else text))
            opened[given] = open_described(path, token=SecretStr("t0ken-0815"))
        return opened[given]

    yield opening
    for system in opened.values():
        await system.aclose()


def machines(system: DescribedSystem) -> Collection[Machine]:
    return system.collections[Machine]


def orders(system: DescribedSystem) -> Collection[WorkOrder]:
    return system.collections[WorkOrder]


def sent(route: respx.Route) -> Any:
    return json.loads(route.calls.last.request.content)


async def test_a_record_is_created_with_exactly_what_is_described(open_plant: Open) -> None:
    with respx.mock(base_url="https://plant.example/api") as router:
        machine = router.post("/machines").mock(return_value=httpx.Response(201, json=LATHE_THERE))
        order = router.post("/orders").mock(return_value=httpx.Response(201, json={"order": {"number": 12}}))
        assert await machines(open_plant()).create(LATHE, "key-1") == "MC-103"
        assert await orders(open_plant()).create(ORDER, "key-1") == "12"
    assert sent(machine) == LATHE_THERE
    expected = {k: v for k, v in ORDER_THERE.items() if v is not None and k != "number"} | {"company": "ACME"}
    assert sent(order) == {"order": expected}
    assert machine.calls.last.request.headers["Authorization"] == "Bearer t0ken-0815"
    assert "Idempotency-Key" not in machine.calls.last.request.headers


async def test_what_was_created_is_read_back_as_the_same_record(open_plant: Open) -> None:
    with respx.mock(base_url="https://plant.example/api") as router:
        router.get("/orders/12").mock(return_value=httpx.Response(200, json={"order": ORDER_THERE}))
        router.get("/machines/MC-103").mock(return_value=httpx.Response(200, json=LATHE_THERE))
        row = await orders(open_plant()).one("WO-0007", "12")
        machine = await machines(open_plant()).one("MC-103", None)
    assert row is not None
    assert (row.key, row.ref) == ("WO-0007", "12")
    assert holds(orders(open_plant()), row, ORDER)
    assert merged(orders(open_plant()), row, None) == ORDER
    assert machine is not None
    assert merged(machines(open_plant()), machine, LATHE) == LATHE
    assert merged(machines(open_plant()), machine, None).status is MachineStatus.IDLE


async def test_a_value_in_another_form_is_the_same_value(open_plant: Open) -> None:
    system = open_plant("records work_order fields start", "begins")
    shown = ORDER_THERE | {"begins": "2026-07-01T06:00:00.000+00:00", "hours": 1.50, "lockout": True, "note": ""}
    with respx.mock(base_url="https://plant.example/api") as router:
        router.get("/orders/12").mock(return_value=httpx.Response(200, json={"order": shown | {"note": None}}))
        row = await orders(system).one("WO-0007", "12")
    assert row is not None
    assert holds(orders(system), row, ORDER)


async def test_one_field_that_was_changed_there_is_another_value(open_plant: Open) -> None:
    for column, value in (("hours", 1.6), ("lockout", 0), ("subject", "[WO-0007] Replace"), ("machine", {"code": "X"})):
        with respx.mock(base_url="https://plant.example/api") as router:
            router.get("/orders/12").mock(
                return_value=httpx.Response(200, json={"order": ORDER_THERE | {column: value}})
            )
            row = await orders(open_plant()).one("WO-0007", "12")
        assert row is not None
        assert not holds(orders(open_plant()), row, ORDER), column


@pytest.mark.parametrize(
    ("subject", "key", "title"),
    [
        ("[WO-0007] Replace belt", "WO-0007", "Replace belt"),
        ("[WO-0007]", "WO-0007", ""),
        ("[WO-0007] two\nlines", "WO-0007", "two\nlines"),
        ("Replace belt", "12", "Replace belt"),
        ("[URGENT] Replace belt", "12", "[URGENT] Replace belt"),
        ("[WO 7] Replace", "12", "[WO 7] Replace"),
        (None, "12", None),
    ],
)
async def test_only_an_id_of_ours_is_a_stamp(open_plant: Open, subject: str | None, key: str, title: str) -> None:
    with respx.mock(base_url="https://plant.example/api") as router:
        shown = {"items": [ORDER_THERE | {"subject": subject}]}
        router.get("/orders").mock(return_value=httpx.Response(200, json=shown))
        [[row]] = [page async for page in orders(open_plant()).pages()]
    assert row.key == key
    assert row.values["subject"] == (title or "")


async def test_a_record_that_is_not_there_is_none(open_plant: Open) -> None:
    other = ORDER_THERE | {"number": 13}
    with respx.mock(base_url="https://plant.example/api") as router:
        router.get("/orders/12").mock(return_value=httpx.Response(404, json={"detail": "gone"}))
        router.get("/orders/14").mock(return_value=httpx.Response(200, json={"order": other}))
        router.get("/orders").mock(return_value=httpx.Response(200, json={"items": [other | {"subject": "x"}]}))
        router.get("/machines/MC-103").mock(return_value=httpx.Response(200, json=LATHE_THERE | {"code": "MC-1"}))
        assert await orders(open_plant()).one("WO-0007", "12") is None
        assert await orders(open_plant()).one("WO-0007", "14") is None, "it answered another record"
        assert await orders(open_plant()).one("WO-0007", None) is None
        assert await machines(open_plant()).one("MC-103", None) is None, "it answered another record"


async def test_a_record_whose_reference_is_not_known_is_found_by_its_stamp(open_plant: Open) -> None:
    shown = {"items": [ORDER_THERE | {"number": 3, "subject": "x"}, ORDER_THERE]}
    with respx.mock(base_url="https://plant.example/api") as router:
        router.get("/orders").mock(return_value=httpx.Response(200, json=shown))
        row = await orders(open_plant()).one("WO-0007", None)
    assert row is not None
    assert row.ref == "12"


async def test_an_answer_without_the_record_is_not_taken_for_none(open_plant: Open) -> None:
    with respx.mock(base_url="https://plant.example/api") as router:
        router.get("/orders/12").mock(return_value=httpx.Response(200, json=ORDER_THERE))
        with pytest.raises(InternalError, match="shows no record at order"):
            await orders(open_plant()).one("WO-0007", "12")
        router.get("/orders/12").mock(return_value=httpx.Response(200, json={"order": {"subject": "x"}}))
        with pytest.raises(InternalError, match="without number"):
            await orders(open_plant()).one("WO-0007", "12")


async def test_an_answer_that_does_not_name_the_new_record_is_no_answer(open_plant: Open) -> None:
    with respx.mock(base_url="https://plant.example/api") as router:
        router.post("/orders").mock(return_value=httpx.Response(201, json={"ok": True}))
        with pytest.raises(AnswerLost, match="did not say what it calls it"):
            await orders(open_plant()).create(ORDER, "key-1")
        router.post("/machines").mock(return_value=httpx.Response(201))
        assert await machines(open_plant()).create(LATHE, "key-1") == "MC-103"


async def test_a_refusal_carries_the_words_of_the_system(open_plant: Open) -> None:
    with respx.mock(base_url="https://plant.example/api") as router:
        router.post("/orders").mock(return_value=httpx.Response(422, json={"detail": "Machine is scrapped"}))
        router.post("/machines").mock(return_value=httpx.Response(409, json={"detail": "MC-103 exists"}))
        with pytest.raises(RuleViolated, match="Machine is scrapped"):
            await orders(open_plant()).create(ORDER, "key-1")
        with pytest.raises(Conflict, match="MC-103 exists"):
            await machines(open_plant()).create(LATHE, "key-1")


ROW = Row(key="MC-103", ref="MC-103", values={})


async def test_only_what_changed_is_sent(open_plant: Open) -> None:
    after = LATHE.model_copy(update={"status": MachineStatus.DOWN, "name": "Big lathe"})
    with respx.mock(base_url="https://plant.example/api") as router:
        route = router.patch("/machines/MC-103").mock(return_value=httpx.Response(204))
        await machines(open_plant()).change(LATHE, after, ROW, "key-1")
        assert sent(route) == {"label": "Big lathe", "state": "broken"}
        await machines(open_plant()).change(LATHE, LATHE.model_copy(update={"make": "Acme"}), ROW, "key-1")
    assert route.call_count == 1, "nothing that the system holds was changed"


async def test_everything_that_is_mapped_is_sent_with_its_stamp(open_plant: Open) -> None:
    after = ORDER.model_copy(update={"duration_min": 30})
    with respx.mock(base_url="https://plant.example/api") as router:
        route = router.put("/orders/12").mock(return_value=httpx.Response(200, json={}))
        await orders(open_plant()).change(ORDER, after, Row(key="WO-0007", ref="12", values={}), "key-1")
    assert sent(route) == {"order": {k: v for k, v in ORDER_THERE.items() if k != "number"} | {"hours": 0.5}}


async def test_a_key_and_a_version_go_with_a_write(open_plant: Open) -> None:
    system = open_plant(first="idempotency_key: X-Request-Once\netag: true\n")
    assert system.idempotency_keys
    assert system.revisions
    after = LATHE.model_copy(update={"name": "Big lathe"})
    with respx.mock(base_url="https://plant.example/api") as router:
        router.get("/machines/MC-103").mock(return_value=httpx.Response(200, json=LATHE_THERE, headers={"ETag": '"7"'}))
        patch = router.patch("/machines/MC-103").mock(return_value=httpx.Response(412, json={"detail": "stale"}))
        row = await machines(system).one("MC-103", "MC-103")
        assert row is not None
        assert row.version == '"7"'
        with pytest.raises(Conflict, match="stale"):
            await machines(system).change(LATHE, after, row, "key-1")
    assert patch.calls.last.request.headers["If-Match"] == '"7"'
    assert patch.calls.last.request.headers["X-Request-Once"] == "key-1"


async def test_an_id_is_quoted_in_a_path(open_plant: Open) -> None:
    with respx.mock(base_url="https://plant.example/api") as router:
        route = router.route(method="GET").mock(return_value=httpx.Response(404))
        await machines(open_plant()).one("MC 1/2?", None)
    assert route.calls.last.request.url.raw_path == b"/api/machines/MC%201%2F2%3F"


async def test_only_what_the_description_takes_goes_there(open_plant: Open) -> None:
    assert orders(open_plant()).takes(ORDER)
    assert not orders(open_plant()).takes(ORDER.model_copy(update={"kind": MaintenanceKind.CALIBRATION}))
    assert machines(open_plant()).takes(LATHE)


async def test_capabilities_are_those_of_the_description(open_plant: Open) -> None:
    held = holding(machines(open_plant()))
    assert held.client_ids
    assert held.creates
    assert held.changes == held.fields == {"name", "type", "commissioned_on", "status", "energy_sources"}
    read_only = orders(open_plant("records work_order change"))
    assert read_only.changes == frozenset()
    assert not holding(orders(open_plant("records work_order create"))).creates
    assert orders(open_plant("records work_order change fields", ["start"])).changes == {"start"}
    assert read_only.assumed["created_at"] == datetime(2026, 1, 1, tzinfo=UTC)


async def test_what_a_record_tells_of_itself_is_read_and_never_written(open_plant: Open) -> None:
    tells = {"created_at": {"column": "made.at", "form": "space"}, "created_by": "made.by", "due_on": "due"}
    system = open_plant("records work_order tells", tells)
    shown = ORDER_THERE | {"subject": "Oil", "made": {"at": "2026-03-01 12:00:00", "by": ""}, "due": "soon"}
    with respx.mock(base_url="https://plant.example/api") as router:
        router.get("/orders").mock(return_value=httpx.Response(200, json={"items": [shown]}))
        post = router.post("/orders").mock(return_value=httpx.Response(201, json={"order": {"number": 12}}))
        [[row]] = [page async for page in orders(system).pages()]
        await orders(system).create(ORDER, "key-1")
    order = merged(orders(system), row, None)
    assert order.created_at == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert order.due_on is None, "a value that nobody can read"
    assert merged(orders(system), row, ORDER.model_copy(update={"title": "Oil"})).created_at == ORDER.created_at
    assert "made" not in sent(post)["order"]
    assert "created_by" not in holding(orders(system)).fields


@pytest.mark.parametrize(("method", "repeatable"), [("POST", False), ("PUT", True)])
async def test_only_a_change_that_means_the_same_twice_is_sent_again(
    open_plant: Open, method: str, repeatable: bool
) -> None:
    there = Row(key="WO-0007", ref="12", values={})
    after = ORDER.model_copy(update={"title": "Oil"})
    with respx.mock(base_url="https://plant.example/api") as router:
        router.request(method, "/orders/12").mock(return_value=httpx.Response(429))
        with pytest.raises(BackendUnavailable) as refused:
            await orders(open_plant("records work_order change method", method)).change(ORDER, after, there, "k")
    assert refused.value.repeatable is repeatable


async def test_a_create_is_sent_again_only_where_an_id_or_a_key_protects_it(open_plant: Open) -> None:
    with respx.mock(base_url="https://plant.example/api") as router:
        router.post("/machines").mock(return_value=httpx.Response(429))
        router.post("/orders").mock(return_value=httpx.Response(429))
        keyed = orders(open_plant(first="idempotency_key: Idempotency-Key\n"))
        for attempt, repeatable in (
            (machines(open_plant()).create(LATHE, "k"), True),
            (orders(open_plant()).create(ORDER, "k"), False),
            (keyed.create(ORDER, "k"), True),
        ):
            with pytest.raises(BackendUnavailable) as refused:
                await attempt
            assert refused.value.repeatable is repeatable


REFERRING = {"column": "machine_id", "read": "machine_id[0]", "form": "number", "refers": "machine"}


async def test_a_column_that_refers_to_another_record_holds_its_reference(open_plant: Open) -> None:
    system = open_plant("records work_order fields machine_id", REFERRING, ref="no")
    shown = {"items": [ORDER_THERE | {"machine_id": [number, "Lathe"]} for number in (77, 78)]}
    with respx.mock(base_url="https://plant.example/api") as router:
        listed = router.get("/machines").mock(side_effect=_machines)
        router.get("/orders").mock(return_value=httpx.Response(200, json=shown))
        post = router.post("/orders").mock(return_value=httpx.Response(201, json={"order": {"number": 12}}))
        [rows] = [page async for page in orders(system).pages()]
        assert [merged(orders(system), row, None).machine_id for row in rows] == ["MC-103", "78"]
        assert holds(orders(system), rows[0], ORDER)
        assert listed.call_count == 2, "one page, and the empty one behind it"
        await orders(system).create(ORDER, "key-1")
        assert sent(post)["order"]["machine_id"] == 77
        assert listed.call_count == 2, "what is known is not asked for again"


async def test_a_reference_to_what_the_system_does_not_hold_is_refused_before_anything_is_sent(
    open_plant: Open,
) -> None:
    system = open_plant("records work_order fields machine_id", REFERRING, ref="no")
    with respx.mock(base_url="https://plant.example/api") as router:
        router.get("/machines").mock(side_effect=_machines)
        with pytest.raises(RuleViolated, match="cannot hold this machine_id") as refused:
            await orders(system).create(ORDER.model_copy(update={"machine_id": "MC-999"}), "key-1")
    assert refused.value.field == "machine_id"


def _machines(request: httpx.Request) -> httpx.Response:
    rows = [LATHE_THERE | {"no": 77}] if request.url.params["skip"] == "0" else []
    return httpx.Response(200, json={"items": rows})


async def test_a_record_that_was_made_twice_is_told_and_not_chosen_from(open_plant: Open) -> None:
    shown = {"items": [ORDER_THERE, ORDER_THERE | {"number": 13}]}
    with respx.mock(base_url="https://plant.example/api") as router:
        router.get("/orders").mock(return_value=httpx.Response(200, json=shown))
        with pytest.raises(Conflict, match="WO-0007 2 times: 12, 13"):
            await orders(open_plant()).one("WO-0007", None)


async def test_a_record_found_in_the_list_is_asked_for_alone_where_versions_count(open_plant: Open) -> None:
    with respx.mock(base_url="https://plant.example/api") as router:
        router.get("/orders").mock(return_value=httpx.Response(200, json={"items": [ORDER_THERE]}))
        router.get("/orders/12").mock(
            return_value=httpx.Response(200, json={"order": ORDER_THERE}, headers={"ETag": '"3"'})
        )
        row = await orders(open_plant(first="etag: true\n")).one("WO-0007", None)
    assert row is not None
    assert row.version == '"3"'
