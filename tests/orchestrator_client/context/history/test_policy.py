from itertools import pairwise

import pytest

from orchestrator_client.context.history.policy import (
    FixedWindow,
    Load,
    Policy,
    TokenAware,
    TurnLoad,
    WholeTask,
    policy_named,
)
from orchestrator_client.dialogue.condensed import Condensed
from orchestrator_client.errors import ConfigurationError


def load(
    turns: int,
    *,
    room: int,
    whole: int = 100,
    cleared: int = 100,
    fixed: int = 0,
    condensed: Condensed = Condensed(0, ""),  # noqa: B008 - frozen
) -> Load:
    """Turns of one size; the newest two should stay."""
    turn = TurnLoad(whole, cleared)
    return Load(
        room,
        fixed,
        stand_in=50,
        standing=50,
        context=0,
        turns=(turn,) * turns,
        floor=max(0, turns - 2),
        condensed=condensed,
    )


def test_a_fixed_window_leaves_ten_turns_as_they_are() -> None:
    assert FixedWindow().decide(load(10, room=10_000)) == Condensed(0, "")


def test_a_fixed_window_moves_in_leaps() -> None:
    """From 11 turns down to 6, and then not again before there are 11."""
    cuts: list[int] = []
    condensed = Condensed(0, "")
    for turns in range(1, 31):
        condensed = FixedWindow().decide(load(turns, room=100_000, condensed=condensed))
        cuts.append(condensed.turns)
        assert turns - condensed.turns <= 10
    assert sorted(set(cuts)) == [0, 5, 10, 15, 20]


def test_the_token_aware_policy_waits_for_80_percent() -> None:
    assert TokenAware().decide(load(8, room=1_000)) == Condensed(0, "")
    assert TokenAware().decide(load(9, room=1_000)) != Condensed(0, "")


def test_old_tool_results_are_cleared_before_any_turn_is_left_out() -> None:
    assert TokenAware().decide(load(9, room=1_000, cleared=10)) == Condensed(0, "", cleared_turns=6)


def test_turns_are_left_out_until_more_than_half_the_leeway_is_free() -> None:
    decided = TokenAware().decide(load(9, room=1_000))
    assert decided == Condensed(6, "", cleared_turns=7)
    assert load(9, room=1_000).tokens(decided) == 50 + 300


def test_no_turn_is_left_out_where_clearing_alone_makes_enough_room() -> None:
    """The target of 430 is not met, but half of the 950 beside the stand-in is free."""
    decided = TokenAware().decide(load(9, room=1_000, whole=120, cleared=30))
    assert (decided.turns, decided.cleared_turns) == (0, 7)


@pytest.mark.parametrize("fixed", [0, 5_000, 10_000])
def test_between_two_condensations_are_as_many_turns_however_large_the_fixed_part_is(fixed: int) -> None:
    """It is the room beside it that counts: 20 turns of 100 tokens."""
    condensed, moved = Condensed(0, ""), list[int]()
    for turns in range(1, 101):
        decided = TokenAware().decide(load(turns, room=fixed + 2_050, fixed=fixed, condensed=condensed))
        moved += [turns] if decided != condensed else []
        condensed = decided
    assert [after - before for before, after in pairwise(moved)] == [9] * (len(moved) - 1)
    assert len(moved) > 5


def test_a_newest_turn_that_is_too_large_anyway_drives_no_other_out_if_clearing_one_is_enough() -> None:
    turns = (*(TurnLoad(50, 50),) * 5, TurnLoad(2_800, 90), TurnLoad(50, 50))
    full = Load(1_000, 0, 50, 50, 0, turns, floor=5, condensed=Condensed(0, ""))
    assert TokenAware().decide(full) == Condensed(0, "", cleared_turns=6)


def test_context_of_turns_left_out_weighs_no_more_than_is_kept_of_it() -> None:
    turns = (TurnLoad(3_000, 3_000, left=3_000),) * 3
    full = Load(10_000, 0, 50, 50, 500, turns, floor=2, condensed=Condensed(2, "", 2))
    assert full.tokens(Condensed(2, "", 2)) == 50 + 500 + 3_000


def test_the_newest_messages_stay_while_they_fit() -> None:
    assert TokenAware().decide(load(9, room=1_000, fixed=600)).turns == 7


def test_the_newest_turn_stays_whatever_happens() -> None:
    assert TokenAware().decide(load(9, room=50)).turns == 8


def test_a_whole_task_stays_while_it_fits() -> None:
    assert WholeTask().decide(load(9, room=1_000)) == Condensed(0, "")
    assert WholeTask().decide(load(10, room=1_000)).turns == 7


def test_a_fixed_window_that_does_not_fit_is_cut_further() -> None:
    assert FixedWindow().decide(load(10, room=500)).turns == 8


@pytest.mark.parametrize("name", ["fixed", "tokens", "task"])
def test_what_is_condensed_stays_condensed_with_its_summary(name: str) -> None:
    before = Condensed(3, "Intent: a plan.", 4)
    assert policy_named(name).decide(load(9, room=100_000, condensed=before)) == before


@pytest.mark.parametrize(("name", "kind"), [("fixed", FixedWindow), ("tokens", TokenAware), ("task", WholeTask)])
def test_a_policy_is_known_by_the_name_of_its_setting(name: str, kind: type[Policy]) -> None:
    policy = policy_named(name)
    assert isinstance(policy, kind)
    assert policy.name == name


def test_an_unknown_policy_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r"no history policy 'sliding'\. Use one of: fixed, tokens, task"):
        policy_named("sliding")
