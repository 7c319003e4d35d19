"""Issues of the sample plant, each with what its state says has been done."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from mcp_server.backends.sql.seed_files import LOADED_BY, SampleFiles, listed, read
from mcp_server.domain.issues.reporting import due_times
from mcp_server.domain.records import (
    Action,
    Containment,
    Disposition,
    DispositionKind,
    EffectCheck,
    Issue,
    IssueCategory,
    IssueState,
    RootCause,
    Severity,
    Triage,
)

__all__ = ["issues"]

Row = dict[str, str]

_REPORTED_BY = "sample data"
_ON_THE_WAY = tuple(IssueState)[: tuple(IssueState).index(IssueState.CLOSED) + 1]
"""open, triaged … closed: an issue has been through all states before its own."""
_HOURS = {
    "triage": 0.75,
    "containment": 3.0,
    "root_cause": 96,
    "planned": 120,
    "done": 336,
    "checked": 576,
    "closed": 624,
}
"""Hours after the report; shorter in proportion where the problem is too young for that."""
_DUE_DAYS = 45
_SCRAPPED_OF = 5


@dataclass(frozen=True, slots=True)
class _Team:
    """Who works on the issues of a project; all are of the project or shared."""

    supervisor: str
    owner: str
    verifier: str
    closer: str = "E113"


_TEAMS = {
    "ALPHA": _Team("E110", "E105", "E105"),
    "GAMMA": _Team("E107", "E107", "E107"),
    "SHARED": _Team("E114", "E103", "E112"),
}


@dataclass(frozen=True, slots=True)
class _Case:
    """One reported problem, its story, and how far it has come."""

    row: Row
    story: Row
    team: _Team
    opened: datetime
    pace: float

    def at(self, step: str) -> datetime:
        moment = self.opened + timedelta(hours=_HOURS[step] * self.pace)
        return moment.replace(second=0, microsecond=0)

    def has_been(self, state: IssueState) -> bool:
        return _ON_THE_WAY.index(IssueState(self.row["state"])) >= _ON_THE_WAY.index(state)


def issues(files: SampleFiles) -> Iterator[Issue]:
    return _own_issues(files) if files.are_own else _sample_issues(files)


def _own_issues(files: SampleFiles) -> Iterator[Issue]:
    """What was done about an issue so far is not in the files; each step is reported anew, whatever its state."""
    for row in files.rows("issues"):
        opened = files.at(row["opened_on"], 8)
        yield read(
            Issue,
            row,
            id=row["issue_id"],
            description=row["description"] or row["title"],
            detected_at=opened,
            detected_by=row["detected_by"] or LOADED_BY,
            opened_at=opened,
            **due_times(Severity(row["severity"]), opened),
        )


def _sample_issues(files: SampleFiles) -> Iterator[Issue]:
    stories = {row["title"]: row for row in files.rows("issue_stories")}
    yesterday = files.at("2026-06-29", 8)
    for row in files.rows("issues"):
        opened = files.at(row["opened_on"], 8)
        pace = min(1.0, (yesterday - opened) / timedelta(hours=_HOURS["closed"]))
        case = _Case(row, stories[row["title"]], _TEAMS[row["project"]], opened, pace)
        yield read(
            Issue,
            row,
            id=row["issue_id"],
            description=case.story["description"],
            detected_at=opened,
            detected_by=_REPORTED_BY,
            opened_at=opened,
            **due_times(Severity(row["severity"]), opened),
            **_progress(case),
        )


def _progress(case: _Case) -> dict[str, Any]:
    """The sections of the report that the state implies."""
    team, story = case.team, case.story
    found: dict[str, Any] = {}
    if case.has_been(IssueState.TRIAGED):
        found["triage"] = Triage(by=team.supervisor, at=case.at("triage"), owner=team.owner)
    if case.has_been(IssueState.CONTAINED):
        found["containment"] = Containment(what=story["containment"], by=team.supervisor, at=case.at("containment"))
    if case.has_been(IssueState.INVESTIGATING):
        whys, escape = listed(story["whys"]), story["escape_point"]
        found["root_cause"] = RootCause(whys=whys, escape_point=escape, by=team.owner, at=case.at("root_cause"))
    if case.has_been(IssueState.ACTION_PLANNED):
        found["actions"] = (_action(case),)
    if case.has_been(IssueState.VERIFYING):
        found["effect_checks"] = (_effect_check(case),)
    if case.has_been(IssueState.CLOSED):
        found |= {
            "dispositions": tuple(_dispositions(case)),
            "closed_at": case.at("closed"),
            "closed_by": team.closer,
            "closure_summary": f"{story['action']}. {story['evidence']}: no repeat.",
        }
    return found


def _action(case: _Case) -> Action:
    done = case.has_been(IssueState.ACTION_IMPLEMENTED)
    at, owner = case.at("done"), case.story["action_owner"]
    return Action(
        id="A1",
        kind="corrective",
        what=case.story["action"],
        owner=owner,
        due_on=at.date() if done else (case.opened + timedelta(days=_DUE_DAYS)).date(),
        planned_by=case.team.owner,
        planned_at=case.at("planned"),
        done_at=at if done else None,
        done_by=owner if done else None,
        evidence=case.story["evidence"] if done else None,
    )


def _effect_check(case: _Case) -> EffectCheck:
    return EffectCheck(
        action_ids=("A1",),
        method="Effect watched after the action",
        evidence=case.story["evidence"],
        verifier=case.team.verifier,
        result="effective",
        at=case.at("checked"),
    )


def _dispositions(case: _Case) -> Iterator[Disposition]:
    """A supplier's pieces go back; of our own a fifth is scrapped and the rest reworked."""
    qty = int(case.row["qty_affected"])
    signed: dict[str, Any] = {"by": case.team.verifier, "at": case.at("checked")}
    if not qty:
        return
    if case.row["category"] == IssueCategory.SUPPLIER:
        yield Disposition(qty=qty, kind=DispositionKind.RETURN_TO_SUPPLIER, **signed)
        return
    scrap = -(-qty // _SCRAPPED_OF)
    yield Disposition(qty=scrap, kind=DispositionKind.SCRAP, **signed)
    if qty > scrap:
        again = "All measured again at the station, all within limits."
        yield Disposition(qty=qty - scrap, kind=DispositionKind.REWORK, reinspection=again, **signed)
