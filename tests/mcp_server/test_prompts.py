import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mcp import Client, MCPError
from mcp.types import INVALID_PARAMS, TextContent

from mcp_server.app import build_server
from mcp_server.surface.jobs import JOBS, RULES
from mcp_server.surface.prompts import LONGEST_VALUE, Job, tools_in
from mcp_server.surface.selection import Selection, select_tools
from mcp_server.tools import ALL_TOOLS
from tests.support.sample_plant import CLOCK, sample_plant

pytestmark = pytest.mark.anyio

NAMES = {tool.name for tool in ALL_TOOLS}
WRITING = {tool.name for tool in ALL_TOOLS if tool.writes}
EVERYTHING = Selection()

GIVEN = {
    "quality_plan": {"project": "ALPHA", "material": "HSG-FC57"},
    "maintenance": {"project": "ALPHA", "machine": "MC-101"},
    "work_instruction": {"project": "ALPHA", "workstation": "ALPHA-OP20"},
    "issue": {"project": "ALPHA"},
}

every_job = pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)


@asynccontextmanager
async def connected(directory: Path, selection: Selection = EVERYTHING, era: str = "auto") -> AsyncGenerator[Client]:
    async with sample_plant(directory) as plant:
        server = build_server(plant.backend, CLOCK, select_tools(ALL_TOOLS, selection))
        async with Client(server, mode=era, raise_exceptions=True) as client:
            yield client


async def text_of(client: Client, name: str, arguments: dict[str, str]) -> str:
    result = await client.get_prompt(name, arguments)
    [message] = result.messages
    assert isinstance(message.content, TextContent)
    assert message.role == "user"
    return message.content.text


async def refusal(client: Client, name: str, arguments: dict[str, str]) -> str:
    with pytest.raises(MCPError) as raised:
        await client.get_prompt(name, arguments)
    assert raised.value.code == INVALID_PARAMS
    return raised.value.message


@every_job
def test_a_job_names_only_tools_there_are_and_its_goal_among_them(job: Job):
    named = {name for step in job.steps for name in tools_in(step)}
    assert named <= NAMES
    assert job.goal in named
    assert job.goal in WRITING


@every_job
def test_a_job_reads_before_it_writes_and_its_reads_come_first(job: Job):
    tools = [name for step in job.steps for name in tools_in(step)]
    assert tools[0] not in WRITING
    assert tools.index(job.goal) >= 3


@every_job
def test_every_step_is_one_line_of_sentences(job: Job):
    for step in (*job.steps, *RULES):
        assert "\n" not in step
        assert step.endswith(".")
        assert len(step) < 500


def test_the_rules_keep_a_model_from_inventing_and_from_writing_unseen():
    rules = " ".join(RULES)
    for word in ("Invent none", "dry_run", "wait for their yes", "verification", "outcome is unknown"):
        assert word in rules


@pytest.mark.parametrize("era", ["auto", "legacy"])
async def test_hosts_of_both_eras_see_the_four_jobs(tmp_path: Path, era: str):
    async with connected(tmp_path, era=era) as client:
        listed = (await client.list_prompts()).prompts
        assert [prompt.name for prompt in listed] == list(GIVEN)
        for prompt in listed:
            assert prompt.title
            assert prompt.description
            arguments = prompt.arguments or []
            assert {a.name for a in arguments if a.required} == set(GIVEN[prompt.name])
            assert all(argument.description for argument in arguments)
            assert f"`{next(j.goal for j in JOBS if j.name == prompt.name)}`" in await text_of(
                client, prompt.name, GIVEN[prompt.name]
            )


async def test_what_the_person_said_stands_in_the_text_on_one_line_each(tmp_path: Path):
    async with connected(tmp_path) as client:
        said = {"project": " ALPHA ", "problem": "Oil\n\non the {floor}\t at `OP20`", "machine": "  "}
        text = await text_of(client, "issue", said)
    assert "- project: ALPHA\n- problem: Oil on the {floor} at `OP20`\n\n" in text
    assert "- machine" not in text


async def test_steps_are_numbered_and_no_brace_is_left(tmp_path: Path):
    async with connected(tmp_path) as client:
        for name, given in GIVEN.items():
            text = await text_of(client, name, given)
            numbers = [int(number) for number in re.findall(r"^(\d+)\. ", text, flags=re.MULTILINE)]
            assert numbers == list(range(1, len(numbers) + 1))
            assert len(numbers) == len(next(job for job in JOBS if job.name == name).steps)
            assert not set(text) & set("{}")


async def test_a_wrong_argument_is_named(tmp_path: Path):
    async with connected(tmp_path) as client:
        assert "material" in await refusal(client, "quality_plan", {"project": "ALPHA"})
        assert "project" in await refusal(client, "quality_plan", {"project": " ", "material": "HSG-FC57"})
        unknown = await refusal(client, "issue", {"project": "ALPHA", "colour": "red"})
        assert "colour" in unknown
        assert "workstation" in unknown
        too_long = await refusal(client, "issue", {"project": "ALPHA", "problem": "x" * (LONGEST_VALUE + 1)})
        assert "problem" in too_long
        assert len(too_long) < 200
        assert "quality_plan" in await refusal(client, "nope" * 100, {})


async def test_a_read_only_server_offers_no_job_that_writes(tmp_path: Path):
    async with connected(tmp_path, Selection(read_only=True)) as client:
        assert (await client.list_prompts()).prompts == []
        assert "Unknown prompt" in await refusal(client, "issue", {"project": "ALPHA"})


async def test_a_job_is_offered_with_its_goal_and_leaves_out_steps_without_their_tool(tmp_path: Path):
    selection = Selection(tools=("create_quality_plan", "get_specs"))
    async with connected(tmp_path, selection) as client:
        assert [prompt.name for prompt in (await client.list_prompts()).prompts] == ["quality_plan"]
        text = await text_of(client, "quality_plan", GIVEN["quality_plan"])
    assert {name for name in NAMES if f"`{name}`" in text} == {"create_quality_plan", "get_specs"}
    assert "1. Read the characteristics" in text
