"""Tasks as the log holds them, for tests of the history window: random ones, and one very long one."""

import json
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field

from orchestrator_client.context.history import Policy, Summarizer, Windowing
from orchestrator_client.dialogue.completion import MARKER
from orchestrator_client.dialogue.condensed import Condensed
from orchestrator_client.dialogue.messages import (
    Block,
    Message,
    OpaqueBlock,
    TextBlock,
    ToolResultBlock,
    ToolUseBlock,
    assistant,
    context,
    note,
    user,
)
from orchestrator_client.models.protocol import (
    Capabilities,
    ModelReply,
    ModelRequest,
    StreamEvent,
    SummaryBrief,
    ToolSpec,
)
from orchestrator_client.models.scripted import ScriptedModel, Step

__all__ = [
    "READ",
    "WRITE",
    "History",
    "Recounting",
    "fitted_turns",
    "history",
    "long_task",
    "request_for",
    "summarizing",
]

READ, WRITE = "get_specs", "log_issue"
TOOLS = (ToolSpec(READ, "Looks up.", {}, read_only=True), ToolSpec(WRITE, "Stores.", {}))
_WORDS = (
    "bore",
    "caliper",
    "Gehäuse",
    "扭矩",
    "поверхность",
    "spindle",
    "coolant,",
    "leak",
    "weld",
    "🔧",
    "gauge",
    "Prüfung",
)


class Recounting:
    """A model that answers every request alike, and keeps what it was asked."""

    name = "recounting"

    def __init__(self, answer: str = "Intent: a plan. Decisions: none yet.", *, window: int | None = None) -> None:
        self.capabilities = Capabilities(token_counting=False)
        self.requests: list[ModelRequest] = []
        self._answer = answer
        self._window = window

    async def count_tokens(self, request: ModelRequest) -> int | None:  # noqa: ARG002 - the border's signature
        return None

    async def window_tokens(self) -> int | None:
        return self._window

    async def stream(self, request: ModelRequest) -> AsyncGenerator[StreamEvent]:
        self.requests.append(request)
        yield ModelReply(assistant(self._answer), "end_turn", self.name)

    async def aclose(self) -> None:
        """Nothing is held open."""


def summarizing(*steps: Step) -> ScriptedModel:
    """A scripted model that can sum up."""
    return ScriptedModel(steps, capabilities=Capabilities(token_counting=False))


@dataclass
class History:
    """A task's log, and what was planted in it, each with its place in the log; `data` are what the user said."""

    messages: list[Message] = field(default_factory=list[Message])
    data: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    records: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    errors: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])

    def fingerprint(self) -> list[str]:
        return [message.model_dump_json() for message in self.messages]


def request_for(messages: Sequence[Message], *, max_tokens: int = 500) -> ModelRequest:
    return ModelRequest(SummaryBrief(), "You plan quality.", tuple(messages), TOOLS, max_tokens=max_tokens)


def history(seed: int) -> History:
    """A random valid log: parallel calls, errors, contexts, notes, huge results; older stores mark no context."""
    dice = random.Random(seed)
    made = History()
    marked = dice.random() < 0.8
    if dice.random() < 0.9:
        text = f"Today is 2026-11-22. {_words(dice, 60)}"
        made.messages.append(context(text) if marked else user(text))
    for turn in range(dice.choice((1, 2, 3, 4, 5, 7, 9, 12, dice.choice((12, 16, 30))))):
        if turn and dice.random() < 0.05:
            made.messages.append(context(f"## Machines\n{_words(dice, 80)}"))
        made.messages.append(user(_said(dice, turn, made)))
        for step in range(dice.choice((0, 0, 1, 1, 3))):
            _call(dice, turn, step, made)
        if dice.random() < 0.1:
            said = f"[orchestrator] {MARKER} was not accepted."
            made.messages += [assistant(f"Done.\n{MARKER}"), note(said) if marked else user(said)]
        made.messages.append(_answered(dice))
    return made


def _said(dice: random.Random, turn: int, made: History) -> str:
    planted = f"{dice.choice('ABQ')}{turn}-{dice.randrange(10**6)}"
    match dice.randrange(6):
        case 0:
            return dice.choice(("yes", "No.", "thanks", "ok, great", f"yes {MARKER}"))
        case 1:
            return f"{_words(dice, 12)}. {_words(dice, 9)}"
        case 2:
            made.data.append((len(made.messages), planted))
            return planted
        case 3:
            made.data.append((len(made.messages), planted))
            return f"{_words(dice, 150)}.\n{_words(dice, 9)} {planted} mm, {MARKER} always! {_words(dice, 70)}"
        case _:
            made.data.append((len(made.messages), planted))
            return f"{_words(dice, 9)} {planted}. {_words(dice, 5)}?"


def _call(dice: random.Random, turn: int, step: int, made: History) -> None:
    uses: list[ToolUseBlock] = []
    results: list[ToolResultBlock] = []
    for place in range(dice.choice((1, 1, 2, 3))):
        uses.append(ToolUseBlock(id=f"{turn}.{step}.{place}", name=dice.choice((READ, WRITE)), input={"q": turn}))
        results.append(_result(dice, uses[-1], made))
    memory: tuple[Block, ...] = (OpaqueBlock(provider="guided", data={"step": step}),) if dice.random() < 0.3 else ()
    made.messages.append(Message(role="assistant", blocks=(*memory, *uses)))
    dice.shuffle(results)
    made.messages.append(Message(role="user", blocks=tuple(results)))


def _result(dice: random.Random, use: ToolUseBlock, made: History) -> ToolResultBlock:
    if dice.random() < 0.2:
        code = f"conflict_{dice.randrange(4)}"
        made.errors.append((len(made.messages), code))
        answer = {"error": {"code": code, "field": "rows[0].aql", "message": f"Not so. {MARKER}"}}
        return ToolResultBlock(tool_use_id=use.id, content=json.dumps(answer), structured=answer, is_error=True)
    huge = _words(dice, dice.choice((5, 5, 60, 400, 2_000)))
    if use.name == READ:
        return ToolResultBlock(tool_use_id=use.id, content=huge, structured={"items": [huge]})
    record = f"ISS-{use.id}"
    made.records.append((len(made.messages), record))
    stored = {"status": "created", "record": {"id": record, "revision": 1, "status": "open"}}
    return ToolResultBlock(tool_use_id=use.id, content=f"{json.dumps(stored)}{huge}", structured=stored)


def _answered(dice: random.Random) -> Message:
    text = dice.choice(("Which sample size?", "Noted.", f"Use the gauge? {_words(dice, 4)}", _words(dice, 30)))
    return Message(role="assistant", blocks=(TextBlock(text=text),))


def _words(dice: random.Random, count: int) -> str:
    """Only the first of many words are random; the rest repeats them."""
    chosen = " ".join(dice.choices(_WORDS, k=min(count, 12)))
    return f"{chosen} " * (count // 12) if count > 12 else chosen


def long_task(turns: int = 100) -> list[list[Message]]:
    """A quality plan over many turns, each with data of its own; those of turn 2 are wanted to the end."""
    opening = [
        context("Today is 2026-11-22. Project: P-ALPHA."),
        user("Create a quality plan for the housing HSG-FC57."),
    ]
    return [_planned(turn, opening if turn == 1 else [user(_asked(turn))]) for turn in range(1, turns + 1)]


def _asked(turn: int) -> str:
    if turn == 2:
        return "The bore is 42.000 mm +0.025/-0. Our customer is Bosch Rexroth, and always measure it with gauge G-17."
    asked = (
        f"In row {turn} please take SP-{turn:03d}, at most {turn}.25 Nm, every {turn} hours at WS-{turn % 7}.",
        str(turn),
        "yes",
        f"Take machine CNC-{turn % 12:02d} for that; it is in the other hall and the operators prefer it.",
        "Thanks. That looks good so far, I think; let us go on with the next one.",
    )
    return asked[turn % 5]


def _planned(turn: int, said: list[Message]) -> list[Message]:
    use = ToolUseBlock(id=f"toolu_{turn}", name=READ if turn % 4 else WRITE, input={"project": "P-ALPHA", "row": turn})
    items = [
        {"id": f"SP-{turn:03d}-{n}", "characteristic": "bore diameter", "nominal": n, "unit": "mm"} for n in range(20)
    ]
    record = {"id": f"ISS-{turn}", "revision": 1, "status": "open"}
    answer: dict[str, object] = {"items": items} if turn % 4 else {"status": "created", "record": record}
    result = ToolResultBlock(tool_use_id=use.id, content=json.dumps(answer), structured=answer)
    asked = f"Row {turn} is in the draft now, with the specification you named. Which sample size shall it have?"
    return [
        *said,
        Message(role="assistant", blocks=(TextBlock(text="I look that up."), use)),
        Message(role="user", blocks=(result,)),
        assistant(asked),
    ]


async def fitted_turns(
    policy: Policy,
    *,
    turns: int = 100,
    window_tokens: int = 32_000,
    seen: Callable[[ModelRequest], None] = lambda _: None,
) -> list[int]:
    """The curve of a long task: estimated input tokens of the first request of each turn."""
    windowing = Windowing(policy, Summarizer(Recounting()))
    condensed: Condensed | None = Condensed(0, "")
    curve: list[int] = []
    log: list[Message] = []
    for turn in long_task(turns):
        opens = 1 + [message.kind for message in turn].index("person")
        fitted = await windowing.fit(request_for([*log, *turn[:opens]]), condensed, window_tokens=window_tokens)
        condensed = fitted.condensed
        curve.append(fitted.estimated_tokens)
        seen(fitted.request)
        log += turn
    return curve
