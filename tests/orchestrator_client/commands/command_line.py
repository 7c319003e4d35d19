"""`shopfloor` in a process of its own, as a person or a script meets it."""

import os
import pty
import subprocess
import sys
from pathlib import Path

LIMIT_S = 60.0


def shopfloor(data_dir: Path, *arguments: str, stdin: int | None = None) -> subprocess.CompletedProcess[str]:
    """Without `stdin` nobody is there to be asked."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("SHOPFLOOR_", "ANTHROPIC_"))}
    return subprocess.run(
        [sys.executable, "-m", "orchestrator_client", *arguments],
        stdin=subprocess.DEVNULL if stdin is None else stdin,
        capture_output=True,
        text=True,
        check=False,
        env={**ours, "SHOPFLOOR_DATA_DIR": str(data_dir), "COLUMNS": "120"},
        timeout=LIMIT_S,
    )


def shopfloor_at_a_terminal(data_dir: Path, typed: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    keyboard, terminal = pty.openpty()
    try:
        os.write(keyboard, typed.encode())
        return shopfloor(data_dir, *arguments, stdin=terminal)
    finally:
        os.close(keyboard)
        os.close(terminal)
