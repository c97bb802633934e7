"""The Net Promoter Score (Reichheld 2003): promoters less detractors, in points."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cem_cases.scores.bands import Band, Metric, band
from cem_cases.scores.intervals import adjusted_wald
from cem_cases.scores.tally import Tally, tally_by


@dataclass(frozen=True, slots=True, kw_only=True)
class Nps:
    """A score in points, -100 to 100, with the ends of its 95 % interval.

    `score`, `low` and `high` are None when no answer has any weight. The three counts
    are of answers, whatever they weigh; `effective_n` is Kish's.
    """

    score: float | None
    low: float | None
    high: float | None
    n: int
    promoters: int
    passives: int
    detractors: int
    weight_sum: float
    effective_n: float


def nps(scores: Iterable[int], weights: Iterable[float] | None = None) -> Nps:
    """Return the score of these answers from 0 to 10, unrounded.

    >>> answers = nps([10, 9, 8, 3])
    >>> answers.score, answers.promoters, answers.passives, answers.detractors
    (25.0, 2, 1, 1)

    With `weights`, one for each answer, shares are shares of weight, and the interval
    counts the effective number of answers. Raises ValueError for a score off the scale,
    a wrong weight, or another number of weights than of scores.
    """
    tallies = tally_by((band(Metric.NPS, score, 0, 10) for score in scores), weights)
    return nps_from_tallies(
        promoters=tallies.get(Band.PROMOTER, Tally()),
        passives=tallies.get(Band.PASSIVE, Tally()),
        detractors=tallies.get(Band.DETRACTOR, Tally()),
    )


def nps_from_counts(*, promoters: int, passives: int, detractors: int) -> Nps:
    """Return the score of this many answers, as SQL counts them.

    >>> score = nps_from_counts(promoters=1436, passives=968, detractors=342)
    >>> f"{score.score:.4f} ({score.low:.1f} to {score.high:.1f})"
    '39.8398 (37.2 to 42.4)'
    """
    return nps_from_tallies(
        promoters=Tally.of(promoters),
        passives=Tally.of(passives),
        detractors=Tally.of(detractors),
    )


def nps_from_tallies(*, promoters: Tally, passives: Tally, detractors: Tally) -> Nps:
    """Return the score of weighted answers from the sums of each band."""
    total = promoters + passives + detractors
    score = low = high = None
    if total.weight:
        up, down = promoters.weight / total.weight, detractors.weight / total.weight
        score = 100 * (up - down)
        low, high = (100 * end for end in adjusted_wald(up, down, total.effective_n))
    return Nps(
        score=score,
        low=low,
        high=high,
        n=total.n,
        promoters=promoters.n,
        passives=passives.n,
        detractors=detractors.n,
        weight_sum=total.weight,
        effective_n=total.effective_n,
    )
