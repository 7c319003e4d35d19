import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import anyio
import pytest

from mcp_server.backends.sql.provision import DATABASE_NAME, open_store
from mcp_server.backends.sql.provision_postgres import open_postgres
from mcp_server.backends.sql.store import SqlBackend
from mcp_server.bundled import sample_plant_dir
from mcp_server.domain.records import Issue, IssueCategory, IssueState, PlanRow, QualityPlan, Severity
from tests.support.postgres import Cluster, running_cluster

AS_OF = date(2026, 11, 22)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)

OpenPlant = Callable[..., AbstractAsyncContextManager[SqlBackend]]


@pytest.fixture(scope="session")
def seeded_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plant seeded once; tests work on copies."""
    folder = tmp_path_factory.mktemp("seeded")

    async def seed() -> None:
        store = await open_store(folder, sample_plant=sample_plant_dir(), as_of=AS_OF)
        await store.aclose()

    anyio.run(seed)
    return folder / DATABASE_NAME


@pytest.fixture
def folder(seeded_file: Path, tmp_path: Path) -> Path:
    """A data folder of its own with the sample plant."""
    shutil.copy(seeded_file, tmp_path / DATABASE_NAME)
    return tmp_path


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as started:
        yield started


@pytest.fixture(scope="session")
def seeded_database(cluster: Cluster) -> str:
    """A plant seeded once; tests work on copies."""
    name = cluster.new_database()

    async def seed() -> None:
        store = await open_postgres(cluster.url(name), sample_plant=sample_plant_dir(), as_of=AS_OF)
        await store.aclose()

    anyio.run(seed)
    return name


@pytest.fixture
def database(cluster: Cluster, seeded_database: str) -> Iterator[str]:
    """A database of its own with the sample plant."""
    name = cluster.new_database(template=seeded_database)
    yield name
    cluster.drop(name)


@pytest.fixture
def empty_database(cluster: Cluster) -> Iterator[str]:
    name = cluster.new_database()
    yield name
    cluster.drop(name)


@pytest.fixture
def open_shared(cluster: Cluster, database: str) -> OpenPlant:
    """Opens the plant in `database`, again and again if a test wants."""

    @asynccontextmanager
    async def opened(*, busy_timeout_s: float = 5.0) -> AsyncIterator[SqlBackend]:
        store = await open_postgres(
            cluster.url(database), sample_plant=sample_plant_dir(), as_of=AS_OF, busy_timeout_s=busy_timeout_s
        )
        try:
            yield store
        finally:
            await store.aclose()

    return opened


@pytest.fixture(params=["open_file", "open_shared"], ids=["sqlite", "postgresql"])
def open_plant(request: pytest.FixtureRequest) -> OpenPlant:
    """Opens a plant on each of the engines."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def open_file(folder: Path) -> OpenPlant:
    """Opens the plant in `folder`, again and again if a test wants."""

    @asynccontextmanager
    async def opened(*, busy_timeout_s: float = 5.0) -> AsyncIterator[SqlBackend]:
        store = await open_store(folder, sample_plant=sample_plant_dir(), as_of=AS_OF, busy_timeout_s=busy_timeout_s)
        try:
            yield store
        finally:
            await store.aclose()

    return opened


@pytest.fixture
def make_issue() -> Callable[..., Issue]:
    def make(issue_id: str, **changes: object) -> Issue:
        plain: dict[str, object] = {
            "id": issue_id,
            "project": "ALPHA",
            "title": "Guard door damaged",
            "description": "The hinge of the guard door is bent.",
            "category": IssueCategory.EQUIPMENT,
            "severity": Severity.MINOR,
            "state": IssueState.OPEN,
            "machine_id": "LT-131",
            "qty_affected": 0,
            "detected_at": NOW,
            "detected_by": "operator",
            "opened_at": NOW,
            "acknowledge_due_at": NOW,
            "contain_due_at": NOW,
            "root_cause_due_at": NOW,
            "close_due_at": NOW,
        }
        return Issue.model_validate(plain | changes)

    return make


@pytest.fixture
def make_plan() -> Callable[..., QualityPlan]:
    row = {
        "spec_id": "SP-001",
        "operation": "OP20",
        "machine_id": "MC-101",
        "characteristic": "Piston bore diameter",
        "kind": "product",
        "unit": "mm",
        "nominal": 57.015,
        "lsl": 57.0,
        "usl": 57.03,
        "special_class": "CC",
        "technique": "bore air gauge",
        "gauge_id": "AG-01",
        "sampling": "fixed",
        "sample_size": 5,
        "frequency": "every 2 hours",
        "control_method": "spc_chart",
        "reaction_plan": "Stop and sort back.",
        "reaction_owner": "Line lead",
    }

    def make(plan_id: str, operations: tuple[str, ...] = ("OP20",), **changes: object) -> QualityPlan:
        rows = tuple(PlanRow.model_validate(row | {"operation": name}, strict=False) for name in operations)
        plain: dict[str, object] = {
            "id": plan_id,
            "project": "ALPHA",
            "title": "Caliper housing",
            "phase": "prototype",
            "material_id": "HSG-FC57",
            "material_revision": "D",
            "revision": 1,
            "state": "draft",
            "core_team": ("A. Novak", "M. Ruiz"),
            "rows": rows,
            "created_at": NOW,
            "created_by": "tester",
        }
        return QualityPlan.model_validate(plain | changes, strict=False)

    return make
