"""What all records have in common, and what makes a record a document."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, JsonValue

__all__ = [
    "LISTED_ELSEWHERE",
    "SHARED",
    "ChangedRecord",
    "Document",
    "DocumentState",
    "HistoryEntry",
    "Part",
    "Record",
    "Signature",
    "document_key",
    "split_document_key",
]

SHARED = "SHARED"
"""The project of machines, materials, people and gauges that every project of the plant uses."""

LISTED_ELSEWHERE: dict[str, JsonValue] = {"x-listed-elsewhere": True}
"""For `json_schema_extra`: publish an enumeration as text, since its values stand in another tool's schema.

They are checked all the same, and a refusal lists them.
"""

_NAMES = ("name", "title", "characteristic", "operation", "summary")


class Part(BaseModel):
    """Base of all records and of what stands inside them: immutable, strict, without NaN or infinity."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True, use_enum_values=False
    )


class Record(Part):
    """Base of all records. `noun` is what a person calls its kind."""

    noun: ClassVar[str] = "record"

    id: str

    @property
    def key(self) -> str:
        """What the store tells records of one kind apart by, and orders them by."""
        return self.id

    @property
    def known_as(self) -> str:
        """What a person calls it, or nothing where it has only its id."""
        return next((str(name) for field in _NAMES if (name := getattr(self, field, ""))), "")


class ChangedRecord(Record):
    """A record that changes in place; `revision` counts what was stored, from 1, and guards against lost updates."""

    revision: int = 1


class DocumentState(StrEnum):
    DRAFT = "draft"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    RELEASED = "released"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"


class Signature(Part):
    """Who decided what about one revision of a document; `by` is a person's id, `role` theirs at that time."""

    decision: Literal["submit", "approve", "reject", "release", "withdraw"]
    by: str
    role: str
    at: datetime
    comment: str | None = None


class Document(Record):
    """A controlled document (ISO 9001 7.5.3). Every stored content is a revision of its own and never changes;
    only `state` and `signatures` move, and what a decision sets beside them: a procedure's `effective_on`, a plan's
    `review_reason`. A signature therefore names exactly what was signed.
    """

    project: str
    title: str
    revision: int
    state: DocumentState
    change_reason: str | None = None
    signatures: tuple[Signature, ...] = ()
    created_at: datetime
    created_by: str

    @property
    def key(self) -> str:
        return document_key(self.id, self.revision)


class HistoryEntry(Record):
    """One stored change of one record. `changed` names the fields; it is empty for a record that was made."""

    noun: ClassVar[str] = "history entry"

    record_type: str
    record_id: str
    revision: int | None = None
    at: datetime
    tool: str
    principal: str
    on_behalf_of: str | None = None
    audit_id: int
    changed: tuple[str, ...] = ()


def document_key(document_id: str, revision: int) -> str:
    return f"{document_id}@{revision:04d}"


def split_document_key(key: str) -> tuple[str, int]:
    """A document's id and revision out of its key."""
    document_id, _, revision = key.rpartition("@")
    return document_id, int(revision)
