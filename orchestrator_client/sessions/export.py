"""A whole session for others to read: as JSON, which is complete, or as Markdown, which is for people."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import groupby
from typing import Any

from orchestrator_client.dialogue.completion import without_marker
from orchestrator_client.dialogue.messages import Message
from orchestrator_client.dialogue.usage import NO_USAGE, CallUsage, Usage
from orchestrator_client.sessions.markdown import code_block, inline, table
from orchestrator_client.sessions.records import BookedCall, LoggedMessage, StoredTurn, Transcript

__all__ = ["as_json", "as_markdown", "overview", "usage_json"]

_LONGEST_RESULT = 1500
"""Characters of a tool's answer, or of what an agent was told, that the Markdown still shows."""

_SPEAKERS = {
    "person": "The person, to the agent",
    "agent": "The agent",
    "tools": "Tools",
    "context": "What the agent was told",
    "note": "A note to the agent",
}

Json = dict[str, Any]


def overview(transcript: Transcript) -> Json:
    """What was said and what it took, without the work in between."""
    summary = transcript.summary
    return {
        "session": {
            "id": summary.id,
            "title": summary.title,
            "created_at": summary.created_at,
            "updated_at": summary.updated_at,
        },
        "state": {"mode": summary.state.mode, **summary.state.model_dump(mode="json")},
        "tasks": [asdict(task) for task in transcript.tasks],
        "turns": [_said(turn) for turn in transcript.turns],
        "usage": usage_json(transcript.usage),
    }


def as_json(transcript: Transcript) -> Json:
    """Everything; only the agent's completion marker, and what a model border keeps for itself, are left out."""
    turns = [
        {
            **_said(turn),
            "message_id": turn.message_id,
            "result": None if turn.result is None else {**turn.result, "reply": _reply(turn)},
            "messages": [_message_json(entry) for entry in transcript.log if entry.turn == turn.number],
            "calls": [_call_json(booked) for booked in transcript.usage if booked.turn == turn.number],
        }
        for turn in transcript.turns
    ]
    condensed = [
        {"task_id": entry.task_id, **asdict(entry.condensed), "summary": without_marker(entry.condensed.summary)}
        for entry in transcript.condensed
    ]
    return {**overview(transcript), "turns": turns, "condensed": condensed}


def usage_json(calls: Iterable[BookedCall]) -> Json:
    """The total of some calls, and the total of each model for each purpose."""
    every = [booked.call for booked in calls]
    kinds = sorted({(call.model, call.purpose) for call in every})
    each = [
        {"model": model, "purpose": purpose, **_total(c for c in every if (c.model, c.purpose) == (model, purpose))}
        for model, purpose in kinds
    ]
    return {"total": _total(every), "by_model": each}


def as_markdown(transcript: Transcript) -> str:
    """The session in order, the work of each turn by task; long tool answers are cut, and nothing in it is markup."""
    parts = [
        *_head(transcript),
        *(part for turn in transcript.turns for part in _turn(transcript, turn)),
        *_summaries(transcript),
        *_foot(transcript),
    ]
    return "\n\n".join(parts) + "\n"


def _said(turn: StoredTurn) -> Json:
    result = turn.result or {}
    return {
        "number": turn.number,
        "text": turn.text,
        "agent": result.get("agent"),
        "outcome": result.get("outcome"),
        "reply": _reply(turn),
    }


def _reply(turn: StoredTurn) -> str:
    """What the person was answered; empty if they were not."""
    return without_marker(str((turn.result or {}).get("reply", "")))


def _message_json(entry: LoggedMessage) -> Json:
    message = entry.message
    return {
        "task_id": entry.task_id,
        "kind": entry.kind,
        "text": message.text if entry.kind == "person" else without_marker(message.text),
        "tool_calls": [{"id": use.id, "tool": use.name, "arguments": use.input} for use in message.tool_uses],
        "tool_results": [
            {
                "id": result.tool_use_id,
                "is_error": result.is_error,
                "content": result.content,
                "structured": result.structured,
            }
            for result in message.tool_results
        ],
    }


def _call_json(booked: BookedCall) -> Json:
    call = booked.call
    return {
        "task_id": booked.task_id,
        "purpose": call.purpose,
        "model": call.model,
        **asdict(call.usage),
        "estimated_tokens": call.estimated_tokens,
        "duration_ms": call.duration_ms,
    }


def _total(calls: Iterable[CallUsage]) -> Json:
    every = list(calls)
    tokens: Usage = sum((call.usage for call in every), NO_USAGE)
    return {"calls": len(every), **asdict(tokens), "duration_ms": round(sum(call.duration_ms for call in every), 1)}


def _head(transcript: Transcript) -> Iterator[str]:
    summary, state = transcript.summary, transcript.summary.state
    yield f"# Session {inline(summary.id)}"
    lines = [
        f"- Began with: {inline(summary.title)}",
        f"- Begun: {inline(summary.created_at)}, last used: {inline(summary.updated_at)}",
        f"- Project: {inline(state.project or '')}",
        f"- Mode: {inline(state.mode)}",
    ]
    if state.task is not None:
        lines.append(f"- Task under way: {inline(state.task.agent)}, {inline(state.task.opening_message)}")
    lines += [f"- Task that waits: {inline(task.agent)}, {inline(task.opening_message)}" for task in state.parked]
    lines += [f"- Request that waits: {inline(request.text)}" for request in state.waiting]
    yield "\n".join(lines)


def _turn(transcript: Transcript, turn: StoredTurn) -> Iterator[str]:
    said = _said(turn)
    logged = [entry for entry in transcript.log if entry.turn == turn.number]
    yield f"## Turn {turn.number}"
    yield "**The person**"
    yield code_block(turn.text)
    for task_id, entries in groupby(logged, key=lambda entry: entry.task_id):
        yield f"### Task {inline(task_id)}"
        for entry in entries:
            if entry.kind != "person" or entry.message.text != turn.text:
                yield from _work(entry, transcript)
    if turn.result is None:
        yield "*This turn was cut short and has not ended.*"
        return
    if not logged or said["reply"].strip() != without_marker(logged[-1].message.text).strip():
        yield "**The answer**"
        yield code_block(said["reply"])
    agent = inline(str(said["agent"] or ""))
    calls = usage_json(booked for booked in transcript.usage if booked.turn == turn.number)
    yield f"Agent: {agent}. Outcome: {inline(str(said['outcome'] or ''))}. {_in_words(calls['total'])}"


def _work(entry: LoggedMessage, transcript: Transcript) -> Iterator[str]:
    message = entry.message
    if message.text:
        yield f"**{_SPEAKERS[entry.kind]}**"
        yield code_block(message.text, longest=_LONGEST_RESULT if entry.kind in {"context", "note"} else None)
    for use in message.tool_uses:
        yield f"**The agent calls** {inline(use.name)}"
        yield code_block(_pretty(use.input), "json")
    yield from _results(message, _tools_of(transcript, entry.task_id))


def _results(message: Message, tools: dict[str, str]) -> Iterator[str]:
    for result in message.tool_results:
        verb = "refuses" if result.is_error else "answers"
        yield f"**The tool** {inline(tools.get(result.tool_use_id, ''))} **{verb}**"
        yield code_block(result.content, longest=_LONGEST_RESULT)


def _tools_of(transcript: Transcript, task_id: str) -> dict[str, str]:
    """The tool behind each call of a task."""
    uses = (use for entry in transcript.log if entry.task_id == task_id for use in entry.message.tool_uses)
    return {use.id: use.name for use in uses}


def _summaries(transcript: Transcript) -> Iterator[str]:
    told = [entry for entry in transcript.condensed if entry.condensed.summary]
    if told:
        yield "## Summaries"
    for entry in told:
        yield f"**Stands for the oldest turns ({entry.condensed.turns}) of task** {inline(entry.task_id)}"
        yield code_block(entry.condensed.summary)


def _foot(transcript: Transcript) -> Iterator[str]:
    yield "## Usage"
    usage = usage_json(transcript.usage)
    yield _in_words(usage["total"])
    if usage["by_model"]:
        columns = ("model", "purpose", "calls", "input_tokens", "output_tokens", "cache_read_tokens")
        headings = ("Model", "For", "Calls", "Tokens in", "Tokens out", "Read from cache")
        yield table(headings, [[str(row[name]) for name in columns] for row in usage["by_model"]])
    yield "## State"
    yield code_block(_pretty(overview(transcript)["state"]), "json")


def _in_words(total: Json) -> str:
    return f"Model calls: {total['calls']}. Tokens: {total['input_tokens']:,} in, {total['output_tokens']:,} out."


def _pretty(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
