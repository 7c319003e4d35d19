"""The state of a session: which mode it is in, and the task under way. Immutable; only the machine makes a new one."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["Mode", "SessionState", "TaskState"]

Mode = Literal["orchestrator", "task_active"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class TaskState(_Frozen):
    """A task: its agent and the message that opened it, kept verbatim. Its messages are in the session store."""

    id: str
    agent: str
    opening_message: str


class SessionState(_Frozen):
    """`task` is set exactly in mode `task_active`; `project` is the last worked on, `suggestions` the last offered."""

    mode: Mode = "orchestrator"
    project: str | None = None
    task: TaskState | None = None
    suggestions: tuple[str, ...] = ()
