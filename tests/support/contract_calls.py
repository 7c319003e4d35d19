"""One story told to every backend: calls of all tools, good ones and refused ones, in an order that makes sense.

Each step stands on what the steps before it have left, so the same story on two backends must end in the same answers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mcp_server.errors import ToolFailure
from mcp_server.pipeline.declaration import UpdateRequest
from tests.mcp_server.tools.checks.documents import decide
from tests.mcp_server.tools.checks.pm_plans import pm_plan
from tests.mcp_server.tools.checks.quality import CASTING, change
from tests.mcp_server.tools.checks.sops import CREATED, procedure, revision
from tests.mcp_server.tools.checks.work_orders import OTHER_WORK, cancel, schedule
from tests.mcp_server.tools.checks.completion import ADAPTER, complete
from tests.mcp_server.tools.checks.work_orders import move
from tests.support.checks import ALPHA, case_modules
from tests.support.inspections import GOOD, checklist, result
from tests.support.issue_steps import STEPS, closing, step
from tests.support.sample_plant import TOOLS, SamplePlant, report

__all__ = ["PAGED", "STORY", "Answer", "Step", "tell", "told_twice"]

Answer = dict[str, Any]
Given = Mapping[str, Any] | Callable[[Mapping[str, Answer]], Mapping[str, Any]]

READINGS: Mapping[str, Mapping[str, Any]] = {
    name: given
    for module in case_modules()
    for name, given in module.VALID.items()
    if not TOOLS[name].writes
}
"""A good call of every tool that reads."""

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

    def arguments(self, answers: Mapping[str, Answer]) -> dict[str, Any]:
        return dict(self.given(answers) if callable(self.given) else self.given)


async def tell(plant: SamplePlant, story: Sequence[Step]) -> dict[str, Answer]:
    """Every answer, or error, by the name of its step."""
    answers: dict[str, Answer] = {}
    for told in story:
        try:
            answers[told.name] = await plant.call(told.tool, told.arguments(answers), key=told.key)
        except ToolFailure as failure:
            answers[told.name] = failure.as_json()
    return answers


def _of(name: str, field: str, **more: Any) -> Callable[[Mapping[str, Answer]], dict[str, Any]]:
    """The id of an earlier step's record under this name, with its revision as the expected one."""
    return lambda answers: {field: answers[name]["record"]["id"], "expected_revision": answers[name]["record"]["revision"], **more}


def _on(name: str, arguments: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> Given:
    """Arguments made from an earlier step's record."""
    return lambda answers: arguments(answers[name]["record"])


def _refusals() -> Iterator[Step]:
    """What a rule refuses on the plant as it is; nothing of it changes anything."""
    for module in case_modules():
        for (tool, check), case in module.PRECONDITIONS.items():
            if not case.earlier and case.prepare is None and case.lies is None and case.run is None:
                yield Step(f"{tool} refused: {check}", tool, case.arguments, code=case.code, field=case.field)


def _unknown_names() -> Iterator[Step]:
    nearly = {"machine_id": "LT-13", "material_id": "HSG-FC58"}
    for field, value in nearly.items():
        yield Step(f"unknown {field}", "log_issue", report(**{field: value}), code="not_found", field=field)
    yield Step("unknown project", "get_machines", {"project": "ALFA"}, code="not_found", field="project")
    yield Step("unknown issue", "get_issues", ALPHA | {"id": "ISS-9999"}, code="not_found", field="id")
    for tool in PAGED:
        given = READINGS[tool] | {"cursor": "nonsense"}
        yield Step(f"{tool} with an unknown cursor", tool, given, code="validation", field="cursor")


def told_twice(name: str, tool: str, given: Given) -> Iterator[Step]:
    """A write as callers make it: checked only, made, repeated with its key, and the key used for something else."""

    def checked_only(answers: Mapping[str, Answer]) -> dict[str, Any]:
        return {**made.arguments(answers), "dry_run": True}

    def another(answers: Mapping[str, Answer]) -> dict[str, Any]:
        return {**made.arguments(answers), "on_behalf_of": "Somebody Else"}

    made = Step(name, tool, given, key=f"key of {name}")
    yield Step(f"{name}, checked only", tool, checked_only)
    yield made
    yield Step(f"{name}, repeated", tool, given, key=made.key)
    yield Step(f"{name}, other arguments", tool, another, key=made.key, code="conflict")
    if issubclass(TOOLS[tool].request, UpdateRequest):
        yield Step(f"{name}, as read before", tool, _later(given), key=f"other {made.key}", code="conflict")


def _later(given: Given) -> Given:
    """The same change once more, of the state that was there before."""
    return given


