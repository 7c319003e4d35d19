"""Whatever a host sends: what a schema allows never ends in an internal error, what it forbids never has an effect."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_server.app import published_tools
from mcp_server.errors import InternalError, InvalidInput, ToolFailure, VerificationFailed
from mcp_server.tools import ALL_TOOLS
from tests.support.checks import case_modules
from tests.support.sample_plant import TOOLS, SamplePlant, sample_plant
from tests.support.schema_values import values

SCHEMAS: Mapping[str, dict[str, Any]] = {tool.name: tool.input_schema for tool in published_tools(ALL_TOOLS)}
VALID: Mapping[str, dict[str, Any]] = {
    name: given_ for module in case_modules() for name, given_ in module.VALID.items()
}
UNTOUCHED = {"audit_log", "sqlite_sequence"}
EXAMPLES = 25

QUERIES = {
    "project": "SELECT id FROM projects UNION SELECT name FROM projects",
    "machine_id": "SELECT id FROM machines",
    "machine": "SELECT id FROM machines",
    "workstation": "SELECT id FROM workstations",
    "line": "SELECT DISTINCT line FROM workstations",
    "operation": "SELECT DISTINCT operation FROM specs",
    "material_id": "SELECT id FROM materials",
    "spec_id": "SELECT id FROM specs",
    "gauge_id": "SELECT id FROM gauges",
    "lot_id": "SELECT id FROM lots",
    "plan_id": "SELECT id FROM quality_plans UNION SELECT id FROM pm_plans",
    "checklist_id": "SELECT id FROM checklists",
    "task_id": "SELECT id FROM pm_tasks",
    "wo_id": "SELECT id FROM work_orders",
    "issue_id": "SELECT id FROM issues",
    "sop_id": "SELECT id FROM sops",
    "id": "SELECT id FROM sops UNION SELECT id FROM issues UNION SELECT id FROM machines",
    "technician": "SELECT id FROM people",
    "technician_id": "SELECT id FROM people",
    "approver_id": "SELECT id FROM people",
    "owner": "SELECT id FROM people",
    "verifier": "SELECT id FROM people",
    "inspector": "SELECT id FROM people",
    "by": "SELECT id FROM people",
    "to": "SELECT id FROM people",
}
"""Words a field of this name can mean something by, asked of the plant itself."""


@pytest.fixture(scope="module")
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture
def plant(portal: BlockingPortal) -> Iterator[SamplePlant]:
    folder = Path(tempfile.mkdtemp())
    with portal.wrap_async_context_manager(sample_plant(folder)) as opened:
        yield opened
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_what_a_schema_allows_is_answered_or_refused_with_a_reason(
    name: str, plant: SamplePlant, portal: BlockingPortal
):
    words = {field: [next(iter(row.values())) for row in plant.rows(query)] for field, query in QUERIES.items()}

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(values(SCHEMAS[name], words))
    def answered(arguments: dict[str, Any]) -> None:
        before = plant.counts()
        failure = portal.call(failure_of, plant, name, arguments)
        assert not isinstance(failure, InternalError | VerificationFailed), f"{failure.message} {failure.also}"
        if failure is None:
            assert TOOLS[name].writes or touched(before, plant) == set()
        else:
            assert failure.message
            assert failure.suggestion, failure.message
            assert touched(before, plant) <= UNTOUCHED

    answered()


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_what_a_schema_forbids_is_refused_before_any_effect(name: str, plant: SamplePlant, portal: BlockingPortal):
    before = plant.counts()

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def refused(data: st.DataObject) -> None:
        arguments, place = data.draw(spoiled(VALID[name], SCHEMAS[name]))
        failure = portal.call(partial(plant.refused, name, arguments))
        assert isinstance(failure, InvalidInput)
        assert (failure.field or "").startswith(place)
        assert failure.suggestion

    refused()
    assert touched(before, plant) == set()


async def failure_of(plant: SamplePlant, name: str, arguments: dict[str, Any]) -> ToolFailure | None:
    try:
        await plant.call(name, arguments)
    except ToolFailure as failure:
        return failure
    return None


def spoiled(valid: Mapping[str, Any], schema: dict[str, Any]) -> st.SearchStrategy[tuple[dict[str, Any], str]]:
    """Valid arguments with one thing wrong, and the field that is to blame."""
    wrong: list[tuple[dict[str, Any], str]] = [({**valid, "colour": "red"}, "colour")]
    wrong += [({n: v for n, v in valid.items() if n != missing}, missing) for missing in schema.get("required", ())]
    for field, part in schema["properties"].items():
        others: dict[str, list[Any]] = {
            "string": [5, True, [], {}, "x\x00y", "", "   ", "x" * 100_000],
            "integer": ["1", 1.5, True, [], 10**30, -(10**30)],
            "number": ["1.5", True, {}, float("nan"), float("inf"), 1e300],
            "boolean": ["true", 1, []],
            "array": ["x", {}, 5, [None], [[]]],
            "object": ["x", [], 5, True],
        }
        wrong += [({**valid, field: value}, field) for value in others[part["type"]]]
    return st.sampled_from(wrong)


def touched(before: Mapping[str, int], plant: SamplePlant) -> set[str]:
    """Tables with another number of rows than before."""
    return {table for table, count in plant.counts().items() if count != before.get(table)}
