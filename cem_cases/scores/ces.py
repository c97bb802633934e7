"""Customer effort: the mean answer, and the share that found it easy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cem_cases.scores.bands import Band, Metric, band
from cem_cases.scores.intervals import mean_interval
from cem_cases.scores.tally import Tally, tally_by


@dataclass(frozen=True, slots=True, kw_only=True)
class Ces:
    """A mean in points of its scale, with the ends of its 95 % interval (Student).

    `score` and `easy_percent` are None when no answer has any weight; `low` and `high`
    also when there are fewer than two effective answers, which say nothing about spread.
    The three counts are of answers, whatever they weigh; `effective_n` is Kish's.
    """

    score: float | None
    low: float | None
    high: float | None
    easy_percent: float | None
    n: int
    easy: int
    neutral: int
    difficult: int
    weight_sum: float
    effective_n: float


def ces(
    scores: Iterable[int],
    *,
    scale_min: int = 1,
    scale_max: int = 7,
    weights: Iterable[float] | None = None,
) -> Ces:
    """Return the mean of these answers, higher meaning easier, unrounded.

    >>> effort = ces([7, 6, 5, 2])
    >>> effort.score, effort.easy_percent
    (5.0, 75.0)

    Raises ValueError for a score off the scale, a wrong weight, or another number of
    weights than of scores.
    """
    tallies = tally_by(scores, weights)
    return ces_from_tallies(tallies, scale_min=scale_min, scale_max=scale_max)


def ces_from_counts(
    counts: Mapping[int, int], *, scale_min: int = 1, scale_max: int = 7
) -> Ces:
    """Return the mean where `counts[score]` answers gave `score`, as SQL counts them."""
    tallies = {score: Tally.of(n) for score, n in counts.items()}
    return ces_from_tallies(tallies, scale_min=scale_min, scale_max=scale_max)


def ces_from_tallies(
    tallies: Mapping[int, Tally], *, scale_min: int = 1, scale_max: int = 7
) -> Ces:
    """Return the mean of weighted answers from the sums of each score."""
    bands = dict.fromkeys((Band.EASY, Band.NEUTRAL, Band.DIFFICULT), Tally())
    for score, answers in tallies.items():
        bands[band(Metric.CES, score, scale_min, scale_max)] += answers
    total = sum(bands.values(), start=Tally())
    mean = low = high = easy_percent = None
    if total.weight:
        mean = _mean(tallies, total)
        easy_percent = 100 * bands[Band.EASY].weight / total.weight
        interval = mean_interval(
            mean, _variance(tallies, total, mean), total.effective_n
        )
        if interval:
            low, high = max(interval.low, scale_min), min(interval.high, scale_max)
    return Ces(
        score=mean,
        low=low,
        high=high,
        easy_percent=easy_percent,
        n=total.n,
        easy=bands[Band.EASY].n,
        neutral=bands[Band.NEUTRAL].n,
        difficult=bands[Band.DIFFICULT].n,
        weight_sum=total.weight,
        effective_n=total.effective_n,
    )


def _mean(tallies: Mapping[int, Tally], total: Tally) -> float:
    return math.fsum(x * each.weight for x, each in tallies.items()) / total.weight


def _variance(tallies: Mapping[int, Tally], total: Tally, mean: float) -> float:
    """Weighted variance, with Bessel's correction on the effective number of answers."""
    if total.effective_n <= 1:
        return 0.0
    spread = math.fsum((x - mean) ** 2 * each.weight for x, each in tallies.items())
    return spread / total.weight * total.effective_n / (total.effective_n - 1)
