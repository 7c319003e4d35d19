"""`shopfloor-mcp serve` killed while it writes into a system without transactions; another process goes on."""

import json
import os
import shutil
import signal
import sqlite3
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from anyio.abc import Process
from starlette.responses import Response

from mcp_server.pipeline.idempotency import META_KEY
from tests.support.described_plant import begun, described_as
from tests.support.plant_lies import Columns
from tests.support.plant_system import Behavior, PlantSystem, Store, Table
from tests.support.sample_plant import AS_OF, report
from tests.support.stdio_host import META, Host, Message, exit_status, legacy, modern, spawned

pytestmark = pytest.mark.anyio


class Moment(StrEnum):
    """When the server dies, as the system sees it."""

    NEVER_ARRIVES = "its request never arrives"
    UNANSWERED = "the record is stored and not answered yet"


REPORTS: Mapping[Moment, Mapping[str, Any]] = {
    Moment.NEVER_ARRIVES: report(title="Coolant leak at the spindle", description="A puddle below the machine."),
    Moment.UNANSWERED: report(title="Label printer smears", description="Two pallets without a readable code."),
}


@dataclass
class DeadlySystem(PlantSystem):
    """Kills the server that writes to it, once."""

    moment: Moment | None = None
    victim: int = 0

    def _written(self, table: Table, body: Columns, store: Store, status: int, *, keyed: bool) -> Response:
        if self._kills(Moment.NEVER_ARRIVES):
            return Response(status_code=500)
        answer = super()._written(table, body, store, status, keyed=keyed)
        self._kills(Moment.UNANSWERED)
        return answer

    def _kills(self, moment: Moment) -> bool:
        if self.moment is not moment:
            return False
        self.moment = None
        os.kill(self.victim, signal.SIGKILL)
        os.waitid(os.P_PID, self.victim, os.WEXITED | os.WNOWAIT)
        return True


@dataclass(frozen=True)
class Plant:
    system: DeadlySystem
    folder: Path

    @asynccontextmanager
    async def server(self) -> AsyncGenerator[tuple[Host, Process]]:
        env = {
            **os.environ,
            "SHOPFLOOR_BACKEND": str(self.folder / "plant.yaml"),
            "SHOPFLOOR_DATA_DIR": str(self.folder),
            "SHOPFLOOR_AS_OF": AS_OF.isoformat(),
        }
        async with spawned(env, ("mcp_server", "serve")) as (host, process):
            yield host, process

    def open_calls(self) -> int:
        [companion] = self.folder.glob("companion-*.sqlite3")
        with closing(sqlite3.connect(f"file:{companion}?mode=ro", uri=True)) as connection:
            [[count]] = connection.execute("SELECT count(*) FROM idempotency_keys WHERE sending IS NOT NULL")
        return count

    def titles(self) -> list[str]:
        return sorted(record["title"].rpartition("] ")[2] for record in self.system.tables["issues"].values())


@pytest.fixture(params=[True, False], ids=["our ids", "ids of its own"])
def plant(request: pytest.FixtureRequest, tmp_path: Path) -> Plant:
    house, start = begun()
    system = DeadlySystem(Behavior(client_ids=request.param), start.system.copy().tables)
    house.plant = system
    shutil.copy(start.companion, tmp_path)
    (tmp_path / "plant.yaml").write_text(json.dumps(described_as(system.behavior, house.url), default=str))
    return Plant(system, tmp_path)


async def test_what_a_killed_server_has_begun_another_one_finishes_and_nothing_is_lost_or_doubled(plant: Plant) -> None:
    statuses: dict[Moment, str] = {}
    async with AsyncExitStack() as servers:
        host, process = await servers.enter_async_context(plant.server())
        for moment, given in REPORTS.items():
            other_host, other_process = await servers.enter_async_context(plant.server())
            await other_host.ask(ping())
            await host.ask(ping())
            plant.system.moment, plant.system.victim = moment, process.pid
            await host.send(logging(given, key=f"key of {moment}"))
            assert await exit_status(process) == -signal.SIGKILL
            host, process = other_host, other_process
            statuses[moment] = status_of(await host.ask(logging(given, key=f"key of {moment}")))
        never_arrived = REPORTS[Moment.NEVER_ARRIVES]
        if statuses[Moment.NEVER_ARRIVES] == "outcome_unknown":
            assert plant.open_calls() == 1
            assert status_of(await host.ask(logging(never_arrived, key="a key of its own"))) == "created"
    system_refuses_doubles = plant.system.behavior.client_ids
    assert statuses == {
        Moment.NEVER_ARRIVES: "created" if system_refuses_doubles else "outcome_unknown",
        Moment.UNANSWERED: "recovered",
    }
    assert plant.titles() == sorted(given["title"] for given in REPORTS.values())
    assert plant.open_calls() == (0 if system_refuses_doubles else 1)


def ping() -> Message:
    return modern("ping", "tools/list")


def logging(given: Mapping[str, Any], *, key: str) -> Message:
    return legacy("call", "tools/call", name="log_issue", arguments=given, _meta={**META, META_KEY: key})


def status_of(reply: Message) -> str:
    answer = reply["result"]["structuredContent"]
    return answer["error"]["code"] if "error" in answer else answer["status"]
