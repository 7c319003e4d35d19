"""Every setting of the server, in one table. A command line option beats the environment, which beats the default."""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["Settings"]


def _user_data_dir() -> Path:
    return Path(platformdirs.user_data_dir("shopfloor", appauthor=False))


class Settings(BaseSettings):
    """Settings of `shopfloor-mcp`; each can be given as `SHOPFLOOR_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="SHOPFLOOR_", frozen=True, extra="ignore", hide_input_in_errors=True)

    data_dir: Annotated[Path, Field(description="Folder of the plant's database")] = Field(default_factory=_user_data_dir)
    as_of: Annotated[
        date | None, Field(description="Hold the plant's day at this date, and seed the sample plant for it")
    ] = None
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(description="Least level written to stderr")
    ] = "warning"
    log_format: Annotated[Literal["text", "json"], Field(description="How log lines look")] = "text"
