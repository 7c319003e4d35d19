"""Answers `server/discover` while the server is still being imported. Standard library only.

Importing the MCP SDK takes about a second. Hosts wait less for their first probe, then fall back to `initialize` or
give up. The front takes standard input and output at once, answers that probe with what the server will answer, keeps
every other line, and hands the wire over when the server attaches.
"""

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from queue import SimpleQueue
from typing import Final

from mcp_server import identity

CAPABILITIES: Final[dict[str, dict[str, bool]]] = {
    "completions": {},
    "prompts": {"listChanged": True},
    "resources": {"subscribe": True, "listChanged": True},
    "tools": {"listChanged": True},
}
"""What the SDK's MCPServer advertises at 2026-07-28 whatever is registered, and our completion handler; an extension
would add to it. A test holds the server to this table."""

MAX_LINE_BYTES: Final = 16 * 1024 * 1024
"""About what one line may occupy; the end of a longer one is dropped, which leaves invalid JSON for the server."""

_CHUNK_BYTES: Final = 64 * 1024
_PROBE: Final = b'"server/discover"'


def discover_result() -> dict[str, object]:
    """The result of `server/discover`, equal to what the running server answers."""
    return {
        "resultType": "complete",
        "supportedVersions": ["2026-07-28"],
        "capabilities": CAPABILITIES,
        "instructions": identity.INSTRUCTIONS,
        "ttlMs": 0,
        "cacheScope": "private",
        "_meta": {
            "io.modelcontextprotocol/serverInfo": {
                "name": identity.NAME,
                "title": identity.TITLE,
                "version": identity.VERSION,
            }
        },
    }


class Front:
    """Reads lines from one descriptor and writes whole lines to another, each on a thread of its own.

    Both are daemon threads: a host that neither closes its end nor reads from it cannot keep the process alive.
    """

    def __init__(self, source: int, sink: int, *, on_abandoned: Callable[[], object]) -> None:
        """Start answering.

        Args:
            source: descriptor to read from.
            sink: descriptor to write to.
            on_abandoned: called once if `source` ends before a server attached and no line waits for one.
        """
        self._source = source
        self._sink = sink
        self._on_abandoned = on_abandoned
        self._lock = threading.Lock()
        self._backlog: list[bytes] = []
        self._deliver: Callable[[list[bytes]], object] | None = None
        self._attached = threading.Event()
        self._outbox: SimpleQueue[tuple[bytes, Callable[[OSError | None], object]]] = SimpleQueue()
        for descriptor in (source, sink):
            os.set_blocking(descriptor, True)  # some hosts pass a non-blocking end
        for loop in (self._read_lines, self._write_lines):
            threading.Thread(target=loop, name=f"front {loop.__name__}", daemon=True).start()

    def attach(self, deliver: Callable[[list[bytes]], object]) -> list[bytes]:
        """Stop answering and return the lines that came so far, in order.

        Later lines go to `deliver`, in batches and on the reader's thread, which waits for it. An empty batch is the
        end of input.
        """
        with self._lock:
            self._deliver = deliver
            backlog, self._backlog = self._backlog, []
        self._attached.set()
        return backlog

    def write(self, line: bytes, written: Callable[[OSError | None], object]) -> None:
        """Queue one line, newline included; the writer's thread calls `written` with the error, or None."""
        self._outbox.put((line, written))

    def _read_lines(self) -> None:
        for lines in _batches(self._source):
            self._accept(lines)
        with self._lock:
            abandoned = self._deliver is None and not self._backlog
        if abandoned:
            self.write(b"", lambda _: self._on_abandoned())  # queued behind the answers that are still being written
            return
        self._attached.wait()
        self._accept([])

    def _accept(self, lines: list[bytes]) -> None:
        with self._lock:
            if self._deliver is None:
                self._backlog += [line for line in lines if not self._answered(line)]
                return
        self._deliver(lines)

    def _answered(self, line: bytes) -> bool:
        answer = _answer(line)
        if answer is not None:
            self.write(answer, lambda _: None)
        return answer is not None

    def _write_lines(self) -> None:
        while True:
            line, written = self._outbox.get()
            try:
                _write_all(self._sink, line)
            except OSError as error:
                written(error)
            else:
                written(None)


@cache
def start() -> Front:
    """Take standard input and output for the protocol, once for the process.

    From here on descriptor 0 is empty and descriptor 1 is standard error, so nothing that an import, a tool or a child
    process prints can reach the host. If input ends before a server attached, the process exits with status 0.
    """
    source, sink = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    # The main thread may sit in an import for as long as the disk takes, and nothing is open yet that needs closing.
    return Front(source, sink, on_abandoned=lambda: os._exit(0))


def _answer(line: bytes) -> bytes | None:
    """The reply to a well-formed 2026-07-28 probe; None for everything else, which is the server's to judge."""
    if _PROBE not in line or len(line) > _CHUNK_BYTES:
        return None
    try:
        message: object = json.loads(line.decode())
        match message:
            case {
                "jsonrpc": "2.0",
                "id": str() | int() as request_id,
                "method": "server/discover",
                "params": {
                    "_meta": {
                        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                        "io.modelcontextprotocol/clientCapabilities": dict(),
                    }
                },
            } if not isinstance(request_id, bool):
                reply = {"jsonrpc": "2.0", "id": request_id, "result": discover_result()}
                return json.dumps(reply, ensure_ascii=False).encode() + b"\n"
            case _:
                return None
    except (ValueError, RecursionError):
        return None


def _batches(source: int) -> Iterator[list[bytes]]:
    """The lines that each read completes, without blank ones; the last line may lack its newline."""
    parts: list[bytes] = []
    size = 0
    while chunk := _read(source):
        *ended, rest = chunk.split(b"\n")
        if ended:
            if size < MAX_LINE_BYTES:
                parts.append(ended[0])
            ended[0] = b"".join(parts)
            parts, size = [], 0
            if lines := [line for line in map(bytes.strip, ended) if line]:
                yield lines
        if rest and size < MAX_LINE_BYTES:
            parts.append(rest)
            size += len(rest)
    if last := b"".join(parts).strip():
        yield [last]


def _read(source: int) -> bytes:
    with suppress(OSError):  # a terminal that hung up reads as an error; it is the end of input all the same
        return os.read(source, _CHUNK_BYTES)
    return b""


def _write_all(sink: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(sink, rest) :]
