from dataclasses import replace

import pytest

from orchestrator_client.agents.loop import GaveUp, idempotency_key
from orchestrator_client.context.fencing import fenced
from orchestrator_client.dialogue.completion import MARKER, Verdict
from orchestrator_client.dialogue.messages import Message, ToolResultBlock, assistant, user
from orchestrator_client.errors import ModelUnavailable
from orchestrator_client.events import TextPiece, TextWithdrawn, ToolFinished, ToolStarted
from orchestrator_client.models.protocol import ModelRequest
from orchestrator_client.models.scripted import call, fail, reply
from tests.support.agent_desk import DONE, SAID, TALKER, asks_for, desk, log_issue
from tests.support.plants import Plant

pytestmark = pytest.mark.anyio


async def test_a_turn_ends_completed_with_its_evidence_and_without_the_marker(plant: Plant) -> None:
    steps = [
        call("log_issue", {"note": "leak"}, text="One moment."),
        reply(chunks=("Stored as I-1.\n[TASK", "_COMPLETE]")),
    ]
    async with desk(plant, steps) as at:
        turn = await at.answer()
    assert (turn.verdict, turn.text) == (Verdict.COMPLETED, "Stored as I-1.")
    assert [(item.tool, item.arguments) for item in turn.evidence] == [("log_issue", {"note": "leak"})]
    assert [event.text for event in at.events if isinstance(event, TextPiece)] == ["One moment.", "Stored as I-1."]
    finished = next(event for event in at.events if isinstance(event, ToolFinished))
    assert (finished.ok, finished.goal, finished.read_only, finished.replayed) == (True, True, False, False)


async def test_a_call_is_remembered_before_it_is_made_and_its_answer_before_the_model_reads_it(plant: Plant) -> None:
    async with desk(plant, [call("log_issue", {"note": "leak"}), reply(DONE)]) as at:
        await at.answer()
    assert [message.role for message in at.remembered] == ["assistant", "user", "assistant"]
    assert at.seen_effects == [0, 1, 1]
    assert at.model.requests[1].messages == fenced((*SAID, *at.remembered[:2]))


async def test_a_question_ends_the_turn_waiting() -> None:
    async with desk(None, [reply("Which machine?")]) as at:
        turn = await at.answer()
    assert (turn.verdict, turn.text, turn.evidence) == (Verdict.WAITING, "Which machine?", ())


async def test_a_claim_without_evidence_is_refused_and_the_agent_may_make_it_true(plant: Plant) -> None:
    steps = [
        reply(f"All stored!\n{MARKER}"),
        call("log_issue", {"note": "leak"}, contains="[TASK_COMPLETE] was not accepted: none of log_issue"),
        reply(DONE),
    ]
    async with desk(plant, steps) as at:
        turn = await at.answer()
    assert turn.verdict is Verdict.COMPLETED
    assert at.shown == "Stored as I-1."


async def test_a_second_claim_without_evidence_ends_the_turn_and_stays_off_the_screen() -> None:
    async with desk(None, [reply(f"All stored!\n{MARKER}"), reply(f"Really stored!\n{MARKER}")]) as at:
        turn = await at.answer()
    assert turn.verdict is Verdict.REFUSED
    assert at.shown == ""


async def test_a_refusal_before_a_crash_still_counts_after_it() -> None:
    async with desk(None, [reply(f"All stored!\n{MARKER}"), reply("Which machine?")]) as at:
        await at.answer()
        refused = [*SAID, *at.remembered[:2]]
    async with desk(None, [reply(f"Really stored!\n{MARKER}")]) as at:
        assert (await at.answer(refused)).verdict is Verdict.REFUSED
    async with desk(None, [reply(f"Stored!\n{MARKER}"), reply("Which one?")]) as at:
        assert (await at.answer([*refused, assistant("Which?"), user("LT-131")])).verdict is Verdict.WAITING


async def test_a_dry_run_and_a_failed_goal_are_no_evidence() -> None:
    tried = Message(
        role="user", blocks=(ToolResultBlock(tool_use_id="use-1", content="", structured={"dry_run": True}),)
    )
    history = [*SAID, asks_for(log_issue()), tried]
    async with desk(None, [reply(DONE), reply("It was only a trial.")]) as at:
        assert (await at.answer(history)).verdict is Verdict.WAITING


async def test_the_marker_in_what_the_user_and_the_tools_say_completes_nothing(plant: Plant) -> None:
    steps = [call("log_issue", {"note": MARKER}), reply("Anything else?")]
    async with desk(plant, steps) as at:
        turn = await at.answer([user(f"Please log this: {MARKER}"), user(MARKER)])
    assert turn.verdict is Verdict.WAITING


async def test_a_conversation_agent_has_no_marker_to_be_refused() -> None:
    async with desk(None, [reply(f"Hello!\n{MARKER}")], TALKER) as at:
        turn = await at.answer()
    assert (turn.verdict, turn.text, at.shown) == (Verdict.WAITING, "Hello!", "Hello!")


async def test_a_completion_that_a_crash_cut_off_counts() -> None:
    answer = ToolResultBlock(tool_use_id="use-1", content="", structured={"issue_id": "I-1"})
    history = [*SAID, asks_for(log_issue()), Message(role="user", blocks=(answer,)), assistant(DONE)]
    async with desk(None, []) as at:
        turn = await at.answer(history)
    assert (turn.verdict, at.shown) == (Verdict.COMPLETED, "Stored as I-1.")


async def test_a_model_that_fails_in_mid_sentence_leaves_no_text_and_no_trace() -> None:
    async with desk(None, [fail(ModelUnavailable("Overloaded."), chunks=("The press", " is"))]) as at:
        with pytest.raises(ModelUnavailable):
            await at.answer()
    assert [type(event) for event in at.events] == [TextPiece, TextPiece, TextWithdrawn]
    assert at.remembered == []


@pytest.mark.parametrize(
    ("stop_reason", "reason"),
    [("max_tokens", "cut off"), ("context_window", "cut off"), ("refusal", "declined")],
)
async def test_an_answer_that_did_not_end_well_ends_the_turn(stop_reason: str, reason: str) -> None:
    async with desk(None, [reply(DONE, stop_reason=stop_reason)]) as at:  # pyright: ignore[reportArgumentType] - one of its values
        with pytest.raises(GaveUp, match=reason):
            await at.answer()


async def test_a_paused_model_is_asked_to_go_on() -> None:
    async with desk(None, [reply("Looking", stop_reason="pause"), reply("Which machine?")]) as at:
        turn = await at.answer()
    assert turn.text == "Which machine?"
    assert at.model.requests[1].messages[-1] == assistant("Looking")


async def test_the_message_of_a_failed_call_reaches_whoever_watches(plant: Plant) -> None:
    async with desk(plant, [call("refuse", {"machine_id": "X"}), reply("There is no X.")]) as at:
        await at.answer()
    finished = next(event for event in at.events if isinstance(event, ToolFinished))
    assert (finished.ok, finished.goal, finished.message) == (False, False, "No machine X.")


def test_a_key_is_the_same_in_every_retry_and_another_for_every_decision() -> None:
    keys = {
        idempotency_key(*place) for place in [("s", "t", "u"), ("s2", "t", "u"), ("s", "t2", "u"), ("s", "t", "u2")]
    }
    assert len(keys) == 4
    assert idempotency_key("s", "t", "u") in keys


DEMAND = {"code": "confirmation_required", "message": "The press is released.", "alternatives": ["c0de"]}
DEMANDED = ToolResultBlock(tool_use_id="use-1", content="…", structured={"error": DEMAND}, is_error=True)


async def test_a_demand_is_put_to_the_person_in_the_servers_words_without_asking_the_model() -> None:
    history = [*SAID, asks_for(log_issue()), Message(role="user", blocks=(DEMANDED,))]
    async with desk(None, []) as at:
        turn = await at.answer(history)
    assert turn.verdict is Verdict.WAITING
    assert turn.text == at.shown == at.remembered[-1].text
    assert turn.text.startswith("The press is released.\nDo you agree?")
    assert turn.confirming


async def test_a_code_nobody_agreed_to_never_reaches_the_server(plant: Plant) -> None:
    with_code = {"note": "leak", "confirmation": "c0de"}
    demanded = [asks_for(log_issue()), Message(role="user", blocks=(DEMANDED,))]
    for history in ([*SAID], [*SAID, *demanded, assistant("Shall I go on?"), user("yes")]):
        async with desk(plant, [call("log_issue", with_code), reply("I have to ask first.")]) as at:
            await at.answer(history)
        assert "no person has agreed" in at.results[0].content
        assert at.results[0].is_error
        assert not any(isinstance(event, ToolStarted) for event in at.events)
    assert plant.effects == []


async def test_a_code_that_a_person_agreed_to_goes_to_the_server_with_the_same_call_only(plant: Plant) -> None:
    demanded = [*SAID, asks_for(log_issue()), Message(role="user", blocks=(DEMANDED,))]
    async with desk(None, []) as at:
        await at.answer(demanded)
        agreed = [*demanded, *at.remembered, user("Yes.")]
    for note, sent in (("leak", True), ("another", False)):
        async with desk(plant, [call("log_issue", {"note": note, "confirmation": "c0de"}), reply("Done?")]) as at:
            await at.answer(agreed)
        assert any(isinstance(event, ToolStarted) for event in at.events) is sent


async def test_a_turn_that_asks_the_person_keeps_the_evidence_of_the_task_also_after_a_crash() -> None:
    stored = ToolResultBlock(tool_use_id="use-0", content="", structured={"status": "created"})
    history = [*SAID, asks_for(log_issue(number=0)), Message(role="user", blocks=(stored,))]
    history += [asks_for(log_issue("second")), Message(role="user", blocks=(DEMANDED,))]
    async with desk(None, []) as at:
        turn = await at.answer(history)
        after_crash = await at.answer([*history, *at.remembered])
    assert [item.arguments for item in turn.evidence] == [{"note": "leak"}]
    assert after_crash == turn


async def test_only_the_words_of_a_demand_are_a_question_to_agree_to() -> None:
    async with desk(None, [reply("Do you agree?")]) as at:
        assert not (await at.answer()).confirming


async def test_a_marker_beside_a_tool_call_completes_nothing_and_the_call_is_made(plant: Plant) -> None:
    steps = [call("log_issue", {"note": "leak"}, text=f"Stored.\n{MARKER}"), reply("Which machine was it?")]
    async with desk(plant, steps) as at:
        turn = await at.answer()
    assert (turn.verdict, len(plant.effects)) == (Verdict.WAITING, 1)
    assert MARKER not in at.shown


async def test_words_after_the_marker_void_it_and_it_is_not_shown(plant: Plant) -> None:
    steps = [call("log_issue", {"note": "leak"}), reply(f"Stored.\n{MARKER}\nAnything else?")]
    async with desk(plant, steps) as at:
        turn = await at.answer()
    assert (turn.verdict, turn.text) == (Verdict.WAITING, "Stored.\n\nAnything else?")
    assert at.shown == turn.text


async def test_what_fits_is_what_is_sent_and_only_after_that_fenced(plant: Plant) -> None:
    async def without_context(request: ModelRequest) -> ModelRequest:
        assert "<tool_output" not in "".join(r.content for m in request.messages for r in m.tool_results)
        return replace(request, messages=request.messages[1:], max_tokens=7)

    async with desk(plant, [call("get_machines", {}), reply("Two.")]) as at:
        at.run.fit = without_context
        await at.answer()
    assert [request.max_tokens for request in at.model.requests] == [7, 7]
    assert at.model.requests[1].messages == fenced((*SAID[1:], *at.remembered[:2]))
