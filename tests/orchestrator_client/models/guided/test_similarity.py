import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator_client.models.guided.similarity import rank

EXAMPLES = {
    "issues": ["hydraulic hose leaking", "pump not working"],
    "maintenance": ["500 h service of the press", "monthly inspection"],
    "talk": ["hello"],
}


def best(message: str) -> tuple[str, float]:
    match = rank(message, EXAMPLES)[0]
    return match.label, match.score


@pytest.mark.parametrize(
    ("message", "label"),
    [
        ("the pump is NOT working", "issues"),
        ("hyd. hoses leak", "issues"),
        ("1000h svc press", "maintenance"),
        ("inspections, monthly", "maintenance"),
        ("Hello!", "talk"),
    ],
)
def test_the_likest_label_comes_first_in_spite_of_case_endings_and_abbreviations(message: str, label: str) -> None:
    assert best(message)[0] == label


def test_an_example_itself_is_as_like_as_can_be() -> None:
    label, score = best("pump not working")
    assert (label, round(score, 6)) == ("issues", 1.0)


def test_one_figure_is_as_good_as_another_and_alone_it_says_nothing() -> None:
    assert rank("250 h service of the press", EXAMPLES) == rank("12,000 h service of the press", EXAMPLES)
    assert {match.score for match in rank("42", EXAMPLES)} == {0.0}


def test_machine_numbers_that_no_example_knows_do_not_drown_the_words() -> None:
    assert best("JA0341 pump not working WBE00")[1] > 0.5


def test_a_message_without_any_known_word_is_like_nothing() -> None:
    assert best("zzz qqq")[1] == 0.0
    assert best("")[1] == 0.0


def test_words_of_other_alphabets_count() -> None:
    examples = {"leck": ["Ölpumpe undicht"], "plan": ["Prüfplan für das Gehäuse"], "течь": ["течь масла"]}
    assert rank("Prüfplan Gehäuse", examples)[0].label == "plan"
    assert rank("масла", examples)[0].label == "течь"


def test_labels_without_examples_come_last_and_break_nothing() -> None:
    assert rank("pump", {"empty": [], **EXAMPLES})[0].label == "issues"
    assert rank("pump", {"empty": []})[0].score == 0.0


@given(st.text(max_size=60))
def test_every_label_is_ranked_once_with_a_score_from_0_to_1(message: str) -> None:
    matches = rank(message, EXAMPLES)
    assert {match.label for match in matches} == EXAMPLES.keys()
    assert len(matches) == len(EXAMPLES)
    scores = [match.score for match in matches]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 + 1e-9 for score in scores)
