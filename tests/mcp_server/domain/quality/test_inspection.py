import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.domain.quality.inspection import demand_of, implausible, judge, looks_like, outgrown
from mcp_server.domain.records import CharacteristicKind, CheckItem, Spec, SpecialClass, Verdict


def item(**changes: object) -> CheckItem:
    return CheckItem.model_validate({"characteristic": "Bore", "frequency": "every lot"} | changes)


@pytest.mark.parametrize(
    ("readings", "limits", "accept", "outside", "verdict"),
    [
        ([1.0, 2.0], (1.0, 2.0), 0, (), "accept"),
        ([0.999, 2.0], (1.0, 2.0), 0, (1,), "reject"),
        ([1.0, 2.001, 3.0], (1.0, 2.0), 1, (2, 3), "reject"),
        ([1.0, 2.001], (1.0, 2.0), 1, (2,), "accept"),
        ([-5.0, 0.3], (None, 0.3), 0, (), "accept"),
        ([0.31], (None, 0.3), 0, (1,), "reject"),
        ([9.0], (10.0, None), 0, (1,), "reject"),
        ([1e9], (10.0, None), 0, (), "accept"),
        ([0, 0, 1], (None, None), 0, (3,), "reject"),
        ([0, 0, 1], (None, None), 1, (3,), "accept"),
    ],
)
def test_the_verdict_follows_from_limits_and_ac(readings, limits, accept, outside, verdict) -> None:
    judged = judge(readings, lsl=limits[0], usl=limits[1], accept=accept)
    assert (judged.outside, judged.verdict, judged.nonconforming) == (outside, Verdict(verdict), len(outside))


@given(
    readings=st.lists(st.floats(-100, 100), min_size=1, max_size=40),
    lsl=st.none() | st.floats(-50, 0),
    usl=st.floats(1, 50),
    accept=st.integers(0, 10),
)
def test_a_lot_is_accepted_exactly_up_to_ac(readings, lsl, usl, accept) -> None:
    judged = judge(readings, lsl=lsl, usl=usl, accept=accept)
    inside = [value for value in readings if value <= usl and (lsl is None or value >= lsl)]
    assert judged.nonconforming == len(readings) - len(inside)
    assert (judged.verdict is Verdict.ACCEPT) is (judged.nonconforming <= accept)


@pytest.mark.parametrize(
    ("checked", "lot", "expected"),
    [
        (item(aql="1.0"), 500, (50, 1, 2, False)),
        (item(aql="1.0", inspection_level="S-1"), 500, (13, 0, 1, False)),
        (item(aql="1.0"), 4, (4, 0, 1, True)),
        (item(aql="1.0"), 1, (1, 0, 1, True)),
        (item(aql="1.0", special_class=SpecialClass.CC), 500, (50, 0, 1, False)),
        (item(sample_size=5), 500, (5, 0, 1, False)),
        (item(sample_size=5), 3, (3, 0, 1, True)),
        (item(sample_size=5, accept=2, special_class=SpecialClass.CC), 500, (5, 0, 1, False)),
        (item(), 1_200, (1_200, 0, 1, True)),
    ],
)
def test_an_item_asks_for_what_the_lot_at_hand_needs(checked: CheckItem, lot: int, expected) -> None:
    demand = demand_of(checked, lot)
    assert (demand.sample_size, demand.accept, demand.reject, demand.every_piece) == expected


@pytest.mark.parametrize(
    ("reading", "far"), [(57.33, False), (57.331, True), (56.7, False), (56.699, True), (2.2447, True), (57.02, False)]
)
def test_ten_tolerances_beyond_a_limit_is_too_far(reading: float, far: bool) -> None:
    assert implausible([57.015, reading], lsl=57.0, usl=57.03) == ((2,) if far else ())


@pytest.mark.parametrize(
    ("reading", "lsl", "usl", "far"),
    [
        (3.3, None, 0.3, False),
        (3.4, None, 0.3, True),
        (-50, None, 0.3, False),
        (-91, 10.0, None, True),
        (9, None, 0.0, False),
    ],
)
def test_a_single_limit_is_its_own_measure(reading: float, lsl: float | None, usl: float | None, far: bool) -> None:
    assert bool(implausible([reading], lsl=lsl, usl=usl)) is far


@pytest.mark.parametrize(
    ("reading", "word"),
    [(57.015 / 25.4, "in inches"), (57_015, "thousand times smaller"), (0.057015, "thousand times larger"),
     (5.7015, "too far left"), (570.15, "too far right"), (1_448.18, "in mm"), (12.0, None)],
)  # fmt: skip
def test_an_implausible_reading_is_explained_where_it_can_be(reading: float, word: str | None) -> None:
    slip = looks_like(reading, lsl=57.0, usl=57.03)
    assert slip is None if word is None else word in (slip or "")


def test_one_limit_alone_explains_nothing() -> None:
    assert looks_like(500, lsl=None, usl=0.3) is None


@pytest.mark.parametrize(
    ("now", "then", "wider"),
    [
        ((1.0, 2.0), (1.0, 2.0), None),
        ((1.0, 2.0), (1.1, 1.9), None),
        ((1.0, 2.0), (0.9, 2.0), "lsl"),
        ((1.0, 2.0), (1.0, 2.1), "usl"),
        ((1.0, 2.0), (1.0, None), "usl"),
        ((1.0, None), (None, 2.0), "lsl"),
        ((None, None), (1.0, 2.0), None),
    ],
)
def test_limits_wider_than_the_specification_is_now_have_outgrown_it(now, then, wider) -> None:
    spec = Spec.model_validate(
        {
            "id": "SP-1", "project": "ALPHA", "material_id": "HSG", "operation": "OP20", "characteristic": "Bore",
            "kind": CharacteristicKind.PRODUCT, "data_type": "variable", "unit": "mm", "lsl": now[0], "usl": now[1],
            "gauge": "AG-01",
        }
    )  # fmt: skip
    said = outgrown(item(lsl=then[0], usl=then[1]), spec)
    assert said is None if wider is None else wider in (said or "")
