"""What the tools that change an issue share: how they find it, and what they tell beside its record."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from mcp_server.domain.issues.gates import missing_gates
from mcp_server.domain.issues.reporting import Level, clock_of
from mcp_server.domain.records import Issue
from mcp_server.errors import VerificationFailed
from mcp_server.pipeline.declaration import Code, Result, ToolCall, UpdateRequest, WriteResult
from mcp_server.pipeline.preconditions import at_revision, project_of, record_of

__all__ = [
    "ClockState",
    "IssueChanged",
    "IssueRequest",
    "Need",
    "clock_states",
    "issue_is_as_read",
    "issue_of",
    "needs",
    "stored_issue",
]


class IssueRequest(UpdateRequest):
    issue_id: Annotated[Code, Field(description="Issue id")]


class Need(Result):
    gate: str
    how: str


class ClockState(Result):
    """`used_pct` is the share of the time allowed, in percent; it stands still when the step is done."""

    step: str
    due_at: datetime
    done_at: datetime | None = None
    used_pct: int
    state: Literal["ok", "at_risk", "overdue"]


class IssueChanged(WriteResult):
    """An issue after a step, the gates before its close, the clock, and whom to tell now."""

    record: Issue
    next_required: tuple[Need, ...]
    clock: tuple[ClockState, ...]
    escalate_to: Level | None = None

    @property
    def stored(self) -> Issue | None:
        return self.record


def needs(issue: Issue) -> tuple[Need, ...]:
    """What must still be recorded before the close, and how."""
    return tuple(Need(gate=gate.name, how=str(gate.how)) for gate in missing_gates(issue))


def clock_states(issue: Issue, now: datetime) -> tuple[ClockState, ...]:
    return tuple(
        ClockState(step=step.step, due_at=step.due_at, done_at=step.done_at, used_pct=step.used_pct, state=step.state)
        for step in clock_of(issue, now)
    )


async def issue_of(request: IssueRequest, call: ToolCall) -> Issue:
    """The issue as it was before this call."""
    project = await project_of(call, request.project)
    return await record_of(call, Issue, request.issue_id, field="issue_id", project=project)


async def stored_issue(request: IssueRequest, call: ToolCall) -> Issue:
    """The issue read again.

    Raises:
        VerificationFailed: it is not there any more.
    """
    found = await call.plant.get(Issue, request.issue_id)
    if found is None:
        raise VerificationFailed(f"{request.issue_id} is gone.", field="issue_id")
    return found


async def issue_is_as_read(request: IssueRequest, call: ToolCall) -> None:
    at_revision(await issue_of(request, call), request.expected_revision)
