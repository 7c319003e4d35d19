"""What `backend check` finds out, over a remote system in memory and over a database of ours."""

import shutil
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from mcp_server.backends.base import Query
from mcp_server.backends.remote.federation import FederatedBackend, open_federated
from mcp_server.backends.remote.port import FieldMap, SystemInfo
from mcp_server.backends.remote.seeding import seed_federated
from mcp_server.backends.sql.provision import open_store
from mcp_server.backends.sql.seed import sample_records
from mcp_server.bundled import sample_plant_dir
from mcp_server.commands.check_report import CheckReport
from mcp_server.commands.examination import examine
from mcp_server.domain.records import HistoryEntry, Issue, Machine, Project, WorkOrder
from mcp_server.errors import AnswerLost, BackendUnavailable, NotAllowed
from tests.support.memory_system import MemoryCollection, MemorySystem, memory_system
from tests.support.sample_plant import AS_OF

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TRIED = "SHOPFLOOR-CHECK"
SAMPLE = sample_records(sample_plant_dir(), AS_OF)


@dataclass
class Plant:
    """A remote system with the machines of the sample plant, and what a check of it says."""

    backend: FederatedBackend
    system: MemorySystem
    told: list[str] = field(default_factory=list[str])

    @property
    def machines(self) -> MemoryCollection:
        return self.system.collections[Machine]

    async def check(self, *, write: bool = False, later_min: int = 0) -> CheckReport:
        now = NOW + timedelta(minutes=later_min)
        return await examine(self.backend, write=write, now=now, progress=self.told.append)


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mapping[str, Mapping[str, Any]]]:
    """The data folder of a system that was seeded once, and its machines; tests work on copies."""
    folder, system = tmp_path_factory.mktemp("seeded"), memory_system()

    async def seed() -> None:
        async with aclosing(await open_federated(system, folder)) as backend:
            await seed_federated(backend, [record for record in SAMPLE if isinstance(record, Project | Machine)])

    anyio.run(seed)
    return folder, system.collections[Machine].rows


@asynccontextmanager
async def opened(system: MemorySystem, data_dir: Path) -> AsyncGenerator[Plant]:
    async with aclosing(await open_federated(system, data_dir, lookup_waits_s=(0,))) as backend:
        yield Plant(backend, system)


@pytest.fixture
async def plant(seeded: tuple[Path, Mapping[str, Mapping[str, Any]]], tmp_path: Path) -> AsyncGenerator[Plant]:
    folder, machines = seeded
    shutil.copytree(folder, tmp_path / "plant")
    system = memory_system()
    system.collections[Machine].rows |= {ref: dict(row) for ref, row in machines.items()}
    async with opened(system, tmp_path / "plant") as plant:
        yield plant


async def test_it_says_what_the_system_holds_and_how_much_is_there(plant: Plant) -> None:
    report = await plant.check()

    assert report.ok
    assert report.warnings == []
    assert report.system is not None
    assert (report.system.product, report.system.version) == ("memory MES", "1")
    assert report.promises is not None
    assert not report.promises.atomic
    machine, project = (next(kind for kind in report.kinds if kind.kind == noun) for noun in ("machine", "project"))
    assert (machine.held_by, machine.fields, machine.records) == ("system + companion", ("name", "status"), 42)
    assert (machine.creates, machine.changes, machine.client_ids) == (True, (), True)
    assert (project.held_by, project.fields, project.records) == ("companion", (), 3)
    assert len(report.kinds) == 23
    assert HistoryEntry.noun not in {kind.kind for kind in report.kinds}
    assert plant.told[0] == "Connecting …"
    assert "Reading every machine …" in plant.told


async def test_without_being_asked_nothing_is_sent(plant: Plant) -> None:
    before = dict(plant.machines.rows)
    plant.machines.requests.clear()

    report = await plant.check()

    assert report.round_trip is not None
    assert (report.round_trip.how, report.round_trip.kind) == ("rehearsed", "machine")
    assert plant.machines.rows == before
    assert not any(request.startswith(("create", "change")) for request in plant.machines.requests)
    async with plant.backend.reader() as reader:
        assert await reader.get(Machine, TRIED) is None


async def test_asked_for_a_record_is_made_once_and_found_again_by_every_later_check(plant: Plant) -> None:
    hows: list[str] = []
    for minute in range(3):
        report = await plant.check(write=True, later_min=minute)
        assert report.ok
        assert report.round_trip is not None
        hows.append(report.round_trip.how)

    assert hows == ["created", "read back", "read back"]
    assert [row["label"] for row in plant.machines.rows.values() if row["stamp"] == TRIED] == [
        f"{TRIED} 2026-11-22 12:00, may be deleted"
    ]


async def test_a_record_that_can_change_is_changed_by_later_checks(plant: Plant) -> None:
    plant.machines.changes = frozenset({"name"})

    first, same, later = [await plant.check(write=True, later_min=minute) for minute in (0, 0, 5)]

    assert [report.round_trip and report.round_trip.how for report in (first, same, later)] == [
        "created",
        "read back",
        "changed",
    ]
    assert plant.machines.rows[TRIED]["label"].startswith(f"{TRIED} 2026-11-22 12:05")


async def test_a_lost_companion_store_does_not_make_a_second_record(plant: Plant, tmp_path: Path) -> None:
    await plant.check(write=True)

    async with aclosing(await open_federated(plant.system, tmp_path / "new", lookup_waits_s=(0,))) as other:
        report = await examine(other, write=True, now=NOW + timedelta(days=1), progress=plant.told.append)

    assert report.round_trip is not None
    assert report.round_trip.how == "read back"
    assert sum(row["stamp"] == TRIED for row in plant.machines.rows.values()) == 1


async def test_what_comes_back_different_is_named(plant: Plant) -> None:
    def cut(machine: Machine) -> None:
        plant.machines.rows[machine.id]["label"] = machine.name[:10]

    plant.machines.after = cut

    report = await plant.check(write=True)

    assert not report.ok
    assert report.round_trip is not None
    (difference,) = report.round_trip.differences
    assert (difference.field, difference.found) == ("name", "'SHOPFLOOR-'")
    assert any("came back different: name" in problem.message for problem in report.problems)


async def test_a_record_that_is_not_there_afterwards_is_found_out(plant: Plant) -> None:
    def forget(machine: Machine) -> None:
        del plant.machines.rows[machine.id]

    plant.machines.after = forget

    report = await plant.check(write=True)

    assert report.round_trip is not None
    assert [difference.found for difference in report.round_trip.differences] == ["no such record"]
    assert not report.ok


async def test_a_translation_that_does_not_come_back_is_found_without_sending(plant: Plant) -> None:
    plant.machines.fields = [FieldMap("name", "label", decode=lambda label: label.upper()), *plant.machines.fields[1:]]

    report = await plant.check()

    assert report.round_trip is not None
    assert [difference.field for difference in report.round_trip.differences] == ["name"]
    assert not report.ok


async def test_a_write_without_a_known_end_is_listed_and_settled_by_the_next_check(plant: Plant) -> None:
    def lose(machine: Machine) -> None:
        plant.machines.rows = {ref: row for ref, row in plant.machines.rows.items() if row["stamp"] != machine.id}
        raise AnswerLost("The line went dead.")

    plant.machines.client_ids = False
    plant.machines.after = lose
    lost = await plant.check(write=True)
    assert not lost.ok
    assert "Unconfirmed" in lost.problems[0].message

    again = await plant.check(write=True, later_min=1)
    assert not again.ok
    assert plant.machines.requests.count(f"create {TRIED}") == 1

    plant.machines.client_ids = True
    plant.machines.after = lambda _: None
    waiting = await plant.check()
    assert [(write.tool, write.record, write.since) for write in waiting.open_writes] == [("backend-check", TRIED, NOW)]
    assert "--write" in waiting.open_writes[0].suggestion
    settled = await plant.check(write=True, later_min=1)
    assert settled.ok
    assert (await plant.check()).open_writes == []
    assert sum(row["stamp"] == TRIED for row in plant.machines.rows.values()) == 1


async def test_records_that_stand_twice_or_cannot_be_read_are_counted_and_the_first_are_named(plant: Plant) -> None:
    rows = plant.machines.rows
    rows["second"] = rows["MC-101"] | {}
    for number in range(7):
        rows[f"odd-{number}"] = {"stamp": f"odd-{number}", "label": "Odd", "state": "broken"}

    report = await plant.check()

    machine = next(kind for kind in report.kinds if kind.kind == "machine")
    assert (machine.faulty, len(machine.faults)) == (8, 5)
    assert any("MC-101 twice, as MC-101 and as second" in fault for fault in machine.faults)
    assert any(warning.startswith("Not in order (machine): ") for warning in report.warnings)
    assert report.ok


async def test_a_column_in_which_no_record_shows_anything_is_warned_of(plant: Plant) -> None:
    for row in plant.machines.rows.values():
        row["label"] = None
    first, *_ = plant.machines.rows.values()
    assert (
        "No machine shows anything in label (name). Check how the column is called there."
        in (await plant.check()).warnings
    )

    first["label"] = "HMC 1"
    assert not any("shows anything" in warning for warning in (await plant.check()).warnings)


async def test_a_record_that_is_another_one_when_asked_for_alone_is_told(plant: Plant) -> None:
    class Forgetful(MemoryCollection):
        async def one(self, key: str, ref: str | None) -> None:
            self.requests.append(f"one {key} {ref}")

    known = plant.machines
    forgetful = Forgetful(Machine, known.fields, client_ids=True, changes=frozenset(), rows=known.rows)
    plant.system.collections = {**plant.system.collections, Machine: forgetful}

    report = await plant.check()

    assert not report.ok
    assert any("lists machine AC-401; asked for by itself, it is gone" in p.message for p in report.problems)


async def test_a_plant_without_a_project_is_warned_of(tmp_path: Path) -> None:
    async with opened(memory_system(), tmp_path) as empty:
        report = await empty.check()
    assert report.ok
    assert "--plant FOLDER" in report.warnings[0]


@dataclass
class Refusing(MemorySystem):
    error: Exception = field(default_factory=Exception)

    async def probe(self) -> SystemInfo:
        raise self.error


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (NotAllowed("No.", suggestion="Check SHOPFLOOR_BACKEND_PASSWORD."), "SHOPFLOOR_BACKEND_PASSWORD"),
        (BackendUnavailable("not reached (ConnectError: [Errno -2] Name or service not known)"), "No such host"),
        (BackendUnavailable("not reached (ConnectError: All connection attempts failed)"), "start the system"),
        (BackendUnavailable("not reached (ConnectError: [SSL: CERTIFICATE_VERIFY_FAILED])"), "SSL_CERT_FILE"),
        (BackendUnavailable("not reached (ConnectError: [SSL: WRONG_VERSION_NUMBER] wrong version number)"), "http "),
        (BackendUnavailable("not reached (ConnectTimeout)"), "firewall"),
        (BackendUnavailable("cannot answer now (status 503)", suggestion="Try again."), "Try again."),
    ],
)
async def test_a_system_that_does_not_let_us_in_is_told_with_what_helps(
    plant: Plant, error: Exception, remedy: str
) -> None:
    plant.backend.system = Refusing(plant.system.collections, error=error)

    report = await plant.check()

    (problem,) = report.problems
    assert remedy in problem.suggestion
    assert report.kinds == []


async def test_one_kind_that_is_refused_does_not_hide_the_others(plant: Plant) -> None:
    def pages() -> Any:
        raise NotAllowed("Work orders are not for you.", suggestion="Ask for the right.")

    plant.system.collections[WorkOrder].pages = pages  # pyright: ignore[reportAttributeAccessIssue] - its only use here

    report = await plant.check()

    found = {kind.kind: kind.records for kind in report.kinds}
    assert (found["work order"], found["machine"], found["issue"]) == (None, 42, 0)
    assert [problem.message for problem in report.problems] == ["Work orders are not for you."]


async def test_a_system_that_takes_nothing_harmless_is_only_read(plant: Plant) -> None:
    for kind in (Machine, Issue):
        plant.system.collections[kind].creates = False

    report = await plant.check(write=True)

    assert report.round_trip is None
    assert any("takes no material, machine or issue" in warning for warning in report.warnings)


async def test_a_database_takes_a_real_record_and_gives_it_back(tmp_path: Path) -> None:
    async with aclosing(await open_store(tmp_path, sample_plant=sample_plant_dir(), as_of=AS_OF, seed=False)) as store:
        report = await examine(store, write=False, now=NOW, progress=lambda _: None)
        async with store.reader() as reader:
            assert (await reader.find(Issue, Query())).total == 0
    assert report.ok
    assert report.system is not None
    assert report.system.product == "SQLite"
    assert report.round_trip is not None
    assert (report.round_trip.how, report.round_trip.id, report.round_trip.differences) == ("rolled back", TRIED, ())
    assert report.round_trip.fields_checked > 20
    assert {kind.held_by for kind in report.kinds} == {"database"}
    assert "--plant FOLDER" in report.warnings[0]
