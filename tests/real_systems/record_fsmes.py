"""Record what the MES answers, for the tests that run without it: `python -m tests.real_systems.record_fsmes`."""

import json
import tempfile
from pathlib import Path
from typing import Any

import httpx

from tests.real_systems.fsmes import RealFsmes, started
from tests.real_systems.processes import ROOT

ANSWERS = ROOT / "tests" / "mcp_server" / "backends" / "fsmes" / "answers"
BORE = {"material": "MAT-1", "characteristic": "Bore diameter"}
SCRATCHES = {"material": "MAT-1", "characteristic": "Scratches"}
ORDER = {"equipment": "MC-103", "priority": 2, "needs_stop": False}
PLAN = {"name": "Grease", "equipment": "MC-103", "expected_minutes": 20}
WRITTEN_THERE = {"code": "WI-1", "title": "Start up", "body": "Press green.", "anchors": {"equipment": "MC-103"}}

ASKED: dict[str, list[tuple[str, str, Any]]] = {
    "session": [
        ("POST", "/auth/login", {"code": "ADMIN", "password": "admin"}),
        ("POST", "/auth/login", {"code": "ADMIN", "password": "wrong"}),
        ("GET", "/auth/me", None),
    ],
    "equipment": [
        ("POST", "/masterdata/equipment", {"code": "MC-103", "name": "HMC 3", "level": "work_unit"}),
        ("POST", "/masterdata/equipment", {"code": "MC-103", "name": "HMC 3", "level": "work_unit"}),
        ("POST", "/masterdata/equipment", {"code": "L2", "name": "Line 2", "level": "work_center", "parent": "NO"}),
        ("POST", "/masterdata/equipment", {"code": "L2", "name": "Line 2", "level": "line"}),
        ("GET", "/masterdata/equipment", None),
    ],
    "materials": [
        ("POST", "/masterdata/materials", {"code": "MAT-1", "name": "Housing", "unit": "ea", "type": "intermediate"}),
        ("GET", "/masterdata/materials", None),
    ],
    "specs": [
        ("POST", "/quality/specs", {**BORE, "unit": "mm", "min_value": 57.0, "max_value": 57.03}),
        ("POST", "/quality/specs", {**BORE, "unit": "mm", "min_value": 57.0, "max_value": 57.03}),
        ("POST", "/quality/specs", {**SCRATCHES, "counted": True}),
        (
            "POST",
            "/quality/specs",
            {**BORE, "characteristic": "Upside down", "unit": "mm", "min_value": 58.0, "max_value": 57.0},
        ),
        ("GET", "/quality/specs?material=MAT-1", None),
        ("GET", "/quality/specs?material=MAT-1&limit=2", None),
    ],
    "counts": [
        (
            "POST",
            "/quality/counts",
            {**SCRATCHES, "inspected": 3, "rejected": 1, "lot_ref": "[IR-0001] LOT-1"},
        ),
        ("POST", "/quality/counts", {**SCRATCHES, "inspected": 9, "rejected": 0, "lot_ref": "shift 2"}),
        ("GET", "/quality/spc/MAT-1/Scratches", None),
    ],
    "nonconformances": [
        ("POST", "/quality/checks", {**BORE, "value": 57.05}),
        ("POST", "/quality/nonconformances/NC-00001/close", {}),
        ("GET", "/quality/nonconformances/NC-00001", None),
        ("POST", "/quality/nonconformances/NC-00001/review", {}),
        (
            "POST",
            "/quality/nonconformances/NC-00001/disposition",
            {"disposition": "scrap", "reason": "1 pieces: scrap."},
        ),
        ("GET", "/quality/nonconformances", None),
        ("POST", "/quality/nonconformances/NC-00001/close", {}),
        ("GET", "/quality/nonconformances/NO", None),
    ],
    "plans": [
        ("POST", "/maintenance/plans", {**PLAN, "code": "PM-1", "trigger": "calendar_days", "interval": 30}),
        ("POST", "/maintenance/plans", {**PLAN, "code": "PM-2", "trigger": "runtime_hours", "interval": 500}),
        ("POST", "/maintenance/plans", {**PLAN, "code": "PM-3", "trigger": "produced_qty", "interval": 9}),
        ("POST", "/maintenance/plans", {**PLAN, "code": "PM-4", "trigger": "calendar_days", "interval": 0.5}),
        ("GET", "/maintenance/plans", None),
    ],
    "orders": [
        ("POST", "/maintenance/corrective", {**ORDER, "summary": "[WO-0001] Replace seal", "reason": "It leaks."}),
        ("POST", "/maintenance/corrective", {"equipment": "MC-103", "summary": "[urgent] Look at the pump"}),
        ("POST", "/maintenance/orders/CM-00002/assign", {"person": "ADMIN", "scheduled_for": "2026-12-01T08:00:00Z"}),
        ("GET", "/maintenance/orders", None),
        ("POST", "/maintenance/orders/CM-00001/complete", {}),
        ("POST", "/maintenance/orders/CM-00001/complete", {}),
        ("GET", "/maintenance/orders?q=CM-00001", None),
        ("GET", "/maintenance/orders?q=WO-9999", None),
    ],
    "documents": [
        ("GET", "/documents", None),
        ("POST", "/documents", WRITTEN_THERE),
        ("POST", "/documents", WRITTEN_THERE),
        ("GET", "/documents/WI-1/revisions", None),
        ("GET", "/documents/NO/revisions", None),
        ("GET", "/documents/NO", None),
        ("GET", "/documents", None),
        ("POST", "/documents/WI-1/approve/1", {}),
        ("POST", "/documents/WI-1/withdraw", {}),
        ("GET", "/documents", None),
    ],
}


def record(real: RealFsmes) -> None:
    with httpx.Client(base_url=real.base_url, headers={"Connection": "close"}) as client:
        signed_in = client.post("/auth/login", json={"code": real.user, "password": real.password}).json()
        client.headers["Authorization"] = f"Bearer {signed_in['token']}"
        for topic, asked in ASKED.items():
            answers = [_answer(client, *question) for question in asked]
            (ANSWERS / f"{topic}.json").write_text(json.dumps(answers, indent=1, ensure_ascii=False) + "\n")


def _answer(client: httpx.Client, method: str, path: str, sent: Any) -> dict[str, Any]:
    answer = client.request(method, path, json=sent)
    is_json = answer.headers["content-type"].startswith("application/json")
    body: Any = answer.json() if is_json else answer.text
    if path == "/auth/login" and answer.is_success:
        body["token"] = "a-token"
    return {"asked": f"{method} {path}", "sent": sent, "status": answer.status_code, "answered": body}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, started(Path(folder)) as mes:
        record(mes)
