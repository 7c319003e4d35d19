"""Maintenance, quality, procedures and issues without any key, typed line by line, with what goes wrong on the way."""

from typing import Any

from tests.end_to_end.programs import Programs, lines

REFUSED_RELEASE = "You did not agree, so nothing was done."


def record(programs: Programs, kind: str, record_id: str) -> dict[str, Any]:
    code, answer = programs.call("get_record", {"project": "ALPHA", "type": kind, "id": record_id})
    assert code == 0, answer
    return answer["record"]


def test_a_service_is_scheduled_after_two_conflicts_are_corrected(programs: Programs):
    done = programs.client(
        "chat",
        typed=lines(
            "schedule maintenance for MC-103",
            "alpha",
            "PM-MC103-03",
            "2026-11-24 14:00",
            "Ben Carter",
            "Ana Ortiz",
            "2026-11-24 06:00",
            "yes",
        ),
    )

    assert "such as 2026-11-24 14:00 or tomorrow 14:00, America/Chicago time" in done.stdout
    assert "E101 (Ben Carter) does not hold mechanical. Qualified: E100 (Ana Ortiz, shift A)" in done.stdout
    assert "E100 works shift A (06:00-14:00 at the site), not at that time." in done.stdout
    assert "Start: 2026-11-24T06:00:00-06:00" in done.stdout
    assert "Created: WO-0007 500 h spindle & way service." in done.stdout
    order = record(programs, "work_order", "WO-0007")
    assert (order["task_id"], order["start"], order["technician_id"], order["state"]) == (
        "PM-MC103-03",
        "2026-11-24T12:00:00Z",
        "E100",
        "planned",
    )


def test_a_rule_is_overruled_only_with_the_persons_own_reason_and_the_order_can_be_moved(programs: Programs):
    done = programs.client(
        "chat",
        typed=lines(
            "/project ALPHA",
            "schedule maintenance for MC-103",
            "PM-MC103-03",
            "2026-11-23 14:00",
            "E100",
            "override_reason: The line stands only in the afternoon",
            "yes",
            "reschedule the work order WO-0007",
            "2026-11-24 06:00",
            "The line is free in the morning after all",
            "yes",
        ),
    )

    assert "To keep it, answer override_reason: and your words." in done.stdout
    assert "Note: Overruled: E100 works shift A" in done.stdout
    assert "Expected revision: 1" in done.stdout
    order = record(programs, "work_order", "WO-0007")
    assert (order["revision"], order["start"]) == (2, "2026-11-24T12:00:00Z")


def test_the_last_service_is_found_once_it_is_clear_which_machine_is_meant(programs: Programs):
    done = programs.client(
        "chat",
        typed=lines(
            "When was the leak tester last serviced?",
            "alpha",
            "leak tester",
            "LT-230",
            "Leak tester 2",
            "what maintenance is due this week?",
            "7",
            "what is the takt time of Alpha",
        ),
    )

    assert "fits several: LT-130 (Leak tester 1), LT-131 (Leak tester 2)" in done.stdout
    assert "'LT-230' is not in the list. Did you mean" in done.stdout
    assert "Last serviced on: 2026-10-14" in done.stdout
    assert "Monthly leak-master calibration" in done.stdout
    assert "500 h spindle & way service" in done.stdout
    assert "Takt (s): 43" in done.stdout
    assert "ALPHA-OP70  over" in done.stdout


def test_the_same_name_in_two_projects_means_the_machine_of_the_chosen_one(programs: Programs):
    done = programs.client(
        "chat", typed=lines("When was leak tester 2 last serviced?", "beta", "when was leak tester 2 last serviced?")
    )

    assert done.stdout.count("✓ get_maintenance_history") == 2
    assert "not shown:" in done.stdout
    assert "LT230" in done.stdout
    assert "LT131" not in done.stdout


def test_work_instructions_are_written_with_hazards_and_compared_with_takt(programs: Programs):
    done = programs.client(
        "chat",
        typed=lines(
            "/project ALPHA",
            "Work instructions for OP70",
            "Guide pin and bridge bolt torque",
            "-",
            "Fasten pins and bolts",
            "OP70, both shifts",
            "Fit the guide pins by hand",
            "10",
            "-",
            "-",
            "yes",
            "Torque the bridge bolts",
            "25",
            "-",
            "SP-011",
            "no",
            "Stop and call the line lead",
            "yes",
            "Rotating spindle",
            "Could crush fingers",
            "Keep hands clear",
            "warning",
            "no",
            "safety glasses; gloves",
            "-",
            "No guard is opened for this work",
            "-",
            "-",
            "-",
            "-",
            "yes",
        ),
    )

    assert "Created: SOP-0001 Guide pin and bridge bolt torque." in done.stdout
    assert "Note: The steps take 35 s, the station's cycle is 46.3 s" in done.stdout
    assert "Times: steps (s) 35, cycle (s) 46.3" in done.stdout
    sop = record(programs, "sop", "SOP-0001")
    assert [(step["text"], step["time_s"]) for step in sop["steps"]] == [
        ("Fit the guide pins by hand", 10),
        ("Torque the bridge bolts", 25),
    ]
    assert sop["steps"][1]["check_spec_id"] == "SP-011"
    assert sop["ppe"] == ["safety glasses", "gloves"]
    assert [hazard["signal_word"] for hazard in sop["hazards"]] == ["warning"]
    assert sop["loto_not_required_reason"] == "No guard is opened for this work"


def test_an_issue_is_triaged_and_contained_and_not_closed_while_gates_are_open(programs: Programs):
    done = programs.client(
        "chat",
        typed=lines(
            "/project ALPHA",
            "triage ISS-0071",
            "Faye Kim",
            "E105",
            "-",
            "yes",
            "record the containment of ISS-0071",
            "E110",
            "All 134 pieces are blocked in the red rack",
            "yes",
            "close the issue ISS-0071",
            "Worn seal replaced",
            "Nia Scott",
            "-",
            "/cancel",
            "show the open issues of Alpha",
        ),
    )

    assert done.stdout.count("Updated: ISS-0071") == 2
    assert "ISS-0071 cannot be closed." in done.stdout
    for gate in ("root_cause", "action", "effect_check", "disposition"):
        assert f"Gate {gate} is not met." in done.stdout
    assert "Nothing had been stored." in done.stdout
    assert "7 found" in done.stdout
    issue = record(programs, "issue", "ISS-0071")
    assert (issue["state"], issue["revision"], issue["triage"]["owner"]) == ("contained", 3, "E105")
    assert issue["containment"]["what"] == "All 134 pieces are blocked in the red rack"


def test_a_document_in_force_is_withdrawn_only_after_the_second_yes(programs: Programs):
    decided = ("withdraw the quality plan CP-A-01", "CP-A-01", "E113", "Replaced by another plan", "yes")
    refused = programs.client("chat", typed=lines("/project ALPHA", *decided, "what does that mean?"))

    assert "This will withdraw quality plan CP-A-01 revision 2" in refused.stdout
    assert "Do you agree?" in refused.stdout
    assert REFUSED_RELEASE in refused.stdout
    assert record(programs, "quality_plan", "CP-A-01")["state"] == "released"

    agreed = programs.client("chat", typed=lines("/project ALPHA", *decided, "yes"))

    assert "Updated: CP-A-01" in agreed.stdout
    assert record(programs, "quality_plan", "CP-A-01")["state"] == "withdrawn"


def test_a_work_order_is_reported_done_and_the_mean_time_between_failures_told(programs: Programs):
    done = programs.client(
        "chat",
        typed=lines(
            "/project ALPHA",
            "WO-0004 is done",
            "2026-11-20 16:00",
            "110",
            "60",
            "Condenser cleaned, no leak found",
            "-",
            "yes",
            "SPR-BALLBAR-OIL",
            "1",
            "no",
            "-",
            "yes",
            "yes",
            "MTBF of LT-131",
            "2026-05-01",
            "2026-06-30",
        ),
    )

    assert "Add a part used? (yes / no)" in done.stdout
    assert "Updated: WO-0004 Half-year condenser & refrigerant leak check." in done.stdout
    assert "What maintenance is due for ALPHA?" in done.stdout
    assert "MTBF: none, no failures in 615 h. Operating hours / failures." in done.stdout
    assert "PM compliance: 100.0 % (2 / 2). Preventive work due" in done.stdout
    order = record(programs, "work_order", "WO-0004")
    assert (order["state"], order["revision"]) == ("done", 2)


def test_readings_far_outside_are_asked_again_before_they_are_recorded(programs: Programs):
    done = programs.client(
        "chat",
        typed=lines(
            "/project ALPHA",
            "record readings for the piston bore of lot LOT-HSG-006",
            "-",
            "SP-001",
            "5.701, 57.02",
            "Faye",
            "-",
            "57.01, 57.02",
            "yes",
        ),
    )

    refusal = "5.701 is more than ten tolerances outside the limits of Piston bore diameter in mm"
    assert " ".join(done.stdout.split()).count(refusal) == 1
    assert "To keep it, answer confirm_outliers: yes." in done.stdout
    assert "Created: IR-0001" in done.stdout
    result = record(programs, "inspection_result", "IR-0001")
    assert (result["readings"], result["verdict"]) == ([57.01, 57.02], "accept")


def test_a_plan_and_a_procedure_are_changed_part_by_part(programs: Programs):
    done = programs.client(
        "chat",
        typed=lines(
            "/project ALPHA",
            "change the customer of CP-A-03",
            "The customer has a new name",
            "yes",
            "-",
            "customer",
            "Northline Motors",
            "no",
            "?",
            "yes",
            "change the scope of SOP-A-010",
            "Both shifts work by it",
            "yes",
            "scoop",
            "scope",
            "OP10, both shifts",
            "no",
            "no",
            "yes",
        ),
    )

    assert done.stdout.count("the server has checked this and would accept it") == 3
    assert "'scoop' is not in the list. Did you mean scope?" in done.stdout
    assert done.stdout.count("Updated: ") == 2
    assert record(programs, "quality_plan", "CP-A-03")["customer"] == "Northline Motors"
    assert record(programs, "sop", "SOP-A-010")["scope"] == "OP10, both shifts"
