"""A system of record that lies is found out: no plain success unless exactly what was asked is really there, once.

Each lie is told of each kind of write, to a system with our ids or its own numbers, with keys or without. The same call
again, once the system is honest, ends rightly and doubles nothing.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from mcp_server.domain.records import Issue, Record, StockItem, WorkOrder
from mcp_server.errors import ToolFailure
from mcp_server.pipeline.call import Pipeline
from tests.mcp_server.tools.checks.completion import ADAPTER, complete
from tests.mcp_server.tools.checks.work_orders import OTHER_WORK, schedule
from tests.support.checks import ALPHA
from tests.support.contract_calls import REPAIR
from tests.support.described_plant import Seeded, begun, described_plant
from tests.support.issue_steps import issue_after, step
from tests.support.plant_lies import WRITE_LIES, Columns, Lie
from tests.support.plant_system import Behavior, House
from tests.support.sample_plant import CLOCK, SamplePlant, report

pytestmark = pytest.mark.anyio

OURS, NUMBERED = Behavior(), Behavior(client_ids=False, update="POST", envelope="bare")
SYSTEMS = {
    "our ids": OURS,
    "our ids and keys": replace(OURS, keys=True, update="PUT", envelope="data"),
    "own numbers": NUMBERED,
    "own numbers and keys": replace(NUMBERED, keys=True, update="PUT", etag=True),
}


@dataclass(frozen=True)
class Write:
    """A call on a plant, the table it writes to and the columns that must then be there; `our_id` is known before."""

    tool: str
    given: Mapping[str, Any]
    table: str
    our_id: str
    columns: Columns
    makes: bool


async def an_issue(plant: SamplePlant, number: int) -> Write:
    given = report(title=f"Burr number {number}", severity="major", qty_affected=3, force_new=True)
    columns = {
        "site": "ALPHA", "title": given["title"], "text": given["description"], "category": "quality", "grade": 2,
        "state": "NEW", "machine": None, "lots": [], "pieces": 3, "seen_at": int(CLOCK.now().timestamp()),
    }  # fmt: skip
    return Write("log_issue", given, "issues", await next_id(plant, Issue, "ISS-"), columns, makes=True)


async def a_triage(plant: SamplePlant, number: int) -> Write:
    made = await an_issue(plant, number)
    record = (await plant.call(made.tool, made.given))["record"]
    given = step("triage", record["id"], 1, severity="critical", qty=5)
    return replace(
        made, tool="update_issue", given=given, columns={**made.columns, "grade": 1, "pieces": 5}, makes=False
    )


async def an_order(plant: SamplePlant, number: int) -> Write:
    start = f"2027-01-{number + 4:02d}T14:00:00Z"
    given = schedule(**OTHER_WORK, start=start, duration_min=60, technician_id=None, override_reason="It cannot wait.")
    columns = {
        "site": "ALPHA", "machine": "MC-101", "kind": "CM", "title": "Replace the way cover", "state": "OPEN",
        "start": start, "minutes": 60, "technician": None, "priority": 3, "why_dropped": None,
    }  # fmt: skip
    our_id = await next_id(plant, WorkOrder, "WO-")
    return Write("schedule_maintenance", given, "orders", our_id, columns, makes=True)


async def a_move(plant: SamplePlant, number: int) -> Write:
    made = await an_order(plant, number)
    record = (await plant.call(made.tool, made.given))["record"]
    later = made.columns["start"].replace("T14", "T17")
    why = {"reason": "The cell is busy.", "override_reason": "It cannot wait."}
    given = ALPHA | {"wo_id": record["id"], "expected_revision": 1, "new_start": later} | why
    return replace(
        made, tool="reschedule_maintenance", given=given, columns={**made.columns, "start": later}, makes=False
    )


async def next_id(plant: SamplePlant, kind: type[Record], prefix: str) -> str:
    async with plant.backend.unit_of_work(commit=False) as unit:
        return await unit.next_id(kind, prefix)


WRITES = {"issue made": an_issue, "issue changed": a_triage, "order made": an_order, "order moved": a_move}


@pytest.fixture
def house() -> House:
    return begun()[0]


@pytest.fixture
def start() -> Seeded:
    return begun()[1]


@dataclass
class Trial:
    """One lie about one write: what is there, and how calls end."""

    house: House
    plant: SamplePlant
    write: Write
    key: str

    @property
    def stored(self) -> list[Columns]:
        return self.house.plant.named(self.write.table, self.write.our_id)

    @property
    def right(self) -> bool:
        """Whether the first record is exactly what was asked."""
        return bool(self.stored) and {name: self.stored[0].get(name) for name in self.write.columns} == self._wanted

    @property
    def _wanted(self) -> Columns:
        numbered = not self.house.plant.behavior.client_ids
        title = f"[{self.write.our_id}] {self.write.columns['title']}" if numbered else self.write.columns["title"]
        return {**self.write.columns, "title": title}

    def correct(self) -> None:
        """What whoever runs the system does about it."""
        self.stored[0].update(self._wanted)
        self.house.plant.keep_one(self.write.table, self.write.our_id)

    async def call(self) -> dict[str, Any] | ToolFailure:
        try:
            return await self.plant.call(self.write.tool, self.write.given, key=self.key)
        except ToolFailure as failure:
            return failure


async def a_trial(
    house: House, plant: SamplePlant, write: Callable[[SamplePlant, int], Awaitable[Write]], number: int
) -> Trial:
    fresh = replace(plant, pipeline=Pipeline(plant.backend, CLOCK))  # its breaker knows of no former lie
    return Trial(house, fresh, await write(fresh, number), f"key of trial {number}")


def found_out(trial: Trial, end: dict[str, Any] | ToolFailure) -> str | None:
    """What is wrong with how the call ended, seen what is really there."""
    if isinstance(end, dict):
        return None if trial.right else f"{end['status']}, but it is not what was asked"
    match end.code:
        case "outcome_unknown":
            return "an unknown outcome that is called known" if end.outcome_known else None
        case "verification_failed":
            return None if not trial.stored or trial.right or _told_what(end) else "it does not say what is wrong"
        case "backend_unavailable":
            return "it says that nothing was stored" if trial.write.makes and trial.stored else None
        case "conflict":
            return "it says that nothing was stored" if end.outcome_known else None
        case code:
            return f"it ends as {code}: {end.message}"


def _told_what(failure: ToolFailure) -> bool:
    """Whether the field is named, with what was sent and what was found."""
    if "more than once" in failure.message:
        return True
    compared = failure.field is not None and any(f"{failure.field}: sent " in also for also in failure.also)
    return compared or "in a form the server does not know" in failure.message


async def ends_rightly(trial: Trial) -> str | None:
    """What is wrong with the same call again, to a system that is honest now."""
    trial.house.plant.lie()
    if trial.house.plant.awaits and (problem := found_out(trial, await trial.call())) is not None:
        return f"before it arrives: {problem}"
    trial.house.plant.arrive()
    end = await trial.call()
    if (problem := found_out(trial, end)) is not None:
        return f"again: {problem}"
    if isinstance(end, ToolFailure) and trial.stored:
        trial.correct()
        end = await trial.call()
    if isinstance(end, dict):
        again = await trial.call()
        return None if trial.right and isinstance(again, dict) and again["replayed"] else "it does not end as done"
    behavior = trial.house.plant.behavior
    protected = behavior.client_ids or behavior.keys or not trial.write.makes
    unconfirmed = end.code == "outcome_unknown" and not trial.stored
    return None if unconfirmed and not protected else f"it never ends: {end.code} {end.message}"


@pytest.mark.parametrize("writes", WRITES)
@pytest.mark.parametrize("system", SYSTEMS)
async def test_every_lie_about_a_write_is_found_out(
    house: House, start: Seeded, tmp_path: Path, system: str, writes: str
):
    behavior, problems = SYSTEMS[system], dict[str, str]()
    lies = [lie for lie in WRITE_LIES if behavior.keys or lie is not Lie.LOSES_KEYED]
    async with described_plant(house, start, tmp_path, behavior) as plant:
        for number, lie in enumerate(lies):
            trial = await a_trial(house, plant, WRITES[writes], number)
            house.plant.lie(lie)
            problem = found_out(trial, await trial.call()) or await ends_rightly(trial)
            never_seen = lie is Lie.STORES_TWICE and behavior.client_ids
            if problem is None and not never_seen and len(trial.stored) > 1:
                problem = f"it is there {len(trial.stored)} times"
            if problem is not None:
                problems[lie.value] = problem
        assert house.plant.told == dict.fromkeys(lies, 1)
    assert problems == {}


@pytest.mark.parametrize("system", SYSTEMS)
async def test_a_system_that_never_stops_lying_is_never_believed(
    house: House, start: Seeded, tmp_path: Path, system: str
):
    lies = [Lie.STORES_NOTHING, Lie.REPLAYS_ANOTHER, Lie.FAILS_BEFORE, Lie.CLOSES_BEFORE]
    async with described_plant(house, start, tmp_path, SYSTEMS[system]) as plant:
        for number, lie in enumerate(lies):
            trial = await a_trial(house, plant, an_issue, number)
            house.plant.lie(*[lie] * 5)
            end = await trial.call()
            assert isinstance(end, ToolFailure)
            assert (found_out(trial, end), trial.stored) == (None, [])
            assert await ends_rightly(trial) is None
        assert all(house.plant.told[lie] >= 1 for lie in lies)


async def test_a_record_that_was_stored_twice_is_told_with_the_next_list(house: House, start: Seeded, tmp_path: Path):
    for system, behavior in SYSTEMS.items():
        (folder := tmp_path / system).mkdir()
        async with described_plant(house, start, folder, behavior) as plant:
            trial = await a_trial(house, plant, an_issue, 0)
            house.plant.lie(Lie.STORES_TWICE)
            end = await trial.call()
            if not behavior.client_ids:
                assert isinstance(end, ToolFailure)
                assert (end.code, end.outcome_known) == ("verification_failed", False)
            listed = await plant.call("get_issues", ALPHA | {"open_only": True, "opened_from": "2026-11-22T00:00:00Z"})
            assert [item["id"] for item in listed["items"]] == [trial.write.our_id]
            assert f"It holds issue {trial.write.our_id} twice" in listed["source"]


async def test_a_list_that_lies_while_a_record_is_looked_for_is_not_believed(
    house: House, start: Seeded, tmp_path: Path
):
    async with described_plant(house, start, tmp_path, NUMBERED) as plant:
        trial = await a_trial(house, plant, an_issue, 0)
        house.plant.lie(Lie.FAILS_AFTER, Lie.LIST_MISSES)
        end = await trial.call()
        assert isinstance(end, ToolFailure)
        assert (end.code, end.outcome_known, trial.right) == ("outcome_unknown", False, True)
        assert house.plant.told[Lie.LIST_MISSES] > 0
        house.plant.lie()
        end = await trial.call()
        assert isinstance(end, dict)
        assert (end["status"], len(trial.stored)) == ("recovered", 1)


async def test_a_list_with_a_record_twice_shows_it_once_and_one_without_end_is_refused(
    house: House, start: Seeded, tmp_path: Path
):
    async with described_plant(house, start, tmp_path, replace(NUMBERED, page_size=7)) as plant:
        honest = await plant.call("get_machines", ALPHA)
        house.plant.lie(Lie.LIST_REPEATS)
        assert await plant.call("get_machines", ALPHA) == honest
        house.plant.lie(Lie.PAGE_REPEATS)
        refusal = await plant.refused("get_machines", ALPHA)
        assert "same page" in refusal.message
        assert house.plant.told[Lie.LIST_REPEATS] > 0
        assert house.plant.told[Lie.PAGE_REPEATS] > 0


@pytest.mark.parametrize("system", ["honors versions", "ignores them", "has none"])
async def test_what_somebody_changes_meanwhile_is_kept_and_told(
    house: House, start: Seeded, tmp_path: Path, system: str
):
    lies = [Lie.IGNORES_ETAG] if system == "ignores them" else []
    async with described_plant(house, start, tmp_path, replace(OURS, etag=system != "has none")) as plant:
        assert plant.backend.capabilities.revisions is (system != "has none")
        issue = await issue_after(plant)
        [stored] = house.plant.named("issues", issue["id"])
        house.plant.lie(*lies)
        house.plant.meanwhile = lambda: stored.update(pieces=9, version=2)
        refusal = await plant.refused("update_issue", step("triage", issue["id"], 1, severity="critical"))
        [stored] = house.plant.named("issues", issue["id"])
        if system == "honors versions":
            assert (refusal.code, stored["pieces"], stored["grade"]) == ("conflict", 9, 2)
        else:
            assert (refusal.code, refusal.field) == ("verification_failed", "qty_affected")
            assert (stored["pieces"], stored["grade"]) == (9, 1)
        assert house.plant.told == dict.fromkeys(lies, 1)


@pytest.mark.parametrize("system", ["our ids", "own numbers and keys"])
async def test_nothing_beside_a_record_is_kept_until_the_record_is_there(
    house: House, start: Seeded, tmp_path: Path, system: str
):
    async with described_plant(house, start, tmp_path, SYSTEMS[system]) as plant:
        order = (await plant.call("schedule_maintenance", REPAIR))["record"]
        done = complete(wo_id=order["id"], labor_min=60, parts_used=[ADAPTER])
        before = await beside(plant)
        house.plant.lie(*[Lie.CLOSES_BEFORE] * 5)
        refusal = await plant.refused("complete_maintenance", done, key="key of the repair")
        assert (refusal.code, refusal.outcome_known) == ("outcome_unknown", False)
        assert await beside(plant) == before
        house.plant.lie()
        for replayed in (False, True):
            assert (await plant.call("complete_maintenance", done, key="key of the repair"))["replayed"] is replayed
            history, left = await beside(plant)
            assert (history, left) == (before[0] + 1, before[1] - 1)
        assert house.plant.named("orders", order["id"])[0]["state"] == "DONE"


async def beside(plant: SamplePlant) -> tuple[int, float]:
    """How many records the history has, and how many adapters are left: both stand in the companion store."""
    history = await plant.call("get_maintenance_history", ALPHA)
    async with plant.backend.reader() as reader:
        adapter = await reader.get(StockItem, ADAPTER["stock_id"])
    assert adapter is not None
    return history["total"], adapter.on_hand
