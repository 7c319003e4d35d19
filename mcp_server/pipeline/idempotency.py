"""A key never takes effect twice: the answer of a finished write is stored with its key, in the same transaction."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from mcp_server.backends.base import StoredCall, UnitOfWork
from mcp_server.errors import Conflict, InvalidInput
from mcp_server.pipeline.arguments import canonical_json
from mcp_server.pipeline.declaration import Caller, Request

__all__ = ["META_KEY", "Key", "key_for", "recall", "remember"]

META_KEY = "io.shopfloor/idempotency-key"
"""Where a client puts its key in a request's `_meta`."""

KEPT = timedelta(days=7)
WINDOW = timedelta(minutes=2)
"""How long the same write is taken for a repetition when the caller gives no key."""
_SHORTEST, _LONGEST = 8, 255


@dataclass(frozen=True, slots=True)
class Key:
    """The key of one write. `given` tells a caller's key from one made from the arguments."""

    text: str
    arguments_hash: str
    given: bool


def key_for(caller: Caller, tool: str, request: Request) -> Key:
    """The caller's key, or one made from tool and arguments that holds for a short window.

    Raises:
        InvalidInput: the caller's key is too short or too long to be one.
    """
    arguments = request.model_dump(mode="json", exclude={"dry_run"})
    digest = hashlib.sha256(canonical_json({"tool": tool, "arguments": arguments}).encode()).hexdigest()
    if caller.idempotency_key is None:
        return Key(text=f"auto:{digest}", arguments_hash=digest, given=False)
    if not _SHORTEST <= len(caller.idempotency_key) <= _LONGEST:
        raise InvalidInput(
            f"The idempotency key must have {_SHORTEST} to {_LONGEST} characters.",
            field=f"_meta[{META_KEY}]",
            suggestion="Send a random key, such as a UUID, and the same one again when you retry.",
        )
    return Key(text=caller.idempotency_key, arguments_hash=digest, given=True)


async def recall(unit: UnitOfWork, caller: Caller, tool: str, key: Key, now: datetime) -> dict[str, Any] | None:
    """The stored answer of this very call, or None when it has not been made.

    Raises:
        Conflict: the key was used for other arguments.
    """
    stored = await unit.recall(caller.principal, tool, key.text, now)
    if stored is None:
        return None
    if stored.arguments_hash != key.arguments_hash:
        raise Conflict(
            "This idempotency key was already used for other arguments.",
            field=f"_meta[{META_KEY}]",
            suggestion="Use a new key for a new call; repeat a call with the same arguments.",
        )
    return stored.result


async def remember(
    unit: UnitOfWork, caller: Caller, tool: str, key: Key, result: dict[str, Any], now: datetime
) -> None:
    await unit.remember(
        StoredCall(
            principal=caller.principal,
            tool=tool,
            key=key.text,
            arguments_hash=key.arguments_hash,
            result=result,
            stored_at=now,
            expires_at=now + (KEPT if key.given else WINDOW),
        )
    )
