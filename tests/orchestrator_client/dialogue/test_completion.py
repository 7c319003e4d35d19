import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator_client.dialogue.completion import (
    MARKER,
    Evidence,
    MarkerFilter,
    Verdict,
    claims_completion,
    evidence_in,
    judge,
    without_marker,
)
from orchestrator_client.dialogue.messages import Message, TextBlock, ToolResultBlock, ToolUseBlock, assistant, user

PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                MARKER,
                "[TASK",
                "_COMPLETE]",
                "[",
                "]",
                "[TASK_",
                "COMPLETE]",
                MARKER.lower(),
                "[task",
                "[ TASK_COMPLETE ]",
                "```\n",
                " ",
                "\n",
                "\t",
                "Stored.",
            ]
        ),
        st.text(max_size=6),
        st.text(alphabet=MARKER, max_size=len(MARKER)),
    ),
    max_size=12,
)


def shown(pieces: list[str]) -> list[str]:
    """What a person gets to see, piece by piece."""
    stream = MarkerFilter()
    return [*map(stream.feed, pieces), stream.flush()]


@given(PIECES)
@example(["[TASK_", MARKER, "COMPLETE]"])
@example([MARKER[:8] + MARKER[:8] + MARKER + MARKER[8:] + MARKER[8:]])
@example(["Stored.\n", "[TASK_COMP"])
def test_any_split_shows_exactly_the_text_without_the_marker(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert "".join(shown(pieces)) == without_marker(text)
    assert MARKER not in without_marker(text).upper()


@given(PIECES)
def test_what_was_shown_is_never_the_beginning_of_a_marker(pieces: list[str]) -> None:
    stream = MarkerFilter()
    so_far = ""
    for piece in pieces:
        so_far += stream.feed(piece)
        assert not any(so_far.endswith(MARKER[:length]) for length in range(1, len(MARKER) + 1))


@given(st.text(alphabet=st.characters(exclude_characters="[")), st.integers(min_value=1, max_value=5))
def test_text_that_has_no_marker_comes_through_whole(text: str, size: int) -> None:
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert "".join(shown(pieces)) == text.rstrip()


def test_text_is_shown_as_soon_as_it_can_no_longer_become_the_marker() -> None:
    stream = MarkerFilter()
    assert stream.feed("See [") == "See"
    assert stream.feed("1] for") == " [1] for"


@pytest.mark.parametrize("cut", range(5, len(MARKER)))
def test_a_marker_that_was_cut_off_is_not_shown(cut: int) -> None:
    assert shown(["Stored.\n", MARKER[:cut]]) == ["Stored.", "", ""]


TEXTS_WITH_MARKERS = [
    f"Stored.\n{MARKER}",
    f"Stored. {MARKER} Anything else?",
    f"```\n{MARKER}\n```\nThat was it.",
    f"a{MARKER[:6]}{MARKER}{MARKER[6:]}b",
    f"{MARKER.lower()} and {MARKER.title()}",
    f"{MARKER[:-1]} {MARKER[1:]} [ TASK_COMPLETE ] [TASK COMPLETE]",
]


@pytest.mark.parametrize("text", TEXTS_WITH_MARKERS)
def test_every_split_in_three_shows_the_text_without_the_marker_and_loses_nothing_else(text: str) -> None:
    wanted = text
    for _ in range(2):
        wanted = re.sub(re.escape(MARKER), "", wanted, flags=re.IGNORECASE)
    for first in range(len(text) + 1):
        for second in range(first, len(text) + 1):
            assert "".join(shown([text[:first], text[first:second], text[second:]])) == wanted.rstrip()


def test_endless_white_space_and_starts_of_markers_are_held_back_without_delay() -> None:
    stream = MarkerFilter()
    assert "".join(stream.feed(piece) for piece in ["\n", "[TASK", "  "] * 5_000) == ""
    assert stream.feed(" " * 100_000 + "x").endswith("x")


def test_a_bracket_at_the_end_is_no_marker() -> None:
    assert "".join(shown(["rows", "[", "]", " and [T"])) == "rows[] and [T"


@pytest.mark.parametrize(
    "text",
    [
        MARKER,
        f"Stored as QP-0001.\n{MARKER}",
        f"Stored.\n\n  {MARKER}  \n\n",
        f"```\ncode\n```\n{MARKER}",
        f"~~~~\n```\n~~~\n~~~~\n{MARKER}",
        f"Use ``` three ticks ``` inline.\n{MARKER}",
        f"``` one `line` ```\n{MARKER}",
    ],
)
def test_the_marker_alone_on_the_last_line_claims_completion(text: str) -> None:
    assert claims_completion(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Stored.",
        f"Stored. {MARKER}",
        f"{MARKER}\nAnything else?",
        f"`{MARKER}`",
        f"> {MARKER}",
        f"```\n{MARKER}",
        f"~~~ text\n{MARKER}\n",
        f"````\n```\n{MARKER}",
        f"~~~\n```\n{MARKER}",
        MARKER.lower(),
    ],
)
def test_a_marker_in_a_sentence_or_in_a_code_block_claims_nothing(text: str) -> None:
    assert not claims_completion(text)


def called(tool: str, answer: ToolResultBlock, **arguments: object) -> list[Message]:
    use = ToolUseBlock(id=answer.tool_use_id, name=tool, input=arguments)
    return [Message(role="assistant", blocks=(use,)), Message(role="user", blocks=(answer,))]


def answered(number: int = 1, *, is_error: bool = False, **structured: object) -> ToolResultBlock:
    return ToolResultBlock(tool_use_id=f"use-{number}", content="…", structured=structured, is_error=is_error)


def test_a_success_of_a_goal_tool_is_evidence_with_its_arguments_and_its_answer() -> None:
    messages = [*called("log_issue", answered(record={"id": "ISS-1"}), title="Leak"), assistant("Done.")]
    assert evidence_in(messages, {"log_issue"}) == (
        Evidence("log_issue", {"title": "Leak"}, {"record": {"id": "ISS-1"}}),
    )


@pytest.mark.parametrize(
    ("tool", "answer", "arguments"),
    [
        ("get_machines", answered(), {}),
        ("log_issue", answered(is_error=True), {}),
        ("log_issue", answered(dry_run=True), {}),
        ("log_issue", answered(), {"dry_run": True}),
        ("log_issue", answered(status="unconfirmed"), {}),
    ],
    ids=["another tool", "a failure", "a dry run that says so", "a dry run that was asked for", "not confirmed"],
)
def test_this_is_no_evidence(tool: str, answer: ToolResultBlock, arguments: dict[str, object]) -> None:
    assert evidence_in(called(tool, answer, **arguments), {"log_issue"}) == ()


@pytest.mark.parametrize("status", ["created", "updated", "already_exists", "unchanged", "recovered"])
def test_what_stands_as_it_was_asked_for_is_evidence_whoever_put_it_there(status: str) -> None:
    assert len(evidence_in(called("log_issue", answered(status=status)), {"log_issue"})) == 1


def test_a_result_without_its_call_is_no_evidence() -> None:
    assert evidence_in([Message(role="user", blocks=(answered(),))], {"log_issue"}) == ()


def test_the_verdict_needs_both_the_claim_and_the_evidence() -> None:
    evidence = (Evidence("log_issue", {}, {}),)
    assert judge(assistant(f"Stored.\n{MARKER}"), evidence) is Verdict.COMPLETED
    assert judge(assistant(f"Stored.\n{MARKER}"), ()) is Verdict.REFUSED
    assert judge(assistant("Which machine?"), evidence) is Verdict.WAITING


def test_a_claim_beside_a_tool_call_counts_for_nothing() -> None:
    use = ToolUseBlock(id="1", name="log_issue", input={})
    message = Message(role="assistant", blocks=(TextBlock(text=MARKER), use))
    assert judge(message, (Evidence("log_issue", {}, {}),)) is Verdict.WAITING


def test_a_marker_split_over_two_text_blocks_claims_nothing_and_is_not_shown() -> None:
    message = Message(role="assistant", blocks=(TextBlock(text=MARKER[:6]), TextBlock(text=MARKER[6:])))
    assert judge(message, (Evidence("log_issue", {}, {}),)) is Verdict.WAITING


def test_the_marker_in_user_text_and_tool_results_is_no_evidence() -> None:
    result = ToolResultBlock(tool_use_id="use-1", content=MARKER, structured={"note": MARKER})
    assert evidence_in([user(MARKER), *called("get_machines", result)], {"log_issue"}) == ()
