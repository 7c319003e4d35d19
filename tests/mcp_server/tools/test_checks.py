"""Every declared check of every tool does its work: with it a call is refused, and without it not in the same way.

The cases stand in `checks/`, one module a toolset.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcp_server.errors import ToolFailure
from tests.support.checks import AnyTool, Case, case_modules
from tests.support.sample_plant import TOOLS, Lies, Lying, SamplePlant, sample_plant

pytestmark = pytest.mark.anyio

PRECONDITIONS: dict[tuple[str, str], Case] = {
    place: case for module in case_modules() for place, case in module.PRECONDITIONS.items()
}
RESULT_CHECKS: dict[tuple[str, str], Case] = {
    place: case for module in case_modules() for place, case in module.RESULT_CHECKS.items()
}


def test_the_tables_cover_exactly_the_declared_checks():
    assert set(PRECONDITIONS) == {(tool.name, c.__name__) for tool in TOOLS.values() for c in tool.preconditions}
    assert set(RESULT_CHECKS) == {(tool.name, c.__name__) for tool in TOOLS.values() for c in tool.result_checks}


async def outcome(plant: SamplePlant, tool: AnyTool, case: Case) -> tuple[str, str | None, str] | None:
    """How a call is refused: code, field and message."""
    for tool_name, arguments in case.earlier:
        await plant.call(tool_name, arguments)
    more = {} if case.prepare is None else await case.prepare(plant)
    try:
        await plant.call(tool, {**case.arguments, **more})
    except ToolFailure as failure:
        return failure.code, failure.field, failure.message
    return None


def prepared(name: str, case: Case) -> AnyTool:
    tool, run = TOOLS[name], case.run
    if run is None:
        return tool

    async def instead(request: Any, call: Any) -> Any:
        return await run(tool, request, call)

    return replace(tool, run=instead)


def without(checks: tuple[Any, ...], name: str) -> tuple[Any, ...]:
    return tuple(check for check in checks if check.__name__ != name)


@pytest.mark.parametrize(("tool_name", "check"), [*PRECONDITIONS, *RESULT_CHECKS])
async def test_a_check_refuses_what_would_pass_without_it(tmp_path: Path, tool_name: str, check: str):
    case = (PRECONDITIONS | RESULT_CHECKS)[tool_name, check]
    tool = prepared(tool_name, case)
    unchecked = replace(
        tool, preconditions=without(tool.preconditions, check), result_checks=without(tool.result_checks, check)
    )
    for folder in ("with", "without"):
        (tmp_path / folder).mkdir()
    async with sample_plant(tmp_path / "with", wrap=lambda backend: Lying(backend, case.lies or Lies())) as plant:
        records = plant.counts()
        refusal = await outcome(plant, tool, case)
        assert refusal is not None
        assert refusal[:2] == (case.code, case.field)
        if not case.earlier and case.prepare is None:
            assert {n for n, count in plant.counts().items() if count != records.get(n)} <= {
                "audit_log",
                "sqlite_sequence",
            }
    async with sample_plant(tmp_path / "without", wrap=lambda backend: Lying(backend, case.lies or Lies())) as plant:
        assert await outcome(plant, unchecked, case) != refusal
