import pytest

from mcp_server.domain.search import score, words_of


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("MC-103", 1.0),
        ("hmc 3", 1.0),
        ("HMC", 0.9),
        ("mc103", 0.95),
        ("spindle", 0.5),
        ("hmc spindle", 0.7),
        ("hmc grinder", 0.45),
        ("grinder", 0.0),
        ("H", 0.0),
    ],
)
def test_a_record_scores_by_where_the_words_stand(q: str, expected: float):
    assert score(q, record_id="MC-103", title="HMC 3", text="HMC 3 spindle service") == expected


def test_a_part_of_a_word_of_the_title_counts_less_than_the_word():
    assert score("torque", record_id="X", title="torquemeter", text="") == 0.7
    assert score("torque", record_id="X", title="torque tool", text="") == 0.9


def test_words_keep_ids_whole_and_come_once():
    assert words_of("Leak LEAK at LT-131, 0.3 bar") == ("leak", "at", "lt-131", "0.3", "bar")
