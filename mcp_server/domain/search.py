"""How well a record fits the words somebody searched for."""

import re

__all__ = ["score", "words_of"]

_WORD = re.compile(r"[\w./-]+")


def words_of(text: str) -> tuple[str, ...]:
    """The words of two characters and more, in lower case, each once; ids such as `MC-103` stay whole."""
    return tuple(dict.fromkeys(word for word in _WORD.findall(text.casefold()) if len(word) > 1))


def score(q: str, *, record_id: str, title: str, text: str) -> float:
    """From 0, nothing of it, to 1, the id or the title itself; else the mean over the words of `q`.

    A word counts 0.95 in the id, with or without its hyphens (`MC-103` is in `PM-MC103-03`), 0.9 as a word of the
    title, 0.7 as a part of one, and 0.5 elsewhere in `text`.
    """
    if q.strip().casefold() in {record_id.casefold(), title.casefold()}:
        return 1.0
    words, in_title = words_of(q), set(words_of(title))

    def of_word(word: str) -> float:
        if word in record_id.casefold() or _plain(word) in _plain(record_id):
            return 0.95
        if word in in_title:
            return 0.9
        return 0.7 if word in title.casefold() else 0.5 if word in text.casefold() else 0.0

    return round(sum(of_word(word) for word in words) / max(len(words), 1), 2)


def _plain(text: str) -> str:
    return text.casefold().replace("-", "")
