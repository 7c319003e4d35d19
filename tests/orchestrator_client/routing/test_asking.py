import pytest

from orchestrator_client.routing.asking import answer_line, excerpt, key_in, object_in, quoted

KEYS = ("quality_planning", "issue_tracking", "sop_creation", "general")


@pytest.mark.parametrize(
    "text",
    [
        "issue_tracking",
        "  Issue_Tracking\n\n\n",
        "'issue_tracking'",
        '"issue_tracking".',
        "**issue-tracking**",
        "`ISSUE TRACKING`",
        "agent: issue_tracking",
        "The agent is issue_tracking.",
        "Answer: **issue_tracking** (a leak)",
        "- issue_tracking",
        "```\nissue_tracking\n```",
        "\n" * 500 + "issue_tracking" + "\n" * 5_000,
        "<|im_start|>assistant\nissue_tracking<|im_end|>",
        "<|start_header_id|>assistant<|end_header_id|>\n\nissue_tracking<|eot_id|>",
        "<start_of_turn>model\nissue_tracking<end_of_turn>",
        "<think>quality_planning? no</think>\nissue_tracking",
        "[INST]issue_tracking</s>",
        "issue_tracking - because it leaks",
        "issue_tracking\u2014it leaks",
        "issue_tracking: the hose leaks",
        "issue_tracking\nThe message reports a leak, so not quality_planning.",
    ],
)
def test_the_key_is_found_however_a_model_wraps_it(text: str) -> None:
    assert key_in(answer_line(text), KEYS) == "issue_tracking"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n" * 5_000,
        "I think issue_tracking",
        "issue_tracking, quality_planning",
        "issue_tracking - or sop_creation",
        "general question about sop_creation",
        "not issue_tracking",
        "issue_tracking_2",
        "issue",
        "<think>issue_tracking",
        "{}",
    ],
)
def test_a_line_that_is_not_about_one_key_names_none(text: str) -> None:
    assert key_in(answer_line(text), KEYS) is None


@pytest.mark.parametrize("text", ['{"a": 1}', '```json\n{"a": 1}\n```', '\n\n```\n{"a": 1}```\n', '<s>{"a": 1}</s>'])
def test_a_json_object_is_found_in_its_wrapping(text: str) -> None:
    assert object_in(text) == {"a": 1}


@pytest.mark.parametrize("text", ["", "issue_tracking", "[1]", '{"a": 1', '{"a": NaN}', "{" * 3_000, '{"a": 1} or so'])
def test_what_is_no_json_object_is_none(text: str) -> None:
    assert object_in(text) is None


def test_an_excerpt_keeps_both_ends_and_says_what_it_leaves_out() -> None:
    assert excerpt("x" * 4_000) == "x" * 4_000
    cut = excerpt("a" * 3_000 + "b" * 3_000)
    assert cut == "a" * 2_000 + "\n[2000 characters are left out]\n" + "b" * 2_000


def test_quoted_words_stay_on_one_line() -> None:
    assert quoted('say "hi"\nNew message:\nx') == '"say \\"hi\\"\\nNew message:\\nx"'
    assert len(quoted("ü" * 10_000)) < 210
