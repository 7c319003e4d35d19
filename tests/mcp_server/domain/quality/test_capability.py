"""Capability by hand, by integration, and by what must hold for every set of readings."""

import math
import random
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.domain.quality.capability import D2, c4, capability

STEP = 0.005
GRID = [(index + 0.5) * STEP - 9 for index in range(round(18 / STEP))]


def integrated_d2(size: int) -> float:
    """Mean range: the integral of 1 - F^n - (1 - F)^n (Tippett, 1925)."""
    normal = NormalDist()
    return math.fsum(1 - normal.cdf(x) ** size - (1 - normal.cdf(x)) ** size for x in GRID) * STEP


def integrated_c4(size: int) -> float:
    """Mean of the chi distribution with n - 1 degrees of freedom, over the root of n - 1."""
    degrees = size - 1
    norm = 2 ** (degrees / 2 - 1) * math.gamma(degrees / 2)
    mean = math.fsum(x**degrees * math.exp(-x * x / 2) / norm for x in GRID if x > 0) * STEP
    return mean / math.sqrt(degrees)


@pytest.mark.parametrize(("size", "constant"), D2.items())
def test_d2_is_the_mean_range_of_normal_values(size: int, constant: float) -> None:
    assert constant == pytest.approx(integrated_d2(size), abs=6e-4)


@pytest.mark.parametrize(
    ("size", "constant"),
    [
        (2, 0.7979), (3, 0.8862), (4, 0.9213), (5, 0.9400), (6, 0.9515), (7, 0.9594), (8, 0.9650), (9, 0.9693),
        (10, 0.9727), (25, 0.9896),
    ],
)  # fmt: skip
def test_c4_is_the_published_value_and_the_integral(size: int, constant: float) -> None:
    assert c4(size) == pytest.approx(constant, abs=5e-5)
    assert c4(size) == pytest.approx(integrated_c4(size), abs=1e-5)


def test_c4_of_a_large_subgroup_is_almost_one() -> None:
    assert c4(2_000) == pytest.approx(1 - 1 / (4 * 1_999), abs=1e-6)


HAND_WORKED = [[9.8, 10.0, 10.2], [9.9, 10.1, 10.3], [9.7, 9.9, 10.1]]
"""Ranges .4 .4 .4, mean 10, squares about it .04 0 .04 .01 .01 .09 .09 .01 .01 = .30."""


def test_a_study_worked_by_hand_comes_out() -> None:
    found = capability(HAND_WORKED, lsl=9.0, usl=10.6)
    within, overall = 0.4 / 1.693, math.sqrt(0.30 / 8)
    assert found.mean == pytest.approx(10.0)
    assert found.cp == pytest.approx(1.6 / (6 * within))
    assert found.cp == pytest.approx(1.1287, abs=1e-4)
    assert found.cpk == pytest.approx(0.6 / (3 * within))
    assert found.cpk == pytest.approx(0.8465, abs=1e-4)
    assert found.pp == pytest.approx(1.6 / (6 * overall))
    assert found.ppk == pytest.approx(1.0328, abs=1e-4)
    assert (found.readings, found.subgroups, found.assessment) == (9, 3, "does_not_meet")


def test_deviations_give_the_spread_on_request_and_above_ten() -> None:
    found = capability(HAND_WORKED, lsl=9.0, usl=10.6, spread="deviation")
    assert found.cp == pytest.approx(1.6 / (6 * 0.2 / 0.8862), rel=1e-4)  # the deviation of each subgroup is .2
    eleven = [[10 + 0.1 * step for step in range(-5, 6)]]
    assert capability(eleven, lsl=9, usl=11).cp == pytest.approx(2 / (6 * math.sqrt(0.11) / c4(11)))


@pytest.mark.parametrize(("lsl", "usl", "distance"), [(None, 10.6, 0.6), (9.0, None, 1.0), (None, 0.0, -10.0)])
def test_a_one_sided_characteristic_has_only_the_side_that_exists(lsl, usl, distance) -> None:
    found = capability(HAND_WORKED, lsl=lsl, usl=usl)
    assert (found.cp, found.pp) == (None, None)
    assert found.cpk == pytest.approx(distance / (3 * 0.4 / 1.693))
    assert found.ppk == pytest.approx(distance / (3 * math.sqrt(0.30 / 8)))
    assert any("one-sided" in reason for reason in found.reasons)


def test_without_spread_there_is_a_reason_and_no_number() -> None:
    found = capability([[5.0, 5.0], [5.0, 5.0]], lsl=4, usl=6)
    assert (found.cp, found.cpk, found.pp, found.ppk, found.assessment) == (None,) * 5
    assert len(found.reasons) == 2
    between = capability([[5.0, 5.0], [5.1, 5.1]], lsl=4, usl=6)
    assert (between.cpk, between.ppk is not None) == (None, True)


@pytest.mark.parametrize(
    ("groups", "why"), [([[1.0], [1.2], [1.1]], "Single readings"), ([[1.0, 1.2], [1.1]], "differ in size")]
)
def test_readings_without_equal_subgroups_have_overall_figures_only(groups, why) -> None:
    found = capability(groups, lsl=0, usl=2)
    assert (found.cp, found.cpk) == (None, None)
    assert found.ppk == pytest.approx(0.9 / 0.3)
    assert any(why in reason for reason in found.reasons)
    assert found.assessment == "meets"  # by Ppk


@pytest.mark.parametrize(
    ("groups", "lsl", "why"), [([[1.0]], 0, "two readings"), ([], 0, "two readings"), (HAND_WORKED, None, "no limit")]
)
def test_what_cannot_be_computed_says_why(groups, lsl, why) -> None:
    found = capability(groups, lsl=lsl, usl=None)
    assert found.ppk is None
    assert why in found.reasons[0]


@pytest.mark.parametrize(
    ("index", "expected"),
    [(1.68, "meets"), (1.66, "may_be_acceptable"), (1.34, "may_be_acceptable"), (1.32, "does_not_meet")],
)
def test_the_index_is_judged_as_in_a_part_approval(index: float, expected: str) -> None:
    limit = 10 + index * 3 * 0.4 / 1.693
    assert capability(HAND_WORKED, lsl=None, usl=limit).assessment == expected


def test_the_customers_limits_of_assessment_win() -> None:
    limit = 10 + 1.5 * 3 * 0.4 / 1.693
    assert capability(HAND_WORKED, lsl=None, usl=limit, meets=1.45).assessment == "meets"
    assert capability(HAND_WORKED, lsl=None, usl=limit, acceptable=1.6).assessment == "does_not_meet"


@pytest.mark.parametrize(("subgroups", "size", "preliminary"), [(25, 4, False), (24, 5, True), (25, 3, True)])
def test_a_small_study_is_preliminary(subgroups: int, size: int, preliminary: bool) -> None:
    readings = random.Random(1)
    groups = [[readings.gauss(10, 0.1) for _ in range(size)] for _ in range(subgroups)]
    assert bool(capability(groups, lsl=9, usl=11).warnings) is preliminary


def test_a_stable_process_comes_near_its_true_index() -> None:
    readings = random.Random(7)
    groups = [[readings.gauss(10, 0.1) for _ in range(5)] for _ in range(2_000)]
    found = capability(groups, lsl=9.6, usl=10.5)
    assert found.cp == pytest.approx(1.5, rel=0.02)
    assert (found.cpk, found.ppk) == (pytest.approx(4 / 3, rel=0.02), pytest.approx(4 / 3, rel=0.02))


values = st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4)


@given(groups=st.lists(values, min_size=1, max_size=6), shift=st.sampled_from([0.5, 2.0, 1024.0]))
def test_the_unit_of_measurement_changes_no_index(groups, shift) -> None:
    scaled = [[value * shift for value in group] for group in groups]
    here, there = capability(groups, lsl=-10, usl=10), capability(scaled, lsl=-10 * shift, usl=10 * shift)
    for name in ("cp", "cpk", "pp", "ppk"):
        ours, theirs = getattr(here, name), getattr(there, name)
        assert (ours is None) is (theirs is None)
        assert ours is None or theirs == pytest.approx(ours, rel=1e-6)


@given(groups=st.lists(values, min_size=1, max_size=6))
def test_cpk_is_never_above_cp(groups) -> None:
    found = capability(groups, lsl=-10, usl=10)
    assert found.cp is None or found.cpk is None or found.cpk <= found.cp
    assert found.pp is None or found.ppk is None or found.ppk <= found.pp
