"""Asks the person at the host before a write that needs a person's word.

A tool refuses such a write with `ConfirmationRequired` and a code. A host that can ask (elicitation) shows the
question, and only the person's answer supplies the code: what the model sends as one counts for nothing there. Up to
2025-11-25 the question is a request to the client while the call waits; from 2026-07-28 the call ends with the question
and comes again with the answer, and the code travels sealed in between. A host that cannot ask gets the refusal.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import mcp_types as types
from mcp.server.mcpserver import Context
from mcp.shared.exceptions import MCPError
from mcp_types.version import is_version_at_least
from pydantic import ValidationError

from mcp_server.errors import ConfirmationRequired, Declined

__all__ = ["CONFIRMATION", "confirmed"]

CONFIRMATION: Final = "confirmation"
"""The argument that takes the code, and the key of our question."""

MOST_QUESTIONS: Final = 3
"""What is asked about may change while a person thinks; then the new state is asked about."""

_IN_ROUNDS_SINCE = "2026-07-28"
_LONGEST_REASON = 500

_FORM: Final[types.ElicitRequestedSchema] = {
    "type": "object",
    "properties": {
        "confirm": {"type": "boolean", "title": "I confirm this", "default": False},
        "reason": {
            "type": "string",
            "title": "If not, why",
            "description": "The assistant is told",
            "maxLength": _LONGEST_REASON,
        },
    },
    "required": ["confirm"],
}

AnyContext = Context[dict[str, Any], Any]
Call = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]


async def confirmed(
    call: Call, arguments: Mapping[str, Any], context: AnyContext | None
) -> dict[str, Any] | types.InputRequiredResult:
    """The answer of the call, or the question that the client has to bring back with an answer.

    Raises:
        ConfirmationRequired: a person's word is needed, and this host cannot ask for it.
        Declined: the person did not confirm.
        ToolFailure: whatever else the call fails with.
    """
    if context is None or not _can_ask(context):
        return await call(arguments)
    plain = {name: value for name, value in arguments.items() if name != CONFIRMATION}
    if _in_rounds(context):
        return await _by_rounds(call, plain, context)
    return await _while_waiting(call, plain, context)


async def _by_rounds(
    call: Call, arguments: dict[str, Any], context: AnyContext
) -> dict[str, Any] | types.InputRequiredResult:
    try:
        return await call(arguments | _code_confirmed(context))
    except ConfirmationRequired as required:
        form = types.ElicitRequestFormParams(message=required.message, requested_schema=_FORM)
        return types.InputRequiredResult(
            input_requests={CONFIRMATION: types.ElicitRequest(params=form)},
            request_state=json.dumps(_code(required)),
        )


async def _while_waiting(call: Call, arguments: dict[str, Any], context: AnyContext) -> dict[str, Any]:
    for _ in range(MOST_QUESTIONS):
        try:
            return await call(arguments)
        except ConfirmationRequired as required:
            _expect_yes(await _answer(required.message, context))
            arguments = arguments | _code(required)
    return await call(arguments)


async def _answer(question: str, context: AnyContext) -> types.ElicitResult:
    try:
        return await context.session.elicit_form(
            question, requested_schema=_FORM, related_request_id=context.request_id
        )
    except (MCPError, ValidationError) as error:
        raise Declined(
            "The host could not ask the person; nothing was stored.",
            field=CONFIRMATION,
            suggestion="Tell the person. They can call the tool in a terminal with `shopfloor-mcp call`.",
        ) from error


def _code(required: ConfirmationRequired) -> dict[str, str]:
    [code] = required.alternatives
    return {CONFIRMATION: code}


def _code_confirmed(context: AnyContext) -> dict[str, str]:
    """The code of the question that the client brings back answered; nothing in the first round.

    The state is ours: the SDK opens it only for the tool, the arguments and the caller that it was sealed for.
    """
    answer = (context.input_responses or {}).get(CONFIRMATION)
    if context.request_state is None or not isinstance(answer, types.ElicitResult):
        return {}
    _expect_yes(answer)
    return json.loads(context.request_state)


def _expect_yes(answer: types.ElicitResult) -> None:
    content = answer.content or {}
    if answer.action == "accept" and content.get("confirm") is True:
        return
    reason = content.get("reason") if answer.action == "accept" else None
    said = f" Their reason: {reason.strip()[:_LONGEST_REASON]}" if isinstance(reason, str) and reason.strip() else ""
    raise Declined(
        f"The person was asked and did not confirm; nothing was stored.{said}",
        field=CONFIRMATION,
        suggestion="Ask the person what they want instead. Do not call again unless they say so.",
    )


def _can_ask(context: AnyContext) -> bool:
    """Whether the client shows forms. A bare capability, from before there were modes, means that it does."""
    capabilities = context.client_capabilities
    elicitation = capabilities.elicitation if capabilities is not None else None
    if elicitation is None or (elicitation.form is None and elicitation.url is not None):
        return False
    return _in_rounds(context) or context.session.can_send_request


def _in_rounds(context: AnyContext) -> bool:
    version = context.protocol_version
    return version is not None and is_version_at_least(version, _IN_ROUNDS_SINCE)
