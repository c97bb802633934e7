"""The loop: every verb of the product is a function here, and commits.

`ls` of this folder is the list of steps. Doors, tasks and commands call these functions
and add nothing to them; the functions trust their caller to have asked who may. A step
imports only steps that come later in `STEPS`.

Locks are always taken in this order, so that no two transactions wait for each other:
absences, responses, customers, happenings, cases, clocks, teams, memberships, policies,
calendars, rules, audit heads by stream, last digests, notifications; within a table by key.
Invitations come after the customers; letters and calls are left to whoever
has them. A sweep takes clock and case together, and never
waits for either. All are taken with `no_key`: who only refers to a locked row (a new
answer to its customer, say) does not wait.
"""

STEPS = (
    "doctor",
    "soundness",
    "lateness",
    "staffcheck",
    "imports",
    "capture",
    "replay",
    "outcome",
    "tally",
    "rehearsal",
    "floor",
    "replayed",
    "drain",
    "analyze",
    "route",
    "react",
    "occasions",
    "revise",
    "effects",
    "opening",
    "cases",
    "sla",
    "quiet",
    "escalation",
    "leaving",
    "staffing",
    "clocks",
    "targets",
    "running",
    "configfile",
    "configrows",
    "configplaces",
    "people",
    "holidays",
    "order",
    "config",
    "lint",
    "references",
    "surroundings",
    "policies",
    "roster",
    "owners",
    "improve",
    "ruleset",
    "explanations",
    "past",
    "facts",
    "telling",
    "invitations",
    "letters",
    "calls",
    "outgoing",
    "notices",
    "tagging",
    "findings",
    "batches",
    "given",
    "audit",
    "happenings",
    "bulk",
    "moment",
)
