"""Reads for resources and completions, with the same deadline, retries and breaker that a tool's reads have."""

import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from mcp_server.backends.base import Backend, Reader
from mcp_server.pipeline.breaker import Breaker
from mcp_server.pipeline.execution import Deadline, RetryBudget, execute

__all__ = ["PlantReading"]

DEADLINE_S: Final = 10.0

T = TypeVar("T")


class PlantReading:
    """Runs a function on a consistent view of the records; it may run again on a fresh one."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._breaker = Breaker(time.monotonic)
        self._budget = RetryBudget()

    async def __call__(self, read: Callable[[Reader], Awaitable[T]]) -> T:
        """What `read` returns.

        Raises:
            ToolFailure: the records cannot be read, or not in time.
        """

        async def attempt(_: Deadline) -> T:
            async with self._backend.reader() as reader:
                return await read(reader)

        return await execute(attempt, deadline_s=DEADLINE_S, breaker=self._breaker, budget=self._budget)
