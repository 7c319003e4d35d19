"""The documentation is true: its commands answer what it says, and the tools it names are those there are."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from mcp_server.bundled import sample_plant_dir
from mcp_server.errors import ToolFailure
from mcp_server.pipeline.declaration import Tool
from orchestrator_client.cli import app as client_app
from orchestrator_client.terminal.repl import COMMANDS
from tests.end_to_end.programs import Programs, lines
from tests.end_to_end.test_main_job import FIRST_HALF, SECOND_HALF
from tests.support.sample_plant import TOOLS, sample_plant

pytestmark = pytest.mark.anyio

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
README = REPOSITORY / "README.md"
PAGES = [README, *sorted(DOCS.rglob("*.md"))]
TRAPS = DOCS / "reference" / "sample-plant-traps.md"
TOOL_TABLES = DOCS / "reference" / "tools.md"

COMMAND = re.compile(r"`(shopfloor-mcp call [^`]+)`")
REFUSED = re.compile(r'refused `(\w+)` at `([^`]+)`: "([^"]+)"')
STANDS = re.compile(r'`([^`]+)`: (?:"([^"]+)"|absent)')
STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
VERBS = sorted({name.partition("_")[0] for name in TOOLS} - {"record"})
TOOL_NAME = re.compile(rf"\b(?:{'|'.join(VERBS)})_[a-z_]+\b(?<!_id)")
RECORD_ID = re.compile(r"\b(?:[A-Z]{2,}(?:-[A-Z0-9]+)+|[EO]P?\d{2,})\b")

ABSENT = object()


@dataclass(frozen=True)
class Trap:
    """One row of the page: a call, and what it says comes back."""

    title: str
    tool: str
    arguments: dict[str, Any]
    answer: tuple[str, ...]


def traps() -> Iterator[Trap]:
    for line in TRAPS.read_text().splitlines():
        if (command := COMMAND.search(line)) is None:
            continue
        title, _, answer = (cell.strip() for cell in line.strip("|").split(" | "))
        _program, _call, tool, arguments = shlex.split(command[1])
        yield Trap(title, tool, json.loads(arguments), tuple(answer.removesuffix("|").strip().split("<br>")))


EVERY_TRAP = list(traps())


@pytest.mark.parametrize("trap", EVERY_TRAP, ids=lambda trap: trap.title)
async def test_a_trap_is_answered_as_the_page_says(tmp_path: Path, trap: Trap):
    async with sample_plant(tmp_path) as plant:
        before = plant.counts()
        try:
            answer, refusal = await plant.call(trap.tool, trap.arguments), None
        except ToolFailure as failure:
            answer, refusal = failure.as_json()["error"], failure
        changed = {table for table, count in plant.counts().items() if count != before[table]}

    assert changed <= {"audit_log", "sqlite_sequence"}, "a command of the page changes the plant"
    assert trap.answer[0].startswith("refused") is (refusal is not None), answer
    for line in trap.answer:
        if (told := REFUSED.fullmatch(line)) is not None:
            assert (answer["code"], answer["field"]) == told.group(1, 2)
            assert told[3] in answer["message"]
            continue
        stands = STANDS.fullmatch(line)
        assert stands is not None, f"not a line that can be compared: {line}"
        found = value_at(answer, stands[1])
        assert found is ABSENT if stands[2] is None else says(found, stands[2]), f"{line}: {found}"


def value_at(answer: object, path: str) -> Any:
    """What stands at `items[0].state`, or ABSENT."""
    for name, position in STEP.findall(path):
        if name:
            answer = answer.get(name, ABSENT) if isinstance(answer, dict) else ABSENT  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - JSON of any shape
        else:
            answer = answer[int(position)] if isinstance(answer, list) else ABSENT  # pyright: ignore[reportUnknownVariableType] - JSON of any shape
    return answer  # pyright: ignore[reportUnknownVariableType] - JSON of any shape


def says(found: object, text: str) -> bool:
    """A number or truth value is that text; a text has it somewhere, and so has one entry of a list."""
    match found:
        case list():
            return any(says(entry, text) for entry in found)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON of any shape
        case dict():
            return any(says(part, text) for part in found.values())  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON of any shape
        case str():
            return text in found
        case _:
            return found is not ABSENT and json.dumps(found) == text


def test_the_conversation_in_the_readme_is_the_one_that_is_had(programs: Programs):
    told = conversation(0)

    done = programs.client("chat", typed=lines(*FIRST_HALF, *SECOND_HALF, "yes"))

    assert len(told) > 10
    assert [line for line in told if line != "…" and line not in done.stdout.splitlines()] == []


def test_the_change_of_topic_in_the_readme_is_the_one_that_is_had(programs: Programs):
    told = conversation(1)
    typed = [line.removeprefix("you> ") for line in told if line.startswith("you> ")]

    done = programs.client("chat", typed=lines(*typed))

    assert len(typed) == 5
    shown = iter(done.stdout.splitlines())
    assert [line for line in told if line != "…" and line not in shown] == [], "missing, or in another order"


def conversation(number: int) -> list[str]:
    """One of those in the README, line by line."""
    return README.read_text().split("```text\n")[number + 1].partition("```")[0].splitlines()


def test_the_readme_names_every_command_of_the_chat_and_no_page_another():
    known = {command.partition(" ")[0] for command in COMMANDS}
    assert {name for name in known if f"`{name}" not in README.read_text()} == set()

    named = {name for page in PAGES for name in re.findall(r"`(/[a-z]+)[ `]", page.read_text())}
    assert named - {"/mcp"} == known  # the path of the server's endpoint


def test_every_command_line_of_the_client_in_the_pages_is_one_it_takes():
    written = {line for page in PAGES for line in re.findall(r"^\$ shopfloor (.+)", page.read_text(), re.MULTILINE)}
    client = get_command(client_app)
    for line in written:
        words = re.sub(r"[\[\]]", "", line.partition("  #")[0]).split()
        command = client
        while isinstance(command, TyperGroup) and words and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        options = {name for parameter in command.params for name in parameter.opts}
        assert command is not client, line
        assert {word for word in words if word.startswith("-")} <= options, line
    assert len(written) > 8


def test_the_refusal_in_the_readme_is_the_one_that_is_given(programs: Programs):
    told = README.read_text().partition("$ shopfloor-mcp call get_machines ")[2].partition("```")[0].splitlines()
    arguments, *shown = shlex.split(told[0])[0], *told[1:]

    done = programs.server("call", "get_machines", arguments)

    assert len(shown) > 3
    for line in shown:
        assert all(part in done.stdout for part in line.split("…")), done.stdout


def test_the_page_asks_about_everything_that_the_sample_plant_has_wrong_on_purpose():
    _, _, purpose = (sample_plant_dir() / "README.md").read_text().partition("## Traps on purpose")
    named = set(RECORD_ID.findall(purpose))
    page = TRAPS.read_text()

    assert len(named) > 25
    assert {name for name in named if name not in page} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_tool_that_a_page_names_exists(page: Path):
    written = re.sub(r"```python.*?```", "", page.read_text(), flags=re.DOTALL)
    assert set(TOOL_NAME.findall(written)) <= set(TOOLS)


@pytest.mark.parametrize("tool", TOOLS.values(), ids=lambda tool: tool.name)
def test_every_tool_stands_in_its_toolset_in_the_reference_and_in_the_readme(tool: Tool[Any, Any, Any]):
    section = TOOL_TABLES.read_text().partition(f"## {tool.toolset}\n")[2].partition("\n## ")[0]
    assert f"| `{tool.name}` |" in section

    row = next(line for line in README.read_text().splitlines() if line.startswith(f"| {tool.toolset} |"))
    assert f"`{tool.name}`" in row


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_to_a_file_leads_to_one(page: Path):
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []
