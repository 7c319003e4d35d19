"""Completions over the SDK's own client: what a person may mean while they type."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mcp import Client, MCPError
from mcp.types import INTERNAL_ERROR, INVALID_PARAMS, Completion, PromptReference, ResourceTemplateReference

from mcp_server.app import build_server
from mcp_server.backends.base import Query
from mcp_server.domain.records import DocumentState, Gauge, Sop
from mcp_server.errors import BackendUnavailable
from mcp_server.surface.completions import MOST_VALUES
from mcp_server.surface.jobs import JOBS
from mcp_server.surface.kinds import KINDS
from mcp_server.surface.selection import Selection, select_tools
from mcp_server.tools import ALL_TOOLS
from tests.support.sample_plant import AS_OF, CLOCK, Failing, SamplePlant, sample_plant

pytestmark = pytest.mark.anyio

QUALITY_PLAN = PromptReference(name="quality_plan")
ISSUE = PromptReference(name="issue")
MACHINES = ResourceTemplateReference(uri="plant://machines/{id}")


@asynccontextmanager
async def connected(
    directory: Path, *, selection: Selection | None = None, era: str = "auto", failures: Iterable[Exception] = ()
) -> AsyncGenerator[tuple[Client, SamplePlant]]:
    async with sample_plant(directory, wrap=lambda inner: Failing(inner, failures)) as plant:
        server = build_server(plant.backend, CLOCK, select_tools(ALL_TOOLS, selection or Selection()))
        async with Client(server, mode=era, raise_exceptions=True) as client:
            yield client, plant


async def completed(
    client: Client,
    reference: PromptReference | ResourceTemplateReference,
    argument: str,
    value: str,
    **context: str,
) -> Completion:
    given = {"name": argument, "value": value}
    return (await client.complete(reference, given, context_arguments=context or None)).completion


async def values(
    client: Client,
    reference: PromptReference | ResourceTemplateReference,
    argument: str,
    value: str,
    **context: str,
) -> list[str]:
    return (await completed(client, reference, argument, value, **context)).values


@pytest.mark.parametrize("era", ["auto", "legacy"])
async def test_a_project_is_found_by_its_code_or_its_name_without_case(tmp_path: Path, era: str):
    async with connected(tmp_path, era=era) as (client, _):
        assert await values(client, QUALITY_PLAN, "project", "") == ["ALPHA", "BETA", "GAMMA"]
        assert await values(client, QUALITY_PLAN, "project", "be") == ["BETA"]
        assert await values(client, QUALITY_PLAN, "project", "project g") == ["GAMMA"]
        assert await values(client, QUALITY_PLAN, "project", "amm") == ["GAMMA"]
        assert await values(client, QUALITY_PLAN, "project", "zzz") == []


async def test_ids_that_begin_with_the_value_come_first_then_names_then_the_rest(tmp_path: Path):
    async with connected(tmp_path) as (client, plant):
        async with plant.backend.unit_of_work() as unit:
            for gauge_id, name in [("ZQ-1", "Bore"), ("A-2", "ZQ tester"), ("A-1", "Old ZQ"), ("B-ZQ", "Depth")]:
                due = {"cal_interval_days": 365, "last_calibrated": AS_OF, "cal_due": AS_OF}
                await unit.insert(Gauge(id=gauge_id, project="ALPHA", name=name, **due))
        gauges = ResourceTemplateReference(uri="plant://gauges/{id}")
        assert await values(client, gauges, "id", "zq") == ["ZQ-1", "A-2", "A-1", "B-ZQ"]


async def test_the_project_that_is_already_given_limits_the_rest(tmp_path: Path):
    async with connected(tmp_path) as (client, plant):
        every = await values(client, ISSUE, "machine", "")
        alpha = await values(client, ISSUE, "machine", "", project="alpha")
        of_alpha = {r["id"] for r in plant.rows("SELECT id FROM machines WHERE project IN ('ALPHA', 'SHARED')")}
        assert set(alpha) == of_alpha < set(every)
        assert await values(client, ISSUE, "machine", "", project="Project Alpha") == alpha
        assert await values(client, ISSUE, "machine", "", project=" ") == every
        shared = {row["id"] for row in plant.rows("SELECT id FROM machines WHERE project = 'SHARED'")}
        assert set(await values(client, ISSUE, "machine", "", project="OMEGA")) == shared


async def test_the_machine_that_is_already_given_limits_its_tasks(tmp_path: Path):
    async with connected(tmp_path) as (client, plant):
        tasks = await values(client, PromptReference(name="maintenance"), "task", "", project="ALPHA", machine="MC-101")
        rows = plant.rows("SELECT id FROM pm_tasks WHERE machine_id = 'MC-101' ORDER BY id")
        assert tasks == [row["id"] for row in rows] != []
        machines = await values(client, PromptReference(name="maintenance"), "machine", "mc-10", task="PM-MC101-01")
        assert "MC-102" in machines


async def test_what_is_retired_comes_last(tmp_path: Path):
    async with connected(tmp_path) as (client, plant):
        retired = [r["id"] for r in plant.rows("SELECT id FROM machines WHERE status = 'decommissioned' ORDER BY id")]
        assert retired
        assert (await values(client, MACHINES, "id", ""))[-len(retired) :] == retired


async def test_at_most_a_hundred_are_given_and_the_rest_is_counted(tmp_path: Path):
    async with connected(tmp_path) as (client, plant):
        async with plant.backend.unit_of_work() as unit:
            for number in range(150):
                due = {"cal_interval_days": 365, "last_calibrated": AS_OF, "cal_due": AS_OF}
                await unit.insert(Gauge(id=f"QQ-{number:04d}", project="ALPHA", name="Gauge", **due))
        gauges = ResourceTemplateReference(uri="plant://gauges/{id}")
        many = await completed(client, gauges, "id", "qq-")
        assert many.values == [f"QQ-{number:04d}" for number in range(MOST_VALUES)]
        assert (many.total, many.has_more) == (150, True)
        few = await completed(client, gauges, "id", "qq-014")
        assert (len(few.values), few.total, few.has_more) == (10, 10, False)


async def test_a_document_is_offered_once_however_many_revisions_it_has(tmp_path: Path):
    async with connected(tmp_path) as (client, plant):
        async with plant.backend.unit_of_work() as unit:
            [first] = (await unit.find(Sop, Query({"id": ("SOP-A-070",)}, limit=1))).items
            await unit.insert(first.model_copy(update={"revision": 99, "state": DocumentState.SUPERSEDED}))
        found = await completed(client, ResourceTemplateReference(uri="plant://sops/{id}"), "id", "sop-a-070")
    assert (found.values, found.total) == (["SOP-A-070"], 1)


async def test_fixed_choices_are_offered_and_free_text_is_not_guessed(tmp_path: Path):
    async with connected(tmp_path) as (client, _):
        assert await values(client, QUALITY_PLAN, "phase", "LAUNCH") == ["pre_launch", "safe_launch"]
        assert await values(client, QUALITY_PLAN, "customer", "A") == []
        assert await values(client, QUALITY_PLAN, "colour", "A") == []
        assert await values(client, MACHINES, "colour", "MC") == []


async def test_signs_of_a_search_mean_themselves(tmp_path: Path):
    async with connected(tmp_path) as (client, _):
        for value in ("%", "_C-10", "'; DROP TABLE machines", "\x00", "x" * 5_000):
            assert await values(client, MACHINES, "id", value) == []
        assert "MC-101" in await values(client, MACHINES, "id", " mc-10 ")


async def test_every_id_that_a_prompt_or_an_address_takes_can_be_completed(tmp_path: Path):
    async with connected(tmp_path) as (client, _):
        offered = [prompt.name for prompt in (await client.list_prompts()).prompts]
        for job in JOBS:
            for argument in job.arguments if job.name in offered else ():
                given = await completed(client, PromptReference(name=job.name), argument.name, "")
                assert bool(given.values) is (argument.kind is not None or bool(argument.choices)), argument.name
        addresses = {t.uri_template for t in (await client.list_resource_templates()).resource_templates}
        for kind in KINDS:
            if kind.template in addresses:
                found = await completed(client, ResourceTemplateReference(uri=kind.template), "id", "")
                assert found.total is None or found.total >= len(found.values)


@pytest.mark.parametrize(
    "reference",
    [
        PromptReference(name="nope"),
        PromptReference(name="issue"),
        ResourceTemplateReference(uri="plant://machines/MC-101"),
        ResourceTemplateReference(uri="plant://issues/{id}"),
        ResourceTemplateReference(uri="x" * 5_000),
    ],
    ids=["prompt", "hidden prompt", "address", "hidden template", "long"],
)
async def test_what_is_not_offered_is_not_completed(
    tmp_path: Path, reference: PromptReference | ResourceTemplateReference
):
    async with connected(tmp_path, selection=Selection(toolsets=("core",))) as (client, _):
        with pytest.raises(MCPError) as raised:
            await completed(client, reference, "id", "")
    assert raised.value.code == INVALID_PARAMS
    assert len(raised.value.message) < 200


async def test_a_backend_that_keeps_failing_is_an_error_that_can_be_retried(tmp_path: Path):
    failures = [BackendUnavailable("Busy.", suggestion="Try again.", retry_after_s=0.01)] * 3
    async with connected(tmp_path, failures=failures) as (client, _):
        with pytest.raises(MCPError) as raised:
            await completed(client, MACHINES, "id", "")
    assert (raised.value.code, raised.value.message) == (INTERNAL_ERROR, "Busy.")
    assert raised.value.data["error"]["retryable"] is True
