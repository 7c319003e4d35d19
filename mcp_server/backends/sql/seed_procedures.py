"""Procedures of the sample plant: work instructions and lockout procedures."""

from collections.abc import Iterator

from mcp_server.backends.sql.seed_files import SampleFiles, listed, read
from mcp_server.domain.records import DocumentState, Hazard, Signature, Sop, SopStep

__all__ = ["lockout_of_machine", "sops"]

Row = dict[str, str]

_LISTS = ("ppe", "tools", "training", "records", "references")


def sops(files: SampleFiles) -> Iterator[Sop]:
    """The given procedures, then the lockout procedures that only the made files have."""
    lockouts = {row["sop_id"]: row for row in files.rows("lockouts")}
    sections = {row["sop_id"]: row for row in files.rows("sop_sections")}
    revisions = {row["material_id"]: row["revision"] for row in files.rows("materials")}
    machines = _machines_at(files)
    hazards, steps = files.grouped("sop_hazards", "sop_id"), files.grouped("sop_steps", "sop_id")
    for row in [*(given := files.rows("sops")), *_more(lockouts, {row["sop_id"] for row in given})]:
        sop_id, lockout = row["sop_id"], lockouts.get(row["sop_id"])
        section = sections[sop_id]
        released = row["state"] == DocumentState.RELEASED
        yield read(
            Sop,
            section | row,
            id=sop_id,
            kind="sop" if lockout is None else "loto",
            machine_ids=machines.get(row["workstation"], ()) if lockout is None else listed(lockout["machine_ids"]),
            material_revision=revisions.get(section["material_id"]),
            hazards=tuple(read(Hazard, hazard) for hazard in hazards.get(sop_id, ())),
            steps=tuple(read(SopStep, step) for step in steps.get(sop_id, ())),
            signatures=tuple(_signatures(files, row, section["created_by"], is_lockout=lockout is not None)),
            created_at=files.at(row["effective_or_updated"], 7),
            effective_on=files.day(row["effective_or_updated"]) if released else None,
            inspected_on=None if lockout is None else files.day(lockout["inspected_on"]),
            **{name: listed(section[name]) for name in _LISTS},
        )


def lockout_of_machine(files: SampleFiles) -> dict[str, str]:
    """Which lockout procedure covers a machine."""
    return {machine_id: row["sop_id"] for row in files.rows("lockouts") for machine_id in listed(row["machine_ids"])}


def _machines_at(files: SampleFiles) -> dict[str, tuple[str, ...]]:
    """The machines of every workstation that are in use."""
    return {
        workstation: tuple(row["machine_id"] for row in rows if row["status"] != "decommissioned")
        for workstation, rows in files.grouped("machines", "workstation").items()
    }


def _more(lockouts: dict[str, Row], given: set[str]) -> Iterator[Row]:
    for sop_id, row in lockouts.items():
        if sop_id not in given:
            yield {
                "sop_id": sop_id,
                "project": "SHARED",
                "workstation": "",
                "title": row["title"],
                "revision": "1",
                "state": DocumentState.RELEASED,
                "effective_or_updated": row["effective_on"],
            }


def _signatures(files: SampleFiles, row: Row, author: str, *, is_lockout: bool) -> Iterator[Signature]:
    """A lockout procedure is approved and released by environment, health and safety."""
    if row["state"] == DocumentState.DRAFT or files.are_own:
        return
    on = row["effective_or_updated"]
    roles = {person["person_id"]: person["role"] for person in files.rows("people")}
    yield Signature(decision="submit", by=author, role=roles[author], at=files.at(on, 8))
    if row["state"] == DocumentState.RELEASED:
        approver, releaser = ("E115", "E115") if is_lockout else ("E113", "E112")
        yield Signature(decision="approve", by=approver, role=roles[approver], at=files.at(on, 10))
        yield Signature(decision="release", by=releaser, role=roles[releaser], at=files.at(on, 11))
