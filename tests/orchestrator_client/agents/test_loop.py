from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import anyio
import pytest

from orchestrator_client.agents.loop import AgentRun, AgentTurn, GaveUp, idempotency_key
from orchestrator_client.agents.registry import Agent, Limits
from orchestrator_client.dialogue.completion import MARKER, Verdict
from orchestrator_client.dialogue.messages import Message, TextBlock, ToolResultBlock, ToolUseBlock, assistant, user
from orchestrator_client.errors import ModelUnavailable
from orchestrator_client.events import TextPiece, TextWithdrawn, ToolFinished, ToolStarted, TurnEvent
from orchestrator_client.models.protocol import AgentBrief, Goal, ToolSpec
from orchestrator_client.models.scripted import ScriptedModel, Step, call, fail, reply
from orchestrator_client.tools.connection import Target, ToolConnection
from orchestrator_client.tools.executor import ToolExecutor
from tests.support.plants import Plant, gate

pytestmark = pytest.mark.anyio

LIMIT_S = 30.0
AGENT = Agent(
    key="issues",
    title="Issues",
    kind="task",
    description="Reports problems.",
    examples=(),
    prompt="Report problems.",
    tools=("get_machines", "hold", "refuse", "unannotated"),
    goals=(Goal("log_issue"),),
)
TALKER = replace(AGENT, kind="conversation", goals=(), tools=())
DONE = f"Stored as I-1.\n{MARKER}"
SAID = [user("Today is 2026-11-22."), user("The press leaks")]


@dataclass
class Desk:
    """A run and what came of it. `seen_effects` is how many effects there were when each message was remembered."""

    run: AgentRun
    model: ScriptedModel
    remembered: list[Message]
    seen_effects: list[int]
    events: list[TurnEvent]

    @property
    def shown(self) -> str:
        """What stands on the screen in the end."""
        pieces: list[str] = []
        for event in self.events:
            match event:
                case TextPiece(text):
                    pieces.append(text)
                case TextWithdrawn():
                    pieces.clear()
                case _:
                    pass
        return "".join(pieces)

    @property
    def results(self) -> list[ToolResultBlock]:
        return [result for message in self.remembered for result in message.tool_results]

    async def answer(self, history: Sequence[Message] = SAID) -> AgentTurn:
        with anyio.fail_after(LIMIT_S):
            return await self.run.answer(history)


@asynccontextmanager
async def desk(plant: Plant | None, steps: Sequence[Step], agent: Agent = AGENT) -> AsyncGenerator[Desk]:
    """Without a plant there is no tool server, which saves its start where no tool is called."""
    target = plant.target if plant else Target(command=("no-such-program-here",))
    async with ToolConnection(target) as connection, ScriptedModel(steps) as model:
        offered = await connection.list_tools() if plant else ()
        remembered: list[Message] = []
        seen_effects: list[int] = []
        events: list[TurnEvent] = []

        async def remember(message: Message) -> None:
            remembered.append(message)
            seen_effects.append(len(plant.effects) if plant else 0)

        run = AgentRun(
            agent=agent,
            brief=AgentBrief(agent.key, agent.title, agent.goals, "The press leaks", {}),
            system="Report problems.",
            tools=tuple(ToolSpec(tool.name, "", tool.input_schema, read_only=tool.read_only) for tool in offered),
            repeatable=frozenset(tool.name for tool in offered if tool.read_only or tool.keyed),
            model=model,
            executor=ToolExecutor(connection),
            session_id="s1",
            task_id="t1",
            remember=remember,
            tell=events.append,
        )
        yield Desk(run, model, remembered, seen_effects, events)


def log_issue(note: str = "leak", *, number: int = 1) -> ToolUseBlock:
    return ToolUseBlock(id=f"use-{number}", name="log_issue", input={"note": note})


def asks_for(*uses: ToolUseBlock, text: str = "") -> Message:
    return Message(role="assistant", blocks=(*([TextBlock(text=text)] if text else []), *uses))


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
    assert at.model.requests[1].messages == (*SAID, *at.remembered[:2])


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


async def test_an_agent_that_comes_to_no_end_is_stopped(plant: Plant) -> None:
    agent = replace(AGENT, limits=Limits(model_calls=3))
    steps = [call("get_machines", {"limit": number}) for number in (1, 2, 3)]
    async with desk(plant, steps, agent) as at:
        with pytest.raises(GaveUp, match="within 3 steps"):
            await at.answer()


async def test_a_message_with_too_many_calls_is_stopped_before_the_first_of_them(plant: Plant) -> None:
    uses = [log_issue(f"leak {number}", number=number) for number in range(3)]
    async with desk(plant, [reply(calls=uses)], replace(AGENT, limits=Limits(tool_calls=2))) as at:
        with pytest.raises(GaveUp, match="more than 2 tool calls"):
            await at.answer()
    assert plant.effects == []


async def test_an_identical_call_is_answered_from_the_record_and_not_made_again(plant: Plant) -> None:
    steps = [call("log_issue", {"note": "leak"}), call("log_issue", {"note": "leak"}), reply(DONE)]
    async with desk(plant, steps) as at:
        assert (await at.answer()).verdict is Verdict.COMPLETED
    assert len(plant.effects) == 1
    first, second = at.results
    assert (
        second.content
        == f"You made this identical call before; this is its answer again. Do not repeat it.\n{first.content}"
    )
    assert second.tool_use_id != first.tool_use_id
    assert sum(isinstance(event, ToolStarted) for event in at.events) == 1


async def test_an_agent_that_keeps_repeating_itself_is_stopped(plant: Plant) -> None:
    async with desk(plant, [call("get_machines", {})] * 5) as at:
        with pytest.raises(GaveUp, match=r"kept making the same call \(get_machines\)"):
            await at.answer()
    assert sum(isinstance(event, ToolStarted) for event in at.events) == 1


async def test_the_same_write_twice_in_one_message_takes_effect_once(plant: Plant) -> None:
    async with desk(plant, [reply(calls=[log_issue(number=1), log_issue(number=2)]), reply(DONE)]) as at:
        await at.answer()
    assert len(plant.effects) == 1
    assert [result.tool_use_id for result in at.results] == ["use-1", "use-2"]


async def test_after_a_write_a_read_is_made_again(plant: Plant) -> None:
    steps = [call("get_machines", {}), call("log_issue", {"note": "leak"}), call("get_machines", {}), reply(DONE)]
    async with desk(plant, steps) as at:
        await at.answer()
    assert [event.tool for event in at.events if isinstance(event, ToolStarted)] == [
        "get_machines",
        "log_issue",
        "get_machines",
    ]


async def test_reads_of_one_message_run_at_the_same_time(plant: Plant) -> None:
    async with gate() as (port, arrivals):
        uses = [ToolUseBlock(id=f"use-{number}", name="hold", input={"port": port}) for number in (1, 2)]
        async with desk(plant, [reply(calls=uses), reply("Both are there.")]) as at, anyio.create_task_group() as tasks:
            tasks.start_soon(at.answer)
            with anyio.fail_after(LIMIT_S):
                first, second = [await arrivals.receive() for _ in uses]
                await second.send(b"go")
                await first.send(b"go")
    assert [result.tool_use_id for result in at.results] == ["use-1", "use-2"]


async def test_writes_of_one_message_run_in_their_order(plant: Plant) -> None:
    uses = [log_issue("first", number=1), log_issue("second", number=2)]
    async with desk(plant, [reply(calls=uses), reply(DONE)]) as at:
        await at.answer()
    assert [line.partition(" ")[2] for line in plant.effects] == ["first", "second"]


async def test_a_call_that_a_crash_left_without_answer_is_made_again_under_its_key(plant: Plant) -> None:
    history = [*SAID, asks_for(log_issue())]
    async with desk(plant, [reply(DONE)]) as at:
        key = idempotency_key("s1", "t1", "use-1")
        await at.run.executor.run(log_issue(), allowed=frozenset({"log_issue"}), idempotency_key=key)
        turn = await at.answer(history)
    assert turn.verdict is Verdict.COMPLETED
    assert plant.effects == [f"{key} leak"]
    assert [event.replayed for event in at.events if isinstance(event, ToolFinished)] == [True]
    assert at.model.requests[0].messages[-1].tool_results[0].tool_use_id == "use-1"


async def test_a_write_that_must_not_be_repeated_is_reported_as_unknown_after_a_crash(plant: Plant) -> None:
    history = [*SAID, asks_for(ToolUseBlock(id="use-1", name="unannotated", input={}))]
    async with desk(plant, [reply("I cannot tell whether it was done.")]) as at:
        await at.answer(history)
    (result,) = at.results
    assert result.is_error
    assert '"code":"outcome_unknown"' in result.content
    assert not any(isinstance(event, ToolStarted) for event in at.events)


async def test_a_last_word_that_a_crash_cut_off_is_told_again_and_the_model_is_not_asked() -> None:
    async with desk(None, []) as at:
        turn = await at.answer([*SAID, assistant("Which machine?")])
    assert (turn.verdict, at.shown, at.remembered) == (Verdict.WAITING, "Which machine?", [])


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


async def test_a_call_in_an_answer_that_was_cut_off_is_not_made(plant: Plant) -> None:
    async with desk(plant, [reply(calls=[log_issue()], stop_reason="max_tokens")]) as at:
        with pytest.raises(GaveUp):
            await at.answer()
    assert plant.effects == []


async def test_a_paused_model_is_asked_to_go_on() -> None:
    async with desk(None, [reply("Looking", stop_reason="pause"), reply("Which machine?")]) as at:
        turn = await at.answer()
    assert turn.text == "Which machine?"
    assert at.model.requests[1].messages[-1] == assistant("Looking")


async def test_a_tool_the_agent_may_not_call_is_refused_and_the_agent_told(plant: Plant) -> None:
    async with desk(plant, [call("busy", {"failures": 0}), reply("I cannot do that.")]) as at:
        await at.answer()
    assert '"code":"tool_not_allowed"' in at.results[0].content
    assert plant.lines("busy") == []


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
