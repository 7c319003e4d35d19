"""`shopfloor agents`: lists the agents, and checks their definitions against each other and against a tool server."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator_client.commands.options import AgentsDir, AsJson, DataDir, ServerOption, settings_of
from orchestrator_client.commands.running import FAILED, console, print_json, remark, run

if TYPE_CHECKING:
    from orchestrator_client.agents.registry import Agent, AgentRegistry
    from orchestrator_client.settings import Settings

__all__ = ["agents"]


def agents(
    *,
    agents_dir: AgentsDir = None,
    check: Annotated[bool, typer.Option("--check", help="Hold the agents against the tools of the server.")] = False,
    server: ServerOption = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List the agents: where they come from, what they are for and which tools complete their tasks."""
    from orchestrator_client.agents.registry import load_agents

    settings = settings_of(agents_dir=agents_dir, server=server, data_dir=data_dir)

    async def main() -> tuple["AgentRegistry", list[str]]:
        registry = load_agents(settings.agents_dir)
        return registry, await _problems(registry, settings) if check else []

    registry, problems = run(main)
    if as_json:
        _print_json(registry, problems if check else None)
    else:
        _print_table(tuple(registry.agents.values()))
    for overlap in registry.overlaps:
        remark(f"warning: {overlap}")
    for problem in problems:
        remark(f"problem: {problem}")
    if problems:
        raise typer.Exit(FAILED)


async def _problems(registry: "AgentRegistry", settings: "Settings") -> list[str]:
    """What the definitions name that the tool server does not have."""
    from orchestrator_client.agents.definition_check import problems_in
    from orchestrator_client.dialogue.json_values import as_object
    from orchestrator_client.startup import target_of
    from orchestrator_client.tools.connection import ToolConnection

    async with ToolConnection(target_of(settings)) as connection:
        offered = await connection.list_tools()
    return problems_in(
        registry, {tool.name: frozenset(as_object(tool.input_schema.get("properties"))) for tool in offered}
    )


def _print_json(registry: "AgentRegistry", problems: Sequence[str] | None) -> None:
    listed = [
        {
            "key": agent.key,
            "title": agent.title,
            "kind": agent.kind,
            "source": agent.source,
            "description": agent.description,
            "goals": [goal.tool for goal in agent.goals],
        }
        for agent in registry.agents.values()
    ]
    told = {"agents": listed, "overlaps": [asdict(overlap) for overlap in registry.overlaps]}
    print_json(told if problems is None else {**told, "problems": problems})


def _print_table(listed: Sequence["Agent"]) -> None:
    from rich.table import Table

    from orchestrator_client.terminal.plain import harmless

    table = Table("agent", "source", "what it is for", "goals", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for agent in listed:
        goals = "\n".join(goal.tool for goal in agent.goals)
        table.add_row(
            f"{harmless(agent.key)}\n[dim]{harmless(agent.title)}[/dim]",
            agent.source,
            harmless(agent.description),
            goals,
        )
    console().print(table)
