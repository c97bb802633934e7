"""What the answers mean: the band of the score, the sentiment of the comment."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from cem_cases import scores
from cem_cases.conf import plugin
from cem_cases.loop.facts import Answer
from cem_cases.models import Survey


def needed() -> set[str]:
    """Return the names of the facts that analysing needs."""
    return {"comment", "language"} if plugin("COMMENT_ANALYSER") else set()


def analyze(answers: Sequence[Answer]) -> None:
    """Set `band` and `sentiment` of these answers, and the facts of these names.

    Their facts have what is `needed`.
    """
    put_bands(answers)
    sentiment = plugin("COMMENT_ANALYSER")
    if not sentiment:
        return
    for answer in answers:
        if comment := answer.facts.get("comment"):
            found = _between(sentiment(comment, answer.facts.get("language", "")))
            answer.sentiment = found
            if found is not None:
                answer.facts["sentiment"] = found


def put_bands(answers: Sequence[Answer]) -> None:
    """Set `band` of these answers, and the fact of this name."""
    bands: dict[tuple[int, int], str] = {}
    for answer in answers:
        if answer.score is not None:
            key = answer.survey.pk, answer.score
            if key not in bands:
                bands[key] = _band(answer.survey, answer.score)
            answer.band = answer.facts["band"] = bands[key]


def _between(found: float | None) -> Decimal | None:
    """Return a sentiment from -1 to 1 as it is stored; anything else is none."""
    if found is None or not -1 <= found <= 1:  # NaN is not between either
        return None
    return round(Decimal(str(found)), 3)


def _band(survey: Survey, score: int) -> str:
    return str(scores.band(survey.metric, score, survey.scale_min, survey.scale_max))
