import pytest

from mcp_server.domain.procedures.takt import ShiftPattern, balance, load_pct, load_status, shift_problem, takt_time_s
from mcp_server.domain.records import Workstation

TWO_SHIFTS = ShiftPattern(shifts_per_day=2, shift_min=480.0, breaks_min=40.0, meetings_min=10.0)
THREE_SHIFTS = ShiftPattern(shifts_per_day=3, shift_min=480.0, breaks_min=30.0, meetings_min=10.0)
ALPHA = {"10": 38.5, "20": 41.8, "30": 40.2, "40": 36.0, "50": 39.4, "60": 35.1, "70": 46.3, "80": 42.9, "90": 33.7}


def stations(cycles: dict[str, float]) -> list[Workstation]:
    return [
        Workstation(
            id=f"ALPHA-OP{name}", project="ALPHA", line="ALPHA-M1", operation=name, cycle_time_s=cycle, operators=1.0
        )
        for name, cycle in cycles.items()
    ]


@pytest.mark.parametrize(
    ("pattern", "demand", "takt"), [(TWO_SHIFTS, 1200, 43.0), (TWO_SHIFTS, 750, 68.8), (THREE_SHIFTS, 2600, 30.46)]
)
def test_takt_is_net_time_over_demand(pattern: ShiftPattern, demand: int, takt: float):
    assert round(takt_time_s(pattern, demand), 2) == takt


def test_alpha_has_one_station_over_takt_and_one_near_it():
    line = balance(stations(ALPHA), 43.0)
    told = {load.id: (load.load_pct, load.status) for load in line.stations if load.status != "ok"}
    assert told == {
        "ALPHA-OP20": (97.2, "near"),
        "ALPHA-OP70": (107.7, "over"),
        "ALPHA-OP80": (99.8, "near"),
    }
    assert line.bottleneck == "ALPHA-OP70"
    assert line.total_cycle_s == 353.9
    assert line.minimum_stations == 9
    assert line.efficiency_pct == 84.9


@pytest.mark.parametrize(
    ("cycle", "status"), [(95.0, "ok"), (95.01, "near"), (100.0, "near"), (100.01, "over"), (40.0, "ok")]
)
def test_a_station_is_near_above_95_and_over_above_100_percent(cycle: float, status: str):
    assert load_status(cycle, 100.0) == status


def test_a_share_that_is_exactly_95_or_100_percent_is_not_above_it():
    assert 100 * 0.3 / (0.1 + 0.2) < 100
    assert load_status(0.1 + 0.2, 0.3) == "near"
    assert load_status(28.5, 30.0) == "ok"
    assert load_pct(21.5, 43.0) == 50.0


def test_stations_that_fill_takt_exactly_need_no_further_one():
    assert balance(stations({"10": 0.1, "20": 0.2}), 0.3).minimum_stations == 1
    assert balance(stations({"10": 43.0, "20": 43.0}), 43.0).minimum_stations == 2
    assert balance(stations({"10": 43.0, "20": 43.1}), 43.0).minimum_stations == 3


def test_equal_stations_are_balanced_perfectly():
    assert balance(stations({"10": 30.0, "20": 30.0}), 43.0).efficiency_pct == 100.0


def test_without_takt_the_balance_is_known_and_the_load_is_not():
    line = balance(stations(ALPHA), None)
    assert line.minimum_stations is None
    assert {(load.load_pct, load.status) for load in line.stations} == {(None, None)}
    assert (line.bottleneck, line.efficiency_pct) == ("ALPHA-OP70", 84.9)


def test_without_stations_there_is_nothing_to_balance():
    line = balance([], 43.0)
    assert (line.bottleneck, line.minimum_stations, line.efficiency_pct, line.total_cycle_s) == (None, None, None, 0)


def test_breaks_may_not_take_the_whole_shift():
    problem = shift_problem(ShiftPattern(2, 480.0, 470.0, 10.0))
    assert problem == "Planned breaks (470 min) and meetings (10 min) take the whole shift of 480 min."
    assert shift_problem(ShiftPattern(2, 480.0, 469.0, 10.0)) is None


def test_shifts_must_fit_into_a_day():
    assert shift_problem(ShiftPattern(3, 480.0, 30.0, 10.0)) is None
    assert shift_problem(ShiftPattern(4, 480.0, 30.0, 10.0)) == "4 shifts of 480 min do not fit into a day of 1440 min."
