"""Prompts: one for each of the four jobs, which any host can offer its user as a command.

A step names the tools it needs in braces, `{get_specs}`; a step whose tool is not offered is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any, Final

import mcp_types as types
from mcp.shared.exceptions import MCPError

from mcp_server.domain.records import Record
from mcp_server.pipeline.declaration import Tool

__all__ = ["Argument", "Job", "Prompts", "tools_in"]

LONGEST_VALUE: Final = 2_000
"""Characters of one argument; a prompt is a start, not a document."""

_LONGEST_ECHO = 80


@dataclass(frozen=True, slots=True)
class Argument:
    """What the person may say beforehand: an id of a `kind`, one of `choices`, or free text."""

    name: str
    description: str
    required: bool = False
    kind: type[Record] | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """One job of the plant. Where `goal`, the tool that does it, is not offered, the job is not either."""

    name: str
    title: str
    description: str
    goal: str
    arguments: tuple[Argument, ...]
    task: str
    steps: tuple[str, ...]


class Prompts:
    """The jobs that `tools` can do; `rules` hold for every one of them."""

    def __init__(self, jobs: Sequence[Job], rules: Sequence[str], tools: Sequence[Tool[Any, Any, Any]]) -> None:
        self._rules = rules
        self._offered = frozenset(tool.name for tool in tools)
        self._jobs = {job.name: job for job in jobs if job.goal in self._offered}

    def listed(self) -> list[types.Prompt]:
        return [
            types.Prompt(
                name=job.name,
                title=job.title,
                description=job.description,
                arguments=[
                    types.PromptArgument(name=a.name, description=a.description, required=a.required)
                    for a in job.arguments
                ],
            )
            for job in self._jobs.values()
        ]

    def get(self, name: str, arguments: Mapping[str, Any]) -> types.GetPromptResult:
        """The text of a job, with what the person said.

        Raises:
            MCPError: there is no such prompt, or an argument is missing, unknown or too long.
        """
        job = self._job(name)
        text = self._text(job, _given(job, arguments))
        message = types.PromptMessage(role="user", content=types.TextContent(type="text", text=text))
        return types.GetPromptResult(description=job.description, messages=[message])

    def argument(self, name: str, argument: str) -> Argument | None:
        """What a prompt says about one of its arguments.

        Raises:
            MCPError: there is no such prompt.
        """
        return next((known for known in self._job(name).arguments if known.name == argument), None)

    def _text(self, job: Job, given: Mapping[str, str]) -> str:
        said = [f"- {name}: {value}" for name, value in given.items()]
        steps = [f"{position}. {step}" for position, step in enumerate(self._possible(job.steps), start=1)]
        rules = [f"- {rule}" for rule in self._rules]
        parts = {"The person said": said, "Work in this order, and skip what is known": steps, "Throughout": rules}
        return "\n\n".join([job.task, *("\n".join([f"{title}:", *lines]) for title, lines in parts.items())])

    def _possible(self, steps: Sequence[str]) -> list[str]:
        """The steps whose tools are offered, with the tools' names in place."""
        possible = [(step, tools_in(step)) for step in steps if self._offered.issuperset(tools_in(step))]
        return [step.format(**{name: f"`{name}`" for name in names}) for step, names in possible]

    def _job(self, name: str) -> Job:
        job = self._jobs.get(name)
        if job is None:
            raise _wrong(f"Unknown prompt: {name[:_LONGEST_ECHO]}. There is {', '.join(self._jobs) or 'none'}.")
        return job


def tools_in(step: str) -> tuple[str, ...]:
    """The names of the tools that a step needs."""
    return tuple(name for _, name, _, _ in Formatter().parse(step) if name)


def _given(job: Job, arguments: Mapping[str, Any]) -> dict[str, str]:
    """The arguments that say something, in the order of the prompt."""
    known = [argument.name for argument in job.arguments]
    for name, value in arguments.items():
        if name not in known:
            raise _wrong(f"{name[:_LONGEST_ECHO]}: is not an argument of {job.name}; use one of {', '.join(known)}.")
        if not isinstance(value, str) or len(value) > LONGEST_VALUE:
            raise _wrong(f"{name}: must be text of at most {LONGEST_VALUE} characters.")
    said = {name: " ".join(arguments.get(name, "").split()) for name in known}
    missing = [argument.name for argument in job.arguments if argument.required and not said[argument.name]]
    if missing:
        raise _wrong(f"{', '.join(missing)}: must be given for {job.name}.")
    return {name: value for name, value in said.items() if value}


def _wrong(message: str) -> MCPError:
    return MCPError(code=types.INVALID_PARAMS, message=message)
