import pytest

from mcp_server.backends.http.base_url import checked_base_url, notes_on
from mcp_server.errors import ConfigurationError


@pytest.mark.parametrize(
    "text", ["http://mes.example", "https://mes.example:8443/api/", "http://[::1]:8000", "http://127.0.0.1:1/x/y"]
)
def test_a_usable_url_is_kept(text: str):
    assert str(checked_base_url(text)).startswith(text.rstrip("/"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no usable"),
        ("mes.example", "no usable"),
        ("/api", "no usable"),
        ("ftp://mes.example", "no usable"),
        ("http://", "no usable"),
        ("http://mes.example:99999", "no usable"),
        ("http://mes.example\n", "no usable"),
        ("http://me:canary@mes.example", "a user or a password"),
        ("http://canary@mes.example", "a user or a password"),
        ("http://me:12/canary@mes.example", "a user or a password"),
        ("http://mes.example/?key=canary", "a query"),
        ("http://mes.example/?", "a query"),
        ("http://mes.example/#top", "a query or a fragment"),
    ],
)
def test_an_unusable_url_is_refused_with_the_setting_and_never_repeated(text: str, problem: str):
    with pytest.raises(ConfigurationError, match="SHOPFLOOR_BACKEND") as raised:
        checked_base_url(text)
    assert problem in str(raised.value)
    assert "canary" not in str(raised.value)
    assert raised.value.__context__ is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("http://mes.example", True),
        ("http://10.0.0.7:8000/api", True),
        ("https://mes.example", False),
        ("http://localhost:8000", False),
        ("http://127.0.0.1:8000", False),
        ("http://[::1]:8000", False),
    ],
)
def test_credentials_that_anyone_on_the_way_can_read_are_told_of(text: str, told: bool):
    notes = notes_on(checked_base_url(text))
    assert any("not encrypted" in note for note in notes) is told
