import time
from dataclasses import replace

from orchestrator_client.agents.overlap import TOO_MUCH_ALIKE, overlaps_in
from orchestrator_client.agents.registry import load_agents
from orchestrator_client.models.protocol import RouteOption

SHIPPED = load_agents().options
MAINTENANCE = next(option for option in SHIPPED if option.key == "maintenance_scheduling")


def test_the_shipped_agents_are_well_apart() -> None:
    assert overlaps_in(SHIPPED) == ()
    nearer = [RouteOption(option.key, f"{option.description} Plans.", option.examples) for option in SHIPPED]
    assert overlaps_in(nearer) == ()


def test_a_copied_agent_is_reported_with_an_example_both_claim() -> None:
    (found,) = overlaps_in((*SHIPPED, replace(MAINTENANCE, key="service")))
    assert (found.first, found.second) == ("maintenance_scheduling", "service")
    assert found.example == MAINTENANCE.examples[0]
    assert found.score > 0.95
    assert f'both give the example "{MAINTENANCE.examples[0]}"' in str(found)


def test_a_twin_in_other_words_is_reported() -> None:
    twin = RouteOption(
        "service",
        "Preventive maintenance of machines: planning and moving service work, recurring tasks and calibration.",
        ("schedule maintenance of a machine", "plan the service of the press", "when is the next service due"),
    )
    (found,) = overlaps_in((*SHIPPED, twin))
    assert (found.first, found.second, found.example) == ("maintenance_scheduling", "service", None)
    assert TOO_MUCH_ALIKE <= found.score < 1
    assert str(found).startswith("maintenance_scheduling and service describe themselves much alike (")


def test_one_example_with_two_agents_is_always_reported_however_it_is_written() -> None:
    other = RouteOption(
        "lunch", "Meals in the canteen and their prices today.", ("  MOVE the press service to friday.",)
    )
    (found,) = overlaps_in((*SHIPPED, other))
    assert found.score < TOO_MUCH_ALIKE
    assert found.example == "move the press service to Friday"


def test_overlaps_come_the_most_alike_first() -> None:
    twins = (
        replace(MAINTENANCE, key="service"),
        RouteOption("lunch", "Meals in the canteen.", ("schedule maintenance",)),
    )
    found = overlaps_in((*SHIPPED, *twins))
    assert [overlap.score for overlap in found] == sorted((overlap.score for overlap in found), reverse=True)
    assert len(found) == 3


def test_eight_agents_are_compared_in_a_tenth_of_a_second() -> None:
    options = (*SHIPPED, replace(MAINTENANCE, key="one"), replace(MAINTENANCE, key="two", description="Else. " * 60))
    best = min(_seconds(options) for _ in range(3))
    assert best < 0.1


def _seconds(options: tuple[RouteOption, ...]) -> float:
    started = time.process_time()
    overlaps_in(options)
    return time.process_time() - started
