"""Builds what the settings name (model, tool server, session store, agents) and takes it down again."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import anyio

from orchestrator_client.agents.registry import load_agents
from orchestrator_client.context.history import policy_named
from orchestrator_client.errors import ConfigurationError
from orchestrator_client.models.protocol import Model
from orchestrator_client.orchestrator import Orchestrator
from orchestrator_client.sessions.store import SESSIONS_NAME, SessionStore
from orchestrator_client.settings import Settings
from orchestrator_client.tools.connection import ToolConnection
from orchestrator_client.tools.targets import Target, default_target, parse_target

__all__ = ["open_orchestrator", "open_sessions", "target_of"]

_DEADLINE_IN_TIMEOUTS = 1.5


async def open_sessions(settings: Settings) -> SessionStore:
    return await SessionStore.open(settings.data_dir / SESSIONS_NAME)


@asynccontextmanager
async def open_orchestrator(settings: Settings) -> AsyncGenerator[tuple[Orchestrator, SessionStore]]:
    """An orchestrator ready for messages; its tool server is started when it is first needed.

    Raises:
        ConfigurationError: a setting, an agent definition or the session file cannot be used.
    """
    agents = load_agents(settings.agents_dir)
    model, routing_model = _models(settings)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_shielded, model.aclose)
        stack.push_async_callback(_shielded, routing_model.aclose)
        store = await open_sessions(settings)
        stack.push_async_callback(store.aclose)
        connection = await stack.enter_async_context(ToolConnection(target_of(settings)))
        orchestrator = Orchestrator(
            model=model,
            routing_model=routing_model,
            agents=agents,
            connection=connection,
            store=store,
            history=policy_named(settings.history),
            context_tokens=settings.context_tokens,
        )
        yield orchestrator, store


async def _shielded(close: Callable[[], Awaitable[None]]) -> None:
    with anyio.CancelScope(shield=True):
        await close()


def target_of(settings: Settings) -> Target:
    """Where the tools are: the server that is named, or our own on the same data folder."""
    if settings.server is not None:
        return parse_target(settings.server)
    return default_target(["--data-dir", str(settings.data_dir)])


def _models(settings: Settings) -> tuple[Model, Model]:
    """The agents' model and the routing model."""
    if settings.chosen_model == "guided":
        from orchestrator_client.models.guided import GuidedModel

        return GuidedModel(), GuidedModel()
    if settings.anthropic_api_key is None and settings.anthropic_base_url is None:
        raise ConfigurationError(
            "The model anthropic needs a key.",
            suggestion="Set ANTHROPIC_API_KEY, or ANTHROPIC_BASE_URL for a local server, or use --model guided.",
        )
    from orchestrator_client.models.messages_api import AnthropicModel

    def claude(name: str) -> AnthropicModel:
        return AnthropicModel(
            name,
            api_key=settings.anthropic_api_key,
            base_url=settings.anthropic_base_url,
            timeout_s=settings.model_silence_s,
            deadline_s=settings.model_silence_s * _DEADLINE_IN_TIMEOUTS,
            capabilities={"strict_tools": settings.model_strict_tools, "caching": settings.model_caching},
        )

    return claude(settings.agent_model), claude(settings.routing_model)
