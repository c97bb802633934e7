"""Business time: when people work, and what that makes of a target.

Pure: instants in, instants out. Everything is counted in absolute seconds between UTC
instants; wall time exists only inside a calendar, which lays its openings out in UTC
once and searches them by bisection. Naive datetimes are refused everywhere.
"""

from cem_cases.sla.calendar import Calendar, NeverOpen, Opening, Span
from cem_cases.sla.clock import (
    Elapsed,
    Kind,
    Pause,
    Segment,
    Target,
    Unit,
    at_offset,
    at_percent,
    due,
    elapsed,
    explain,
)
from cem_cases.sla.parse import WEEKDAYS, InvalidCalendar, parse_calendar
from cem_cases.sla.terms import (
    BREACH,
    Action,
    InvalidPolicy,
    Level,
    Metric,
    Promise,
    Step,
    Terms,
    parse_terms,
)

__all__ = [
    "BREACH",
    "WEEKDAYS",
    "Action",
    "Calendar",
    "Elapsed",
    "InvalidCalendar",
    "InvalidPolicy",
    "Kind",
    "Level",
    "Metric",
    "NeverOpen",
    "Opening",
    "Pause",
    "Promise",
    "Segment",
    "Span",
    "Step",
    "Target",
    "Terms",
    "Unit",
    "at_offset",
    "at_percent",
    "due",
    "elapsed",
    "explain",
    "parse_calendar",
    "parse_terms",
]
