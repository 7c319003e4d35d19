"""A key never takes effect twice: the answer of a finished write is stored with its key, in the same transaction."""

import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from mcp_server.backends.base import Query, Sending, StoredCall
from mcp_server.domain.records import HistoryEntry
from mcp_server.errors import Conflict, InvalidInput
from mcp_server.pipeline.arguments import canonical_json
from mcp_server.pipeline.declaration import Caller, Request, WriteCall

__all__ = ["KEPT", "MADE_OF_ARGUMENTS", "META_KEY", "WINDOW", "Key", "key_for", "recall", "record", "remember"]

META_KEY = "io.shopfloor/idempotency-key"
"""Where a client puts its key in a request's `_meta`."""

KEPT = timedelta(days=7)
WINDOW = timedelta(minutes=2)
"""How long the same write is taken for a repetition when the caller gives no key."""
MADE_OF_ARGUMENTS = "auto:"
"""How a key begins that the caller did not give."""
_SHORTEST, _LONGEST = 8, 255
_NOT_WHAT_IS_ASKED = {"dry_run", "confirmation"}
"""Arguments that say how a call is made: the same call with a person's agreement is still the same call."""


@dataclass(frozen=True, slots=True)
class Key:
    """The key of one write. `given` tells a caller's key from one made from the arguments."""

    text: str
    arguments_hash: str
    given: bool


def key_for(caller: Caller, tool: str, request: Request) -> Key:
    """The caller's key, or one made from tool and arguments that holds for a short window.

    Raises:
        InvalidInput: the caller's key is too short or too long to be one, or not of printable ASCII.
    """
    arguments = request.model_dump(mode="json", exclude=_NOT_WHAT_IS_ASKED)
    digest = hashlib.sha256(canonical_json({"tool": tool, "arguments": arguments}).encode()).hexdigest()
    key = caller.idempotency_key
    if key is None:
        return Key(text=f"{MADE_OF_ARGUMENTS}{digest}", arguments_hash=digest, given=False)
    if not (_SHORTEST <= len(key) <= _LONGEST and key.isascii() and key.isprintable()):
        raise InvalidInput(
            f"The idempotency key must have {_SHORTEST} to {_LONGEST} printable ASCII characters.",
            field=f"_meta[{META_KEY}]",
            suggestion="Send a random key, such as a UUID, and the same one again when you retry.",
        )
    return Key(text=key, arguments_hash=digest, given=True)


async def recall(call: WriteCall, tool: str, key: Key) -> StoredCall | None:
    """What is kept of this very call, or None when it has not been made.

    Raises:
        Conflict: the key was used for other arguments.
    """
    stored = await call.unit.recall(call.caller.principal, tool, key.text, call.now)
    if stored is None or (not key.given and await _is_overtaken(call, stored)):
        return None
    if stored.arguments_hash != key.arguments_hash:
        raise Conflict(
            "This idempotency key was already used for other arguments.",
            field=f"_meta[{META_KEY}]",
            suggestion="Use a new key for a new call; repeat a call with the same arguments.",
        )
    return stored


async def _is_overtaken(call: WriteCall, stored: StoredCall) -> bool:
    """Whether something the stored call wrote was changed since: then the same call again is meant, not repeated.

    A caller who gives keys says which of the two it is; for others, submit, reject and submit are three decisions.
    """
    if stored.sending is not None:
        return False
    number = stored.result["audit_id"]
    written = (await call.plant.find(HistoryEntry, Query({"audit_id": (number,)}))).items
    touched = Query({"record_id": tuple({entry.record_id for entry in written})}, limit=1, descending=True)
    newest = (await call.plant.find(HistoryEntry, touched)).items
    return bool(newest) and newest[0].audit_id > number


def record(call: WriteCall, tool: str, key: Key, answer: dict[str, Any], sending: Sending) -> StoredCall:
    """The call as it is kept from before anything is sent until it is known to be done."""
    return StoredCall(
        principal=call.caller.principal,
        tool=tool,
        key=key.text,
        arguments_hash=key.arguments_hash,
        result=answer,
        stored_at=call.now,
        expires_at=call.now + (KEPT if key.given else WINDOW),
        sending=sending,
    )


async def remember(call: WriteCall, done: StoredCall, answer: dict[str, Any]) -> None:
    """Keep the answer of a call that is done, from now on as long as it would have been kept from its beginning."""
    expires_at = call.now + (done.expires_at - done.stored_at)
    await call.unit.remember(replace(done, result=answer, sending=None, stored_at=call.now, expires_at=expires_at))
