"""The interview: from what was last said or looked up to the next question or call. Pure, one step at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator_client.context.task_context import filled_in
from orchestrator_client.dialogue.choices import place_in
from orchestrator_client.dialogue.confirmation import CONFIRMATION, YES
from orchestrator_client.dialogue.json_values import as_list, as_object
from orchestrator_client.dialogue.messages import ToolResultBlock
from orchestrator_client.models.guided.answers import (
    LEFT_OUT,
    NO,
    SKIP,
    Problem,
    read_answer,
    read_choice,
    word,
)
from orchestrator_client.models.guided.choices import choices_in, guess, options_of, same_as_before
from orchestrator_client.models.guided.form import (
    Field,
    Form,
    Option,
    next_field,
    value_at,
    with_value,
    without_idle,
)
from orchestrator_client.models.guided.objections import kept_with, objection
from orchestrator_client.models.guided.schema import simplified
from orchestrator_client.models.guided.similarity import rank
from orchestrator_client.models.guided.times import Here
from orchestrator_client.models.guided.wording import (
    finished,
    first_sentence,
    lines_of,
    nothing_to_choose,
    question,
    summary,
)
from orchestrator_client.models.protocol import AgentBrief, Goal, ToolSpec

__all__ = ["Call", "Done", "Interview", "Say", "Step"]

_CLEAR_LEAD = 0.08
_MOST_CHOICES = 200


@dataclass(frozen=True, slots=True)
class Say:
    """Ask, and wait for an answer."""

    form: Form
    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """Call a tool, and come back with its result."""

    form: Form
    tool: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Done:
    """The goal is reached."""

    form: Form
    text: str


Step = Say | Call | Done


class Interview:
    """One agent's form filling. Stateless: the form goes in and comes out."""

    def __init__(self, brief: AgentBrief, tools: Sequence[ToolSpec]) -> None:
        self._brief = brief
        self._tools: Mapping[str, ToolSpec] = {tool.name: tool for tool in tools}
        self._goals: Mapping[str, Goal] = {goal.tool: goal for goal in brief.goals}

    def knows(self, form: Form) -> bool:
        """Whether the form's goal is still offered; a server may have changed since."""
        return form.goal is None or (form.goal in self._goals and form.goal in self._tools)

    def begin(self, *, calls: int = 0) -> Step:
        """The first step: which goal, as far as the opening message tells. `calls` have been made before."""
        form = Form(opening=self._brief.opening_message, calls=calls)
        matches = rank(
            form.opening, {goal.tool: [goal.tool.replace("_", " "), *goal.examples] for goal in self._brief.goals}
        )
        if len(matches) == 1 or matches[0].score - matches[1].score >= _CLEAR_LEAD:
            return self._proceed(form.but(stage="fields", goal=matches[0].label))
        return self._ask_goal(form)

    def heard(self, form: Form, text: str) -> Step:
        """The person answered."""
        form = form.but(problem="")
        match form.stage:
            case "goal":
                chosen = read_choice(self._goal_options(), text.strip())
                if isinstance(chosen, Problem):
                    return self._ask_goal(form.but(problem=chosen.text))
                return self._proceed(form.but(stage="fields", goal=chosen))
            case "confirm" | "change":
                return self._decided(form, text.strip())
            case _:
                return self._answered(form, text)

    def returned(self, form: Form, result: ToolResultBlock) -> Step:
        """A tool came back."""
        answer = result.structured or {}
        match form.stage:
            case "check" | "call" if result.is_error:
                return self._objected(form, result)
            case "check":
                warnings = tuple(map(str, as_list(answer.get("warnings"))))
                return self._confirm(form.but(checked=True, warnings=warnings))
            case "call":
                return Done(form.but(stage="done"), finished(self._title(form), answer))
            case _:
                return self._looked_up(form, result)

    def _proceed(self, form: Form) -> Step:
        """Ask for the next field, or go on when none is left."""
        field = next_field(form, self._goal(form), self._schema(form))
        if field is None:
            return self._check_or_call(form.but(asking=None, looked_up=None))
        if form.asking != field.path:
            form = form.but(asking=field.path, looked_up=None, partial=False)
        if field.choice is not None and form.looked_up is None:
            arguments = filled_in(field.choice.arguments, form.values)
            if arguments is not None:
                return self._call(form, field.choice.tool, self._most_items(field.choice.tool, arguments))
        options = self._options(form, field)
        taken = None if field.path in form.guessed else guess(form, field, options, self._brief.known)
        if taken is not None:
            filled = self._filled(form, field, taken)
            return self._proceed(filled.but(guessed=(*form.guessed, field.path), looked_up=None))
        if field.quiet:
            return self._proceed(form.but(skipped=(*form.skipped, field.path), looked_up=None))
        return self._ask(form, field)

    def _ask(self, form: Form, field: Field) -> Say:
        return Say(form, question(form, field, self._options(form, field), same_as_before(form, field)))

    def agreed(self, form: Form, code: str) -> Step:
        """The person agreed to what the server said will happen."""
        return self._call(form.but(stage="call"), self._goal(form).tool, {**form.arguments, CONFIRMATION: code})

    def declined(self, form: Form) -> Step:
        """The person did not agree."""
        return self._change(form, "You did not agree, so nothing was done.")

    def _answered(self, form: Form, text: str) -> Step:
        field = self._open_field(form)
        if field is None or form.asking is None:
            return self._proceed(form)
        if text.strip() == "?":
            return self._ask(form, field)
        if field.more:
            return self._more_or_not(form, field, word(text))
        kept = kept_with(form, self._schema(form), field.path, text)
        if isinstance(kept, Problem):
            return self._ask_again(form, field, kept)
        if kept is not None:
            return self._proceed(form.but(values=kept, offered=(), asking=None, looked_up=None))
        default = same_as_before(form, field)
        if text.strip() in {"", "="} and default is not None:
            value = default
        elif word(text) in {*SKIP, ""} and not field.required:
            return self._proceed(form.but(skipped=(*form.skipped, field.path), asking=None, looked_up=None))
        elif text.strip() == LEFT_OUT:
            value = Problem("This needs an answer; it cannot be left out.")
        else:
            here = Here(self._brief.now, form.time_zone)
            value = read_answer(field, self._options(form, field), text, partial=form.partial, here=here)
        if isinstance(value, Problem):
            return self._ask_again(form, field, value)
        return self._proceed(self._filled(form, field, value).but(asking=None, looked_up=None))

    def _ask_again(self, form: Form, field: Field, problem: Problem) -> Say:
        """Why the answer cannot be used, and the question, so that it stands in what was last said."""
        options, default = self._options(form, field), same_as_before(form, field)
        return Say(form, question(form.but(problem=problem.text), field, options, default, again=True))

    def _filled(self, form: Form, field: Field, value: Any) -> Form:  # noqa: ANN401 - a value of any field
        """The form with this answer, without what hung on another, and with what comes along with it."""
        zones = [option.time_zone for option in form.looked_up or () if option.value == value and option.time_zone]
        values = without_idle(with_value(form.values, field.path, value), self._goal(form))
        return form.but(values=values, time_zone=zones[0] if zones else form.time_zone)

    def _more_or_not(self, form: Form, field: Field, text: str) -> Step:
        path = field.path.removesuffix("[]")
        if text in YES:
            return self._another(form, path)
        if text in NO:
            return self._proceed(form.but(closed_lists=(*form.closed_lists, path), asking=None))
        return self._ask_again(form, field, Problem("Please answer yes or no."))

    def _another(self, form: Form, path: str) -> Step:
        """Another item of a list."""
        count = len(as_list(value_at(form.values, path)))
        return self._proceed(form.but(values=with_value(form.values, f"{path}[{count}]", {}), asking=None))

    def _decided(self, form: Form, text: str) -> Step:
        """An answer to the summary: yes, no, another item, or the line to change."""
        lines = lines_of(form)
        if text == "?":
            return Say(form, summary(form, self._title(form)))
        if word(text) in YES:
            return self._check_or_call(form, confirmed=form.stage == "confirm")
        place = place_in(text, len(lines))
        if place is not None:
            return self._reopen(form, lines[place - 1][0], "")
        if word(text) == "add" and form.closed_lists:
            path, *others = form.closed_lists
            return self._another(form.but(stage="fields", closed_lists=tuple(others)), path)
        return self._change(form, "Nothing was stored." if word(text) in NO else f"{text[:60]!r} is no answer here.")

    def _confirm(self, form: Form) -> Say:
        form = form.but(stage="confirm", asking=None)
        return Say(form, summary(form, self._title(form)))

    def _change(self, form: Form, problem: str) -> Say:
        form = form.but(stage="change", problem=problem, asking=None)
        return Say(form, summary(form, self._title(form)))

    def _objected(self, form: Form, result: ToolResultBlock) -> Step:
        """The server refused: ask for the field it names again, or let the person choose what to change."""
        found = objection(form, self._goal(form), self._schema(form), result)
        if found.path is None:
            return self._change(form, found.text)
        form = form.but(offered=found.offered, refused=value_at(form.values, found.path))
        return self._reopen(form, found.path, found.text)

    def _reopen(self, form: Form, path: str, problem: str) -> Step:
        return self._proceed(
            form.but(
                stage="fields",
                values=with_value(form.values, path, None),
                skipped=tuple(other for other in form.skipped if other != path),
                demanded=(*form.demanded, path),
                guessed=(*form.guessed, path),
                problem=problem,
                asking=None,
                looked_up=None,
            )
        )

    def _check_or_call(self, form: Form, *, confirmed: bool = False) -> Step:
        """Reads are called at once; writes only after a yes, and checked in a dry run before it if they have one."""
        tool = self._tools[self._goal(form).tool]
        if tool.read_only or confirmed:
            return self._call(form.but(stage="call"), tool.name, form.arguments)
        form = form.but(checked=False, warnings=())
        if "dry_run" in as_object(tool.input_schema.get("properties")):
            return self._call(form.but(stage="check"), tool.name, {**form.arguments, "dry_run": True})
        return self._confirm(form)

    def _looked_up(self, form: Form, result: ToolResultBlock) -> Step:
        """The choices of the open field arrived, or could not be had: then any answer is taken and checked later.

        Where the plant has none at all and the server says why, no answer would do; the next message looks again.
        """
        field = self._open_field(form)
        choice = None if field is None else field.choice
        if choice is None:
            return self._proceed(form.but(looked_up=()))
        answer = result.structured or {}
        options, partial = choices_in(answer, choice)
        warnings = as_list(answer.get("warnings"))
        if warnings and answer.get("total") == 0 and not choice.arguments:
            return Say(form.but(asking=None), nothing_to_choose(warnings))
        return self._proceed(form.but(looked_up=options, partial=partial))

    def _options(self, form: Form, field: Field) -> tuple[Option, ...]:
        return options_of(form, field, self._goal(form))

    def _open_field(self, form: Form) -> Field | None:
        return next_field(form, self._goal(form), self._schema(form))

    def _most_items(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Look-ups ask for one large page, where the tool has pages."""
        schema = self._tools[tool].input_schema if tool in self._tools else {}
        limit = as_object(as_object(schema.get("properties")).get("limit"))
        if not limit:
            return arguments
        return {"limit": min(limit.get("maximum", _MOST_CHOICES), _MOST_CHOICES), **arguments}

    def _call(self, form: Form, tool: str, arguments: dict[str, Any]) -> Call:
        return Call(form.but(calls=form.calls + 1), tool, arguments)

    def _ask_goal(self, form: Form) -> Say:
        options = self._goal_options()
        lines = [f"  {number}  {option.label}" for number, option in enumerate(options, start=1)]
        return Say(form, "\n".join([form.problem or "What would you like to do?", *lines, "(number or name)"]))

    def _goal_options(self) -> list[Option]:
        return [Option(value=goal, label=first_sentence(self._tools[goal].description)) for goal in self._goals]

    def _goal(self, form: Form) -> Goal:
        return self._goals[form.goal or ""]

    def _schema(self, form: Form) -> dict[str, Any]:
        return simplified(self._tools[form.goal or ""].input_schema)

    def _title(self, form: Form) -> str:
        return (form.goal or "").replace("_", " ").capitalize()
