import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator_client.models.messages_api.fenced_calls import FenceHold, fenced_call, forced_call

OFFERED = frozenset({"create_plan"})
ARGUMENTS = {"part": "BRK-204", "note": "``` is a fence\nhere too"}


def fenced(call: object, *, opening: str = "```json\n", closing: str = "\n```") -> str:
    return f"{opening}{json.dumps(call)}{closing}"


@pytest.mark.parametrize("name", ["name", "tool", "tool_name", "function"])
@pytest.mark.parametrize("key", ["arguments", "input", "parameters", "args"])
def test_one_fenced_block_that_names_an_offered_tool_is_a_call(name: str, key: str) -> None:
    call = fenced_call(fenced({name: "create_plan", key: ARGUMENTS}), OFFERED)
    assert call is not None
    assert (call.name, call.input) == ("create_plan", ARGUMENTS)


def test_arguments_as_a_json_string_and_the_shape_of_the_openai_api_are_understood() -> None:
    function = {"name": "create_plan", "arguments": json.dumps(ARGUMENTS)}
    call = fenced_call(fenced({"type": "function", "function": function}), OFFERED)
    assert call is not None
    assert call.input == ARGUMENTS


@pytest.mark.parametrize(
    "text",
    [
        fenced({"name": "create_plan", "arguments": {}}, opening="\n\n```json\n", closing="\n```\n\n"),
        fenced({"name": "create_plan", "arguments": {}}, opening="```json ", closing="```"),
        fenced({"type": "function", "name": "create_plan", "arguments": {}}),
    ],
)
def test_white_space_around_a_block_and_more_keys_in_it_do_not_matter(text: str) -> None:
    assert fenced_call(text, OFFERED) is not None


def test_every_call_gets_an_id_of_its_own() -> None:
    text = fenced({"name": "create_plan", "arguments": {}})
    first, second = fenced_call(text, OFFERED), fenced_call(text, OFFERED)
    assert first is not None
    assert second is not None
    assert first.id != second.id


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I would call create_plan.",
        fenced({"name": "create_plan", "arguments": {}}) + "\nDone.",
        "Sure:\n" + fenced({"name": "create_plan", "arguments": {}}),
        fenced({"name": "create_plan", "arguments": {}}) + "\n" + fenced({"name": "create_plan", "arguments": {}}),
        fenced({"name": "create_plan", "arguments": {}}, opening="```python\n"),
        fenced({"name": "create_plan", "arguments": {}}, closing=""),
        fenced({"name": "drop_plan", "arguments": {}}),
        fenced({"name": ["create_plan"], "arguments": {}}),
        fenced({"name": "create_plan"}),
        fenced({"name": "create_plan", "arguments": "[1]"}),
        fenced({"name": "create_plan", "tool": "create_plan", "arguments": {}}),
        fenced({"function": {"name": "drop_plan", "arguments": {}}}),
        fenced({"name": "create_plan", "arguments": {}, "input": {}}),
        fenced([ARGUMENTS]),
        '```json\n{"name": "create_plan", "arguments": {"x": NaN}}\n```',
        '```json\n{"name": "create_plan", "arguments": {"x": 1}\n```',
    ],
)
def test_anything_else_is_text(text: str) -> None:
    assert fenced_call(text, OFFERED) is None


WRITTEN = json.dumps({"tool": "create_plan", "arguments": ARGUMENTS})


@pytest.mark.parametrize(
    "text",
    [
        f"I call `create_plan` for you.\n```json\n{WRITTEN}\n```",
        f"Sure: ```\n{WRITTEN}\n```",
        f"\n{WRITTEN}\n",
    ],
)
def test_a_forced_call_may_follow_a_sentence_or_stand_without_a_fence(text: str) -> None:
    call = forced_call(text, "create_plan")
    assert call is not None
    assert call.input == ARGUMENTS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "create_plan",
        f"I call it: {WRITTEN}",
        f"```json\n{WRITTEN}\n```\nDone.",
        f"```json\n{WRITTEN}\n```\n```json\n{WRITTEN}\n```",
        "Sure.\n```json\n" + WRITTEN.replace("create_plan", "drop_plan") + "\n```",
        "Sure.\n```json\n" + WRITTEN[:-2] + "\n```",
    ],
)
def test_a_forced_call_must_be_one_valid_block_that_names_the_tool(text: str) -> None:
    assert forced_call(text, "create_plan") is None


def cut(text: str, places: list[int]) -> list[str]:
    ends = [*sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@given(st.lists(st.integers(min_value=0, max_value=200), max_size=8), st.dictionaries(st.text(), st.text(), max_size=3))
def test_nothing_of_a_call_is_shown_however_it_is_cut_into_pieces(places: list[int], arguments: dict[str, str]) -> None:
    text = fenced({"name": "create_plan", "arguments": arguments}, opening="\n```json\n", closing="\n```\n")
    hold = FenceHold(OFFERED)
    assert {hold.push(piece) for piece in cut(text, places)} == {""}
    assert hold.holding


@given(st.lists(st.integers(min_value=0, max_value=200), max_size=8), st.text(alphabet="`json{} \nab", max_size=40))
def test_other_text_is_shown_whole_and_in_order(places: list[int], text: str) -> None:
    hold = FenceHold(OFFERED)
    shown = [hold.push(piece) for piece in cut(text, places)]
    assert "".join(shown) + hold.release() == text


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        (["Hel", "lo"], ["Hel", "lo"]),
        (["`", "a` is the id"], ["", "`a` is the id"]),
        (["```", "sql\n"], ["", "```sql\n"]),
        (["```json\n", "[1, 2]"], ["", "```json\n[1, 2]"]),
        (['```json\n{"a": 1}\n```', "\nThat is it."], ["", '```json\n{"a": 1}\n```\nThat is it.']),
    ],
)
def test_text_is_shown_as_soon_as_it_can_not_become_a_call(pieces: list[str], shown: list[str]) -> None:
    hold = FenceHold(OFFERED)
    assert [hold.push(piece) for piece in pieces] == shown
    assert not hold.holding


def test_where_a_tool_is_forced_all_text_is_held_back() -> None:
    hold = FenceHold(OFFERED, forced=True)
    assert [hold.push(piece) for piece in ("Sure", "ly:\n", "```json")] == ["", "", ""]
    assert hold.release() == "Surely:\n```json"


def test_without_tools_nothing_is_held_back() -> None:
    assert FenceHold(frozenset()).push("```json\n{") == "```json\n{"
