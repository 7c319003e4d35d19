"""The sections of an 8D report that `update_issue` writes, and which fields each of them takes."""

from dataclasses import dataclass, fields
from datetime import date, datetime
from enum import StrEnum
from typing import Literal

from mcp_server.domain.issues.reporting import Level
from mcp_server.domain.records import DispositionKind, Severity

__all__ = ["SECTION_FIELDS", "Change", "Objection", "Section", "misplaced_fields"]


class Section(StrEnum):
    TRIAGE = "triage"
    CONTAINMENT = "containment"
    ROOT_CAUSE = "root_cause"
    ACTION = "action"
    ACTION_DONE = "action_done"
    EFFECT_CHECK = "effect_check"
    DISPOSITION = "disposition"
    ESCALATE = "escalate"
    COMMENT = "comment"
    REOPEN = "reopen"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One step, by a person at a time; `today` is the day at the site. Which of the fields below `today` belong to
    which section stands in `_FIELDS`; `text` is what the section is about, `evidence` of rework and repair the
    inspection afterwards.
    """

    section: Section
    by: str
    at: datetime
    today: date
    text: str | None = None
    owner: str | None = None
    severity: Severity | None = None
    qty: int | None = None
    whys: tuple[str, ...] | None = None
    kind: Literal["corrective", "preventive"] | None = None
    due_on: date | None = None
    action_id: str | None = None
    evidence: str | None = None
    result: Literal["effective", "not_effective"] | None = None
    disposition: DispositionKind | None = None
    concession_id: str | None = None
    to: Level | None = None


SECTION_FIELDS = tuple(field.name for field in fields(Change) if field.name not in {"section", "by", "at", "today"})
"""The fields that only some sections have."""


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a step cannot be taken: the field that is wrong, and the remedy."""

    field: str
    message: str
    suggestion: str


_FIELDS: dict[Section, tuple[tuple[str, ...], tuple[str, ...]]] = {
    Section.TRIAGE: (("owner",), ("severity", "qty", "text")),
    Section.CONTAINMENT: (("text",), ()),
    Section.ROOT_CAUSE: (("whys",), ("text",)),
    Section.ACTION: (("text", "owner", "due_on"), ("kind",)),
    Section.ACTION_DONE: (("action_id", "evidence"), ()),
    Section.EFFECT_CHECK: (("text", "result", "evidence"), ()),
    Section.DISPOSITION: (("disposition", "qty"), ("concession_id", "evidence")),
    Section.ESCALATE: (("to", "text"), ()),
    Section.COMMENT: (("text",), ()),
    Section.REOPEN: (("text",), ()),
    Section.CANCEL: (("text",), ()),
}
"""Per section the fields it needs, and those it may have."""


def misplaced_fields(change: Change) -> list[Objection]:
    """Fields the section needs and has not, and fields it has no place for."""
    needed, optional = _FIELDS[change.section]
    given = [name for name in SECTION_FIELDS if getattr(change, name) is not None]
    takes = f"It takes {', '.join([*needed, *(f'{name} (optional)' for name in optional)])}."
    lacking = [
        Objection(name, f"Section {change.section} needs {name}.", takes) for name in needed if name not in given
    ]
    return lacking + [
        Objection(name, f"{name} does not belong to section {change.section}.", f"Leave {name} out. {takes}")
        for name in given
        if name not in needed + optional
    ]
