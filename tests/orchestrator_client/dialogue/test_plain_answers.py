import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator_client.dialogue.plain_answers import asks_back, is_plain_answer, wants_out

LIST = "Machine: e.g. MC-103\n   1  MC-103  Leak tester 2 (down)\n   2  MC-104  Press\n(number or name)"
BULLETS = "Which one?\n- **Housing** (released)\n- Caliper: left\n* Report a fault"
OPEN = "Which material is it for, and at which operation?"
EITHER = "Shall I create a new plan or update the old one?"
FIELD = "Technique: how it is measured"
SEVERAL = "Tools\n(several, separated by commas, or by ; where they hold commas)"
ASKS: list[Callable[[str], bool]] = [
    lambda big: is_plain_answer(big, ""),
    lambda big: is_plain_answer(big, big),
    lambda big: is_plain_answer("housing box", big),
    lambda big: wants_out("cancel", big),
    lambda big: wants_out(big, big),
    asks_back,
]
LINES = Path(__file__).parents[3] / "fixtures" / "shop_floor_language.jsonl"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "yes",
            "Yes, please.",
            "no thanks",
            "OK",
            "skip",
            "that's right",
            "don\u2019t know",
            "n/a",
            "go ahead",
            "done",
        ),
        *("", " \n", "=", "-", "?", "??", "...", "why?"),
        *("42", "-3.5", "1,5", "12.5mm", "8.0 ±0.1 mm", "5 %", "10 to 20", "between 5 and 10 °C", "3 pcs per shift"),
        *("8.01 8.02 8.03", "8.01; 8.02; 8.03", "at least 3", "two", "3/8 in", "5 pcs/lot", "<= 0.4"),
        *(
            "tomorrow 14:00",
            "every 2 hours",
            "2026-11-24",
            "2026-11-24T08:00:00-06:00",
            "at 8 am on Friday",
            "in 3 days",
        ),
        *("daily", "twice a shift", "Monday", "24 nov"),
        *("MC-103", "SP-001, SP-002", "op50", "ISS-0071 and ISS-0072", "yes, MC-103", "not MC-103"),
        *("the second one", "option 2", "number 1", "both"),
    ],
)
@pytest.mark.parametrize("asked", ["", LIST, OPEN])
def test_what_can_only_be_an_answer_is_plain_whatever_was_asked(text: str, asked: str) -> None:
    assert is_plain_answer(text, asked)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("Leak tester 2", LIST),
        ("the leak tester", LIST),
        ("2  MC-104  Press", LIST),
        ("press", LIST),
        ("housing", BULLETS),
        ("the caliper", BULLETS),
        ("Report a fault", BULLETS),
        ("update the old one", EITHER),
        ("material, operation", OPEN),
        ("steel casting", OPEN),
        ("Maria Lopez", "Who signs?"),
        ("visual", FIELD),
        ("report", FIELD),
        ("torque wrench, hoist, lifting eye", SEVERAL),
        ("cancel", "Section\n  1  comment\n  2  cancel\n(number or name)"),
    ],
)
def test_a_choice_a_repetition_and_a_few_words_answer_the_question_just_asked(text: str, asked: str) -> None:
    assert is_plain_answer(text, asked)


@pytest.mark.parametrize(
    "text",
    [
        "create SOP",
        "new SOP",
        "open issues?",
        "Schedule maintenance for MC-105",
        "MC-105 is down",
        "MC-105 down",
        "MC-105 not ok",
        "MC-105 overheating",
        "wo-0007 finished",
        "conveyor stopped",
        "what about MC-104",
        "show issues",
        "When was it serviced?",
        "lunch?",
        "Actually, the leak tester is down again",
        "I need an inspection checklist",
        "Can you book MC-105 for 14:00?",
        "yes, and report a leak at MC-105",
        "yes but first log an issue",
        "6.6kv undervoltage trip",
        "create-sop 5 times",
        "torque wrench, hoist, lifting eye",
        "cancel",
        "never mind",
    ],
)
@pytest.mark.parametrize("asked", ["", LIST, OPEN, FIELD])
def test_what_may_be_a_request_is_no_plain_answer(text: str, asked: str) -> None:
    assert not is_plain_answer(text, asked)


@pytest.mark.parametrize("text", ["housing", "Maria Lopez", "leak tester"])
def test_words_are_no_answer_where_nothing_was_asked(text: str) -> None:
    assert not is_plain_answer(text, "")
    assert not is_plain_answer(text, "I stored it.")


def test_a_request_that_repeats_the_question_is_no_plain_answer() -> None:
    assert not is_plain_answer("report a leak", "Did you report a leak?")
    assert is_plain_answer("a leak", "Did you report a leak?")


def test_two_words_that_are_not_in_the_list_are_looked_at() -> None:
    assert is_plain_answer("bent pin", OPEN)
    assert not is_plain_answer("bent pin", LIST)


def test_lines_of_the_shop_floor_rarely_pass_for_answers() -> None:
    """Measured: 1 of 80, `A/Con U/S`, to an open question; none to a list."""
    lines = [json.loads(line)["text"] for line in LINES.read_text().splitlines()]
    assert len(lines) == 80
    assert sum(is_plain_answer(line, OPEN) for line in lines) <= 1
    assert not any(is_plain_answer(line, LIST) for line in lines)


@pytest.mark.parametrize(
    "text",
    [
        "cancel",
        "Cancel this task.",
        "cancel the current task",
        "never mind!",
        "no, forget it",
        "please stop",
        "Abort",
        "I want to stop",
        "ok, drop it please",
        "let's stop this",
        "I give up",
    ],
)
@pytest.mark.parametrize("asked", ["", LIST, OPEN, "How many?\n(a number; /cancel gives it up)"])
def test_a_short_phrase_gives_the_task_up(text: str, asked: str) -> None:
    assert wants_out(text, asked)
    assert not is_plain_answer(text, asked)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cancel the work order",
        "cancel WO-12",
        "stop the press",
        "we had to stop this machine",
        "do not cancel",
        "should I cancel",
        "forget it, the seal is fine but the hose leaks",
        "yes",
        "cancel " * 30,
    ],
)
def test_anything_longer_or_else_gives_nothing_up(text: str) -> None:
    assert not wants_out(text, OPEN)


@pytest.mark.parametrize(
    "asked",
    [
        "Section\n   1  comment\n   2  cancel\n(number or name)",
        "Which decision?\n- approve\n- cancel",
        "Shall I cancel WO-12, or move it?",
        "Do you want to approve, reject or cancel?",
    ],
)
def test_a_word_that_the_question_offers_is_an_answer(asked: str) -> None:
    assert not wants_out("cancel", asked)
    assert wants_out("never mind", asked)


def test_a_phrase_that_the_list_offers_is_an_answer() -> None:
    asked = "What becomes of the parts?\n  1  scrap it\n  2  use as is\n(number or name)"
    assert not wants_out("scrap it", asked)
    assert is_plain_answer("scrap it", asked)
    assert wants_out("drop it", asked)


@pytest.mark.parametrize(
    "text",
    [
        "back",
        "go back",
        "Go back to the quality plan.",
        "back to the quality plan",
        "ok, take me back please",
        "continue",
        "let's continue",
        "continue with the plan",
        "resume",
        "resume the maintenance task",
        "return to the SOP",
        "carry on",
        "where were we?",
        "pick up where we left off",
    ],
)
def test_a_short_phrase_asks_for_a_task_that_waits(text: str) -> None:
    assert asks_back(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "return the parts",
        "resume production at OP20",
        "continue with a new SOP",
        "the part came back",
        "send it back to the supplier",
        "schedule maintenance",
        "go on holiday",
        "back to the quality plan which I left yesterday at four in the afternoon",
    ],
)
def test_anything_else_asks_for_no_task_that_waits(text: str) -> None:
    assert not asks_back(text)


@given(st.text(max_size=300), st.text(max_size=300))
def test_no_text_at_all_makes_them_fail(text: str, asked: str) -> None:
    for found in (is_plain_answer(text, asked), wants_out(text, asked), asks_back(text)):
        assert isinstance(found, bool)


@given(st.sampled_from(["create", "Schedule", "please report", "can you show"]), st.text(max_size=60))
def test_a_request_verb_with_an_object_is_never_plain_to_an_open_question(verb: str, rest: str) -> None:
    assert not is_plain_answer(f"{verb} object {rest}", OPEN)


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "1",
        "1 ",
        "yes ",
        "- ",
        "(",
        " ",
        "\n",
        "a? or ",
        "\n   1  a  b",
        "please ",
        "word, ",
        "?",
        ". ",
        "  x",
        "'",
        "1-",
        "a-1",
    ],
)
@pytest.mark.parametrize("ask", ASKS)
def test_a_hundred_kilobytes_take_a_moment(unit: str, ask: Callable[[str], bool]) -> None:
    big = (unit * 100_000)[:100_000]
    started = time.process_time()
    ask(big)
    assert time.process_time() - started < 1
