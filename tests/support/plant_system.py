"""A small real REST system on loopback that keeps machines, materials, specifications, orders and issues as JSON.

It behaves as its `Behavior` says, and lies when it is told to. Every lie that it told is counted.
"""

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope

from tests.support.plant_lies import (
    ETAG_LIES,
    HANGS_UP,
    READ_LIES,
    STORES_NOTHING_AT_FIRST,
    WRITE_LIES,
    Columns,
    Lie,
    spoiled,
)
from tests.support.plants import free_port

__all__ = ["Behavior", "House", "PlantSystem", "running_house"]

Table = dict[str, Columns]
"""Records by what the system calls them."""
Store = Callable[[Columns], str | None]
TABLES = ("machines", "materials", "specs", "orders", "issues")


@dataclass(frozen=True)
class Behavior:
    """What differs between systems. One with `client_ids` takes our ids, and takes no second record with the same.

    `fixed` fields of ours are never changed there.
    """

    envelope: Literal["bare", "items", "data"] = "items"
    client_ids: bool = True
    etag: bool = False
    keys: bool = False
    update: Literal["PUT", "PATCH", "POST"] = "PATCH"
    page_size: int = 50
    fixed: frozenset[str] = frozenset()


@dataclass
class PlantSystem:
    """The state of one system. `told` says how often each lie was told, `looks` how often it was read from.

    `meanwhile` runs once, after the next change was asked for and before it is made.
    """

    behavior: Behavior = field(default_factory=Behavior)
    tables: dict[str, Table] = field(default_factory=lambda: {name: {} for name in TABLES})
    told: Counter[Lie] = field(default_factory=Counter[Lie])
    looks: int = 0
    meanwhile: Callable[[], None] | None = None
    _lies: list[Lie] = field(default_factory=list[Lie])
    _late: list[Callable[[], Any]] = field(default_factory=list[Callable[[], Any]])
    _arrives_at: int | None = None
    _keys: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])

    def lie(self, *lies: Lie) -> None:
        """Tell these next, one a write, or the first one with every list; without any, be honest again."""
        self._lies = list(lies)

    @property
    def awaits(self) -> bool:
        """Whether something is on its way that nobody expects any more."""
        return bool(self._late)

    def arrive(self) -> None:
        """What was on its way arrives."""
        late, self._late = self._late, []
        for store in late:
            store()

    def copy(self) -> "PlantSystem":
        return PlantSystem(self.behavior, json.loads(json.dumps(self.tables)))

    def named(self, table: str, our_id: str) -> list[Columns]:
        """Every record of the table that carries our id, in its code or at the head of its title."""
        return [
            record
            for record in self.tables[table].values()
            if record.get("code") == our_id or str(record.get("title")).startswith(f"[{our_id}]")
        ]

    def keep_one(self, table: str, our_id: str) -> None:
        """Delete what else carries our id."""
        for record in self.named(table, our_id)[1:]:
            del self.tables[table][record["ref"]]

    async def listed(self, request: Request) -> Response:
        records = list(self._table(request).values())
        self._looked_at()
        start = int(request.query_params.get("offset", 0))
        size = min(int(request.query_params.get("limit", self.behavior.page_size)), self.behavior.page_size)
        match self._next(READ_LIES) if records else None:
            case Lie.LIST_MISSES:
                records = records[:-1]
            case Lie.LIST_REPEATS:
                records = [records[-1], *records]
            case Lie.PAGE_REPEATS:
                start = 0
            case _:
                pass
        page = records[start : start + size]
        match self.behavior.envelope:
            case "bare":
                return JSONResponse(page)
            case "data":
                return JSONResponse({"data": page})
            case "items":
                return JSONResponse({"items": page, "total": len(records)})

    async def shown(self, request: Request) -> Response:
        self._looked_at()
        record = self._table(request).get(request.path_params["ref"])
        if record is None:
            return _refused(404, f"there is no {request.path_params['ref']}")
        return self._answered(200, record)

    async def created(self, request: Request) -> Response:
        table, body, key = self._table(request), await request.json(), self._key(request)
        if key in self._keys:
            digest, ref = self._keys[key]
            same = digest == _digest(body)
            return self._answered(201, table[ref]) if same else _refused(422, "the key was used for another body")
        if self._is_taken(table, body):
            return _refused(409, f"{body['code']} exists already")

        def store(columns: Columns) -> str | None:
            if key in self._keys or self._is_taken(table, columns):
                return None
            ref = columns["code"] if self.behavior.client_ids else str(len(table) + 1001)
            table[ref] = {**columns, "ref": ref, "version": 1}
            if key is not None:
                self._keys[key] = (_digest(body), ref)
            return ref

        return self._written(table, body, store, 201, keyed=key is not None)

    async def changed(self, request: Request) -> Response:
        table, body, ref = self._table(request), await request.json(), request.path_params["ref"]
        if ref not in table:
            return _refused(404, f"there is no {ref}")
        if self.meanwhile is not None:
            somebody, self.meanwhile = self.meanwhile, None
            somebody()
        is_old = self.behavior.etag and request.headers.get("If-Match") != _etag(table[ref])
        if is_old and self._next(ETAG_LIES) is None:
            return _refused(412, f"{ref} was changed meanwhile")

        def store(columns: Columns) -> str | None:
            code = {name: table[ref][name] for name in ("code",) if name in table[ref]}
            kept = code if self.behavior.update == "PUT" else table[ref]
            table[ref] = {**kept, **columns, "ref": ref, "version": table[ref]["version"] + 1}
            return ref

        return self._written(table, body, store, 200, keyed=self._key(request) is not None)

    def _written(self, table: Table, body: Columns, store: Store, status: int, *, keyed: bool) -> Response:
        lie = self._next(WRITE_LIES, keyed=keyed)
        if lie in STORES_NOTHING_AT_FIRST:
            shown = {**body, "ref": body.get("code", "99999"), "version": 1}
        else:
            ref = store(body if lie is None else spoiled(lie, body))
            assert ref is not None
            shown = table[ref]
        match lie:
            case Lie.STORES_TWICE if status == 201:
                table[f"{shown['ref']}-B"] = {**shown, "ref": f"{shown['ref']}-B"}
            case Lie.ARRIVES_LATE | Lie.ARRIVES_TOO_LATE:
                self._late.append(lambda: store(body))
                self._arrives_at = self.looks + 2 if lie is Lie.ARRIVES_LATE else None
            case _:
                pass
        return self._answered(status, shown) if lie is None else self._untrue(lie, status, shown, table)

    def _untrue(self, lie: Lie, status: int, shown: Columns, table: Table) -> Response:
        match lie:
            case Lie.FAILS_AFTER | Lie.FAILS_BEFORE | Lie.LOSES_KEYED:
                return Response("Internal Server Error", 500, media_type="text/plain")
            case Lie.EMPTY_AFTER | Lie.EMPTY_BEFORE:
                return Response(status_code=status)
            case Lie.GARBAGE_AFTER | Lie.GARBAGE_BEFORE:
                return Response("<html>It works!</html>", status, media_type="text/html")
            case Lie.ANSWERS_ANOTHER | Lie.REPLAYS_ANOTHER:
                others = [record for ref, record in table.items() if ref != shown["ref"]]
                return self._answered(status, others[0] if others else {**shown, "ref": "4711"})
            case lie if lie in HANGS_UP:
                return _HangUp()
            case _:
                return self._answered(status, shown)

    def _next(self, among: Sequence[Lie], *, keyed: bool = True) -> Lie | None:
        if not self._lies or self._lies[0] not in among or (self._lies[0] is Lie.LOSES_KEYED and not keyed):
            return None
        lie = self._lies[0] if self._lies[0] in READ_LIES else self._lies.pop(0)
        self.told[lie] += 1
        return lie

    def _looked_at(self) -> None:
        self.looks += 1
        if self.looks == self._arrives_at:
            self.arrive()

    def _table(self, request: Request) -> Table:
        return self.tables[request.path_params["table"]]

    def _key(self, request: Request) -> str | None:
        return request.headers.get("Idempotency-Key") if self.behavior.keys else None

    def _is_taken(self, table: Table, columns: Columns) -> bool:
        return self.behavior.client_ids and any(record["code"] == columns["code"] for record in table.values())

    def _answered(self, status: int, record: Columns) -> Response:
        return JSONResponse(record, status, headers={"ETag": _etag(record)} if self.behavior.etag else None)


class _HangUp(Response):
    """No answer at all: the connection is cut."""

    async def __call__(self, scope: Scope, *_: Any) -> None:
        scope["cut"]()


def _refused(status: int, message: str) -> Response:
    return JSONResponse({"error": {"message": message}}, status)


def _etag(record: Mapping[str, Any]) -> str:
    return f'"{record["ref"]}-{record["version"]}"'


def _digest(body: Columns) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


@dataclass
class House:
    """Where a system lives; another one may move in at the same address."""

    url: str
    plant: PlantSystem = field(default_factory=PlantSystem)

    def app(self) -> Starlette:
        def route(path: str, answer: Callable[[PlantSystem, Request], Awaitable[Response]], *methods: str) -> Route:
            async def answered(request: Request) -> Response:
                return await answer(self.plant, request)

            return Route(path, answered, methods=list(methods))

        return Starlette(
            routes=[
                route("/{table}", PlantSystem.listed, "GET"),
                route("/{table}", PlantSystem.created, "POST"),
                route("/{table}/{ref}", PlantSystem.shown, "GET"),
                route("/{table}/{ref}", PlantSystem.changed, "PUT", "PATCH", "POST"),
            ]
        )


@contextmanager
def running_house() -> Generator[House]:
    """A server on a loopback port, in a thread of its own."""
    port = free_port()
    house = House(f"http://127.0.0.1:{port}")
    app = house.app()

    async def with_a_wire_to_cut(scope: Scope, receive: Receive, send: Any) -> None:
        await app({**scope, "cut": send.__self__.transport.abort}, receive, send)  # `send` is of uvicorn's request

    config = uvicorn.Config(
        with_a_wire_to_cut,
        host="127.0.0.1",
        port=port,
        log_level="critical",
        lifespan="off",
        proxy_headers=False,
        interface="asgi3",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive(), "the plant system ended"
        assert time.monotonic() < until, "the plant system does not listen"
        thread.join(0.01)
    yield house
    server.should_exit = True
    thread.join(20)
