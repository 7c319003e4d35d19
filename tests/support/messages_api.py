"""A loopback server that speaks the Messages API from a script.

async with messages_api([text("Hel", "lo"), http_error(529, "overloaded_error")]) as server:
    model = AnthropicModel("stub", base_url=server.base_url)
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio
import uvicorn
from anyio.lowlevel import checkpoint
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from uvicorn.server import ServerState

__all__ = [
    "Answer",
    "Hang",
    "HttpError",
    "LookUp",
    "MessagesApi",
    "RawBody",
    "Received",
    "Redacted",
    "Scripted",
    "Text",
    "Thinking",
    "ToolUse",
    "http_error",
    "messages_api",
    "text",
    "tool_use",
]

Json = dict[str, Any]
Event = tuple[str, Json]


@dataclass(frozen=True)
class Text:
    chunks: tuple[str, ...]

    def whole(self) -> Json:
        return {"type": "text", "text": "".join(self.chunks)}

    def start(self) -> Json:
        return {"type": "text", "text": ""}

    def deltas(self) -> Iterator[Json]:
        for chunk in self.chunks:
            yield {"type": "text_delta", "text": chunk}


@dataclass(frozen=True)
class ToolUse:
    """`input` may be raw text, to send JSON that is none; it is streamed in three pieces."""

    name: str
    input: Json | str
    id: str = "toolu_1"

    def whole(self) -> Json:
        return {"type": "tool_use", "id": self.id, "name": self.name, "input": self.input}

    def start(self) -> Json:
        return self.whole() | {"input": {}}

    def deltas(self) -> Iterator[Json]:
        raw = self.input if isinstance(self.input, str) else json.dumps(self.input)
        third = max(1, len(raw) // 3)
        for piece in ("", raw[:third], raw[third : 2 * third], raw[2 * third :]):
            yield {"type": "input_json_delta", "partial_json": piece}


@dataclass(frozen=True)
class Thinking:
    text: str
    signature: str

    def whole(self) -> Json:
        return {"type": "thinking", "thinking": self.text, "signature": self.signature}

    def start(self) -> Json:
        return {"type": "thinking", "thinking": "", "signature": ""}

    def deltas(self) -> Iterator[Json]:
        half = len(self.text) // 2
        yield {"type": "thinking_delta", "thinking": self.text[:half]}
        yield {"type": "thinking_delta", "thinking": self.text[half:]}
        yield {"type": "signature_delta", "signature": self.signature}


@dataclass(frozen=True)
class Redacted:
    data: str

    def whole(self) -> Json:
        return {"type": "redacted_thinking", "data": self.data}

    def start(self) -> Json:
        return self.whole()

    def deltas(self) -> Iterator[Json]:
        return iter(())


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer made of blocks.

    `write_bytes` cuts the stream into writes of so many bytes, `cut_after` ends the connection after so many events,
    and `hold` keeps the stream waiting before event number `hold_before`, counted from 0. The end counts as an event.
    With `usage` None the server does not count.
    """

    blocks: tuple[Text | ToolUse | Thinking | Redacted, ...]
    stop_reason: str | None = "end_turn"
    model: str = "stub-model"
    usage: Json | None = field(default_factory=lambda: {"input_tokens": 10, "output_tokens": 5})
    write_bytes: int | None = None
    cut_after: int | None = None
    hold: anyio.Event | None = None
    hold_before: int = 0

    def message(self) -> Json:
        """The body of an answer that is not streamed."""
        content = [block.whole() for block in self.blocks]
        return self._head() | {"content": content, "stop_reason": self.stop_reason, "usage": self.usage}

    def events(self) -> Iterator[Event]:
        yield "message_start", {"message": self._head() | {"content": [], "stop_reason": None}}
        for index, block in enumerate(self.blocks):
            yield "content_block_start", {"index": index, "content_block": block.start()}
            yield "ping", {}
            for delta in block.deltas():
                yield "content_block_delta", {"index": index, "delta": delta}
            yield "content_block_stop", {"index": index}
        ending = {"stop_reason": self.stop_reason, "stop_sequence": None}
        counted = self.usage and {"output_tokens": self.usage["output_tokens"]}
        yield "message_delta", {"delta": ending, "usage": counted}
        yield "message_stop", {}

    def _head(self) -> Json:
        return {
            "id": "msg_stub",
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "stop_sequence": None,
            "usage": self.usage and self.usage | {"output_tokens": 1},
        }


@dataclass(frozen=True, kw_only=True)
class HttpError:
    status: int
    body: Json
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Hang:
    """Nothing is sent until `release` is set; then a 500."""

    release: anyio.Event


@dataclass(frozen=True)
class RawBody:
    """A body sent as it is, for answers outside the protocol."""

    body: str
    media_type: str = "text/event-stream"


Scripted = Answer | HttpError | Hang | RawBody
LookUp = Json | HttpError | Hang | RawBody
"""How a question that is not for a message is answered; plain JSON is the body of a 200."""


def text(*chunks: str, **options: Any) -> Answer:
    """One text block in the given chunks; `options` are those of `Answer`."""
    return Answer(blocks=(Text(chunks),), **options)


def tool_use(name: str, input: Json | str, *, id: str = "toolu_1", before: str = "", **options: Any) -> Answer:  # noqa: A002 - the API's own words
    """One tool call, after the text `before` if there is any."""
    blocks = (*((Text((before,)),) if before else ()), ToolUse(name, input, id))
    options.setdefault("stop_reason", "tool_use")
    return Answer(blocks=blocks, **options)


def http_error(
    status: int,
    type: str,  # noqa: A002 - the API's own word
    *,
    message: str = "scripted",
    headers: Mapping[str, str] | None = None,
    **details: Any,
) -> HttpError:
    """An error as the API words it; `details` such as `error_code` go where the SDK looks for them."""
    error = {"type": type, "message": message} | ({"details": details} if details else {})
    return HttpError(status=status, body={"type": "error", "error": error}, headers=headers or {})


@dataclass(frozen=True)
class Received:
    """`port` is the client's: the same port means the same connection."""

    headers: Mapping[str, str]
    body: Json
    port: int | None


class _CutError(Exception):
    """Raised in the middle of a response, it makes uvicorn drop the connection."""


class MessagesApi:
    """The running server: `requests` in order, `base_url` for a client, `app` for a client without a socket.

    `look_ups` says how other paths answer, time after time: `{"/v1/messages/count_tokens": [{"input_tokens": 7}]}`.
    What is not there is a 404. `looked_up` are the paths that were asked for, `counted` the bodies to be counted.
    """

    def __init__(self, script: Sequence[Scripted], look_ups: Mapping[str, Sequence[LookUp]] | None = None) -> None:
        self._script = tuple(script)
        self._look_ups = {path: iter(answers) for path, answers in (look_ups or {}).items()}
        self.base_url = ""
        self.requests: list[Received] = []
        self.looked_up: list[str] = []
        self.counted: list[Json] = []
        self.app = Starlette(
            routes=[
                Route("/v1/messages", self._answer, methods=["POST"]),
                Route("/{path:path}", self._look_up, methods=["GET", "POST"]),
            ]
        )

    def assert_finished(self) -> None:
        """Every step was asked for, and nothing more."""
        assert len(self.requests) == len(self._script), f"{len(self.requests)} requests, {len(self._script)} steps"

    async def _answer(self, request: Request) -> Response:
        body = await request.json()
        self.requests.append(Received(dict(request.headers), body, request.client and request.client.port))
        if len(self.requests) > len(self._script):
            return _error_response(http_error(500, "api_error", message="The script is exhausted."))
        match self._script[len(self.requests) - 1]:
            case HttpError() as error:
                return _error_response(error)
            case Hang(release=release):
                await release.wait()
                return _error_response(http_error(500, "api_error"))
            case RawBody(body=raw, media_type=media_type):
                return Response(raw, media_type=media_type)
            case Answer() as answer if body.get("stream"):
                return StreamingResponse(_writes(answer), media_type="text/event-stream")
            case Answer() as answer:
                return JSONResponse(answer.message())

    async def _look_up(self, request: Request) -> Response:
        path = request.url.path
        self.looked_up.append(path)
        if request.method == "POST":
            self.counted.append(await request.json())
        match next(self._look_ups.get(path, iter(())), None):
            case None:
                return _error_response(http_error(404, "not_found_error"))
            case HttpError() as error:
                return _error_response(error)
            case Hang(release=release):
                await release.wait()
                return _error_response(http_error(500, "api_error"))
            case RawBody(body=raw, media_type=media_type):
                return Response(raw, media_type=media_type)
            case body:
                return JSONResponse(body)


def _error_response(error: HttpError) -> Response:
    return JSONResponse(error.body, status_code=error.status, headers={"request-id": "req_stub"} | dict(error.headers))


async def _writes(answer: Answer) -> AsyncGenerator[bytes]:
    """One write an event, or smaller; the client gets its turn after each, so that writes arrive one by one."""
    for number, event in enumerate((*answer.events(), None)):
        if answer.hold is not None and number == answer.hold_before:
            await answer.hold.wait()
        if number == answer.cut_after:
            raise _CutError
        if event is None:
            return
        name, data = event
        frame = f"event: {name}\ndata: {json.dumps({'type': name} | data, ensure_ascii=False)}\n\n".encode()
        size = answer.write_bytes or len(frame)
        for start in range(0, len(frame), size):
            yield frame[start : start + size]
            await checkpoint()


@asynccontextmanager
async def messages_api(
    script: Sequence[Scripted], look_ups: Mapping[str, Sequence[LookUp]] | None = None
) -> AsyncGenerator[MessagesApi]:
    """Runs the server on a free port of 127.0.0.1, in this event loop.

    uvicorn's protocol is used without its `Server`, whose start and stop take 0.25 s and handle signals.
    """
    api = MessagesApi(script, look_ups)
    config = uvicorn.Config(api.app, log_config=None, log_level="critical", access_log=False)
    config.load()
    state = ServerState()
    protocol = partial(config.http_protocol_class, config=config, server_state=state, app_state={})
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    api.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield api
    finally:
        server.close()
        for connection in tuple(state.connections):
            connection.transport.abort()
        for task in tuple(state.tasks):
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)
