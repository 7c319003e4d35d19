import sqlite3
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from orchestrator_client.agents.registry import AgentRegistry, Limits, load_agents
from orchestrator_client.dialogue.messages import Message
from orchestrator_client.dialogue.messages import assistant as said_by_agent
from orchestrator_client.dialogue.state import Request, SessionState, SoFar, TaskState
from orchestrator_client.errors import ModelUnavailable, SessionConflict
from orchestrator_client.events import AgentChosen, Note, TextPiece, TurnEvent
from orchestrator_client.models.guided import GuidedModel
from orchestrator_client.models.protocol import ModelReply, ModelRequest, RouteBrief, StreamEvent, TextDelta
from orchestrator_client.models.scripted import ScriptedModel, Step, call, fail, reply, route
from orchestrator_client.models.tokenless import Tokenless
from orchestrator_client.orchestrator import Turn
from tests.support.assistant import NOWHERE, Assistant, assistant, is_valid, rows, seeded
from tests.support.plants import Plant
from tests.support.sample_plant import report, sample_plant
from tests.support.turn_process import POINTS, SCRIPT, Point

pytestmark = pytest.mark.anyio

REPOSITORY = Path(__file__).parents[2]
DONE = "It is reported.\n[TASK_COMPLETE]"
HELLO = [route("general"), reply("Hello.")]
LEAK = "There is a burr on the seal groove"
REPORTED = "SELECT id FROM issues WHERE title LIKE 'Burr on the seal groove%'"

# What a person answers to the guided model, after "Create a quality plan for Project Alpha, production".
PLAN_ANSWERS = (
    "FC57 housing",
    "HSG-FC57",
    "SP-001",
    "MC-103",
    "fixed",
    "5",
    "every 2 hours",
    "spc_chart",
    "stop and sort",
    "Shift lead",
)


@pytest.fixture
async def plant(tmp_path: Path) -> Path:
    """A data folder with the sample plant."""
    await seeded(tmp_path)
    return tmp_path


@dataclass
class Echo(Tokenless):
    """Answers with everything it was shown; gives way often, and counts who is inside at once.

    The message `two` is held until `release` is set.
    """

    name: str = "echo"
    release: anyio.Event | None = None
    inside: int = 0
    most_inside: int = 0
    heard: list[str] = field(default_factory=list[str])

    async def stream(self, request: ModelRequest) -> AsyncGenerator[StreamEvent]:
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        if self.release is not None and request.messages[-1].text == "two":
            await self.release.wait()
        for _ in range(10):
            await checkpoint()
        if isinstance(request.brief, RouteBrief):
            self.inside -= 1
            yield ModelReply(said_by_agent("general"), "end_turn", self.name)
            return
        self.heard.append(request.messages[-1].text)
        self.inside -= 1
        text = " | ".join([request.system[-200:], *(message.text for message in request.messages)])
        yield TextDelta(text)
        yield ModelReply(said_by_agent(text), "end_turn", self.name)


def limited(key: str, **limits: int) -> AgentRegistry:
    agents = load_agents().agents
    return AgentRegistry({**agents, key: replace(agents[key], limits=Limits(**limits))})


def texts(messages: Sequence[Message]) -> str:
    return "\n".join(message.text for message in messages)


async def talk(at: Assistant, *messages: str) -> Turn:
    """Say one thing after the other; returns the last turn."""
    turns = [await at.say(message) for message in messages]
    return turns[-1]


# Whole turns


async def test_a_plan_is_made_without_any_model_and_the_next_steps_are_offered(plant: Path) -> None:
    async with assistant(plant, GuidedModel()) as at:
        opened = await at.say("Create a quality plan for Project Alpha, production")
        assert (opened.agent, opened.outcome, opened.mode) == ("quality_planning", "waiting", "task_active")
        assert opened.reply.startswith("Title: ")
        summary = await talk(at, *PLAN_ANSWERS, "no")
        assert "would accept it. Nothing is stored yet." in summary.reply
        assert rows(plant, "SELECT count(*) FROM quality_plans WHERE id LIKE 'QP-%'") == [(0,)]
        done = await at.say("yes")
        assert (done.outcome, done.mode) == ("completed", "orchestrator")
        assert done.reply.startswith("Created: QP-")
        assert done.suggestions[0] == "Show the quality plans of ALPHA"
        assert rows(plant, "SELECT project, title FROM quality_plans WHERE id LIKE 'QP-%'") == [
            ("ALPHA", "FC57 housing")
        ]
        state = await at.store.state("s1")
        assert (state.project, state.task, state.suggestions) == ("ALPHA", None, done.suggestions)
        assert is_valid(await at.history())


async def test_a_turn_reports_its_reply_its_calls_and_its_events(plant: Path) -> None:
    async with ScriptedModel(SCRIPT) as model, assistant(plant, model) as at:
        turn = await at.say(LEAK)
    assert (turn.agent, turn.outcome, turn.mode, turn.repeated) == (
        "issue_tracking",
        "completed",
        "orchestrator",
        False,
    )
    assert turn.reply == "It is reported."
    assert [(tool.tool, tool.ok) for tool in turn.tool_calls] == [("log_issue", True)]
    assert isinstance(at.events[0], AgentChosen)
    assert [event.text for event in at.events if isinstance(event, TextPiece)] == ["It is reported."]


async def test_in_a_task_the_agent_owns_the_next_message_and_no_router_is_asked(plant: Path) -> None:
    steps = [route("issue_tracking"), reply("Where?"), reply("Since when?", contains="create a quality plan")]
    async with ScriptedModel(steps) as model, assistant(plant, model) as at:
        turn = await talk(at, LEAK, "create a quality plan")
    assert (turn.agent, turn.outcome) == ("issue_tracking", "waiting")


async def test_a_task_sees_its_own_data_and_the_next_one_starts_afresh(plant: Path) -> None:
    plan = [route("quality_planning"), reply("Which part?")]
    async with ScriptedModel([*SCRIPT, *plan]) as model, assistant(plant, model) as at:
        await talk(at, "canary-one: a burr", "canary-two: a plan")
    issue, quality = model.requests[1], model.requests[4]
    assert texts(issue.messages).startswith("Today is 2026-11-22. Project: not chosen yet.")
    assert "canary-one" not in texts(quality.messages)
    opening = texts(quality.messages)
    assert opening.startswith("Today is 2026-11-22. Project: ALPHA.\n\n## Finished before this task")
    assert "Records: log_issue ISS-" in opening
    assert "## Machines (" in opening
    assert "## Materials (" in opening
    assert "## Specifications (" in opening
    assert "Open issues" not in opening
    assert {tool.name for tool in quality.tools} == {
        tool for tool in load_agents()["quality_planning"].allowed_tools if tool != "log_issue"
    }


async def test_the_project_that_was_set_goes_with_the_next_task_and_can_be_forgotten(plant: Path) -> None:
    steps = [route("issue_tracking"), reply("Where?"), route("issue_tracking"), reply("Where?")]
    async with ScriptedModel(steps) as model, assistant(plant, model) as at:
        await at.orchestrator.set_project("s1", "BETA")
        await at.say(LEAK)
        assert model.requests[0].messages[0].text.startswith('Project selected: "BETA".')
        assert "Project: BETA." in texts(model.requests[1].messages)
        assert "## Open issues (" in texts(model.requests[1].messages)
        await at.orchestrator.cancel("s1")
        await at.orchestrator.set_project("s1", None)
        await at.say(LEAK)
        assert "Project: not chosen yet." in texts(model.requests[3].messages)
        assert "## Open issues" not in texts(model.requests[3].messages)


async def test_small_talk_opens_no_task_and_needs_no_tool_server(tmp_path: Path) -> None:
    steps = [route("general"), reply("Hello! What can I do?"), route("general"), reply("Bye.\n[TASK_COMPLETE]")]
    async with ScriptedModel(steps) as model, assistant(tmp_path, model, target=NOWHERE) as at:
        turn = await at.say("Hello")
        assert (turn.outcome, turn.mode, turn.reply) == ("answered", "orchestrator", "Hello! What can I do?")
        assert (await at.store.state("s1")).task is None
        assert (await at.say("Bye")).reply == "Bye."
    assert "Problems on the shop floor" in model.requests[1].system


@pytest.mark.parametrize(
    "step", [route("nonsense"), reply("I would say issues"), fail(ModelUnavailable("529"), expect="route")]
)
async def test_an_answer_of_the_router_that_names_no_agent_leads_to_a_question_of_at_most_three(
    tmp_path: Path, step: Step
) -> None:
    async with ScriptedModel([step]) as model, assistant(tmp_path, model, target=NOWHERE) as at:
        turn = await at.say("the pump leaks")
    assert (turn.outcome, turn.mode) == ("choosing", "awaiting_choice")
    assert "Issue tracking" in turn.choices
    assert len(turn.choices) <= 3


# Order and repetition


async def test_a_message_sent_twice_is_answered_once(plant: Path) -> None:
    async with ScriptedModel(SCRIPT) as model, assistant(plant, model) as at:
        first = await at.say(LEAK, message_id="m1")
        again = await at.say(LEAK, message_id="m1")
    assert again == first
    assert (first.repeated, again.repeated) == (False, True)
    assert len(rows(plant, REPORTED)) == 1


async def test_a_message_sent_twice_at_the_same_time_is_answered_once(plant: Path) -> None:
    answers: list[Turn] = []

    async def send(at: Assistant) -> None:
        answers.append(await at.say(LEAK, message_id="m1"))

    async with ScriptedModel(SCRIPT) as model, assistant(plant, model) as at, anyio.create_task_group() as tasks:
        tasks.start_soon(send, at)
        tasks.start_soon(send, at)
    assert answers[0] == answers[1]
    assert sorted(answer.repeated for answer in answers) == [False, True]
    assert len(rows(plant, REPORTED)) == 1


async def test_messages_to_one_session_at_once_are_answered_one_by_one_in_their_order(tmp_path: Path) -> None:
    model = Echo()
    async with assistant(tmp_path, model, target=NOWHERE) as at:
        async with anyio.create_task_group() as tasks:
            for number in range(8):
                tasks.start_soon(at.say, f"message {number}")
        assert [turn.text for turn in await at.store.turns("s1")] == [f"message {number}" for number in range(8)]
    assert model.heard == [f"message {number}" for number in range(8)]
    assert model.most_inside == 1


async def test_a_message_that_comes_while_the_second_is_under_way_waits_for_it(tmp_path: Path) -> None:
    model = Echo(release=anyio.Event())

    async def one_then_three(at: Assistant, tasks: TaskGroup) -> None:
        await at.say("one")
        tasks.start_soon(at.say, "three")
        for _ in range(20):  # as long as another program's lock would take to be tried
            await anyio.to_thread.run_sync(str)
        assert model.release is not None
        model.release.set()

    async with assistant(tmp_path, model, target=NOWHERE, patience_s=0.0) as at:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one_then_three, at, tasks)
            tasks.start_soon(at.say, "two")
        assert [turn.text for turn in await at.store.turns("s1")] == ["one", "two", "three"]
    assert (model.heard, model.most_inside) == (["one", "two", "three"], 1)


async def test_a_waiting_message_that_is_withdrawn_lets_the_others_through(tmp_path: Path) -> None:
    model = Echo()
    async with assistant(tmp_path, model, target=NOWHERE) as at:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(at.say, "one")
            async with anyio.create_task_group() as withdrawn:
                withdrawn.start_soon(at.say, "withdrawn")
                tasks.start_soon(at.say, "two")
                await checkpoint()
                withdrawn.cancel_scope.cancel()
        assert await at.say("three")
    assert [text for text in model.heard if text != "withdrawn"] == ["one", "two", "three"]
    assert model.most_inside == 1


async def test_sessions_run_at_the_same_time_and_never_see_each_other(tmp_path: Path) -> None:
    answers: dict[str, Turn] = {}

    async def send(at: Assistant, name: str) -> None:
        await at.say(f"canary-{name}-1", session=name)
        answers[name] = await at.say(f"canary-{name}-2", session=name)

    model = Echo()
    names = [f"session{number:03d}" for number in range(50)]
    async with assistant(tmp_path, model, target=NOWHERE) as at, anyio.create_task_group() as tasks:
        for name in names:
            tasks.start_soon(send, at, name)
    for name in names:
        assert f"canary-{name}-2" in answers[name].reply
        assert not any(f"canary-{other}" in answers[name].reply for other in names if other != name)
    assert model.most_inside > 1


async def test_a_second_program_waits_for_the_session_and_then_says_so(tmp_path: Path) -> None:
    async with (
        assistant(tmp_path, Echo(), target=NOWHERE) as at,
        assistant(tmp_path, Echo(), target=NOWHERE, patience_s=0.05) as other,
    ):
        async with at.store.alone("s1"):
            with pytest.raises(SessionConflict, match="being answered in another window"):
                await other.say("hello")
            assert (await other.say("hello", session="s2")).outcome == "answered"
        assert (await other.say("hello")).outcome == "answered"


# Failures


async def test_a_model_that_fails_in_mid_sentence_leaves_nothing_of_it_and_the_task_open(plant: Path) -> None:
    steps = [
        route("issue_tracking"),
        fail(ModelUnavailable("The model is overloaded."), chunks=("All is sto",), expect="agent"),
        reply("Where?", contains=LEAK),
    ]
    async with ScriptedModel(steps) as model, assistant(plant, model) as at:
        broken = await at.say(LEAK)
        assert (broken.outcome, broken.agent, broken.mode) == ("interrupted", "issue_tracking", "task_active")
        assert broken.reply == (
            "The language model could not be used: The model is overloaded. "
            "Your task is still open; say continue to go on."
        )
        assert (await at.say(LEAK)).reply == "Where?"


async def test_a_bug_is_answered_honestly_and_the_session_goes_on(plant: Path) -> None:
    steps = [route("issue_tracking"), reply("Where?"), fail(RuntimeError("secret torque 42")), reply("Since when?")]
    async with ScriptedModel(steps) as model, assistant(plant, model) as at:
        broken = await talk(at, LEAK, "at OP20")
        assert (broken.outcome, broken.mode) == ("interrupted", "task_active")
        assert "Something went wrong inside Shopfloor." in broken.reply
        assert "secret" not in broken.reply
        assert (await at.say("at OP20")).reply == "Since when?"


async def test_a_tool_server_that_is_down_when_the_task_opens_leaves_no_task(tmp_path: Path) -> None:
    async with ScriptedModel([route("issue_tracking")]) as model, assistant(tmp_path, model, target=NOWHERE) as at:
        turn = await at.say(LEAK)
        assert (turn.outcome, turn.mode, turn.agent) == ("interrupted", "orchestrator", None)
        assert turn.reply.startswith("The tool server could not be used: ")
        assert turn.reply.endswith("No task was begun.")
        assert await at.store.log("s1") == []
        assert (await at.store.state("s1")) == SessionState()


async def test_a_tool_server_that_is_down_in_the_middle_of_a_task_loses_nothing(plant: Path) -> None:
    async with assistant(plant, GuidedModel()) as at:
        await at.say("Create a quality plan for Project Alpha, production")
    async with assistant(plant, GuidedModel(), target=NOWHERE) as at:
        turn = await at.say("FC57 housing")
        assert (turn.outcome, turn.mode) == ("interrupted", "task_active")
        assert turn.reply.endswith("Your task is still open; send your message again to go on.")
    async with assistant(plant, GuidedModel()) as at:
        assert (await at.say("FC57 housing")).reply.startswith("Material id")


async def test_small_talk_in_the_middle_of_a_task_is_kept_when_the_model_fails(plant: Path) -> None:
    steps = [
        route("issue_tracking"),
        reply("Where?"),
        route("general"),
        fail(ModelUnavailable("The model is overloaded."), expect="agent"),
        route("general", contains="what else can you do here?"),
        reply("Plans and issues.", agent="general", contains="what else can you do here?"),
    ]
    async with ScriptedModel(steps) as model, assistant(plant, model) as at:
        await at.say(LEAK)
        failed = await at.say("/switch what else can you do here?")
        assert failed.reply.endswith("Your request is kept; say continue to try it again.")
        assert (failed.outcome, failed.mode) == ("interrupted", "orchestrator")
        assert (await at.say("continue")).reply.endswith("Plans and issues.")
        assert (await at.store.state("s1")).waiting == ()


async def test_a_request_that_is_kept_and_then_said_again_is_served_once(tmp_path: Path) -> None:
    waiting = SessionState(waiting=(Request(text=LEAK, agent="issue_tracking"),))
    async with assistant(tmp_path, ScriptedModel([]), target=NOWHERE) as at:
        await at.store.create("s1")
        await at.store.set_state("s1", waiting)
        assert (await at.say(LEAK)).outcome == "interrupted"
        assert (await at.store.state("s1")).waiting == waiting.waiting
        await at.say("and the plans of BETA")
        assert [request.text for request in (await at.store.state("s1")).waiting] == [LEAK, "and the plans of BETA"]


async def test_a_project_chosen_in_the_middle_of_a_task_is_shown_to_its_agent(plant: Path) -> None:
    steps = [route("issue_tracking"), reply("Which project?"), reply("Where?"), reply("Since when?")]
    async with ScriptedModel(steps) as model, assistant(plant, model) as at:
        await at.say(LEAK)
        await at.orchestrator.set_project("s1", "BETA")
        await talk(at, "yes", "42")
    shown = [message.text for message in model.requests[-1].messages if message.kind == "context"]
    assert len(shown) == 2
    assert shown[1].startswith("Project: BETA.\n\n## Open issues (")


async def test_an_agent_whose_tools_the_server_lacks_says_so_and_opens_no_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANT_LEDGER", str(tmp_path))
    target = Plant(tmp_path).target
    async with ScriptedModel([route("quality_planning")]) as model, assistant(tmp_path, model, target=target) as at:
        turn = await at.say("Create a quality plan")
        assert (turn.outcome, turn.mode) == ("gave_up", "orchestrator")
        assert "tool server (plant) offers none of the tools it needs (create_quality_plan" in turn.reply
        assert await at.store.log("s1") == []


async def test_a_claim_nothing_proves_ends_honestly_after_one_refusal(plant: Path) -> None:
    claim = reply("All is stored!\n[TASK_COMPLETE]")
    async with ScriptedModel([route("issue_tracking"), claim, claim]) as model, assistant(plant, model) as at:
        turn = await at.say(LEAK)
        assert (turn.outcome, turn.mode, turn.suggestions) == ("gave_up", "orchestrator", ())
        assert "All is stored" not in turn.reply
        assert turn.reply.startswith(
            "Issue tracking ended without reaching its goal: It reported success, but no tool has confirmed one."
        )
        assert (await at.store.state("s1")).task is None
    assert rows(plant, REPORTED) == []


async def test_a_dry_run_completes_nothing(plant: Path) -> None:
    steps = [
        route("issue_tracking"),
        call("log_issue", report(dry_run=True)),
        reply(DONE),
        reply("It was only checked."),
    ]
    async with ScriptedModel(steps) as model, assistant(plant, model) as at:
        assert (await at.say(LEAK)).outcome == "waiting"
    assert rows(plant, REPORTED) == []


async def test_a_task_that_is_given_up_tells_what_it_has_stored(plant: Path) -> None:
    steps = [route("issue_tracking"), call("log_issue", report()), reply("It is", stop_reason="max_tokens")]
    async with ScriptedModel(steps) as model, assistant(plant, model) as at:
        turn = await at.say(LEAK)
    ((issue,),) = rows(plant, REPORTED)
    assert turn.outcome == "gave_up"
    assert f"cut off. Already stored, and kept: log_issue: {issue}." in turn.reply


async def test_an_agent_that_comes_to_no_end_is_stopped_at_its_limit(plant: Path) -> None:
    steps = [route("issue_tracking"), call("list_projects", {}), call("list_projects", {"limit": 1})]
    agents = limited("issue_tracking", model_calls=2)
    async with ScriptedModel(steps) as model, assistant(plant, model, agents=agents) as at:
        turn = await at.say(LEAK)
    assert (turn.outcome, turn.mode) == ("gave_up", "orchestrator")
    assert "did not come to an end within 2 steps" in turn.reply
    assert "stored" not in turn.reply


async def test_a_task_of_an_agent_that_is_gone_is_ended_honestly(tmp_path: Path) -> None:
    orphan = SessionState(task=TaskState(id="t", agent="robotics", opening_message="x"))
    async with assistant(tmp_path, ScriptedModel([]), target=NOWHERE) as at:
        for session in ("s1", "s2"):
            await at.store.create(session)
            await at.store.set_state(session, orphan)
        turn = await at.say("go on")
        assert (turn.outcome, turn.mode) == ("gave_up", "orchestrator")
        assert "the agent robotics, which is not there any more" in turn.reply
        assert (await at.orchestrator.cancel("s2")).reply == "robotics: cancelled. Nothing had been stored."


async def test_whoever_watches_cannot_break_a_turn(tmp_path: Path) -> None:
    heard: list[TurnEvent] = []

    def closed_pipe(event: TurnEvent) -> None:
        heard.append(event)
        raise BrokenPipeError

    async with assistant(tmp_path, Echo(), target=NOWHERE) as at:
        turn = await at.say("hello", listener=closed_pipe)
    assert turn.outcome == "answered"
    assert "hello" in turn.reply
    assert len(heard) == 1


async def test_text_that_is_no_text_is_taken_with_question_marks(tmp_path: Path) -> None:
    async with assistant(tmp_path, Echo(), target=NOWHERE) as at:
        await at.say("caf\udce9 \x00 ok")
        assert [turn.text for turn in await at.store.turns("s1")] == ["caf? \x00 ok"]


# Cancelling


async def test_cancel_tells_what_was_stored_and_leaves_it(plant: Path) -> None:
    steps = [
        route("issue_tracking"),
        call("log_issue", report()),
        call("get_issues", {"project": "ALPHA"}),
        reply("More?"),
    ]
    async with ScriptedModel(steps) as model, assistant(plant, model) as at:
        await at.say(LEAK)
        turn = await at.orchestrator.cancel("s1")
        ((issue,),) = rows(plant, REPORTED)
        assert turn.reply == f"Issue tracking: cancelled. Already stored, and kept: log_issue: {issue}."
        assert (turn.outcome, turn.agent, turn.mode) == ("cancelled", "issue_tracking", "orchestrator")
        assert (await at.store.state("s1")).task is None
        assert (await at.orchestrator.cancel("s1")).reply == "There is no task to cancel."
    async with assistant(plant, ScriptedModel([]), target=NOWHERE) as at:
        assert (await at.orchestrator.cancel("unknown")).reply == "There is no task to cancel."


async def test_cancel_tells_it_without_the_tool_server_too(plant: Path) -> None:
    steps = [route("issue_tracking"), call("get_issues", {"project": "ALPHA"}), reply("More?")]
    async with ScriptedModel(steps) as model, assistant(plant, model) as at:
        await at.say(LEAK)
    async with assistant(plant, ScriptedModel([]), target=NOWHERE) as at:
        assert (await at.orchestrator.cancel("s1")).reply == "Issue tracking: cancelled. Nothing had been stored."


# Crashes


async def killed(data_dir: Path, point: Point) -> None:
    """A turn in another process, which dies at that point."""
    command = [sys.executable, "-m", "tests.support.turn_process", str(data_dir), "s1", LEAK, point]
    done = await anyio.run_process(command, check=False, cwd=REPOSITORY, stderr=None)
    assert done.returncode == -9


def still_to_come(point: Point) -> list[Step]:
    """What the model of the recovering program is asked for."""
    return {"begun": SCRIPT, "opened": SCRIPT[1:], "called": SCRIPT[2:], "effect": SCRIPT[2:], "ended": []}[point]


@pytest.mark.parametrize("point", POINTS)
async def test_a_turn_that_was_killed_anywhere_is_finished_with_one_effect(plant: Path, point: Point) -> None:
    await killed(plant, point)
    async with ScriptedModel(still_to_come(point)) as model, assistant(plant, model) as at:
        resent = point in {"opened", "effect"}  # what a client may do instead
        turn = await (at.say(LEAK, message_id="m1") if resent else at.orchestrator.recover("s1"))
        assert turn is not None
        assert (turn.outcome, turn.reply, turn.mode) == ("completed", "It is reported.", "orchestrator")
        assert await at.orchestrator.recover("s1") is None
        assert is_valid(await at.history())
        again = await at.say(LEAK, message_id="m1")
        assert (again, again.repeated) == (turn, True)
    assert len(rows(plant, REPORTED)) == 1


async def test_another_message_after_a_crash_is_answered_after_the_first_was_finished(plant: Path) -> None:
    await killed(plant, "called")
    steps = [*SCRIPT[2:], route("general"), reply("You are welcome.")]
    async with ScriptedModel(steps) as model, assistant(plant, model) as at:
        turn = await at.say("thanks", message_id="m2")
        assert (turn.agent, turn.reply) == ("general", "You are welcome.")
        told = [event.text for event in at.events if isinstance(event, TextPiece | Note)]
        assert told == [
            f"Your earlier message was cut short; its answer comes first. You said: {LEAK}",
            "It is reported.",
            "And to your new message:",
            "You are welcome.",
        ]
        assert [entry.result is not None for entry in await at.store.turns("s1")] == [True, True]
    assert len(rows(plant, REPORTED)) == 1


async def test_a_question_that_a_crash_cut_off_is_asked_again_and_not_taken_for_an_answer(plant: Path) -> None:
    async with assistant(plant, GuidedModel()) as at:
        asked = await at.say("Create a quality plan for Project Alpha, production")
        with closing(sqlite3.connect(plant / "sessions.sqlite3")) as file, file:
            file.execute("UPDATE turns SET result = NULL")  # as if the program had died before it could end the turn
        again = await at.orchestrator.recover("s1")
        assert again is not None
        assert (again.outcome, again.reply) == ("waiting", asked.reply)
        assert (await at.say("FC57 housing")).reply.startswith("Material id")


async def test_a_crash_and_then_a_server_that_is_down_still_leave_one_effect_and_a_valid_history(plant: Path) -> None:
    await killed(plant, "effect")
    async with assistant(plant, ScriptedModel([]), target=NOWHERE) as at:
        turn = await at.orchestrator.recover("s1")
        assert turn is not None
        assert (turn.outcome, turn.mode) == ("interrupted", "task_active")
    async with ScriptedModel([reply(DONE, contains="go on")]) as model, assistant(plant, model) as at:
        turn = await at.say("go on")
        assert turn.outcome == "completed"
        assert is_valid(await at.history())
    assert len(rows(plant, REPORTED)) == 1


async def test_cancelling_after_a_crash_closes_the_turn_and_does_not_carry_it_out(plant: Path) -> None:
    await killed(plant, "effect")
    async with ScriptedModel(HELLO) as model, assistant(plant, model) as at:
        assert (await at.orchestrator.cancel("s1")).reply == (
            "Issue tracking: cancelled. It is not known whether this was carried out; look it up: log_issue."
        )
        assert await at.orchestrator.recover("s1") is None
        assert (await at.say("hello")).reply == "Hello."
    assert len(rows(plant, REPORTED)) == 1


async def test_cancelling_after_a_crash_keeps_what_the_turn_had_said(tmp_path: Path) -> None:
    waits = SessionState(waiting=(Request(text="hello"),), heard=1, so_far=SoFar(said="QP-0001 is stored."))
    async with assistant(tmp_path, ScriptedModel([]), target=NOWHERE) as at:
        await at.store.create("s1")
        await at.store.begin_turn("s1", "m1", "yes")
        await at.store.set_state("s1", waits)
        assert (await at.orchestrator.cancel("s1")).reply == 'Dropped: "hello".'
        assert (await at.say("yes", message_id="m1")).reply == "QP-0001 is stored.\n\nCancelled."
        assert (await at.store.state("s1")) == SessionState(heard=2)


async def test_cancelling_a_message_that_a_crash_left_untouched_drops_it(tmp_path: Path) -> None:
    async with ScriptedModel(HELLO) as model, assistant(tmp_path, model, target=NOWHERE) as at:
        await at.store.create("s1")
        await at.store.begin_turn("s1", "m1", LEAK)
        assert (await at.orchestrator.cancel("s1")).reply == "There is no task to cancel."
        assert await at.orchestrator.recover("s1") is None
        assert (await at.say("hello")).reply == "Hello."


async def test_a_turn_that_is_cancelled_from_outside_is_finished_later(plant: Path) -> None:
    async with ScriptedModel(SCRIPT[:1]) as model, assistant(plant, model) as at:
        with anyio.CancelScope() as scope:

            def leave(event: TurnEvent) -> None:
                if isinstance(event, AgentChosen):
                    scope.cancel()

            await at.say(LEAK, message_id="m1", listener=leave)
        assert scope.cancelled_caught
        assert (await at.store.unfinished_turn("s1")) is not None
    async with ScriptedModel(SCRIPT) as model, assistant(plant, model) as at:
        assert (await at.say(LEAK, message_id="m1")).outcome == "completed"
    assert len(rows(plant, REPORTED)) == 1


WITHDRAW: dict[str, Any] = {
    "project": "ALPHA",
    "kind": "quality_plan",
    "id": "CP-A-01",
    "revision": 2,
    "decision": "withdraw",
    "approver_id": "E113",
    "comment": "Replaced by another plan",
}
IN_FORCE = "SELECT count(*) FROM quality_plans WHERE id = 'CP-A-01' AND state = 'released'"


async def code_for(folder: Path) -> str:
    """The code that would confirm it, which a model could know from another conversation."""
    copy = folder / "copy"
    copy.mkdir()
    async with sample_plant(copy) as plant:
        return (await plant.refused("approve_document", WITHDRAW)).alternatives[0]


async def test_a_model_cannot_confirm_what_only_a_person_may_decide(plant: Path) -> None:
    confirmed = WITHDRAW | {"confirmation": await code_for(plant)}
    steps = [
        route("quality_planning"),
        call("approve_document", confirmed),
        call("approve_document", WITHDRAW),
        call("approve_document", confirmed),
        reply("I will not do it."),
    ]
    async with ScriptedModel(steps) as model, assistant(plant, model) as at:
        asked = await at.say("Withdraw the plan CP-A-01")
        assert asked.outcome == "waiting"
        assert asked.reply.startswith("This will withdraw quality plan CP-A-01 revision 2")
        assert rows(plant, IN_FORCE) == [(1,)]
        refused = await at.say("what happens then?")
        results = [result.content for message in await at.history() for result in message.tool_results]
    assert ["no person has agreed" in result for result in results] == [True, False, True]
    assert refused.reply == "I will not do it."
    assert rows(plant, IN_FORCE) == [(1,)]


async def test_after_a_persons_yes_the_model_may_pass_the_code_on(plant: Path) -> None:
    steps = [
        route("quality_planning"),
        call("approve_document", WITHDRAW),
        call("approve_document", WITHDRAW | {"confirmation": await code_for(plant)}),
        reply("CP-A-01 is withdrawn.\n[TASK_COMPLETE]"),
    ]
    async with ScriptedModel(steps) as model, assistant(plant, model) as at:
        await at.say("Withdraw the plan CP-A-01")
        done = await at.say("yes")
        assert is_valid(await at.history())
    assert (done.outcome, done.reply) == ("completed", "CP-A-01 is withdrawn.")
    assert rows(plant, IN_FORCE) == [(0,)]


async def test_an_answer_to_small_talk_is_understood_by_router_and_agent_and_forgotten_after_the_task(
    plant: Path,
) -> None:
    steps = [
        route("general"),
        reply("Plans or issues: which one?"),
        route("issue_tracking"),
        call("log_issue", report()),
        reply("It is reported.\n[TASK_COMPLETE]"),
        route("quality_planning"),
        reply("Which part?"),
    ]
    async with ScriptedModel(steps) as model, assistant(plant, model) as at:
        await talk(at, "What can you do?", "the second one", "Create a quality plan")
    routing, opening = model.requests[2].messages[0].text, texts(model.requests[3].messages)
    assert 'they said: "What can you do?"' in routing
    assert 'answered: "Plans or issues: which one?"' in routing
    assert '"user": "What can you do?"' in opening
    later = texts([*model.requests[5].messages, *model.requests[6].messages])
    assert "What can you do?" not in later
    assert "which one" not in later
