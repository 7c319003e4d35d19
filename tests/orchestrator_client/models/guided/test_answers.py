from typing import Any

import pytest

from orchestrator_client.models.guided.answers import MOST_SHOWN, Problem, are_numbered, read_answer, read_choice, word
from orchestrator_client.models.guided.form import Field, Option

MACHINES = (Option(value="MC-103", label="Press"), Option(value="LT-131", label="Leak tester 2"))
METHODS = (Option(value="spc_chart"), Option(value="visual_standard"))
AQLS = tuple(Option(value=value) for value in ("0.010", "0.10", "0.65", "1.0", "4.0", "10"))


def read(schema: dict[str, Any], answer: str, *options: Option, partial: bool = False) -> Any:
    return read_answer(Field("size", schema, required=True), options, answer, partial=partial)


def problem(schema: dict[str, Any], answer: str, *options: Option) -> str:
    found = read(schema, answer, *options)
    assert isinstance(found, Problem), found
    return found.text


@pytest.mark.parametrize(
    ("schema", "answer", "value"),
    [
        ({"type": "string"}, "  every 2 hours ", "every 2 hours"),
        ({"type": "integer"}, "42", 42),
        ({"type": "integer"}, "+7", 7),
        ({"type": "integer"}, "5.0", 5),
        ({"type": "integer"}, "9007199254740993", 9007199254740993),
        ({"type": "number"}, "0.5", 0.5),
        ({"type": "number"}, "0,5", 0.5),
        ({"type": "number"}, "-1e-3", -0.001),
        ({"type": "boolean"}, "Yes.", True),
        ({"type": "boolean"}, "no", False),
        ({"type": "array", "items": {"type": "string"}}, "Ann, Ben,, ", ["Ann", "Ben"]),
        ({"type": "array", "items": {"type": "integer"}}, "1, 2", [1, 2]),
        ({"type": "array", "items": {"type": "number"}}, "0,5; 1,5", [0.5, 1.5]),
        ({"type": "array", "items": {"type": "boolean"}}, "yes,no", [True, False]),
        ({"type": "array", "items": {"type": "array"}}, "[1]; [2]", [[1], [2]]),
        ({"type": "object"}, '{"a": 1}', {"a": 1}),
        ({"type": "unheard of"}, "text", "text"),
    ],
)
def test_an_answer_becomes_a_value_of_the_fields_type(schema: dict[str, Any], answer: str, value: object) -> None:
    found = read(schema, answer)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("schema", "answer", "complaint"),
    [
        ({"type": "string"}, "  ", "This needs an answer."),
        ({"type": "string", "minLength": 5}, "abc", "at least 5 characters"),
        ({"type": "string", "maxLength": 5}, "abcdef", "at most 5 characters"),
        ({"type": "integer"}, "five", "'five' is not a whole number."),
        ({"type": "integer"}, "5.5", "not a whole number"),
        ({"type": "integer"}, "1_000", "not a whole number"),
        ({"type": "integer", "minimum": 2}, "1", "It must be at least 2."),
        ({"type": "integer", "maximum": 1_000_000_000}, "1000000001", "It must be at most 1000000000."),
        ({"type": "number", "exclusiveMinimum": 0}, "0", "It must be more than 0."),
        ({"type": "number", "exclusiveMaximum": 1.5}, "1.5", "It must be less than 1.5."),
        ({"type": "number"}, "nan", "not a number"),
        ({"type": "number"}, "1e999", "not a number"),
        ({"type": "number"}, "1.000.000", "not a number"),
        ({"type": "boolean"}, "maybe", "Please answer yes or no."),
        ({"type": "array", "minItems": 2}, "one", "Give at least 2"),
        ({"type": "array", "maxItems": 1}, "one, two", "Give at most 1"),
        ({"type": "array", "items": {"type": "integer"}}, "1, two", "'two' is not a whole number."),
        ({"type": "object"}, "[1]", "Write it as a JSON object."),
        ({"type": "object"}, "{", "Write it as a JSON object."),
    ],
)
def test_an_answer_that_does_not_fit_is_explained(schema: dict[str, Any], answer: str, complaint: str) -> None:
    assert complaint in problem(schema, answer)


@pytest.mark.parametrize("kind", ["integer", "number"])
def test_a_comma_that_can_be_read_in_two_ways_is_not_guessed_at(kind: str) -> None:
    assert "two ways" in problem({"type": kind}, "1,000")


@pytest.mark.parametrize("answer", ["2", "LT-131", "lt-131", "Leak tester 2", "leak"])
def test_a_choice_is_meant_by_its_number_its_value_its_label_or_a_part_of_it(answer: str) -> None:
    assert read_choice(MACHINES, answer) == "LT-131"


@pytest.mark.parametrize("answer", ["SPC chart", "spc_chart", "spc", "1"])
def test_underscores_are_read_as_spaces(answer: str) -> None:
    assert read_choice(METHODS, answer) == "spc_chart"


def test_a_part_that_fits_several_is_asked_back() -> None:
    options = tuple(Option(value=f"MC-{number}", label="Press") for number in range(20))
    found = read_choice(options, "press")
    assert isinstance(found, Problem)
    assert "fits several: MC-0 (Press), MC-1 (Press), MC-2 (Press), MC-3 (Press), MC-4 (Press), …" in found.text


def test_an_exact_label_beats_longer_ones() -> None:
    options = (Option(value="A", label="Leak tester"), Option(value="B", label="Leak tester 2"))
    assert read_choice(options, "leak tester") == "A"


def test_a_typing_error_gets_a_suggestion() -> None:
    assert read_choice(MACHINES, "leek tester 2") == Problem(
        "'leek tester 2' is not in the list. Did you mean LT-131 (Leak tester 2)?"
    )
    assert read_choice(MACHINES, "zzz") == Problem("'zzz' is not in the list.")


def test_a_long_wrong_answer_is_not_echoed_whole() -> None:
    found = read_choice(MACHINES, "z" * 5_000)
    assert isinstance(found, Problem)
    assert len(found.text) < 150


@pytest.mark.parametrize("answer", ["0", "3", "-1", "99"])
def test_a_number_that_is_not_on_the_list_is_none(answer: str) -> None:
    assert isinstance(read_choice(MACHINES, answer), Problem)


def test_a_number_of_what_was_not_shown_is_none() -> None:
    options = tuple(Option(value=f"MC-{number}") for number in range(100, 100 + MOST_SHOWN + 5))
    assert read_choice(options, str(MOST_SHOWN)) == f"MC-{99 + MOST_SHOWN}"
    assert isinstance(read_choice(options, str(MOST_SHOWN + 1)), Problem)
    assert read_choice(options, f"MC-{100 + MOST_SHOWN}") == f"MC-{100 + MOST_SHOWN}"


@pytest.mark.parametrize(
    ("answer", "value"), [("1", "1.0"), ("4", "4.0"), ("0,65", "0.65"), ("0.1", "0.10"), ("10", "10")]
)
def test_where_the_choices_are_figures_a_figure_means_itself(answer: str, value: str) -> None:
    assert not are_numbered(AQLS)
    assert read_choice(AQLS, answer) == value


@pytest.mark.parametrize("answer", ["2", "3", "0.6"])
def test_where_the_choices_are_figures_another_figure_means_none_of_them(answer: str) -> None:
    assert isinstance(read_choice(AQLS, answer), Problem)


def test_several_choices_are_read_one_by_one() -> None:
    schema = {"type": "array", "items": {"type": "string"}}
    assert read(schema, "2, press", *MACHINES) == ["LT-131", "MC-103"]
    assert "'zzz' is not in the list" in problem(schema, "2, zzz", *MACHINES)


def test_where_there_are_more_values_than_were_looked_up_any_may_be_typed() -> None:
    assert read({"type": "string"}, "MC-999", *MACHINES, partial=True) == "MC-999"
    assert read({"type": "string"}, "leak", *MACHINES, partial=True) == "LT-131"
    assert isinstance(read({"type": "string"}, "MC-999", *MACHINES), Problem)


@pytest.mark.parametrize("answer", ["Yes", " yes. ", "YES!"])
def test_one_word_is_read_without_case_and_final_punctuation(answer: str) -> None:
    assert word(answer) == "yes"
