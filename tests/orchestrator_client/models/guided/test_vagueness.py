import pytest

from orchestrator_client.agents.registry import load_agents
from orchestrator_client.models.guided.model import GuidedModel
from orchestrator_client.routing.router import Router

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "text", ["MC-103", "check LT-131", "quality", "maintenance", "plan", "something with the press"]
)
async def test_a_request_that_says_too_little_is_asked_about(text: str) -> None:
    route = await Router(load_agents().options, fallback="general").route(GuidedModel(), text, project=None)
    assert not route.clear
    assert 1 <= len(route.candidates) <= 3


@pytest.mark.parametrize(
    "text", ["Hello", "thanks", "write a poem", "what is the weather like", "lunch?", "I need help"]
)
async def test_small_talk_is_answered_and_not_asked_about(text: str) -> None:
    route = await Router(load_agents().options, fallback="general").route(GuidedModel(), text, project=None)
    assert (route.agent, route.clear) == ("general", True)
