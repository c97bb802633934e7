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
            found = sentiment(response.comment, response.language)
            response.sentiment = (
                None if found is None else round(Decimal(str(found)), 3)
            )


def _band(survey: Survey, score: int) -> str:
    return str(scores.band(survey.metric, score, survey.scale_min, survey.scale_max))
