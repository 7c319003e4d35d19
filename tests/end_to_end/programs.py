"""Both programs as a person runs them: as commands, with what is typed and what is printed."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

AS_OF = "2026-11-22"
DEADLINE_S = 90.0
"""Bounds every command; far above what any takes, so that only a hang reaches it."""


@dataclass(frozen=True)
class Programs:
    """Both programs on one data folder; nothing of this machine's environment reaches them but the path.

    `settings` are further variables that both are started with.
    """

    data_dir: Path
    settings: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        own = {"SHOPFLOOR_DATA_DIR": str(self.data_dir), "SHOPFLOOR_AS_OF": AS_OF, "COLUMNS": "100"}
        return {**kept, **own, **self.settings}

    def server(self, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        return self._run("mcp_server", arguments, typed)

    def client(
        self, *arguments: str, typed: str = "", environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return self._run("orchestrator_client", arguments, typed, environment or {})

    def call(self, tool: str, arguments: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """`shopfloor-mcp call … --json`: exit code and answer."""
        done = self.server("call", tool, json.dumps(arguments), "--json")
        return done.returncode, json.loads(done.stdout)

    def _run(
        self, module: str, arguments: Sequence[str], typed: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            input=typed,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            env={**self.environment, **(environment or {})},
            check=False,
        )


def lines(*typed: str) -> str:
    return "".join(f"{line}\n" for line in typed)
