"""Every kind of event that is ever appended, with what its payload says."""

from __future__ import annotations

from collections.abc import Mapping

KINDS: Mapping[str, str] = {
    "case.opened": "A rule opened the case: `response`, `opened_at`, `priority`, `team` "
    "(or `team_not_found`), `is_complaint`, `policy` and `policy_version`, `due_at`, "
    "`rule` and `rule_version`; `explanation`: the SHA-256 of the text that is kept with "
    "the response, which says of each rule looked at what decided; `policies`: each one "
    "looked at, with what decided.",
    "case.joined": "Another `response` of the customer joined the open case: `score`, "
    "`priority`, `priority_before`, `is_complaint`.",
    "case.assigned": "The case got an owner: `to`. From a rule also `by_rule`, the "
    "`strategy` that decided, `tried` (those before it: whom they name, and why not), "
    "`substitute_for`, `candidates` with verdict, load and rank (`more_eligible`, "
    "`more_refused`: how many are left out), and `has_waited`: it was taken up from the "
    "queue. From an escalation `by_step`; from an absence `by_absence` and `from`; from "
    "a person `team` and the reason.",
    "case.not_assigned": "A rule asked for an owner and nobody was eligible: as for "
    "*case.assigned*. Said once, however long the case waits.",
    "case.declined": "Its owner gave it back; `resumed`: it waited until then. The "
    "reason is in the detail.",
    "case.claimed": "An agent took the case: `to`.",
    "case.unassigned": "The case went back to its team's queue; `resumed`: it waited until "
    "then. Of somebody who is gone: `from`, and `by_absence` or `by_leaving`.",
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
    "was pending until then; of an automatic letter also `by_rule` and `template`.",
    "case.rule_acted": "Rules looked at what happened to the case, and some matched: "
    "`trigger`; `rules`: each with its `version`, what decided and its actions; "
    "`not_done`: what was not possible, as an owner whom a person chose stays.",
    "case.tagged": "A rule added `tags` to the case.",
    "case.quiet": "Nobody has touched the case for so many business `hours`, `since` "
    "then, and rules ask for it.",
    "case.resolved": "`root_cause`, `outcome`, `cycle`, `contacted`; the note is in the "
    "detail.",
    "case.reopened": "The next `cycle` began, with the owner `to` (null: nobody yet; "
    "`substitute_for`: whose substitute that is), under the `policy` (`policy_version`) "
    "that applies now; `policies`: each one looked at; the reason is in the detail.",
    "case.closed": "The case ended for good.",
    "clock.warned": "A clock used up `percent` of its target: `metric`, `cycle`, "
    "`due_at`.",
    "clock.breached": "A clock passed its due time: `metric`, `cycle`, `due_at`, and the "
    "`cause`: *late*, or *target changed*.",
    "response.failed": "A response was parked after its last attempt: `response`, "
    "`error`.",
    "happening.failed": "What happened to a case was parked after the last attempt of "
    "rules to look at it: `happening`, `event`, `error`.",
    "rule.created": "A rule was saved for the first time: all its fields.",
    "rule.changed": "A rule was saved as a new `version`: all its fields.",
    "team.created": "A team was saved for the first time: all its fields, and its "
    "`members` with role, capacity, skills, and whether they are active.",
    "team.changed": "A team or its members were changed: all its fields, and all its "
    "`members`.",
    "slapolicy.created": "An SLA policy was saved for the first time: all its fields, "
    "and its `terms` with calendar, targets and steps.",
    "slapolicy.changed": "An SLA policy was saved as a new `version`: all its fields, "
    "and its `terms` with calendar, targets and steps.",
    "businesscalendar.created": "A calendar was saved for the first time: all its "
    "fields, and the dates on which it is `closed`.",
    "businesscalendar.changed": "A calendar was changed: all its fields, the dates on "
    "which it is `closed`, and the `policies` that got a new version by it.",
    "webhookendpoint.created": "A webhook endpoint was saved for the first time: its "
    "`name`, `url`, and whether it `is_active` and gets comments.",
    "webhookendpoint.changed": "A webhook endpoint was changed: the same.",
    "webhookendpoint.rotated": "A webhook endpoint got another secret.",
}
