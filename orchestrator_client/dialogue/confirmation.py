"""What only a person may decide: a server answers such a call with what will happen and a code, and does nothing.

The person is shown the server's own words, by the program and not by a model, and only a plain yes as the very next
message lets the code pass, once, in the same call. Pure; it reads the conversation alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator_client.dialogue.json_values import as_list, as_object
from orchestrator_client.dialogue.messages import Message, ToolUseBlock

__all__ = ["CONFIRMATION", "DEMAND_CODE", "YES", "Demand", "demanded", "just_answered", "may_pass", "plain_yes"]

CONFIRMATION = "confirmation"
"""The argument that carries the code."""

DEMAND_CODE = "confirmation_required"
"""The code of the error that asks for it."""

YES = frozenset({"y", "yes", "ok", "okay", "sure", "true", "confirm", "store it", "do it"})
"""What counts as a yes, and nothing that merely begins like one."""


@dataclass(frozen=True, slots=True)
class Demand:
    """A call that waits for a person. `message` is what will happen, in the server's words."""

    use: ToolUseBlock
    code: str
    message: str

    @property
    def question(self) -> str:
        return f"{self.message}\nDo you agree? Answer yes to do it; anything else leaves everything as it is."


def plain_yes(text: str) -> bool:
    return text.strip().casefold().rstrip(".!").strip() in YES


def demanded(messages: Sequence[Message]) -> Demand | None:
    """The demand among the results that the last message carries, if it stands beside the call that led to it."""
    if len(messages) < 2:  # noqa: PLR2004 - a call and its result
        return None
    uses = {use.id: use for use in messages[-2].tool_uses}
    for result in messages[-1].tool_results:
        error = as_object(as_object(result.structured).get("error"))
        codes = as_list(error.get("alternatives"))
        if result.is_error and error.get("code") == DEMAND_CODE and codes and result.tool_use_id in uses:
            return Demand(uses[result.tool_use_id], str(codes[0]), str(error.get("message", "")))
    return None


def just_answered(messages: Sequence[Message]) -> tuple[Demand, bool] | None:
    """The demand that the person's last message answers, and whether they agreed.

    Calls and their results since then change nothing, for the person has not spoken again.
    """
    said = max((at for at, message in enumerate(messages) if _is_spoken(message)), default=0)
    demand = demanded(messages[: said - 1]) if said else None
    if demand is None or messages[said - 1].text != demand.question:
        return None
    return demand, plain_yes(messages[said].text)


def may_pass(messages: Sequence[Message], use: ToolUseBlock) -> bool:
    """Whether a call may be made: it carries no code, or the one a person has just agreed to, in the same call."""
    if use.input.get(CONFIRMATION) is None:
        return True
    answered = just_answered(messages)
    if answered is None:
        return False
    demand, agreed = answered
    code = use.input[CONFIRMATION]
    return agreed and (use.name, code, _content(use)) == (demand.use.name, demand.code, _content(demand.use))


def _is_spoken(message: Message) -> bool:
    return message.role == "user" and not message.tool_results


def _content(use: ToolUseBlock) -> dict[str, object]:
    return {name: value for name, value in use.input.items() if name != CONFIRMATION}
