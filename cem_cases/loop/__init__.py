"""The loop: every verb of the product is a function here, and commits.

`ls` of this folder is the list of steps. Doors, tasks and commands call these functions
and add nothing to them; the functions trust their caller to have asked who may. A step
imports only steps that come later in `STEPS`.

Locks are always taken in this order, so that no two transactions wait for each other:
absences, responses, customers, cases, clocks, teams, memberships, audit heads by stream, last
digests, notifications; within a table by key. A sweep takes clock and case together, and never waits for either. All are taken with `no_key`: who only refers to a locked row (a new
answer to its customer, say) does not wait.
"""

STEPS = (
    "doctor",
    "soundness",
    "lateness",
    "imports",
    "capture",
    "drain",
    "analyze",
    "route",
    "effects",
    "opening",
    "cases",
    "sla",
    "escalation",
    "staffing",
    "clocks",
    "targets",
    "running",
    "people",
    "holidays",
    "config",
    "policies",
    "roster",
    "owners",
    "improve",
    "ruleset",
    "explanations",
    "past",
    "facts",
    "notices",
    "findings",
    "given",
    "audit",
    "bulk",
    "moment",
)
