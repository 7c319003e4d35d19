"""Every setting of the server, in one table. A command line option beats the environment, which beats the default."""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

__all__ = ["Settings"]


def _user_data_dir() -> Path:
    return Path(platformdirs.user_data_dir("shopfloor", appauthor=False))


def _names(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(dict.fromkeys(name for part in value.split(",") if (name := part.strip())))


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)]
"""Given as text with commas."""


class Settings(BaseSettings):
    """Settings of `shopfloor-mcp`; each can be given as `SHOPFLOOR_<NAME>`."""

    model_config = SettingsConfigDict(
        env_prefix="SHOPFLOOR_",
        env_ignore_empty=True,  # hosts pass "" for what their user left blank
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
    )

    data_dir: Annotated[
        Path,
        AfterValidator(Path.expanduser),
        Field(default_factory=_user_data_dir, description="Folder of the plant's database"),
    ]
    backend: Annotated[
        SecretStr | None,
        Field(
            description="System of record: PostgreSQL URL, MES or ERP URL, or a YAML file; default: the embedded store"
        ),
    ] = None
    backend_user: Annotated[str | None, Field(description="Who we sign in as at an MES or ERP")] = None
    backend_password: Annotated[SecretStr | None, Field(description="Its password")] = None
    backend_token: Annotated[SecretStr | None, Field(description="Token or API key, instead of a password")] = None
    backend_timeout_s: Annotated[
        float, Field(gt=0, le=120, description="Seconds an MES or ERP may take for one answer")
    ] = 10.0
    as_of: Annotated[
        date | None, Field(description="Hold the plant's day at this date, and seed the sample plant for it")
    ] = None
    toolsets: Annotated[Names, Field(description="Offer the tools of these toolsets")] = ()
    tools: Annotated[Names, Field(description="Offer these tools, beside those of the toolsets")] = ()
    exclude_tools: Annotated[Names, Field(description="Do not offer these tools")] = ()
    read_only: Annotated[bool, Field(description="Offer no tool that writes")] = False
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(description="Least level written to stderr")
    ] = "warning"
    log_format: Annotated[Literal["text", "json"], Field(description="How log lines look")] = "text"
