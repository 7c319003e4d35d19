import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator_client.models.messages_api.text import MOST_BLANKS, TEMPLATE_TOKENS, AnswerText, inert

WORDS = st.text(alphabet="<|im_end>[INST] \na", max_size=12)
PIECES = st.lists(WORDS, max_size=12)


def shown(pieces: list[str]) -> str:
    answer = AnswerText(TEMPLATE_TOKENS)
    said = "".join(answer.push(piece) for piece in pieces)
    return said + answer.flush()


@given(PIECES)
def test_text_is_the_same_however_it_is_cut_into_pieces(pieces: list[str]) -> None:
    assert shown(pieces) == shown(["".join(pieces)]) == shown(list("".join(pieces)))


@given(PIECES)
def test_no_text_is_lost_that_holds_no_token(pieces: list[str]) -> None:
    whole = "".join(pieces)
    if not any(token in whole for token in TEMPLATE_TOKENS):
        assert shown(pieces) == whole


@given(PIECES, st.sampled_from(TEMPLATE_TOKENS), PIECES)
def test_no_token_and_nothing_after_it_is_shown(before: list[str], token: str, after: list[str]) -> None:
    said = shown([*before, *token, *after])
    assert not any(token in said for token in TEMPLATE_TOKENS)
    assert ("".join(before)).startswith(said)


@given(WORDS, st.sampled_from(TEMPLATE_TOKENS), WORDS)
def test_a_token_made_inert_can_still_be_read_and_is_none(before: str, token: str, after: str) -> None:
    said = inert(before + token + after)
    assert not any(token in said for token in TEMPLATE_TOKENS)
    assert said.replace(" ", "") == (before + token + after).replace(" ", "")


def test_text_is_shown_as_soon_as_it_cannot_become_a_token() -> None:
    answer = AnswerText(TEMPLATE_TOKENS)
    assert [answer.push(piece) for piece in ("a <", "b", " ", "c")] == ["a", " <b", "", " c"]


@pytest.mark.parametrize(("blanks", "ended"), [(MOST_BLANKS, False), (MOST_BLANKS + 1, True)])
def test_so_much_white_space_in_a_row_ends_an_answer(blanks: int, ended: bool) -> None:
    answer = AnswerText(())
    assert answer.push("Hello" + "\n" * blanks) == "Hello"
    assert answer.ended == ended
    assert answer.push("more") == ("" if ended else "\n" * blanks + "more")
