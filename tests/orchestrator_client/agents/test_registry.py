import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry
from structlog.testing import capture_logs

from orchestrator_client.agents.registry import FALLBACK_AGENT, Agent, Limits, load_agents
from orchestrator_client.context.task_context import references
from orchestrator_client.errors import ConfigurationError
from orchestrator_client.models.guided import GuidedModel
from orchestrator_client.models.guided.schema import simplified
from orchestrator_client.models.protocol import AskField, Goal
from orchestrator_client.routing.router import Router

REPOSITORY = Path(__file__).parents[3]
SCHEMA = json.loads((REPOSITORY / "schemas" / "agent.schema.json").read_text())
TOOLS: dict[str, dict[str, Any]] = {
    tool["name"]: tool
    for tool in (json.loads(path.read_text()) for path in (REPOSITORY / "schemas" / "tools").glob("*"))
}
SHIPPED = load_agents()
AGENTS = pytest.mark.parametrize("agent", SHIPPED.agents.values(), ids=list(SHIPPED.agents))

FRONT: dict[str, Any] = {
    "key": "training",
    "title": "Training",
    "description": "Who is trained for which machine, and who needs a refresher.",
    "examples": ["Who may run the press?", "Train a new operator", "whose training expires"],
    "goals": [{"tool": "plan_training"}],
}
REFERENCES = {
    "project",
    "material_id",
    "machine_id",
    "workstation",
    "issue_id",
    "plan_id",
    "sop_id",
    "wo_id",
    "lot_id",
    "by",
    "closed_by",
    "approver_id",
    "inspector",
}
GENERAL: dict[str, Any] = FRONT | {"key": "general", "title": "General", "kind": "conversation", "goals": []}


def written(folder: Path, front: dict[str, Any], prompt: str = "You plan training.", name: str = "") -> Path:
    """A definition beside a fallback agent."""
    (folder / "general.md").write_text(f"---\n{yaml.safe_dump(GENERAL)}---\nYou chat.\n")
    path = folder / f"{name or front['key']}.md"
    path.write_text(f"---\n{yaml.safe_dump(front)}---\n{prompt}\n")
    return path


def refused(folder: Path) -> str:
    with pytest.raises(ConfigurationError) as raised:
        load_agents(folder, alone=True)
    assert raised.value.suggestion
    return str(raised.value)


def schema_at(path: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The part of a schema that a path such as `rows[].spec_id` names; empty if there is none."""
    for step in path.split("."):
        schema = schema.get("properties", {}).get(step.removesuffix("[]"), {})
        schema = schema.get("items", {}) if step.endswith("[]") else schema
    return schema


def goals_on_our_server() -> Iterator[tuple[Agent, Goal, dict[str, Any]]]:
    for agent in SHIPPED.agents.values():
        for goal in agent.goals_on(TOOLS):
            yield agent, goal, simplified(TOOLS[goal.tool]["inputSchema"])


def test_the_agents_of_the_design_are_shipped_and_the_fallback_comes_last() -> None:
    wanted = {"quality_planning", "maintenance_scheduling", "sop_creation", "issue_tracking", "general"}
    assert wanted <= SHIPPED.agents.keys()
    assert list(SHIPPED.agents)[-1] == FALLBACK_AGENT


@AGENTS
def test_a_shipped_agent_stands_in_the_file_of_its_key(agent: Agent) -> None:
    path = REPOSITORY / "orchestrator_client" / "agents" / "definitions" / f"{agent.key}.md"
    assert f"key: {agent.key}\n" in path.read_text()


@AGENTS
def test_what_an_agent_looks_up_it_may_call_and_changes_nothing(agent: Agent) -> None:
    lookups = [choice.tool for goal in agent.goals for choice in goal.choices.values()]
    lookups += [need.tool for need in agent.context]
    assert set(lookups) <= agent.allowed_tools
    assert all(TOOLS[name]["annotations"]["readOnlyHint"] for name in lookups if name in TOOLS)


@AGENTS
def test_an_agent_loads_only_context_the_server_can_give(agent: Agent) -> None:
    for need in agent.context:
        schema = TOOLS[need.tool]["inputSchema"]
        assert need.arguments.keys() <= schema["properties"].keys()
        assert set(schema.get("required", ())) <= need.arguments.keys()


@AGENTS
def test_a_task_agent_has_goals_and_a_conversation_has_neither_goals_nor_tools(agent: Agent) -> None:
    assert bool(agent.goals) == (agent.kind == "task")
    assert bool(agent.allowed_tools) == (agent.kind == "task")


def test_every_field_a_goal_asks_for_is_in_its_tools_schema() -> None:
    for agent, goal, schema in goals_on_our_server():
        for path in (*goal.choices, *(ask.path for ask in goal.ask)):
            assert schema_at(path, schema), f"{agent.key}: {goal.tool}.{path}"
        for ask in goal.ask:
            parent = ask.path.rpartition(".")[0]
            for name, value in ask.when.items():
                neighbor = schema_at(f"{parent}.{name}" if parent else name, schema)
                assert neighbor, f"{agent.key}: {goal.tool}.{ask.path} hangs on {name}"
                values: set[object] = {*value} if isinstance(value, tuple) else {value}  # pyright: ignore[reportUnknownVariableType] - JSON
                values.discard(None)
                assert values <= set(neighbor.get("enum", values)), f"{agent.key}: {goal.tool}.{ask.path}"


def test_every_choice_of_a_goal_fits_the_schemas_on_both_sides() -> None:
    for agent, goal, schema in goals_on_our_server():
        for path, choice in goal.choices.items():
            known = TOOLS[choice.tool]["inputSchema"]["properties"]
            assert choice.arguments.keys() <= known.keys(), f"{agent.key}: {goal.tool}.{path}"
            assert references(choice.arguments) <= schema["properties"].keys(), f"{agent.key}: {goal.tool}.{path}"


def test_every_required_reference_of_a_goal_is_offered_as_a_choice() -> None:
    for agent, goal, schema in goals_on_our_server():
        needed = set(schema.get("required", ())) & REFERENCES
        assert needed <= goal.choices.keys(), f"{agent.key}: {goal.tool}"


def test_nobody_is_asked_for_the_revision_they_have_read() -> None:
    looked_up = [
        (goal, goal.choices.get("expected_revision"))
        for _, goal, schema in goals_on_our_server()
        if "expected_revision" in schema["properties"]
    ]
    assert len(looked_up) >= 6
    assert [goal.tool for goal, choice in looked_up if choice is None or choice.ask] == []


def test_every_tool_of_our_server_is_a_goal_or_in_the_hands_of_a_specialist() -> None:
    assert {goal.tool for _, goal, _ in goals_on_our_server()} == TOOLS.keys()


@pytest.mark.parametrize(
    ("agent", "needed"),
    [
        ("quality_planning", {"get_machines", "get_materials", "get_specs"}),
        ("maintenance_scheduling", {"get_machines", "get_maintenance_history", "get_upcoming_schedules"}),
        ("sop_creation", {"get_workstations", "get_resources", "get_takt_time"}),
        ("issue_tracking", {"get_issues", "get_machines"}),
    ],
)
def test_a_task_starts_with_the_data_its_kind_needs(agent: str, needed: set[str]) -> None:
    assert needed <= {need.tool for need in SHIPPED[agent].context}


def test_no_example_stands_with_two_agents() -> None:
    owners: dict[str, set[str]] = {}
    for option in SHIPPED.options:
        for example in option.examples:
            owners.setdefault(example.casefold(), set()).add(option.key)
    assert [example for example, keys in owners.items() if len(keys) > 1] == []


def test_the_router_learns_the_examples_of_an_agents_goals(tmp_path: Path) -> None:
    written(tmp_path, FRONT | {"goals": [{"tool": "plan_training", "examples": ["book a course"]}]})
    option = load_agents(tmp_path, alone=True).options[0]
    assert option.key == "training"
    assert option.examples == (*FRONT["examples"], "book a course")


@pytest.mark.anyio
async def test_an_added_file_is_routed_to_without_any_code(tmp_path: Path) -> None:
    (tmp_path / "training.md").write_text(f"---\n{yaml.safe_dump(FRONT)}---\nYou plan training.\n")
    shipped = Router(SHIPPED.options, fallback=FALLBACK_AGENT)
    assert (await shipped.route(GuidedModel(), "Train the new operator", project=None)).agent != "training"
    router = Router(load_agents(tmp_path).options, fallback=FALLBACK_AGENT)
    assert (await router.route(GuidedModel(), "Train the new operator", project=None)).agent == "training"


def test_a_folder_adds_to_the_shipped_agents(tmp_path: Path) -> None:
    (tmp_path / "training.md").write_text(f"---\n{yaml.safe_dump(FRONT)}---\nYou plan training.\n")
    agents = load_agents(tmp_path).agents
    assert agents.keys() == {"training", *SHIPPED.agents}
    assert list(agents) == [*sorted(agents.keys() - {FALLBACK_AGENT}), FALLBACK_AGENT]
    assert {key for key, agent in agents.items() if agent.source == "own"} == {"training"}
    assert {agent.source for agent in SHIPPED.agents.values()} == {"shipped"}


def test_an_own_agent_replaces_the_shipped_one_of_its_key(tmp_path: Path) -> None:
    own = FRONT | {"key": "sop_creation", "title": "Our procedures"}
    (tmp_path / "ours.md").write_text(f"---\n{yaml.safe_dump(own)}---\nYou write procedures.\n")
    agents = load_agents(tmp_path).agents
    assert agents.keys() == SHIPPED.agents.keys()
    assert (agents["sop_creation"].title, agents["sop_creation"].source) == ("Our procedures", "own")


def test_the_fallback_can_be_replaced_and_stays_last(tmp_path: Path) -> None:
    (tmp_path / "general.md").write_text(f"---\n{yaml.safe_dump(GENERAL)}---\nYou chat.\n")
    agents = load_agents(tmp_path).agents
    assert list(agents)[-1] == FALLBACK_AGENT
    assert agents[FALLBACK_AGENT].prompt == "You chat."


def test_the_shipped_agents_do_not_overlap() -> None:
    assert SHIPPED.overlaps == ()


def test_an_agent_that_overlaps_is_reported_when_the_registry_loads(tmp_path: Path) -> None:
    shipped = (REPOSITORY / "orchestrator_client" / "agents" / "definitions" / "issue_tracking.md").read_text()
    (tmp_path / "copy.md").write_text(shipped.replace("key: issue_tracking", "key: faults", 1))
    with capture_logs() as logs:
        (overlap,) = load_agents(tmp_path).overlaps
    assert (overlap.first, overlap.second) == ("faults", "issue_tracking")
    assert logs == [
        {
            "event": "agents overlap",
            "log_level": "warning",
            "first": "faults",
            "second": "issue_tracking",
            "advice": str(overlap),
        }
    ]


@AGENTS
def test_an_agent_hands_on_no_free_text(agent: Agent) -> None:
    kept = {"id", "project"} if agent.kind == "task" else set[str]()
    assert kept <= set(agent.hand_off)
    arguments = [schema["properties"] for owner, _, schema in goals_on_our_server() if owner is agent]
    for name in set(agent.hand_off) - {"id"}:
        longest = [properties[name].get("maxLength", 0) for properties in arguments if name in properties]
        assert longest, f"{agent.key}: no goal takes {name}"
        assert max(longest) <= 100, f"{agent.key}: {name}"


def test_every_property_of_the_schema_is_read(tmp_path: Path) -> None:
    choice: dict[str, Any] = {
        "tool": "get_people",
        "value": "id",
        "label": "name",
        "notes": ["skills"],
        "arguments": {"a": "$b"},
        "where": {"on": [True]},
        "ask": False,
        "time_zone": "zone",
    }
    goal: dict[str, Any] = {
        "tool": "plan_training",
        "examples": ["book a course"],
        "ask": [{"field": "who", "when": {"kind": ["single", "pair"]}, "optional": True, "only_if_named": True}],
        "choices": {"who": choice},
    }
    context = {"title": "People", "tool": "get_people", "arguments": {"shift": 1}, "fields": ["id"]}
    limits = {"model_calls": 5, "tool_calls": 7, "turns": 9, "tokens": 11_000}
    front = FRONT | {
        "kind": "task",
        "tools": ["get_people"],
        "context": [context],
        "goals": [goal],
        "follow_ups": ["Show the training of {who}"],
        "hand_off": ["id", "who"],
        "limits": limits,
    }
    assert front.keys() == SCHEMA["properties"].keys()
    goal_schema = SCHEMA["properties"]["goals"]["items"]["properties"]
    assert goal.keys() == goal_schema.keys()
    asked = goal_schema["ask"]["items"]["properties"]
    assert goal["ask"][0].keys() == asked.keys()
    assert choice.keys() == goal_schema["choices"]["additionalProperties"]["properties"].keys()
    assert context.keys() == SCHEMA["properties"]["context"]["items"]["properties"].keys()
    assert limits.keys() == SCHEMA["properties"]["limits"]["properties"].keys()
    written(tmp_path, front)
    agent = load_agents(tmp_path)["training"]
    assert agent.limits == Limits(model_calls=5, tool_calls=7, turns=9, tokens=11_000)
    assert agent.hand_off == ("id", "who")
    assert (agent.context[0].title, agent.context[0].arguments, agent.context[0].fields) == (
        "People",
        {"shift": 1},
        ("id",),
    )
    (read,) = agent.goals
    assert read.examples == ("book a course",)
    assert read.ask == (AskField("who", {"kind": ("single", "pair")}, optional=True, only_if_named=True),)
    source = read.choices["who"]
    assert (source.value, source.label, source.arguments, source.where) == ("id", "name", {"a": "$b"}, {"on": (True,)})
    assert (source.notes, source.ask, source.time_zone) == (("skills",), False, "zone")
    assert agent.follow_ups == ("Show the training of {who}",)
    assert agent.prompt == "You plan training."


def test_the_schema_is_valid_and_its_defaults_are_those_of_the_program(tmp_path: Path) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    limits = {name: part["default"] for name, part in SCHEMA["properties"]["limits"]["properties"].items()}
    assert Limits(**limits) == Limits()
    written(tmp_path, FRONT)
    agent = load_agents(tmp_path)["training"]
    assert agent.kind == SCHEMA["properties"]["kind"]["default"]
    assert list(agent.hand_off) == SCHEMA["properties"]["hand_off"]["default"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"key": "Training!"}, "training.md: key: 'Training!' does not match"),
        ({"examples": ["one"]}, "training.md: examples:"),
        ({"kind": "robot"}, "training.md: kind: 'robot' is not one of"),
        ({"goals": []}, "training.md: goals: [] should be non-empty"),
        ({"kind": "conversation"}, "training.md: goals:"),
        (
            {"colour": "red"},
            "training.md: front matter: Additional properties are not allowed ('colour' was unexpected)",
        ),
        ({"goals": [{"tool": "plan_training", "ask": [{"path": "x"}]}]}, "training.md: goals.0.ask.0:"),
        ({"follow_ups": ["Train {who"]}, "training.md: follow_ups.0:"),
        ({"follow_ups": ["Train {0}"]}, "training.md: follow_ups.0:"),
        ({"follow_ups": ["Train {who.name}"]}, "training.md: follow_ups.0:"),
        ({"hand_off": ["the whole story"]}, "training.md: hand_off.0: 'the whole story' does not match"),
        ({"hand_off": ["id", "id"]}, "training.md: hand_off: ['id', 'id'] has non-unique elements"),
        ({"hand_off": [f"fact_{letter}" for letter in "abcdefghijklm"]}, "training.md: hand_off:"),
        ({"limits": {"turns": 0}}, "training.md: limits.turns: 0 is less than the minimum of 1"),
        ({"limits": {"model_calls": 0}}, "training.md: limits.model_calls: 0 is less than the minimum of 1"),
    ],
)
def test_front_matter_that_does_not_fit_is_refused_by_name(
    tmp_path: Path, change: dict[str, Any], complaint: str
) -> None:
    written(tmp_path, FRONT | change, name="training")
    message = refused(tmp_path)
    assert complaint in message
    assert "schemas/agent.schema.json" in message


@pytest.mark.parametrize(
    "change",
    [
        {"context": [{"title": "People", "tool": "get_people"}]},
        {"goals": [{"tool": "plan_training", "choices": {"who": {"tool": "get_people", "value": "id"}}}]},
    ],
)
def test_an_agent_that_looks_up_what_it_may_not_call_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    written(tmp_path, FRONT | change)
    assert "training.md: context and choices use get_people, which the agent may not call" in refused(tmp_path)
    written(tmp_path, FRONT | change | {"tools": ["get_people"]})
    assert "get_people" in load_agents(tmp_path)["training"].allowed_tools


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"You plan training.\n", "no front matter"),
        (b"---\nkey: training\nYou plan training.\n", "no front matter"),
        (b"---\nkey: [\n---\nYou plan training.\n", "the front matter is not YAML"),
        (b"---\n- key\n---\nYou plan training.\n", "is not of type 'object'"),
        (b"---\n---\nYou plan training.\n", "is not of type 'object'"),
        (b"---\nkey: caf\xe9\n---\nYou plan training.\n", "cannot be read"),
    ],
)
def test_a_file_that_is_no_definition_is_refused_by_name(tmp_path: Path, content: bytes, complaint: str) -> None:
    written(tmp_path, FRONT).write_bytes(content)
    message = refused(tmp_path)
    assert "training.md" in message
    assert complaint in message


def test_an_agent_without_a_prompt_is_refused(tmp_path: Path) -> None:
    written(tmp_path, FRONT).write_text(f"---\n{yaml.safe_dump(FRONT)}---")
    assert "training.md: the agent has no prompt" in refused(tmp_path)


def test_a_definition_from_another_editor_is_read_all_the_same(tmp_path: Path) -> None:
    front = FRONT | {"title": "Training ---"}
    text = f"---  \n{yaml.safe_dump(front)}---\nYou plan.\n\n---\n\nMore.\n"
    written(tmp_path, FRONT).write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    agent = load_agents(tmp_path)["training"]
    assert (agent.title, agent.prompt) == ("Training ---", "You plan.\n\n---\n\nMore.")


def test_one_key_in_two_files_is_refused(tmp_path: Path) -> None:
    written(tmp_path, FRONT)
    written(tmp_path, FRONT, name="twin")
    assert "twin.md: the agent key 'training' stands in two files" in refused(tmp_path)


def test_a_folder_without_a_fallback_without_agents_or_without_existence_is_refused(tmp_path: Path) -> None:
    assert "holds no agent definition" in refused(tmp_path)
    written(tmp_path, FRONT)
    (tmp_path / "general.md").unlink()
    assert "has no agent 'general'" in refused(tmp_path)
    assert "There is no folder" in refused(tmp_path / "nowhere")


def test_only_the_goals_a_server_offers_count() -> None:
    quality = SHIPPED["quality_planning"]
    assert [goal.tool for goal in quality.goals_on(["get_quality_plans", "other"])] == ["get_quality_plans"]
    assert quality.goals_on(["other"]) == ()


def test_a_schema_that_refers_elsewhere_is_never_fetched() -> None:
    assert "$ref" not in json.dumps(SCHEMA)
    validator = Draft202012Validator(SCHEMA, registry=Registry())
    assert validator.is_valid(FRONT)  # pyright: ignore[reportUnknownMemberType] - half typed in jsonschema
