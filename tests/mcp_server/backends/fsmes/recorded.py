"""Answers that the MES gave once; see `answers/README.md`."""

import json
import ssl
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from mcp_server.backends.http.client import SystemClient

__all__ = ["PLACE", "answer_to", "body_of_answer", "client_to"]

PLACE = "mes.test:8000"
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""To read those of the machine takes longer than a test."""


def client_to(place: str) -> SystemClient:
    return SystemClient(f"http://{place}", verify=_NO_CERTIFICATES)


def answer_to(topic: str, asked: str, nth: int = 1) -> httpx.Response:
    """The answer to the `nth` question of this wording."""
    answer = _answers(topic, asked)[nth - 1]
    body = answer["answered"]
    if isinstance(body, str):
        return httpx.Response(answer["status"], text=body)
    return httpx.Response(answer["status"], json=body)


def body_of_answer(topic: str, asked: str, nth: int = 1) -> Any:
    """A copy of its body, to be varied."""
    return json.loads(json.dumps(_answers(topic, asked)[nth - 1]["answered"]))


@cache
def _answers(topic: str, asked: str) -> list[dict[str, Any]]:
    file = Path(__file__).with_name("answers") / f"{topic}.json"
    return [answer for answer in json.loads(file.read_text()) if answer["asked"] == asked]
