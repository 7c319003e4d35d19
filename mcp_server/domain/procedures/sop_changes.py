"""Changes of a procedure, from one revision to the next: single steps, and sections as a whole."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from mcp_server.domain.quality.control_plan import Finding
from mcp_server.domain.records import LISTED_ELSEWHERE, Part, SopStep

__all__ = ["MOST_STEPS", "SectionChange", "StepChange", "changed_sections", "changed_steps", "check_changes"]

MOST_STEPS = 100

Section = Literal[
    "title", "purpose", "scope", "reaction_plan", "material_id", "loto_sop_id", "loto_not_required_reason",
    "ppe_not_required_reason", "machine_ids", "ppe", "tools", "training", "records", "references",
]  # fmt: skip

_LISTS = {"machine_ids": 40, "ppe": 160, "tools": 160, "training": 160, "records": 160, "references": 160}
"""Sections that are lists, and how long an entry may be."""
_TEXTS = {
    "title": (3, 120),
    "purpose": (1, 500),
    "scope": (1, 500),
    "reaction_plan": (1, 1000),
    "material_id": (1, 40),
    "loto_sop_id": (1, 40),
    "loto_not_required_reason": (10, 300),
    "ppe_not_required_reason": (10, 300),
}
"""Sections that are one text, and how short and long it may be, as in create_sop."""
_NEEDED = frozenset({"title", "purpose", "scope", "reaction_plan"})
_PARTS = ("text", "time_s", "key_point", "check_spec_id", "safety")


class StepChange(Part):
    """`position` counts from 1 in the revision that was read; an insertion comes before it."""

    position: Annotated[int, Field(ge=1, le=MOST_STEPS + 1, description="From 1, before any change")]
    action: Annotated[Literal["insert", "replace", "remove"], Field(description="insert: before position")]
    text: Annotated[str | None, Field(min_length=5, max_length=1000, description="What to do")] = None
    time_s: Annotated[float | None, Field(ge=0, le=3600, description="Seconds a piece")] = None
    key_point: Annotated[str | None, Field(max_length=300, description="What makes it right")] = None
    check_spec_id: Annotated[str | None, Field(max_length=40, description="Spec checked")] = None
    safety: Annotated[str | None, Field(max_length=300, description="Safety note")] = None

    @property
    def given(self) -> dict[str, Any]:
        return {name: value for name in _PARTS if (value := getattr(self, name)) is not None}


class SectionChange(Part):
    """The new content of a section: `text` or `items`; with neither, the section is emptied."""

    section: Annotated[Section, Field(description="As in create_sop", json_schema_extra=LISTED_ELSEWHERE)]
    text: Annotated[str | None, Field(max_length=1000, description="Text")] = None
    items: Annotated[
        tuple[Annotated[str, Field(max_length=160)], ...] | None, Field(max_length=30, description="List")
    ] = None

    @property
    def value(self) -> str | tuple[str, ...] | None:
        return (self.items or ()) if self.section in _LISTS else self.text


def changed_steps(steps: Sequence[SopStep], changes: Sequence[StepChange]) -> tuple[SopStep, ...]:
    """The steps after all changes. Positions are those before any of them, so their order does not matter."""
    found: list[SopStep] = []
    for position in range(1, len(steps) + 2):
        here = [change for change in changes if change.position == position]
        found += [SopStep(**change.given) for change in here if change.action == "insert"]
        if position <= len(steps) and not any(change.action == "remove" for change in here):
            replaced = {name: part for c in here if c.action == "replace" for name, part in c.given.items()}
            found.append(steps[position - 1].model_copy(update=replaced))
    return tuple(found)


def changed_sections(changes: Sequence[SectionChange]) -> dict[str, Any]:
    return {change.section: change.value for change in changes}


def check_changes(
    steps: Sequence[SopStep], step_changes: Sequence[StepChange], sections: Sequence[SectionChange]
) -> list[Finding]:
    """Whether every change can be made, and the procedure keeps at least one step and what it cannot do without."""
    found = [
        Finding(f"step_changes[{place}].{finding.field}", finding.message, finding.suggestion)
        for place, change in enumerate(step_changes)
        for finding in _step_findings(len(steps), change)
    ]
    found += [
        Finding(f"sections[{place}].{finding.field}", finding.message, finding.suggestion)
        for place, change in enumerate(sections)
        for finding in _section_findings(change)
    ]
    return [*found, *_repeated(step_changes, sections), *([] if found else _too_few_or_many(steps, step_changes))]


def _step_findings(count: int, change: StepChange) -> Iterator[Finding]:
    last = count + 1 if change.action == "insert" else count
    if change.position > last:
        yield Finding("position", f"there is no step {change.position} to {change.action}", f"Use 1 to {last}.")
    if change.action == "insert":
        for name in ("text", "time_s"):
            if getattr(change, name) is None:
                yield Finding(name, f"a new step needs {name}", f"Give {name}.")
    elif change.action == "replace" and not change.given:
        yield Finding("text", "it replaces nothing", f"Give one of {', '.join(_PARTS)}.")
    elif change.action == "remove" and change.given:
        yield Finding(next(iter(change.given)), "a removed step has no content", "Give position and action only.")


def _section_findings(change: SectionChange) -> Iterator[Finding]:
    if change.section in _LISTS:
        longest = _LISTS[change.section]
        if change.text is not None:
            yield Finding("text", f"{change.section} is a list", "Give items.")
        if any(len(item) > longest for item in change.items or ()):
            yield Finding("items", f"an entry of {change.section} is too long", f"Use at most {longest} characters.")
        return
    shortest, longest = _TEXTS[change.section]
    if change.items is not None:
        yield Finding("items", f"{change.section} is one text", "Give text.")
    elif change.text is None and change.section in _NEEDED:
        yield Finding("text", f"{change.section} cannot be left empty", "Give text.")
    elif change.text is not None and not shortest <= len(change.text.strip()) <= longest:
        told = f"{change.section} has {len(change.text)} characters"
        yield Finding("text", told, f"Use {shortest} to {longest}.")


def _repeated(step_changes: Sequence[StepChange], sections: Sequence[SectionChange]) -> Iterator[Finding]:
    for position, times in Counter(c.position for c in step_changes if c.action != "insert").items():
        if times > 1:
            yield Finding("step_changes", f"step {position} is changed {times} times", "Make it one change.")
    for section, times in Counter(change.section for change in sections).items():
        if times > 1:
            yield Finding("sections", f"{section} is given {times} times", "Give it once.")


def _too_few_or_many(steps: Sequence[SopStep], changes: Sequence[StepChange]) -> Iterator[Finding]:
    count = len(changed_steps(steps, changes))
    if not 1 <= count <= MOST_STEPS:
        yield Finding("step_changes", f"the procedure would have {count} steps", f"Keep 1 to {MOST_STEPS}.")
