"""What every real system needs: a virtual environment of its own, a free port, a process that is awaited and ended."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import filelock

__all__ = ["ROOT", "CannotStart", "environment", "free_port", "installed", "run", "running"]

ROOT = Path(__file__).parents[2]


class CannotStart(Exception):
    """A real system cannot be installed or started on this machine; the message says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def environment(**more: str) -> dict[str, str]:
    """Our environment without what would lead another Python to our packages."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))} | more


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    within_s: float,
) -> str:
    """Run a step of an installation to its end; returns what it printed."""
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=env or environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=within_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as failure:
        message = f"{Path(command[0]).name} did not run: {type(failure).__name__}."
        raise CannotStart(message) from failure
    if done.returncode:
        message = f"{Path(command[0]).name} ended with {done.returncode}: {_tail(done.stdout)}"
        raise CannotStart(message)
    return done.stdout


def installed(name: str, requirements: Sequence[str], *, python: str | Path = sys.executable) -> Path:
    """The folder of programs of a virtual environment that holds these requirements, made anew when they change."""
    venv = ROOT / ".venv-backends" / name
    wanted = "\n".join(requirements)
    stamp = venv / "requirements.txt"
    venv.parent.mkdir(exist_ok=True)
    with filelock.FileLock(venv.with_suffix(".lock")):  # tests run in several processes
        if not (stamp.is_file() and stamp.read_text() == wanted):
            run([python, "-m", "venv", "--clear", venv], within_s=120)
            pip = (venv / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check")
            run([*pip, *requirements], within_s=600)
            stamp.write_text(wanted)
    return venv / "bin"


@contextmanager
def running(
    command: Sequence[str | Path],
    *,
    port: int,
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    within_s: float = 60,
) -> Generator[int]:
    """A server that listens on loopback while the block runs; gives its process id. `log` gets what it prints.

    Raises:
        CannotStart: it ended, or did not listen in time.
    """
    process = _started(command, log, cwd, env)
    try:
        _await_port(process, port, log, within_s)
        yield process.pid
    finally:
        _end(process)


def _started(
    command: Sequence[str | Path], log: Path, cwd: Path | None, env: Mapping[str, str] | None
) -> "subprocess.Popen[bytes]":
    with log.open("wb") as output:
        try:
            return subprocess.Popen(
                command,
                cwd=cwd,
                env=env or environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as failure:
            message = f"{Path(command[0]).name} did not run: {type(failure).__name__}."
            raise CannotStart(message) from failure


def _await_port(process: "subprocess.Popen[bytes]", port: int, log: Path, within_s: float) -> None:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            pass
        else:
            return
        try:
            process.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
        message = f"The server ended with {process.returncode}: {_tail(log.read_text(errors='replace'))}"
        raise CannotStart(message)
    message = f"The server did not listen within {within_s:g} s: {_tail(log.read_text(errors='replace'))}"
    raise CannotStart(message)


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def _tail(text: str) -> str:
    return " ".join(text.split())[-600:]
