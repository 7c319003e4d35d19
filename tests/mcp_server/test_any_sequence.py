"""Whatever is called in whatever order: states move along their graphs, what was signed never changes, one open work
order a task, no more pieces disposed of than there are, and every effect stands in the audit once.

The graphs are written down here a second time, from the standards and not from the code.
"""

import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from mcp_server.backends.sql.provision import DATABASE_NAME
from mcp_server.errors import ConfirmationRequired, InternalError, ToolFailure, VerificationFailed
from tests.support.checks import case_modules
from tests.support.sample_plant import control_plan, plan_row, report, sample_plant

VALID: Mapping[str, dict[str, Any]] = {name: given for module in case_modules() for name, given in module.VALID.items()}
SEQUENCES = int(os.environ.get("SHOPFLOOR_TEST_SEQUENCES", "40"))
"""`make test-long` plays 200."""

STEPS, SHARES = 50, 2

OPEN = {"draft", "in_review", "approved"}
DOCUMENT_MOVES = {
    None: {"draft"},
    "draft": {"in_review", "superseded", "withdrawn"},
    "in_review": {"approved", "draft", "withdrawn"},
    "approved": {"released", "draft", "withdrawn"},
    "released": {"superseded", "withdrawn"},
    "superseded": set[str](),
    "withdrawn": set[str](),
}
WORK_ORDER_MOVES = {None: {"planned"}, "planned": {"done", "cancelled"}, "done": set[str](), "cancelled": set[str]()}
FORWARD = ["open", "triaged", "contained", "investigating", "action_planned", "action_implemented", "verifying"]
ISSUE_MOVES = {
    None: {"open"},
    "open": {"triaged", "cancelled"},
    "triaged": {"contained", "investigating", "cancelled"},
    "contained": {"investigating", "cancelled"},
    "investigating": {"action_planned", "cancelled"},
    "action_planned": {"action_implemented", "investigating"},
    "action_implemented": {"verifying", "investigating", "action_planned"},
    "verifying": {"closed", "investigating", "action_planned"},
    "closed": {"reopened"},
    "reopened": {"contained", "investigating", "cancelled"},
    "cancelled": set[str](),
}
DOCUMENTS = {"quality_plan": "quality_plans", "checklist": "checklists", "pm_plan": "pm_plans", "sop": "sops"}
MAY_MOVE = {"state", "signatures", "review_reason", "effective_on"}
PEOPLE = ["E100", "E101", "E105", "E108", "E112", "E113", "E114", "E115"]
SECTIONS: list[dict[str, Any]] = [
    {"section": "triage", "by": "E105", "owner": "E108"},
    {"section": "triage", "by": "E105", "owner": "E108", "qty": 6},
    {"section": "containment", "by": "E110", "text": "Stock blocked and sorted."},
    {"section": "root_cause", "by": "E105", "text": "Final check", "whys": ["Burr", "Worn insert", "Life not set"]},
    {"section": "action", "text": "Set the tool life", "owner": "E108", "due_on": "2026-12-20"},
    {"section": "action_done", "by": "E108", "action_id": "A1", "evidence": "Photo of the setting"},
    {"section": "effect_check", "by": "E113", "text": "Audit", "evidence": "30 parts", "result": "effective"},
    {"section": "effect_check", "by": "E113", "text": "Audit", "evidence": "30 parts", "result": "not_effective"},
    {"section": "disposition", "by": "E105", "qty": 2, "disposition": "scrap"},
    {"section": "disposition", "by": "E105", "qty": 3, "disposition": "rework", "evidence": "Reinspected 3 of 3"},
    {"section": "escalate", "by": "E105", "to": "quality_manager", "text": "No progress"},
    {"section": "comment", "by": "E105", "text": "Seen again"},
    {"section": "reopen", "by": "E105", "text": "It came back"},
    {"section": "cancel", "by": "E105", "text": "Not a problem"},
]
MOSTLY = st.sampled_from([0, 0, 0, 0, 0, 0, 0, 1])
"""How far beside the stored revision a caller is: mostly not at all."""


class Plant(RuleBasedStateMachine):
    """One sequence of calls on a plant of its own."""

    @initialize()
    def open(self) -> None:
        self.stack = ExitStack()
        self.folder = Path(tempfile.mkdtemp(dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")))
        self.stack.callback(shutil.rmtree, self.folder)
        self.portal = self.stack.enter_context(start_blocking_portal())
        self.plant = self.stack.enter_context(self.portal.wrap_async_context_manager(sample_plant(self.folder)))
        place = f"file:{self.folder / DATABASE_NAME}?mode=ro"
        self.file = self.stack.enter_context(closing(sqlite3.connect(place, uri=True, isolation_level=None)))
        self.file.row_factory = sqlite3.Row
        self.effects: list[int] = []
        self.before = self.stored()
        self.history = 0

    def teardown(self) -> None:
        if hasattr(self, "stack"):
            self.stack.close()

    def call(self, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
        """The answer, or None when the call was refused; a refusal is no error here, a breakdown is."""
        try:
            answer = self.portal.call(self.plant.call, tool, arguments)
        except (InternalError, VerificationFailed) as failure:
            raise AssertionError(f"{tool} {arguments}: {failure.message} {failure.also}") from failure
        except ConfirmationRequired as failure:
            return self.call(tool, {**arguments, "confirmation": failure.alternatives[0]})
        except ToolFailure:
            answer = None
        if answer is not None and not answer.get("replayed"):
            self.effects.append(answer["audit_id"])
        self.check()
        return answer

    def rows(self, query: str) -> list[dict[str, Any]]:
        """What stands in the file, read past all our code."""
        return [dict(row) for row in self.file.execute(query)]

    def stored(self) -> dict[str, dict[str, dict[str, Any]]]:
        tables = {**dict.fromkeys(DOCUMENTS.values(), "key"), "issues": "id", "work_orders": "id"}
        found = {table: {row[key]: row for row in self.rows(f"SELECT * FROM {table}")} for table, key in tables.items()}
        for row in self.rows("SELECT * FROM quality_plan_rows ORDER BY position"):
            found["quality_plans"][row["plan_key"]].setdefault("rows", []).append(row)
        return found

    def one_of(self, data: st.DataObject, table: str, **wanted: str) -> dict[str, Any] | None:
        """A row, drawn among the newest: that is where things happen."""
        rows = [row for row in self.before[table].values() if all(row[n] == value for n, value in wanted.items())]
        recent = sorted(rows, key=lambda row: row.get("created_at") or row.get("opened_at") or "")[-4:]
        return data.draw(st.sampled_from(recent)) if recent else None

    @rule(material=st.sampled_from(["HSG-FC57", "BRK-FC57"]), phase=st.sampled_from(["prototype", "production"]))
    def plan_quality(self, material: str, phase: str) -> None:
        specs = [row["id"] for row in self.rows(f"SELECT id FROM specs WHERE material_id = '{material}'")]
        rows = [
            plan_row(spec, machine_id=None, gauge_id=None, sampling="full", sample_size=None, aql=None)
            for spec in specs
        ]
        self.call("create_quality_plan", control_plan(*rows, material_id=material, phase=phase))

    @rule(data=st.data(), beside=MOSTLY, team=st.sampled_from(["Ana", "Ben", "Chen"]))
    def change_a_plan(self, data: st.DataObject, beside: int, team: str) -> None:
        if plan := self.one_of(data, "quality_plans", project="ALPHA"):
            changes = [{"field": "customer", "value": team}]
            self.call("update_quality_plan", self.update(plan, beside, "plan_id", changes=changes))

    @rule(data=st.data(), kind=st.sampled_from(sorted(DOCUMENTS)), person=st.sampled_from(PEOPLE))
    def decide(self, data: st.DataObject, kind: str, person: str) -> None:
        document = self.one_of(data, DOCUMENTS[kind])
        if document is None:
            return
        fitting = {"draft": ["submit"], "in_review": ["approve", "approve", "reject"], "approved": ["release"]}
        decision = data.draw(
            st.sampled_from([*fitting.get(document["state"], []) * 3, "release", "withdraw", "submit"])
        )
        named = {"project": document["project"], "kind": kind, "id": document["id"], "revision": document["revision"]}
        if named["project"] == "SHARED":
            named["project"] = "ALPHA"
        self.call("approve_document", named | {"decision": decision, "approver_id": person, "comment": "Looked at it"})

    @rule(tool=st.sampled_from(["create_inspection_checklist", "create_pm_plan", "create_sop"]))
    def write_a_document(self, tool: str) -> None:
        self.call(tool, VALID[tool])

    @rule(kind=st.sampled_from(sorted(DOCUMENTS)), steps=st.integers(1, 3))
    def take_a_document_forward(self, kind: str, steps: int) -> None:
        """Chance alone would seldom bring a document into force."""
        decisions = {"draft": "submit", "in_review": "approve", "approved": "release"}
        for _ in range(steps):
            rows = self.before[DOCUMENTS[kind]].values()
            open_ones = [row for row in rows if row["state"] in decisions and row["project"] == "ALPHA"]
            if open_ones:
                document = max(open_ones, key=lambda row: row["created_at"])
                signer = "E105" if document["state"] == "draft" else {"pm_plan": "E114"}.get(kind, "E113")
                named = {"kind": kind, "id": document["id"], "revision": document["revision"]}
                signed = {"decision": decisions[document["state"]], "approver_id": signer, "comment": "As agreed"}
                self.call("approve_document", {"project": "ALPHA", **named, **signed})

    @rule(reading=st.sampled_from([57.015, 57.012, 57.0299, 57.05]), n=st.integers(0, 3))
    def inspect(self, reading: float, n: int) -> None:
        readings = [57.015] * n + [reading]
        self.call("record_inspection_result", VALID["record_inspection_result"] | {"readings": readings})

    @rule(
        task=st.sampled_from(["PM-MC101-02", "PM-MC102-02", "PM-MC103-02", "PM-MC103-03"]),
        day=st.integers(21, 29),
        hour=st.sampled_from([14, 16, 18]),
        technician=st.sampled_from(["E100", "E101", "E102", None]),
    )
    def schedule(self, task: str, day: int, hour: int, technician: str | None) -> None:
        machine = f"{task[3:5]}-{task[5:8]}"
        given = {"project": "ALPHA", "machine_id": machine, "task_id": task, "start": f"2026-11-{day}T{hour}:00:00Z"}
        given |= {"override_reason": "Agreed with the line"} | ({"technician_id": technician} if technician else {})
        self.call("schedule_maintenance", given)

    @rule(data=st.data(), beside=MOSTLY, hour=st.sampled_from([14, 16, 18]), day=st.integers(23, 29))
    def reschedule(self, data: st.DataObject, beside: int, hour: int, day: int) -> None:
        if order := self.one_of(data, "work_orders"):
            moved = {"new_start": f"2026-11-{day}T{hour}:00:00Z", "reason": "Moved", "override_reason": "Agreed"}
            self.call("reschedule_maintenance", self.update(order, beside, "wo_id", **moved))

    @rule(data=st.data(), beside=MOSTLY, hour=st.integers(6, 12))
    def complete(self, data: st.DataObject, beside: int, hour: int) -> None:
        if order := self.one_of(data, "work_orders"):
            done = {"labor_min": 30, "downtime_min": 10, "findings": "All in order", "loto_removed": True}
            done |= {"completed_at": f"2026-11-22T{hour:02d}:00:00Z"}
            self.call("complete_maintenance", self.update(order, beside, "wo_id", **done))

    @rule(data=st.data(), beside=MOSTLY)
    def cancel(self, data: st.DataObject, beside: int) -> None:
        if order := self.one_of(data, "work_orders"):
            self.call("cancel_maintenance", self.update(order, beside, "wo_id", reason="Not needed"))

    @rule(data=st.data(), beside=MOSTLY, scope=st.sampled_from(["Both shifts", "Day shift only"]))
    def revise_a_procedure(self, data: st.DataObject, beside: int, scope: str) -> None:
        if sop := self.one_of(data, "sops", project="ALPHA"):
            sections = [{"section": "scope", "text": scope}]
            self.call("revise_sop", self.update(sop, beside, "sop_id", sections=sections))

    @rule(title=st.sampled_from(["Burr on the groove", "Oil under the press"]), qty=st.sampled_from([0, 5]))
    def report_a_problem(self, title: str, qty: int) -> None:
        self.call("log_issue", report(title=title, qty_affected=qty, force_new=True))

    @rule(data=st.data(), beside=MOSTLY, section=st.sampled_from(SECTIONS))
    def work_on_a_problem(self, data: st.DataObject, beside: int, section: dict[str, Any]) -> None:
        if issue := self.one_of(data, "issues", project="ALPHA"):
            self.call("update_issue", self.update(issue, beside, "issue_id") | section)

    @rule(steps=st.integers(1, 4))
    def take_a_problem_forward(self, steps: int) -> None:
        """Chance alone would seldom bring a problem to its end."""
        next_sections = ("triage", "containment", "root_cause", "action", "action_done", "effect_check")
        for _ in range(steps):
            rows = self.before["issues"].values()
            open_ones = [row for row in rows if row["state"] in FORWARD[:6] and row["project"] == "ALPHA"]
            issue = max(open_ones, key=lambda row: row["opened_at"])
            wanted = next_sections[FORWARD.index(issue["state"])]
            section = next(section for section in SECTIONS if section["section"] == wanted)
            self.call("update_issue", self.update(issue, 0, "issue_id") | section)

    @rule(data=st.data(), beside=MOSTLY, person=st.sampled_from(["E105", "E108", "E113"]))
    def close(self, data: st.DataObject, beside: int, person: str) -> None:
        if issue := self.one_of(data, "issues", project="ALPHA"):
            closed = {"closure_summary": "Tool life set; 30 parts without burr", "closed_by": person}
            self.call("close_issue", self.update(issue, beside, "issue_id", **closed))

    @staticmethod
    def update(record: dict[str, Any], beside: int, id_field: str, **more: Any) -> dict[str, Any]:
        reason = {"change_reason": "Asked for by the customer"} if id_field in {"plan_id", "sop_id"} else {}
        named = {"project": "ALPHA", id_field: record["id"], "expected_revision": record["revision"] + beside}
        return named | reason | more

    def check(self) -> None:
        """What the last call left behind."""
        now = self.stored()
        for table in DOCUMENTS.values():
            self.documents_moved_as_they_may(self.before[table], now[table])
        moves(self.before["issues"], now["issues"], ISSUE_MOVES)
        moves(self.before["work_orders"], now["work_orders"], WORK_ORDER_MOVES)
        planned = [
            row["task_id"] for row in now["work_orders"].values() if row["state"] == "planned" and row["task_id"]
        ]
        assert len(planned) == len(set(planned))
        for issue in now["issues"].values():
            disposed = sum(part["qty"] for part in json.loads(issue["dispositions"]))
            assert disposed <= issue["qty_affected"]
        self.every_effect_is_audited_once(now)
        self.before = now

    def documents_moved_as_they_may(self, before: dict[str, Any], now: dict[str, Any]) -> None:
        moves(before, now, DOCUMENT_MOVES)
        assert before.keys() <= now.keys()
        for key, row in before.items():
            assert {n: v for n, v in row.items() if n not in MAY_MOVE} == {
                n: v for n, v in now[key].items() if n not in MAY_MOVE
            }
        for allowed in ({"released"}, OPEN):
            ids = [row["id"] for row in now.values() if row["state"] in allowed]
            assert len(ids) == len(set(ids))

    def every_effect_is_audited_once(self, now: dict[str, dict[str, Any]]) -> None:
        audited = [row["id"] for row in self.rows("SELECT id FROM audit_log WHERE outcome NOT LIKE 'refused:%'")]
        assert audited == self.effects
        changed = sum(row != self.before[table].get(key) for table, rows in now.items() for key, row in rows.items())
        entries = self.rows("SELECT record_type FROM record_history")
        kinds = {"QualityPlan", "Checklist", "PmPlan", "Sop", "Issue", "WorkOrder"}
        ours = sum(entry["record_type"] in kinds for entry in entries)
        assert ours - self.history == changed
        self.history = ours
        done = [row["id"] for row in now["work_orders"].values() if row["state"] == "done"]
        recorded = self.rows("SELECT work_order_id FROM maintenance_history WHERE work_order_id IS NOT NULL")
        assert sorted(row["work_order_id"] for row in recorded) == sorted(done)


def moves(before: dict[str, Any], now: dict[str, Any], allowed: Mapping[str | None, set[str]]) -> None:
    for key, row in now.items():
        was = before[key]["state"] if key in before else None
        assert row["state"] == was or row["state"] in allowed[was], f"{key}: {was} -> {row['state']}"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("share", range(SHARES))
def test_no_sequence_of_calls_breaks_the_plant(share: int):
    class Share(Plant):
        pass

    Share.__name__ = f"Plant{share}"
    run_state_machine_as_test(
        Share,
        settings=settings(
            max_examples=SEQUENCES // SHARES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
