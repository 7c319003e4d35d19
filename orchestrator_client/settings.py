"""Every setting of the client, in one table. A command line option beats the environment, which beats the default."""

import json
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from orchestrator_client.dialogue.prices import Price

__all__ = ["Settings"]

_API_HOST = "api.anthropic.com"
_API_TIMEOUT_S = 60.0
_OTHER_TIMEOUT_S = 300.0
"""Without a graphics card, a server may read a long prompt for minutes before it says a word."""


def _user_data_dir() -> Path:
    return Path(platformdirs.user_data_dir("shopfloor", appauthor=False))


def _json_object(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        problem = 'is no JSON; write it like {"claude-sonnet-5-5": {"input": 3, "output": 15}}'
    raise ValueError(problem)


class Settings(BaseSettings):
    """Settings of `shopfloor`; each can be given as `SHOPFLOOR_<NAME>`, the API's own also under their usual names."""

    model_config = SettingsConfigDict(
        env_prefix="SHOPFLOOR_",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    data_dir: Annotated[
        Path,
        AfterValidator(Path.expanduser),
        Field(description="Folder of sessions, prompt history and the default server's plant"),
    ] = Field(default_factory=_user_data_dir)
    model: Annotated[
        Literal["auto", "anthropic", "guided"],
        Field(description="auto uses Claude when a key or base URL is set, and the guided model otherwise"),
    ] = "auto"
    agent_model: Annotated[str, Field(description="Model id of the agents")] = "claude-sonnet-5-5"
    routing_model: Annotated[str, Field(description="Model id of routing and summaries")] = "claude-haiku-5-5"
    server: Annotated[
        str | None, Field(description="Tool server: a command, or the URL of its /mcp; default: start our own")
    ] = None
    agents_dir: Annotated[Path | None, Field(description="Folder of agent definitions to add to those shipped")] = None
    history: Annotated[
        Literal["tokens", "fixed", "task"],
        Field(description="What an agent sees of its task: what fits the model, the last turns, or all"),
    ] = "tokens"
    context_tokens: Annotated[
        int | None, Field(ge=2000, description="Tokens the agents' model takes; default: what its server says")
    ] = None
    model_strict_tools: Annotated[
        bool | None, Field(description="Hold the model to a tool's schema; default: only with Claude's own API")
    ] = None
    model_caching: Annotated[
        bool | None, Field(description="Ask for prompt caching; default: only with Claude's own API")
    ] = None
    model_timeout_s: Annotated[
        float | None,
        Field(
            ge=5,
            le=3600,
            description="Seconds of silence after which the model is given up; default: 60, or 300 for another server",
        ),
    ] = None
    prices: Annotated[
        dict[str, Price],
        NoDecode,
        BeforeValidator(_json_object),
        Field(description="JSON object of model ids with their input and output price, in dollars per million tokens"),
    ] = Field(default_factory=dict[str, Price])
    anthropic_api_key: Annotated[
        SecretStr | None,
        Field(
            description="Key of the Messages API",
            validation_alias=AliasChoices("SHOPFLOOR_ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY"),
        ),
    ] = None
    anthropic_base_url: Annotated[
        str | None,
        Field(
            description="Root of another server of the Messages API, such as llama.cpp or vLLM",
            validation_alias=AliasChoices("SHOPFLOOR_ANTHROPIC_BASE_URL", "ANTHROPIC_BASE_URL"),
        ),
    ] = None
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(description="Least level written to stderr")
    ] = "error"
    log_format: Annotated[Literal["text", "json"], Field(description="How log lines look")] = "text"

    @property
    def chosen_model(self) -> Literal["anthropic", "guided"]:
        if self.model != "auto":
            return self.model
        return "anthropic" if self.anthropic_api_key or self.anthropic_base_url else "guided"

    @property
    def model_silence_s(self) -> float:
        """How long the model may be silent."""
        if self.model_timeout_s is not None:
            return self.model_timeout_s
        host = urlsplit(self.anthropic_base_url).hostname if self.anthropic_base_url else _API_HOST
        return _API_TIMEOUT_S if host == _API_HOST else _OTHER_TIMEOUT_S
