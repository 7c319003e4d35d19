"""The state machine: `(state, event) -> (state, effects)`. Pure; the orchestrator carries the effects out.

orchestrator           --Said--> Route --Routed--> task_active, RunAgent
                                 Route --Unclear--> awaiting_choice (which agent?)
task_active            --Said, a plain answer--> RunAgent
                       --Said, anything else--> CheckTopic --OnTopic--> RunAgent
                                                           --OffTopic--> awaiting_choice (finish, switch, cancel?)
                       --Ended(confirming)--> awaiting_confirmation
                       --Ended(completed | gave_up), Cancelled--> the next waiting request, or
                                                awaiting_choice (go back to a parked task?), or orchestrator
awaiting_confirmation  as task_active: the next message answers the server's demand
awaiting_choice        --Said--> what was chosen; what is no choice is asked again, or is a new request between tasks
"""

from orchestrator_client.dialogue.choices import Choice, named, read_choice, subject
from orchestrator_client.dialogue.moves import (
    Ask,
    Cancelled,
    CheckTopic,
    ContextLoaded,
    Effect,
    Ended,
    Event,
    Farewell,
    FromPerson,
    FromWithin,
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
from orchestrator_client.dialogue.plain_answers import asks_back, is_plain_answer, wants_out
from orchestrator_client.dialogue.state import MOST_PARKED, Clarify, Request, Return, SessionState, Switch, TaskState
from orchestrator_client.dialogue.suggestions import BACK

__all__ = ["transition"]

_MOST_QUESTIONS = 2
"""After so many clarifying questions about one request, the fallback agent answers instead."""

Moved = tuple[SessionState, tuple[Effect, ...]]


def transition(state: SessionState, event: Event) -> Moved:
    """The next state and what is to be done now, in order.

    Raises:
        ValueError: the event cannot happen in this state; the caller has a bug.
    """
    if isinstance(event, FromPerson):
        return _by_person(state, event)
    return _from_within(state, event)


def _by_person(state: SessionState, event: FromPerson) -> Moved:
    state = state.but(heard=event.turn)
    match event:
        case Said():
            return _said(state, event)
        case Cancelled():
            return _cancelled(state)
        case Resumed(task_id):
            return _resumed(state, task_id)
        case Switched(text):
            return _switched(state, Request(text=text))


def _from_within(state: SessionState, event: FromWithin) -> Moved:
    match event:
        case Routed():
            return _routed(state, event)
        case Unclear():
            return _unclear(state, event)
        case OnTopic(text):
            return state, (RunAgent(_active(state).agent, text, opens=False),)
        case OffTopic(text, agent):
            _active(state)
            return state.but(question=Switch(request=Request(text=text, agent=agent))), (Ask(),)
        case Ended():
            return _ended(state, event)
        case Suggested(lines):
            return state.but(suggestions=lines), ()
        case ContextLoaded(project):
            return state.but(task=_active(state).model_copy(update={"context_of": project})), ()


def _active(state: SessionState) -> TaskState:
    if state.task is None:
        raise ValueError("there is no active task")
    return state.task


def _said(state: SessionState, event: Said) -> Moved:
    if state.question is not None:
        return _answered(state, event.text)
    if state.task is None:
        return _said_between_tasks(state, event.text)
    if wants_out(event.text, event.asked):
        return _cancelled(state)
    if is_plain_answer(event.text, event.asked):
        return state, (RunAgent(state.task.agent, event.text, opens=False),)
    return state, (CheckTopic(event.text),)


def _said_between_tasks(state: SessionState, text: str) -> Moved:
    if state.waiting:  # taking it up has failed before: it comes first
        known = asks_back(text) or is_plain_answer(text, "") or any(text == request.text for request in state.waiting)
        behind = () if known else (Request(text=text),)
        return state.but(waiting=(*state.waiting, *behind)), (Serve(),)
    return _gone_back(state, text) or (state, (Route(text),))


def _gone_back(state: SessionState, text: str) -> Moved | None:
    """What a "go back" does: the task it names, else the latest; of several it is asked which one is meant."""
    said = text.strip().casefold()
    suggested = [task.id for task in state.parked if f"{BACK}{task.opening_message}".casefold() == said]
    if suggested:
        return _resumed(state, suggested[-1])
    if not state.parked or not asks_back(text):
        return None
    words = subject(text)
    meant = named(words, state.parked) if words else state.parked[-1:]
    if len(meant) == 1 or len(state.parked) == 1:
        return _resumed(state, (meant or state.parked)[0].id)
    return state.but(question=Return()), (Ask(),)


def _answered(state: SessionState, text: str) -> Moved:
    """What the person says to the open question."""
    choice = read_choice(text, state)
    match state.question:
        case Switch(request=request):
            return _switch_answered(state, request, choice)
        case Return():
            return _return_answered(state, choice, text)
        case Clarify() as question:
            return _clarify_answered(state, question, choice, text)
        case None:
            raise ValueError("nothing was asked")


def _switch_answered(state: SessionState, request: Request, choice: Choice | None) -> Moved:
    settled = state.but(question=None)
    match choice.deed if choice else None:
        case "finish_first":
            return settled.but(waiting=(*state.waiting, request)), (Tell("kept", request.text), Reask())
        case "switch":
            return _switched(settled, request)
        case "cancel":
            return settled.but(task=None, waiting=(request, *state.waiting)), (Farewell(_active(state)), Serve())
        case "ignore":
            return settled, (Tell("dropped", request.text), Reask())
        case "same_task":
            return settled, (RunAgent(_active(state).agent, request.text, opens=False),)
        case _:
            return state, (Ask(again=True),)


def _return_answered(state: SessionState, choice: Choice | None, text: str) -> Moved:
    settled = state.but(question=None)
    match choice.deed if choice else None:
        case "back":
            return _resumed(settled, choice.task_id if choice else "")
        case "later":
            return settled, (_left(state),)
        case "cancel":
            return settled.but(parked=()), tuple(Farewell(task) for task in reversed(state.parked))
        case _ if not _has_words(text) or wants_out(text, ""):
            return state, (Ask(again=True),)
        case _:
            return _gone_back(settled, text) or (settled, (Route(text),))


def _left(state: SessionState) -> Tell:
    return Tell("waits" if len(state.parked) == 1 else "they_wait")


def _clarify_answered(state: SessionState, question: Clarify, choice: Choice | None, text: str) -> Moved:
    settled, request = state.but(question=None), question.request
    match choice.deed if choice else None:
        case "agent":
            chosen = Request(text=request.text, agent=choice.agent if choice else None)
            return settled.but(waiting=(chosen, *settled.waiting)), (Serve(),)
        case "drop":
            return _next(settled, Tell("dropped", request.text))
        case _ if not _has_words(text):
            return state, (Ask(again=True),)
        case _:
            return settled, (Route(f"{request.text}\n{text}", asked=question.times),)


def _has_words(text: str) -> bool:
    """A number that is not offered, or a lone sign, is no request."""
    return any(sign.isalpha() for sign in text)


def _switched(state: SessionState, request: Request) -> Moved:
    """Park the active task, if there is one, and take up the request."""
    parked = state.parked if state.task is None else (*state.parked, state.task)
    if len(parked) > MOST_PARKED:
        return state, (Tell("too_many_parked"),)
    told = () if state.task is None else (Tell("parked", state.task.opening_message),)
    waiting = (request, *state.waiting, *_asked_about(state))
    return state.but(question=None, task=None, parked=parked, waiting=waiting), (*told, Serve())


def _resumed(state: SessionState, task_id: str) -> Moved:
    wanted = next((task for task in state.parked if task.id == task_id), None)
    if wanted is None:
        raise ValueError("only a parked task can be resumed")
    others = tuple(task for task in state.parked if task.id != task_id)
    parked = others if state.task is None else (*others, state.task)
    waiting = (*state.waiting, *_asked_about(state))
    return state.but(question=None, task=wanted, parked=parked, waiting=waiting, suggestions=()), (Reask(),)


def _asked_about(state: SessionState) -> tuple[Request, ...]:
    """The request that the open question is about; it is not lost when the question is passed over."""
    return (state.question.request,) if isinstance(state.question, Switch | Clarify) else ()


def _routed(state: SessionState, event: Routed) -> Moved:
    if state.task is not None:
        raise ValueError("a message is routed only when no task is active")
    state = _taken_up(state, event.text)
    effects = (RunAgent(event.agent, event.text, opens=True),)
    if event.conversation:
        return state, effects
    task = TaskState(
        id=event.task_id,
        agent=event.agent,
        opening_message=event.text,
        project=state.project,
        context_of=state.project,
    )
    return state.but(task=task, suggestions=()), effects


def _unclear(state: SessionState, event: Unclear) -> Moved:
    if not event.options or event.asked >= _MOST_QUESTIONS:
        return _routed(state, Routed(event.fallback, event.task_id, event.text, conversation=True))
    request = Request(text=event.text)
    question = Clarify(request=request, options=event.options, times=event.asked + 1)
    return _taken_up(state, event.text).but(question=question), (Ask(),)


def _taken_up(state: SessionState, text: str) -> SessionState:
    """Without the waiting request that is served now."""
    if state.waiting and state.waiting[0].text == text:
        return state.but(waiting=state.waiting[1:])
    return state


def _ended(state: SessionState, event: Ended) -> Moved:
    if event.project is not None:
        state = state.but(project=event.project)
    task = state.task
    if event.how == "answered" or task is None:
        return _next(state.but(talk=event.talk), offer_return=False)
    if event.how in {"waiting", "confirming"}:
        project = event.task_project or task.project
        now = {"confirming": event.how == "confirming", "project": project}
        return state.but(task=task.model_copy(update=now), project=project or state.project, talk=None), ()
    ended = state.but(task=None, done=event.hand_off or state.done, talk=None)
    return _next(ended, *((Suggest(task.agent, task.opening_message),) if event.how == "completed" else ()))


def _cancelled(state: SessionState) -> Moved:
    match state.question:
        case Switch(request=request):
            state = state.but(question=None, waiting=(request, *state.waiting))
        case Clarify(request=request):
            return _next(state.but(question=None), Tell("dropped", request.text))
        case Return():
            return state.but(question=None), (_left(state),)
        case None:
            pass
    if state.task is None:
        dropped = tuple(Tell("dropped", request.text) for request in state.waiting)
        return state.but(waiting=()), dropped or (Tell("nothing_to_cancel"),)
    return _next(state.but(task=None, suggestions=()), Farewell(state.task))


def _next(state: SessionState, *first: Effect, offer_return: bool = True) -> Moved:
    """What comes once no task is active: a request that waits, else the way back to a parked task."""
    if state.waiting:
        return state, (*first, Serve())
    if state.parked and offer_return:
        return state.but(question=Return()), (*first, Ask())
    return state, first
