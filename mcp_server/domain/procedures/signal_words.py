"""Which signal word a hazard statement needs (ANSI Z535.4, 4.14), read from the words of its consequence.

DANGER: death or serious injury will result. WARNING: could result. CAUTION: minor or moderate injury could result.
NOTICE: no personal injury. A word too weak misleads whoever reads it, so that is an error; one too strong only wears
the stronger word out, so that is a warning. Where words are open to doubt, people are taken to be meant.
"""

import re

from mcp_server.domain.quality.control_plan import Finding
from mcp_server.domain.records import Hazard, SignalWord

__all__ = ["check_hazard", "signal_word_for"]

_MEANING = {
    SignalWord.NOTICE: "no personal injury",
    SignalWord.CAUTION: "minor or moderate injury",
    SignalWord.WARNING: "death or serious injury could result",
    SignalWord.DANGER: "death or serious injury will result",
}
_STRENGTH = tuple(_MEANING)


def _words(*alternatives: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(alternatives)})\b")


_PARTS_OF_THE_BODY = (
    "arms?|eyes?|eyesight|fingers?|fingertips?|foot|feet|hands?|hearing|legs?|limbs?|sight|thumbs?|toes?"
)
_PEOPLE = _words(
    "eyes?|eyesight|fingers?|fingertips?|hair|hands?|hearing|limbs?|lungs?|skin|sight|thumbs?|toes?",
    "bystanders?|operators?|persons?|personnel|people|workers?|you",
)
_PEOPLE_OR_THINGS = _words("arms?|body|bodily|bones?|ears?|face|feet|foot|heads?|legs?")
_HARM = _words(
    "injur(?:y|ies|e|ed|ing)|harm|wounds?|burns?|burned|scald\\w*|lacerat\\w*|abrasions?|bruis\\w*|cuts?|pinch\\w*",
    "sprains?|strains?|irritat\\w*|dermatitis|allerg\\w*|trauma|concussion|sensiti[sz]ation|nausea|dizziness|pain",
    "inhal\\w*",
)
_SERIOUS = (
    _words(
        "deaths?|deadly|die[ds]?\\sfrom|(?:will|could|can|may|might|would)\\sdie|fatal\\w*|lethal|kill(?!\\sswitch)\\w*",
        "life[\\s-]threatening|loss\\sof\\slife|electrocut\\w*|electric(?:al)?\\sshocks?|asphyxia\\w*|suffocat\\w*",
        "drown\\w*|poison\\w*|unconscious\\w*|paraly\\w*|amputat\\w*|degloving|blind(?:ness|ed|s)?|deaf(?:ness)?",
        "maim\\w*|entangle\\w*|explo(?:de|des|sion|sions|sive)|(?:drawn|pulled)\\sin(?:to)?|broken\\sbones?",
    ),
    re.compile(
        r"\b(?:serious|severe|seriously|severely|permanent|permanently|irreversible|disabling|major|critical"
        r"|(?:second|third)[\s-]degree)(?:ly)?\s(?:\w+\s){0,3}?"
        r"(?:injur\w*|harm\w*|burn\w*|scald\w*|wound\w*|cuts?|lacerat\w*|trauma"
        r"|(?:eye|lung|nerve|hearing|skin)\sdamage)\b"
    ),
    re.compile(
        r"\b(?:loss|lose|losing|sever|severs|severed|severing|cut\soff|torn\soff|tear\soff)\s(?:of\s)?(?:\w+\s){0,3}?"
        rf"(?:{_PARTS_OF_THE_BODY}|consciousness)\b|\b(?:hearing|sight|vision)\sloss\b"
    ),
)
_VIOLENT = _words("crush\\w*|fractur\\w*|impal\\w*")
_DAMAGE = _words(
    "damag\\w*|scrap\\w*|rework|wear|worn|downtime|stoppage|contaminat\\w*|break\\w*|broken|leak\\w*|scratch\\w*|spill\\w*"
)
_THINGS = _words(
    "machines?|tools?|parts?|housings?|fixtures?|gauges?|spindles?|product|equipment|property|environment\\w*"
)
_DENIED = re.compile(
    r"\b(?:no|without|not\s(?:cause|result\sin|lead\sto))\s(?:any\s|personal\s|bodily\s)*(?:injur\w*|harm)\b"
)
_MODAL = re.compile(
    r"\b(?P<will>will(?!\snot\b)|shall|always|certain|certainly|inevitabl[ey]|invariably)\b"
    r"|\b(?:could|can|may|might|would|possibl[ey]|potential\w*|likely|risk)\b"
)


def signal_word_for(consequence: str) -> SignalWord | None:
    """The signal word that a consequence calls for; None when its words tell neither injury nor damage."""
    told = " ".join(consequence.casefold().split())
    text = _DENIED.sub("", told)
    damage = _DAMAGE.search(text) is not None
    people = _PEOPLE.search(text) or _HARM.search(text) or (not damage and _PEOPLE_OR_THINGS.search(text))
    serious = [found for pattern in _SERIOUS for found in pattern.finditer(text)]
    if people or not damage:
        serious += _VIOLENT.finditer(text)
    if serious:
        certain = any(_is_certain(text, found.start()) for found in serious)
        return SignalWord.DANGER if certain else SignalWord.WARNING
    if people:
        return SignalWord.CAUTION
    return SignalWord.NOTICE if damage or _THINGS.search(text) or text != told else None


def check_hazard(hazard: Hazard) -> list[Finding]:
    """Whether the signal word of a hazard statement fits its consequence."""
    needed, given = signal_word_for(hazard.consequence), hazard.signal_word
    if needed is None:
        unclear = f"{hazard.consequence!r} names neither injury nor damage, so {given} was not checked"
        remedy = "Say what it does to people or things, and whether it will or could."
        return [Finding("consequence", unclear, remedy, stops=False)]
    if needed is given:
        return []
    understated = _STRENGTH.index(given) < _STRENGTH.index(needed)
    verb = "understates" if understated else "overstates"
    return [
        Finding(
            "signal_word",
            f"{given} {verb} {hazard.consequence!r}, which calls for {needed} ({_MEANING[needed]})",
            f"Use {needed}, or correct the consequence.",
            stops=understated,
        )
    ]


def _is_certain(text: str, at: int) -> bool:
    """Whether the nearest word of certainty before, or else the first one after, in the same sentence, says so."""
    start = max(text.rfind(mark, 0, at) for mark in ".;:") + 1
    ends = [end for mark in ".;:" if (end := text.find(mark, at)) >= 0]
    modals = list(_MODAL.finditer(text, start, min(ends, default=len(text))))
    before = [modal for modal in modals if modal.start() <= at]
    deciding = before[-1] if before else next(iter(modals), None)
    return deciding is not None and deciding["will"] is not None
