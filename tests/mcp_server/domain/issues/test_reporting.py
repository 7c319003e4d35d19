from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.domain.issues.reporting import (
    CLOCKS,
    DUPLICATE_WINDOW,
    OPEN_STATES,
    References,
    assess_severity,
    clock_of,
    due_times,
    escalation_of,
    likely_duplicate,
    needs_containment,
    new_issue,
    similar,
)
from mcp_server.domain.records import (
    CharacteristicKind,
    Containment,
    Escalation,
    Issue,
    IssueCategory,
    IssueState,
    Round,
    Severity,
    Spec,
    SpecialClass,
    Triage,
)

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)


def an_issue(issue_id: str = "ISS-0001", **changes: object) -> Issue:
    plain: dict[str, object] = {
        "id": issue_id,
        "project": "ALPHA",
        "title": "Leak reject rate above 2 %",
        "description": "Rejects at the leak tester since the morning.",
        "category": IssueCategory.QUALITY,
        "severity": Severity.MINOR,
        "state": IssueState.OPEN,
        "machine_id": "LT-131",
        "spec_id": "SP-013",
        "qty_affected": 0,
        "detected_at": NOW,
        "detected_by": "operator",
        "opened_at": NOW,
        "acknowledge_due_at": NOW,
        "contain_due_at": NOW,
        "root_cause_due_at": NOW,
        "close_due_at": NOW,
    }
    return Issue.model_validate(plain | changes)


def a_spec(special_class: SpecialClass | None) -> Spec:
    return Spec(
        id="SP-013",
        project="ALPHA",
        material_id="FC57-FG",
        operation="OP80",
        characteristic="Leak rate",
        kind=CharacteristicKind.PRODUCT,
        data_type="variable",
        unit="cm3/min",
        usl=0.3,
        special_class=special_class,
        gauge="LT-130",
    )


@given(
    asked=st.sampled_from([None, *Severity]),
    category=st.sampled_from(IssueCategory),
    special_class=st.sampled_from([None, *SpecialClass]),
    qty=st.integers(0, 10_000_000),
)
def test_safety_and_cc_are_critical_whatever_is_asked_and_nothing_else_is(asked, category, special_class, qty) -> None:
    severity, reason = assess_severity(asked, category, a_spec(special_class), qty)
    if category is IssueCategory.SAFETY or special_class is SpecialClass.CC:
        assert severity is Severity.CRITICAL
        assert (reason is None) is (asked is Severity.CRITICAL)
    else:
        assert severity is (asked or (Severity.MAJOR if qty else Severity.MINOR))
        assert reason is None


def test_the_reason_for_a_forced_severity_names_its_cause() -> None:
    assert "safety" in str(assess_severity(Severity.MINOR, IssueCategory.SAFETY, None, 0)[1])
    assert "SP-013" in str(assess_severity(None, IssueCategory.QUALITY, a_spec(SpecialClass.CC), 0)[1])


@pytest.mark.parametrize(("qty", "severity"), [(0, Severity.MINOR), (1, Severity.MAJOR)])
def test_without_a_wish_affected_pieces_make_it_major(qty: int, severity: Severity) -> None:
    assert assess_severity(None, IssueCategory.PROCESS, None, qty) == (severity, None)


def reported(severity: Severity = Severity.MAJOR, qty: int = 3) -> Issue:
    return new_issue(
        issue_id="ISS-0001",
        project="ALPHA",
        title="Leak reject rate above 2 %",
        description="Rejects at the leak tester since the morning.",
        category=IssueCategory.QUALITY,
        severity=severity,
        references=References("LT-131", "ALPHA-OP80", "FC57-FG", "SP-013", ("LOT-FG-001",)),
        qty_affected=qty,
        detected_at=NOW - timedelta(hours=1),
        detected_by="operator",
        now=NOW,
    )


def test_the_service_level_clock_is_the_configured_one() -> None:
    clocks = {s: (clock.acknowledge, clock.contain, clock.root_cause, clock.close) for s, clock in CLOCKS.items()}
    hour, day = timedelta(hours=1), timedelta(days=1)
    assert clocks == {
        Severity.CRITICAL: (hour, 4 * hour, 5 * day, 30 * day),
        Severity.MAJOR: (4 * hour, 24 * hour, 10 * day, 45 * day),
        Severity.MINOR: (24 * hour, 72 * hour, 20 * day, 60 * day),
    }


def test_a_new_issue_is_open_and_about_what_was_said_and_its_clock_runs_from_now() -> None:
    issue = reported()
    assert (issue.state, issue.revision, issue.opened_at) == (IssueState.OPEN, 1, NOW)
    assert (issue.machine_id, issue.workstation, issue.material_id) == ("LT-131", "ALPHA-OP80", "FC57-FG")
    assert (issue.spec_id, issue.lot_ids) == ("SP-013", ("LOT-FG-001",))
    assert issue.contain_due_at == NOW + timedelta(hours=24)
    assert issue.root_cause_due_at == NOW + timedelta(days=10)


def test_reopening_starts_the_clock_again_but_for_the_acknowledgement() -> None:
    again = NOW + timedelta(days=100)
    assert due_times(Severity.MAJOR, NOW, again) == {
        "acknowledge_due_at": NOW + timedelta(hours=4),
        "contain_due_at": again + timedelta(hours=24),
        "root_cause_due_at": again + timedelta(days=10),
        "close_due_at": again + timedelta(days=45),
    }


@pytest.mark.parametrize(
    ("severity", "qty", "needed"),
    [(Severity.MINOR, 0, False), (Severity.MINOR, 1, True), (Severity.MAJOR, 0, True), (Severity.CRITICAL, 0, True)],
)
def test_what_is_minor_and_affects_nothing_needs_no_containment(severity: Severity, qty: int, needed: bool) -> None:
    issue = reported(severity, qty)
    assert needs_containment(issue) is needed
    assert ("contain" in {step.step for step in clock_of(issue, NOW)}) is needed


@pytest.mark.parametrize(
    ("age", "used_pct", "state"),
    [
        (timedelta(0), 0, "ok"),
        (timedelta(hours=3, minutes=11), 79, "ok"),
        (timedelta(hours=3, minutes=12), 80, "at_risk"),
        (timedelta(hours=4), 100, "at_risk"),
        (timedelta(hours=4, microseconds=1), 100, "overdue"),
        (timedelta(hours=8), 200, "overdue"),
    ],
)
def test_a_step_is_at_risk_from_80_percent_and_overdue_after_its_last_moment(
    age: timedelta, used_pct: int, state: str
) -> None:
    acknowledge = clock_of(reported(), NOW + age)[0]
    assert (acknowledge.step, acknowledge.used_pct, acknowledge.state) == ("acknowledge", used_pct, state)


def triaged(hours_later: float, *, first: float | None = None) -> Triage:
    first_at = None if first is None else NOW + timedelta(hours=first)
    return Triage(by="E110", at=NOW + timedelta(hours=hours_later), first_at=first_at, owner="E105")


@pytest.mark.parametrize(
    ("triage", "used_pct", "state"),
    [(triaged(2), 50, "ok"), (triaged(4), 100, "ok"), (triaged(6), 150, "overdue"), (triaged(6, first=1), 25, "ok")],
)
def test_a_step_that_is_done_stands_still_at_the_time_it_was_first_done(
    triage: Triage, used_pct: int, state: str
) -> None:
    issue = reported().model_copy(update={"state": IssueState.TRIAGED, "triage": triage})
    for now in (NOW + timedelta(hours=7), NOW + timedelta(days=90)):
        step = clock_of(issue, now)[0]
        assert (step.done_at, step.used_pct, step.state) == (triage.first_at or triage.at, used_pct, state)


@pytest.mark.parametrize("state", [IssueState.CLOSED, IssueState.CANCELLED])
def test_nothing_is_waited_for_when_an_issue_is_closed_or_cancelled(state: IssueState) -> None:
    ended = reported().model_copy(update={"state": state})
    assert clock_of(ended, NOW + timedelta(days=400)) == ()
    assert escalation_of(ended, NOW + timedelta(days=400)) is None


def test_a_clock_without_a_span_is_overdue_and_does_not_fail() -> None:
    steps = clock_of(an_issue(qty_affected=1), NOW + timedelta(seconds=2))
    assert {step.state for step in steps} == {"overdue"}


@pytest.mark.parametrize(
    ("age", "level"),
    [
        (timedelta(hours=3), None),
        (timedelta(hours=3.5), "supervisor"),
        (timedelta(hours=5), "quality_manager"),
        (timedelta(days=8), "quality_manager"),
        (timedelta(days=10, seconds=1), "plant_manager"),
    ],
)
def test_escalation_goes_up_with_the_step_and_its_time(age: timedelta, level: str | None) -> None:
    assert escalation_of(reported(), NOW + age) == level


def test_a_done_step_escalates_no_more_and_an_open_one_does() -> None:
    done = {"triage": triaged(6), "state": IssueState.CONTAINED}
    contained = Containment(what="On hold", by="E110", at=NOW + timedelta(hours=30))
    issue = reported().model_copy(update=done | {"containment": contained})
    assert escalation_of(issue, NOW + timedelta(days=2)) is None
    assert escalation_of(issue, NOW + timedelta(days=8)) == "quality_manager"


def test_who_was_told_is_not_told_again_and_a_reopened_issue_starts_over() -> None:
    late = NOW + timedelta(hours=5)
    told = Escalation(to="quality_manager", reason="Not taken on", at=late)
    issue = reported().model_copy(update={"escalations": (told,)})
    assert escalation_of(issue, late) is None
    assert escalation_of(issue, NOW + timedelta(days=11)) == "plant_manager"
    again = late + timedelta(hours=1)
    ended = Round(reopened_at=again, reopened_by="E105", reason="It is back")
    reopened = issue.model_copy(
        update={"rounds": (ended,), "state": IssueState.REOPENED, **due_times(Severity.MAJOR, NOW, again)}
    )
    assert escalation_of(reopened, again) is None
    assert escalation_of(reopened, again + timedelta(hours=25)) == "quality_manager"


def test_every_state_but_closed_and_cancelled_is_open() -> None:
    assert set(IssueState) - OPEN_STATES == {IssueState.CLOSED, IssueState.CANCELLED}


@pytest.mark.parametrize(
    ("age", "found"),
    [(timedelta(0), True), (DUPLICATE_WINDOW, True), (DUPLICATE_WINDOW + timedelta(microseconds=1), False)],
)
def test_a_duplicate_was_opened_within_seven_days(age: timedelta, found: bool) -> None:
    other = an_issue("ISS-0002", opened_at=NOW - age)
    assert likely_duplicate(an_issue(), [other], NOW) == (other if found else None)


@pytest.mark.parametrize("state", list(IssueState))
def test_only_an_open_issue_can_be_repeated(state: IssueState) -> None:
    other = an_issue("ISS-0002", state=state)
    assert (likely_duplicate(an_issue(), [other], NOW) is not None) is (state in OPEN_STATES)


def test_the_case_of_a_title_does_not_matter() -> None:
    other = an_issue("ISS-0002", title="LEAK REJECT RATE ABOVE 2 %")
    assert likely_duplicate(an_issue(), [other], NOW) == other


def test_another_title_on_the_same_machine_is_similar_but_no_duplicate() -> None:
    other = an_issue("ISS-0002", title="Leak reject rate below the usual")
    assert similar(an_issue(), [other]) == [other]
    assert likely_duplicate(an_issue(), [other], NOW) is None


def test_an_unlike_title_is_not_even_similar() -> None:
    assert similar(an_issue(), [an_issue("ISS-0002", title="Guard door damaged")]) == []


@pytest.mark.parametrize(
    ("changes", "is_similar"),
    [
        ({"spec_id": None}, True),
        ({"spec_id": "SP-014"}, True),
        ({"machine_id": None}, True),
        ({"machine_id": "LT-130"}, True),
        ({"machine_id": "LT-130", "spec_id": "SP-014"}, False),
        ({"machine_id": None, "spec_id": None}, False),
    ],
)
def test_the_same_title_about_something_else_is_never_a_duplicate(changes: dict[str, object], is_similar: bool) -> None:
    other = an_issue("ISS-0002", **changes)
    assert (similar(an_issue(), [other]) == [other]) is is_similar
    assert likely_duplicate(an_issue(), [other], NOW) is None


@pytest.mark.parametrize(
    ("place", "duplicate"),
    [
        ({"workstation": "ALPHA-OP10"}, True),
        ({"workstation": "ALPHA-OP50"}, False),
        ({"workstation": "ALPHA-OP10", "material_id": "HSG-FC57"}, False),
        ({}, False),
    ],
)
def test_without_machine_and_specification_the_place_tells_two_reports_apart(place, duplicate) -> None:
    """A second leak at another station must not be swallowed as already reported."""
    nothing: dict[str, object] = {"machine_id": None, "spec_id": None, "title": "Coolant on the floor"}
    here = an_issue(**nothing, workstation="ALPHA-OP10")
    other = an_issue("ISS-0002", **nothing, **place)
    assert (likely_duplicate(here, [other], NOW) == other) is duplicate


def test_similar_issues_come_likest_first_and_equals_by_id() -> None:
    near = an_issue("ISS-0004", title="Leak reject rate above 3 %")
    far = an_issue("ISS-0001", title="Leak rejects above the rate")
    same, same_later = an_issue("ISS-0003"), an_issue("ISS-0005")
    assert similar(an_issue("ISS-0009"), [far, same_later, near, same]) == [same, same_later, near, far]


@given(titles=st.lists(st.text(min_size=5, max_size=40), max_size=8))
def test_similar_invents_and_repeats_nothing(titles: list[str]) -> None:
    others = [an_issue(f"ISS-{number:04d}", title=title) for number, title in enumerate(titles)]
    found = similar(an_issue("ISS-9999"), others)
    assert len({issue.id for issue in found}) == len(found)
    assert set(found) <= set(others)
