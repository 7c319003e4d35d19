"""One story told to every backend: calls of all tools, good ones and refused ones, in an order that makes sense.

Each step stands on what the steps before it have left, so the same story on two backends must end in the same answers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mcp_server.errors import ToolFailure
from mcp_server.pipeline.declaration import UpdateRequest
from tests.mcp_server.tools.checks.completion import ADAPTER, complete
from tests.mcp_server.tools.checks.documents import decide
from tests.mcp_server.tools.checks.pm_plans import pm_plan
from tests.mcp_server.tools.checks.quality import CASTING, change
from tests.mcp_server.tools.checks.sops import procedure, revision
from tests.mcp_server.tools.checks.work_orders import OTHER_WORK, schedule
from tests.support.checks import ALPHA, case_modules
from tests.support.inspections import GOOD, checklist, result
from tests.support.issue_steps import STEPS, closing, step
from tests.support.sample_plant import TOOLS, SamplePlant, report

__all__ = ["PAGED", "READINGS", "REPAIR", "STORY", "Answer", "Step", "tell"]

Answer = dict[str, Any]
Answers = Mapping[str, Answer]
Given = Mapping[str, Any] | Callable[[Answers], Mapping[str, Any]]

READINGS: Mapping[str, Mapping[str, Any]] = {
    name: given for module in case_modules() for name, given in module.VALID.items() if not TOOLS[name].writes
}
"""A good call of every tool that reads."""

REPAIR = schedule(
    **OTHER_WORK,
    start="2026-11-22T04:00:00-06:00",
    duration_min=60,
    technician_id=None,
    backdated_reason="Entered after the repair.",
    override_reason="It stood still.",
)
"""Work that was done before anybody planned it."""

PAGED = tuple(name for name in READINGS if "cursor" in TOOLS[name].request.model_fields)


@dataclass(frozen=True)
class Step:
    """`name` is unique. `given` may stand on the answers of earlier steps. `code` and `field` say how it is refused."""

    name: str
    tool: str
    given: Given
    key: str | None = None
    code: str | None = None
    field: str | None = None

    def arguments(self, answers: Answers) -> dict[str, Any]:
        return dict(self.given(answers) if callable(self.given) else self.given)


async def tell(plant: SamplePlant, story: Sequence[Step]) -> dict[str, Answer]:
    """Every answer, or error, by the name of its step; a step after one that failed may have nothing to stand on."""
    answers: dict[str, Answer] = {}
    for told in story:
        try:
            arguments = told.arguments(answers)
        except LookupError:
            answers[told.name] = {"error": {"code": "not asked"}}
            continue
        try:
            answers[told.name] = await plant.call(told.tool, arguments, key=told.key)
        except ToolFailure as failure:
            answers[told.name] = failure.as_json()
    return answers


def _refusals() -> Iterator[Step]:
    """What a rule refuses on the plant as it is; nothing of it changes anything."""
    for module in case_modules():
        for (tool, check), case in module.PRECONDITIONS.items():
            if not case.earlier and case.prepare is None and case.lies is None and case.run is None:
                yield Step(f"{tool} refused by {check}", tool, case.arguments, code=case.code, field=case.field)
    yield Step("unknown project", "get_machines", {"project": "ALFA"}, code="not_found", field="project")
    for tool in PAGED:
        given = {**READINGS[tool], "cursor": "nonsense"}
        yield Step(f"{tool} with an unknown cursor", tool, given, code="validation", field="cursor")


def _written(name: str, tool: str, given: Given, *, over: bool = False) -> Iterator[Step]:
    """A write as callers make it: checked only, made, repeated with its key, and the key used for something else.

    After a last change the record is `over`, and that is why it is refused the second time.
    """
    made = Step(name, tool, given, key=f"key of {name}")

    def but(**more: Any) -> Given:
        return lambda answers: {**made.arguments(answers), **more}

    yield Step(f"{name}, checked only", tool, but(dry_run=True))
    yield made
    yield Step(f"{name}, repeated", tool, given, key=made.key)
    yield Step(f"{name}, key of another call", tool, but(on_behalf_of="Somebody"), key=made.key, code="conflict")
    if issubclass(TOOLS[tool].request, UpdateRequest):
        code = "precondition" if over else "conflict"
        yield Step(f"{name}, as read before", tool, given, key=f"second {made.key}", code=code)


def _now(name: str, field: str, arguments: Mapping[str, Any]) -> Given:
    """A change of the record that an earlier step has left, as it was then."""

    def given(answers: Answers) -> dict[str, Any]:
        record = answers[name]["record"]
        return {**arguments, field: record["id"], "expected_revision": record["revision"]}

    return given


def _decided(name: str, decision: str, who: str) -> Given:
    def given(answers: Answers) -> dict[str, Any]:
        record = answers[name]["record"]
        return decide(decision, who, id=record["id"], revision=record["revision"])

    return given


def _quality() -> Iterator[Step]:
    yield from _written("plan", "create_quality_plan", CASTING)
    yield from _written("plan changed", "update_quality_plan", _now("plan", "plan_id", change((0, "usl", "225"))))
    yield from _written("plan submitted", "approve_document", _decided("plan changed", "submit", "E105"))
    yield from _written("plan approved", "approve_document", _decided("plan changed", "approve", "E113"))
    release = _decided("plan changed", "release", "E112")
    yield Step("release unconfirmed", "approve_document", release, code="confirmation_required", field="confirmation")

    def confirmed(answers: Answers) -> dict[str, Any]:
        code = answers["release unconfirmed"]["error"]["alternatives"][0]
        return {**Step("", "", release).arguments(answers), "confirmation": code}

    yield from _written("plan released", "approve_document", confirmed)
    yield from _written("checklist", "create_inspection_checklist", checklist())
    yield from _written("result", "record_inspection_result", result())
    yield from _written("bad result", "record_inspection_result", result(readings=[*GOOD, 57.04]))


def _maintenance() -> Iterator[Step]:
    yield from _written("maintenance plan", "create_pm_plan", pm_plan())
    yield from _written("order", "schedule_maintenance", schedule())
    moved = ALPHA | {"new_start": "2026-11-27T09:30:00-06:00", "reason": "The cell is busy until nine."}
    yield from _written("order moved", "reschedule_maintenance", _now("order", "wo_id", moved))
    dropped = ALPHA | {"reason": "The supplier did it."}
    yield from _written("order cancelled", "cancel_maintenance", _now("order moved", "wo_id", dropped), over=True)
    yield from _written("repair", "schedule_maintenance", REPAIR)
    done = complete(labor_min=60, parts_used=[ADAPTER])
    yield from _written("repair done", "complete_maintenance", _now("repair", "wo_id", done), over=True)
    yield from _written(
        "sample order done", "complete_maintenance", complete(wo_id="WO-0004", loto_removed=True), over=True
    )


def _procedures() -> Iterator[Step]:
    yield from _written("procedure", "create_sop", procedure())
    yield from _written("procedure revised", "revise_sop", _now("procedure", "sop_id", revision()))


def _issues() -> Iterator[Step]:
    reported = report(severity="major", qty_affected=3, machine_id="LT-131", lot_ids=["LOT-HSG-004"])
    yield from _written("issue", "log_issue", reported)
    before = "issue"
    for section in STEPS:
        yield from _written(f"issue: {section}", "update_issue", _now(before, "issue_id", step(section, "", 1)))
        before = f"issue: {section}"
    yield from _written("issue closed", "close_issue", _now(before, "issue_id", closing({"id": "", "revision": 1})))
    yield from _written("sample issue", "update_issue", step("comment", "ISS-0071", 1, text="Seen again at night."))


def _readings() -> Iterator[Step]:
    for tool, given in READINGS.items():
        yield Step(tool, tool, given)

    def with_history(answers: Answers) -> dict[str, Any]:
        return ALPHA | {"type": "issue", "id": answers["issue"]["record"]["id"], "include_history": True}

    yield Step("the issue with its history", "get_record", with_history)


STORY: tuple[Step, ...] = (*_refusals(), *_quality(), *_maintenance(), *_procedures(), *_issues(), *_readings())
