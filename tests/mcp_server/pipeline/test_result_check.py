from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcp_server.domain.records import Issue, PlanRow, QualityPlan
from mcp_server.errors import InternalError, ToolFailure, VerificationFailed
from mcp_server.pipeline.result_check import compare
from tests.support.sample_plant import TOOLS, Lies, Lying, control_plan, plan_row, report, sample_plant

pytestmark = pytest.mark.anyio


def other_number(plan: QualityPlan) -> QualityPlan:
    first: PlanRow = plan.rows[0].model_copy(update={"usl": 57.029})
    return plan.model_copy(update={"rows": (first, *plan.rows[1:])})


def changed(**update: Any) -> Callable[[QualityPlan], QualityPlan]:
    return lambda plan: plan.model_copy(update=update)


def rows(choose: Callable[[tuple[PlanRow, ...]], tuple[PlanRow, ...]]) -> Callable[[QualityPlan], QualityPlan]:
    return lambda plan: plan.model_copy(update={"rows": choose(plan.rows)})


def of_plans(lie: Callable[[QualityPlan], Any]) -> Callable[[Any], Any]:
    return lambda record: lie(record) if isinstance(record, QualityPlan) else record


LIES: dict[str, tuple[Lies, str | None]] = {
    "the record is dropped": (Lies(insert=lambda _: None), None),
    "the record cannot be read": (Lies(get=of_plans(lambda _: None)), None),
    "a row is dropped": (Lies(insert=rows(lambda all_: all_[:1])), "rows[1]"),
    "a row is doubled": (Lies(insert=rows(lambda all_: (*all_, all_[0]))), "rows[2]"),
    "the rows are swapped": (Lies(insert=rows(lambda all_: all_[::-1])), "rows[0]"),
    "a number is changed": (Lies(insert=other_number), "rows[0].usl"),
    "a text is cut": (Lies(insert=changed(title="Housing")), "title"),
    "another record is given back": (Lies(get=of_plans(changed(id="QP-0099"))), "id"),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_backend_that_says_yes_and_does_something_else_is_found_out(tmp_path: Path, lie: str):
    lies, field = LIES[lie]
    arguments = control_plan(plan_row("SP-001"), plan_row("SP-003", gauge_id="GG-02"))
    async with sample_plant(tmp_path, wrap=lambda backend: Lying(backend, lies)) as plant:
        before = plant.counts()
        failure = await plant.refused("create_quality_plan", arguments)
        assert isinstance(failure, VerificationFailed)
        assert ("differently" if field else "does not hold it") in failure.message
        assert (failure.field or "").startswith(field or "")
        assert "Nothing was kept" in failure.suggestion
        assert failure.outcome_known
        after = plant.counts()
        assert {name for name in after if after[name] != before.get(name)} <= {"audit_log", "sqlite_sequence"}
        assert [row["outcome"] for row in plant.rows("SELECT outcome FROM audit_log")] == [
            "refused:verification_failed"
        ]


async def test_a_tool_that_claims_a_write_it_never_made_is_found_out(tmp_path: Path):
    honest = TOOLS["log_issue"]

    async def run(request: Any, call: Any) -> Any:
        result = await honest.run(request, call)
        return result.model_copy(update={"record": result.record.model_copy(update={"id": "ISS-9999"})})

    async with sample_plant(tmp_path) as plant:
        failure = await plant.refused(replace(honest, run=run), report())
        assert isinstance(failure, VerificationFailed)
        assert "ISS-9999" in failure.message
        assert plant.rows("SELECT id FROM issues WHERE title LIKE 'Burr%'") == []


@pytest.mark.parametrize(
    ("name", "arguments", "change"),
    [
        ("compute_sampling_plan", {"lot_size": 60, "aql": "0.65"}, {"sample_size": "20"}),
        ("compute_sampling_plan", {"lot_size": 60, "aql": "0.65"}, {"accept": float("nan")}),
        ("list_projects", {}, {"total": None}),
        ("list_projects", {}, {"items": ({"id": "ALPHA"},)}),
    ],
)
async def test_a_result_that_does_not_fit_its_schema_is_not_shown(
    tmp_path: Path, name: str, arguments: dict[str, Any], change: dict[str, Any]
):
    async def run(request: Any, call: Any) -> Any:
        return (await TOOLS[name].run(request, call)).model_copy(update=change)

    async with sample_plant(tmp_path) as plant:
        failure = await plant.refused(replace(TOOLS[name], run=run), arguments)
        assert isinstance(failure, InternalError)
        assert next(iter(change)) in failure.message


async def test_a_tool_that_crashes_is_an_internal_failure_and_stores_nothing(tmp_path: Path):
    async def run(request: Any, call: Any) -> Any:
        await TOOLS["log_issue"].run(request, call)
        raise ZeroDivisionError("secret detail")

    async with sample_plant(tmp_path) as plant:
        before = plant.counts()
        failure = await plant.refused(replace(TOOLS["log_issue"], run=run), report())
        assert isinstance(failure, InternalError)
        assert "secret detail" not in str(failure.as_json())
        assert plant.counts() == before


def test_records_are_compared_value_by_value():
    sent = {"a": 1, "b": {"c": [1, 2]}, "d": [], "e": "x" * 500}
    assert compare(sent, sent) == (5, ())
    checked, mismatches = compare(sent, {"a": 1.5, "b": {"c": [1]}, "d": [3], "e": "y"})
    assert checked == 6
    assert {m.field for m in mismatches} == {"a", "b.c[1]", "d", "d[0]", "e"}
    assert all(len(m.sent) <= 120 and len(m.found) <= 120 for m in mismatches)


def test_every_failure_has_a_code_of_its_own():
    kinds = ToolFailure.__subclasses__()
    assert len({kind.code for kind in kinds}) == len(kinds)


async def test_every_field_of_a_written_issue_is_read_back(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("log_issue", report())
        assert answer["verification"] == {
            "method": "read_back",
            "fields_checked": len(Issue.model_fields),
            "read_at": "2026-11-22T12:00:00Z",
        }
