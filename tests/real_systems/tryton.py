"""Tryton 8.2 as a real system: GPL-3, so a process of its own that only the tests start."""

import secrets
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.real_systems.processes import environment, free_port, installed, run, running

__all__ = ["RealTryton", "started"]

DATABASE = "factory"
MODULES = ("production_work", "quality")

PINNED = (
    "trytond==8.2.1",
    "proteus==8.2.0",
    "trytond_company==8.2.0",
    "trytond_company_work_time==8.2.0",
    "trytond_country==8.2.0",
    "trytond_currency==8.2.0",
    "trytond_party==8.2.0",
    "trytond_product==8.2.0",
    "trytond_production==8.2.0",
    "trytond_production_routing==8.2.0",
    "trytond_production_work==8.2.0",
    "trytond_quality==8.2.0",
    "trytond_stock==8.2.1",
    "argon2-cffi==25.1.0",
    "argon2-cffi-bindings==26.2.0",
    "cffi==2.1.1",
    "defusedxml==0.7.1",
    "Genshi==0.7.12",
    "lxml==6.1.3",
    "MarkupSafe==3.0.4",
    "polib==1.2.0",
    "puremagic==1.30",
    "pwdlib==0.3.1",
    "pycparser==3.12",
    "python-dateutil==4.0.0",
    "python-sql==1.8.1",
    "python-stdnum==2.2",
    "relatorio==1.0.0",
    "simpleeval==1.0.8",
    "tzdata==2026.6",
    "Werkzeug==3.1.9",
)


@dataclass(frozen=True, slots=True)
class RealTryton:
    """A running Tryton: `url` is what `--backend` takes, `key` what SHOPFLOOR_BACKEND_TOKEN holds."""

    url: str
    key: str
    pid: int


@contextmanager
def started(folder: Path) -> Generator[RealTryton]:
    """Tryton with an empty database in `folder` while the block runs.

    Raises:
        CannotStart: it cannot be installed or started here.
    """
    programs = installed("tryton", PINNED)
    port, key = free_port(), secrets.token_hex(32)
    configuration = _configured(folder, port)
    _made(programs, folder, configuration, key)
    command = [programs / "python", programs / "trytond", "-c", configuration]
    with running(command, port=port, log=folder / "trytond.log", cwd=folder) as pid:
        yield RealTryton(f"tryton+http://127.0.0.1:{port}/{DATABASE}", key, pid)


def _configured(folder: Path, port: int) -> Path:
    (folder / "db").mkdir()
    (folder / "db" / f"{DATABASE}.sqlite").touch()  # trytond-admin fills a database, it does not make one
    configuration = folder / "trytond.conf"
    configuration.write_text(
        f"[database]\nuri = sqlite://\npath = {folder / 'db'}\n\n[web]\nlisten = 127.0.0.1:{port}\n"
    )
    return configuration


def _made(programs: Path, folder: Path, configuration: Path, key: str) -> None:
    password = folder / "admin.password"
    password.write_text(secrets.token_hex(16))
    env = environment(TRYTONPASSFILE=str(password))
    admin = [programs / "python", programs / "trytond-admin", "-c", configuration, "-d", DATABASE]
    run([*admin, "--all", "--email", "nobody@example.com"], cwd=folder, env=env, within_s=180)
    run([*admin, "-u", *MODULES, "--activate-dependencies"], cwd=folder, env=env, within_s=180)
    script = Path(__file__).with_name("tryton_plant.py")
    run([programs / "python", script, DATABASE, configuration, key], cwd=folder, within_s=180)
