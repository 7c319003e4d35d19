"""What a short message is, told without asking a model: a plain answer, a wish to give up, a wish to go back.

Plain answers stay in the task under way, so they are recognized only where nothing in them can be a request. Every
function here is pure, takes time in proportion to the text, and never raises.
"""

import re
from collections.abc import Iterator
from itertools import dropwhile

__all__ = ["asks_back", "is_plain_answer", "wants_out"]

_LONGEST_PHRASE = 80
_LONGEST_REPEATED = 400
_MOST_ASKED = 8_000
_MOST_PARTS = 12
_SHORT_ANSWER_WORDS = 2
_LONGEST_WAY_BACK_WORDS = 8


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_AGREEING = _words(
    """
    y yes yeah yep yup n no nope nah ok okay k sure fine right correct exactly agreed true false please thanks
    thank you good great perfect skip none nothing next continue proceed done confirmed maybe unknown tbd na n/a
    same default yet not that that's thats is it it's
    """
)
_SAYINGS = frozenset(
    {
        "all of them",
        "do it",
        "dont know",
        "don't know",
        "go ahead",
        "go on",
        "i don't know",
        "i dont know",
        "leave it out",
        "looks good",
        "looks right",
        "no idea",
        "not sure",
        "please do",
        "sounds good",
        "store it",
        "that is all",
        "that's all",
        "what do you mean",
        "which one",
        "which ones",
        "why",
    }
)
_JOINING = _words(
    """
    a about all an and any approx approximately around at before after between but by ca each either every few for
    from in is it its it's least less max maximum min minimum minus more most no not number of off on only option
    or per plus than the them then these this those to until up via within x
    """
)
_UNITS = _words(
    """
    % ° °c °f c f k mm cm m km um µm μm in inch inches ft deg degree degrees g kg t mg lb n nm n·m kn bar mbar pa
    kpa mpa psi v mv kv a ma w kw hz khz l ml s sec secs second seconds min mins minute minutes h hr hrs hour
    hours d day days week weeks wk month months year years shift shifts cycle cycles pc pcs piece pieces part
    parts unit units lot lots batch batches percent times am pm utc
    """
)
_VALUES = _words(
    """
    one ones two three four five six seven eight nine ten eleven twelve once twice zero half dozen first second
    third fourth fifth last latter former both neither now today tomorrow yesterday tonight morning noon afternoon
    evening midnight daily weekly monthly quarterly yearly annually hourly monday tuesday wednesday thursday
    friday saturday sunday mon tue wed thu fri sat sun january february march april may june july august september
    october november december jan feb mar apr jun jul aug sep oct nov dec
    """
)
_ASKING = _words(
    """
    add analyze approve arrange assign book build calculate call cancel change check clean close compute create
    delete describe display document draft email escalate explain export file find fix get give help inspect list
    log look make mark move need new open order plan postpone prepare print put raise record reject release remove
    reopen repair replace report reschedule review revise run schedule search send set show start stop submit
    summarize switch tell track train update want withdraw write how what what's when where which who whose
    """
)
_ALARMING = _words(
    """
    accident alarm broken danger down emergency failed faulty fire hurt injured leak leaking leaks smoke stopped
    stuck tripped urgent
    """
)
"""What may report a trouble rather than answer."""

_GIVING_UP = ("abandon", "abort", "cancel", "discard", "drop", "end", "forget", "quit", "scrap", "stop")
_WHAT_IS_GIVEN_UP = ("it", "that", "this", "task", "the task", "this task", "the current task", "my task", "about it")
_OUT = frozenset(
    {f"{verb} {what}" for verb in _GIVING_UP for what in _WHAT_IS_GIVEN_UP}
    | {"abort", "cancel", "quit", "stop", "never mind", "nevermind", "give up", "i give up", "leave it", "let it be"}
)
_POLITE = re.compile(r"(?:(?:please|ok|okay|no|sorry|actually|well|oh|just|let's|lets|can we|i want to)\s+)+")
_POLITE_END = re.compile(r"(?:\s+(?:please|thanks|thank you|then|now))+\Z")
_BACK = re.compile(
    r"(?:take me |bring me |go |going |get |we go |switch )?back(?: to .+)?|return(?: to .+)?"
    r"|(?:continue|resume|carry on|go on)(?: (?:with|where|it|that|this|the|my|our|working)\b.*)?"
    r"|(?:pick up )?where (?:were we|we left off|did we stop|we were)"
)
_LISTED = re.compile(r"(?:\d{1,3}[.):]?|[-*•])\s+(\S.*)")
_COLUMN = re.compile(r"\s{2,}|: | [-\u2013\u2014] | \(")
_SENTENCE_END = re.compile(r"(?<=[.?!\n])")
_LABEL = re.compile(r"^[^\W\d_][\w ·()%]{0,60}:", re.MULTILINE)
_BLANKS = re.compile(r"[\s_]+")
_PART = re.compile(r"[,;/\n]|\band\b")
_RECORD = re.compile(r"[a-z]+-?[a-z]*-?\d[\w-]*")
_LETTER = re.compile(r"[^\W\d_]")
_FIGURE = re.compile(r"[\w.,:/+±%°·<>=()~'\"-]{1,40}")
_EDGES = " \t\r\n.,;:!\"'`*()[]"


def is_plain_answer(text: str, asked: str) -> bool:
    """Whether a message during a task can be nothing but an answer; `asked` is the last text the agent showed."""
    said, asked = _folded(text), asked[-_MOST_ASKED:]
    if not any(sign.isalnum() for sign in said):
        return True
    if wants_out(text, asked):
        return False
    if said.rstrip("?") in _SAYINGS or _is_value(said) or _is_offered(said, asked):
        return True
    words = [word.strip(_EDGES + "?") for word in said.split()]
    answers = "?" not in said and _is_question(asked)
    if len(words) == 1:
        return answers or _repeats(said, asked)
    if not _ASKING.isdisjoint(words):
        return False
    return _repeats(said, asked) or (answers and _ALARMING.isdisjoint(words) and _is_brief(said, asked))


def wants_out(text: str, asked: str) -> bool:
    """Whether a message gives up the task under way: an exact phrase, and not one that the question asks about."""
    said = _phrase(text)
    if said not in _OUT:
        return False
    wish, asked = said.split()[0], asked[-_MOST_ASKED:]
    questions = " ".join(_questions(asked)).casefold()
    return said not in _options(asked) and wish not in _options(asked) and wish not in re.findall(r"\w+", questions)


def asks_back(text: str) -> bool:
    """Whether a message, while no task is active, asks for a task that waits."""
    said = _phrase(text)
    words = said.split()
    if not words or len(words) > _LONGEST_WAY_BACK_WORDS or "new" in words:
        return False
    return _BACK.fullmatch(said) is not None


def _folded(text: str) -> str:
    """Without case, edges and double blanks; typographic apostrophes are plain ones."""
    return _BLANKS.sub(" ", text.casefold().replace("\u2019", "'")).strip(_EDGES)


def _phrase(text: str) -> str:
    """A short message without its polite words; empty for a long one."""
    if len(text) > _LONGEST_PHRASE:
        return ""
    said = _folded(text).rstrip("?").replace(",", "")
    return _POLITE_END.sub("", _POLITE.sub("", said) if said not in _OUT else said).strip()


def _is_value(said: str) -> bool:
    """Agreement, figures with units, dates, times, ids, ordinals: words that together ask for nothing."""
    words = [word for word in (word.strip(_EDGES + "?") for word in said.split()) if word]
    words = list(dropwhile(_AGREEING.__contains__, words))
    if not words:
        return True
    values = [word in _VALUES or _is_figure(word) for word in words]
    rest = (word for word, is_value in zip(words, values, strict=True) if not is_value)
    return any(values) and all(map(_joins, rest))


def _joins(word: str) -> bool:
    """A sign, or words such as `of` and `pcs/shift`."""
    return all(part in _JOINING or part in _UNITS or not _LETTER.search(part) for part in word.split("/"))


def _is_figure(word: str) -> bool:
    """A number, a date, an id: whatever holds a digit and no other signs than those."""
    return _FIGURE.fullmatch(word) is not None and any(sign.isdigit() for sign in word)


def _is_offered(said: str, asked: str) -> bool:
    """A value or label of the list just shown, or one side of a question with "or"."""
    if len(said) > _LONGEST_REPEATED:
        return False
    if said in _options(asked) or said.removeprefix("the ") in _options(asked):
        return True
    either = (_folded(sentence) for sentence in _questions(asked) if re.search(r"\bor\b", sentence))
    return any(_stands_in(said, sentence) for sentence in either)


def _questions(asked: str) -> list[str]:
    return [sentence for sentence in _SENTENCE_END.split(asked) if sentence.endswith("?")]


def _options(asked: str) -> set[str]:
    return {_folded(part) for line in asked.splitlines() for part in _columns(line)} - {""}


def _columns(line: str) -> Iterator[str]:
    """An item of a list as a whole and by its columns; it has a number, a bullet, or is set in."""
    bare = line.strip()
    listed = _LISTED.match(bare)
    if listed is not None or line.startswith("  "):
        item = listed[1] if listed else bare
        yield item
        yield from _COLUMN.split(item)


def _repeats(said: str, asked: str) -> bool:
    """Whether every part of the message stands in the question."""
    if len(said) > _LONGEST_REPEATED:
        return False
    parts = [part.strip(_EDGES + "?").removeprefix("the ") for part in _PART.split(said) if part.strip(_EDGES + "?")]
    question = _folded(asked)
    return len(parts) <= _MOST_PARTS and all(_stands_in(part, question) for part in parts)


def _stands_in(part: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(part)}(?!\w)", text) is not None


def _is_question(asked: str) -> bool:
    """A question mark, a list to choose from, the name of a field with what belongs into it, or how to answer."""
    how = asked.rstrip().rpartition("\n")[2].startswith("(")
    return "?" in asked or how or bool(_options(asked)) or _LABEL.search(asked) is not None


def _is_brief(said: str, asked: str) -> bool:
    """Two words, or a list of such where one was asked for. A record with a word beside it tells something about it.

    Where there is a list to choose from, words that are not in it are no likely answer.
    """
    if len(said) > _LONGEST_REPEATED or _options(asked):
        return False
    parts = [part.split() for part in (re.split(r"[,;]", said) if "comma" in asked else [said])]
    told = any(len(part) > 1 and any(map(_RECORD.fullmatch, part)) for part in parts)
    return len(parts) <= _MOST_PARTS and not told and all(len(part) <= _SHORT_ANSWER_WORDS for part in parts)
