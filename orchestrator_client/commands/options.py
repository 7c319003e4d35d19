"""Options that several commands take, and the settings they lead to."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator_client.commands.running import wrong_usage

if TYPE_CHECKING:
    from orchestrator_client.settings import Settings

__all__ = [
    "AgentsDir",
    "AsJson",
    "DataDir",
    "HistoryChoice",
    "HistoryOption",
    "ModelChoice",
    "ModelOption",
    "ServerOption",
    "settings_of",
]


class ModelChoice(StrEnum):
    AUTO = "auto"
    ANTHROPIC = "anthropic"
    GUIDED = "guided"


class HistoryChoice(StrEnum):
    TOKENS = "tokens"
    FIXED = "fixed"
    TASK = "task"


ModelOption = Annotated[
    ModelChoice | None,
    typer.Option("--model", help="auto takes Claude if a key is set, else guided.", show_default="auto"),
]
ServerOption = Annotated[
    str | None,
    typer.Option("--server", help='Tool server: "COMMAND" or URL.', show_default="our own"),
]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Folder of sessions and plant.", show_default="SHOPFLOOR_DATA_DIR"),
]
AgentsDir = Annotated[
    Path | None,
    typer.Option("--agents", help="Folder of agents to add to those shipped.", show_default=False),
]
HistoryOption = Annotated[
    HistoryChoice | None,
    typer.Option("--history", help="What an agent sees: what fits, the last turns, all.", show_default="tokens"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def settings_of(**given: object) -> "Settings":
    """The settings with these options, by the names of the settings; what is None was not given.

    Ends the program if one of them is wrong.
    """
    from pydantic import ValidationError

    from orchestrator_client.logs import configure_logs
    from orchestrator_client.settings import Settings

    try:
        settings = Settings.model_validate({name: _plain(value) for name, value in given.items() if value is not None})
    except ValidationError as error:
        names = ", ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors())
        wrong_usage(f"A setting is wrong. {names}.", "Correct it and start again.")
    configure_logs(settings.log_level, settings.log_format)
    return settings


def _plain(value: object) -> object:
    return value.value if isinstance(value, StrEnum) else value
