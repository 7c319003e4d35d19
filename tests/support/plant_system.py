"""A small real REST system on loopback that keeps machines, materials, specifications, orders and issues as JSON.

It behaves as its `Behavior` says, and lies when it is told to: see `Lie`. Every lie it told is counted.
"""

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tests.support.plants import free_port

__all__ = ["HONEST", "READ_LIES", "WRITE_LIES", "Behavior", "House", "Lie", "PlantSystem", "running_house"]

Columns = dict[str, Any]
MASTER_DATA = ("machines", "materials", "specs")
WORK = ("orders", "issues")


class Lie(StrEnum):
    """What the system may do to the next write or reading; `after` and `before` are meant of storing."""

    STORES_NOTHING = "says 201 and stores nothing"
    DROPS_A_FIELD = "drops one field"
    CHANGES_A_NUMBER = "changes a number"
    TRUNCATES_A_TEXT = "truncates a text"
    ANSWERS_ANOTHER = "stores it and answers with another record"
    REPLAYS_ANOTHER = "stores nothing and replays another record, as if it knew the key"
    STORES_TWICE = "stores it twice"
    ARRIVES_LATE = "hangs up, and stores it while it is being looked for"
    ARRIVES_TOO_LATE = "hangs up, and stores it long after everybody has given up"
    FAILS_AFTER = "answers 500 after"
    FAILS_BEFORE = "answers 500 before"
    EMPTY_AFTER = "answers nothing after"
    EMPTY_BEFORE = "answers nothing before"
    GARBAGE_AFTER = "answers with HTML after"
    GARBAGE_BEFORE = "answers with HTML before"
    CLOSES_AFTER = "closes the connection after"
    CLOSES_BEFORE = "closes the connection before"
    LOSES_KEYED = "answers 500 to a write with a key and stores nothing"
    IGNORES_ETAG = "takes a change of a state that is gone"
    LIST_MISSES = "lists without the newest record"
    LIST_REPEATS = "lists a record twice"
    PAGE_REPEATS = "answers with the first page for ever"


READ_LIES = (Lie.LIST_MISSES, Lie.LIST_REPEATS, Lie.PAGE_REPEATS)
WRITE_LIES = tuple(lie for lie in Lie if lie not in READ_LIES)
_STORING_LIES = {Lie.DROPS_A_FIELD, Lie.CHANGES_A_NUMBER, Lie.TRUNCATES_A_TEXT, Lie.STORES_NOTHING}
_NOTHING_FIRST = {
    Lie.STORES_NOTHING,
    Lie.REPLAYS_ANOTHER,
    Lie.ARRIVES_LATE,
    Lie.ARRIVES_TOO_LATE,
    Lie.FAILS_BEFORE,
    Lie.EMPTY_BEFORE,
    Lie.GARBAGE_BEFORE,
    Lie.CLOSES_BEFORE,
    Lie.LOSES_KEYED,
}


@dataclass(frozen=True)
class Behavior:
    """What differs between systems. `duplicates`: it takes an id that is taken, as some do."""

    envelope: Literal["bare", "items", "data"] = "items"
    client_ids: bool = True
    etag: bool = False
    keys: bool = False
    update: Literal["PUT", "PATCH", "POST"] = "PATCH"
    page_size: int = 50
    duplicates: bool = False


HONEST = Behavior()


@dataclass
class PlantSystem:
    """The state of one system. `writes` counts what arrived to be written; `told` how often each lie was told."""

    behavior: Behavior = HONEST
    tables: dict[str, dict[str, Columns]] = field(
        default_factory=lambda: {name: {} for name in (*MASTER_DATA, *WORK)}  # by what the system calls a record
    )
    told: Counter[Lie] = field(default_factory=Counter[Lie])
    writes: int = 0
    _lies: list[Lie] = field(default_factory=list[Lie])
    _late: list[Callable[[], Any]] = field(default_factory=list[Callable[[], Any]])
    _known_keys: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    _looks_left: int | None = None

    def lie(self, *lies: Lie) -> None:
        """Tell these lies next, one a write or reading."""
        self._lies = list(lies)

    def arrive(self) -> None:
        """What was on its way arrives."""
        late, self._late = self._late, []
        for store in late:
            store()

    def copy(self) -> "PlantSystem":
        """The same records in a system of its own."""
        return PlantSystem(self.behavior, json.loads(json.dumps(self.tables)))

    def named(self, table: str, our_id: str) -> list[Columns]:
        """Every record of the table that carries our id, in its code or at the head of its title."""
        return [r for r in self.tables[table].values() if our_id in {r.get("code"), _stamp_of(r.get("title"))}]

    # ---- answering

    async def listed(self, request: Request) -> Response:
        records = list(self._table(request).values())
        self._somebody_looks()
        start = int(request.query_params.get("offset", 0))
        size = min(int(request.query_params.get("limit", self.behavior.page_size)), self.behavior.page_size)
        if records and (lie := self._next(READ_LIES)):
            records, start = self._listed_wrongly(lie, records, start)
        page, total = records[start : start + size], len(records)
        match self.behavior.envelope:
            case "bare":
                return JSONResponse(page)
            case "data":
                return JSONResponse({"data": page})
            case "items":
                return JSONResponse({"items": page, "total": total})

    async def shown(self, request: Request) -> Response:
        self._somebody_looks()
        record = self._table(request).get(request.path_params["ref"])
        if record is None:
            return _refused(404, f"no {request.path_params['table']} {request.path_params['ref']}")
        return self._shown(200, record)

    async def created(self, request: Request) -> Response:
        table, body = self._table(request), await request.json()
        known = self._known_keys.get(request.headers.get("Idempotency-Key", ""))
        if known and self.behavior.keys:
            same = known[0] == _digest(body)
            return self._shown(201, table[known[1]]) if same else _refused(422, "the key was used for another body")
        if self.behavior.client_ids and not self.behavior.duplicates and self._has(table, body.get("code")):
            return _refused(409, f"{body['code']} exists already")

        def store(columns: Columns = body) -> str:
            ref = self._free_ref(table, columns)
            table[ref] = {**columns, "ref": ref, "version": 1}
            if key := request.headers.get("Idempotency-Key"):
                self._known_keys[key] = (_digest(body), ref)
            return ref

        return self._written(request, table, body, store, 201)

    async def changed(self, request: Request) -> Response:
        table, body, ref = self._table(request), await request.json(), request.path_params["ref"]
        if ref not in table:
            return _refused(404, f"no such record: {ref}")
        if self.behavior.etag and request.headers.get("If-Match") != _etag(table[ref]):
            if self._next((Lie.IGNORES_ETAG,)) is None:
                return _refused(412, f"{ref} was changed meanwhile")

        def store(columns: Columns = body) -> str:
            kept = table[ref] if self.behavior.update != "PUT" else {}
            table[ref] = {**kept, **columns, "ref": ref, "version": table[ref]["version"] + 1}
            return ref

        return self._written(request, table, body, store, 200)

    def _written(
        self, request: Request, table: dict[str, Columns], body: Columns, store: Callable[..., str], status: int
    ) -> Response:
        self.writes += 1
        lie = self._next(WRITE_LIES, keyed="Idempotency-Key" in request.headers)
        if lie is None:
            return self._shown(status, table[store()])
        ref = None if lie in _NOTHING_FIRST else store(_spoiled(lie, body))
        if lie is Lie.STORES_TWICE:
            store() if status == 200 else table.update({f"{ref}-B": table[ref] | {"ref": f"{ref}-B"}})  # type: ignore[index]
        if lie in {Lie.ARRIVES_LATE, Lie.ARRIVES_TOO_LATE}:
            self._late.append(store)
            self._looks_left = 2 if lie is Lie.ARRIVES_LATE else None
        return self._answer(lie, status, {**body, "ref": ref or "99999", "version": 1}, table)

    def _answer(self, lie: Lie, status: int, stored: Columns, table: Mapping[str, Columns]) -> Response:
        match lie:
            case Lie.FAILS_AFTER | Lie.FAILS_BEFORE | Lie.LOSES_KEYED:
                return Response("Internal Server Error", 500, media_type="text/plain")
            case Lie.EMPTY_AFTER | Lie.EMPTY_BEFORE:
                return Response(status_code=status)
            case Lie.GARBAGE_AFTER | Lie.GARBAGE_BEFORE:
                return Response("<html>It works!</html>", status, media_type="text/html")
            case Lie.CLOSES_AFTER | Lie.CLOSES_BEFORE | Lie.ARRIVES_LATE | Lie.ARRIVES_TOO_LATE:
                return _HangUp()
            case Lie.ANSWERS_ANOTHER | Lie.REPLAYS_ANOTHER:
                other = next((r for r in table.values() if r["ref"] != stored["ref"]), stored | {"ref": "4711"})
                return self._shown(status, other)
            case _:
                return self._shown(status, stored)

    # ---- state

    def _next(self, among: tuple[Lie, ...], *, keyed: bool = True) -> Lie | None:
        if not self._lies or self._lies[0] not in among or (self._lies[0] is Lie.LOSES_KEYED and not keyed):
            return None
        self.told[self._lies[0]] += 1
        return self._lies[0] if self._lies[0] in READ_LIES else self._lies.pop(0)

    def _listed_wrongly(self, lie: Lie, records: list[Columns], start: int) -> tuple[list[Columns], int]:
        match lie:
            case Lie.LIST_MISSES:
                return records[:-1], start
            case Lie.LIST_REPEATS:
                return [records[-1], *records], start
            case _:
                return records, 0

    def _somebody_looks(self) -> None:
        if self._looks_left is not None:
            self._looks_left -= 1
            if self._looks_left == 0:
                self._looks_left = None
                self.arrive()

    def _table(self, request: Request) -> dict[str, Columns]:
        return self.tables[request.path_params["table"]]

    def _has(self, table: Mapping[str, Columns], code: str | None) -> bool:
        return any(record.get("code") == code for record in table.values())

    def _free_ref(self, table: Mapping[str, Columns], columns: Columns) -> str:
        code = columns.get("code")
        if code is not None and code not in table:
            return str(code)
        return str(len(table) + 1001)

    def _shown(self, status: int, record: Columns) -> Response:
        return JSONResponse(record, status, headers={"ETag": _etag(record)} if self.behavior.etag else None)


class _HangUp(Response):
    """No answer at all: the connection is cut."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["cut"]()


def _spoiled(lie: Lie, body: Columns) -> Columns:
    """What is stored instead of the body: its last text or number is touched, never what names the record."""
    touchable = {name: value for name, value in body.items() if name not in {"code", "machine"} and value is not None}
    numbers = [n for n, v in touchable.items() if isinstance(v, int | float) and not isinstance(v, bool)]
    texts = [n for n, v in touchable.items() if isinstance(v, str)]
    match lie:
        case Lie.DROPS_A_FIELD:
            return {name: value for name, value in body.items() if name != [*touchable][-1]}
        case Lie.CHANGES_A_NUMBER:
            name = (numbers or texts)[0]
            return {**body, name: body[name] + 1 if numbers else "0"}
        case Lie.TRUNCATES_A_TEXT:
            name = max(texts, key=lambda n: len(body[n]))
            return {**body, name: body[name][:-3]}
        case _:
            return body


def _stamp_of(text: str | None) -> str | None:
    return text[1:].partition("]")[0] if text and text.startswith("[") else None


def _refused(status: int, message: str) -> Response:
    return JSONResponse({"error": {"message": message}}, status)


def _etag(record: Columns) -> str:
    return f'"{record["ref"]}-{record["version"]}"'


def _digest(body: Columns) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


@dataclass
class House:
    """Where a system lives; a test may move another one in at the same address."""

    url: str
    plant: PlantSystem = field(default_factory=PlantSystem)


@contextmanager
def running_house() -> Iterator[House]:
    """A server on a loopback port, in a thread of its own."""
    house = House(f"http://127.0.0.1:{free_port()}")
    port = int(house.url.rpartition(":")[2])

    def route(answer: str) -> Callable[[Request], Awaitable[Response]]:
        async def answered(request: Request) -> Response:
            return await getattr(house.plant, answer)(request)

        return answered

    app = Starlette(
        routes=[
            Route("/{table}", route("listed"), methods=["GET"]),
            Route("/{table}", route("created"), methods=["POST"]),
            Route("/{table}/{ref}", route("shown"), methods=["GET"]),
            Route("/{table}/{ref}", route("changed"), methods=["PUT", "PATCH", "POST"]),
        ]
    )

    async def with_a_wire_to_cut(scope: Scope, receive: Receive, send: Any) -> None:
        await app({**scope, "cut": send.__self__.transport.abort}, receive, send)  # of uvicorn's request under way

    server = uvicorn.Server(
        uvicorn.Config(with_a_wire_to_cut, host="127.0.0.1", port=port, log_config=None, lifespan="off", proxy_headers=False)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive() and time.monotonic() < until, "the plant system did not start"
        thread.join(0.01)
    yield house
    server.should_exit = True
    thread.join(20)
