"""Business time: when people work, and what that makes of a target.

Pure: instants in, instants out. Everything is counted in absolute seconds between UTC
instants; wall time exists only inside a calendar, which lays its openings out in UTC
once and searches them by bisection. Naive datetimes are refused everywhere.
"""

from cem_cases.sla.calendar import Calendar, NeverOpen, Opening
from cem_cases.sla.clock import Elapsed, due, elapsed, warn_at
from cem_cases.sla.parse import WEEKDAYS, InvalidCalendar, parse_calendar

__all__ = [
    "WEEKDAYS",
    "Calendar",
    "Elapsed",
    "InvalidCalendar",
    "NeverOpen",
    "Opening",
    "due",
    "elapsed",
    "parse_calendar",
    "warn_at",
]
