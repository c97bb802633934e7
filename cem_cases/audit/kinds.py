"""Every kind of event that is ever appended, with what its payload says."""

from __future__ import annotations

from collections.abc import Mapping

KINDS: Mapping[str, str] = {
    "case.opened": "A rule opened the case: `response`, `opened_at`, `priority`, `team` "
    "(or `team_not_found`), `policy` and `policy_version`, `due_at`, `rule` and "
    "`rule_version`, and `rules`: each rule looked at, with what decided.",
    "case.joined": "Another `response` of the customer joined the open case: `score`, "
    "`priority`, `priority_before`.",
    "case.assigned": "The case got an owner: `to`; from a rule also `by_rule`, `strategy` "
    "and `candidates` with verdict and rank, from a person `team` and the reason.",
    "case.not_assigned": "A rule asked for an owner and nobody was eligible: "
    "`by_rule`, `strategy`, `candidates`.",
    "case.claimed": "An agent took the case: `to`.",
    "case.unassigned": "The case went back to its team's queue.",
    "case.priority_set": "`priority`, `priority_before`; the clocks got new targets.",
    "case.noted": "An internal note; its words are in the detail.",
    "case.contacted": "`contact`, `direction`, `channel`, `attempt`.",
    "case.resolved": "`root_cause`, `outcome`, `cycle`, `contacted`; the note is in the "
    "detail.",
    "case.reopened": "The next `cycle` began; the reason is in the detail.",
    "case.closed": "The case ended for good.",
    "clock.warned": "A clock used up its warning share: `metric`, `cycle`, `due_at`.",
    "clock.breached": "A clock passed its due time: `metric`, `cycle`, `due_at`.",
    "response.failed": "A response was parked after its last attempt: `response`, "
    "`error`.",
    "rule.created": "A rule was saved for the first time: all its fields.",
    "rule.changed": "A rule was saved as a new `version`: all its fields.",
    "slapolicy.created": "An SLA policy was saved for the first time: all its fields.",
    "slapolicy.changed": "An SLA policy was saved as a new `version`: all its fields.",
}
