from datetime import date

import pytest

from mcp_server.domain.quality.gauges import check_measurement, finer_than_resolution, named_in
from mcp_server.domain.records import Gauge, SpecialClass

DAY = date(2026, 6, 30)


def gauge(**changes: object) -> Gauge:
    sound = {
        "id": "AG-01", "project": "ALPHA", "name": "bore air gauge", "resolution": 0.001, "cal_interval_days": 180,
        "last_calibrated": date(2026, 3, 12), "cal_due": date(2026, 9, 8), "grr_pct": 6.8, "ndc": 9,
    }  # fmt: skip
    return Gauge.model_validate(sound | changes)


def found(checked: Gauge, *, on: date = DAY, lsl: float | None = 57.0, usl: float | None = 57.03, cc: bool = False):
    special = SpecialClass.CC if cc else None
    return check_measurement(checked, lsl=lsl, usl=usl, unit="mm", special_class=special, measured_on=on)


def test_a_sound_gauge_has_nothing_against_it() -> None:
    assert found(gauge(), cc=True) == []


@pytest.mark.parametrize(
    ("day", "stops"),
    [
        (date(2026, 9, 8), []),
        (date(2026, 9, 9), [True]),
        (date(2026, 3, 12), []),
        (date(2026, 3, 11), [False]),
    ],
)
def test_calibration_counts_on_the_day_of_the_measurement(day: date, stops: list[bool]) -> None:
    assert [finding.stops for finding in found(gauge(), on=day)] == stops


@pytest.mark.parametrize(
    ("grr", "stops"), [(None, []), (9.9, []), (10.0, [False]), (30.0, [False]), (30.1, [True]), (33.0, [True])]
)
def test_repeatability_is_good_conditional_or_unacceptable(grr: float | None, stops: list[bool]) -> None:
    assert [finding.stops for finding in found(gauge(grr_pct=grr))] == stops


@pytest.mark.parametrize(("ndc", "cc", "stops"), [(5, True, []), (4, False, [False]), (4, True, [True])])
def test_few_categories_warn_and_stop_a_critical_characteristic(ndc: int, cc: bool, stops: list[bool]) -> None:
    assert [finding.stops for finding in found(gauge(ndc=ndc), cc=cc)] == stops


@pytest.mark.parametrize(("resolution", "told"), [(0.003, False), (0.0031, True), (None, False)])
def test_a_gauge_resolves_a_tenth_of_the_tolerance(resolution: float | None, told: bool) -> None:
    findings = found(gauge(resolution=resolution))
    assert bool(findings) is told
    assert not any(finding.stops for finding in findings)


def test_a_one_sided_characteristic_has_no_tolerance_to_resolve() -> None:
    assert found(gauge(resolution=1), lsl=None) == []


def test_every_word_against_a_bad_gauge_is_said() -> None:
    bad = gauge(id="LT-131", cal_due=date(2026, 5, 28), grr_pct=33.0, ndc=3, resolution=0.01)
    assert [finding.stops for finding in found(bad, cc=True)] == [True, True, True, False]
    assert all("LT-131" in finding.message and finding.suggestion for finding in found(bad, cc=True))


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
