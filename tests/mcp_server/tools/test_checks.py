"""Every declared check of every tool does its work: with it a call is refused, and without it not in the same way."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from mcp_server.backends.base import Page
from mcp_server.domain.records import (
    Issue,
    IssueCategory,
    IssueState,
    Machine,
    Material,
    Project,
    QualityPlan,
    Record,
    Spec,
    Workstation,
)
from mcp_server.errors import ToolFailure
from mcp_server.pipeline.declaration import Tool
from tests.support.sample_plant import (
    TOOLS,
    Lies,
    Lying,
    SamplePlant,
    control_plan,
    plan_row,
    report,
    sample_plant,
)

pytestmark = pytest.mark.anyio

AnyTool = Tool[Any, Any, Any]
Run = Callable[[AnyTool, Any, Any], Awaitable[Any]]
ALPHA = {"project": "ALPHA"}


@dataclass(frozen=True)
class Case:
    """A call that one check refuses with `code` at `field`, and what must be wrong for it: a former call, a backend
    that lies, or a tool that runs as in `run`.
    """

    code: str
    field: str | None
    arguments: Mapping[str, Any]
    before: tuple[str, Mapping[str, Any]] | None = None
    lies: Lies | None = None
    run: Run | None = None


def lying(kind: type[Record], lie: Callable[[Any], Any]) -> Lies:
    """Changes what is found of one kind of record."""

    def find(page: Page[Any]) -> Page[Any]:
        return replace(page, items=lie(page.items)) if page.items and type(page.items[0]) is kind else page

    return Lies(find=find)


def twice(kind: type[Record]) -> Lies:
    return lying(kind, lambda items: items * 2)


def each(**update: Any) -> Callable[[Any], Any]:
    return lambda items: tuple(item.model_copy(update=update) for item in items)


def asked_for(**update: Any) -> Run:
    """The tool works on another request than it got."""
    return lambda tool, request, call: tool.run(request.model_copy(update=update), call)


def answering(change: Callable[[Any], dict[str, Any]]) -> Run:
    """The tool answers with something else than it found."""

    async def run(tool: AnyTool, request: Any, call: Any) -> Any:
        result = await tool.run(request, call)
        return result.model_copy(update=change(result))

    return run


PRECONDITIONS: dict[tuple[str, str], Case] = {
    ("get_machines", "_machines_exist"): Case("not_found", "ids[1]", ALPHA | {"ids": ["MC-103", "MC-999"]}),
    ("get_machines", "_places_exist"): Case("not_found", "workstation", ALPHA | {"workstation": "ALPHA-OP21"}),
    ("get_materials", "_materials_exist"): Case("not_found", "ids[0]", ALPHA | {"ids": ["HSG-FC58"]}),
    ("get_specs", "_specs_exist"): Case("not_found", "material_id", ALPHA | {"material_id": "HSG-FC58"}),
    ("get_workstations", "_workstations_exist"): Case("not_found", "ids[0]", ALPHA | {"ids": ["ALPHA-OP21"]}),
    ("compute_sampling_plan", "_class_fits_aql"): Case(
        "precondition", "special_class", {"lot_size": 500, "aql": "1.0", "special_class": "CC"}
    ),
    ("create_quality_plan", "_material_is_current"): Case(
        "precondition",
        "material_id",
        control_plan(
            plan_row(None, characteristic="Deburred", kind="product", operation="OP40"), material_id="HSG-FC57-C"
        ),
    ),
    ("create_quality_plan", "_rows_refer_to_the_plant"): Case(
        "precondition", "rows[0].machine_id", control_plan(plan_row(machine_id="MC-104"))
    ),
    ("create_quality_plan", "_characteristics_are_listed_once"): Case(
        "precondition", "rows[1].spec_id", control_plan(plan_row(), plan_row(operation="OP20"))
    ),
    ("create_quality_plan", "_rows_follow_the_rules"): Case(
        "precondition", "rows[0].usl", control_plan(plan_row(usl=57.05))
    ),
    ("create_quality_plan", "_plan_is_new"): Case(
        "conflict",
        "material_id",
        control_plan(title="The same once more"),
        before=("create_quality_plan", control_plan()),
    ),
    ("get_quality_plans", "_plans_exist"): Case("not_found", "id", ALPHA | {"id": "QP-0001"}),
    ("log_issue", "_references_exist"): Case("not_found", "machine_id", report(machine_id="LT-13")),
    ("log_issue", "_not_in_the_future"): Case(
        "precondition", "detected_at", report(detected_at="2026-11-22T12:06:00+00:00")
    ),
    ("get_issues", "_issue_references_exist"): Case("not_found", "id", ALPHA | {"id": "ISS-9999"}),
    ("get_issues", "_range_is_in_order"): Case(
        "precondition",
        "opened_from",
        ALPHA | {"opened_from": "2026-11-02T00:00:00Z", "opened_to": "2026-11-01T00:00:00Z"},
    ),
}

RESULT_CHECKS: dict[tuple[str, str], Case] = {
    ("list_projects", "page_is_as_asked"): Case("verification_failed", None, {}, lies=twice(Project)),
    ("get_machines", "page_is_as_asked"): Case(
        "verification_failed", None, ALPHA, lies=lying(Machine, each(project="BETA"))
    ),
    ("get_materials", "page_is_as_asked"): Case(
        "verification_failed", None, ALPHA | {"status": "released"}, lies=lying(Material, each(status="obsolete"))
    ),
    ("get_specs", "page_is_as_asked"): Case(
        "verification_failed", None, ALPHA | {"ids": ["SP-001"]}, lies=lying(Spec, each(id="SP-002"))
    ),
    ("get_workstations", "page_is_as_asked"): Case(
        "verification_failed", None, ALPHA | {"limit": 2}, lies=twice(Workstation)
    ),
    ("compute_sampling_plan", "_plan_is_the_tables"): Case(
        "verification_failed",
        None,
        {"lot_size": 5_000, "aql": "1.5"},
        run=answering(lambda result: {"accept": result.accept + 1}),
    ),
    ("create_quality_plan", "_rows_are_as_asked"): Case(
        "verification_failed", "rows", control_plan(), run=asked_for(rows=())
    ),
    ("create_quality_plan", "_coverage_is_right"): Case(
        "verification_failed",
        "coverage",
        control_plan(),
        run=answering(lambda result: {"coverage": result.coverage.model_copy(update={"missing": ()})}),
    ),
    ("get_quality_plans", "page_is_as_asked"): Case(
        "verification_failed",
        None,
        ALPHA | {"phase": "production"},
        before=("create_quality_plan", control_plan()),
        lies=lying(QualityPlan, each(project="BETA")),
    ),
    ("get_quality_plans", "_plans_are_whole"): Case(
        "verification_failed",
        None,
        ALPHA,
        before=("create_quality_plan", control_plan()),
        lies=lying(QualityPlan, each(rows=())),
    ),
    ("log_issue", "_severity_is_not_talked_down"): Case(
        "verification_failed", "severity", report(category="safety"), run=asked_for(category=IssueCategory.QUALITY)
    ),
    ("log_issue", "_is_open_with_a_clock"): Case(
        "verification_failed",
        "state",
        report(),
        run=answering(lambda result: {"record": result.record.model_copy(update={"state": IssueState.CLOSED})}),
    ),
    ("get_issues", "page_is_as_asked"): Case(
        "verification_failed", None, ALPHA | {"machine_id": "LT-131"}, lies=lying(Issue, each(machine_id="LT-130"))
    ),
    ("get_issues", "_times_are_as_asked"): Case(
        "verification_failed", None, ALPHA | {"open_only": True}, lies=lying(Issue, each(state=IssueState.CLOSED))
    ),
}


def test_the_tables_cover_exactly_the_declared_checks():
    assert set(PRECONDITIONS) == {(tool.name, c.__name__) for tool in TOOLS.values() for c in tool.preconditions}
    assert set(RESULT_CHECKS) == {(tool.name, c.__name__) for tool in TOOLS.values() for c in tool.result_checks}


async def outcome(plant: SamplePlant, tool: AnyTool, case: Case) -> tuple[str, str | None, str] | None:
    """How a call is refused: code, field and message."""
    if case.before is not None:
        await plant.call(*case.before)
    try:
        await plant.call(tool, case.arguments)
    except ToolFailure as failure:
        return failure.code, failure.field, failure.message
    return None


def prepared(name: str, case: Case) -> AnyTool:
    tool, run = TOOLS[name], case.run
    return tool if run is None else replace(tool, run=lambda request, call: run(tool, request, call))


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
        if case.before is None:
            assert {n for n, count in plant.counts().items() if count != records.get(n)} <= {
                "audit_log",
                "sqlite_sequence",
            }
    async with sample_plant(tmp_path / "without", wrap=lambda backend: Lying(backend, case.lies or Lies())) as plant:
        assert await outcome(plant, unchecked, case) != refusal
