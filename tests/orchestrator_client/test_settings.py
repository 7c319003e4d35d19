from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from orchestrator_client.dialogue.prices import Price
from orchestrator_client.settings import Settings


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"SHOPFLOOR_{name.upper()}", raising=False)
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def test_every_setting_is_described_and_has_a_default() -> None:
    assert all(field.description for field in Settings.model_fields.values())
    Settings()


def test_an_option_beats_the_environment_and_the_environment_beats_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().agent_model == "claude-sonnet-5-5"
    monkeypatch.setenv("SHOPFLOOR_AGENT_MODEL", "local")
    assert Settings().agent_model == "local"
    assert Settings(agent_model="mine").agent_model == "mine"


@pytest.mark.parametrize("name", ["ANTHROPIC_API_KEY", "SHOPFLOOR_ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"])
def test_a_key_or_a_base_url_chooses_claude_and_without_them_it_is_the_guided_model(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert Settings().chosen_model == "guided"
    monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert Settings().chosen_model == "anthropic"
    assert Settings(model="guided").chosen_model == "guided"


def test_our_own_variable_beats_the_apis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://other")
    monkeypatch.setenv("SHOPFLOOR_ANTHROPIC_BASE_URL", "http://ours")
    assert Settings().anthropic_base_url == "http://ours"


@pytest.mark.parametrize("name", ["ANTHROPIC_API_KEY", "SHOPFLOOR_SERVER", "SHOPFLOOR_MODEL", "SHOPFLOOR_AGENTS_DIR"])
def test_an_empty_variable_counts_as_none(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "")
    assert (Settings().chosen_model, Settings().server, Settings().agents_dir) == ("guided", None, None)
    assert Settings().anthropic_api_key is None


def test_a_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-secret")
    assert "sk-ant-secret" not in repr(Settings())
    monkeypatch.setenv("SHOPFLOOR_MODEL", "sk-ant-secret")
    with pytest.raises(ValidationError) as raised:
        Settings()
    assert "sk-ant-secret" not in str(raised.value)


def test_a_tilde_in_the_data_folder_is_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHOPFLOOR_DATA_DIR", "~/plant")
    assert Settings().data_dir == tmp_path / "plant"


def test_prices_are_a_json_object_by_model_id(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().prices == {}
    monkeypatch.setenv("SHOPFLOOR_PRICES", '{"local": {"input": 0.1, "output": 15, "cache_read": 0}}')
    assert Settings().prices == {"local": Price(input=Decimal("0.1"), output=Decimal(15), cache_read=Decimal(0))}


@pytest.mark.parametrize(
    ("value", "told"),
    [("3 dollars", "write it like"), ('{"local": {"input": 3}}', "prices.local.output"), ("[1]", "dictionary")],
)
def test_prices_that_are_none_are_refused_with_their_place(
    monkeypatch: pytest.MonkeyPatch, value: str, told: str
) -> None:
    monkeypatch.setenv("SHOPFLOOR_PRICES", value)
    with pytest.raises(ValidationError, match=told):
        Settings()


def test_what_the_model_server_can_do_is_left_open_unless_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (Settings().model_strict_tools, Settings().model_caching, Settings().context_tokens) == (None, None, None)
    monkeypatch.setenv("SHOPFLOOR_MODEL_STRICT_TOOLS", "true")
    monkeypatch.setenv("SHOPFLOOR_MODEL_CACHING", "false")
    monkeypatch.setenv("SHOPFLOOR_CONTEXT_TOKENS", "2000")
    settings = Settings()
    assert (settings.model_strict_tools, settings.model_caching, settings.context_tokens) == (True, False, 2000)


@pytest.mark.parametrize(
    ("base_url", "silence_s"),
    [(None, 60), ("https://api.anthropic.com/", 60), ("http://127.0.0.1:8080", 300), ("not a url", 300)],
)
def test_a_server_of_ones_own_may_think_longer_than_claudes_api(base_url: str | None, silence_s: float) -> None:
    assert Settings(anthropic_base_url=base_url).model_silence_s == silence_s
    assert Settings(anthropic_base_url=base_url, model_timeout_s=7.5).model_silence_s == 7.5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONTEXT_TOKENS", "1999"),
        ("HISTORY", "all"),
        ("MODEL_CACHING", "x"),
        ("MODEL_TIMEOUT_S", "4.9"),
        ("MODEL_TIMEOUT_S", "3601"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"SHOPFLOOR_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()
