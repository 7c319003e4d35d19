import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestrator_client.dialogue.messages import (
    Message,
    OpaqueBlock,
    TextBlock,
    ToolResultBlock,
    ToolUseBlock,
    assistant,
    user,
)

JSON_OBJECTS = st.dictionaries(
    st.text(max_size=8),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)
BLOCKS = st.one_of(
    st.builds(TextBlock, text=st.text()),
    st.builds(ToolUseBlock, id=st.text(), name=st.text(), input=JSON_OBJECTS),
    st.builds(
        ToolResultBlock,
        tool_use_id=st.text(),
        content=st.text(),
        structured=st.none() | JSON_OBJECTS,
        is_error=st.booleans(),
    ),
    st.builds(OpaqueBlock, provider=st.text(), data=JSON_OBJECTS),
)
MESSAGES = st.builds(
    Message, role=st.sampled_from(["user", "assistant"]), blocks=st.lists(BLOCKS, max_size=4).map(tuple)
)


@given(MESSAGES)
def test_every_message_survives_its_storage(message: Message) -> None:
    assert Message.model_validate_json(message.model_dump_json()) == message


def test_a_message_tells_its_text_its_calls_and_its_results_apart() -> None:
    use = ToolUseBlock(id="1", name="get_machines", input={})
    result = ToolResultBlock(tool_use_id="1", content="[]")
    memory = OpaqueBlock(provider="guided", data={"text": "not shown"})
    message = Message(role="assistant", blocks=(TextBlock(text="One"), memory, use, TextBlock(text="two"), result))
    assert message.text == "One\ntwo"
    assert message.tool_uses == (use,)
    assert message.tool_results == (result,)


def test_user_and_assistant_make_messages_of_one_text() -> None:
    assert (user("Hi").role, user("Hi").text) == ("user", "Hi")
    assert (assistant("Hi").role, assistant("Hi").text) == ("assistant", "Hi")


def test_a_message_refuses_what_is_no_block_without_repeating_it() -> None:
    with pytest.raises(ValidationError) as raised:
        Message.model_validate({"role": "user", "blocks": [{"type": "text", "text": "hi", "secret": "torque 42"}]})
    assert "torque 42" not in str(raised.value)
