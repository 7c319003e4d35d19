import gc
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("no clock", deadline=None)
settings.load_profile("no clock")

_MEMORY = Path("/dev/shm")
_ENOUGH_BYTES = 4 * 2**30


def pytest_configure() -> None:
    """Keep the tests' files in memory where there is plenty: each of thousands of commits waits for a disk.

    And look for garbage less often, which saves a twelfth of the time.
    """
    gc.set_threshold(100_000, 50, 50)
    if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ENOUGH_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly which backends of the contract suite were not run, whatever the options are."""
    skipped: list[pytest.TestReport] = terminalreporter.stats.get("skipped", [])
    told = {str(report.longrepr[2]) for report in skipped if isinstance(report.longrepr, tuple)}
    reasons = {reason.removeprefix("Skipped: ") for reason in told}
    for reason in sorted(reason for reason in reasons if reason.startswith("BACKEND NOT RUN")):
        terminalreporter.write_line(reason, yellow=True, bold=True)
