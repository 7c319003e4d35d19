"""Procedures: standard operating procedures (work instructions) and lockout procedures."""

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mcp_server.domain.records.base import Document, Part

__all__ = ["Hazard", "SignalWord", "Sop", "SopKind", "SopStep"]

SopKind = Literal["sop", "loto"]


class SignalWord(StrEnum):
    """ANSI Z535.4: danger will, warning could cause death or serious injury; caution minor injury; notice none."""

    DANGER = "danger"
    WARNING = "warning"
    CAUTION = "caution"
    NOTICE = "notice"


class Hazard(Part):
    """A hazard statement names hazard, consequence and avoidance (ANSI Z535.4)."""

    hazard: Annotated[str, Field(max_length=200, description="What can hurt")]
    consequence: Annotated[str, Field(max_length=200, description="What it will or could do")]
    avoidance: Annotated[str, Field(max_length=300, description="How to avoid it")]
    signal_word: Annotated[SignalWord, Field(description="ANSI Z535.4")]


class SopStep(Part):
    """One step; `time_s` seconds of work for one piece."""

    text: Annotated[str, Field(min_length=5, max_length=1000, description="What to do")]
    time_s: Annotated[float, Field(ge=0, le=3600, description="Seconds a piece")]
    key_point: Annotated[str | None, Field(max_length=300, description="What makes it right")] = None
    check_spec_id: Annotated[str | None, Field(max_length=40, description="Spec checked")] = None
    safety: Annotated[str | None, Field(max_length=300, description="Safety note")] = None


class Sop(Document):
    """A work instruction with the sections ISO 9001 7.5 and IATF 16949 8.5.1.2 ask for, or a lockout procedure.

    `effective_on` is the day of release. A lockout procedure covers `machine_ids`;
    `inspected_on` is the day of its last periodic inspection (OSHA 1910.147(c)(6)).
    """

    noun: ClassVar[str] = "procedure"

    kind: SopKind = "sop"
    workstation: str | None = None
    machine_ids: tuple[str, ...] = ()
    material_id: str | None = None
    material_revision: str | None = None
    purpose: str | None = None
    scope: str | None = None
    ppe: tuple[str, ...] = ()
    ppe_not_required_reason: str | None = None
    hazards: tuple[Hazard, ...] = ()
    loto_sop_id: str | None = None
    loto_not_required_reason: str | None = None
    tools: tuple[str, ...] = ()
    training: tuple[str, ...] = ()
    steps: tuple[SopStep, ...] = ()
    reaction_plan: str | None = None
    records: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    effective_on: date | None = None
    inspected_on: date | None = None
