import json
from pathlib import Path

import pytest

from tests.orchestrator_client.commands.command_line import shopfloor

TOOLING = """---
key: {key}
title: Tooling [bold]
description: Cutting tools, their life, their wear and their change.
examples:
  - Change the insert of the drill
  - Which end mills are worn?
  - The tap broke, put in a new one
tools: [get_machines]
goals:
  - tool: {goal}
    examples: [Put a new drill in]
---
You change cutting tools.
"""
SHIPPED = ["issue_tracking", "maintenance_scheduling", "plant_data", "quality_planning", "sop_creation", "general"]


def definition(folder: Path, *, key: str = "tooling", goal: str = "log_issue") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"{key}.md").write_text(TOOLING.format(key=key, goal=goal))
    return folder


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return definition(tmp_path / "own")


def test_the_shipped_agents_are_listed_with_their_goals_and_do_not_overlap(tmp_path: Path) -> None:
    done = shopfloor(tmp_path, "agents")
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[0] == ["agent", "source", "what", "it", "is", "for", "goals"]
    assert [row[0] for row in rows if row[1:2] == ["shipped"]] == SHIPPED
    assert "create_quality_plan" in done.stdout


def test_agents_of_a_folder_are_added_and_marked_as_own(tmp_path: Path, own: Path) -> None:
    done = shopfloor(tmp_path, "agents", "--agents", str(own), "--json")
    told = json.loads(done.stdout)
    assert [(agent["key"], agent["source"]) for agent in told["agents"]] == [
        *((key, "shipped") for key in SHIPPED[:-1]),
        ("tooling", "own"),
        ("general", "shipped"),
    ]
    tooling = told["agents"][-2]
    assert (tooling["title"], tooling["kind"], tooling["goals"]) == ("Tooling [bold]", "task", ["log_issue"])
    assert told["overlaps"] == []
    assert "problems" not in told
    listed = shopfloor(tmp_path, "agents", "--agents", str(own)).stdout.splitlines()
    (row,) = [number for number, line in enumerate(listed) if line.split()[:2] == ["tooling", "own"]]
    assert listed[row + 1].startswith("Tooling [bold] ")


def test_agents_that_are_too_much_alike_are_a_warning_on_stderr(tmp_path: Path, own: Path) -> None:
    definition(own, key="twin")
    done = shopfloor(tmp_path, "agents", "--agents", str(own), "--json")
    assert done.returncode == 0
    assert done.stderr.startswith("warning: tooling and twin both give the example")
    (overlap,) = json.loads(done.stdout)["overlaps"]
    assert (overlap["first"], overlap["second"]) == ("tooling", "twin")


def test_the_shipped_agents_fit_the_tools_of_our_own_server(tmp_path: Path) -> None:
    done = shopfloor(tmp_path, "agents", "--check", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["problems"] == []


def test_a_tool_that_the_server_does_not_have_is_a_problem(tmp_path: Path) -> None:
    own = definition(tmp_path / "own", goal="change_tool")
    done = shopfloor(tmp_path, "agents", "--agents", str(own), "--check", "--json")
    assert done.returncode == 1
    problem = "tooling: the server has no tool 'change_tool'."
    assert json.loads(done.stdout)["problems"] == [problem]
    assert done.stderr == f"problem: {problem}\n"


def test_without_a_check_no_server_is_needed(tmp_path: Path) -> None:
    own = definition(tmp_path / "own", goal="change_tool")
    done = shopfloor(tmp_path, "agents", "--agents", str(own), "--server", "no-such-program-here")
    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "plant.sqlite3").exists()


def test_a_server_that_cannot_be_started_is_an_error_of_one_line(tmp_path: Path) -> None:
    done = shopfloor(tmp_path, "agents", "--check", "--server", "no-such-program-here")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: The tool server could not be started")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [("agents",), ("ask", "hello"), ("chat",)])
def test_a_folder_that_is_not_there_is_an_error_wherever_it_is_given(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = shopfloor(tmp_path, *command, "--agents", str(tmp_path / "none"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: There is no folder {tmp_path / 'none'}.")
    assert done.stderr.count("\n") == 1


def test_a_definition_that_cannot_be_read_is_named_without_a_traceback(tmp_path: Path, own: Path) -> None:
    (own / "bad.md").write_bytes(b"---\nkey: \xff\n---\n")
    done = shopfloor(tmp_path, "agents", "--agents", str(own))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: bad.md cannot be read")
    assert "Traceback" not in done.stderr
