"""The guide for a fifth agent, followed to the letter: one Markdown file in an empty folder, and no code touched."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.programs import Programs, lines

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "add-an-agent.md"
SCHEMA = Path(__file__).parents[2] / "schemas" / "agent.schema.json"
AGENT = GUIDE.read_text().partition("```markdown\n")[2].partition("```")[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Empty, but for the definition in the guide."""
    folder = tmp_path / "agents"
    folder.mkdir()
    (folder / "gauge_control.md").write_text(AGENT)
    return folder


def listed(programs: Programs, *options: str) -> tuple[int, dict[str, Any], str]:
    """`shopfloor agents --json`: exit code, answer, complaints."""
    done = programs.client("agents", "--json", *options)
    return done.returncode, json.loads(done.stdout), done.stderr


def test_the_agent_of_the_guide_is_added_to_the_shipped_ones_without_a_complaint(programs: Programs, folder: Path):
    _, before, _ = listed(programs)
    code, after, complaints = listed(programs, "--agents", str(folder), "--check")

    (added,) = [agent for agent in after["agents"] if agent not in before["agents"]]
    assert (added["key"], added["source"], added["goals"]) == ("gauge_control", "own", ["get_resources"])
    assert [agent for agent in after["agents"] if agent != added] == before["agents"]
    assert (code, after["problems"], after["overlaps"], complaints) == (0, [], [], "")


def test_it_gets_its_messages_and_completes_its_task_and_takes_nobody_elses(programs: Programs, folder: Path):
    typed = lines("Which gauges are overdue?", "Alpha", "gauge", "Create a quality plan for Project Alpha", "/cancel")

    done = programs.client("chat", "--agents", str(folder), typed=typed)

    work, offered, next_task = done.stdout.partition("Next you could say:")
    assert "→ Gauge control" in work
    assert "Note: GG-03 is overdue for calibration since 2026-10-31." in work
    assert work.rstrip().endswith("✓ done")
    assert offered
    assert "Create a quality plan for ALPHA" in next_task
    assert "→ Quality planning" in next_task
    assert done.returncode == 0


def test_the_setting_adds_the_folder_as_the_option_does(programs: Programs, folder: Path):
    done = programs.client("agents", environment={"SHOPFLOOR_AGENTS_DIR": str(folder)})
    assert "Gauge control" in done.stdout
    assert "Quality planning" in done.stdout


def test_the_check_names_what_the_server_does_not_have(programs: Programs, folder: Path):
    wrong = (
        AGENT.replace("[list_projects, get_specs]", "[list_projects, get_specs, get_gauges]")
        .replace("for {project}", "for {plant}")
        .replace("{project: $project}", "{plant: $project}")
    )
    (folder / "gauge_control.md").write_text(wrong)

    code, told, complaints = listed(programs, "--agents", str(folder), "--check")

    assert code == 1
    assert len(told["problems"]) == 3
    assert "problem: gauge_control: the server has no tool 'get_gauges'." in complaints
    assert "get_specs does not take 'plant'." in complaints
    assert "needs {plant}, which no goal of the agent takes or returns." in complaints


def test_an_example_of_another_agent_is_reported(programs: Programs, folder: Path):
    (folder / "gauge_control.md").write_text(AGENT.replace("calibrate AG-01", "I need an inspection checklist"))

    _, told, complaints = listed(programs, "--agents", str(folder))

    assert [(found["first"], found["second"]) for found in told["overlaps"]] == [("gauge_control", "quality_planning")]
    assert 'gauge_control and quality_planning both give the example "I need an inspection checklist".' in complaints


def test_the_guide_names_every_key_of_the_front_matter():
    guide = GUIDE.read_text()
    properties = json.loads(SCHEMA.read_text())["properties"]
    limits = properties["limits"]["properties"]
    assert [name for name in (*properties, *limits) if f"`{name}`" not in guide] == []
