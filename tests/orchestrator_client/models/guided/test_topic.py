"""What stays in the task and what leaves it, with the questions the guided model really asks."""

import pytest

from orchestrator_client.agents.registry import FALLBACK_AGENT, load_agents
from orchestrator_client.dialogue.messages import assistant, user
from orchestrator_client.models.guided import GuidedModel
from orchestrator_client.models.guided.topic import Topic, topic_of
from orchestrator_client.models.protocol import ModelReply, ModelRequest, TopicBrief

SHIPPED = load_agents().options

TITLE = "Title: One line that says what is wrong"
REACT = "Row 1 · Reaction plan: What to do when it is out of control"
STEP = "Step 1 · Text: One action"
DESC = "Description"
OWNER = "Row 1 · Reaction owner: Who decides"
ACTION = "Text: What is to be done"
CONT = "Immediate containment: What was done at once\n(- to leave it out)"
MACH = "Machine id\n   1  MC-101  HMC 1\n   2  LT-131  Leak tester 2\n(number or name)"
PROJ = "Project\n   1  ALPHA  Project Alpha\n   2  BETA  Project Beta\n(number or name)"
WHEN = "Start: When the work begins\n(such as 2026-11-24 14:00 or tomorrow 14:00)"
QTY = "Qty affected\n(a number from 0 to 100000; - to leave it out)"

ANSWERS = [
    ("Stop the machine and sort since the last good check", "quality_planning", REACT),
    ("Tighten the belt and replace the filter", "issue_tracking", CONT),
    ("Log an issue and stop the line", "quality_planning", REACT),
    ("Stop, inform the supervisor, log an issue", "quality_planning", REACT),
    ("Create a deviation request and inform the customer", "quality_planning", REACT),
    ("Schedule a recalibration and sort the lot", "quality_planning", REACT),
    ("Replace the insert, remeasure five pieces, release the lot", "quality_planning", REACT),
    ("Quarantine the lot and call quality", "quality_planning", REACT),
    ("Report the defect to the shift supervisor", "quality_planning", REACT),
    ("Close the guard", "sop_creation", STEP),
    ("Open the door and clean the window", "sop_creation", STEP),
    ("Record the reading in the log book", "sop_creation", STEP),
    ("Move the pallet to the washer", "sop_creation", STEP),
    ("Change the filter", "sop_creation", STEP),
    ("Release the clamp", "sop_creation", STEP),
    ("Inspect the bore with the air gauge", "sop_creation", STEP),
    ("Lock out the machine before you start", "sop_creation", STEP),
    ("Check that the leak tester is calibrated", "sop_creation", STEP),
    ("Write the lot number on the traveler", "sop_creation", STEP),
    ("Report leaks to maintenance", "sop_creation", STEP),
    ("Coolant leak at the pump", "maintenance_scheduling", DESC),
    ("Leak tester 2 rejects every part", "quality_planning", TITLE),
    ("Bore out of tolerance after tool change", "quality_planning", DESC),
    ("500 h service LT-131", "sop_creation", TITLE),
    ("Control plan for the housing", "sop_creation", TITLE),
    ("What to do when the seal is missing", "sop_creation", TITLE),
    ("When the machine stops, call maintenance", "sop_creation", STEP),
    ("How to change the seal tool", "quality_planning", TITLE),
    ("Ana Ortiz", "issue_tracking", OWNER),
    ("the shift supervisor", "quality_planning", OWNER),
    ("maintenance", "quality_planning", OWNER),
    ("tomorrow 14:00", "maintenance_scheduling", WHEN),
    ("next friday at 6 in the morning", "maintenance_scheduling", WHEN),
    ("12", "issue_tracking", QTY),
    ("about twenty", "issue_tracking", QTY),
    ("LT-131", "maintenance_scheduling", MACH),
    ("the leak tester", "maintenance_scheduling", MACH),
    ("which machines are there?", "maintenance_scheduling", MACH),
    ("which machine do you mean?", "issue_tracking", MACH),
    ("which projects are there?", "quality_planning", PROJ),
    ("what does reaction plan mean?", "quality_planning", REACT),
    ("yes", "quality_planning", MACH),
    ("the seal was missing on 12 parts", "maintenance_scheduling", DESC),
    ("Update the SOP and train the operators", "issue_tracking", ACTION),
    ("Revise the work instruction", "issue_tracking", ACTION),
    ("Create an inspection checklist for OP70", "issue_tracking", ACTION),
    ("Add leak test to the control plan", "issue_tracking", ACTION),
    ("Schedule the service of the leak tester monthly", "issue_tracking", ACTION),
    ("Give the parts back to the supplier and ask for a report", "issue_tracking", ACTION),
    ("Show the operator how to seat the seal", "sop_creation", STEP),
    ("Enter the value in the chart and compare it with the limit", "sop_creation", STEP),
    ("Order a new hose, then schedule the repair", "issue_tracking", CONT),
    ("Ben will do it tomorrow at seven", "issue_tracking", CONT),
    ("is it the HMC 1?", "issue_tracking", MACH),
    ("no idea, what do you suggest?", "quality_planning", REACT),
    ("Make the part again", "quality_planning", REACT),
    ("Plan B: use the spare station", "quality_planning", REACT),
    ("Machine down since six, no work order yet", "sop_creation", TITLE),
    ("we found a crack in the fixture and stopped", "maintenance_scheduling", DESC),
    ("PM is overdue", "issue_tracking", TITLE),
    ("coolant leak at the pump, operator hurt", "maintenance_scheduling", DESC),
    ("Leak tester 2, the one that is down again", "maintenance_scheduling", MACH),
    ("12 parts", "quality_planning", QTY),
    ("all parts of the night shift", "quality_planning", QTY),
    ("as soon as the conveyor works again", "quality_planning", WHEN),
    ("we do not know yet", "maintenance_scheduling", WHEN),
]
REPORTS = [
    ("Leak tester 2 is down again", QTY),
    ("hyd hose leaking on MC-105", WHEN),
    ("seal missing on 12 parts at OP50", WHEN),
    ("somebody got hurt at the washer", WHEN),
    ("somebody got hurt at the washer", MACH),
    ("faulty sensor on the press", QTY),
]
SWITCHES = [
    ("log an issue: coolant leak at MC-103", "quality_planning", REACT, "issue_tracking"),
    ("log an issue: coolant leak at MC-103", "quality_planning", MACH, "issue_tracking"),
    ("when is the leak tester due for service?", "quality_planning", PROJ, "maintenance_scheduling"),
    ("when is the leak tester due for service?", "issue_tracking", TITLE, "maintenance_scheduling"),
    ("show me the SOPs of Beta", "quality_planning", MACH, "sop_creation"),
    ("show me the SOPs of Beta", "issue_tracking", QTY, "sop_creation"),
    ("create a quality plan for Beta", "issue_tracking", MACH, "quality_planning"),
    ("please create a control plan for the housing", "maintenance_scheduling", MACH, "quality_planning"),
    ("I need an inspection checklist for OP70", "maintenance_scheduling", WHEN, "quality_planning"),
    ("can you schedule maintenance for MC-105", "quality_planning", MACH, "maintenance_scheduling"),
    ("book the preventive maintenance of the washer", "issue_tracking", QTY, "maintenance_scheduling"),
    ("what maintenance is due this week?", "issue_tracking", QTY, "maintenance_scheduling"),
    ("which maintenance is overdue?", "sop_creation", STEP, "maintenance_scheduling"),
    ("when was the press last serviced?", "issue_tracking", TITLE, "maintenance_scheduling"),
    ("report a problem: the conveyor is down", "maintenance_scheduling", MACH, "issue_tracking"),
    ("I want to report a problem with the washer", "maintenance_scheduling", WHEN, "issue_tracking"),
    ("which issues are open?", "quality_planning", PROJ, "issue_tracking"),
    ("show the open issues of Alpha", "maintenance_scheduling", MACH, "issue_tracking"),
    ("list the problems of Alpha", "sop_creation", PROJ, "issue_tracking"),
    ("close the issue ISS-0071", "quality_planning", MACH, "issue_tracking"),
    ("write work instructions for OP70", "quality_planning", MACH, "sop_creation"),
    ("create an SOP for the torque sequence", "issue_tracking", QTY, "sop_creation"),
    ("new procedure for changing the seal tool", "maintenance_scheduling", WHEN, "sop_creation"),
    ("what is the takt time of Alpha?", "issue_tracking", QTY, "sop_creation"),
    ("approve the SOP for the washer", "issue_tracking", MACH, "sop_creation"),
    ("approve the quality plan of Alpha", "sop_creation", PROJ, "quality_planning"),
    ("show the quality plans of Alpha", "issue_tracking", QTY, "quality_planning"),
    ("how many pieces do I have to inspect in a lot of 3000?", "sop_creation", STEP, "quality_planning"),
    ("sampling plan for AQL 0.65", "issue_tracking", QTY, "quality_planning"),
    ("which machines does Alpha have?", "issue_tracking", QTY, "plant_data"),
    ("show the specifications of the housing", "maintenance_scheduling", WHEN, "plant_data"),
    ("which workstations are on line A1?", "issue_tracking", QTY, "plant_data"),
    ("what is the status of LT-131?", "sop_creation", STEP, "plant_data"),
    ("list the projects", "quality_planning", MACH, "plant_data"),
    ("move the press service to friday", "issue_tracking", MACH, "maintenance_scheduling"),
    ("cancel the work order WO-0007", "quality_planning", MACH, "maintenance_scheduling"),
    ("is there a procedure for the washer?", "issue_tracking", QTY, "sop_creation"),
    ("actually, show me the open issues first", "sop_creation", PROJ, "issue_tracking"),
    ("create a PM plan for MC-201", "issue_tracking", MACH, "quality_planning"),
    ("which gauges do we have?", "issue_tracking", QTY, "plant_data"),
    ("revise the work instruction for OP50", "maintenance_scheduling", WHEN, "sop_creation"),
    ("what is the MTBF of the leak tester?", "issue_tracking", QTY, "maintenance_scheduling"),
    ("could you log an issue: air leak at the clamp", "sop_creation", STEP, "issue_tracking"),
    ("list the open issues", "maintenance_scheduling", WHEN, "issue_tracking"),
    ("which quality plans need a review?", "maintenance_scheduling", WHEN, "quality_planning"),
    ("what sample size do I need for a lot of 800?", "issue_tracking", TITLE, "quality_planning"),
    ("who has the electrical skills here?", "issue_tracking", QTY, "plant_data"),
    ("schedule the weekly service of the washer", "issue_tracking", QTY, "maintenance_scheduling"),
    ("write a work instruction for the leak test", "quality_planning", MACH, "sop_creation"),
    ("what is the bottleneck of line A1?", "quality_planning", MACH, "sop_creation"),
    ("how many machines does Gamma have?", "quality_planning", PROJ, "plant_data"),
    ("where is lot LOT-0014?", "maintenance_scheduling", WHEN, "plant_data"),
]


def topic(message: str, agent: str, asked: str, goal: str = "the task") -> Topic:
    recent = (user(goal), assistant(asked))
    return topic_of(TopicBrief(message, agent, goal, recent, SHIPPED, FALLBACK_AGENT))


@pytest.mark.parametrize(("message", "agent", "asked"), ANSWERS)
def test_an_answer_to_the_question_stays_in_the_task(message: str, agent: str, asked: str) -> None:
    answer = topic(message, agent, asked)
    assert (answer.switch, answer.agent) == (False, FALLBACK_AGENT)


def test_nearly_every_real_switch_is_seen_and_leads_to_the_right_agent() -> None:
    """Measured: 48 of 52."""
    found = [(topic(message, agent, asked), wanted) for message, agent, asked, wanted in SWITCHES]
    seen = [(answer, wanted) for answer, wanted in found if answer.switch]
    assert len(seen) >= 46
    assert all(answer.agent == wanted for answer, wanted in seen)
    assert all(answer.confidence >= 0.85 for answer, _ in seen)


@pytest.mark.parametrize(("message", "asked"), REPORTS)
def test_a_report_of_trouble_is_no_answer_where_a_number_a_date_or_a_choice_is_asked_for(
    message: str, asked: str
) -> None:
    answer = topic(message, "maintenance_scheduling", asked)
    assert (answer.switch, answer.agent) == (True, "issue_tracking")


@pytest.mark.parametrize(
    ("message", "agent"),
    [
        ("log an issue: coolant leak at MC-103", "issue_tracking"),
        ("when is the leak tester due for service?", "maintenance_scheduling"),
        ("create a quality plan for Beta", "quality_planning"),
        ("create an SOP for the torque sequence", "sop_creation"),
        ("which machines does Alpha have?", "plant_data"),
    ],
)
def test_a_switch_names_the_agent_that_is_meant_and_never_the_one_at_work(message: str, agent: str) -> None:
    for option in SHIPPED:
        answer = topic(message, option.key, QTY)
        assert answer.switch == (option.key != agent)
        assert answer.agent == (agent if answer.switch else FALLBACK_AGENT)


@pytest.mark.parametrize("message", ["hello", "thanks", "what is for lunch?", "tell me a joke", "", "?", "42"])
def test_small_talk_is_no_switch(message: str) -> None:
    assert not topic(message, "issue_tracking", QTY).switch


def test_a_question_about_what_was_just_asked_is_a_clarification() -> None:
    assert not topic("which machines does Alpha have?", "issue_tracking", MACH).switch
    assert topic("which machines does Alpha have?", "issue_tracking", QTY).switch


@pytest.mark.anyio
@pytest.mark.parametrize(("forced", "tool"), [(None, "topic"), ("subject", "subject")])
async def test_the_guided_model_answers_through_the_tool_that_is_asked_for(forced: str | None, tool: str) -> None:
    message = "show the open issues of Alpha"
    brief = TopicBrief(message, "sop_creation", "create an SOP", (assistant(QTY),), SHIPPED, FALLBACK_AGENT)
    request = ModelRequest(brief, "", (user(message),), tool_choice=forced)
    events = [event async for event in GuidedModel().stream(request)]
    (reply,) = events
    assert isinstance(reply, ModelReply)
    (use,) = reply.message.tool_uses
    assert (reply.stop_reason, use.name) == ("tool_use", tool)
    assert use.input.keys() == {"switch", "agent", "confidence", "reason"}
    assert (use.input["switch"], use.input["agent"]) == (True, "issue_tracking")
