import pytest

from orchestrator_client.models.guided.mentions import is_mentioned


@pytest.mark.parametrize(
    ("message", "value", "label"),
    [
        ("Create a quality plan for Project Beta, production", "BETA", "Project Beta"),
        ("Create a quality plan for Project Beta, production", "production", ""),
        ("the press (MC-105) is down", "MC-105", "Press"),
        ("is mc-105 down?", "MC-105", ""),
        ("Alpha's open issues", "ALPHA", ""),
        ("plan for pre-launch", "pre_launch", ""),
        ("a pre launch plan", "pre_launch", ""),
        ("pre_launch", "pre_launch", ""),
        ("we use the “leak tester 2”.", "LT-131", "Leak tester 2"),
    ],
)
def test_a_value_or_its_label_as_whole_words_is_a_mention(message: str, value: str, label: str) -> None:
    assert is_mentioned(message, field="field", value=value, label=label)


@pytest.mark.parametrize(
    ("message", "value", "label"),
    [
        ("preproduction", "production", ""),
        ("MC-1055 is down", "MC-105", ""),
        ("MC-105-2 is down", "MC-105", ""),
        ("the project of the week", "BETA", "Project Beta"),
        ("plan b", "b", ""),
        ("anything", "X", ""),
        ("anything", "", ""),
    ],
)
def test_a_part_of_a_word_or_a_single_letter_is_none(message: str, value: str, label: str) -> None:
    assert not is_mentioned(message, field="field", value=value, label=label)


@pytest.mark.parametrize("message", ["a lot of 65", "sampling plan for AQL 0.65", "65", "AQL of 650"])
def test_a_bare_figure_is_no_mention(message: str) -> None:
    assert not is_mentioned(message, field="aql", value="65")


@pytest.mark.parametrize("message", ["sampling plan for AQL 0.65", "with an aql of 0.65, please"])
def test_a_figure_after_the_name_of_its_field_is_one(message: str) -> None:
    assert is_mentioned(message, field="aql", value="0.65")


def test_an_id_may_be_named_without_what_stands_before_its_first_hyphen() -> None:
    assert is_mentioned("work instructions for OP70", field="workstation", value="ALPHA-OP70")
    assert not is_mentioned("work instructions for OP7", field="workstation", value="ALPHA-OP70")
    assert not is_mentioned("the 105 is down", field="machine_id", value="MC-105")
    assert not is_mentioned("a lot of it", field="lot_id", value="A-LOT")
