"""A program of the tests: writes to a plant in a process of its own, in turns with others or until it is killed.

writer_process.py FOLDER turns COUNT    writes COUNT audit rows after a line on stdin, then says "done"
writer_process.py FOLDER kill 0         for each line on stdin: forks a writer, says its pid, and "dead" at its end
"""

import os
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import anyio

from mcp_server.backends.base import AuditEntry, StoredCall
from mcp_server.backends.sql.provision import open_store
from mcp_server.backends.sql.store import SqlBackend
from mcp_server.bundled import sample_plant_dir
from mcp_server.domain.records import Issue, IssueCategory, IssueState, Severity

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
FOLDER, MODE, COUNT = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])


def say(text: object) -> None:
    os.write(1, f"{text}\n".encode())


async def opened() -> SqlBackend:
    return await open_store(FOLDER, sample_plant=sample_plant_dir(), as_of=date(2026, 11, 22))


def entry(record_id: str) -> AuditEntry:
    return AuditEntry(NOW, "there", None, "test", "ok", "Issue", record_id, None, {})


async def write_in_turns() -> None:
    store = await opened()
    for number in range(COUNT):
        async with store.unit_of_work() as unit:
            await unit.audit(entry(str(number)))
    await store.aclose()
    say("done")


async def write_until_killed() -> None:
    store = await opened()
    while True:
        async with store.unit_of_work() as unit:
            issue_id = await unit.next_id(Issue, "KILL-")
            await unit.insert(an_issue(issue_id))
            await unit.audit(entry(issue_id))
            await unit.remember(StoredCall("p", "log_issue", issue_id, "hash", {}, NOW, NOW + timedelta(days=7)))
        say(issue_id)


def an_issue(issue_id: str) -> Issue:
    return Issue(
        id=issue_id,
        project="ALPHA",
        title="Written by a process that is killed",
        description="x" * 2000,
        category=IssueCategory.PROCESS,
        severity=Severity.MINOR,
        state=IssueState.OPEN,
        qty_affected=0,
        detected_at=NOW,
        detected_by="test",
        opened_at=NOW,
        acknowledge_due_at=NOW,
        contain_due_at=NOW,
        root_cause_due_at=NOW,
        close_due_at=NOW,
    )


def fork_and_wait() -> None:
    writer = os.fork()
    if writer == 0:
        anyio.run(write_until_killed)
    say(writer)
    os.waitpid(writer, 0)
    say("dead")


if __name__ == "__main__":
    say("ready")
    for _ in sys.stdin:
        if MODE == "turns":
            anyio.run(write_in_turns)
        else:
            fork_and_wait()
