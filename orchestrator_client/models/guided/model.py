"""The guided model as a `Model`: routes, watches the topic, interviews for agents with goals, or explains itself."""

from collections.abc import AsyncGenerator
from dataclasses import asdict

from pydantic import ValidationError

from orchestrator_client.dialogue.completion import MARKER
from orchestrator_client.dialogue.confirmation import just_answered
from orchestrator_client.dialogue.messages import Message, OpaqueBlock, TextBlock, ToolResultBlock, ToolUseBlock
from orchestrator_client.errors import ModelMisbehaved
from orchestrator_client.models.guided.form import Form
from orchestrator_client.models.guided.interview import Call, Done, Interview, Say, Step
from orchestrator_client.models.guided.ranking import ranked
from orchestrator_client.models.guided.similarity import rank
from orchestrator_client.models.guided.topic import topic_of
from orchestrator_client.models.guided.vagueness import concerns_the_plant
from orchestrator_client.models.protocol import (
    AgentBrief,
    ModelReply,
    ModelRequest,
    RouteBrief,
    RouteOption,
    StreamEvent,
    SummaryBrief,
    TextDelta,
    TopicBrief,
)
from orchestrator_client.models.tokenless import Tokenless

__all__ = ["GuidedModel"]

_PROVIDER = "guided"
_MOST_SHOWN = 3
_SURE_ENOUGH = 0.5
_UNSURE = 0.4
_WORTH_ASKING = 0.02
"""The share of the likeliest specialist from which a vague request is worth a question."""


class GuidedModel(Tokenless):
    """Deterministic: the same request gets the same reply. Its memory travels in the conversation."""

    name = "guided"

    async def stream(self, request: ModelRequest) -> AsyncGenerator[StreamEvent]:
        """The reply to a request; works from its brief alone."""
        match request.brief:
            case RouteBrief():
                message, stop = _routed(request.brief, request.tool_choice or "route"), "tool_use"
            case TopicBrief():
                message, stop = _on_topic(request.brief, request.tool_choice or "topic"), "tool_use"
            case AgentBrief(goals=()):
                message, stop = _explained(request.brief), "end_turn"
            case AgentBrief():
                message, stop = _interviewed(request.brief, request)
            case SummaryBrief():
                raise ModelMisbehaved("The guided model keeps no summaries; it remembers its form.")
        if message.text:
            yield TextDelta(message.text)
        yield ModelReply(message, "tool_use" if stop == "tool_use" else "end_turn", self.name)


def _routed(brief: RouteBrief, tool: str) -> Message:
    best, *others = ranked(brief.message, brief.options, brief.fallback)
    confidence = best.score
    if best.label == brief.fallback and others and others[0].score >= _WORTH_ASKING:
        vague = concerns_the_plant(brief.message, brief.options, brief.fallback)
        confidence = min(confidence, _UNSURE) if vague else confidence
    reason = "unsure" if confidence < _SURE_ENOUGH else "the wording of the message"
    answer = {"agent": best.label, "confidence": round(confidence, 2), "reason": reason}
    return Message(role="assistant", blocks=(ToolUseBlock(id="guided_route", name=tool, input=answer),))


def _on_topic(brief: TopicBrief, tool: str) -> Message:
    return Message(
        role="assistant", blocks=(ToolUseBlock(id="guided_topic", name=tool, input=asdict(topic_of(brief))),)
    )


def _explained(brief: AgentBrief) -> Message:
    matches = ranked(brief.opening_message, brief.options, brief.agent)
    options = {option.key: option for option in brief.options}
    likeliest = [options[match.label] for match in matches if match.label != brief.agent][:_MOST_SHOWN]
    lines = [f"  - {_example(option, brief.opening_message)}" for option in likeliest]
    text = "\n".join(
        [
            "I fill in forms step by step; without a language model I cannot chat. Say what you need, for example:",
            *lines,
        ]
    )
    return Message(role="assistant", blocks=(TextBlock(text=text),))


def _example(option: RouteOption, message: str) -> str:
    """The example of the agent that is likest to what was said; the first one if all are alike."""
    matches = rank(message, {example: (example,) for example in option.examples})
    return matches[0].label if matches else option.description


def _interviewed(brief: AgentBrief, request: ModelRequest) -> tuple[Message, str]:
    interview = Interview(brief, request.tools)
    form = _remembered(request.messages)
    if form is None or not interview.knows(form):
        return _message(interview.begin(calls=len(request.messages)))
    answered = just_answered(request.messages)
    if answered is not None and request.messages[-1].role == "user" and not request.messages[-1].tool_results:
        demand, agreed = answered
        return _message(interview.agreed(form, demand.code) if agreed else interview.declined(form))
    results = _unread(request.messages)
    # What was said while a call was under way was said before its answer was known, so it answers nothing.
    step = interview.returned(form, results[-1]) if results else interview.heard(form, request.messages[-1].text)
    return _message(step)


def _unread(messages: tuple[Message, ...]) -> list[ToolResultBlock]:
    """Tool results that came after the model last spoke."""
    last = max(place for place, message in enumerate(messages) if message.role == "assistant")
    return [result for message in messages[last:] for result in message.tool_results]


def _message(step: Step) -> tuple[Message, str]:
    memory = OpaqueBlock(provider=_PROVIDER, data=step.form.model_dump(mode="json"))
    match step:
        case Call(form, tool, arguments):
            use = ToolUseBlock(id=f"guided_{form.calls}", name=tool, input=arguments)
            return Message(role="assistant", blocks=(memory, use)), "tool_use"
        case Say(_, text):
            return Message(role="assistant", blocks=(TextBlock(text=text), memory)), "end_turn"
        case Done(_, text):
            return Message(role="assistant", blocks=(TextBlock(text=f"{text}\n{MARKER}"), memory)), "end_turn"


def _remembered(messages: tuple[Message, ...]) -> Form | None:
    """The form as the model last left it; None for one that another version of it has left."""
    for message in reversed(messages):
        for block in message.blocks:
            if isinstance(block, OpaqueBlock) and block.provider == _PROVIDER:
                try:
                    return Form.model_validate(block.data)
                except ValidationError:
                    return None
    return None
