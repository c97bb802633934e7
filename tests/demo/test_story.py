"""The demo's story: the same for the same seed, with a rhythm, a dip, and sense."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from cem_cases.intake.values import parse_response
from cem_cases.scores import band, nps
from demo_project import comments, story

ENDS = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
SCALES = {"relationship": "nps", "order": "nps", "delivery": "csat", "support": "ces"}
LOWEST = ("detractor", "dissatisfied", "difficult")
HIGHEST = ("promoter", "satisfied", "easy")


@pytest.fixture(scope="module")
def told():
    return story.tell(seed=7, size=4_000, days=730, ends=ENDS)


def band_of(answer):
    metric = SCALES[answer.survey]
    low, high = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}[metric]
    return str(band(metric, answer.score, low, high))


def nps_of(answers):
    return nps([a.score for a in answers if SCALES[a.survey] == "nps"])


def test_the_same_seed_tells_the_same_story(told):
    again = story.tell(seed=7, size=4_000, days=730, ends=ENDS)
    another = story.tell(seed=8, size=4_000, days=730, ends=ENDS)

    assert again == told
    assert another.answers != told.answers


def test_it_is_as_long_as_it_was_asked_to_be(told):
    assert 3_900 < len(told.answers) < 4_100
    assert told.begins <= told.answers[0].answered_at
    assert told.answers[-1].answered_at < ENDS
    assert (ENDS - told.begins).days == 730


def test_every_answer_reaches_the_site_once_and_after_it_was_given(told):
    delivered = [a for delivery in told.deliveries for a in delivery.answers]

    assert delivered == list(told.answers)
    assert all(a.answered_at < d.at for d in told.deliveries for a in d.answers)
    assert [d.at for d in told.deliveries] == sorted(d.at for d in told.deliveries)


def test_every_answer_is_one_that_the_site_takes(told):
    for answer in told.answers:
        parse_response(answer.as_raw(), now=ENDS)


def test_there_is_a_dip_with_a_cause(told):
    def late(answers):
        low = [a for a in answers if a.cause]
        return sum(a.cause == story.LATE for a in low) / len(low)

    inside = [a for a in told.answers if told.in_dip(a.answered_at)]
    outside = [a for a in told.answers if not told.in_dip(a.answered_at)]

    assert (told.dip_ends - told.dip_begins).days == 49
    assert nps_of(inside).high < nps_of(outside).low - 15
    assert late(inside) > 0.5 > 0.25 > late(outside)


def test_a_week_has_a_rhythm(told):
    days = Counter(answer.answered_at.weekday() for answer in told.answers)

    assert days[0] > 1.5 * days[6]


def test_customers_answer_more_than_once_but_not_every_day(told):
    many = Counter(answer.person.number for answer in told.answers)

    assert 3 < len(told.answers) / len(many) < 7
    assert {a.person.language for a in told.answers} == {"en", "de"}


def test_comments_fit_the_score_the_cause_and_the_touchpoint(told):
    for answer in told.answers:
        found, language = band_of(answer), answer.person.language
        assert bool(answer.cause) == (found in LOWEST)
        if answer.cause:
            fitting = [
                *comments.UNHAPPY[answer.cause][language],
                *comments.ANGRY[language],
            ]
        elif found in HIGHEST:
            fitting = comments.HAPPY[answer.touchpoint][language]
        else:
            fitting = comments.LUKEWARM[answer.touchpoint][language]
        rest = answer.comment
        for sentence in [*fitting, *comments.CALL_ME[language]]:
            rest = rest.replace(sentence, "")
        assert not rest.strip()


def test_every_cause_can_be_told_in_both_languages_and_put_right():
    causes = {cause for question in story.QUESTIONS for cause in question.causes}

    assert causes == set(comments.UNHAPPY)
    assert causes < set(comments.REMEDIES)
    assert all(words.keys() == {"en", "de"} for words in comments.UNHAPPY.values())
