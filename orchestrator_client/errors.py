"""Every error of the client, classed by who must act.

ClientError
├── ConfigurationError      the person who started the program: a setting, an option, an agent definition
├── ModelError              the LLM border
│   ├── ModelUnavailable    wait and retry: overload, rate limit, network, a cut stream
│   ├── ModelRejected       the operator: key, model id, or a request the API refuses
│   └── ModelMisbehaved     nobody can retry: an answer outside the protocol
├── ToolCallError           the MCP border
│   ├── ToolServerUnavailable   wait and retry: the server could not be reached; nothing was executed
│   ├── OutcomeUnknown      verify: the call was sent and its answer lost
│   └── ToolResultInvalid   the server's developer: an answer that does not fit its published schema
└── SessionConflict         the person: another process moved this session on
"""

__all__ = [
    "ClientError",
    "ConfigurationError",
    "ModelError",
    "ModelMisbehaved",
    "ModelRejected",
    "ModelUnavailable",
    "OutcomeUnknown",
    "SessionConflict",
    "ToolCallError",
    "ToolResultInvalid",
    "ToolServerUnavailable",
]


class ClientError(Exception):
    """Base of all errors this package raises. `suggestion` says what to do next."""

    code = "client_error"
    retryable = False

    def __init__(self, message: str, *, suggestion: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.suggestion = suggestion

    def __str__(self) -> str:
        return f"{self.message} {self.suggestion}".strip()


class ConfigurationError(ClientError):
    code = "configuration"


class ModelError(ClientError):
    code = "model"


class ModelUnavailable(ModelError):
    """`retry_after_s` is what the API asked for, if it did."""

    code = "model_unavailable"
    retryable = True

    def __init__(self, message: str, *, suggestion: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(message, suggestion=suggestion)
        self.retry_after_s = retry_after_s


class ModelRejected(ModelError):
    code = "model_rejected"


class ModelMisbehaved(ModelError):
    code = "model_misbehaved"


class ToolCallError(ClientError):
    """`retry_after_s` is what the server asked for, if it did."""

    code = "tool_call"
    outcome_known = True

    def __init__(self, message: str, *, suggestion: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(message, suggestion=suggestion)
        self.retry_after_s = retry_after_s


class ToolServerUnavailable(ToolCallError):
    code = "tool_server_unavailable"
    retryable = True


class OutcomeUnknown(ToolCallError):
    code = "outcome_unknown"
    outcome_known = False


class ToolResultInvalid(ToolCallError):
    code = "tool_result_invalid"


class SessionConflict(ClientError):
    code = "session_conflict"
    retryable = True
