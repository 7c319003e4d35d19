# ruff: noqa: INP001 - a file for readers to run, no module
"""A maintenance system to practise on, for docs/connect-your-system.md: `python practice_cmms.py [port]`.

It keeps assets and jobs in memory, answers in its own words, and wants the header `X-Api-Key: practice-key`.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "practice-key"
LONGEST_PAGE = 100
ASSETS: dict[str, dict[str, Any]] = {
    "7": {"number": 7, "tag": "LATHE-1", "label": "Lathe 1", "maker": "Doosan", "condition": "RUN", "area": "Turning"},
    "8": {"number": 8, "tag": "LATHE-2", "label": "Lathe 2", "maker": "Doosan", "condition": "WAIT", "area": "Turning"},
    "9": {
        "number": 9,
        "tag": "SAW-1",
        "label": "Band saw",
        "maker": "Behringer",
        "condition": "FAULT",
        "area": "Store",
    },
}
JOBS: dict[str, dict[str, Any]] = {
    "501": {
        "number": 501,
        "subject": "Replace saw band",
        "asset": "SAW-1",
        "status": "OPEN",
        "begins": "2026-11-24 13:00:00",
        "hours": 0.5,
    },
}
TABLES = {"assets": ASSETS, "jobs": JOBS}
STATUSES = ("OPEN", "CLOSED", "ON_HOLD")


class Refused(Exception):
    """Ends a request with this status and these words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Practice(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(self._shown, 200)

    def do_POST(self) -> None:
        self._answer(self._made, 201)

    def do_PATCH(self) -> None:
        self._answer(self._changed, 200)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002, ARG002 - as the base class has it
        return

    def _answer(self, work: Any, status: int) -> None:  # noqa: ANN401 - one of the three below
        length = int(self.headers.get("Content-Length") or 0)
        sent = self.rfile.read(length)
        url = urlsplit(self.path)
        table, _, number = url.path.strip("/").partition("/")
        try:
            self._check(table, number)
            body = work(table, number, parse_qs(url.query), json.loads(sent) if sent else {})
        except Refused as refusal:
            status, body = refusal.status, {"error": {"message": refusal.message}}
        told = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def _check(self, table: str, number: str) -> None:
        if self.headers.get("X-Api-Key") != KEY:
            raise Refused(401, "the key is missing or wrong")
        if table not in TABLES or (number and number not in TABLES[table]):
            raise Refused(404, f"there is nothing at {self.path}")

    def _shown(self, table: str, number: str, query: dict[str, list[str]], _: dict[str, Any]) -> dict[str, Any]:
        if number:
            return TABLES[table][number]
        start = int(query.get("start", ["0"])[0])
        size = min(int(query.get("size", ["20"])[0]), LONGEST_PAGE)
        rows = list(TABLES[table].values())
        return {"results": rows[start : start + size], "count": len(rows)}

    def _made(self, table: str, number: str, _: object, body: dict[str, Any]) -> dict[str, Any]:
        if table != "jobs" or number:
            raise Refused(405, "only jobs can be made")
        checked(body)
        new = str(max(map(int, JOBS)) + 1)
        JOBS[new] = {"number": int(new), "subject": "", "asset": None, "status": "OPEN", "begins": None, **body}
        return JOBS[new]

    def _changed(self, table: str, number: str, _: object, body: dict[str, Any]) -> dict[str, Any]:
        if table != "jobs" or not number:
            raise Refused(405, "only jobs can be changed")
        checked({**JOBS[number], **body})
        JOBS[number] |= body
        return JOBS[number]


def checked(job: dict[str, Any]) -> None:
    if job.get("asset") not in {asset["tag"] for asset in ASSETS.values()}:
        raise Refused(422, f"there is no asset {job.get('asset')}")
    if job.get("status", "OPEN") not in STATUSES:
        raise Refused(422, f"status must be one of {', '.join(STATUSES)}")


def main() -> None:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8765
    with ThreadingHTTPServer(("127.0.0.1", port), Practice) as server:
        sys.stderr.write(f"Practice CMMS on http://127.0.0.1:{port}; stop with Ctrl+C.\n")
        server.serve_forever()


if __name__ == "__main__":
    main()
