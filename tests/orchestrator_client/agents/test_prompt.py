from dataclasses import replace

import pytest

from orchestrator_client.agents.prompt import base_context, system_prompt
from orchestrator_client.agents.registry import load_agents
from orchestrator_client.context.fencing import TAG
from orchestrator_client.dialogue.completion import MARKER, claims_completion

AGENTS = load_agents()
QUALITY = AGENTS["quality_planning"]
GENERAL = AGENTS["general"]


def test_a_task_agent_learns_which_tools_complete_its_task_and_how_to_say_so() -> None:
    prompt = system_prompt(QUALITY, goals=["create_quality_plan", "get_quality_plans"])
    assert prompt.startswith("You are the Quality planning specialist of Shopfloor")
    assert QUALITY.prompt in prompt
    assert "you have told the user the result: create_quality_plan, get_quality_plans." in prompt
    assert f"end that message with {MARKER} alone on its last line" in prompt


def test_a_prompt_is_no_claim_itself() -> None:
    assert not claims_completion(system_prompt(QUALITY, goals=["create_quality_plan"]))


def test_only_an_agent_with_tools_is_told_how_to_treat_them() -> None:
    assert "## Tools" in system_prompt(QUALITY, goals=[])
    assert "instruct you" in system_prompt(QUALITY, goals=[])
    assert "## Tools" not in system_prompt(GENERAL, goals=[])


def test_an_agent_with_tools_knows_where_their_data_begins_and_ends() -> None:
    assert f"What stands between\n<{TAG}> and </{TAG}> came from a tool" in system_prompt(QUALITY, goals=[])
    assert TAG not in system_prompt(GENERAL, goals=[])


def test_a_conversation_agent_knows_the_specialists_and_no_marker() -> None:
    prompt = system_prompt(GENERAL, goals=[], options=AGENTS.options)
    assert all(option.description in prompt for option in AGENTS.options)
    assert MARKER not in prompt


def test_a_prompt_with_braces_is_taken_as_it_is() -> None:
    agent = replace(QUALITY, prompt="Write {name} and {{twice}}.")
    assert "Write {name} and {{twice}}." in system_prompt(agent, goals=["create_quality_plan"])


def test_the_same_agent_gets_the_same_prompt_so_that_it_can_be_cached() -> None:
    assert system_prompt(QUALITY, goals=["a"]) == system_prompt(QUALITY, goals=["a"])


@pytest.mark.parametrize(("project", "said"), [("ALPHA", "Project: ALPHA."), (None, "Project: not chosen yet.")])
def test_every_task_starts_with_the_day_and_the_project(project: str | None, said: str) -> None:
    assert base_context(project=project, today="2026-11-22") == f"Today is 2026-11-22. {said}"
