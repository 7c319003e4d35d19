"""Where every failure of the SDK and of the wire becomes one of our three errors.

Nothing of the original travels on: an SDK error holds the request with its key, and an API's own message may echo what
was sent. What is kept is the status, the error's type and code, and the request id, each only if it is a plain word.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from json import JSONDecodeError
from types import MappingProxyType

import anthropic
import httpx2

from orchestrator_client.errors import ModelError, ModelMisbehaved, ModelRejected, ModelUnavailable
from orchestrator_client.models.messages_api.request import OptionalField
from orchestrator_client.models.messages_api.server import FieldsRefused

__all__ = ["WIRE_ERRORS", "is_not_offered", "model_error"]

# What a call or its stream can raise. While a stream is read the SDK lets errors of HTTP and of JSON through as they
# are; `TimeoutError` is our own deadline.
WIRE_ERRORS = (
    anthropic.AnthropicError,
    httpx2.HTTPError,
    httpx2.StreamError,
    JSONDecodeError,
    UnicodeError,
    TimeoutError,
)

_TRY_LATER = "Try again in a moment."
_CHECK_BASE_URL = "Check the base URL."

# An `error` event comes in a response whose status is already 200; its type says which status it would have been.
_STATUS_OF_TYPE = MappingProxyType(
    {
        "invalid_request_error": 400,
        "authentication_error": 401,
        "billing_error": 402,
        "permission_error": 403,
        "not_found_error": 404,
        "conflict_error": 409,
        "rate_limit_error": 429,
        "api_error": 500,
        "timeout_error": 504,
        "overloaded_error": 529,
    }
)

_RETRIED_BELOW_500 = frozenset({408, 409, 429})

# A 429 that waiting does not lift.
_SPENT_BUDGET = frozenset({"contract_spend_limit_reached", "enforced_spend_limit_reached"})

_ADVICE = MappingProxyType(
    {
        400: "Find the reason in the model server's log, or by the request id in the Console.",
        401: "Check ANTHROPIC_API_KEY.",
        402: "Check the billing of the account the key belongs to.",
        403: "Check what the key and its workspace may use.",
        404: "Set the model setting to an id this server offers. A base URL is the server's root, without /v1.",
        413: "Shorten the conversation or the tool results.",
        429: "The account's limit is reached. Raise it in the Console, or wait until it is reset.",
    }
)

_WRONG_REQUEST = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})
_NOT_OFFERED = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})

# How the text of a refusal names an optional field. "strict" is also a plain word: it must look like a name.
_NAMED: Mapping[OptionalField, re.Pattern[str]] = MappingProxyType(
    {
        "cache_control": re.compile(r"\bcache_control\b"),
        "tool_choice": re.compile(r"\btool_choice\b"),
        "output_config": re.compile(r"\boutput_config\b|\beffort\b"),
        "strict": re.compile(r"(?<=[\"'`./])strict\b|\bstrict\b(?=[\"'`:]| (?:mode|tools?|is|field|parameter)\b)"),
    }
)
_LONGEST_REFUSAL = 20_000

_PLAIN_WORD = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def model_error(error: Exception, *, model: str) -> ModelError:
    """The one place where an error of the wire is classed; `model` is named where the operator must correct it."""
    match error:
        case anthropic.APIStatusError():
            return _from_status(error, model=model)
        case TimeoutError():
            return ModelUnavailable("The model did not finish before its deadline.", suggestion=_TRY_LATER)
        case anthropic.APITimeoutError() | httpx2.TimeoutException():
            return ModelUnavailable("The model server did not answer in time.", suggestion=_TRY_LATER)
        case anthropic.APIConnectionError():
            advice = "Check the network and the base URL, then try again."
            return ModelUnavailable("The model server could not be reached.", suggestion=advice)
        case httpx2.HTTPError() | httpx2.StreamError():
            return ModelUnavailable("The connection broke before the answer was complete.", suggestion=_TRY_LATER)
        case UnicodeEncodeError():
            return ModelRejected("The request holds text that is not Unicode.", suggestion="Remove lone surrogates.")
        case anthropic.APIResponseValidationError() | ValueError():
            return ModelMisbehaved("The model server does not speak the Messages API.", suggestion=_CHECK_BASE_URL)
        case _:  # what is left of the SDK's tree is about loading credentials
            return ModelRejected("The credentials of the model API could not be loaded.", suggestion=_ADVICE[401])


def is_not_offered(error: Exception) -> bool:
    """The server has no such path, and will have none tomorrow."""
    return isinstance(error, anthropic.APIStatusError) and error.status_code in _NOT_OFFERED


def _from_status(error: anthropic.APIStatusError, *, model: str) -> ModelError:
    status = error.status_code
    if status == HTTPStatus.OK:
        status = _STATUS_OF_TYPE.get(str(error.type), HTTPStatus.INTERNAL_SERVER_ERROR)
    label = _label(status, error)
    if _is_transient(status, error):
        return ModelUnavailable(
            f"The model API is not available ({label}).",
            suggestion=_TRY_LATER,
            retry_after_s=_retry_after_s(error.response.headers),
        )
    refused = f"model {model!r}" if status == HTTPStatus.NOT_FOUND else "the request"
    message = f"The model API refused {refused} ({label})."
    suggestion = _ADVICE.get(status, _ADVICE[400])
    if fields := _named_fields(error):
        return FieldsRefused(message, suggestion=suggestion, fields=fields)
    return ModelRejected(message, suggestion=suggestion)


def _named_fields(error: anthropic.APIStatusError) -> frozenset[OptionalField]:
    if error.status_code not in _WRONG_REQUEST:
        return frozenset()
    text = str(error.message)[:_LONGEST_REFUSAL]
    return frozenset(name for name, pattern in _NAMED.items() if pattern.search(text))


def _is_transient(status: int, error: anthropic.APIStatusError) -> bool:
    """The API's own word on retrying goes before the status."""
    if error.error_code in _SPENT_BUDGET:
        return False
    match error.response.headers.get("x-should-retry"):
        case "true":
            return True
        case "false":
            return False
        case _:
            return status in _RETRIED_BELOW_500 or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _label(status: int, error: anthropic.APIStatusError) -> str:
    """`429 rate_limit_error, request req_…`: the words of a stranger are taken only if they are plain words."""
    words = [str(status), *(str(word) for word in (error.type, error.error_code) if _is_plain(word))]
    label = " ".join(words)
    return f"{label}, request {error.request_id}" if _is_plain(error.request_id) else label


def _is_plain(word: object) -> bool:
    return isinstance(word, str) and _PLAIN_WORD.fullmatch(word) is not None


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds from `Retry-After` (RFC 9110, 10.2.3: a number or a date) or the API's own `retry-after-ms`."""
    value = headers.get("retry-after-ms")
    scale = 0.001 if value else 1.0
    value = value or headers.get("retry-after")
    if not value:
        return None
    try:
        wait_s = float(value) * scale
    except ValueError:
        wait_s = _seconds_until(value)
    return max(0.0, wait_s) if math.isfinite(wait_s) else None


def _seconds_until(date: str) -> float:
    try:
        when = parsedate_to_datetime(date)
    except ValueError:
        return math.nan
    return (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
