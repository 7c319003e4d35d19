"""A throw-away PostgreSQL server of Debian's `postgresql` package, on loopback and in a folder of its own."""

import contextlib
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import asyncpg
import pytest

from tests.support.plants import free_port

USER, PASSWORD = "shopfloor", "s3cret/of@the:plant"
PASSWORD_IN_URL = "s3cret%2Fof%40the%3Aplant"
MISSING = (
    "BACKEND NOT RUN: PostgreSQL: there is no initdb. Install it: apt-get install -y --no-install-recommends postgresql"
)


@dataclass(frozen=True)
class Cluster:
    """A server that runs. Its own order of text is linguistic, so that what must be in byte order has to ask for it.

    It does not wait for the disk: that would matter only if this machine crashed, not when the server does.
    """

    programs: Path
    folder: Path
    port: int
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def url(self, database: str, *, password: str = PASSWORD_IN_URL) -> str:
        return f"postgresql://{USER}:{password}@127.0.0.1:{self.port}/{database}"

    def new_database(self, *, template: str = "template0") -> str:
        """The name of a new database."""
        name = f"plant_{next(self._numbers)}"
        self.run_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, database: str) -> None:
        self.run_sql(f"DROP DATABASE {database} WITH (FORCE)")

    def run_sql(self, statement: str, *, database: str = "postgres") -> list[dict[str, Any]]:
        """Run a statement past all our code; returns its rows."""
        return anyio.run(rows_of, self.url(database), statement)

    def initialize(self) -> None:
        (self.folder / "password").write_text(PASSWORD)
        _give(self.folder)
        self._run(
            "initdb", "--pgdata", self._data, "--username", USER, "--pwfile", self.folder / "password", "--no-sync",
            "--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8",
            "--locale-provider=icu", "--icu-locale=en-US",
        )  # fmt: skip

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._control("start", "-o", options)

    def stop(self) -> None:
        self._control("stop", "--mode=immediate")

    def restart(self) -> None:
        """End it as a crash would, and start it again."""
        self._control("restart", "--mode=immediate")

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _control(self, action: str, *arguments: str) -> None:
        self._run("pg_ctl", action, "--wait", "--pgdata", self._data, "--log", self.folder / "log", *arguments)

    def _run(self, program: str, *arguments: object) -> None:
        """PostgreSQL refuses to be run by root."""
        account = _account()
        with (self.folder / "said").open("w+") as said:  # a pipe would stay open: the server inherits it
            ended = subprocess.run(
                [self.programs / program, *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd=self.folder,
                check=False,
                **({"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}),
            )
            said.seek(0)
            assert ended.returncode == 0, said.read()


async def rows_of(url: str, statement: str) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(url)
    try:
        return [dict(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


@contextlib.contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A server that is gone at the end of the block; without PostgreSQL the test is skipped."""
    programs = _programs()
    if programs is None:
        pytest.skip(MISSING)
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")))
    cluster = Cluster(programs, folder, free_port())
    try:
        cluster.initialize()
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder)


def _programs() -> Path | None:
    found = [*Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if on_path := shutil.which("initdb"):
        return Path(on_path).resolve().parent
    return max(found, key=lambda path: int(path.parts[-3])).parent if found else None


def _account() -> pwd.struct_passwd | None:
    """Whose the server is, when the tests are run by root."""
    if os.geteuid() != 0:
        return None
    known = {account.pw_name: account for account in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]


def _give(folder: Path) -> None:
    if account := _account():
        for path in (folder, *folder.iterdir()):
            os.chown(path, account.pw_uid, account.pw_gid)
