"""What happened to a case, in words: who, when, what, and why the rules decided so.

A fixed number of queries for a case, however much has happened to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from cem_cases.admin import whyme, words
from cem_cases.loop import explanations
from cem_cases.loop.audit import stream_of
from cem_cases.models import (
    AuditEvent,
    Case,
    Clock,
    ClockMetric,
    Contact,
    EscalationStep,
    RootCause,
    Rule,
    SlaPolicy,
    Team,
)

LONGEST = 200
"""Events shown of one case, the newest; more than that nobody reads."""

DONE = (
    gettext_noop("there is nobody to tell"),
    gettext_noop("watcher added"),
    gettext_noop("a lead has it already"),
    gettext_noop("there is no lead to take it"),
    gettext_noop("given to a lead"),
    gettext_noop("it is urgent already"),
    gettext_noop("priority raised"),
)
"""What may come of a step of escalation; that people were told is told by their names."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline."""

    at: datetime
    who: str
    what: str
    kind: str
    is_ours: bool = True
    """Whether a person did it; else it came from the rules, a clock or the customer."""
    text: str = ""
    contact: Contact | None = None
    looks: Sequence[explanations.Look] = ()
    is_spoiled: bool = False
    """Whether the explanation kept is not the one that the audit vouches for."""
    policies: Sequence[Mapping[str, Any]] = ()
    why: whyme.Why | None = None
    """Who was looked at, where an owner was looked for."""


@dataclass(slots=True)
class Names:
    """What the events call by key, by name."""

    users: Mapping[str, str] = field(default_factory=dict)
    teams: Mapping[str, str] = field(default_factory=dict)
    causes: Mapping[str, str] = field(default_factory=dict)
    policies: Mapping[int, str] = field(default_factory=dict)
    rules: Mapping[int, str] = field(default_factory=dict)

    def user(self, key: Any) -> str:
        return self.users.get(str(key)) or _("user %s (deleted)") % key

    def team(self, slug: str | None) -> str:
        return self.teams.get(slug or "", slug or "")

    def policy(self, data: Mapping[str, Any]) -> str:
        name = self.policies.get(data["policy"], data["policy"])
        said = {"policy": name, "version": data["policy_version"]}
        return _("%(policy)s, version %(version)s") % said


def of(case: Case, contacts: Mapping[int, Contact]) -> Sequence[Entry]:
    """Return what happened to this case, the newest first."""
    events = (
        AuditEvent.objects.filter(stream=stream_of(case.pk))
        .select_related("detail")
        .order_by("-sequence")[:LONGEST]
    )
    found = [(event, event.data) for event in events]
    names = _names(found)
    looks = explanations.of_opening(case)
    return [_entry(event, data, names, contacts, looks) for event, data in found]


def _names(found: Sequence[tuple[AuditEvent, Mapping[str, Any]]]) -> Names:
    keys, slugs, codes = set(), set(), set()
    policies: set[Any] = set()
    acted: set[Any] = set()
    for event, data in found:
        keys |= {event.actor_id, data.get("to"), *data.get("told", ())}
        keys |= {data.get("from"), *whyme.users_in(data)}
        slugs |= {data.get("team")}
        codes |= {data.get("root_cause")}
        policies |= {data.get("policy")}
        acted |= {look["rule"] for look in data.get("rules", ())}
    teams = Team.objects.filter(slug__in=slugs - {None}).values_list("slug", "name")
    causes = RootCause.objects.filter(code__in=codes - {None})
    return Names(
        users=_user_names(keys - {None}),
        teams=dict(teams),
        causes={cause.code: str(cause) for cause in causes},
        policies=dict(
            SlaPolicy.objects.filter(pk__in=policies - {None}).values_list("pk", "name")
        ),
        rules=dict(Rule.objects.filter(pk__in=acted).values_list("pk", "name")),
    )


def _user_names(keys: set[Any]) -> dict[str, str]:
    model = get_user_model()
    valid: set[Any] = set()
    for key in keys:
        try:
            valid.add(model._meta.pk.to_python(key))
        except ValidationError:
            continue  # a key of another kind of user, from before
    users = model._default_manager.filter(pk__in=valid)
    return {str(user.pk): name_of(user) for user in users}


def name_of(user: Any) -> str:
    """Return how people call this user."""
    full = getattr(user, "get_full_name", str)()
    return full or user.get_username()


def _entry(
    event: AuditEvent,
    data: Mapping[str, Any],
    names: Names,
    contacts: Mapping[int, Contact],
    looks: Mapping[str, Sequence[explanations.Look]],
) -> Entry:
    say = SENTENCES.get(event.kind)
    digest = data.get("explanation")
    detail = getattr(event, "detail", None)
    return Entry(
        at=event.at,
        who=names.user(event.actor_id) if event.actor_id is not None else "",
        what=say(data, names) if say else event.kind,
        kind=event.kind,
        is_ours=event.actor_id is not None,
        text=detail.text if detail else "",
        contact=contacts.get(data.get("contact", 0)),
        looks=looks.get(str(digest), ()) or _acted(data, names),
        is_spoiled=digest is not None and digest not in looks,
        policies=data.get("policies", ()),
        why=whyme.read(data, names.user),
    )


Data = Mapping[str, Any]


def _acted(data: Data, names: Names) -> list[explanations.Look]:
    """Return the rules that acted on the case, with what decided."""
    return [
        explanations.Look(
            rule=look["rule"],
            version=look["version"],
            name=names.rules.get(look["rule"]),
            matched=True,
            because=look["because"],
        )
        for look in data.get("rules", ())
    ]


def _rule_acted(data: Data, names: Names) -> str:
    done = [text for look in data["rules"] for text in look["actions"]]
    text = _("Rules asked for it: %s") % "; ".join(done)
    if data.get("not_done"):
        text += _(". Not done: %s") % "; ".join(map(str, data["not_done"]))
    return text


def _opened(data: Data, names: Names) -> str:
    if data.get("team"):
        text = _("Opened with priority %(priority)s for %(team)s") % {
            "priority": _(data["priority"]),
            "team": names.team(data["team"]),
        }
    else:
        text = _("Opened with priority %s, for no team") % _(data["priority"])
    if data.get("team_not_found"):
        text += _("; the team %s is not there any more") % data["team_not_found"]
    return text


def _joined(data: Data, names: Names) -> str:
    score = words.NOTHING if data.get("score") is None else data["score"]
    text = _("Another answer joined: %s") % score
    if data.get("priority") != data.get("priority_before"):
        text += _("; priority raised to %s") % _(data["priority"])
    return text


def _contacted(data: Data, names: Names) -> str:
    contact = Contact(direction=data["direction"], attempt=data["attempt"])
    if contact.direction == Contact.Direction.IN:
        return _("Heard from the customer by %s") % data["channel"]
    return _("Contacted the customer by %(channel)s: %(attempt)s") % {
        "channel": data["channel"],
        "attempt": contact.get_attempt_display(),
    }


def _resolved(data: Data, names: Names) -> str:
    case = Case(outcome=data["outcome"])
    text = _("Resolved, %(outcome)s. Cause: %(cause)s") % {
        "outcome": case.get_outcome_display(),
        "cause": names.causes.get(data["root_cause"], data["root_cause"]),
    }
    if not data.get("contacted"):
        text += _(". The customer was never contacted")
    return text


def _moment(data: Data, name: str) -> str:
    at = parse_datetime(str(data.get(name, "")))
    return words.moment(at) if at else words.NOTHING


def _metric(data: Data) -> str:
    label = str(ClockMetric(data["metric"]).label)
    cycle = data.get("cycle", 1)
    return f"{label} ({_('cycle %d') % cycle})" if cycle > 1 else label


def _clock(text: str) -> Callable[[Data, Names], str]:
    def say(data: Data, names: Names) -> str:
        said = {"metric": _metric(data), "due": _moment(data, "due_at")}
        return _(text) % {"percent": data.get("percent", ""), **said}

    return say


def _breached(data: Data, names: Names) -> str:
    text = _clock(gettext_noop("Overdue: %(metric)s was due on %(due)s"))(data, names)
    if data.get("cause") == Clock.BreachCause.TARGET_CHANGED:
        text += _(", because its target changed")
    return text


def _escalated(data: Data, names: Names) -> str:
    labels = dict(EscalationStep.Action.choices)
    done, told = data["done"], [names.user(key) for key in data.get("told", ())]
    said = [_(done)] if done in DONE else []
    if told:
        said.append(_("told %s") % ", ".join(told))
    return _("Escalated: %(metric)s, %(point)s: %(action)s (%(done)s)") % {
        "metric": _metric(data),
        "point": data["point"],
        "action": labels.get(data["action"], data["action"]),
        "done": "; ".join(said),
    }


def _unanswered(data: Data, names: Names) -> str:
    days = data["days"]
    text = ngettext(
        "Nobody has acknowledged the escalation of %(metric)s for %(days)d day: told "
        "again",
        "Nobody has acknowledged the escalation of %(metric)s for %(days)d days: told "
        "again",
        days,
    )
    return text % {"metric": _metric(data), "days": days}


SENTENCES: Mapping[str, Callable[[Data, Names], str]] = {
    **whyme.SENTENCES,
    "case.opened": _opened,
    "case.joined": _joined,
    "case.priority_set": lambda data, names: (
        _("Changed the priority from %(before)s to %(now)s")
        % {"before": _(data["priority_before"]), "now": _(data["priority"])}
    ),
    "case.noted": lambda data, names: _("Wrote a note"),
    "case.contacted": _contacted,
    "case.resolved": _resolved,
    "case.closed": lambda data, names: _("Closed it for good"),
    "case.policy_changed": lambda data, names: (
        _("Another policy applies: %s") % names.policy(data)
    ),
    "case.policy_migrated": lambda data, names: (
        _("The clocks were moved to a newer version of their policy: %s")
        % names.policy(data)
    ),
    "case.complaint_marked": lambda data, names: (
        _("Marked it as a complaint")
        if data["is_complaint"]
        else _("Marked it as no complaint")
    ),
    "case.set_pending": lambda data, names: (
        _("Waits for the customer, until %s") % _moment(data, "until")
    ),
    "case.put_on_hold": lambda data, names: (
        _("Put on hold until %s") % _moment(data, "until")
    ),
    "case.resumed": lambda data, names: (
        _("Open again; paused clocks go on since %s") % _moment(data, "since")
    ),
    "case.rule_acted": _rule_acted,
    "case.tagged": lambda data, names: _("Tagged it: %s") % ", ".join(data["tags"]),
    "case.quiet": lambda data, names: (
        _("Nobody has touched it for %s business hours") % data["hours"]
    ),
    "case.escalated": _escalated,
    "case.acknowledged": lambda data, names: (
        _("Acknowledged the escalation of %(metric)s (%(level)s)")
        % {"metric": _metric(data), "level": data["level"]}
    ),
    "case.escalation_unanswered": _unanswered,
    "clock.warned": _clock(
        gettext_noop(
            "Warning: %(metric)s has used %(percent)s %% of its time, due on %(due)s"
        )
    ),
    "clock.breached": _breached,
}
"""Each kind of event of a case, as a sentence."""
