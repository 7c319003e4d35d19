"""What is wrong with agent definitions that can be read: names that no tool, argument or result has."""

from collections.abc import Collection, Iterator, Mapping
from string import Formatter

from orchestrator_client.agents.registry import Agent, AgentRegistry
from orchestrator_client.context.task_context import references
from orchestrator_client.models.protocol import Goal

__all__ = ["problems_in"]

_KNOWN_AT_START = frozenset({"project"})
_OF_EVERY_RECORD = frozenset({"id", "project", "state", "status", "title"})

Tools = Mapping[str, Collection[str]]


def problems_in(registry: AgentRegistry, tools: Tools | None) -> list[str]:
    """One sentence for each problem, by agent; empty if there is none.

    `tools` are the argument names of every tool of the server, by tool name. None checks what needs no server.
    """
    return [f"{agent.key}: {problem}" for agent in registry.agents.values() for problem in _problems(agent, tools)]


def _problems(agent: Agent, tools: Tools | None) -> Iterator[str]:
    for need in agent.context:
        for name in sorted(references(need.arguments) - _KNOWN_AT_START):
            yield f"the context {need.title!r} refers to ${name}, but only $project is known when a task starts."
    if tools is None:
        return
    for tool in sorted(agent.allowed_tools - tools.keys()):
        yield f"the server has no tool {tool!r}."
    for need in agent.context:
        yield from _unknown_arguments(f"the context {need.title!r}", need.tool, need.arguments, tools)
    for goal in agent.goals:
        if goal.tool in tools:
            yield from _in_goal(goal, tools)
    if all(goal.tool in tools for goal in agent.goals):
        yield from _unknown_facts(agent, tools)


def _in_goal(goal: Goal, tools: Tools) -> Iterator[str]:
    fields = tools[goal.tool]
    for path in dict.fromkeys((*goal.choices, *(ask.path for ask in goal.ask))):
        if path.split(".")[0].removesuffix("[]") not in fields:
            yield f"the goal {goal.tool} asks for {path!r}, which its tool does not take."
    for path, choice in goal.choices.items():
        where = f"the choices of {goal.tool}.{path}"
        yield from _unknown_arguments(where, choice.tool, choice.arguments, tools)
        for name in sorted(references(choice.arguments) - set(fields)):
            yield f"{where}: {goal.tool} does not take {name!r}, which ${name} refers to."


def _unknown_arguments(where: str, tool: str, given: Collection[str], tools: Tools) -> Iterator[str]:
    for name in sorted(set(given) - set(tools.get(tool, given))):
        yield f"{where}: {tool} does not take {name!r}."


def _unknown_facts(agent: Agent, tools: Tools) -> Iterator[str]:
    """Names that no result can have: facts are the arguments of a goal and what every record says of itself."""
    facts = _OF_EVERY_RECORD.union(*(tools[goal.tool] for goal in agent.goals))
    for text in agent.follow_ups:
        for name in sorted({name for _, name, _, _ in Formatter().parse(text) if name} - facts):
            yield f"the follow-up {text!r} needs {{{name}}}, which no goal of the agent takes or returns."
    for name in sorted(set(agent.hand_off) - facts):
        yield f"hand_off names {name!r}, which no goal of the agent takes or returns."
