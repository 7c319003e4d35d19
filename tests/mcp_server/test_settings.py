from datetime import date
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from mcp_server.settings import Settings

EXAMPLES = {
    "data_dir": "/srv/plant",
    "backend": "postgresql://shopfloor@db/plant",
    "backend_user": "planner",
    "backend_password": "correct horse",
    "backend_token": "a-token",
    "backend_timeout_s": "2.5",
    "as_of": "2026-06-30",
    "toolsets": "core,quality",
    "tools": "log_issue",
    "exclude_tools": "create_sop,revise_sop",
    "read_only": "True",
    "log_level": "debug",
    "log_format": "json",
}


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"SHOPFLOOR_{name.upper()}", raising=False)


def as_written(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return ",".join(value) if isinstance(value, tuple) else str(value)


def test_no_secret_is_shown_with_the_settings() -> None:
    settings = Settings(backend="postgresql://u:canary@db/p", backend_password="canary", backend_token="canary")
    assert "canary" not in f"{settings!r} {settings}"


def test_every_setting_is_described_and_has_an_example_here() -> None:
    assert set(EXAMPLES) == set(Settings.model_fields)
    assert all(field.description for field in Settings.model_fields.values())


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_setting_comes_from_the_environment_and_an_option_beats_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    default = getattr(Settings(), name)
    monkeypatch.setenv(f"SHOPFLOOR_{name.upper()}", EXAMPLES[name])
    from_environment = getattr(Settings(), name)
    assert from_environment != default
    assert as_written(from_environment) == EXAMPLES[name]
    assert getattr(Settings(**{name: default}), name) == default


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_empty_variable_is_one_that_was_not_set(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    default = getattr(Settings(), name)
    monkeypatch.setenv(f"SHOPFLOOR_{name.upper()}", "")
    assert getattr(Settings(), name) == default


def test_names_may_stand_apart_and_twice_and_a_comma_too_many_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPFLOOR_TOOLSETS", " core , quality,core,, ")
    assert Settings().toolsets == ("core", "quality")


def test_the_home_folder_may_be_written_as_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("SHOPFLOOR_DATA_DIR", "~/plant")
    assert Settings().data_dir == Path("/home/somebody/plant")


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("as_of", "yesterday-canary"), ("log_level", "canary"), ("log_format", "canary"), ("read_only", "canary")],
)
def test_a_wrong_value_is_refused_and_not_repeated(name: str, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"SHOPFLOOR_{name.upper()}", wrong)
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert name in str(refused.value)
    assert "canary" not in str(refused.value)


def test_a_misspelt_setting_is_refused_and_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Settings(datadir="/srv/plant")
    with pytest.raises(ValidationError):
        Settings().as_of = date(2026, 6, 30)
