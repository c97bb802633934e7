"""The demo's company: a furniture shop with two teams that answer its customers.

Everything an administrator would enter by hand: people and what they may do, opening
hours, promises, surveys, rules. Rules and policies go through `loop.config`, as in the
admin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from rest_framework.authtoken.models import Token

from cem_cases.loop import config, improve
from cem_cases.models import (
    Absence,
    BusinessCalendar,
    ClockMetric,
    EscalationStep,
    Holiday,
    Membership,
    Question,
    Rule,
    SlaPolicy,
    Survey,
    Tag,
    Target,
    Team,
    Template,
    TimeUnit,
    Touchpoint,
)

PASSWORD = "demo"
SERVICE = "survey-tool"
VIP = {"fact": "customer.annual_value", "operator": "at least", "value": 10_000}
HOUR = 3600
WORKDAY = 8 * HOUR

LOGINS: Mapping[str, str] = {
    "manager": "sees the cases of all teams, rules, policies and the audit",
    "lead": "leads both teams, gives cases to others",
    "anna": "agent, delivery team",
    "ben": "agent, delivery team",
    "clara": "agent, customer care",
    "deniz": "agent, customer care",
    "admin": "superuser: writes rules, sets up teams, templates and webhooks",
}
NAMES: Mapping[str, tuple[str, str]] = {
    "manager": ("Mira", "Wolf"),
    "lead": ("Lena", "Schuster"),
    "anna": ("Anna", "Berg"),
    "ben": ("Ben", "Adler"),
    "clara": ("Clara", "Sommer"),
    "deniz": ("Deniz", "Kaya"),
    "admin": ("Ada", "Admin"),
    SERVICE: ("Survey", "Tool"),
}
TEAMS: Mapping[str, tuple[str, Sequence[str]]] = {
    "delivery": ("Delivery", ("anna", "ben")),
    "care": ("Customer care", ("clara", "deniz")),
}
SKILLS: Mapping[str, Sequence[str]] = {
    "anna": ["german", "english"],
    "ben": ["english"],
    "clara": ["german", "english"],
    "deniz": ["english", "turkish"],
}

_SEE = ("case", "response", "customer", "contact", "survey", "touchpoint")
_READ = (*(f"view_{name}" for name in _SEE), "view_rootcause", "view_tag")
_WORK = (*_READ, "view_template", "view_clock", "view_escalation", "work_case")
GROUPS: Mapping[str, Sequence[str] | None] = {
    "Agents": _WORK,
    "Team leads": (*_WORK, "assign_case", "view_team", "view_membership"),
    "Managers": None,  # sees everything
    "Survey tools": ("add_response",),
}


@dataclass(frozen=True, slots=True)
class Company:
    users: Mapping[str, User]
    token: str
    """With which the survey tool may post responses."""


@transaction.atomic
def create(*, begins: datetime, ends: datetime) -> Company:
    """Create the company as it stood when the story begins."""
    users = _users()
    _teams(users, begins, ends)
    improve.create_starter_causes()
    _surveys()
    years = range(begins.year, ends.year + 3)
    calendar = _calendar(years, by=users["admin"], now=begins)
    _policies(calendar, by=users["admin"], now=begins)
    Template.objects.bulk_create(Template(**fields) for fields in TEMPLATES)
    Tag.objects.bulk_create(Tag(name=name) for name in TAGS)
    for position, fields in enumerate(RULES, start=1):
        rule = Rule(position=position * 10, is_active=True, **fields)
        config.save(rule, by=users["admin"], now=begins)
    token = Token.objects.create(user=users[SERVICE])
    return Company(users=users, token=token.key)


def _users() -> Mapping[str, User]:
    password = make_password(PASSWORD)  # slow on purpose, so once for all
    users = {
        name: User.objects.create(
            username=name,
            password="!" if name == SERVICE else password,
            first_name=first,
            last_name=last,
            email=f"{name}@example.org",
            is_staff=name != SERVICE,
            is_superuser=name == "admin",
        )
        for name, (first, last) in NAMES.items()
    }
    groups = {name: _group(name, codenames) for name, codenames in GROUPS.items()}
    for name, user in users.items():
        if group := _GROUP_OF.get(name, "" if name == "admin" else "Agents"):
            user.groups.add(groups[group])
    return users


_GROUP_OF = {"manager": "Managers", "lead": "Team leads", SERVICE: "Survey tools"}


def _group(name: str, codenames: Sequence[str] | None) -> Group:
    group = Group.objects.create(name=name)
    ours = Permission.objects.filter(content_type__app_label="cem_cases")
    if codenames is None:
        group.permissions.set(ours.filter(codename__startswith="view_"))
    else:
        group.permissions.set(ours.filter(codename__in=codenames))
    return group


def _teams(users: Mapping[str, User], begins: datetime, ends: datetime) -> None:
    for slug, (name, agents) in TEAMS.items():
        team = Team.objects.create(slug=slug, name=name)
        for agent in agents:
            Membership.objects.create(
                team=team, user=users[agent], capacity=40, skills=SKILLS[agent]
            )
        # Rules give the lead nothing; people may.
        for name in ("lead", "manager"):
            Membership.objects.create(
                team=team, user=users[name], role=Membership.Role(name), capacity=0
            )
    middle = begins + (ends - begins) / 2
    Absence.objects.create(
        user=users["ben"],
        substitute=users["anna"],
        from_at=middle,
        until_at=middle + timedelta(days=14),
        reason="Summer leave",
    )


def _surveys() -> None:
    for slug, name, stage, channel, department, target in TOUCHPOINTS:
        Touchpoint.objects.create(
            slug=slug,
            name=name,
            journey_stage=stage,
            channel=channel,
            department=department,
            target_score=target,
        )
    for fields, touchpoint, questions in SURVEYS:
        row = Touchpoint.objects.get(slug=touchpoint) if touchpoint else None
        survey = Survey.objects.create(touchpoint=row, **fields)
        for position, (key, text, kind) in enumerate(questions):
            Question.objects.create(
                survey=survey, key=key, text=text, kind=kind, position=position
            )


TOUCHPOINTS = (
    ("checkout", "Checkout", "purchase", "web", "Online shop", 40),
    ("delivery", "Delivery", "delivery", "sms", "Logistics", 80),
    ("product", "Product after 30 days", "use", "email", "Product", 45),
    ("support", "Customer service", "support", "phone", "Customer service", 75),
    ("billing", "Invoice and refund", "payment", "email", "Billing", 35),
    ("relationship", "Relationship", "loyalty", "email", "Customer service", 40),
)

_REASON = ("reason", "What is the main reason for your score?", Question.Kind.TEXT)
SURVEYS: Sequence[tuple[Mapping[str, Any], str, Sequence[tuple[str, str, str]]]] = (
    (
        {
            "slug": "relationship",
            "name": "Relationship NPS",
            "metric": Survey.Metric.NPS,
            "kind": Survey.Kind.RELATIONAL,
            "wording": "How likely are you to recommend us to a friend or colleague?",
        },
        "relationship",
        [_REASON],
    ),
    (
        {
            "slug": "order",
            "name": "Order NPS",
            "metric": Survey.Metric.NPS,
            "wording": "After this order: how likely are you to recommend us?",
        },
        "",
        [_REASON],
    ),
    (
        {
            "slug": "delivery",
            "name": "Delivery CSAT",
            "metric": Survey.Metric.CSAT,
            "scale_min": 1,
            "scale_max": 5,
            "wording": "How satisfied are you with the delivery?",
            "repeat": Survey.Repeat.RAISE,
        },
        "delivery",
        [("delivered_on_time", "Did we come on time?", Question.Kind.BOOLEAN)],
    ),
    (
        {
            "slug": "support",
            "name": "Customer service CES",
            "metric": Survey.Metric.CES,
            "scale_min": 1,
            "scale_max": 7,
            "wording": "It was easy to get my issue solved.",
        },
        "support",
        [],
    ),
)


def _calendar(years: range, *, by: User, now: datetime) -> BusinessCalendar:
    calendar = BusinessCalendar(
        name="Office Berlin",
        zone="Europe/Berlin",
        country="DE",
        hours={
            day: [["09:00", "17:00"]] for day in ("mon", "tue", "wed", "thu", "fri")
        },
        special={f"{year}-12-24": [["09:00", "12:00"]] for year in years},
    )
    closed = [
        Holiday(calendar=calendar, day=day, name=name, source=Holiday.Source.COUNTRY)
        for year in years
        for day, name in holidays(year).items()
    ]
    config.save_calendar(calendar, holidays=closed, by=by, now=now)
    return calendar


def holidays(year: int) -> Mapping[date, str]:
    """Return the public holidays of all Germany, without the extra for all countries.

    >>> {str(day): name for day, name in holidays(2025).items()}["2025-04-18"]
    'Karfreitag'
    """
    fixed = {date(year, *day): name for day, name in _FIXED.items()}
    sunday = easter(year)
    from_easter = {sunday + timedelta(n): name for n, name in _FROM_EASTER.items()}
    return dict(sorted({**fixed, **from_easter}.items()))


_FIXED: Mapping[tuple[int, int], str] = {
    (1, 1): "Neujahr",
    (5, 1): "Erster Mai",
    (10, 3): "Tag der Deutschen Einheit",
    (12, 25): "Erster Weihnachtstag",
    (12, 26): "Zweiter Weihnachtstag",
}
_FROM_EASTER: Mapping[int, str] = {
    -2: "Karfreitag",
    1: "Ostermontag",
    39: "Christi Himmelfahrt",
    50: "Pfingstmontag",
}


def easter(year: int) -> date:
    """Return Easter Sunday (the anonymous Gregorian algorithm, Nature 1876).

    >>> str(easter(2026))
    '2026-04-05'
    """
    century, rest = divmod(year, 100)
    golden = year % 19
    lift = (century - (century + 8) // 25 + 1) // 3
    moon = (19 * golden + century - century // 4 - lift + 15) % 30
    week = (32 + 2 * (century % 4) + 2 * (rest // 4) - moon - rest % 4) % 7
    late = (golden + 11 * moon + 22 * week) // 451
    month, day = divmod(moon + week - 7 * late + 114, 31)
    return date(year, month, day + 1)


# Priority 1 (urgent) to 4 (low): business seconds to the first contact, to the end.
PROMISES: Mapping[str, tuple[Mapping[str, Any], Mapping[int, tuple[int, int]]]] = {
    "Key customers": (
        VIP,
        {
            1: (1 * HOUR, 1 * WORKDAY),
            2: (2 * HOUR, 2 * WORKDAY),
            3: (4 * HOUR, 3 * WORKDAY),
            4: (1 * WORKDAY, 4 * WORKDAY),
        },
    ),
    "Everybody": (
        {},
        {
            1: (2 * HOUR, 2 * WORKDAY),
            2: (4 * HOUR, 3 * WORKDAY),
            3: (1 * WORKDAY, 5 * WORKDAY),
            4: (2 * WORKDAY, 8 * WORKDAY),
        },
    ),
}
UPDATE_DAYS = 3
STATUTORY_WEEKS = 8
STEPS: Sequence[Mapping[str, Any]] = (
    {"metric": ClockMetric.FIRST_CONTACT, "percent": 150, "action": "notify lead"},
    {"metric": ClockMetric.RESOLUTION, "percent": 100, "action": "notify lead"},
    {"metric": ClockMetric.RESOLUTION, "percent": 200, "action": "notify manager"},
    {"metric": ClockMetric.STATUTORY, "minutes": -10080, "action": "notify manager"},
)


def _policies(calendar: BusinessCalendar, *, by: User, now: datetime) -> None:
    for position, (name, (conditions, promises)) in enumerate(PROMISES.items()):
        policy = SlaPolicy(
            name=name, position=position * 10, conditions=conditions, calendar=calendar
        )
        steps = [EscalationStep(**step) for step in STEPS]
        targets = list(_targets(promises))
        config.save_policy(policy, targets=targets, steps=steps, by=by, now=now)


def _targets(promises: Mapping[int, tuple[int, int]]) -> Iterator[Target]:
    for priority, (first, end) in promises.items():
        for metric, amount, unit in (
            (ClockMetric.FIRST_CONTACT, first, TimeUnit.BUSINESS_SECONDS),
            (ClockMetric.NEXT_UPDATE, UPDATE_DAYS, TimeUnit.BUSINESS_DAYS),
            (ClockMetric.RESOLUTION, end, TimeUnit.BUSINESS_SECONDS),
            (
                ClockMetric.STATUTORY,
                STATUTORY_WEEKS * 7 * 24 * HOUR,
                TimeUnit.CALENDAR_SECONDS,
            ),
        ):
            yield Target(
                metric=metric,
                priority=priority,
                amount=amount,
                unit=unit,
                warn_percents=[75],
            )


def _is(fact: str, value: Any) -> Mapping[str, Any]:
    return {"fact": fact, "operator": "is", "value": value}


def _says(*words: str) -> list[Mapping[str, Any]]:
    return [
        {"fact": "comment", "operator": "contains", "value": word} for word in words
    ]


_UNHAPPY = {
    "fact": "band",
    "operator": "in",
    "value": ["detractor", "dissatisfied", "difficult"],
}
_AT_DELIVERY = {
    "any": [
        _is("department", "Logistics"),
        {"all": [_UNHAPPY, {"any": _says("deliver", "liefer")}]},
    ]
}
RULES: Sequence[Mapping[str, Any]] = (
    {
        "name": "Unhappy: open a case",
        "conditions": _UNHAPPY,
        "actions": [{"do": "open case", "priority": "normal"}],
    },
    {
        "name": "Asked for a call: open a case",
        "conditions": _is("wants_contact", True),
        "actions": [{"do": "open case", "priority": "low"}],
    },
    {
        "name": "Very low score: high priority",
        "conditions": {
            "any": [
                {
                    "all": [
                        _is("metric", "nps"),
                        {"fact": "score", "operator": "at most", "value": 2},
                    ]
                },
                {"all": [_is("metric", "csat"), _is("score", 1)]},
                {"all": [_is("metric", "ces"), _is("score", 1)]},
            ]
        },
        "actions": [{"do": "set priority", "priority": "high"}],
    },
    {
        "name": "Complaint: the statutory clock runs, too",
        "conditions": {"any": _says("complaint", "beschwerde")},
        "actions": [{"do": "mark as complaint"}],
    },
    {
        "name": "Complaint or money back: high priority",
        "conditions": {
            "any": _says("complaint", "beschwerde", "refund", "geld zurück", "cancel")
        },
        "actions": [{"do": "set priority", "priority": "high"}],
    },
    {
        "name": "Key customer: urgent",
        "conditions": {"all": [VIP, _UNHAPPY]},
        "actions": [
            {"do": "set priority", "priority": "urgent"},
            {"do": "add tags", "tags": ["key customer"]},
        ],
    },
    {
        "name": "About a delivery: delivery team",
        "conditions": _AT_DELIVERY,
        "actions": [{"do": "set team", "team": "delivery"}],
    },
    {
        "name": "Everything else: customer care",
        "conditions": {"not": _AT_DELIVERY},
        "actions": [{"do": "set team", "team": "care"}],
    },
    {
        "name": "Unhappy customers get an owner at once",
        "conditions": _UNHAPPY,
        "actions": [{"do": "assign", "by": ["same agent as before", "least loaded"]}],
    },
    {
        "name": "A key customer got no answer in time: tell the leads",
        "trigger": "clock breached",
        "conditions": {
            "all": [VIP, _is("clock.metric", "first contact")],
        },
        "actions": [{"do": "notify", "who": ["leads"]}],
    },
)

TEMPLATES: Sequence[Mapping[str, str]] = (
    {
        "slug": "sorry",
        "name": "Sorry, and what happens next",
        "language": "en",
        "subject": "Your feedback",
        "body": "Thank you for telling us. I am sorry that we let you down. "
        "I am looking into it now and will ring you within one working day.",
    },
    {
        "slug": "sorry-de",
        "name": "Entschuldigung, und wie es weitergeht",
        "language": "de",
        "subject": "Ihre Rückmeldung",
        "body": "Danke für Ihre offenen Worte. Es tut mir leid, dass wir Sie enttäuscht "
        "haben. Ich kümmere mich darum und melde mich innerhalb eines Werktags.",
    },
    {
        "slug": "not-reached",
        "name": "We could not reach you",
        "language": "en",
        "subject": "We tried to call you",
        "body": "We tried to reach you by phone. When may we call you?",
    },
)
TAGS = ("carrier change", "key customer", "voucher sent", "replacement", "press")
