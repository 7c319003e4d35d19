import json
from typing import Any

import pytest

from mcp_server.backends.http.wording import NotJson, Wording, parsed, told


def wording(*secrets: str) -> Wording:
    return Wording(told, lambda: secrets)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"detail": "Code exists."}, "Code exists."),
        ({"detail": [{"loc": ["body", "lsl"], "msg": "Field required"}]}, "body.lsl: Field required"),
        ({"status": 400, "message": "No such field."}, "No such field."),
        ({"error": {"message": "Bad."}}, "Bad."),
        ({"error": "Bad."}, "Bad."),
        ({"errors": ["One.", {"title": "Two."}]}, "One.; Two."),
        (["One."], "One."),
        ("Plain.", "Plain."),
        ({"code": 17}, ""),
        ({}, ""),
        (None, ""),
        (17, ""),
    ],
)
def test_the_words_of_the_usual_shapes_of_errors_are_found(body: Any, words: str):
    assert wording().of(json.dumps(body).encode(), "application/json") == words


def test_words_are_one_bounded_line_without_markup():
    assert wording().shown("a\r\n\tb\x00\x1b[31mc\u2028<b>d</b>") == "a b [31mc d"
    assert len(wording().shown("long " * 1000)) <= 300
    assert wording().shown("<!DOCTYPE html><html><style>p{}</style>Oops</html>") == ""


def test_a_body_that_is_no_json_speaks_only_as_plain_text():
    assert wording().of(b"Out of stock", "text/plain; charset=utf-8") == "Out of stock"
    assert wording().of(b"<h1>Out of stock</h1>", "text/html") == ""
    assert wording().of(b"\xff\xfe\xfa", "application/json") == ""


@pytest.mark.parametrize(
    "said",
    [
        "Bearer canary-1234 has expired",
        "bad canary-1234",
        "Authorization: canary-9999",
        '{"password": "canary-9999"}',
        "token=canary-9999&x=1",
        "basic Y2FuYXJ5LTk5OTk=",
    ],
)
def test_no_credential_is_repeated(said: str):
    shown = wording("Bearer canary-1234", "canary-1234").shown(said)
    assert "canary" not in shown
    assert "Y2FuYXJ5" not in shown


def test_neither_half_of_a_key_and_its_secret_is_repeated():
    shown = wording("token canary-key:canary-secret").shown("There is no canary-key here; canary-secret does not fit.")
    assert shown == "There is no [hidden] here; [hidden] does not fit."


def test_ordinary_words_about_credentials_stay():
    assert wording("rest").shown("The password is required; rest later.") == "The password is required; rest later."


def test_a_picker_of_words_that_meets_another_shape_says_nothing():
    picky = Wording(lambda body: body["error"]["message"], tuple)
    assert picky.of(b'{"error": {"message": "Bad."}}', "application/json") == "Bad."
    for body in (b"[]", b"null", b'{"error": "x"}', b'{"detail": 1}'):
        assert picky.of(body, "application/json") == ""


def test_a_body_is_json_or_nothing():
    assert parsed(b"") is None
    assert parsed(b" \n") is None
    assert parsed(b"\xef\xbb\xbf[1]") == [1]
    for content in (b"<html>", b"{", b"\xff\xfe", b"NaN", b'{"a": Infinity}', b"[" * 100_000):
        with pytest.raises(NotJson) as raised:
            parsed(content)
        assert raised.value.__suppress_context__
