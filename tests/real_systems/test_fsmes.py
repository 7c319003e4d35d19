"""Every collection of the MES adapter against the MES itself: made, read back alone and in the list, and changed."""

from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, date, datetime
from itertools import count
from typing import Any, TypeVar

import httpx
import pytest
from pydantic import SecretStr

from mcp_server.backends.fsmes import FsmesSystem, open_fsmes
from mcp_server.backends.remote.merging import held_differently, merged
from mcp_server.backends.remote.port import Collection, Row
from mcp_server.domain.records import (
    SHARED,
    CharacteristicKind,
    ControlMethod,
    Disposition,
    DispositionKind,
    DocumentState,
    EquipmentNode,
    InspectionResult,
    Issue,
    IssueState,
    Machine,
    MachineStatus,
    MaintenanceKind,
    Material,
    Phase,
    PlanRow,
    PmTask,
    QualityPlan,
    Record,
    Sampling,
    Sop,
    SopStep,
    Spec,
    Strategy,
    Verdict,
    WorkOrder,
    WorkOrderState,
)
from mcp_server.errors import AnswerLost, Conflict, InternalError, NotAllowed, NotFound, RuleViolated
from tests.real_systems.fsmes import RealFsmes, started
from tests.real_systems.processes import CannotStart
from tests.support.postgres import running_cluster

pytestmark = pytest.mark.anyio
R = TypeVar("R", bound=Record)
NOW = datetime(2026, 7, 1, 8, tzinfo=UTC)
NUMBERS = count(1)
"""Each test makes records of its own: the MES deletes nothing."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def real(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[RealFsmes]:
    folder = tmp_path_factory.mktemp(str(request.param))
    with ExitStack() as stack:
        cluster = stack.enter_context(running_cluster()) if request.param == "postgresql" else None
        try:
            url = cluster.url(cluster.new_database()) if cluster else None
            mes = stack.enter_context(started(folder, postgres_url=url))
        except CannotStart as reason:
            pytest.skip(f"THE MES IS NOT TESTED: {reason}")
        yield mes


@asynccontextmanager
async def opened(real: RealFsmes, **changes: Any) -> AsyncGenerator[FsmesSystem]:
    settings: dict[str, Any] = {"user": real.user, "password": SecretStr(real.password), "token": None} | changes
    system = open_fsmes(real.url, **settings)
    try:
        yield system
    finally:
        await system.aclose()


@pytest.fixture
async def mes(real: RealFsmes) -> AsyncGenerator[FsmesSystem]:
    async with opened(real) as system:
        yield system


@pytest.fixture
async def machine(mes: FsmesSystem) -> Machine:
    return await made(mes, a_machine())


@pytest.fixture
async def material(mes: FsmesSystem) -> Material:
    return await made(mes, a_material())


async def made(mes: FsmesSystem, record: R) -> R:
    """Make it, and see that alone and in the list it is what was sent."""
    collection: Collection[R] = mes.collections[type(record)]
    assert collection.takes(record)
    ref = await collection.create(record, a_key())
    alone = await collection.one(record.key, ref)
    assert alone is not None
    assert alone.ref == ref
    assert held_differently(collection, alone, record) == ()
    assert await in_list(collection, ref) == alone
    return record


async def in_list(collection: Collection[Any], ref: str) -> Row:
    (row,) = [row async for page in collection.pages() for row in page if row.ref == ref]
    return row


async def changed(mes: FsmesSystem, record: R, **changes: Any) -> R:
    """Change it, and see that it is what was wanted."""
    collection: Collection[R] = mes.collections[type(record)]
    row = await collection.one(record.key, None)
    assert row is not None
    wanted = record.model_copy(update=changes)
    await collection.change(record, wanted, row, a_key())
    after = await collection.one(record.key, None)
    assert after is not None
    assert held_differently(collection, after, wanted) == ()
    return wanted


def a_key() -> str:
    return f"key-{next(NUMBERS)}"


def an_id(prefix: str) -> str:
    return f"{prefix}-{next(NUMBERS):04d}"


def a_machine(**changes: Any) -> Machine:
    known: dict[str, Any] = {
        "id": an_id("MC"), "project": SHARED, "workstation": "", "name": "HMC 3", "type": "cnc", "make": "DMG",
        "model": "NHX", "serial": "1", "commissioned_on": date(2024, 5, 13), "status": MachineStatus.RUNNING,
        "criticality": "A", "energy_sources": ("electrical",), "meter": "spindle_h",
    }  # fmt: skip
    return Machine(**known | changes)


def a_material() -> Material:
    return Material(
        id=an_id("MAT"), project=SHARED, name="Housing", type="wip", standard="", revision="D", uom="ea",
        lot_tracked=True, supplier="", status="released",
    )  # fmt: skip


def a_spec(material: Material, **changes: Any) -> Spec:
    known: dict[str, Any] = {
        "id": an_id("SP"), "project": SHARED, "material_id": material.id, "operation": "OP20",
        "characteristic": "Bore / seat diameter", "kind": CharacteristicKind.PRODUCT, "data_type": "variable",
        "unit": "mm", "lsl": 57.0, "usl": 57.03, "gauge": "AG-01",
    }  # fmt: skip
    return Spec(**known | changes)


def a_count(spec: Spec) -> InspectionResult:
    return InspectionResult(
        id=an_id("IR"), project=SHARED, spec_id=spec.id, characteristic=spec.characteristic,
        material_id=spec.material_id, lot_id="LOT-HSG-001", sample_size=3, readings=(0.0, 1.0, 0.0), unit="",
        nonconforming=1, accept=0, reject=1, verdict=Verdict.REJECT, inspector="E105", measured_at=NOW,
        recorded_at=NOW, recorded_by="E105",
    )  # fmt: skip


def a_task(machine: Machine, **changes: Any) -> PmTask:
    known: dict[str, Any] = {
        "id": an_id("PM"), "project": SHARED, "plan_id": "PMP-0001", "machine_id": machine.id, "title": "Grease",
        "calendar_interval": 30, "calendar_unit": "d", "strategy": Strategy.FIXED, "tolerance_pct": 10.0,
        "est_min": 20, "skill": "mechanical", "loto": True, "sop_id": "SOP-0001", "anchor_on": NOW.date(),
    }  # fmt: skip
    return PmTask(**known | changes)


def a_work_order(machine: Machine, **changes: Any) -> WorkOrder:
    known: dict[str, Any] = {
        "id": an_id("WO"), "project": SHARED, "machine_id": machine.id, "kind": MaintenanceKind.BREAKDOWN,
        "title": "Replace [seal]", "state": WorkOrderState.PLANNED, "start": NOW, "duration_min": 60,
        "priority": 2, "reason": "It leaks. " * 30, "created_at": NOW, "created_by": "E100",
    }  # fmt: skip
    return WorkOrder(**known | changes)


def a_plan(material: Material, **changes: Any) -> QualityPlan:
    row = PlanRow(
        characteristic="Bore diameter", unit="mm", lsl=57.0, usl=57.03, sampling=Sampling.FIXED, sample_size=5,
        frequency="every 2 hours", control_method=ControlMethod.SPC_CHART,
        reaction_plan="Stop.\n```json shopfloor\nSort the last ``` pieces.", reaction_owner="operator",
    )  # fmt: skip
    known: dict[str, Any] = {
        "id": an_id("QP"), "project": "ALPHA", "title": "Housing, 57 µm control plan", "revision": 1,
        "state": DocumentState.DRAFT, "created_at": NOW, "created_by": "E105", "phase": Phase.PRODUCTION,
        "material_id": material.id, "material_revision": "D", "rows": (row, row),
    }  # fmt: skip
    return QualityPlan(**known | changes)


def a_procedure(machine: Machine) -> Sop:
    return Sop(
        id=an_id("SOP"), project="ALPHA", title="Change the tool", revision=1, state=DocumentState.DRAFT,
        created_at=NOW, created_by="E105", machine_ids=(machine.id,), purpose="So that it is done one way.",
        steps=(SopStep(text="Open the guard.", time_s=4.0), SopStep(text="Take the tool.", time_s=2.5)),
    )  # fmt: skip


async def test_it_says_what_it_is_and_who_is_signed_in(mes: FsmesSystem) -> None:
    info = await mes.probe()
    assert (info.version, info.signed_in_as) == ("0.4.2", "ADMIN (admin)")


async def test_a_wrong_password_is_told(real: RealFsmes) -> None:
    async with opened(real, password=SecretStr("wrong")) as system:
        with pytest.raises(NotAllowed):
            await system.probe()


async def test_a_token_that_is_no_longer_good_is_told(real: RealFsmes) -> None:
    async with opened(real, token=SecretStr("old")) as system:
        with pytest.raises(NotAllowed):
            await system.probe()


async def test_machines_and_places(mes: FsmesSystem) -> None:
    area = await made(mes, EquipmentNode(id=an_id("AREA"), name="Machining", level="area"))
    await made(mes, EquipmentNode(id=an_id("LINE"), name="L1", level="work_center:production_line", parent=area.id))
    machine = await made(mes, a_machine())
    assert await mes.collections[EquipmentNode].one(machine.id, None) is None
    assert await mes.collections[Machine].one(area.id, None) is None


async def test_a_second_machine_with_an_id_is_refused(mes: FsmesSystem, machine: Machine) -> None:
    with pytest.raises(Conflict):
        await mes.collections[Machine].create(machine, a_key())


async def test_a_place_under_an_unknown_one_is_refused(mes: FsmesSystem) -> None:
    with pytest.raises(NotFound):
        await mes.collections[EquipmentNode].create(
            EquipmentNode(id=an_id("L"), name="L", level="area", parent="NO"), a_key()
        )


async def test_specifications_are_found_by_what_was_sent(mes: FsmesSystem, material: Material) -> None:
    spec = await made(mes, a_spec(material))
    await made(mes, a_spec(material, characteristic="Scratches", data_type="attribute", unit="", lsl=None, usl=None))
    assert await mes.collections[Spec].one(spec.id, None) is not None
    with pytest.raises(Conflict):
        await mes.collections[Spec].create(spec, a_key())


async def test_limits_that_are_upside_down_are_found_out(mes: FsmesSystem, material: Material) -> None:
    specs = mes.collections[Spec]
    ref = await specs.create(a_spec(material, lsl=58.0), a_key())
    with pytest.raises(InternalError, match=r"lsl \(.*usl \("):
        merged(specs, await in_list(specs, ref), None)


async def test_counts(mes: FsmesSystem, material: Material) -> None:
    none = {"data_type": "attribute", "unit": "", "lsl": None, "usl": None}
    spec = await made(mes, a_spec(material, characteristic="Scratches, dents", **none))
    counted = await made(mes, a_count(spec))
    counts = mes.collections[InspectionResult]
    if not mes.idempotency_keys:
        await counts.create(counted, a_key())  # the MES takes a double, so it must be told
        with pytest.raises(Conflict, match="more than once"):
            await counts.one(counted.id, None)


async def test_tasks(mes: FsmesSystem, machine: Machine) -> None:
    task = await made(mes, a_task(machine))
    with pytest.raises(Conflict):
        await mes.collections[PmTask].create(task, a_key())
    assert not mes.collections[PmTask].takes(a_task(machine, calendar_unit="m"))


async def test_a_work_order_is_made_and_done(mes: FsmesSystem, machine: Machine) -> None:
    order = await made(mes, a_work_order(machine))
    done = await changed(mes, order, state=WorkOrderState.DONE)
    row = await mes.collections[WorkOrder].one(order.id, None)
    assert row is not None
    with pytest.raises(RuleViolated, match="from done to cancelled"):
        await mes.collections[WorkOrder].change(
            done, done.model_copy(update={"state": WorkOrderState.CANCELLED}), row, a_key()
        )


async def test_a_work_order_that_is_there_twice_is_found_out(mes: FsmesSystem, machine: Machine) -> None:
    order = await made(mes, a_work_order(machine))
    await mes.collections[WorkOrder].create(order, a_key())
    with pytest.raises(Conflict, match="more than once"):
        await mes.collections[WorkOrder].one(order.id, None)


async def test_a_nonconformance_of_the_mes_is_taken_up_and_closed(
    mes: FsmesSystem, material: Material, real: RealFsmes
) -> None:
    await made(mes, a_spec(material))
    said = await by_hand(
        real, "/quality/checks", material=material.id, characteristic="Bore / seat diameter", value=57.05
    )
    issues = mes.collections[Issue]
    issue: Issue = merged(issues, await in_list(issues, said["non_conformance"]), None)
    assert issue.state is IssueState.OPEN
    taken = await changed(mes, issue, state=IssueState.TRIAGED)
    with pytest.raises(RuleViolated, match="only when it is decided"):
        await changed(mes, taken, state=IssueState.CLOSED)
    decided = Disposition(qty=1, kind=DispositionKind.SCRAP, by="E105", at=NOW)
    await changed(mes, taken, state=IssueState.CLOSED, dispositions=(decided,))


async def test_a_quality_plan_comes_into_force_and_is_replaced(mes: FsmesSystem, material: Material) -> None:
    first = await made(mes, a_plan(material))
    first = await changed(mes, first, state=DocumentState.IN_REVIEW)
    first = await changed(mes, first, state=DocumentState.RELEASED)
    second = await made(mes, first.model_copy(update={"revision": 2, "state": DocumentState.DRAFT, "title": "New"}))
    await mes.collections[QualityPlan].change(
        first, superseded(first), await found(mes, first), a_key()
    )  # the MES does it when the next one comes into force
    await changed(mes, second, state=DocumentState.RELEASED)
    assert (await found(mes, first)).values["state"] == "superseded"


async def test_a_draft_that_was_replaced_is_still_there(mes: FsmesSystem, material: Material) -> None:
    first = await made(mes, a_plan(material))
    await mes.collections[QualityPlan].change(first, superseded(first), await found(mes, first), a_key())
    await made(mes, first.model_copy(update={"revision": 2, "title": "Second", "customer": "ACME"}))
    third = await made(mes, first.model_copy(update={"revision": 3}))
    for revision in (first, first.model_copy(update={"revision": 2, "title": "Second", "customer": "ACME"})):
        row = await found(mes, revision)
        assert held_differently(mes.collections[QualityPlan], row, superseded(revision)) == ()
    await changed(mes, third, state=DocumentState.RELEASED)


async def test_withdrawn_documents_leave_a_list_that_can_be_read(mes: FsmesSystem, machine: Machine) -> None:
    draft = await made(mes, a_procedure(machine))
    await changed(mes, draft, state=DocumentState.WITHDRAWN)
    in_force = await changed(mes, await made(mes, a_procedure(machine)), state=DocumentState.RELEASED)
    withdrawn = await changed(mes, in_force, state=DocumentState.WITHDRAWN)
    assert (await in_list(mes.collections[Sop], withdrawn.key)).values["state"] == "withdrawn"


async def test_a_draft_that_somebody_edited_there_is_not_put_in_force(
    mes: FsmesSystem, machine: Machine, real: RealFsmes
) -> None:
    sop = await made(mes, a_procedure(machine))
    body = (await by_hand(real, f"/documents/{sop.id}/revise"))["body"]
    await by_hand(real, f"/documents/{sop.id}/revise", body=body.replace("Open the guard", "Leave the guard shut"))
    with pytest.raises(InternalError, match="in a form the server does not know"):
        merged(mes.collections[Sop], await found(mes, sop), sop)
    with pytest.raises(Conflict, match="was edited in the MES"):
        await changed(mes, sop, state=DocumentState.RELEASED)


async def test_an_instruction_written_in_the_mes_is_a_procedure(mes: FsmesSystem, real: RealFsmes) -> None:
    code = an_id("WI")
    await by_hand(real, "/documents", code=code, title="Start up", body="Press green.", anchors={"equipment": "MIX01"})
    sop: Sop = merged(mes.collections[Sop], await in_list(mes.collections[Sop], f"{code}@0001"), None)
    assert (sop.title, sop.purpose, sop.machine_ids) == ("Start up", "Press green.", ("MIX01",))


async def test_a_keyed_write_is_lost_or_replayed(real: RealFsmes, mes: FsmesSystem) -> None:
    keyed = open_fsmes(
        f"fsmes+{real.base_url}?idempotency_keys=on", user=real.user, password=SecretStr(real.password), token=None
    )
    first, other, key = a_material(), a_material(), a_key()
    materials = keyed.collections[Material]
    try:
        if mes.idempotency_keys:
            await materials.create(first, key)
            with pytest.raises(AnswerLost, match="said yes"):  # it answered with the first one, and did nothing
                await materials.create(other, key)
            assert await materials.one(first.id, None) is not None
        else:
            with pytest.raises(AnswerLost):
                await materials.create(first, key)
            assert await materials.one(first.id, None) is None
        assert await materials.one(other.id, None) is None
    finally:
        await keyed.aclose()


def superseded(document: QualityPlan) -> QualityPlan:
    return document.model_copy(update={"state": DocumentState.SUPERSEDED})


async def found(mes: FsmesSystem, record: Record) -> Row:
    row = await mes.collections[type(record)].one(record.key, None)
    assert row is not None
    return row


async def by_hand(real: RealFsmes, path: str, **body: Any) -> dict[str, Any]:
    """What a person does in the MES itself."""
    async with httpx.AsyncClient(base_url=real.base_url) as client:
        signed_in = await client.post("/auth/login", json={"code": real.user, "password": real.password})
        bearer = {"Authorization": f"Bearer {signed_in.json()['token']}"}
        answer = (await client.post(path, json=body, headers=bearer)).raise_for_status()
        told: dict[str, Any] = answer.json()
        return told
