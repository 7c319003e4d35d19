"""How the router and the topic detector ask a model, and read answers that may be anything.

A strict tool is answered with its input. A server without strict tools is asked for a line of text; a small model may
wrap that line in quotes, Markdown, JSON, line feeds or the tokens of its chat template.
"""

import json
import re
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from typing import Any

from pydantic_core import from_json

from orchestrator_client.dialogue.completion import without_marker
from orchestrator_client.dialogue.json_values import as_object
from orchestrator_client.dialogue.messages import user
from orchestrator_client.errors import ModelMisbehaved
from orchestrator_client.models.protocol import Brief, Model, ModelReply, ModelRequest, RouteOption, ToolSpec

__all__ = [
    "PLAIN_CONFIDENCE",
    "answer_line",
    "asked_through",
    "confidence_in",
    "excerpt",
    "key_in",
    "listing",
    "object_in",
    "quoted",
    "reason_in",
    "reply_of",
    "tool_answer",
]

PLAIN_CONFIDENCE = 0.75
"""What a valid answer counts as when the model could state no confidence."""

_MOST_SENT = 4_000
_MOST_READ = 2_000
_MOST_QUOTED = 200
_LONGEST_REASON = 200
_TOOL_TOKENS = 200
_PLAIN_TOKENS = 64
_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL)
_TEMPLATE_TOKEN = re.compile(
    r"<\|start_header_id\|>[^<]{0,20}<\|end_header_id\|>|<\|im_start\|>(?:assistant\b)?|<\|[^|<>]{1,40}\|>"
    r"|<start_of_turn>(?:model\b)?|<end_of_turn>|</?s>|\[/?INST\]"
)
_LABEL = re.compile(
    r"\A(?:the )?(?:best |right )?(?:agent|answer|key|route|specialist|output)(?:'s key)?\s*(?:is\b|[:=])\s*"
)
_KEY = re.compile(r"[a-z][a-z_ -]{0,38}[a-z]")
_DECORATION = " \t\"'`*_#>-.()[]{}\u201c\u201d\u2018\u2019\u00ab\u00bb"


def excerpt(text: str) -> str:
    """A message that fits a question about it: of a long one the beginning and the end."""
    if len(text) <= _MOST_SENT:
        return text
    half = _MOST_SENT // 2
    return f"{text[:half]}\n[{len(text) - 2 * half} characters are left out]\n{text[-half:]}"


def quoted(text: str) -> str:
    """A person's words as one short line of data."""
    return json.dumps(text if len(text) <= _MOST_QUOTED else f"{text[:_MOST_QUOTED]}…", ensure_ascii=False)


def listing(options: Iterable[RouteOption]) -> str:
    """The agents as a model reads them."""
    return "\n".join(
        f"{option.key}: {option.description}\n" + "\n".join(f"  - {quoted(example)}" for example in option.examples)
        for option in options
    )


def asked_through(tool: ToolSpec, *, brief: Brief, strict: str, plain: str, state: str, model: Model) -> ModelRequest:
    """The question with the tool forced where the server is strict about tools, else without any tool.

    `strict` and `plain` are the fixed system prompts of both ways, `state` is all that changes from call to call.
    """
    can = model.capabilities.strict_tools
    return ModelRequest(
        brief=brief,
        system=strict if can else plain,
        messages=(user(state),),
        tools=(tool,) if can else (),
        tool_choice=tool.name if can else None,
        max_tokens=_TOOL_TOKENS if can else _PLAIN_TOKENS,
    )


async def reply_of(model: Model, request: ModelRequest) -> ModelReply:
    """The whole reply.

    Raises:
        ModelError: as the model does, or because its stream held no reply.
    """
    async with aclosing(model.stream(request)) as stream:
        async for event in stream:
            if isinstance(event, ModelReply):
                return event
    raise ModelMisbehaved("The model's stream ended without a reply.")


def tool_answer(reply: ModelReply, tool: str) -> dict[str, Any] | None:
    """The input of the tool, or a JSON object that the model wrote instead; None if it wrote none."""
    answers = [use.input for use in reply.message.tool_uses if use.name == tool]
    return answers[0] if answers else object_in(reply.message.text)


def object_in(text: str) -> dict[str, Any] | None:
    """The JSON object that the text is, perhaps in a code fence."""
    bare = _without_tokens(text).strip("`").removeprefix("json").strip()
    if not bare.startswith("{"):
        return None
    try:
        return as_object(from_json(bare, allow_inf_nan=False)) or None
    except ValueError:
        return None


def answer_line(text: str) -> str:
    """The first line that says something, without case, decoration and a label such as `agent:`."""
    for line in _without_tokens(text).splitlines():
        bare = line.strip(_DECORATION).casefold()
        bare = _LABEL.sub("", bare, count=1).strip(_DECORATION)
        if bare:
            return bare
    return ""


def key_in(line: str, keys: Sequence[str]) -> str | None:
    """The one key that an answer line begins with and is about; blanks and hyphens stand for underscores."""
    words = re.split(r"[^\w -]| -+ ", line, maxsplit=1)
    named = _KEY.fullmatch(words[0].strip(_DECORATION))
    key = re.sub(r"[ -]", "_", named[0]) if named else ""
    rest = line[len(words[0]) :]
    return key if key in keys and not any(re.search(rf"\b{other}\b", rest) for other in keys if other != key) else None


def confidence_in(answer: dict[str, Any]) -> float:
    """What is no number from 0 to 1 counts as none."""
    stated = answer.get("confidence")
    if isinstance(stated, bool) or not isinstance(stated, int | float):
        return 0.0
    return float(stated) if 0 <= stated <= 1 else 0.0


def reason_in(answer: dict[str, Any]) -> str:
    """One short printable line: people and logs read it."""
    said = answer.get("reason")
    line = " ".join(said[:_MOST_READ].split()) if isinstance(said, str) else ""
    return without_marker("".join(sign for sign in line if sign.isprintable()))[:_LONGEST_REASON]


def _without_tokens(text: str) -> str:
    """The beginning of the text without thoughts and the chat template's own tokens."""
    return _TEMPLATE_TOKEN.sub("\n", _THOUGHT.sub("", text.strip()[:_MOST_READ])).strip()
