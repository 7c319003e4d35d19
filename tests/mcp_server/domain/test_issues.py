from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.domain.issues import CLOCKS, DUPLICATE_WINDOW, OPEN_STATES, assess_severity, likely_duplicate, similar
from mcp_server.domain.records import CharacteristicKind, Issue, IssueCategory, IssueState, Severity, Spec, SpecialClass

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


def test_the_service_level_clock_is_the_configured_one() -> None:
    hours = {severity: (clock.acknowledge, clock.contain, clock.close) for severity, clock in CLOCKS.items()}
    assert hours == {
        Severity.CRITICAL: (timedelta(hours=1), timedelta(hours=4), timedelta(days=30)),
        Severity.MAJOR: (timedelta(hours=4), timedelta(hours=24), timedelta(days=45)),
        Severity.MINOR: (timedelta(hours=24), timedelta(hours=72), timedelta(days=60)),
    }


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
