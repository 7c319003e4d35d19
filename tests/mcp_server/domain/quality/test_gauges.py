from datetime import date

import pytest

from mcp_server.domain.quality.control_plan import Finding
from mcp_server.domain.quality.gauges import check_gauge, finer_than_resolution, named_in
from mcp_server.domain.records import CheckItem, Gauge, SpecialClass

DAY = date(2026, 6, 30)


def gauge(**changes: object) -> Gauge:
    sound = {
        "id": "AG-01", "project": "ALPHA", "name": "bore air gauge", "resolution": 0.001, "cal_interval_days": 180,
        "last_calibrated": date(2026, 3, 12), "cal_due": date(2026, 9, 8), "grr_pct": 6.8, "ndc": 9,
    }  # fmt: skip
    return Gauge.model_validate(sound | changes)


def item(**changes: object) -> CheckItem:
    bore = {"characteristic": "Bore", "unit": "mm", "lsl": 57.0, "usl": 57.03, "frequency": "hourly"}
    return CheckItem.model_validate(bore | changes)


def critical(**changes: object) -> CheckItem:
    return item(special_class=SpecialClass.CC, **changes)


def found(checked: Gauge, of: CheckItem | None = None, *, on: date = DAY, measured: bool = True) -> list[Finding]:
    return check_gauge(checked, of or item(), on=on, measured=measured)


def stops(findings: list[Finding]) -> list[bool]:
    return [finding.stops for finding in findings]


@pytest.mark.parametrize("measured", [True, False])
def test_a_sound_gauge_has_nothing_against_it(measured: bool) -> None:
    assert found(gauge(), critical(), measured=measured) == []


@pytest.mark.parametrize(
    ("day", "measuring", "planning"),
    [
        (date(2026, 9, 8), [], []),
        (date(2026, 9, 9), [True], [False]),
        (date(2026, 3, 12), [], []),
        (date(2026, 3, 11), [False], []),
    ],
)
def test_calibration_counts_on_the_day_and_only_a_measurement_stops(day, measuring, planning) -> None:
    assert stops(found(gauge(), on=day)) == measuring
    assert stops(found(gauge(), on=day, measured=False)) == planning


def test_an_overdue_gauge_is_told_in_a_plan_without_a_measurement() -> None:
    (finding,) = found(gauge(cal_due=date(2026, 6, 29)), measured=False)
    assert finding.message == "AG-01 is overdue for calibration since 2026-06-29"


@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.parametrize(
    ("grr", "expected"), [(None, []), (9.9, []), (10.0, [False]), (30.0, [False]), (30.1, [True]), (33.0, [True])]
)
def test_repeatability_is_good_conditional_or_unacceptable(grr, expected, measured: bool) -> None:
    findings = found(gauge(grr_pct=grr), measured=measured)
    assert stops(findings) == expected
    assert all("approved by the customer" in finding.message for finding in findings if not finding.stops)


@pytest.mark.parametrize(
    ("ndc", "of", "measuring", "planning"),
    [
        (None, critical(), [], []),
        (5, critical(), [], []),
        (4, item(), [False], [False]),
        (4, critical(), [True], [False]),
    ],
)
def test_few_categories_warn_and_stop_the_measurement_of_a_critical_characteristic(
    ndc, of, measuring, planning
) -> None:
    assert stops(found(gauge(ndc=ndc), of)) == measuring
    assert stops(found(gauge(ndc=ndc), of, measured=False)) == planning


@pytest.mark.parametrize(
    ("resolution", "lsl", "usl", "told"),
    [
        (0.003, 57.0, 57.03, False),
        (0.0031, 57.0, 57.03, True),
        (0.005, 4.75, 4.8, False),  # exactly a tenth, though binary fractions make the tolerance a hair smaller
        (None, 57.0, 57.03, False),
        (1, None, 0.8, False),  # a one-sided characteristic has no tolerance to compare with
        (1, 0.8, None, False),
    ],
)
def test_a_gauge_resolves_a_tenth_of_the_tolerance(resolution, lsl, usl, told: bool) -> None:
    assert stops(found(gauge(resolution=resolution), item(lsl=lsl, usl=usl))) == ([False] if told else [])


def test_a_missing_unit_is_not_shown_as_none() -> None:
    (finding,) = found(gauge(resolution=0.1), item(unit=None))
    assert "None" not in finding.message


def test_a_gauge_that_shows_no_value_is_weak_control_of_a_critical_characteristic_with_limits() -> None:
    plug = gauge(id="TP-10", resolution=None)
    (finding,) = found(plug, critical(), measured=False)
    assert not finding.stops
    assert "TP-10" in finding.message
    assert found(plug, critical(lsl=None, usl=None)) == []
    assert found(plug, item()) == []


def test_every_word_against_a_bad_gauge_is_said() -> None:
    bad = gauge(id="LT-131", cal_due=date(2026, 5, 28), grr_pct=33.0, ndc=3, resolution=0.01)
    findings = found(bad, critical())
    assert stops(findings) == [True, True, True, False]
    assert all("LT-131" in finding.message and finding.suggestion for finding in findings)


@pytest.mark.parametrize(
    ("resolution", "readings", "positions"),
    [
        (0.001, [57.015, 57.0153, 57.0], (1,)),
        (0.1, [0.3, 0.1 + 0.2, 1.15], (2,)),
        (0.0005, [56.9255, 56.92551], (1,)),
        (1, [200.0, 201.5], (1,)),
        (None, [1.23456789], ()),
        (0.001, [1e9 + 0.001], ()),
    ],
)
def test_a_reading_between_the_gauges_steps_is_noticed(resolution, readings, positions) -> None:
    assert finer_than_resolution(gauge(resolution=resolution), readings) == positions


def test_the_gauge_a_specification_names_is_found_by_whole_words() -> None:
    gauges = [gauge(), gauge(id="GG-03"), gauge(id="GG-0")]
    assert named_in("groove gauge GG-03", gauges) == gauges[1]
    assert named_in("bore air gauge AG-01, first use", gauges) == gauges[0]
    assert named_in("gravimetric", gauges) is None
    assert named_in("AG-012", gauges) is None
