import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator_client.agents.definition_check import problems_in
from orchestrator_client.agents.registry import Agent, AgentRegistry, ContextNeed, load_agents
from orchestrator_client.models.protocol import AskField, ChoiceSource, Goal

SCHEMAS = Path(__file__).parents[3] / "schemas" / "tools"
TOOLS = {
    tool["name"]: set(tool["inputSchema"]["properties"])
    for tool in (json.loads(path.read_text()) for path in SCHEMAS.glob("*.json"))
}
AGENT = Agent(
    key="training",
    title="Training",
    kind="task",
    description="Who is trained for which machine.",
    examples=("who may run the press",),
    prompt="You plan training.",
    tools=("get_resources",),
    goals=(Goal("create_sop"),),
)


def problems(**change: Any) -> list[str]:
    """What is wrong with one agent, on our own server."""
    return problems_in(AgentRegistry({"training": replace(AGENT, **change)}), TOOLS)


def test_the_shipped_agents_have_no_problems_on_our_server() -> None:
    assert len(TOOLS) > 30
    assert problems_in(load_agents(), TOOLS) == []
    assert problems_in(load_agents(), None) == []


def test_a_sound_agent_has_no_problems() -> None:
    assert problems() == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"tools": ("get_robots",)}, "training: the server has no tool 'get_robots'."),
        ({"goals": (Goal("make_robot"),)}, "training: the server has no tool 'make_robot'."),
        (
            {"context": (ContextNeed("People", "get_resources", {"project": "$plant"}),)},
            "training: the context 'People' refers to $plant, but only $project is known when a task starts.",
        ),
        (
            {"context": (ContextNeed("People", "get_resources", {"plant": "A"}),)},
            "training: the context 'People': get_resources does not take 'plant'.",
        ),
        (
            {"goals": (Goal("create_sop", ask=(AskField("robots[].id"),)),)},
            "training: the goal create_sop asks for 'robots[].id', which its tool does not take.",
        ),
        (
            {"goals": (Goal("create_sop", choices={"title": ChoiceSource("get_resources", "id", None, {"hue": 1})}),)},
            "training: the choices of create_sop.title: get_resources does not take 'hue'.",
        ),
        (
            {
                "goals": (
                    Goal("create_sop", choices={"title": ChoiceSource("get_resources", "id", None, {"q": "$hue"})}),
                )
            },
            "training: the choices of create_sop.title: create_sop does not take 'hue', which $hue refers to.",
        ),
        (
            {"follow_ups": ("Train {who}", "Show {id} of {project} at {workstation}")},
            "training: the follow-up 'Train {who}' needs {who}, which no goal of the agent takes or returns.",
        ),
        (
            {"hand_off": ("id", "workstation", "mood")},
            "training: hand_off names 'mood', which no goal of the agent takes or returns.",
        ),
    ],
)
def test_every_name_that_nothing_fills_is_named_with_its_place(change: dict[str, Any], problem: str) -> None:
    assert problems(**change) == [problem]


def test_without_a_server_only_what_needs_none_is_checked() -> None:
    need = ContextNeed("People", "get_robots", {"project": "$plant"})
    registry = AgentRegistry({"training": replace(AGENT, tools=("get_robots",), context=(need,))})
    (problem,) = problems_in(registry, None)
    assert "refers to $plant" in problem


def test_facts_of_an_unknown_goal_are_not_guessed() -> None:
    goals = (Goal("make_robot"), Goal("create_sop"))
    assert problems(goals=goals, follow_ups=("Train {robot}",)) == ["training: the server has no tool 'make_robot'."]
