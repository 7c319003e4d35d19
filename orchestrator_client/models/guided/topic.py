"""Whether a message leaves the task under way. Conservative by construction: what may be an answer stays an answer."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator_client.models.guided.ranking import ranked
from orchestrator_client.models.guided.similarity import rank
from orchestrator_client.models.protocol import RouteOption, TopicBrief

__all__ = ["Topic", "topic_of"]

_SURE = 0.85
_VERY_SURE = 0.97
_ALIKE = 0.5
_SHARED_WORDS = 2
_STEM = 5

_POLITE = re.compile(
    r"(?:(?:please|pls|ok|okay|now|btw|by the way|actually|wait|hold on|first|also|but|and|so|hey|instead"
    r"|quick question|(?:can|could|would|will) you|(?:i|we) (?:want|need|would like|have) to|(?:i|we)'d like to"
    r"|(?:i|we) would like you to|let's|let me|help me)\b[,:.!\s-]*)+"
)
_ORDER = re.compile(
    r"(?:show|list|display|find|search|look up|give me|tell me|get me|log|report|raise|file|open|create|make|write"
    r"|draft|document|prepare|generate|set up|schedule|reschedule|postpone|book|plan|move|cancel|approve|release"
    r"|submit|withdraw|revise|update|change|close|escalate|triage|compute|calculate|enter|record|start|begin|new"
    r"|(?:i|we) need an?)\b"
)
_BE_OR_DO = r"(?:is|are|was|were|do|does|did|has|have|can|will)"
_QUESTION = re.compile(
    rf"(?:when|where|who|how)(?:'s|\s+{_BE_OR_DO})\b|how (?:many|much|often|long)\b|whose\b"
    rf"|(?:what|which)(?:'s|(?:\s+[\w-]+){{0,4}}?\s+{_BE_OR_DO})\b|(?:is|are) there\b|do we have\b"
)
_WAYS = re.compile(
    r"number or name|one of these|a number|yes or no|yes / no|such as \d|Answer (?:yes|the number)", re.IGNORECASE
)
_TO_ASSISTANT = re.compile(
    r"(?:show|give|tell|get) me\b|list (?:the|all|our|my|open)\b"
    r"|(?:log|report|raise|open|create) (?:an?|the) (?:new )?[\w-]+(?: [\w-]+)?:"
)
"""Orders that are no step of any work: to show something, or to record what follows the colon."""
_WORD = re.compile(r"[^\W\d_]{3,}")
_EMPTY = re.compile(
    r"the|and|for|with|our|are|was|what|which|when|where|who|how|does|did|has|have|there|this|that|from|into|please|all"
    r"|you|can|need|want|would|like|its|his|her|their|any|not|now|last|new|here"
)


@dataclass(frozen=True, slots=True)
class Topic:
    """`agent` is who a new task is for; the fallback when the message belongs to the task."""

    switch: bool
    agent: str
    confidence: float
    reason: str


def topic_of(brief: TopicBrief) -> Topic:
    """A switch needs all of it: the form of a request or report, no likely answer, and an agent that is very sure."""
    text = _bare(brief.message)
    asked = _last_question(brief)
    is_question = text.endswith("?") or bool(_QUESTION.match(text))
    is_request = is_question or _ORDER.match(text) is not None
    if not is_request and not _may_report(text, asked):
        return _same(brief, "no request")
    if _may_answer(text, asked, is_question=is_question):
        return _same(brief, "may answer the question just asked")
    best = ranked(brief.message, brief.options, brief.fallback)[0]
    if best.label in {brief.agent, brief.fallback} or best.score < _SURE:
        return _same(brief, "no other agent is clearly meant")
    option = next(option for option in brief.options if option.key == best.label)
    if not _is_like_an_example(text, option, 1 if is_request and best.score >= _VERY_SURE else _SHARED_WORDS):
        return _same(brief, "unlike every example of another agent")
    return Topic(switch=True, agent=best.label, confidence=round(best.score, 2), reason="a request for another agent")


def _same(brief: TopicBrief, reason: str) -> Topic:
    return Topic(switch=False, agent=brief.fallback, confidence=0.9, reason=reason)


def _bare(message: str) -> str:
    text = " ".join(message.casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").split())
    return text[polite.end() :] if (polite := _POLITE.match(text)) else text


def _last_question(brief: TopicBrief) -> str:
    return next((message.text for message in reversed(brief.recent) if message.role == "assistant"), "")


def _may_answer(text: str, asked: str, *, is_question: bool) -> bool:
    """A question about what was just asked is a clarification. Where any words are an answer, an instruction is one: a
    step, a reaction plan, a corrective action. Then only what is said to the assistant is a request.
    """
    if is_question:
        return bool(_stems(text) & _stems(asked.partition("\n")[0])) or (_is_open(asked) and not text.endswith("?"))
    return _is_open(asked) and not _TO_ASSISTANT.match(text)


def _may_report(text: str, asked: str) -> bool:
    """Whether a statement may tell of something else: `coolant leak at MC-103`, where a number or a date was asked for.

    Where any words are an answer it stays one, and so does what speaks of the choices.
    """
    return not _is_open(asked) and not _stems(text) & _stems(asked)


def _is_open(asked: str) -> bool:
    """Whether any words are an answer: nothing to choose from, no number, no time."""
    return not _WAYS.search(asked)


def _is_like_an_example(text: str, option: RouteOption, wanted_words: int) -> bool:
    wanted = _stems(text.partition(":")[0])
    shared = max((len(wanted & _stems(example)) for example in option.examples), default=0)
    return shared >= wanted_words or _likeness(text, option.examples) >= _ALIKE


def _likeness(text: str, examples: Sequence[str]) -> float:
    return rank(text, {"": examples})[0].score


def _stems(text: str) -> frozenset[str]:
    """Words that mean something, without their endings: `serviced` and `service` are one."""
    return frozenset(_stemmed(text))


def _stemmed(text: str) -> Iterator[str]:
    for word in _WORD.findall(text.casefold()):
        if not _EMPTY.fullmatch(word):
            yield word.removesuffix("s")[:_STEM]
