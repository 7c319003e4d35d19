"""Reads the agent definitions: one Markdown file each, front matter checked against the published schema."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import structlog
import yaml
from jsonschema import Draft202012Validator, ValidationError
from referencing import Registry

from orchestrator_client.agents.overlap import Overlap, overlaps_in
from orchestrator_client.dialogue.json_values import is_list
from orchestrator_client.errors import ConfigurationError
from orchestrator_client.models.protocol import AskField, ChoiceSource, Goal, RouteOption

__all__ = ["FALLBACK_AGENT", "Agent", "AgentRegistry", "ContextNeed", "Limits", "load_agents"]

FALLBACK_AGENT = "general"
"""Gets what no other agent is for. Every registry must have it."""

_PACKAGE = Path(__file__).parent
_HAND_OFF = ("id", "project")
_log = structlog.get_logger(__name__)
_FRONT_MATTER = re.compile(r"---[ \t]*\n(?P<front>.*?)^---[ \t]*(?:\n(?P<prompt>.*))?\Z", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ContextNeed:
    """A read-only call whose answer the agent gets when its task starts; `fields` names what to show of each item."""

    title: str
    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """How far one message may carry an agent, and how many messages one task may take, before it is ended honestly."""

    model_calls: int = 12
    tool_calls: int = 30
    tokens: int = 400_000
    turns: int = 200


@dataclass(frozen=True, slots=True)
class Agent:
    """One specialist. `prompt` is the body of its file.

    `hand_off` names the facts of its result that the next task may know. `source` tells an agent that ships with the
    program from one of the person's own folder.
    """

    key: str
    title: str
    kind: Literal["task", "conversation"]
    description: str
    examples: tuple[str, ...]
    prompt: str
    tools: tuple[str, ...] = ()
    context: tuple[ContextNeed, ...] = ()
    goals: tuple[Goal, ...] = ()
    follow_ups: tuple[str, ...] = ()
    hand_off: tuple[str, ...] = _HAND_OFF
    limits: Limits = Limits()
    source: Literal["shipped", "own"] = "shipped"

    @property
    def allowed_tools(self) -> frozenset[str]:
        """Everything this agent may call, its goals included."""
        return frozenset((*self.tools, *(goal.tool for goal in self.goals)))

    def goals_on(self, offered: Iterable[str]) -> tuple[Goal, ...]:
        """The goals that a server with these tools can fulfil."""
        names = set(offered)
        return tuple(goal for goal in self.goals if goal.tool in names)


@dataclass(frozen=True, slots=True)
class AgentRegistry:
    """All agents by key, in the order of their keys, the fallback last; `overlaps` are those too much alike."""

    agents: Mapping[str, Agent]
    overlaps: tuple[Overlap, ...] = ()

    def __getitem__(self, key: str) -> Agent:
        return self.agents[key]

    def __contains__(self, key: object) -> bool:
        return key in self.agents

    def title_of(self, key: str) -> str:
        """What people call an agent; its key, if its definition is gone."""
        return self.agents[key].title if key in self.agents else key

    @property
    def options(self) -> tuple[RouteOption, ...]:
        """What the router chooses from; the examples of an agent's goals are its examples too."""
        return tuple(map(_option, self.agents.values()))


def load_agents(directory: Path | None = None, *, alone: bool = False) -> AgentRegistry:
    """The agents that ship with the program and those of a folder, which replace shipped ones of the same key.

    With `alone`, only those of the folder. Agents that overlap are logged.

    Raises:
        ConfigurationError: a file does not follow the schema, an agent uses a tool it may not call, a key stands twice
            in the folder, or there is no fallback agent.
    """
    agents: dict[str, Agent] = {} if alone else _in_folder(_PACKAGE / "definitions")
    if directory is not None:
        agents |= {key: replace(agent, source="own") for key, agent in _in_folder(directory).items()}
    if FALLBACK_AGENT not in agents:
        raise ConfigurationError(
            f"{directory} has no agent {FALLBACK_AGENT!r}.",
            suggestion="Add one: it answers what no other agent is for.",
        )
    ordered = {key: agents[key] for key in sorted(agents, key=lambda key: (key == FALLBACK_AGENT, key))}
    overlaps = overlaps_in(tuple(map(_option, ordered.values())))
    for overlap in overlaps:
        _log.warning("agents overlap", first=overlap.first, second=overlap.second, advice=str(overlap))
    return AgentRegistry(ordered, overlaps)


def _option(agent: Agent) -> RouteOption:
    of_goals = (example for goal in agent.goals for example in goal.examples)
    return RouteOption(agent.key, agent.description, (*agent.examples, *of_goals))


def _in_folder(folder: Path) -> dict[str, Agent]:
    if not folder.is_dir():
        raise ConfigurationError(f"There is no folder {folder}.", suggestion="Give one with agent definitions.")
    agents: dict[str, Agent] = {}
    for path in sorted(folder.glob("*.md")):
        agent = _read(path)
        if agent.key in agents:
            raise ConfigurationError(
                f"{path.name}: the agent key {agent.key!r} stands in two files of {folder}.",
                suggestion="Give one of them another key.",
            )
        agents[agent.key] = agent
    if not agents:
        raise ConfigurationError(
            f"{folder} holds no agent definition.", suggestion="One agent is one file there whose name ends in .md."
        )
    return agents


def _read(path: Path) -> Agent:
    front, prompt = _split(path)
    problems = [
        f"{'.'.join(map(str, error.absolute_path)) or 'front matter'}: {error.message[:200]}"
        for error in _problems(front)
    ]
    if problems:
        raise ConfigurationError(
            f"{path.name}: {'; '.join(problems)}.", suggestion="See schemas/agent.schema.json for what is allowed."
        )
    if not prompt:
        raise ConfigurationError(
            f"{path.name}: the agent has no prompt.", suggestion="Write it below the front matter."
        )
    agent = Agent(
        key=front["key"],
        title=front["title"],
        kind=front.get("kind", "task"),
        description=front["description"],
        examples=tuple(front["examples"]),
        prompt=prompt,
        tools=tuple(front.get("tools", ())),
        context=tuple(_context_need(need) for need in front.get("context", ())),
        goals=tuple(_goal(goal) for goal in front.get("goals", ())),
        follow_ups=tuple(front.get("follow_ups", ())),
        hand_off=tuple(front.get("hand_off", _HAND_OFF)),
        limits=Limits(**front.get("limits", {})),
    )
    unusable = sorted(_looked_up_with(agent) - agent.allowed_tools)
    if unusable:
        raise ConfigurationError(
            f"{path.name}: context and choices use {', '.join(unusable)}, which the agent may not call.",
            suggestion="Add it to tools.",
        )
    return agent


def _looked_up_with(agent: Agent) -> set[str]:
    """The tools behind the agent's context and its choices."""
    choices = [choice.tool for goal in agent.goals for choice in goal.choices.values()]
    return {*choices, *(need.tool for need in agent.context)}


def _split(path: Path) -> tuple[Any, str]:
    """Front matter, of any shape, and prompt."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path.name} cannot be read: {error}.", suggestion="It must be a readable file in UTF-8."
        ) from error
    parts = _FRONT_MATTER.match(text)
    if parts is None:
        raise ConfigurationError(
            f"{path.name}: no front matter.", suggestion="Start the file with a line ---, YAML, and another line ---."
        )
    try:
        front: Any = yaml.safe_load(parts["front"])
    except yaml.YAMLError as error:
        raise ConfigurationError(
            f"{path.name}: the front matter is not YAML: {error}.",
            suggestion="Quote values that hold a colon or begin with a special character.",
        ) from error
    return front, (parts["prompt"] or "").strip()


def _problems(front: Any) -> Iterator[ValidationError]:  # noqa: ANN401 - YAML of any shape
    yield from _validator().iter_errors(front)  # pyright: ignore[reportUnknownMemberType] - half typed in jsonschema


def _context_need(front: dict[str, Any]) -> ContextNeed:
    return ContextNeed(front["title"], front["tool"], front.get("arguments", {}), tuple(front.get("fields", ())))


def _goal(front: dict[str, Any]) -> Goal:
    return Goal(
        tool=front["tool"],
        examples=tuple(front.get("examples", ())),
        ask=tuple(_ask(ask) for ask in front.get("ask", ())),
        choices={path: _choice(choice) for path, choice in front.get("choices", {}).items()},
    )


def _ask(front: dict[str, Any]) -> AskField:
    when = {name: tuple(value) if is_list(value) else value for name, value in front.get("when", {}).items()}
    optional, only_if_named = front.get("optional", False), front.get("only_if_named", False)
    return AskField(front["field"], when, optional=optional, only_if_named=only_if_named)


def _choice(front: dict[str, Any]) -> ChoiceSource:
    return ChoiceSource(
        tool=front["tool"],
        value=front["value"],
        label=front.get("label"),
        arguments=front.get("arguments", {}),
        where={name: tuple(values) for name, values in front.get("where", {}).items()},
        notes=tuple(front.get("notes", ())),
        ask=front.get("ask", True),
        time_zone=front.get("time_zone"),
    )


@cache
def _validator() -> Draft202012Validator:
    """A validator with an empty registry: it never fetches a schema from anywhere."""
    bundled = _PACKAGE.parent / "_bundle" / "schemas" / "agent.schema.json"
    path = bundled if bundled.exists() else _PACKAGE.parent.parent / "schemas" / "agent.schema.json"
    return Draft202012Validator(json.loads(path.read_text(encoding="utf-8")), registry=Registry())
