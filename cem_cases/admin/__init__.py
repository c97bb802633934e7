"""The admin: a door for people. It reads rows, calls the loop, and decides nothing.

Each module registers the models of its step on the default site; another `AdminSite`
can register the same classes. Who sees which row is asked of `visible_to` alone.
"""

from cem_cases.admin import (
    audit,
    calendars,
    capture,
    cases,
    customers,
    happenings,
    imports,
    improve,
    notices,
    outgoing,
    policies,
    route,
    rules,
    sla,
)

__all__ = [
    "audit",
    "calendars",
    "capture",
    "cases",
    "customers",
    "happenings",
    "imports",
    "improve",
    "notices",
    "outgoing",
    "policies",
    "route",
    "rules",
    "sla",
]
