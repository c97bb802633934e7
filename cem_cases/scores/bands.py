"""Which band a score falls into: the field's word for how the customer feels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum


class Metric(StrEnum):
    """What a survey asks for."""

    NPS = "nps"
    CSAT = "csat"
    CES = "ces"


class Band(StrEnum):
    """Every band there is; `neutral` is shared by CSAT and CES."""

    DETRACTOR = "detractor"
    PASSIVE = "passive"
    PROMOTER = "promoter"
    DISSATISFIED = "dissatisfied"
    NEUTRAL = "neutral"
    SATISFIED = "satisfied"
    DIFFICULT = "difficult"
    EASY = "easy"


BANDS: Mapping[Metric, tuple[Band, Band, Band]] = {
    Metric.NPS: (Band.DETRACTOR, Band.PASSIVE, Band.PROMOTER),
    Metric.CSAT: (Band.DISSATISFIED, Band.NEUTRAL, Band.SATISFIED),
    Metric.CES: (Band.DIFFICULT, Band.NEUTRAL, Band.EASY),
}
"""The bands of each metric, from the worst to the best."""


def band(metric: str, score: int, scale_min: int, scale_max: int) -> Band:
    """Return the band of a whole `score` on the scale from `scale_min` to `scale_max`.

    * NPS (Reichheld 2003): 0-6 detractor, 7-8 passive, 9-10 promoter; only on 0-10.
    * CSAT: the two best points are satisfied (top-2 box), the two worst dissatisfied,
      what lies between is neutral. On scales of two or three points only the best and
      the worst point count. So 1-5 is 1-2 / 3 / 4-5, and 1-7 is 1-2 / 3-5 / 6-7.
    * CES 2.0 (CEB 2013), higher is easier: below the middle of the scale difficult,
      the middle neutral, above it easy. So 1-7 is 1-3 / 4 / 5-7, and 1-5 is
      1-2 / 3 / 4-5. A scale with an even number of points has no neutral one.

    >>> str(band("nps", 6, 0, 10)), str(band("csat", 4, 1, 5)), str(band("ces", 4, 1, 7))
    ('detractor', 'satisfied', 'neutral')

    Raises ValueError for an unknown metric, for a scale which the metric does not know,
    and for a score that is off the scale: an 11 that means "blank" is no promoter.
    """
    if scale_min >= scale_max:
        raise ValueError(f"A scale from {scale_min} to {scale_max} has no two points.")
    if score not in range(scale_min, scale_max + 1):
        raise ValueError(
            f"{score!r} is not a whole score from {scale_min} to {scale_max}."
        )
    return _BAND_OF[Metric(metric)](score, scale_min, scale_max)


def _nps_band(score: int, scale_min: int, scale_max: int) -> Band:
    if (scale_min, scale_max) != (0, 10):
        raise ValueError(
            f"NPS is asked from 0 to 10 only, not from {scale_min} to {scale_max}."
        )
    if score <= 6:
        return Band.DETRACTOR
    return Band.PASSIVE if score <= 8 else Band.PROMOTER


def _csat_band(score: int, scale_min: int, scale_max: int) -> Band:
    # With fewer than four points the two boxes of two would share a point.
    box = 2 if scale_max - scale_min >= 3 else 1
    if score > scale_max - box:
        return Band.SATISFIED
    return Band.DISSATISFIED if score < scale_min + box else Band.NEUTRAL


def _ces_band(score: int, scale_min: int, scale_max: int) -> Band:
    # Twice the distance from the middle: stays whole on scales with an even end.
    above_middle = 2 * score - scale_min - scale_max
    if above_middle > 0:
        return Band.EASY
    return Band.DIFFICULT if above_middle < 0 else Band.NEUTRAL


_BAND_OF: Mapping[Metric, Callable[[int, int, int], Band]] = {
    Metric.NPS: _nps_band,
    Metric.CSAT: _csat_band,
    Metric.CES: _ces_band,
}
