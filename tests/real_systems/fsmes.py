"""FactorySemantics MES 0.4.2 as a real system, on SQLite or on a PostgreSQL that is given; it needs Python 3.12."""

import secrets
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from urllib.parse import unquote, urlsplit

from tests.real_systems.processes import CannotStart, environment, free_port, installed, run, running

__all__ = ["PINNED", "RealFsmes", "started"]

PINNED = (
    "factorysemantics-mes==0.4.2",
    "aiosqlite==0.22.1",
    "alembic==1.20.1",
    "annotated-doc==0.0.7",
    "annotated-types==0.8.0",
    "anyio==4.16.0",
    "asyncua==2.1.0",
    "certifi==2026.10.18",
    "cffi==2.1.1",
    "click==8.5.1",
    "cryptography==50.0.2",
    "fastapi==0.165.0",
    "h11==0.16.0",
    "httpcore==1.0.9",
    "httptools==0.9.0",
    "httpx==0.28.1",
    "idna==3.20",
    "Mako==1.4.3",
    "markdown-it-py==4.3.0",
    "MarkupSafe==3.0.4",
    "mdurl==0.1.2",
    "opentelemetry-api==1.45.2",
    "pycparser==3.12",
    "pydantic==2.14.3",
    "pydantic-settings==2.16.3",
    "pydantic_core==2.50.4",
    "Pygments==2.21.0",
    "python-dateutil==4.0.0",
    "python-dotenv==1.2.4",
    "pytz==2026.6",
    "PyYAML==6.0.3",
    "rich==15.0.0",
    "shellingham==1.5.4",
    "sortedcontainers==2.4.0",
    "SQLAlchemy==2.1.9",
    "starlette==1.10.0",
    "structlog==26.1.0",
    "typer==0.29.2",
    "typing-inspection==0.4.5",
    "typing_extensions==4.16.0",
    "tzdata==2026.6",
    "uvicorn==0.54.0",
    "uvloop==0.23.0",
    "watchfiles==1.3.0",
    "websockets==17.4",
    "psycopg[binary]==3.3.9",
)
"""The MES pins none of these, and with other versions its faults are others."""
_PYTHON = (3, 12)


@dataclass(frozen=True, slots=True)
class RealFsmes:
    """A running MES: `url` is what `--backend` takes; user and password are those of its demo plant."""

    url: str
    base_url: str
    user: str
    password: str
    pid: int


@contextmanager
def started(folder: Path, *, postgres_url: str | None = None) -> Generator[RealFsmes]:
    """The MES with its demo plant while the block runs; its SQLite file and its log stand in `folder`.

    Args:
        folder: an empty folder.
        postgres_url: `postgresql://…` of an empty database instead.

    Raises:
        CannotStart: it cannot be installed or started here.
    """
    program = installed("fsmes", PINNED, python=_python_3_12()) / "fsmes"
    database = _on_postgres(postgres_url) if postgres_url else {"MES_DATABASE_URL": f"sqlite:///{folder / 'fsmes.db'}"}
    env = environment(MES_SECRET_KEY=secrets.token_hex(32), **database)
    for step in ("init-db", "seed"):
        run([program, step], cwd=folder, env=env, within_s=120)
    port = free_port()
    command = [program, "run-api", "--host", "127.0.0.1", "--port", str(port)]
    with running(command, port=port, log=folder / "fsmes.log", cwd=folder, env=env) as pid:
        base_url = f"http://127.0.0.1:{port}"
        option = "?idempotency_keys=on" if postgres_url else ""
        yield RealFsmes(f"fsmes+{base_url}{option}", base_url, "ADMIN", "admin", pid)


def _on_postgres(url: str) -> dict[str, str]:
    """The password goes beside the URL: with a percent sign in it, the MES cannot read its own setting."""
    parts = urlsplit(url)
    place = f"{parts.username}@{parts.hostname}:{parts.port}"
    return {
        "MES_DATABASE_URL": parts._replace(scheme="postgresql+psycopg", netloc=place).geturl(),
        "PGPASSWORD": unquote(parts.password or ""),
    }


def _python_3_12() -> Path:
    """The first one that runs: a shim of pyenv may stand in the path and lead nowhere."""
    for candidate in _candidates():
        if _version_of(candidate) == _PYTHON:
            return candidate
    message = "FactorySemantics MES needs Python 3.12, and there is none in the path or among pyenv's versions."
    raise CannotStart(message)


def _candidates() -> Sequence[Path]:
    in_path = [Path(found) for name in ("python3.12", "python3") if (found := which(name))]
    return *in_path, *sorted(Path.home().glob(".pyenv/versions/3.12*/bin/python"))


def _version_of(python: Path) -> tuple[int, ...]:
    ask = "import sys; print(*sys.version_info[:2])"
    try:
        told = subprocess.run([python, "-c", ask], capture_output=True, text=True, timeout=20, check=True).stdout
        return tuple(map(int, told.split()))
    except (OSError, subprocess.SubprocessError, ValueError):
        return ()
