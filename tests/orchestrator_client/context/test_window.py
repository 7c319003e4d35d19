from hypothesis import given
from hypothesis import strategies as st

from orchestrator_client.context.window import turns_of, window
from orchestrator_client.dialogue.messages import Message, ToolResultBlock, ToolUseBlock, assistant, user


@st.composite
def conversations(draw: st.DrawFn) -> list[Message]:
    """Turns as the log holds them: the context, then messages of the person, each with calls and an answer."""
    messages = [user("context")]
    for turn in range(draw(st.integers(min_value=1, max_value=8))):
        messages.append(user(f"message {turn}"))
        for step in range(draw(st.integers(min_value=0, max_value=3))):
            use = ToolUseBlock(id=f"{turn}.{step}", name="get_machines", input={})
            messages.append(Message(role="assistant", blocks=(use,)))
            messages.append(Message(role="user", blocks=(ToolResultBlock(tool_use_id=use.id, content="[]"),)))
        if draw(st.booleans()):
            messages.append(assistant(f"answer {turn}"))
    return messages


SIZES = st.integers(min_value=1, max_value=10)


@given(conversations(), SIZES)
def test_a_tool_call_is_never_parted_from_its_result(messages: list[Message], most_turns: int) -> None:
    kept = window(messages, most_turns=most_turns)
    uses = [use.id for message in kept for use in message.tool_uses]
    results = [result.tool_use_id for message in kept for result in message.tool_results]
    assert uses == results


@given(conversations(), SIZES)
def test_the_first_turn_and_the_newest_ones_are_kept_in_order(messages: list[Message], most_turns: int) -> None:
    turns = turns_of(messages)
    kept = window(messages, most_turns=most_turns)
    assert kept[: len(turns[0])] == tuple(turns[0])
    assert (
        turns_of(kept)
        == ([turns[0], *turns[-(most_turns - 1) :]] if 1 < most_turns < len(turns) else turns)[: max(most_turns, 1)]
    )


@given(conversations())
def test_the_turns_are_the_conversation(messages: list[Message]) -> None:
    turns = turns_of(messages)
    assert [message for turn in turns for message in turn] == messages
    assert all(turn[0].role == "user" and not turn[0].tool_results for turn in turns)


@given(conversations(), SIZES)
def test_there_are_never_more_turns_than_asked_for(messages: list[Message], most_turns: int) -> None:
    assert len(turns_of(window(messages, most_turns=most_turns))) <= most_turns


def test_a_short_history_is_kept_whole() -> None:
    messages = (user("context"), user("a leak"), assistant("Where?"), user("LT-131"))
    assert window(messages, most_turns=2) == messages


def test_the_context_and_the_message_that_opened_the_task_are_one_turn() -> None:
    messages = [user("context"), user("a leak"), assistant("Where?"), user("LT-131"), assistant("Since when?")]
    assert turns_of(messages) == [messages[:3], messages[3:]]


def test_messages_that_got_no_answer_stay_together_with_the_next() -> None:
    messages = [user("context"), user("a leak"), user("a leak"), assistant("Where?")]
    assert turns_of(messages) == [messages]
