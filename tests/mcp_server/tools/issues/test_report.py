from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mcp_server.clock import Clock
from tests.support.sample_plant import AS_OF, report, sample_plant

pytestmark = pytest.mark.anyio

NOON = "2026-11-22T12:00:00Z"


async def test_every_field_of_a_report_is_stored_and_found_again(tmp_path: Path):
    arguments = report(
        severity="major",
        machine_id="LT-130",
        workstation="ALPHA-OP80",
        material_id="FC57-FG",
        spec_id="SP-010",
        lot_ids=["LOT-FG-001"],
        qty_affected=12,
        detected_at="2026-11-22T06:30:00+01:00",
        immediate_containment="Quarantined the last two boxes.",
    )
    async with sample_plant(tmp_path) as plant:
        written = await plant.call("log_issue", arguments)
        (read,) = (await plant.call("get_issues", {"project": "ALPHA", "id": written["record"]["id"]}))["items"]
        assert read["record"] == written["record"]
        read = read["record"]
        assert {name: read[name] for name in arguments} == arguments | {"detected_at": "2026-11-22T05:30:00Z"}
        assert (read["id"], read["state"], read["opened_at"]) == ("ISS-0073", "open", NOON)


@pytest.mark.parametrize(
    ("change", "severity", "due"),
    [
        ({}, "minor", (24, 72, 20, 60)),
        ({"qty_affected": 1}, "major", (4, 24, 10, 45)),
        ({"severity": "minor", "qty_affected": 9}, "minor", (24, 72, 20, 60)),
        ({"category": "safety", "severity": "minor"}, "critical", (1, 4, 5, 30)),
        ({"spec_id": "SP-013", "severity": "minor"}, "critical", (1, 4, 5, 30)),
    ],
)
async def test_severity_sets_the_clock_and_cannot_be_talked_down(
    tmp_path: Path, change: dict[str, Any], severity: str, due: tuple[int, int, int, int]
):
    async with sample_plant(tmp_path) as plant:
        answer = await plant.call("log_issue", report(**change))
        record = answer["record"]
        opened = datetime.fromisoformat(record["opened_at"])
        names = ("acknowledge", "contain", "root_cause", "close")
        allowed = [datetime.fromisoformat(record[f"{name}_due_at"]) - opened for name in names]
        assert record["severity"] == severity
        assert allowed[:2] == [timedelta(hours=hours) for hours in due[:2]]
        assert allowed[2:] == [timedelta(days=days) for days in due[2:]]
        assert ("warnings" in answer) is (severity == "critical")


async def test_the_same_problem_is_not_reported_twice(tmp_path: Path):
    again = report(description="The very same, reported by the next shift.", machine_id="WA-111")
    async with sample_plant(tmp_path) as plant:
        first = await plant.call("log_issue", report(machine_id="WA-111"))
        issues = plant.counts()["issues"]
        second = await plant.call("log_issue", again)
        assert (second["status"], second["record"]) == ("already_exists", first["record"])
        assert second["verification"]["fields_checked"] == 0
        assert "force_new" in second["warnings"][0]
        assert plant.counts()["issues"] == issues
        forced = await plant.call("log_issue", again | {"force_new": True})
        assert forced["status"] == "created"
        assert [other["id"] for other in forced["similar"]] == [first["record"]["id"]]
    async with sample_plant(tmp_path, clock=Clock(AS_OF + timedelta(days=8))) as plant:
        assert (await plant.call("log_issue", again))["status"] == "created"


@pytest.mark.parametrize(
    ("change", "code", "field", "way_out"),
    [
        ({"lot_ids": ["LOT-HSG-999"]}, "not_found", "lot_ids[0]", "LOT-HSG"),
        ({"lot_ids": ["LOT-RC38-001"]}, "not_found", "lot_ids[0]", "LOT-"),
        ({"lot_ids": ["LOT-HSG-003", "LOT-HSG-003"]}, "precondition", "lot_ids[1]", "once"),
        ({"lot_ids": ["LOT-HSG-003", "LOT-FG-001"]}, "precondition", "lot_ids[1]", "LOT-HSG-001"),
        ({"lot_ids": ["LOT-FG-001"], "material_id": "HSG-FC57"}, "precondition", "lot_ids[0]", "LOT-HSG-001"),
        ({"lot_ids": ["LOT-FG-001"], "spec_id": "SP-001"}, "precondition", "lot_ids[0]", "LOT-HSG-001"),
        ({"lot_ids": ["LOT-FG-001"], "qty_affected": 1201}, "precondition", "qty_affected", "1200 or less"),
        ({"machine_id": "LT-13"}, "not_found", "machine_id", "LT-130"),
        ({"machine_id": "Leak tester 2"}, "ambiguous", "machine_id", "LT-230"),
        ({"workstation": "OP80"}, "not_found", "workstation", "ALPHA-OP80"),
        ({"material_id": "FC57"}, "not_found", "material_id", "FC57-FG"),
        ({"spec_id": "SP-103"}, "not_found", "spec_id", "SP-013"),
        ({"detected_at": "2026-11-23T12:00:00Z"}, "precondition", "detected_at", "leave detected_at out"),
        ({"detected_at": "yesterday"}, "validation", "detected_at", "Correct it"),
        ({"project": "Project Alfa"}, "not_found", "project", "Project Alpha"),
    ],
)
async def test_a_refused_report_names_the_field_and_the_way_out(
    tmp_path: Path, change: dict[str, Any], code: str, field: str, way_out: str
):
    async with sample_plant(tmp_path) as plant:
        before = plant.counts()
        failure = await plant.refused("log_issue", report(**change))
        assert (failure.code, failure.field) == (code, field)
        assert way_out in failure.suggestion
        after = plant.counts()
        assert {name for name in after if after[name] != before.get(name)} <= {"audit_log", "sqlite_sequence"}


async def test_issues_are_found_by_what_is_asked(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:

        async def found(**wanted: Any) -> list[dict[str, Any]]:
            return (await plant.call("get_issues", {"project": "ALPHA", "limit": 200} | wanted))["items"]

        everything = await found()
        assert len(everything) == 67
        assert {issue["project"] for issue in everything} == {"ALPHA", "SHARED"}
        assert await found(machine_id="LT-131") == [i for i in everything if i.get("machine_id") == "LT-131"] != []
        assert await found(severity="critical") == [i for i in everything if i["severity"] == "critical"] != []
        still_open = [i for i in everything if i["state"] not in {"closed", "cancelled"}]
        assert await found(open_only=True) == still_open != []
        assert await found(state="closed", open_only=True) == []
        assert await found(overdue=True) == [i for i in still_open if i["overdue"]] != []
        assert await found(overdue=False) == [i for i in still_open if not i["overdue"]] != []
        since = "2026-09-01T00:00:00+02:00"
        recent = [i for i in everything if datetime.fromisoformat(i["opened_at"]) >= datetime.fromisoformat(since)]
        assert await found(opened_from=since) == recent != []


async def test_an_issue_is_overdue_only_after_its_last_moment(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        record = (await plant.call("log_issue", report()))["record"]
    due = datetime.fromisoformat(record["close_due_at"]).astimezone(UTC)
    assert (due.hour, due.minute) == (12, 0)
    for days, overdue in ((0, False), (1, True)):
        async with sample_plant(tmp_path, clock=Clock((due + timedelta(days=days)).date())) as plant:
            ask = {"project": "ALPHA", "id": record["id"]}
            assert [i["overdue"] for i in (await plant.call("get_issues", ask))["items"]] == [overdue]
            for asked in (True, False):
                assert (await plant.call("get_issues", ask | {"overdue": asked}))["total"] == int(asked is overdue)


async def test_pieces_of_several_lots_are_reported_together(tmp_path: Path):
    lots = ["LOT-FG-001", "LOT-FG-002"]
    async with sample_plant(tmp_path) as plant:
        written = await plant.call("log_issue", report(lot_ids=lots, qty_affected=2388, material_id="FC57-FG"))
        assert (written["record"]["lot_ids"], written["record"]["qty_affected"]) == (lots, 2388)


async def test_a_list_is_short_and_one_issue_is_whole(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        listed = (await plant.call("get_issues", {"project": "ALPHA", "machine_id": "LT-131"}))["items"]
        assert not any({"record", "next_required", "clock"} & set(item) for item in listed)
        (item,) = (await plant.call("get_issues", {"project": "ALPHA", "id": "ISS-0071"}))["items"]
        assert item.items() >= next(entry for entry in listed if entry["id"] == "ISS-0071").items()
        assert item["record"]["description"]
        assert [need["gate"] for need in item["next_required"]][:3] == ["triage", "containment", "root_cause"]
        assert [tick["step"] for tick in item["clock"]] == ["acknowledge", "contain", "root_cause", "close"]


async def test_the_list_says_which_issues_need_escalation_whatever_the_page(tmp_path: Path):
    async with sample_plant(tmp_path) as plant:
        whole = await plant.call("get_issues", {"project": "ALPHA", "limit": 200})
        due = {item["id"]: item["escalate_to"] for item in whole["items"] if "escalate_to" in item}
        assert due["ISS-0071"] == "plant_manager"
        page = await plant.call("get_issues", {"project": "ALPHA", "limit": 1})
        assert page["warnings"] == whole["warnings"]
        for issue_id, level in due.items():
            (line,) = [warning for warning in page["warnings"] if issue_id in warning]
            assert level.replace("_", " ") in line


async def test_the_pages_of_a_list_come_one_after_the_other(tmp_path: Path):
    ask = {"project": "ALPHA", "severity": "critical"}
    async with sample_plant(tmp_path) as plant:
        whole = await plant.call("get_issues", ask | {"limit": 200})
        found: list[str] = []
        cursor: dict[str, Any] = {}
        while True:
            page = await plant.call("get_issues", ask | {"limit": 5} | cursor)
            found += [item["id"] for item in page["items"]]
            assert page["total"] == whole["total"]
            if "next_cursor" not in page:
                break
            cursor = {"cursor": page["next_cursor"]}
    assert found == [item["id"] for item in whole["items"]]


async def test_what_does_not_fit_together_in_a_report_is_told(tmp_path: Path):
    odd = report(machine_id="MC-104", workstation="ALPHA-OP80", detected_at="2025-11-22T08:00:00Z")
    async with sample_plant(tmp_path) as plant:
        assert (await plant.call("log_issue", odd))["warnings"] == [
            "detected_at is 365 days ago: check the date.",
            "MC-104 is decommissioned: check machine_id.",
            "MC-104 stands at ALPHA-OP20, not at ALPHA-OP80.",
        ]
