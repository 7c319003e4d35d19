"""In processes of their own: the logs belong to the whole process."""

import json
import os
import pty
import subprocess
import sys

import pytest

SCRIPT = """
import logging, sys
import structlog
from mcp_server.logs import configure_logs

configure_logs(sys.argv[1], sys.argv[2])
structlog.get_logger().debug("ours in detail")
structlog.get_logger().warning("ours", tool="log_issue")
logging.getLogger("a.library").warning("theirs")
logging.getLogger("httpx").info("HTTP Request: GET http://mes.example/x?key=canary-of-a-query")
logging.getLogger("httpcore.http11").debug("Set-Cookie: canary-of-a-header")

def crash():
    secret = "canary-of-a-record"
    raise ValueError("broken")

try:
    crash()
except ValueError:
    structlog.get_logger().exception("tool crashed")
"""


def logged(level: str, form: str) -> str:
    done = subprocess.run([sys.executable, "-c", SCRIPT, level, form], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize("form", ["text", "json"])
def test_lines_go_to_stderr_with_the_traceback_but_without_local_variables(form: str) -> None:
    lines = logged("warning", form)
    assert "log_issue" in lines
    assert "theirs" in lines
    assert "ValueError: broken" in lines
    assert "canary" not in lines
    assert "ours in detail" not in lines
    assert "\x1b" not in lines


def test_json_lines_can_be_read_one_by_one() -> None:
    events = [json.loads(line) for line in logged("debug", "json").splitlines()]
    assert [event["event"] for event in events] == ["ours in detail", "ours", "theirs", "tool crashed"]
    assert [event["level"] for event in events] == ["debug", "warning", "warning", "error"]
    assert all(event["timestamp"].endswith("Z") for event in events)


def test_the_http_library_tells_no_url_and_no_header_even_at_debug() -> None:
    assert "canary" not in logged("debug", "text")


def test_a_level_silences_what_is_below_it() -> None:
    assert "theirs" not in logged("error", "text")


@pytest.mark.parametrize(("no_color", "colored"), [("", True), ("1", False)])
def test_a_terminal_gets_color_unless_its_user_wants_none(no_color: str, colored: bool) -> None:
    ours, theirs = pty.openpty()
    environment = os.environ | {"NO_COLOR": no_color}
    subprocess.run([sys.executable, "-c", SCRIPT, "warning", "text"], stderr=theirs, check=True, env=environment)
    os.close(theirs)
    assert (b"\x1b[" in os.read(ours, 65536)) is colored
    os.close(ours)
