"""What the answers mean: the band of the score, the sentiment of the comment."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from cem_cases import scores
from cem_cases.conf import plugin
from cem_cases.models import Response, Survey


def analyze(responses: Sequence[Response]) -> None:
    """Set `band` and `sentiment` of these responses; saves nothing."""
    surveys = Survey.objects.in_bulk({response.survey_id for response in responses})
    sentiment = plugin("COMMENT_ANALYSER")
    for response in responses:
        response.survey = survey = surveys[response.survey_id]
        response.band = "" if response.score is None else _band(survey, response.score)
        if sentiment and response.comment:
            response.sentiment = _between(
                sentiment(response.comment, response.language)
            )


def _between(found: float | None) -> Decimal | None:
    """Return a sentiment from -1 to 1 as it is stored; anything else is none."""
    if found is None or not -1 <= found <= 1:  # NaN is not between either
        return None
    return round(Decimal(str(found)), 3)


def _band(survey: Survey, score: int) -> str:
    return str(scores.band(survey.metric, score, survey.scale_min, survey.scale_max))
