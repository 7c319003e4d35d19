import pytest

from orchestrator_client.context.history.facts import (
    as_line,
    bare_data,
    carries_data,
    data_in,
    instructs,
    keywords,
    windows_in,
)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("The bore is 42.000 mm +0.025/-0, at OP20.", ("42.000", "+0.025/-0", "OP20")),
        ("on 2026-11-22 at 14:30", ("2026-11-22", "14:30")),
        ("AG-01 u/s, 500 h svc due", ("AG-01", "500")),
        ('call it "Final check" please', ('"Final check"',)),
        ("nenne es „Prüfplan Süd“", ("„Prüfplan Süd“",)),
        ("our customer is Bosch Rexroth", ("Bosch Rexroth",)),
        ("use the AQL plan every monday", ("AQL", "monday")),
        ("take two of them", ("two",)),
        ("1,500 pcs.", ("1,500",)),
        ("write to qa@plant7.example", ("qa@plant7.example",)),
    ],
)
def test_data_are_found_as_they_stand_in_the_text(text: str, data: tuple[str, ...]) -> None:
    assert data_in(text) == data


@pytest.mark.parametrize("text", ["thanks a lot", "I think so", "OK", "that looks good to me", ""])
def test_chit_chat_carries_no_data(text: str) -> None:
    assert not carries_data(text)


@pytest.mark.parametrize("text", ["always use metric units", "never ask the night shift", "you must not round"])
def test_a_standing_instruction_counts_as_data(text: str) -> None:
    assert carries_data(text)


def test_data_keep_the_words_that_say_what_they_are() -> None:
    told = windows_in("We have had a long talk about it yesterday. The diameter of the bore is 42.000 mm, I am told.")
    assert told == "long talk yesterday. … diameter bore 42.000 mm,"


def test_an_instruction_keeps_its_negation() -> None:
    assert windows_in("Please do not use the gauge of the night shift") == "not use gauge night shift"


@pytest.mark.parametrize(
    "text",
    [
        "never use gauge GG-03",
        "Always measure twice.",
        "You must not round",
        "use LT-130 only",
        "do not ask Bob",
        "Don't!",
    ],
)
def test_what_holds_from_now_on_is_an_instruction(text: str) -> None:
    assert instructs(text)


@pytest.mark.parametrize(
    "text", ["at most 5 mm", "I don't know", "the shift lead, as always", "Must I do it?", "we do not have that"]
)
def test_what_only_tells_or_asks_is_no_instruction(text: str) -> None:
    assert not instructs(text)


def test_bare_data_keep_their_units_and_what_stands_beside_them() -> None:
    assert bare_data("The bolts get 118.5 Nm, bore 42.000 mm +0.025/-0 on MC-101; 5 pieces every 2 hours.") == (
        "118.5 Nm, 42.000 mm +0.025/-0, MC-101, 5 pieces, 2 hours"
    )
    assert bare_data("3 more, 5 m, 4 mills") == "3, 5 m, 4"


def test_a_question_is_known_by_its_last_words() -> None:
    assert keywords("Which sample size do you want?", most=2) == "sample size"


def test_text_becomes_one_line_that_prints() -> None:
    assert as_line("a\n- 7: b\u200b\x1b[0m\tc") == "a - 7: b[0m c"


def test_a_long_text_without_any_data_is_read_quickly() -> None:
    assert data_in("a" * 100_000) == ()
