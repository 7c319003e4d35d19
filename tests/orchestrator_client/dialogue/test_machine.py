import pytest

from orchestrator_client.dialogue.machine import transition
from orchestrator_client.dialogue.moves import (
    Ask,
    Cancelled,
    CheckTopic,
    ContextLoaded,
    Ended,
    Farewell,
    OffTopic,
    OnTopic,
    Reask,
    Resumed,
    Route,
    Routed,
    RunAgent,
    Said,
    Serve,
    Suggest,
    Suggested,
    Switched,
    Tell,
    Unclear,
)
from orchestrator_client.dialogue.state import (
    MOST_PARKED,
    MOST_WAITING,
    Candidate,
    Clarify,
    HandOff,
    Request,
    Return,
    SessionState,
    Switch,
    TaskState,
)

PLAN = TaskState(id="t1", agent="quality_planning", opening_message="Create a quality plan")
LEAK = TaskState(id="t2", agent="issue_tracking", opening_message="Log a leak")
REQUEST = Request(text="Log a leak at MC-103", agent="issue_tracking")
WORKING = SessionState(project="ALPHA", task=PLAN)
ASKED = WORKING.but(question=Switch(request=REQUEST))
DONE = HandOff(goal="Quality planning: create_quality_plan", facts={"id": "QP-0001"})


def said(text: str, asked: str = "") -> Said:
    return Said(text, 7, asked)


def test_without_a_task_a_message_is_routed() -> None:
    after, effects = transition(SessionState(), said("Create a quality plan"))
    assert (after.mode, effects) == ("orchestrator", (Route("Create a quality plan"),))
    assert after.heard == 7


def test_a_routed_message_opens_a_task_with_its_words_verbatim() -> None:
    after, effects = transition(
        SessionState(project="ALPHA"), Routed("quality_planning", "t1", "Create a quality plan")
    )
    assert after.task == PLAN.model_copy(update={"project": "ALPHA", "context_of": "ALPHA"})
    assert after.mode == "task_active"
    assert effects == (RunAgent("quality_planning", "Create a quality plan", opens=True),)


def test_a_conversation_opens_no_task() -> None:
    after, effects = transition(SessionState(), Routed("general", "t1", "Hello", conversation=True))
    assert (after.mode, effects) == ("orchestrator", (RunAgent("general", "Hello", opens=True),))
    assert transition(after, Ended("answered")) == (after, ())


def test_a_message_is_never_routed_into_a_second_active_task() -> None:
    with pytest.raises(ValueError, match="no task is active"):
        transition(WORKING, Routed("issue_tracking", "t2", "Log a leak"))


@pytest.mark.parametrize("text", ["yes", "42", "MC-103", "57.015 mm", "2"])
def test_a_plain_answer_goes_to_the_agent_and_costs_no_call(text: str) -> None:
    _, effects = transition(WORKING, said(text, "Which machine?"))
    assert effects == (RunAgent("quality_planning", text, opens=False),)


def test_what_can_be_a_switch_is_checked_and_on_topic_goes_on() -> None:
    text = "Log an issue: coolant leak at MC-103"
    after, effects = transition(WORKING, said(text, "Which machine?"))
    assert effects == (CheckTopic(text),)
    assert transition(after, OnTopic(text)) == (after, (RunAgent("quality_planning", text, opens=False),))


def test_a_switch_is_put_to_the_person_and_nothing_is_lost() -> None:
    after, effects = transition(WORKING, OffTopic(REQUEST.text, "issue_tracking"))
    assert (after, after.mode, effects) == (ASKED, "awaiting_choice", (Ask(),))


@pytest.mark.parametrize("answer", ["1", "1.", "finish this first", "Complete the current task first please"])
def test_finish_first_keeps_the_request_and_asks_the_open_question_again(answer: str) -> None:
    after, effects = transition(ASKED, said(answer))
    assert (after.task, after.waiting, after.mode) == (PLAN, (REQUEST,), "task_active")
    assert effects == (Tell("kept", REQUEST.text), Reask())


def test_a_kept_request_is_served_when_the_task_ends_and_leaves_the_queue_when_its_task_begins() -> None:
    kept = WORKING.but(waiting=(REQUEST,))
    ended, effects = transition(kept, Ended("completed", hand_off=DONE))
    assert effects == (Suggest("quality_planning", PLAN.opening_message), Serve())
    assert (ended.task, ended.waiting, ended.done) == (None, (REQUEST,), DONE)
    opened, _ = transition(ended, Routed("issue_tracking", "t2", REQUEST.text))
    assert opened.task is not None
    assert (opened.task.opening_message, opened.waiting) == (REQUEST.text, ())


@pytest.mark.parametrize("answer", ["2", "switch now", "Switch and come back later"])
def test_a_switch_parks_the_task_and_serves_the_request(answer: str) -> None:
    after, effects = transition(ASKED, said(answer))
    assert (after.task, after.parked, after.waiting) == (None, (PLAN,), (REQUEST,))
    assert effects == (Tell("parked", PLAN.opening_message), Serve())


@pytest.mark.parametrize("answer", ["3", "cancel", "cancel this task"])
def test_a_cancel_ends_the_task_and_serves_the_request(answer: str) -> None:
    after, effects = transition(ASKED, said(answer))
    assert (after.task, after.parked, after.waiting) == (None, (), (REQUEST,))
    assert effects == (Farewell(PLAN), Serve())


def test_a_false_alarm_gives_the_message_to_the_agent_verbatim() -> None:
    after, effects = transition(ASKED, said("same task"))
    assert (after.question, effects) == (None, (RunAgent("quality_planning", REQUEST.text, opens=False),))


@pytest.mark.parametrize("answer", ["4", "0", "hm", "finish this first, then switch", "don't cancel", "what?", ""])
def test_an_unclear_choice_is_asked_again_and_changes_nothing(answer: str) -> None:
    after, effects = transition(ASKED, said(answer))
    assert (after.but(heard=0), effects) == (ASKED, (Ask(again=True),))


def test_when_too_much_waits_it_is_not_offered_to_put_off_more() -> None:
    waiting = tuple(Request(text=f"r{number}") for number in range(MOST_WAITING))
    parked = tuple(PLAN.model_copy(update={"id": f"p{number}"}) for number in range(MOST_PARKED))
    full = ASKED.but(waiting=waiting, parked=parked)
    assert transition(full, said("finish first"))[1] == (Ask(again=True),)
    assert transition(full, said("switch now"))[1] == (Ask(again=True),)
    assert transition(full, said("1"))[1] == (Farewell(PLAN), Serve())


def test_after_the_other_task_the_way_back_is_offered() -> None:
    state = SessionState(task=LEAK, parked=(PLAN,))
    asked, effects = transition(state, Ended("completed"))
    assert (asked.question, asked.mode) == (Return(), "awaiting_choice")
    assert effects == (Suggest("issue_tracking", LEAK.opening_message), Ask())
    back, effects = transition(asked, said("yes"))
    assert (back.task, back.parked, effects) == (PLAN, (), (Reask(),))


@pytest.mark.parametrize("answer", ["1", "go back", "Go back to: Create a quality plan", "resume it"])
def test_the_way_back_is_taken_in_many_words(answer: str) -> None:
    asked = SessionState(parked=(PLAN,), question=Return())
    assert transition(asked, said(answer))[0].task == PLAN


def test_a_task_left_for_later_stays_parked_and_a_cancelled_one_is_gone() -> None:
    asked = SessionState(parked=(PLAN,), question=Return())
    later, told = transition(asked, said("not now"))
    assert (later.parked, later.question, told) == ((PLAN,), None, (Tell("waits"),))
    gone, told = transition(asked, said("3"))
    assert (gone.parked, gone.question, told) == ((), None, (Farewell(PLAN),))


def test_a_new_request_instead_of_an_answer_to_the_way_back_is_routed() -> None:
    asked = SessionState(parked=(PLAN,), question=Return())
    after, effects = transition(asked, said("cancel the maintenance of MC-101 on Friday"))
    assert (after.parked, effects) == ((PLAN,), (Route("cancel the maintenance of MC-101 on Friday"),))


def test_of_several_parked_tasks_the_named_one_comes_back() -> None:
    asked = SessionState(parked=(PLAN, LEAK), question=Return())
    assert transition(asked, said("1"))[0].task == LEAK
    assert transition(asked, said("Go back to: Create a quality plan"))[0].task == PLAN
    dropped, told = transition(asked, said("cancel all of them"))
    assert (dropped.parked, told) == ((), (Farewell(LEAK), Farewell(PLAN)))


def test_a_way_back_that_names_a_task_leads_to_that_task_and_nowhere_else() -> None:
    state = SessionState(parked=(PLAN, LEAK))
    assert transition(state, said("go back to the quality plan"))[0].task == PLAN
    assert transition(state, said("go back"))[0].task == LEAK
    asked, effects = transition(state, said("go back to the washer"))
    assert (asked.question, asked.parked, effects) == (Return(), (PLAN, LEAK), (Ask(),))
    assert transition(state.but(parked=(PLAN,)), said("go back to the washer"))[0].task == PLAN


@pytest.mark.parametrize("answer", ["9", "?", "...", "-"])
def test_a_sign_or_a_number_that_is_not_offered_is_asked_again_and_never_taken_for_a_request(answer: str) -> None:
    options = (Candidate(agent="issue_tracking", title="Issues"),)
    clarify = SessionState(question=Clarify(request=REQUEST, options=options))
    for asked in (clarify, SessionState(parked=(PLAN,), question=Return())):
        after, effects = transition(asked, said(answer))
        assert (after.question, effects) == (asked.question, (Ask(again=True),))


def test_giving_up_on_several_tasks_at_once_is_asked_back() -> None:
    asked = SessionState(parked=(PLAN, LEAK), question=Return())
    after, effects = transition(asked, said("cancel"))
    assert (after.parked, effects) == ((PLAN, LEAK), (Ask(again=True),))
    after, effects = transition(asked, said("not now"))
    assert (after.parked, effects) == ((PLAN, LEAK), (Tell("they_wait"),))


def test_a_request_that_was_not_meant_is_dropped_and_the_task_goes_on() -> None:
    after, effects = transition(ASKED, said("never mind"))
    assert (after.task, after.question, after.waiting) == (PLAN, None, ())
    assert effects == (Tell("dropped", REQUEST.text), Reask())


def test_an_unsure_router_leads_to_a_question_whose_answer_serves_the_request() -> None:
    options = (Candidate(agent="issue_tracking", title="Issues"), Candidate(agent="plant_data", title="Plant data"))
    unclear = Unclear("the pump", options, "general", "t9")
    asked, effects = transition(SessionState(), unclear)
    assert (asked.question, effects) == (Clarify(request=Request(text="the pump"), options=options), (Ask(),))
    chosen, effects = transition(asked, said("plant data"))
    assert chosen.waiting == (Request(text="the pump", agent="plant_data"),)
    assert (chosen.question, effects) == (None, (Serve(),))


def test_other_words_for_an_unclear_request_are_routed_together_with_it_but_not_for_ever() -> None:
    options = (Candidate(agent="issue_tracking", title="Issues"),)
    state = SessionState(question=Clarify(request=Request(text="the pump"), options=options, times=2))
    _, effects = transition(state, said("it drips oil since this morning"))
    assert effects == (Route("the pump\nit drips oil since this morning", asked=2),)
    _, effects = transition(SessionState(), Unclear("the pump", options, "general", "t9", asked=2))
    assert effects == (RunAgent("general", "the pump", opens=True),)
    assert transition(SessionState(), Unclear("x", (), "general", "t9"))[1] == (RunAgent("general", "x", opens=True),)


def test_an_unclear_request_can_be_dropped() -> None:
    state = SessionState(
        question=Clarify(request=Request(text="the pump"), options=(Candidate(agent="a", title="Issues"),))
    )
    assert transition(state, said("none")) == (SessionState(heard=7), (Tell("dropped", "the pump"),))


def test_a_demand_is_a_mode_of_its_own_until_it_is_answered() -> None:
    waiting, _ = transition(WORKING, Ended("confirming"))
    assert waiting.mode == "awaiting_confirmation"
    after, effects = transition(waiting, said("yes", "Do you agree?"))
    assert effects == (RunAgent("quality_planning", "yes", opens=False),)
    assert transition(after, Ended("waiting"))[0].mode == "task_active"


def test_a_task_remembers_the_project_of_its_calls_and_what_was_shown_for_it() -> None:
    after, _ = transition(WORKING, Ended("waiting", task_project="BETA"))
    assert after.task is not None
    assert (after.task.project, after.task.context_of, after.project) == ("BETA", None, "BETA")
    shown, _ = transition(after, ContextLoaded("BETA"))
    assert shown.task is not None
    assert shown.task.context_of == "BETA"


def test_an_ended_task_hands_control_back_and_its_project_stays() -> None:
    after, effects = transition(WORKING, Ended("completed", project="BETA", hand_off=DONE))
    assert (after.mode, after.project, after.done) == ("orchestrator", "BETA", DONE)
    assert effects == (Suggest(PLAN.agent, PLAN.opening_message),)
    gave_up, effects = transition(WORKING, Ended("gave_up"))
    assert (gave_up.mode, effects) == ("orchestrator", ())
    assert transition(after, Suggested(("a",)))[0].suggestions == ("a",)


def test_cancelling_says_what_was_stored_and_never_loses_the_request_that_was_asked_about() -> None:
    assert transition(WORKING, Cancelled(7)) == (WORKING.but(task=None, heard=7), (Farewell(PLAN),))
    after, effects = transition(ASKED, Cancelled(7))
    assert (after.waiting, effects) == ((REQUEST,), (Farewell(PLAN), Serve()))
    assert transition(SessionState(), Cancelled(7))[1] == (Tell("nothing_to_cancel"),)
    assert transition(WORKING, said("never mind"))[1] == (Farewell(PLAN),)


def test_tasks_can_be_exchanged_at_will() -> None:
    state = SessionState(task=LEAK, parked=(PLAN,))
    back, effects = transition(state, Resumed("t1", 7))
    assert (back.task, back.parked, effects) == (PLAN, (LEAK,), (Reask(),))
    away, effects = transition(back, Switched("Which gauges are due?", 7))
    assert (away.task, away.parked) == (None, (LEAK, PLAN))
    assert effects == (Tell("parked", PLAN.opening_message), Serve())
    with pytest.raises(ValueError, match="parked"):
        transition(state, Resumed("t9", 7))


def test_going_back_while_a_switch_is_asked_about_keeps_its_request() -> None:
    state = ASKED.but(parked=(LEAK,))
    back, _ = transition(state, Resumed("t2", 7))
    assert (back.task, back.parked, back.waiting) == (LEAK, (PLAN,), (REQUEST,))


def test_with_a_full_stack_nothing_more_is_parked() -> None:
    parked = tuple(PLAN.model_copy(update={"id": f"p{number}"}) for number in range(MOST_PARKED))
    state = WORKING.but(parked=parked)
    after, effects = transition(state, Switched("x", 0))
    assert (after, effects) == (state, (Tell("too_many_parked"),))


def test_a_request_that_could_not_be_taken_up_comes_first_at_the_next_message() -> None:
    stuck = SessionState(waiting=(REQUEST,))
    again, effects = transition(stuck, said("continue"))
    assert (again.waiting, effects) == ((REQUEST,), (Serve(),))
    more, _ = transition(stuck, said("Show me the SOPs of Beta"))
    assert more.waiting == (REQUEST, Request(text="Show me the SOPs of Beta"))


def test_the_state_survives_its_way_through_the_store() -> None:
    for state in (ASKED, SessionState(parked=(PLAN,), question=Return()), WORKING.but(waiting=(REQUEST,), done=DONE)):
        assert SessionState.model_validate(state.model_dump(mode="json"), strict=False) == state


def test_a_state_that_contradicts_itself_cannot_be_made() -> None:
    for fields in ({"question": Switch(request=REQUEST)}, {"task": PLAN, "question": Return()}, {"question": Return()}):
        with pytest.raises(ValueError, match="task"):
            SessionState(**fields)  # pyright: ignore[reportArgumentType] - each set is wrong on purpose
