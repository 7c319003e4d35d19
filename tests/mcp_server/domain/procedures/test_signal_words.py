import pytest

from mcp_server.domain.procedures.signal_words import check_hazard, signal_word_for
from mcp_server.domain.records import Hazard, SignalWord

DANGER, WARNING, CAUTION, NOTICE = SignalWord.DANGER, SignalWord.WARNING, SignalWord.CAUTION, SignalWord.NOTICE


def hazard(word: SignalWord, consequence: str) -> Hazard:
    return Hazard(hazard="Moving ram", consequence=consequence, avoidance="Keep clear", signal_word=word)


@pytest.mark.parametrize(
    ("consequence", "word"),
    [
        ("Contact will cause death.", DANGER),
        ("Death or serious injury will result", DANGER),
        ("Will crush the hand", DANGER),
        ("High voltage always kills", DANGER),
        ("Touching the bus bar will cause electrocution; bystanders could be burned", DANGER),
        ("Could amputate fingers", WARNING),
        ("Fingers may be crushed between die and part", WARNING),
        ("You could die", WARNING),
        ("Electric shock", WARNING),
        ("Loss of an eye", WARNING),
        ("Permanent hearing loss", WARNING),
        ("May sever a finger", WARNING),
        ("Severe burns are possible", WARNING),
        ("Contact will likely cause death", WARNING),
        ("Will not normally be fatal", WARNING),
        ("The door will open. Hot steam could cause serious burns.", WARNING),
        ("The ram will move. Fatal crushing", WARNING),
        ("Entanglement of hair in the machine", WARNING),
        ("Third-degree burn", WARNING),
        ("Crushed by the press", WARNING),
        ("Could cause cuts", CAUTION),
        ("Coolant can irritate the skin", CAUTION),
        ("Will cause minor burns", CAUTION),
        ("Fingers pinched in the door", CAUTION),
        ("A bump on the head", CAUTION),
        ("Severe eye irritation", CAUTION),
        ("Damage to the spindle", NOTICE),
        ("Serious damage to the machine", NOTICE),
        ("Mounting face scratched, part is scrap", NOTICE),
        ("The die breaks", NOTICE),
        ("Fractured tool and damage to the fixture", NOTICE),
        ("Will scrap the housing", NOTICE),
        ("Noise, without injury", NOTICE),
        ("Parts spill, but this will not cause injury", NOTICE),
        ("Do not do this", None),
        ("Bad luck", None),
    ],
)
def test_the_word_follows_from_severity_and_certainty(consequence: str, word: SignalWord | None):
    assert signal_word_for(consequence) is word


@pytest.mark.parametrize("consequence", ["FATAL crushing", "Fatal\n crushing", "could be fatal"])
def test_spelling_and_spacing_do_not_matter(consequence: str):
    assert signal_word_for(consequence) is WARNING


@pytest.mark.parametrize(
    ("given", "consequence", "needed"),
    [
        (NOTICE, "Could cut the hand", CAUTION),
        (NOTICE, "Could be fatal", WARNING),
        (CAUTION, "Could crush the hand", WARNING),
        (CAUTION, "Will amputate the hand", DANGER),
        (WARNING, "Will kill", DANGER),
    ],
)
def test_a_word_too_weak_stops_and_names_the_right_one(given: SignalWord, consequence: str, needed: SignalWord):
    (finding,) = check_hazard(hazard(given, consequence))
    assert finding.stops
    assert finding.field == "signal_word"
    assert f"{given} understates" in finding.message
    assert finding.suggestion == f"Use {needed}, or correct the consequence."


@pytest.mark.parametrize(
    ("given", "consequence"),
    [(DANGER, "Could be fatal"), (DANGER, "Amputation"), (WARNING, "Could cut the hand"), (CAUTION, "Tool damage")],
)
def test_a_word_too_strong_only_warns(given: SignalWord, consequence: str):
    (finding,) = check_hazard(hazard(given, consequence))
    assert not finding.stops
    assert "overstates" in finding.message


def test_a_consequence_that_says_nothing_is_not_judged_but_named():
    (finding,) = check_hazard(hazard(CAUTION, "Bad luck"))
    assert not finding.stops
    assert finding.field == "consequence"
    assert "was not checked" in finding.message


@pytest.mark.parametrize(
    ("word", "consequence"),
    [(DANGER, "Will kill"), (WARNING, "Could kill"), (CAUTION, "Could cut the hand"), (NOTICE, "Tool damage")],
)
def test_the_right_word_has_no_finding(word: SignalWord, consequence: str):
    assert check_hazard(hazard(word, consequence)) == []


def test_denying_an_injury_does_not_hide_another_one():
    assert signal_word_for("No injury at rest, but the ram could crush a hand") is WARNING
    assert signal_word_for("Without guard injury could result") is CAUTION
