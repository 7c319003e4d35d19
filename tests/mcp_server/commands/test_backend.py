"""`shopfloor-mcp backend check` as a person or a script meets it."""

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mcp_server.cli import app

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command with these settings of the environment."""
    for name in ("USER", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"SHOPFLOOR_BACKEND_{name}", raising=False)

    def invoked(*arguments: str, **env: str) -> Result:
        return CliRunner().invoke(app, ["backend", "check", "--data-dir", str(tmp_path), *arguments], env=env)

    return invoked


def test_the_embedded_store_is_shown_as_a_table_and_progress_is_kept_apart(run: Run) -> None:
    done = run(COLUMNS="140")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith("System of record  SQLite 3.")
    assert any(line.split()[:4] == ["machine", "database", "0", "yes"] for line in lines)
    assert "Tried: issue SHOPFLOOR-CHECK written, read back and rolled back" in done.stdout
    assert "Warning: No project is known" in done.stdout
    assert "Connecting …" in done.stderr
    assert "Connecting" not in done.stdout


def test_json_is_one_object_with_everything_in_it(run: Run) -> None:
    done = run("--json")
    report = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert report["ok"] is True
    assert report["round_trip"]["how"] == "rolled back"
    assert {kind["kind"] for kind in report["kinds"]} >= {"project", "machine", "issue"}


def test_a_checked_store_can_still_be_filled_with_a_plant(run: Run, tmp_path: Path) -> None:
    assert run().exit_code == 0
    seeded = CliRunner().invoke(app, ["seed", "--data-dir", str(tmp_path)])
    assert "42 machines" in seeded.stdout


@pytest.mark.parametrize(
    ("backend", "told"),
    [
        ("mysql://plant", "names no system that Shopfloor knows"),
        ("fsmes+http://?idempotency_keys=maybe", "idempotency_keys=on"),
        ("fsmes+http://127.0.0.1:1", "SHOPFLOOR_BACKEND_USER is not set"),
        ("tryton+http://127.0.0.1/db", "SHOPFLOOR_BACKEND_TOKEN"),
        ("postgresql://nowhere", "The PostgreSQL URL cannot be read"),
        ("nothing.yaml", "cannot be read"),
    ],
)
def test_settings_that_cannot_be_right_are_wrong_usage(run: Run, backend: str, told: str) -> None:
    done = run("--backend", backend)
    assert done.exit_code == 2
    assert done.stdout.startswith("Wrong: ")
    assert told in done.stdout


def test_a_system_that_is_not_there_is_told_with_what_to_do(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"fsmes+http://127.0.0.1:{taken.getsockname()[1]}"
        env = {"SHOPFLOOR_BACKEND_USER": "ADMIN", "SHOPFLOOR_BACKEND_PASSWORD": "canary"}
        done = run("--backend", url, "--json", **env)
    report = json.loads(done.stdout)
    assert (done.exit_code, report["ok"]) == (1, False)
    (problem,) = report["problems"]
    assert "Nothing listens there" in problem["suggestion"]
    assert "canary" not in done.output
