"""What holds for the program as a whole: help, options, exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.orchestrator_client.commands.command_line import shopfloor

HEAVY = ("anthropic", "mcp", "sqlalchemy", "prompt_toolkit", "pydantic", "structlog", "jsonschema")


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from orchestrator_client.cli import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("command", ["chat", "ask", "sessions", "agents"])
def test_every_command_explains_itself(tmp_path: Path, command: str) -> None:
    done = shopfloor(tmp_path, command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"shopfloor {command}" in done.stdout.replace("python -m orchestrator_client", "shopfloor")
    assert "--data-dir" in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        ("ask", "hello", "--history", "all"),
        ("chat", "--history", "all"),
        ("ask", " "),
        ("sessions", "nope"),
        ("sessions", "export", "x", "--format", "pdf"),
        ("sessions", "delete"),
        ("nope",),
    ],
)
def test_wrong_usage_has_an_exit_code_of_its_own(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = shopfloor(tmp_path, *command)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


def test_a_session_that_was_asked_in_is_shown_exported_and_deleted(tmp_path: Path) -> None:
    asked = shopfloor(
        tmp_path, "ask", "hello", "--session", "first-1", "--model", "guided", "--history", "task", "--json"
    )
    assert (asked.returncode, json.loads(asked.stdout)["outcome"]) == (0, "answered")
    assert "> hello" in shopfloor(tmp_path, "sessions", "show", "first").stdout
    told = json.loads(shopfloor(tmp_path, "sessions", "export", "first", "--format", "json").stdout)
    assert [message["kind"] for message in told["turns"][0]["messages"]][-1] == "agent"
    assert told["usage"]["total"]["calls"] > 0
    assert shopfloor(tmp_path, "sessions", "delete", "--yes", "first").stdout == "deleted first-1 (1 message): hello\n"
    assert json.loads(shopfloor(tmp_path, "sessions", "--json").stdout) == {"sessions": []}
