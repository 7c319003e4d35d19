"""How many tokens a model takes, read from a server's description of it.

Claude's API says `max_input_tokens`. Local servers have only a list of models, and words of their own: vLLM
`max_model_len`, llama.cpp `meta.n_ctx`. The SDK hands all of it on without a check.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

__all__ = ["window_in", "window_of"]

_Tokens = Annotated[int | None, Field(gt=0)]


class _Meta(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    n_ctx: _Tokens = None


class _Described(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    max_input_tokens: _Tokens = None
    max_model_len: _Tokens = None
    meta: _Meta | None = None


class _Listed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    data: list[dict[str, Any]]


def window_in(described: Mapping[str, object]) -> int | None:
    try:
        model = _Described.model_validate(described)
    except ValidationError:
        return None
    return model.max_input_tokens or model.max_model_len or (model.meta.n_ctx if model.meta else None)


def window_of(model: str, listed: object) -> int | None:
    """The window of a model in a list; a server with one model serves it under any name."""
    try:
        entries = _Listed.model_validate(listed).data
    except ValidationError:
        return None
    named = [entry for entry in entries if entry.get("id") == model]
    chosen = named or (entries if len(entries) == 1 else [])
    return window_in(chosen[0]) if chosen else None
