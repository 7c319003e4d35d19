"""Every setting of the server, in one table. A command line option beats the environment, which beats the default."""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["Settings"]


def _user_data_dir() -> Path:
    return Path(platformdirs.user_data_dir("shopfloor", appauthor=False))


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
    as_of: Annotated[
        date | None, Field(description="Hold the plant's day at this date, and seed the sample plant for it")
    ] = None
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(description="Least level written to stderr")
    ] = "warning"
    log_format: Annotated[Literal["text", "json"], Field(description="How log lines look")] = "text"
