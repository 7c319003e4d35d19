"""The LLM border: what every model, real or not, is asked and answers.

A request has two sides. The *rendered* side (`system`, `messages`, `tools`, `tool_choice`) is what an LLM reads. The
*brief* is the structured thing that the rendered side was written from; a model that is no LLM works from it alone.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from orchestrator_client.dialogue.messages import Message
from orchestrator_client.dialogue.usage import NO_USAGE, Purpose, Usage

__all__ = [
    "AgentBrief",
    "AskField",
    "Brief",
    "Capabilities",
    "ChoiceSource",
    "Goal",
    "Model",
    "ModelReply",
    "ModelRequest",
    "RouteBrief",
    "RouteOption",
    "StopReason",
    "StreamEvent",
    "SummaryBrief",
    "TextDelta",
    "TextWithdrawn",
    "ToolSpec",
    "TopicBrief",
    "Usage",
    "purpose_of",
]

StopReason = Literal["end_turn", "tool_use", "max_tokens", "stop_sequence", "refusal", "context_window", "pause"]


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as offered to a model. `strict` asks the API to hold the model to the schema, where it can."""

    name: str
    description: str
    input_schema: dict[str, Any]
    strict: bool = False
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class ChoiceSource:
    """Where the allowed values of one field come from: a read-only tool of the same server.

    `arguments` may refer to values already given as `$field`. `where` keeps only the items whose fields have one of
    the listed values. `value`, `label` and `notes` name fields of an item, or of an answer that is a single record;
    a person knows the item by its label, and the notes help to choose. With `ask` False, the one value that is found
    is taken without a question. `time_zone` names the field that holds the IANA time zone in which times are meant.
    """

    tool: str
    value: str
    label: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    where: dict[str, tuple[Any, ...]] = field(default_factory=dict[str, tuple[Any, ...]])
    notes: tuple[str, ...] = ()
    ask: bool = True
    time_zone: str | None = None


@dataclass(frozen=True, slots=True)
class AskField:
    """A field worth asking for although the schema does not require it.

    With `when`, it is asked only if the neighbouring fields have those values (None: were left out; a tuple: one of
    them), and then it must be answered unless it is `optional`. With `only_if_named` it is never asked, only taken from
    the opening message.
    """

    path: str
    when: dict[str, Any] = field(default_factory=dict[str, Any])
    optional: bool = False
    only_if_named: bool = False

    @property
    def must_be_answered(self) -> bool:
        return bool(self.when) and not self.optional


@dataclass(frozen=True, slots=True)
class Goal:
    """A tool whose checked success completes the agent's task, and how a form for it is filled in.

    Field paths are dotted; a list of objects adds `[]`: `rows[].spec_id`.
    """

    tool: str
    examples: tuple[str, ...] = ()
    ask: tuple[AskField, ...] = ()
    choices: dict[str, ChoiceSource] = field(default_factory=dict[str, ChoiceSource])


@dataclass(frozen=True, slots=True)
class RouteOption:
    key: str
    description: str
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RouteBrief:
    """Which agent is `message` for? `parked` are the messages that opened the tasks that wait."""

    message: str
    options: tuple[RouteOption, ...]
    fallback: str
    project: str | None = None
    parked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TopicBrief:
    """Does `message` belong to the task that `agent` has under way, or does it start an entirely different one?

    `goal` is the message that opened the task, `recent` its last messages, the newest last.
    """

    message: str
    agent: str
    goal: str
    recent: tuple[Message, ...]
    options: tuple[RouteOption, ...]
    fallback: str


@dataclass(frozen=True, slots=True)
class AgentBrief:
    """One agent at work: its goals, the message that opened the task, values already known (`project`).

    An agent without goals only talks; `options` are the specialists it can point to. `now` is the moment of the
    message, with its offset; None means that it is not known what "tomorrow" is.
    """

    agent: str
    title: str
    goals: tuple[Goal, ...]
    opening_message: str
    known: dict[str, Any]
    options: tuple[RouteOption, ...] = ()
    now: datetime | None = None


@dataclass(frozen=True, slots=True)
class SummaryBrief:
    """Condense `messages` of the request to intent, decisions, data and progress; `previous` is the summary so far."""

    previous: str = ""


Brief = RouteBrief | TopicBrief | AgentBrief | SummaryBrief


def purpose_of(brief: Brief) -> Purpose:
    """What a request is for."""
    match brief:
        case RouteBrief():
            return "route"
        case TopicBrief():
            return "topic"
        case AgentBrief():
            return "agent"
        case SummaryBrief():
            return "summary"


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """`tool_choice`: None lets the model decide, a name forces that tool, "none" forbids tools."""

    brief: Brief
    system: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: str | None = None
    max_tokens: int = 4096


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer's text, in order."""

    text: str


@dataclass(frozen=True, slots=True)
class ModelReply:
    """The whole answer; always the last event of a stream, exactly once."""

    message: Message
    stop_reason: StopReason
    model: str
    usage: Usage = NO_USAGE


@dataclass(frozen=True, slots=True)
class TextWithdrawn:
    """Every piece of text so far is void: the answer broke off and is asked for again."""


StreamEvent = TextDelta | TextWithdrawn | ModelReply


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a model or its server can do beyond answering; nothing is asked of it that it lacks."""

    strict_tools: bool = True
    caching: bool = True
    token_counting: bool = True
    summaries: bool = True


class Model(Protocol):
    """A source of replies.

    `stream` yields text as it comes and ends with one `ModelReply`. It raises `ModelUnavailable`, `ModelRejected` or
    `ModelMisbehaved`; text it yielded before that is void, as it is after a `TextWithdrawn`.
    """

    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> Capabilities: ...

    async def count_tokens(self, request: ModelRequest) -> int | None:
        """The input tokens of a request by the server's own count; None if it cannot tell. Never raises for it."""
        ...

    async def window_tokens(self) -> int | None:
        """How many tokens the model takes, input and output together; None if it is not known. Never raises for it."""
        ...

    def stream(self, request: ModelRequest) -> AsyncGenerator[StreamEvent]: ...

    async def aclose(self) -> None: ...
