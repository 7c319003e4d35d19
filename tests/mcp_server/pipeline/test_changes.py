"""Every record a call writes is read back and has a history, however many they are."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcp_server.backends.base import Query
from mcp_server.domain.records import HistoryEntry, Machine, MachineStatus
from mcp_server.errors import VerificationFailed
from mcp_server.pipeline.declaration import Tool
from tests.support.sample_plant import TOOLS, Lies, Lying, SamplePlant, report, sample_plant

pytestmark = pytest.mark.anyio


def a_report_that_stops_the_machine() -> Tool[Any, Any, Any]:
    """A tool that writes two records, one of them not its own."""
    honest = TOOLS["log_issue"]

    async def run(request: Any, call: Any) -> Any:
        machine = await call.plant.get(Machine, request.machine_id)
        await call.unit.replace(machine.model_copy(update={"status": MachineStatus.DOWN}))
        return await honest.run(request, call)

    return replace(honest, run=run)


async def history(plant: SamplePlant) -> list[HistoryEntry]:
    async with plant.backend.reader() as reader:
        return list((await reader.find(HistoryEntry, Query())).items)


async def test_each_written_record_has_an_entry_under_one_audit_row(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        arguments = report(machine_id="MC-103", on_behalf_of="A. Ortiz")
        answer = await plant.call(a_report_that_stops_the_machine(), arguments)
        stopped, reported = await history(plant)
        assert (stopped.record_type, stopped.record_id, stopped.changed) == ("Machine", "MC-103", ("status",))
        assert (reported.record_type, reported.record_id) == ("Issue", answer["record"]["id"])
        assert (reported.revision, reported.changed) == (1, ())
        assert {entry.audit_id for entry in (stopped, reported)} == {answer["audit_id"]}
        assert {entry.on_behalf_of for entry in (stopped, reported)} == {"A. Ortiz"}
        assert len(plant.rows("SELECT id FROM audit_log")) == 1


async def test_a_record_beside_the_result_is_read_back_as_well(tmp_path: Path):
    def forget(record: Any) -> Any:
        return None if isinstance(record, Machine) else record

    async with sample_plant(tmp_path, wrap=lambda backend: Lying(backend, Lies(replace=forget))) as plant:
        before = plant.counts()
        failure = await plant.refused(a_report_that_stops_the_machine(), report(machine_id="MC-103"))
        assert isinstance(failure, VerificationFailed)
        assert failure.field == "status"
        assert {n for n, count in plant.counts().items() if count != before.get(n)} <= {"audit_log", "sqlite_sequence"}


async def test_a_dry_run_and_a_replay_add_no_history(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await plant.call("log_issue", report(dry_run=True))
        assert await history(plant) == []
        await plant.call("log_issue", report(), key="the-same-key")
        await plant.call("log_issue", report(), key="the-same-key")
        assert len(await history(plant)) == 1


async def test_a_record_written_twice_in_one_call_has_one_entry_with_all_that_changed(tmp_path: Path):
    honest = TOOLS["log_issue"]

    async def run(request: Any, call: Any) -> Any:
        machine = await call.plant.get(Machine, "MC-103")
        stopped = machine.model_copy(update={"status": MachineStatus.DOWN})
        await call.unit.replace(stopped)
        await call.unit.replace(stopped.model_copy(update={"name": "HMC 3, rebuilt"}))
        return await honest.run(request, call)

    async with sample_plant(tmp_path) as plant:
        await plant.call(replace(honest, run=run), report())
        machine_entry, _ = await history(plant)
        assert set(machine_entry.changed) == {"name", "status"}
