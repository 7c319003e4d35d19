"""The main job: "Create a quality plan for Project Alpha" without any key, typed line by line, until it is stored."""

import json
from pathlib import Path
from typing import Any

from tests.end_to_end.programs import Programs, lines

FIRST_HALF = (
    "Create a quality plan for Project Alpha",
    "FC57 housing control plan",
    "production",
    "machined housing",
    "SP-001",
    "MC-103",
)
SECOND_HALF = (
    "fixed",
    "5",
    "every 2 hours",
    "spc chart",
    "Stop the machine and sort since the last good check",
    "Line supervisor",
    "yes",
    "SP-007",
    "-",
    "aql",
    "0.65",
    "",
    "inspection_record",
    "=",
    "Quality technician",
    "no",
)
SEEDED_PLANS = ["CP-A-01", "CP-A-02", "CP-A-03"]
AGENTS: dict[str, dict[str, Any]] = {
    "general": {"kind": "conversation", "examples": ["hello", "thanks", "what can you do"]},
    "training": {
        "examples": ["Train the new operator", "whose training expires", "book a course"],
        "goals": [{"tool": "plan_training"}],
    },
}
STORED_ROWS = [
    {
        "spec_id": "SP-001",
        "operation": "OP20",
        "machine_id": "MC-103",
        "characteristic": "Piston bore diameter",
        "kind": "product",
        "unit": "mm",
        "nominal": 57.015,
        "lsl": 57.0,
        "usl": 57.03,
        "special_class": "CC",
        "technique": "bore air gauge AG-01",
        "sampling": "fixed",
        "sample_size": 5,
        "frequency": "every 2 hours",
        "control_method": "spc_chart",
        "reaction_plan": "Stop the machine and sort since the last good check",
        "reaction_owner": "Line supervisor",
    },
    {
        "spec_id": "SP-007",
        "operation": "OP10",
        "characteristic": "Mounting face flatness",
        "kind": "product",
        "unit": "mm",
        "usl": 0.05,
        "special_class": "SC",
        "technique": "CM-420",
        "sampling": "aql",
        "aql": "0.65",
        "inspection_level": "II",
        "frequency": "every 2 hours",
        "control_method": "inspection_record",
        "reaction_plan": "Stop the machine and sort since the last good check",
        "reaction_owner": "Quality technician",
    },
]


def test_a_typed_conversation_ends_in_a_stored_plan_with_every_row_and_number_as_entered(programs: Programs):
    done = programs.client("chat", typed=lines(*FIRST_HALF, *SECOND_HALF, "yes"))

    assert done.returncode == 0, done.stderr
    assert "Created: QP-0001 FC57 housing control plan." in done.stdout
    assert "read back" in done.stdout
    assert "TASK_COMPLETE" not in done.stdout
    assert "Show the quality plans of ALPHA" in done.stdout
    _, answer = programs.call("get_quality_plans", {"project": "ALPHA", "id": "QP-0001"})
    [plan] = answer["items"]
    assert plan["rows"] == STORED_ROWS
    assert {name: plan[name] for name in ("id", "title", "phase", "material_id", "material_revision", "state")} == {
        "id": "QP-0001",
        "title": "FC57 housing control plan",
        "phase": "production",
        "material_id": "HSG-FC57",
        "material_revision": "D",
        "state": "draft",
    }


def test_a_conversation_left_in_the_middle_goes_on_where_it_was(programs: Programs):
    left = programs.client("chat", typed=lines(*FIRST_HALF))
    question = left.stdout.splitlines()[-5:]

    back = programs.client("chat", "--resume", typed=lines(*SECOND_HALF, "yes"))

    assert "Row 1 · Sampling" in "\n".join(question)
    assert back.stdout.index("Row 1 · Sampling") < back.stdout.index("you> fixed")
    [plan] = programs.call("get_quality_plans", {"project": "ALPHA", "id": "QP-0001"})[1]["items"]
    assert plan["rows"] == STORED_ROWS


def test_nothing_is_stored_before_the_yes(programs: Programs):
    done = programs.client("chat", typed=lines(*FIRST_HALF, *SECOND_HALF, "no", "/cancel"))

    assert "Nothing had been stored" in done.stdout
    listed = programs.call("get_quality_plans", {"project": "ALPHA"})[1]["items"]
    assert [plan["id"] for plan in listed] == SEEDED_PLANS


def test_a_wrong_answer_is_told_at_once_and_asked_again(programs: Programs):
    done = programs.client(
        "chat",
        typed=lines("Create a quality plan for Project Alpha, production", "Housing plan", "HSG-FC57-D", "?"),
    )

    assert "'HSG-FC57-D' is not in the list. Did you mean HSG-FC57" in done.stdout
    assert done.stdout.count("Material id") == 3  # the question, after the wrong answer, for the question mark


def test_an_issue_is_reported_and_found_in_words(programs: Programs):
    done = programs.client(
        "chat",
        typed=lines(
            "The bore is out of tolerance on Project Alpha",
            "Bore oversize at OP20",
            "Five parts measured above 57.03 mm after the tool change",
            "quality",
            "MC-105",
            "SP-001",
            "5",
            "Ana Ortiz",
            "Machine stopped and parts blocked",
            "yes",
        ),
    )

    assert done.returncode == 0, done.stderr
    code, answer = programs.call("get_issues", {"project": "ALPHA", "id": "ISS-0073"})
    assert code == 0, done.stdout
    [issue] = answer["items"]
    assert (issue["severity"], issue["qty_affected"], issue["machine_id"], issue["spec_id"]) == (
        "critical",
        5,
        "MC-105",
        "SP-001",
    )
    assert "so the issue is critical" in done.stdout


def test_ask_answers_one_message_as_one_line_of_json(programs: Programs):
    done = programs.client("ask", "Show the quality plans of Project Alpha", "--json")

    answer = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert answer["outcome"] == "completed"
    assert answer["agent"] == "quality_planning"
    assert [call["tool"] for call in answer["tool_calls"]] == [
        "list_projects",
        "get_quality_plans",
        "get_quality_plans",
    ]
    assert f"{len(SEEDED_PLANS)} found" in answer["reply"]


def test_an_agent_without_its_tools_says_so_and_opens_no_task(programs: Programs, tmp_path: Path):
    for name in ("general", "training"):
        front = AGENTS[name] | {
            "key": name,
            "title": name.capitalize(),
            "description": f"What is about {name}, and no more.",
        }
        (tmp_path / f"{name}.md").write_text(f"---\n{json.dumps(front)}\n---\nYou help.\n")
    done = programs.client(
        "chat", typed=lines("Train the new operator", "/status"), environment={"SHOPFLOOR_AGENTS_DIR": str(tmp_path)}
    )

    assert "offers none of the tools it needs (plan_training" in " ".join(done.stdout.split())
    assert "Task: none" in done.stdout
