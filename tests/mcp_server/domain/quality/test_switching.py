"""The switching rules of ANSI/ASQ Z1.4, case by case, and what holds for every history."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.domain.quality.switching import next_severity

A, R, GAP = "accepted", "rejected", "accepted_in_gap"


@pytest.mark.parametrize(
    ("lots", "expected"),
    [
        ([R], "normal"),
        ([R, R], "tightened"),
        ([R, A, A, A, R], "tightened"),
        ([R, A, A, A, A, R], "normal"),
        ([R, A, A, A, A, R, A, R], "tightened"),
        ([A] * 9, "normal"),
    ],
)
def test_two_of_five_consecutive_lots_not_accepted_tighten(lots, expected) -> None:
    assert next_severity("normal", lots).severity == expected


def test_a_switch_that_was_missed_stays_due() -> None:
    assert next_severity("normal", [R, R, *[A] * 10], may_reduce=True).severity == "tightened"


def test_the_rule_names_the_lots_that_met_it() -> None:
    assert "lots 3 and 5" in next_severity("normal", [A, A, R, A, R]).rule
    assert next_severity("normal", [A, A, R, A, R]).rule.startswith("8.3.1")


@pytest.mark.parametrize(
    ("lots", "expected"),
    [
        ([A] * 4, "tightened"),
        ([A] * 5, "normal"),
        ([R, A, A, A, A, A], "normal"),
        ([A, A, A, A, A, R], "tightened"),
        ([A, A, R, A, A], "tightened"),
        ([R] * 4, "tightened"),
        ([R] * 5, "discontinue"),
        ([R, A] * 5, "discontinue"),
        ([R, A, A, R, A, R, A, A, R, R, A, A, A, A, A], "discontinue"),
    ],
)
def test_five_accepted_in_a_row_ease_and_five_rejected_in_all_stop(lots, expected) -> None:
    assert next_severity("tightened", lots).severity == expected


def test_the_count_towards_the_stop_is_told() -> None:
    assert "3 of the 5" in next_severity("tightened", [R, A, R, R]).rule


def test_ten_accepted_lots_reduce_only_when_the_other_conditions_are_met() -> None:
    kept = next_severity("normal", [R, *[A] * 10])
    assert kept.severity == "normal"
    assert "limit number" in kept.rule
    assert next_severity("normal", [R, *[A] * 10], may_reduce=True).severity == "reduced"
    assert next_severity("normal", [A] * 9, may_reduce=True).severity == "normal"
    assert next_severity("normal", [*[A] * 10, R], may_reduce=True).severity == "normal"


@pytest.mark.parametrize(
    ("lots", "expected", "clause"),
    [([A] * 50, "reduced", "8.3.4"), ([A, R, A], "normal", "8.3.4 a"), ([A, GAP, A], "normal", "8.3.4 b")],
)
def test_reduced_ends_with_a_lot_that_is_rejected_or_in_the_gap(lots, expected, clause) -> None:
    switch = next_severity("reduced", lots)
    assert switch.severity == expected
    assert switch.rule.startswith(clause)


@given(lots=st.lists(st.sampled_from([A, R]), max_size=50))
def test_no_history_jumps_over_normal(lots) -> None:
    assert next_severity("tightened", lots, may_reduce=True).severity in {"tightened", "normal", "discontinue"}
    assert next_severity("reduced", lots, may_reduce=True).severity in {"reduced", "normal"}
    assert next_severity("normal", lots, may_reduce=True).severity in {"tightened", "normal", "reduced"}


@given(lots=st.lists(st.sampled_from([A, R]), max_size=20), at=st.integers(0, 20))
def test_one_more_rejected_lot_never_makes_inspection_easier(lots, at) -> None:
    order = ["reduced", "normal", "tightened", "discontinue"]
    worse = [*lots[:at], R, *lots[at + 1 :]]
    for current in ("normal", "tightened", "reduced"):
        before, after = (next_severity(current, h, may_reduce=True).severity for h in (lots, worse))
        assert order.index(after) >= order.index(before)
