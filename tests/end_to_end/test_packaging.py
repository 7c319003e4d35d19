"""The wheel alone, in an empty environment, is a working product."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


def run(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SHOPFLOOR_"))}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**environment, "SHOPFLOOR_DATA_DIR": str(cwd / "data"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        input="",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.timeout(600)
def test_the_wheel_installs_into_an_empty_environment_and_both_programs_start(tmp_path: Path):
    wheels, home = tmp_path / "wheels", tmp_path / "home"
    home.mkdir()
    run(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
        *("--wheel-dir", wheels, REPOSITORY),
        cwd=tmp_path,
    )
    [wheel] = wheels.glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    binaries = tmp_path / "venv" / "bin"
    run(
        *(binaries / "python", "-m", "pip", "install", "--quiet"),
        *("--constraint", REPOSITORY / "constraints.txt", wheel),
        cwd=home,
    )

    assert run(binaries / "shopfloor-mcp", "schemas", "--check", cwd=home).endswith("up to date.\n")
    assert '"id":"ALPHA"' in run(binaries / "shopfloor-mcp", "call", "list_projects", "--json", cwd=home)
    assert '"outcome":"completed"' in run(
        *(binaries / "shopfloor", "ask", "Show the quality plans of Project Alpha", "--json"), cwd=home
    )
    assert "quality_planning" in run(binaries / "shopfloor", "agents", cwd=home)
