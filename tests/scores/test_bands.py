import pytest

from cem_cases.scores import BANDS, Band, Metric, band


@pytest.mark.parametrize(
    ("metric", "scale", "expected"),
    [
        # The only scale of NPS: 0-6, 7-8, 9-10.
        ("nps", (0, 10), "ddddddd pp PP"),
        # Top-2 box on five points: the usual CSAT question.
        ("csat", (1, 5), "dd n ss"),
        # Seven points: still two boxes of two, the middle is wider.
        ("csat", (1, 7), "dd nnn ss"),
        # Ten points, from 1.
        ("csat", (1, 10), "dd nnnnnn ss"),
        # Eleven points, from 0.
        ("csat", (0, 10), "dd nnnnnnn ss"),
        # Four points: nobody is neutral.
        ("csat", (1, 4), "dd ss"),
        # Three smileys: boxes of two would overlap, so boxes of one.
        ("csat", (1, 3), "d n s"),
        # Thumb down, thumb up.
        ("csat", (0, 1), "d s"),
        # A scale around zero.
        ("csat", (-2, 2), "dd n ss"),
        # CES 2.0: 5, 6 and 7 of seven are easy.
        ("ces", (1, 7), "hhh n eee"),
        # Five points.
        ("ces", (1, 5), "hh n ee"),
        # An even number of points has no middle.
        ("ces", (1, 10), "hhhhh eeeee"),
        # Eleven points, from 0.
        ("ces", (0, 10), "hhhhh n eeeee"),
    ],
)
def test_every_point_of_a_scale_has_its_band(metric, scale, expected):
    low, high = scale
    words = {
        "nps": {"d": "detractor", "p": "passive", "P": "promoter"},
        "csat": {"d": "dissatisfied", "n": "neutral", "s": "satisfied"},
        "ces": {"h": "difficult", "n": "neutral", "e": "easy"},
    }[metric]

    found = [band(metric, score, low, high) for score in range(low, high + 1)]

    assert found == [words[letter] for letter in expected.replace(" ", "")]


@pytest.mark.parametrize(
    ("metric", "score", "scale", "message"),
    [
        ("nps", 11, (0, 10), "from 0 to 10"),  # "blank" in the SFO survey
        ("nps", -1, (0, 10), "from 0 to 10"),  # below
        ("nps", 6.5, (0, 10), "whole score"),  # between two bands
        ("csat", float("nan"), (1, 5), "from 1 to 5"),  # not a number
        ("csat", 0, (1, 5), "from 1 to 5"),  # "blank" again
        ("ces", 8, (1, 7), "from 1 to 7"),  # above
        ("nps", 3, (1, 5), "0 to 10 only"),  # NPS has one scale
        ("ces", 1, (1, 1), "no two points"),  # one point tells nothing
        ("csat", 3, (5, 1), "no two points"),  # the wrong way round
        ("nps2", 3, (0, 10), "nps2"),  # an unknown metric
    ],
)
def test_what_is_off_the_scale_is_refused(metric, score, scale, message):
    with pytest.raises(ValueError, match=message):
        band(metric, score, *scale)


def test_each_metric_has_three_bands_from_worst_to_best():
    assert list(BANDS) == list(Metric)
    assert BANDS[Metric.NPS] == ("detractor", "passive", "promoter")
    assert {each for bands in BANDS.values() for each in bands} == set(Band)
