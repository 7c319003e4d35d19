from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mcp_server.domain.issues.effects import changed, closed
from mcp_server.domain.issues.flow import MOST_ENTRIES, closing_objections, objections
from mcp_server.domain.issues.gates import WHYS, missing_gates, undisposed
from mcp_server.domain.issues.reporting import (
    OPEN_STATES,
    References,
    clock_of,
    due_times,
    needs_containment,
    new_issue,
    started_at,
)
from mcp_server.domain.issues.sections import SECTION_FIELDS, Change, Section, misplaced_fields
from mcp_server.domain.records import DispositionKind, Issue, IssueCategory, IssueState, Severity

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
TODAY = date(2026, 6, 30)

STEPS: dict[Section, dict[str, Any]] = {
    Section.TRIAGE: {"by": "E110", "owner": "E105"},
    Section.CONTAINMENT: {"by": "E110", "text": "On hold"},
    Section.ROOT_CAUSE: {"whys": ("Burr", "Worn tool", "Life not counted")},
    Section.ACTION: {"text": "Count tool life", "owner": "E108", "due_on": TODAY},
    Section.ACTION_DONE: {"by": "E108", "action_id": "A1", "evidence": "Counter active"},
    Section.EFFECT_CHECK: {"text": "300 pieces", "evidence": "No burr", "result": "effective"},
    Section.DISPOSITION: {"disposition": DispositionKind.SCRAP, "qty": 3},
    Section.ESCALATE: {"to": "supervisor", "text": "Not moving"},
    Section.COMMENT: {"text": "Seen again"},
    Section.REOPEN: {"text": "It is back"},
    Section.CANCEL: {"text": "Nothing wrong"},
}
TO_THE_CLOSE = tuple(STEPS)[:7]
STATES = {
    Section.TRIAGE: IssueState.TRIAGED,
    Section.CONTAINMENT: IssueState.CONTAINED,
    Section.ROOT_CAUSE: IssueState.INVESTIGATING,
    Section.ACTION: IssueState.ACTION_PLANNED,
    Section.ACTION_DONE: IssueState.ACTION_IMPLEMENTED,
    Section.EFFECT_CHECK: IssueState.VERIFYING,
    Section.DISPOSITION: IssueState.VERIFYING,
}


def an_issue(severity: Severity = Severity.MAJOR, qty: int = 3, **changes: Any) -> Issue:
    issue = new_issue(
        issue_id="ISS-0001",
        project="ALPHA",
        title="Burr on the seal groove",
        description="Found at the wash.",
        category=IssueCategory.QUALITY,
        severity=severity,
        references=References(),
        qty_affected=qty,
        detected_at=NOW,
        detected_by="operator",
        now=NOW,
    )
    return issue.model_copy(update=changes)


def a_change(section: Section, **changes: Any) -> Change:
    return Change(section=section, **({"by": "E105", "at": NOW, "today": TODAY} | STEPS[section] | changes))


def taken(issue: Issue, *sections: Section, **changes: Any) -> Issue:
    """The issue after these steps; `changes` are for the last one."""
    for position, section in enumerate(sections, start=1):
        step = a_change(section, **(changes if position == len(sections) else {}))
        assert [*misplaced_fields(step), *objections(issue, step)] == []
        issue = changed(issue, step)
    return issue


def refused(issue: Issue, section: Section, **changes: Any) -> list[str]:
    """The fields that are objected to."""
    return [objection.field for objection in objections(issue, a_change(section, **changes))]


def missing(issue: Issue) -> list[str]:
    return [gate.name for gate in missing_gates(issue)]


def test_the_steps_lead_from_the_report_to_the_close():
    issue = an_issue()
    assert missing(issue) == ["triage", "containment", "root_cause", "action", "effect_check", "disposition"]
    for revision, section in enumerate(TO_THE_CLOSE, start=2):
        issue = taken(issue, section)
        assert (issue.state, issue.revision) == (STATES[section], revision)
    assert missing(issue) == []
    assert closing_objections(issue, "E113") == []


@pytest.mark.parametrize("left_out", TO_THE_CLOSE[1:])
def test_no_step_on_the_way_can_be_left_out(left_out: Section):
    issue = an_issue()
    for section in TO_THE_CLOSE:
        if section is not left_out and not refused(issue, section):
            issue = taken(issue, section)
    assert closing_objections(issue, "E113")


@pytest.mark.parametrize(
    "section", [s for s in Section if s not in {Section.TRIAGE, Section.ESCALATE, Section.COMMENT}]
)
def test_nobody_works_on_what_nobody_has_taken_on(section: Section):
    assert (refused(an_issue(qty=0), section) == []) is (section is Section.CANCEL)


@pytest.mark.parametrize("state", [IssueState.CLOSED, IssueState.CANCELLED])
def test_what_has_ended_is_only_commented_or_reopened(state: IssueState):
    ended = an_issue(state=state)
    possible = {section for section in Section if not refused(ended, section)}
    assert possible == ({Section.COMMENT, Section.REOPEN} if state is IssueState.CLOSED else {Section.COMMENT})


@pytest.mark.parametrize("section", list(Section))
def test_a_section_takes_its_own_fields_and_no_others(section: Section):
    whole = a_change(section)
    assert misplaced_fields(whole) == []
    for name in STEPS[section].keys() - {"by"}:
        (found,) = misplaced_fields(a_change(section, **{name: None}))
        assert (found.field, "needs" in found.message) == (name, True)
    values = {name: value for step in STEPS.values() for name, value in step.items() if name != "by"}
    for name, value in values.items():
        found = misplaced_fields(a_change(section, **{name: value}))
        assert all((entry.field, "does not belong" in entry.message) == (name, True) for entry in found)
    assert {name for name in SECTION_FIELDS if name in values or name in {"severity", "kind", "concession_id"}} == {
        *SECTION_FIELDS
    }


def test_a_comment_has_no_place_for_a_quantity_and_says_what_it_takes():
    (found,) = misplaced_fields(a_change(Section.COMMENT, qty=0))
    assert (found.field, found.suggestion) == ("qty", "Leave qty out. It takes text.")


@pytest.mark.parametrize(("severity", "qty"), [(Severity.MINOR, 1), (Severity.MAJOR, 0), (Severity.CRITICAL, 0)])
def test_containment_comes_before_the_cause(severity: Severity, qty: int):
    triaged = taken(an_issue(severity, qty), Section.TRIAGE)
    assert refused(triaged, Section.ROOT_CAUSE) == ["section"]
    assert refused(taken(triaged, Section.CONTAINMENT), Section.ROOT_CAUSE) == []


def test_a_minor_issue_without_pieces_goes_straight_to_the_cause_with_one_why():
    triaged = taken(an_issue(Severity.MINOR, 0), Section.TRIAGE)
    explained = taken(triaged, Section.ROOT_CAUSE, whys=("Nobody looked",))
    assert explained.state is IssueState.INVESTIGATING
    assert missing(explained) == ["action", "effect_check"]


@pytest.mark.parametrize("whys", [(), ("Burr",), ("Burr", "Worn tool"), ("Burr", "Worn tool", " burr ")])
def test_a_major_issue_needs_three_different_whys(whys: tuple[str, ...]):
    contained = taken(an_issue(), Section.TRIAGE, Section.CONTAINMENT)
    assert set(refused(contained, Section.ROOT_CAUSE, whys=whys)) == {"whys"}


def test_what_was_done_at_once_is_recalled_but_is_no_containment():
    issue = an_issue(immediate_containment="Boxes set aside")
    (containment,) = [gate for gate in missing_gates(issue) if gate.name == "containment"]
    assert "Boxes set aside" in str(containment.how)


def test_a_changed_severity_moves_the_clock_from_the_opening_and_asks_for_more():
    explained = taken(taken(an_issue(Severity.MINOR, 0), Section.TRIAGE), Section.ROOT_CAUSE, whys=("Nobody looked",))
    later = NOW + timedelta(days=2)
    raised = taken(explained, Section.TRIAGE, severity=Severity.CRITICAL, at=later)
    assert {name: getattr(raised, name) for name in due_times(Severity.CRITICAL, NOW)} == due_times(
        Severity.CRITICAL, NOW
    )
    assert raised.state is IssueState.INVESTIGATING
    assert missing(raised)[:2] == ["containment", "root_cause"]
    assert clock_of(raised, later)[0].done_at == NOW


def test_a_pieces_count_is_corrected_but_not_below_what_was_decided():
    disposed = taken(an_issue(), Section.TRIAGE, Section.DISPOSITION, qty=2)
    assert refused(disposed, Section.TRIAGE, qty=1) == ["qty"]
    assert undisposed(taken(disposed, Section.TRIAGE, qty=2)) == 0
    assert undisposed(taken(disposed, Section.TRIAGE, qty=9)) == 7


@pytest.mark.parametrize(("qty", "fields"), [(0, ["qty"]), (1, []), (3, []), (4, ["qty"])])
def test_dispositions_never_exceed_the_pieces_affected(qty: int, fields: list[str]):
    assert refused(taken(an_issue(), Section.TRIAGE), Section.DISPOSITION, qty=qty) == fields


@pytest.mark.parametrize(
    ("kind", "needed"),
    [
        (DispositionKind.USE_AS_IS, {"concession_id"}),
        (DispositionKind.REWORK, {"evidence"}),
        (DispositionKind.REPAIR, {"concession_id", "evidence"}),
        (DispositionKind.SORT, set[str]()),
        (DispositionKind.SCRAP, set[str]()),
        (DispositionKind.RETURN_TO_SUPPLIER, set[str]()),
    ],
)
def test_pieces_that_do_not_conform_need_a_concession_and_repaired_ones_an_inspection(
    kind: DispositionKind, needed: set[str]
):
    triaged = taken(an_issue(), Section.TRIAGE)
    papers = {"concession_id": "CON-7", "evidence": "All good"}
    for left_out in papers:
        rest = {name: value for name, value in papers.items() if name != left_out}
        expected = [left_out] if left_out in needed else []
        assert refused(triaged, Section.DISPOSITION, disposition=kind, **rest) == expected
    stored = taken(triaged, Section.DISPOSITION, disposition=kind, **papers).dispositions[0]
    assert (stored.concession_id, stored.reinspection) == ("CON-7", "All good")


@pytest.mark.parametrize(("days", "fields"), [(-1, ["due_on"]), (0, []), (30, [])])
def test_an_action_is_not_due_in_the_past(days: int, fields: list[str]):
    explained = taken(an_issue(), *TO_THE_CLOSE[:3])
    assert refused(explained, Section.ACTION, due_on=TODAY + timedelta(days=days)) == fields


@pytest.mark.parametrize(
    ("section", "name"),
    [
        (Section.DISPOSITION, "dispositions"),
        (Section.ESCALATE, "escalations"),
        (Section.COMMENT, "comments"),
        (Section.ACTION, "actions"),
        (Section.EFFECT_CHECK, "effect_checks"),
    ],
)
def test_what_is_recorded_again_stands_beside_what_was_recorded_before(section: Section, name: str):
    issue, quantity = taken(an_issue(), *TO_THE_CLOSE[:5]), {"qty": 1} if section is Section.DISPOSITION else {}
    once = taken(issue, section, **quantity)
    twice = taken(once, section, **quantity)
    assert getattr(twice, name)[: len(getattr(once, name))] == getattr(once, name)
    assert len(getattr(twice, name)) == len(getattr(issue, name)) + 2


@pytest.mark.parametrize("section", [Section.COMMENT, Section.ESCALATE, Section.ACTION])
def test_a_report_stays_short_enough_to_be_read(section: Section):
    issue = taken(an_issue(), *TO_THE_CLOSE[:3], *[section] * MOST_ENTRIES)
    assert refused(issue, section) == ["section"]


def test_an_action_is_done_once_and_only_if_it_was_planned():
    planned = taken(an_issue(), *TO_THE_CLOSE[:4])
    assert refused(planned, Section.ACTION_DONE, action_id="A2") == ["action_id"]
    assert refused(taken(planned, Section.ACTION_DONE), Section.ACTION_DONE) == ["action_id"]


def test_the_last_action_done_completes_the_step():
    planned = taken(an_issue(), *TO_THE_CLOSE[:4], Section.ACTION)
    one = taken(planned, Section.ACTION_DONE)
    assert (one.state, refused(one, Section.EFFECT_CHECK)) == (IssueState.ACTION_PLANNED, ["section"])
    assert taken(one, Section.ACTION_DONE, action_id="A2").state is IssueState.ACTION_IMPLEMENTED


def test_a_preventive_action_alone_does_not_do():
    prevented = taken(an_issue(), *TO_THE_CLOSE[:4], kind="preventive")
    done = taken(prevented, Section.ACTION_DONE)
    assert done.state is IssueState.ACTION_PLANNED
    assert refused(done, Section.EFFECT_CHECK) == ["section"]


@pytest.mark.parametrize(("by", "fields"), [("E108", ["by"]), ("E109", ["by"]), ("E105", [])])
def test_who_owned_or_did_an_action_does_not_judge_it(by: str, fields: list[str]):
    done = taken(an_issue(), *TO_THE_CLOSE[:5], by="E109")
    assert refused(done, Section.EFFECT_CHECK, by=by) == fields


def test_without_effect_the_cause_is_open_again_and_another_action_is_needed():
    failed = taken(an_issue(), *TO_THE_CLOSE[:6], result="not_effective", evidence="Burr on 3")
    assert failed.state is IssueState.INVESTIGATING
    assert missing(failed) == ["action", "effect_check", "disposition"]
    assert refused(failed, Section.EFFECT_CHECK) == ["section"]
    again = taken(taken(failed, Section.ROOT_CAUSE, Section.ACTION), Section.ACTION_DONE, action_id="A2")
    cured = taken(again, Section.EFFECT_CHECK)
    assert [(check.result, check.action_ids) for check in cured.effect_checks] == [
        ("not_effective", ("A1",)),
        ("effective", ("A1", "A2")),
    ]
    assert missing(cured) == ["disposition"]


def test_an_action_after_the_check_must_be_checked_too():
    verified = taken(an_issue(), *TO_THE_CLOSE[:6])
    more = taken(verified, Section.ACTION)
    assert (more.state, missing(more)) == (
        IssueState.ACTION_PLANNED,
        ["action_done", "effect_check", "disposition"],
    )


def test_a_cause_that_was_acted_on_is_not_rewritten():
    verified = taken(an_issue(), *TO_THE_CLOSE[:6])
    assert refused(verified, Section.ROOT_CAUSE) == ["section"]


def closed_one() -> Issue:
    return closed(taken(an_issue(), *TO_THE_CLOSE), by="E113", at=NOW, summary="Tool life counted", lessons="Count it")


def test_a_reopened_issue_keeps_its_former_round_and_begins_again():
    before, later = closed_one(), NOW + timedelta(days=90)
    issue = taken(before, Section.REOPEN, at=later)
    (former,) = issue.rounds
    assert (former.reason, former.reopened_by, former.reopened_at) == ("It is back", "E105", later)
    assert (former.containment, former.root_cause) == (before.containment, before.root_cause)
    assert (former.actions, former.effect_checks) == (before.actions, before.effect_checks)
    assert (former.closed_by, former.closed_at, former.lessons) == ("E113", NOW, "Count it")
    assert (issue.state, issue.closed_at, issue.closed_by, issue.lessons) == (IssueState.REOPENED, None, None, None)
    assert missing(issue) == ["containment", "root_cause", "action", "effect_check"]
    assert issue.close_due_at == later + timedelta(days=45)
    assert issue.dispositions == before.dispositions


def test_a_reopened_issue_is_closed_by_the_same_steps_with_new_action_numbers():
    issue = taken(closed_one(), Section.REOPEN, *TO_THE_CLOSE[1:4])
    assert [action.id for action in issue.actions] == ["A2"]
    done = taken(issue, Section.ACTION_DONE, action_id="A2")
    assert closing_objections(taken(done, Section.EFFECT_CHECK), "E113") == []


def test_a_report_that_was_wrong_is_cancelled_but_not_with_pieces_open_or_actions_planned():
    assert refused(an_issue(), Section.CANCEL) == ["section"]
    none_affected = taken(an_issue(), Section.TRIAGE, qty=0)
    cancelled = taken(none_affected, Section.CANCEL)
    assert (cancelled.state, cancelled.cancellation and cancelled.cancellation.reason) == (
        IssueState.CANCELLED,
        "Nothing wrong",
    )


def test_what_was_acted_on_or_closed_before_is_not_cancelled():
    planned = taken(an_issue(), *TO_THE_CLOSE[:4], Section.DISPOSITION)
    done = taken(planned, Section.ACTION_DONE)
    failed = taken(done, Section.EFFECT_CHECK, result="not_effective")
    contained_again = taken(closed_one(), Section.REOPEN, Section.CONTAINMENT)
    assert [refused(issue, Section.CANCEL) for issue in (planned, failed, contained_again)] == [["section"]] * 3


def test_all_missing_gates_are_told_at_once():
    found = closing_objections(taken(an_issue(), Section.TRIAGE), "E113")
    assert [objection.message.split()[1] for objection in found] == [
        "containment",
        "root_cause",
        "action",
        "effect_check",
        "disposition",
    ]
    assert all(objection.suggestion.startswith("Section ") for objection in found)


@pytest.mark.parametrize(("closer", "fields"), [("E108", ["closed_by"]), ("E105", []), ("E113", [])])
def test_the_verifier_may_close_but_not_who_owns_all_actions(closer: str, fields: list[str]):
    issue = taken(an_issue(), *TO_THE_CLOSE)
    assert [objection.field for objection in closing_objections(issue, closer)] == fields


def test_an_owner_of_one_action_among_others_may_close():
    two = taken(taken(an_issue(), *TO_THE_CLOSE[:5]), Section.ACTION, owner="E109")
    done = taken(two, Section.ACTION_DONE, action_id="A2", by="E109")
    ready = taken(done, Section.EFFECT_CHECK, Section.DISPOSITION)
    assert closing_objections(ready, "E108") == []


PEOPLE = ("E105", "E108", "E109")
CHANGES = st.fixed_dictionaries(
    {"section": st.sampled_from(Section), "by": st.sampled_from(PEOPLE)},
    optional={
        "owner": st.sampled_from(PEOPLE),
        "qty": st.integers(0, 6),
        "severity": st.sampled_from(Severity),
        "whys": st.lists(st.sampled_from(("a", "b", "c", "d")), max_size=4).map(tuple),
        "kind": st.sampled_from(("corrective", "preventive")),
        "due_on": st.sampled_from((TODAY - timedelta(days=1), TODAY)),
        "action_id": st.sampled_from(("A1", "A2", "A3")),
        "result": st.sampled_from(("effective", "not_effective")),
        "disposition": st.sampled_from(DispositionKind),
        "concession_id": st.just("CON-7"),
        "evidence": st.just("Seen"),
    },
)
"""Steps of any kind, with fields that fit or do not."""


class AnyOrderOfCalls(RuleBasedStateMachine):
    """Whatever is called in whatever order, the rules hold on what is stored."""

    @initialize(severity=st.sampled_from(Severity), qty=st.integers(0, 5))
    def report(self, severity: Severity, qty: int) -> None:
        self.issue, self.now = an_issue(severity, qty), NOW
        self.closes = 0

    @rule(given=CHANGES)
    def anything(self, given: dict[str, Any]) -> None:
        self.attempt(Change(at=self.now, today=TODAY, **given))

    @rule(section=st.sampled_from(Section), by=st.sampled_from(PEOPLE), given=CHANGES)
    def a_sensible_step(self, section: Section, by: str, given: dict[str, Any]) -> None:
        """Fields of the section, some of them as drawn, so that long ways are walked."""
        drawn = {name: value for name, value in given.items() if name in STEPS[section]}
        open_action = next((action.id for action in self.issue.actions if action.done_at is None), "A1")
        defaults = {"action_id": open_action} if section is Section.ACTION_DONE else {}
        self.attempt(a_change(section, at=self.now, **(drawn | defaults | {"by": by})))

    @precondition(lambda self: self.issue.state in OPEN_STATES and not closing_objections(self.issue, "E113"))
    @rule()
    def close(self) -> None:
        self.issue = closed(self.issue, by="E113", at=self.now, summary="Done", lessons=None)
        self.closes += 1

    @precondition(lambda self: self.issue.state is IssueState.CLOSED)
    @rule()
    def reopen(self) -> None:
        self.attempt(a_change(Section.REOPEN, at=self.now))

    @precondition(lambda self: self.issue.state in OPEN_STATES)
    @rule(steps=st.integers(1, 7), result=st.sampled_from(("effective", "effective", "not_effective")))
    def walk_on(self, steps: int, result: str) -> None:
        """What is asked for next, some steps far."""
        for _ in range(steps):
            for gate in missing_gates(self.issue)[:1]:
                section = Section(gate.name)
                fields: dict[Section, dict[str, Any]] = {
                    Section.ACTION_DONE: {
                        "action_id": next((a.id for a in self.issue.actions if a.done_at is None), "A1")
                    },
                    Section.DISPOSITION: {"qty": undisposed(self.issue)},
                    Section.EFFECT_CHECK: {"result": result, "by": "E113"},
                }
                self.attempt(a_change(section, at=self.now, **fields.get(section, {})))

    def attempt(self, step: Change) -> None:
        self.now += timedelta(hours=1)
        before = self.issue
        if misplaced_fields(step) or objections(before, step):
            return
        self.issue = changed(before, step)
        assert self.issue.revision == before.revision + 1
        assert_nothing_is_lost(before, self.issue)

    @invariant()
    def pieces_are_decided_once(self) -> None:
        assert 0 <= undisposed(self.issue) <= self.issue.qty_affected

    @invariant()
    def the_clock_is_that_of_the_severity(self) -> None:
        due = due_times(self.issue.severity, self.issue.opened_at, started_at(self.issue))
        assert all(getattr(self.issue, name) == time for name, time in due.items())

    @invariant()
    def a_record_is_whole_and_its_end_is_earned(self) -> None:
        assert Issue.model_validate_json(self.issue.model_dump_json(), strict=False) == self.issue
        if self.issue.state is IssueState.CLOSED:
            assert missing_gates(self.issue) == []
        if self.issue.state is IssueState.CANCELLED:
            assert (self.issue.actions, self.issue.rounds, undisposed(self.issue)) == ((), (), 0)
        assert (self.issue.closed_at is None) is (self.issue.state is not IssueState.CLOSED)
        assert len(self.issue.rounds) <= self.closes

    @invariant()
    def nobody_checks_their_own_actions(self) -> None:
        for part in (self.issue, *self.issue.rounds):
            checked = {name for check in part.effect_checks for name in check.action_ids}
            assert checked <= {action.id for action in part.actions if action.done_at is not None}
            for check in part.effect_checks:
                own = [action for action in part.actions if action.id in check.action_ids]
                assert all(check.verifier not in {action.owner, action.done_by} for action in own)

    @invariant()
    def the_cause_was_found_before_the_actions_and_after_containment(self) -> None:
        for part in (self.issue, *self.issue.rounds):
            assert part.root_cause is not None or part.actions == ()
        if self.issue.state is IssueState.CLOSED:
            assert self.issue.root_cause is not None
            assert len(self.issue.root_cause.whys) >= WHYS[self.issue.severity]
            assert self.issue.containment is not None or not needs_containment(self.issue)


def assert_nothing_is_lost(before: Issue, after: Issue) -> None:
    for name in ("dispositions", "escalations", "comments", "rounds"):
        kept = getattr(before, name)
        assert getattr(after, name)[: len(kept)] == kept
    assert numbers(before) <= numbers(after)
    ids = [action.id for part in (after, *after.rounds) for action in part.actions]
    assert len(ids) == len(set(ids))


def numbers(issue: Issue) -> set[str]:
    return {action.id for part in (issue, *issue.rounds) for action in part.actions}


def test_the_rules_hold_for_any_order_of_calls():
    run_state_machine_as_test(
        AnyOrderOfCalls,
        settings=settings(
            max_examples=50, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
