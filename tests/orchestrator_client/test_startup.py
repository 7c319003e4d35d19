from pathlib import Path

import anyio
import pytest
from pydantic import SecretStr

from orchestrator_client.errors import ConfigurationError
from orchestrator_client.sessions.store import SESSIONS_NAME
from orchestrator_client.settings import Settings
from orchestrator_client.startup import open_orchestrator, open_sessions
from tests.support.messages_api import Hang, messages_api

pytestmark = pytest.mark.anyio


async def refused(settings: Settings) -> str:
    with pytest.raises(ConfigurationError) as raised:
        async with open_orchestrator(settings):
            pytest.fail("opened")
    return str(raised.value)


def guided(data_dir: Path, **settings: object) -> Settings:
    return Settings(data_dir=data_dir, model="guided", **settings)  # pyright: ignore[reportArgumentType] - names of settings


async def test_a_conversation_works_and_is_there_when_the_program_starts_again(tmp_path: Path) -> None:
    async with open_orchestrator(guided(tmp_path, server="no-such-program-here")) as (orchestrator, store):
        turn = await orchestrator.handle_message("s1", "Hello")
        assert (turn.outcome, turn.agent) == ("answered", "general")
        assert [entry.id for entry in await store.sessions()] == ["s1"]
    again = await open_sessions(guided(tmp_path))
    try:
        assert [entry.title for entry in await again.sessions()] == ["Hello"]
    finally:
        await again.aclose()
    assert (tmp_path / SESSIONS_NAME).exists()


async def test_claude_without_key_or_server_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "new", model="anthropic", anthropic_api_key=None, anthropic_base_url=None)
    assert "Set ANTHROPIC_API_KEY" in await refused(settings)
    assert not (tmp_path / "new").exists()


async def test_a_session_file_that_cannot_be_used_is_refused_and_nothing_stays_open(tmp_path: Path) -> None:
    (tmp_path / SESSIONS_NAME).write_text("no database at all, but long enough to be looked at\n" * 100)
    settings = Settings(data_dir=tmp_path, model="anthropic", anthropic_api_key=SecretStr("k"))
    assert "is not a session store" in await refused(settings)


async def test_agents_of_another_folder_take_the_place_of_those_shipped(tmp_path: Path) -> None:
    assert "There is no folder" in await refused(guided(tmp_path, agents_dir=tmp_path / "agents"))


async def test_an_error_inside_the_block_comes_out_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with open_orchestrator(guided(tmp_path, server="no-such-program-here")):
            raise ZeroDivisionError


async def test_a_model_that_is_silent_for_longer_than_the_setting_allows_is_given_up(tmp_path: Path) -> None:
    async with messages_api([Hang(anyio.Event())] * 3) as server:
        settings = Settings.model_construct(  # unchecked: nobody sets so little
            data_dir=tmp_path, model="anthropic", anthropic_base_url=server.base_url, model_timeout_s=0.4
        )
        with anyio.fail_after(20):
            async with open_orchestrator(settings) as (orchestrator, _):
                turn = await orchestrator.handle_message("s1", "Create a control plan")
    assert (turn.outcome, turn.tool_calls) == ("choosing", ()), turn.reply
