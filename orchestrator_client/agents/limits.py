"""How far one message may carry an agent. A limit ends the task, and says which one it was."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from orchestrator_client.agents.registry import Agent
from orchestrator_client.dialogue.messages import Message, ToolUseBlock
from orchestrator_client.models.protocol import ModelReply, ModelRequest
from orchestrator_client.models.tokens import message_tokens, request_tokens

__all__ = ["GaveUp", "Meter"]

_MOST_REPEATS = 3
_MOST_STOPS = 2


class GaveUp(Exception):
    """A limit ended the task. The text is for the person."""


@dataclass(slots=True)
class Meter:
    """What the answer to one message has used so far. Every method raises GaveUp where a limit is passed."""

    agent: Agent
    model_calls: int = 0
    tool_calls: int = 0
    tokens: int = 0
    repeats: int = 0
    stops: int = 0

    def before_model_call(self, history: Sequence[Message]) -> None:
        """Hold the next model call against the limits; `history` holds all messages of the task."""
        limits = self.agent.limits
        if sum(message.kind == "person" for message in history) > limits.turns:
            raise GaveUp(f"This task has taken {limits.turns} messages from you, which is as many as it may.")
        if self.tokens >= limits.tokens:
            raise GaveUp(f"Your message has used {self.tokens:,} tokens; {limits.tokens:,} is the limit.")
        if self.model_calls >= limits.model_calls:
            raise GaveUp(f"The {self.agent.title} specialist did not come to an end within {limits.model_calls} steps.")
        self.model_calls += 1

    def after_model_call(self, request: ModelRequest, reply: ModelReply) -> None:
        """Count what a reply cost; what its server does not report is estimated."""
        self.tokens += reply.usage.input_tokens or request_tokens(request)
        self.tokens += reply.usage.output_tokens or message_tokens(reply.message)

    def before_tool_calls(self, fresh: int, repeated: Sequence[ToolUseBlock]) -> None:
        """Hold the calls of one message against the limits, before any of them is made."""
        self.tool_calls += fresh
        self.repeats += len(repeated)
        if self.tool_calls > self.agent.limits.tool_calls:
            raise GaveUp(f"This needed more than {self.agent.limits.tool_calls} tool calls.")
        if self.repeats > _MOST_REPEATS:
            raise GaveUp(f"The {self.agent.title} specialist kept making the same call ({repeated[0].name}).")

    def after_tool_calls(self, stopped: Collection[str]) -> None:
        """Count the times the agent was told to stop calling a tool that fails."""
        self.stops += bool(stopped)
        if self.stops > _MOST_STOPS:
            raise GaveUp(f"The {self.agent.title} specialist kept making calls that failed ({', '.join(stopped)}).")
