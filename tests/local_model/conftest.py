"""A small real model on loopback, for `make local-model` only. It proves the wire; no answer is judged."""

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import xllamacpp
from pydantic import SecretStr
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from orchestrator_client.dialogue.usage import CallUsage
from orchestrator_client.models.messages_api import AnthropicModel

WEIGHTS = Path(sys.prefix) / "weights"
CONTEXT_TOKENS = 8192
_LONGEST_ANSWER = 60

OBSERVED: list[tuple[str, ...]] = []

Observe = Callable[..., None]
NewModel = Callable[..., AnthropicModel]


@pytest.fixture(scope="session")
def base_url() -> Iterator[str]:
    """One thread: other work may share the machine. The server ends with its object."""
    parameters = xllamacpp.CommonParams()
    (weights,) = WEIGHTS.rglob("*.gguf")
    parameters.model.path = str(weights)
    parameters.model_alias = {"smollm2"}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0  # a free one
    parameters.n_ctx = CONTEXT_TOKENS
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = 1
    parameters.cpuparams_batch.n_threads = 1
    parameters.sampling.seed = 7
    parameters.verbosity = 1  # errors
    server = xllamacpp.Server(parameters)
    yield server.listening_address
    del server


@pytest.fixture
async def new_model(base_url: str) -> AsyncIterator[NewModel]:
    opened: list[AnthropicModel] = []

    def new(**options: object) -> AnthropicModel:
        options = {"timeout_s": 300.0, "deadline_s": 300.0} | options
        model = AnthropicModel("smollm2", base_url=base_url, api_key=SecretStr("none"), **options)  # pyright: ignore[reportArgumentType] - options of the model
        opened.append(model)
        return model

    yield new
    for model in opened:
        await model.aclose()


@pytest.fixture
def observe() -> Observe:
    """Adds a line to the table that is printed at the end."""

    def add(what: str, answer: str, calls: list[CallUsage] | None = None, *, tools: str = "") -> None:
        tokens_in = sum(call.usage.input_tokens for call in calls or [])
        tokens_out = sum(call.usage.output_tokens for call in calls or [])
        duration_ms = sum(call.duration_ms for call in calls or [])
        figures = (str(tokens_in), str(tokens_out), f"{duration_ms:.0f}") if calls else ("", "", "")
        short = " ".join(answer.split())
        OBSERVED.append((what, *figures, tools, short[:_LONGEST_ANSWER] + "…" * (len(short) > _LONGEST_ANSWER)))

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    table = Table("what", "tokens in", "out", "ms", "tool honored", "answer", box=SIMPLE)
    for row in OBSERVED:
        table.add_row(*row)
    console = Console(width=140)
    with console.capture() as captured:
        console.print(table)
    terminalreporter.write(captured.get())
