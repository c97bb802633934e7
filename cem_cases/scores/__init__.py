"""What customers' answers add up to: bands, NPS, CSAT and CES with their intervals.

Pure: values in, frozen values out. Each score comes in three entries: from the single
answers (`nps`), from counts made in SQL (`nps_from_counts`) and, when answers carry
weights, from their sums (`nps_from_tallies`).
"""

from cem_cases.scores.bands import BANDS, Band, Metric, band
from cem_cases.scores.ces import Ces, ces, ces_from_counts, ces_from_tallies
from cem_cases.scores.csat import Csat, csat, csat_from_counts, csat_from_tallies
from cem_cases.scores.intervals import (
    Interval,
    adjusted_wald,
    mean_interval,
    t_quantile,
    wilson,
    z_quantile,
)
from cem_cases.scores.nps import Nps, nps, nps_from_counts, nps_from_tallies
from cem_cases.scores.tally import Tally, tally

__all__ = [
    "BANDS",
    "Band",
    "Ces",
    "Csat",
    "Interval",
    "Metric",
    "Nps",
    "Tally",
    "adjusted_wald",
    "band",
    "ces",
    "ces_from_counts",
    "ces_from_tallies",
    "csat",
    "csat_from_counts",
    "csat_from_tallies",
    "mean_interval",
    "nps",
    "nps_from_counts",
    "nps_from_tallies",
    "t_quantile",
    "tally",
    "wilson",
    "z_quantile",
]
