"""95 % confidence intervals, each with its source; all are functions of sums.

`n` may be an effective sample size (Kish) and so need not be whole.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple


class Interval(NamedTuple):
    """From `low` to `high`, both included, in the unit of what was estimated."""

    low: float
    high: float


def z_quantile(confidence: float = 0.95) -> float:
    """Return the two-sided quantile of the normal distribution.

    >>> round(z_quantile(), 4)
    1.96
    """
    return NormalDist().inv_cdf((1 + confidence) / 2)


Z_95 = z_quantile()


def wilson(share: float, n: float) -> Interval:
    """Return the 95 % interval of a share (0 to 1) seen among `n` answers.

    The score interval of Wilson (1927, JASA 22, 209-212): never beyond 0 or 1, and not
    empty when all agree. Raises ValueError unless `n` is positive.

    >>> [round(end, 4) for end in wilson(0.8, 10)]
    [0.4902, 0.9433]
    """
    _require_answers(n)
    spread = Z_95**2 / n
    middle = (share + spread / 2) / (1 + spread)
    variance = share * (1 - share) / n + spread / (4 * n)
    half = Z_95 * math.sqrt(max(variance, 0.0)) / (1 + spread)
    return Interval(
        min(share, max(middle - half, 0)), max(share, min(middle + half, 1))
    )


def adjusted_wald(promoters: float, detractors: float, n: float) -> Interval:
    """Return the 95 % interval of the difference of two shares (-1 to 1).

    `promoters` and `detractors` are shares among `n`; the rest are passive. The variance
    is that of a trinomial difference, p + d - (p - d)²; three answers are added first,
    ¾ to each end and 1½ to the middle, which keeps the coverage at 95 % for few answers
    and for answers that all agree (Rocks 2016, "Interval Estimation for the Net Promoter
    Score", The American Statistician 70, 365-372). The ends are kept within -1 and 1,
    and are moved out to the seen difference where the added answers would exclude it.

    Raises ValueError unless `n` is positive.
    """
    _require_answers(n)
    up = (promoters * n + 0.75) / (n + 3)
    down = (detractors * n + 0.75) / (n + 3)
    seen, middle = promoters - detractors, up - down
    half = Z_95 * math.sqrt((up + down - middle**2) / (n + 3))
    return Interval(min(seen, max(middle - half, -1)), max(seen, min(middle + half, 1)))


def mean_interval(mean: float, variance: float, n: float) -> Interval | None:
    """Return the 95 % interval of a mean, or None when there is but one answer.

    `variance` is that of the sample (divided by n - 1). Student (1908): mean ± t·s/√n.
    """
    if n < 2:
        return None
    half = t_quantile(n - 1) * math.sqrt(variance / n)
    return Interval(mean - half, mean + half)


def t_quantile(degrees: float) -> float:
    """Return the two-sided 95 % quantile of Student's t; parts of a degree are dropped.

    Up to 30 degrees from the usual table, beyond by the expansion 26.7.5 of Abramowitz
    and Stegun (1964), which is right to four decimals there.

    >>> t_quantile(4), round(t_quantile(100), 3)
    (2.776, 1.984)

    Raises ValueError for less than one degree.
    """
    whole = int(degrees)
    if whole < 1:
        raise ValueError("Student's t needs one degree of freedom or more.")
    if whole <= len(_T_95):
        return _T_95[whole - 1]
    z = Z_95
    return (
        z + (z**3 + z) / (4 * whole) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * whole**2)
    )


# Two-sided 95 % points of Student's t for 1 to 30 degrees of freedom.
# fmt: off
_T_95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)
# fmt: on


def _require_answers(n: float) -> None:
    if not n > 0:
        raise ValueError("There is no interval without an answer.")
