"""Which parts of a person's words are data: figures, identifiers, dates, names, quotations, and standing instructions.

It errs on the side of keeping: what it wrongly takes for data costs a few tokens, what it overlooks is lost. Pure.
"""

import re
from functools import lru_cache

__all__ = ["as_line", "bare_data", "carries_data", "data_in", "instructs", "keywords", "sentences_of", "windows_in"]

_DATUM = re.compile(
    r"""
      "[^"]{1,80}" | “[^”]{1,80}” | „[^“”]{1,80}[“”] | (?<!\w)'[^']{2,80}'(?!\w)                     # quoted
    | (?<![^\s"“”„,;:()\[\]{}])[^\s"“”„,;:()\[\]{}]*\d(?:[^\s"“”„;()\[\]{}]*[^\s"“”„;:()\[\]{}.,!?])?   # figures, ids
    | \b[A-ZÀ-ÖØ-ÞΑ-ΩА-Я]{2,}(?:-[A-Z]+)*\b                                                          # CNC, HSG-FC
    | (?<=[\w,][ ])[A-ZÀ-ÖØ-ÞΑ-ΩА-Я][\w&'-]+(?:[ ][A-ZÀ-ÖØ-ÞΑ-ΩА-Я][\w&'-]+)*                         # names
    | \b(?:today|tomorrow|tonight|yesterday|daily|weekly|monthly|yearly|hourly|twice|half|dozen|hundred|thousand
        |two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|first|second|third
        |mondays?|tuesdays?|wednesdays?|thursdays?|fridays?|saturdays?|sundays?
        |january|february|march|april|june|july|august|september|october|november|december)\b
    """,
    re.VERBOSE,
)
_NO_DATA = frozenset({"I", "OK", "I'm", "I'll", "I'd", "I've"})
_INSTRUCTION = re.compile(
    r"\b(?:remember|always|never|must|mustn't|do not|don't|from now on|important|except|only|at least|at most)\b",
    re.IGNORECASE,
)
_STANDING = re.compile(
    r"\b(?:remember|(?<!as )always|never|must|mustn't|(?<!I )(?<!we )(?<!they )(?:do not|don't)|from now on|only)\b",
    re.IGNORECASE,
)
_UNIT = re.compile(
    r" (?:%|°C|[µukcm]?m|mm²|k?N|Nm|k?g|l|m?bar|M?Pa|m?s|sec|min|h|hours?|days?|weeks?|months?|rpm|pcs|pieces|parts)"
    r"(?![\w/-])"
)
_SENTENCE_END = re.compile(r"(?<=[.!?;]) +")
_EDGES = "\"'“”„.,;:!?()[]{}"
_FILLER_WORDS = (
    "a an the is are was were be been am i we you it its this that these those of to and or in on at by with from as so"
    " do does did have has had will would can could should shall may might our your my their there here please just"
    " also then what which who how me us let let's want need like know about well what's it's i'm"
)
_FILLER = frozenset(_FILLER_WORDS.split())
_WORDS_BEFORE = 3
_MOST_WORDS_OF_AN_INSTRUCTION = 12
_MOST_READ = 8_000  # characters of one message; a longer one is a pasted document


@lru_cache(maxsize=1024)
def as_line(text: str) -> str:
    """On one line, without characters that do not print, so that no text can pass for more than one entry."""
    words = " ".join(text[:_MOST_READ].split())
    return words if words.isprintable() else "".join(filter(str.isprintable, words))


@lru_cache(maxsize=4096)
def data_in(text: str) -> tuple[str, ...]:
    """The data as they stand in the text, in order."""
    return tuple(found for found in _DATUM.findall(text) if found not in _NO_DATA)


def carries_data(text: str) -> bool:
    return bool(data_in(text)) or _INSTRUCTION.search(text) is not None


def instructs(sentence: str) -> bool:
    """Whether it says what holds from now on, and not only what is; a question does not."""
    return _STANDING.search(sentence) is not None and not sentence.rstrip().endswith("?")


def bare_data(text: str) -> str:
    """The data alone, figures with their units; what stands side by side in the text stays so."""
    runs: list[str] = []
    end = -1
    for found in _DATUM.finditer(text):
        if found.group() in _NO_DATA or found.start() < end:
            continue
        unit = _UNIT.match(text, found.end()) if any(map(str.isdigit, found.group())) else None
        datum = found.group() + (unit.group() if unit else "")
        adjoins = found.start() == end + 1 and text[end] == " "
        runs[-1:] = [f"{runs[-1]} {datum}"] if adjoins else [*runs[-1:], datum]
        end = unit.end() if unit else found.end()
    return ", ".join(dict.fromkeys(runs))


def sentences_of(line: str) -> list[str]:
    return _SENTENCE_END.split(line)


def keywords(text: str, *, most: int) -> str:
    """The last words that say something: of "Which sample size do you want?", "sample size"."""
    words = [word.strip(_EDGES) for word in text.split()]
    return " ".join([word for word in words if word and word.casefold() not in _FILLER][-most:])


@lru_cache(maxsize=4096)
def windows_in(line: str) -> str:
    """The data with the few words before them that say what they are; instructions without their filler."""
    return " … ".join(filter(None, map(_window, sentences_of(line))))


def _window(sentence: str) -> str:
    data = {part for datum in data_in(sentence) for part in datum.split()}
    words = [word for word in sentence.split() if word in data or word.strip(_EDGES).casefold() not in _FILLER]
    kept = set[int]()
    if _INSTRUCTION.search(sentence):
        kept |= set(range(min(len(words), _MOST_WORDS_OF_AN_INSTRUCTION)))
    for place, word in enumerate(words):
        if word in data or word.strip(_EDGES) in data or _DATUM.search(word):
            kept |= set(range(max(0, place - _WORDS_BEFORE), min(len(words), place + 2)))
    return " ".join(words[place] for place in sorted(kept))
