"""The command line as a person or a script meets it: in a process of its own."""

import json
import os
import pty
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from mcp_server import identity
from mcp_server.bundled import schemas_dir

COMMAND = [sys.executable, "-c", "from mcp_server.cli import app; app()"]
AS_OF = "2026-11-22"
ISSUE = {
    "project": "ALPHA",
    "title": "Guard door damaged",
    "description": "The hinge of the guard door is bent.",
    "category": "equipment",
    "machine_id": "LT-131",
    "detected_by": "operator",
}


def environment(data_dir: Path, **changes: str) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("SHOPFLOOR_", "COLUMNS"))}
    return ours | {"SHOPFLOOR_DATA_DIR": str(data_dir), "SHOPFLOOR_AS_OF": AS_OF} | changes


def shopfloor_mcp(
    data_dir: Path, *arguments: str, stdin: str = "", env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env=environment(data_dir, **(env or {})),
        timeout=60,
    )


def one_line_of_json(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    assert done.stdout.endswith("\n")
    assert done.stdout.count("\n") == 1
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A seeded plant that tests only read, or copy."""
    folder = tmp_path_factory.mktemp("plant")
    assert shopfloor_mcp(folder, "seed").returncode == 0
    return folder


@pytest.fixture
def plant(sample: Path, tmp_path: Path) -> Path:
    shutil.copytree(sample, tmp_path / "plant")
    return tmp_path / "plant"


def test_help_is_quick_because_nothing_heavy_is_loaded(tmp_path: Path) -> None:
    profiled = [sys.executable, "-X", "importtime", *COMMAND[1:], "--help"]
    done = subprocess.run(profiled, capture_output=True, text=True, check=True, env=environment(tmp_path))
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "typer" in loaded
    heavy = {"pydantic", "pydantic_settings", "sqlalchemy", "alembic", "mcp", "structlog", "anyio", "rich", "stamina"}
    assert loaded & heavy == set()
    for command in ("serve", "tools", "call", "schemas", "seed", "version"):
        assert f"\n  {command} " in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_the_version_is_the_one_hosts_are_told(tmp_path: Path) -> None:
    assert shopfloor_mcp(tmp_path, "version").stdout == f"{identity.VERSION}\n"


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["calls"], "calls"),
        (["call"], "tool"),
        (["call", "get_machine"], "Did you mean get_machines"),
        (["call", "get_machines", "{project:ALPHA}"], "not JSON"),
        (["call", "get_machines", '["ALPHA"]'], "JSON object"),
        (["call", "get_machines", "[" * 100_000], "not JSON"),
        (["seed", "--as-of", "tomorrow"], "%Y-%m-%d"),
        (["serve", "--port", "70000"], "65535"),
        (["serve", "--toolsets", "core,qualty"], "Did you mean quality?"),
        (["tools", "--tools", "log_isue"], "Did you mean log_issue"),
        (["tools", "--exclude-tools", "get_machines", "--tools", "get_machines"], "no tool to offer"),
        (["call", "--read-only", "log_issue"], "There is no tool 'log_issue'"),
        (["call", "--toolsets", "quality", "get_machines"], "There is no tool 'get_machines'"),
    ],
    ids=[
        *("command", "missing", "tool", "json", "object", "depth", "date", "port"),
        *("toolset", "tools", "nothing left", "read-only", "hidden"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_so_on_stderr_only(tmp_path: Path, arguments: list[str], hint: str) -> None:
    done = shopfloor_mcp(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert hint in done.stderr
    assert "Traceback" not in done.stderr
    assert not any(tmp_path.iterdir())


def test_a_wrong_setting_is_named_as_it_is_set(tmp_path: Path) -> None:
    done = shopfloor_mcp(tmp_path, "seed", env={"SHOPFLOOR_LOG_LEVEL": "loud"})
    assert (done.returncode, done.stdout) == (2, "")
    assert "SHOPFLOOR_LOG_LEVEL" in done.stderr
    assert "'warning'" in done.stderr


def test_a_data_folder_that_cannot_be_used_exits_with_1(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = shopfloor_mcp(tmp_path / "file", "call", "list_projects")
    assert (done.returncode, done.stdout) == (1, "")
    assert "--data-dir" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_list_fits_80_columns_and_says_what_was_left_out(sample: Path) -> None:
    done = shopfloor_mcp(sample, "call", "get_machines", '{"project":"ALPHA","limit":5}')
    assert done.returncode == 0
    header, *rows = done.stdout.splitlines()
    assert header.split() == ["id", "project", "workstation", "name", "type"]
    assert len(rows) == 5  # nothing is wrapped
    assert max(len(line) for line in (header, *rows)) <= 80
    left_out, count, more = done.stderr.splitlines()
    assert "status" in left_out
    assert "energy_sources" in left_out
    assert "--json" in left_out
    assert count.startswith("5 of 26 ")
    assert '"cursor":"' in more


def test_a_wide_console_shows_more_and_a_narrow_one_at_least_three_columns(sample: Path) -> None:
    arguments = ("call", "get_issues", '{"project":"ALPHA","limit":3}')
    wide = shopfloor_mcp(sample, *arguments, env={"COLUMNS": "200"}).stdout.splitlines()
    assert {"severity", "state", "machine_id"} <= set(wide[0].split())
    assert len(wide) == 4
    narrow = shopfloor_mcp(sample, *arguments, env={"COLUMNS": "30"}).stdout.splitlines()
    assert narrow[0].split() == ["id", "title", "category"]
    assert max(map(len, narrow)) <= 30


def test_an_empty_list_prints_nothing_but_says_so(sample: Path) -> None:
    done = shopfloor_mcp(sample, "call", "get_machines", '{"project":"ALPHA","q":"no such machine"}')
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("0 of 0 ")


def test_a_single_result_is_shown_as_indented_json(sample: Path) -> None:
    done = shopfloor_mcp(sample, "call", "compute_sampling_plan", '{"lot_size":5000,"aql":"1.5"}')
    plan = json.loads(done.stdout)
    assert (plan["sample_size"], plan["accept"], plan["reject"]) == (200, 7, 8)
    assert done.stdout.startswith("{\n  ")


def test_a_refused_call_tells_a_person_the_field_and_the_way_out(sample: Path) -> None:
    done = shopfloor_mcp(sample, "call", "get_machines", '{"project":"ALPH"}')
    assert done.returncode == 1
    first, *told = done.stdout.splitlines()
    assert first == "Refused (not_found): There is no project 'ALPH'."
    details = {line.split()[0]: line for line in told}
    assert details["field"].split() == ["field", "project"]
    assert details["alternatives"].split() == ["alternatives", "ALPHA,", "BETA,", "GAMMA"]
    assert "Project Alpha" in details["suggestion"]
    assert done.stderr == ""


def test_every_further_problem_of_a_refused_call_has_its_line(sample: Path) -> None:
    done = shopfloor_mcp(sample, "call", "log_issue", '{"project":"ALPHA"}')
    assert done.returncode == 1
    also = done.stdout[done.stdout.index("  also") :].splitlines()
    assert len(also) == 3
    assert all(line.startswith(("  also          ", " " * 16)) for line in also)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("call", "get_machines", '{"project":"ALPHA"}'), 0),
        (("call", "get_machines", '{"project":"ALPH"}'), 1),
        (("tools",), 0),
        (("seed",), 0),
        (("schemas", "--check"), 0),
    ],
    ids=["list", "refused", "tools", "seed", "schemas"],
)
def test_json_is_one_line_even_when_everything_is_logged(sample: Path, arguments: tuple[str, ...], code: int) -> None:
    noisy = {"SHOPFLOOR_LOG_LEVEL": "debug"}
    done = shopfloor_mcp(sample, *arguments, "--json", env=noisy)
    assert done.returncode == code
    assert ("error" in one_line_of_json(done)) is (code == 1)
    assert done.stdout.isascii()


def test_the_tools_stand_under_their_toolset_with_what_they_do_to_the_plant(tmp_path: Path) -> None:
    done = shopfloor_mcp(
        tmp_path, "tools", "--toolsets", "quality,core", "--tools", "log_issue", env={"COLUMNS": "150"}
    )
    header, *rows = done.stdout.splitlines()
    assert header.split()[:2] == ["tool", "effect"]
    assert [row.strip() for row in rows if not row.startswith(" ")] == ["core", "quality", "issues"]
    effects = {row.split()[0]: row.split()[1] for row in rows if row.startswith("  ")}
    assert (effects["get_machines"], effects["create_quality_plan"]) == ("reads", "writes")
    assert rows[-1].split()[:2] == ["log_issue", "writes"]
    assert done.stderr.endswith(" write.\n")


def test_hosts_receive_what_was_chosen_by_option_or_by_environment(tmp_path: Path) -> None:
    def listed(*arguments: str, **env: str) -> set[str]:
        done = shopfloor_mcp(tmp_path, "tools", "--json", *arguments, env=env)
        assert done.returncode == 0, done.stderr
        return {tool["name"] for tool in json.loads(done.stdout)["tools"]}

    assert listed("--tools", "log_issue", "--tools", "get_issues,get_machines") == {
        *("log_issue", "get_issues", "get_machines")
    }
    assert listed(SHOPFLOOR_TOOLS="log_issue, get_issues", SHOPFLOOR_READ_ONLY="1") == {"get_issues"}
    assert listed("--tools", "log_issue", SHOPFLOOR_TOOLS="get_issues") == {"log_issue"}
    assert listed("--exclude-tools", "log_issue", SHOPFLOOR_TOOLSETS="issues").isdisjoint({"log_issue", "get_machines"})
    assert "log_issue" in listed("--tools", "", SHOPFLOOR_TOOLSETS="")  # as hosts pass what their user left blank


def test_arguments_can_come_from_stdin(sample: Path) -> None:
    text = json.dumps({"project": "ALPHA", "ids": ["MC-101"]}, indent=2)
    done = shopfloor_mcp(sample, "call", "get_machines", "-", "--json", stdin=text)
    assert [item["id"] for item in one_line_of_json(done)["items"]] == ["MC-101"]


def test_the_same_key_takes_effect_once_over_two_processes(plant: Path) -> None:
    arguments = ("call", "log_issue", json.dumps(ISSUE), "--idempotency-key", "a-key-of-the-test", "--json")
    first, again = (one_line_of_json(shopfloor_mcp(plant, *arguments)) for _ in range(2))
    assert (first["status"], first["replayed"], first["record"]["id"]) == ("created", False, "ISS-0073")
    assert again == first | {"replayed": True}
    with closing(sqlite3.connect(plant / "plant.sqlite3")) as file:
        assert file.execute("SELECT count(*) FROM issues").fetchone() == (73,)


WITHDRAW = {
    "project": "ALPHA",
    "kind": "sop",
    "id": "SOP-A-070",
    "revision": 4,
    "decision": "withdraw",
    "approver_id": "E113",
    "comment": "It isn't used any more.",
}


def state_of_sop(plant: Path) -> str:
    with closing(sqlite3.connect(plant / "plant.sqlite3")) as file:
        return file.execute("SELECT state FROM sops WHERE id = 'SOP-A-070' AND revision = 4").fetchone()[0]


def test_a_call_that_needs_a_confirmation_shows_the_command_that_gives_it(plant: Path) -> None:
    before = state_of_sop(plant)
    asked = shopfloor_mcp(
        plant, "call", "approve_document", json.dumps(WITHDRAW), "--idempotency-key", "the-withdrawal"
    )
    assert asked.returncode == 1
    assert asked.stdout.startswith("Refused (confirmation_required): This will withdraw ")
    assert state_of_sop(plant) == before
    program, *rest = shlex.split(asked.stderr.splitlines()[-1])
    assert program == "shopfloor-mcp"
    confirmed = shopfloor_mcp(plant, *rest, "--json")
    assert one_line_of_json(confirmed)["status"] == "updated"
    assert state_of_sop(plant) == "withdrawn"


def test_a_script_gets_the_code_and_is_not_asked(plant: Path) -> None:
    refused = one_line_of_json(shopfloor_mcp(plant, "call", "approve_document", json.dumps(WITHDRAW), "--json"))
    [code] = refused["error"]["alternatives"]
    assert (refused["error"]["code"], len(code)) == ("confirmation_required", 8)


@pytest.mark.parametrize(
    ("typed", "code", "state"), [("y", 0, "withdrawn"), ("n", 1, "in_review"), ("", 1, "in_review")]
)
def test_in_a_terminal_the_person_is_asked_and_the_call_goes_on(plant: Path, typed: str, code: int, state: str) -> None:
    keyboard, terminal = pty.openpty()
    try:
        os.write(keyboard, f"{typed}\n".encode())
        done = subprocess.run(
            [*COMMAND, "call", "approve_document", json.dumps(WITHDRAW)],
            stdin=terminal,
            capture_output=True,
            text=True,
            check=False,
            env=environment(plant),
            timeout=60,
        )
    finally:
        os.close(keyboard)
        os.close(terminal)
    assert "This will withdraw procedure SOP-A-070 revision 4" in done.stderr
    assert "Do you confirm this? [y/N]" in done.stderr
    assert done.returncode == code
    assert ('"status": "updated"' in done.stdout) is (code == 0)
    assert state_of_sop(plant) == state


def test_text_of_the_plant_cannot_drive_the_terminal(plant: Path) -> None:
    hostile = "\x1b[2J[bold]x[/nope] \x9b31m :warning: \u202e\r end"
    with closing(sqlite3.connect(plant / "plant.sqlite3")) as file:
        file.execute("UPDATE issues SET title = ? WHERE id = 'ISS-0001'", (hostile,))
        file.commit()
    done = shopfloor_mcp(plant, "call", "get_issues", '{"project":"ALPHA","id":"ISS-0001"}')
    assert done.returncode == 0
    assert "\ufffd[2J[bold]x[/nope] \ufffd31m :warning: \ufffd\ufffd end" in done.stdout
    assert not set(done.stdout) & set("\x1b\x9b\u202e\r")


def test_seed_counts_what_it_stored_and_changes_nothing_the_second_time(tmp_path: Path) -> None:
    first = shopfloor_mcp(tmp_path, "seed")
    assert "42 machines" in first.stdout
    assert "72 issues" in first.stdout
    content = (tmp_path / "plant.sqlite3").read_bytes()
    second = shopfloor_mcp(tmp_path, "seed")
    assert (second.returncode, second.stdout) == (0, "")
    assert "--erase" in second.stderr
    assert (tmp_path / "plant.sqlite3").read_bytes() == content


def test_erasing_asks_first_and_starts_over_when_told(plant: Path) -> None:
    def issues() -> int:
        with closing(sqlite3.connect(plant / "plant.sqlite3")) as file:
            return file.execute("SELECT count(*) FROM issues").fetchone()[0]

    with closing(sqlite3.connect(plant / "plant.sqlite3")) as file:
        file.execute("DELETE FROM issues WHERE id = 'ISS-0001'")
        file.commit()
    asked = shopfloor_mcp(plant, "seed", "--erase", stdin="n\n")
    assert (asked.returncode, asked.stdout, issues()) == (1, "", 71)
    assert f"Delete every record in {plant}? [y/N] Nothing was changed." in asked.stderr
    told = shopfloor_mcp(plant, "seed", "--erase", "--yes", "--json")
    assert (told.returncode, issues()) == (0, 72)
    assert one_line_of_json(told)["records"]["issues"] == 72


def test_schemas_check_is_red_after_a_change_and_green_after_writing(tmp_path: Path) -> None:
    folder = tmp_path / "schemas"
    shutil.copytree(schemas_dir(), folder)
    changed = folder / "tools" / "get_machines.json"
    changed.write_text(changed.read_text(encoding="utf-8").replace('"object"', '"array"', 1), encoding="utf-8")
    (folder / "tools" / "log_issue.json").unlink()
    check = ("schemas", "--check", "--directory", str(folder))
    red = shopfloor_mcp(tmp_path, *check)
    assert red.returncode == 1
    assert [line.partition(":")[0] for line in red.stdout.splitlines()] == ["get_machines", "log_issue"]
    assert "shopfloor-mcp schemas" in red.stderr
    assert "2 changed" in shopfloor_mcp(tmp_path, "schemas", "--directory", str(folder)).stdout
    assert shopfloor_mcp(tmp_path, *check).returncode == 0
    assert changed.read_bytes() == (schemas_dir() / "tools" / "get_machines.json").read_bytes()


def test_serve_on_stdio_keeps_every_log_line_off_stdout(sample: Path) -> None:
    request = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    noisy = {"SHOPFLOOR_LOG_LEVEL": "debug", "SHOPFLOOR_LOG_FORMAT": "json"}
    done = shopfloor_mcp(sample, "serve", stdin=json.dumps(request) + "\n", env=noisy)
    assert done.returncode == 0
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in done.stdout.splitlines())
    assert all("event" in json.loads(line) for line in done.stderr.splitlines())
    assert done.stderr


def test_serve_over_http_says_where_it_is_and_ends_well_when_interrupted(sample: Path) -> None:
    command = [*COMMAND, "serve", "--transport", "http", "--port", "0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment(sample), **pipes) as server:
        try:
            line = server.stderr.readline()
            assert line.startswith("Serving MCP at http://127.0.0.1:")
            server.send_signal(signal.SIGINT)
            assert server.communicate(timeout=30) == ("", "")
            assert server.returncode == 0
        finally:
            server.kill()


def test_serving_beyond_loopback_is_refused(sample: Path) -> None:
    done = shopfloor_mcp(sample, "serve", "--transport", "http", "--host", "0.0.0.0")
    assert (done.returncode, done.stdout) == (1, "")
    assert "--host 127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr
