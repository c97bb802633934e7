"""Every kind of event that is ever appended, with what its payload says."""

from __future__ import annotations

from collections.abc import Mapping

KINDS: Mapping[str, str] = {
    "case.opened": "A rule opened the case: `response`, `opened_at`, `priority`, `team` "
    "(or `team_not_found`), `is_complaint`, `policy` and `policy_version`, `due_at`, "
    "`rule` and `rule_version`; `rules` and `policies`: each one looked at, with what "
    "decided.",
    "case.joined": "Another `response` of the customer joined the open case: `score`, "
    "`priority`, `priority_before`, `is_complaint`.",
    "case.assigned": "The case got an owner: `to`; from a rule also `by_rule`, `strategy` "
    "and `candidates` with verdict and rank, from an escalation `by_step`, from a person "
    "`team` and the reason.",
    "case.not_assigned": "A rule asked for an owner and nobody was eligible: "
    "`by_rule`, `strategy`, `candidates`.",
    "case.claimed": "An agent took the case: `to`.",
    "case.unassigned": "The case went back to its team's queue; `resumed`: it waited until "
    "then.",
    "case.priority_set": "`priority`, `priority_before`; the clocks got new targets.",
    "case.policy_changed": "Another `policy` applies since a fact of the case changed: "
    "`policy_version`, and `policies`: each one looked at, with what decided.",
    "case.policy_migrated": "The running clocks go by the newest `policy_version` of "
    "their `policy`; `due_at` of the case after it.",
    "case.complaint_marked": "`is_complaint`; the statutory clock began or was cancelled.",
    "case.set_pending": "The case waits for the customer, `until` then at the longest; "
    "the reason is in the detail.",
    "case.put_on_hold": "The case waits for others, `until` then at the longest; the "
    "reason is in the detail.",
    "case.resumed": "The waiting ended, and paused clocks go on `since` then: by a "
    "person, by another response, or because the expected end came.",
    "case.escalated": "A clock came to a step of its policy: `metric`, `cycle`, `point`, "
    "`action`, what was `done`, who was `told`.",
    "case.acknowledged": "Somebody acknowledged an escalation: `metric`, `level`.",
    "case.escalation_unanswered": "People were told again of an escalation that nobody "
    "acknowledged for so many `days`: `metric`, `level`.",
    "case.noted": "An internal note; its words are in the detail.",
    "case.contacted": "`contact`, `direction`, `channel`, `attempt`; `resumed`: the case "
    "was pending until then.",
    "case.resolved": "`root_cause`, `outcome`, `cycle`, `contacted`; the note is in the "
    "detail.",
    "case.reopened": "The next `cycle` began, under the `policy` (`policy_version`) that "
    "applies now; `policies`: each one looked at; the reason is in the detail.",
    "case.closed": "The case ended for good.",
    "clock.warned": "A clock used up `percent` of its target: `metric`, `cycle`, "
    "`due_at`.",
    "clock.breached": "A clock passed its due time: `metric`, `cycle`, `due_at`, and the "
    "`cause`: *late*, or *target changed*.",
    "response.failed": "A response was parked after its last attempt: `response`, "
    "`error`.",
    "rule.created": "A rule was saved for the first time: all its fields.",
    "rule.changed": "A rule was saved as a new `version`: all its fields.",
    "slapolicy.created": "An SLA policy was saved for the first time: all its fields, "
    "and its `terms` with calendar, targets and steps.",
    "slapolicy.changed": "An SLA policy was saved as a new `version`: all its fields, "
    "and its `terms` with calendar, targets and steps.",
    "businesscalendar.created": "A calendar was saved for the first time: all its "
    "fields, and the dates on which it is `closed`.",
    "businesscalendar.changed": "A calendar was changed: all its fields, the dates on "
    "which it is `closed`, and the `policies` that got a new version by it.",
}
