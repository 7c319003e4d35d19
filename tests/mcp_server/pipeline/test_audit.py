import json
from pathlib import Path

import pytest
import stamina

from mcp_server.backends.base import Backend
from mcp_server.errors import BackendUnavailable
from tests.support.sample_plant import Failing, SamplePlant, control_plan, plan_row, report, sample_plant

pytestmark = pytest.mark.anyio


def audit(plant: SamplePlant) -> list[dict[str, object]]:
    return plant.rows("SELECT * FROM audit_log ORDER BY id")


async def test_a_write_has_a_row_that_says_who_did_what(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("log_issue", report(on_behalf_of="M. Novak"), key="turn-7-call-1")
        (row,) = audit(plant)
        assert json.loads(str(row.pop("arguments")))["title"] == "Burr on the seal groove edge"
        assert str(row.pop("at")).startswith("2026-11-22")
        assert row == {
            "id": answer["audit_id"],
            "principal": "local",
            "on_behalf_of": "M. Novak",
            "tool": "log_issue",
            "outcome": "created",
            "record_type": "Issue",
            "record_id": answer["record"]["id"],
            "idempotency_key": "turn-7-call-1",
        }


async def test_a_report_that_existed_already_is_noted_without_a_record(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await plant.call("log_issue", report())
        await plant.call("log_issue", report(description="The very same, reported by the next shift."))
        last = audit(plant)[-1]
        assert (last["outcome"], last["record_id"]) == ("already_exists", None)


async def test_a_refused_write_has_a_row_of_its_own(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await plant.refused("create_quality_plan", control_plan(plan_row(machine_id="MC-104")))
        (row,) = audit(plant)
        assert (row["tool"], row["outcome"], row["record_id"]) == ("create_quality_plan", "refused:precondition", None)


async def test_reads_dry_runs_and_replays_have_none(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        await plant.call("get_machines", {"project": "ALPHA"})
        await plant.refused("get_machines", {"project": "OMEGA"})
        await plant.call("log_issue", report(dry_run=True))
        await plant.refused("log_issue", report(dry_run=True, machine_id="LT-999"))
        assert audit(plant) == []
        await plant.call("log_issue", report())
        await plant.call("log_issue", report())
        assert len(audit(plant)) == 1


async def test_where_the_backend_is_what_failed_nothing_more_is_asked_of_it(tmp_path: Path):
    failing: list[Failing] = []

    def wrap(backend: Backend) -> Failing:
        failing.append(Failing(backend, [BackendUnavailable("Down.") for _ in range(3)]))
        return failing[0]

    async with sample_plant(tmp_path, wrap=wrap) as plant:
        with stamina.set_testing(True, attempts=3):
            await plant.refused("log_issue", report())
        assert failing[0].attempts == 3
        assert audit(plant) == []


async def test_a_refusal_is_told_even_if_it_cannot_be_noted(tmp_path: Path):
    async with sample_plant(tmp_path, wrap=lambda backend: Failing(backend, [BackendUnavailable("Down.")])) as plant:
        failure = await plant.refused("log_issue", report(machine_id="LT-999"))
        assert failure.code == "not_found"
        assert audit(plant) == []
