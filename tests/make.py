"""Rows for tests. Say only what the test is about; the rest is unremarkable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission

from cem_cases.loop import capture, drain, policies
from cem_cases.models import (
    Absence,
    BusinessCalendar,
    Case,
    ClockMetric,
    EscalationStep,
    Membership,
    PolicyVersion,
    Response,
    RootCause,
    Rule,
    SlaPolicy,
    Survey,
    Target,
    Team,
    Touchpoint,
)

MONDAY = datetime(2025, 3, 3, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NINE_TO_FIVE = {
    day: [["09:00", "17:00"]] for day in ("mon", "tue", "wed", "thu", "fri")
}
DETRACTOR = {"fact": "band", "operator": "is", "value": "detractor"}
_number = count(1)


def survey(**fields: Any) -> Survey:
    defaults = {"slug": f"survey-{next(_number)}", "name": "Survey", "metric": "nps"}
    return Survey.objects.create(**defaults | fields)


def touchpoint(**fields: Any) -> Touchpoint:
    defaults = {"slug": f"touchpoint-{next(_number)}", "name": "Touchpoint"}
    return Touchpoint.objects.create(**defaults | fields)


def nps() -> Survey:
    """The survey that most tests are about."""
    return Survey.objects.get_or_create(
        slug="nps", defaults={"name": "NPS", "metric": "nps"}
    )[0]


def answer(**fields: Any) -> dict[str, Any]:
    """What comes in from outside, for `capture.record`."""
    return {"survey": "nps", "external_id": f"r{next(_number)}", "score": 3} | fields


def response(**fields: Any) -> Response:
    """A response that waits for the loop."""
    nps()
    now = fields.pop("now", MONDAY)
    ((outcome),) = capture.record(answer(**fields), now=now)
    assert outcome.response
    return outcome.response


def user(name: str = "", *permissions: str, **fields: Any) -> Any:
    made = get_user_model().objects.create_user(
        username=name or f"user-{next(_number)}", **fields
    )
    for permission in permissions:
        made.user_permissions.add(Permission.objects.get(codename=permission))
    return made


def agent(of: Team, name: str = "", **fields: Any) -> Any:
    """A user who works cases in this team, in the admin, too."""
    made = user(name, "view_case", "work_case", "assign_case", is_staff=True)
    Membership.objects.create(team=of, user=made, **fields)
    return made


def absence(of: Any, from_at: datetime, until_at: datetime) -> Absence:
    return Absence.objects.create(user=of, from_at=from_at, until_at=until_at)


def manager(name: str = "") -> Any:
    return user(name, "view_case", "view_all_cases", is_staff=True)


def team(slug: str = "", **fields: Any) -> Team:
    slug = slug or f"team-{next(_number)}"
    return Team.objects.create(slug=slug, name=slug.title(), **fields)


def rule(*actions: Any, **fields: Any) -> Rule:
    """An active rule; by default it opens a case for each detractor."""
    number = next(_number)
    defaults = {
        "name": f"Rule {number}",
        "position": number,
        "conditions": DETRACTOR,
        "actions": [
            {"do": action} if isinstance(action, str) else action for action in actions
        ]
        or [{"do": "open case"}],
        "is_active": True,
    }
    made = Rule(**defaults | fields)
    made.full_clean()
    made.save()
    return made


def rule_for(of: Team, by: str = "least loaded", **fields: Any) -> Rule:
    """A rule that opens a case for each detractor in this team, with an owner."""
    return rule(
        "open case",
        {"do": "set team", "team": of.slug},
        {"do": "assign", "by": by},
        **fields,
    )


def office() -> BusinessCalendar:
    """Nine to five in UTC, on weekdays."""
    return BusinessCalendar.objects.get_or_create(
        name="Office", defaults={"hours": NINE_TO_FIVE}
    )[0]


def policy(
    *,
    hours: float = 4,
    days: float = 3,
    warn: Sequence[int] = (75,),
    steps: Sequence[dict[str, Any]] = (),
    also: Mapping[str, tuple[int, str]] | None = None,
    now: datetime = MONDAY - 30 * DAY,
    **fields: Any,
) -> SlaPolicy:
    """Nine to five in UTC; `hours` to first contact, `days` of 8 hours to resolve.

    `also`: amount and unit for other metrics, the same at every priority.
    """
    defaults = {"name": f"Policy {next(_number)}"}
    if "calendar" not in fields:
        defaults["calendar"] = office()
    made = SlaPolicy.objects.create(**defaults | fields)
    targets = []
    for priority in Case.Priority.values:
        for metric, seconds in (
            (ClockMetric.FIRST_CONTACT, int(hours * 3600)),
            (ClockMetric.RESOLUTION, int(days * 8 * 3600)),
        ):
            # urgent takes a third of the time, low twice as much
            seconds = seconds * {1: 1, 2: 2, 3: 3, 4: 6}[priority] // 3
            targets.append(
                Target(
                    metric=metric,
                    priority=priority,
                    amount=seconds,
                    warn_percents=list(warn),
                )
            )
        for metric, (amount, unit) in (also or {}).items():
            targets.append(
                Target(metric=metric, priority=priority, amount=amount, unit=unit)
            )
    publish(made, targets, [EscalationStep(**step) for step in steps], now=now)
    return made


def publish(
    of: SlaPolicy,
    targets: Sequence[Target],
    steps: Sequence[EscalationStep] = (),
    *,
    now: datetime = MONDAY - 30 * DAY,
) -> PolicyVersion:
    """The next version of a policy, as `loop.config` makes it, dead or not."""
    for model, rows in ((Target, targets), (EscalationStep, steps)):
        model.objects.filter(policy=of).delete()
        for row in rows:
            row.pk, row.policy = None, of
            row.save()
    return policies.publish(of, policies.terms_data(of, targets, steps), now=now)


def root_cause(code: str = "late-delivery", **fields: Any) -> RootCause:
    defaults = {"name": code.replace("-", " "), "department": "Logistics"}
    return RootCause.objects.get_or_create(code=code, defaults=defaults | fields)[0]


def case(**fields: Any) -> Case:
    """A case as the loop opens it: from the response of a detractor on Monday at nine.

    `team=` puts it there; `owner=` has it claimed by them.
    """
    of = fields.pop("team", None) or team()
    owner = fields.pop("owner", None)
    if not Rule.objects.filter(name=f"to {of.slug}").exists():
        rule(
            "open case",
            {"do": "set team", "team": of.slug},
            name=f"to {of.slug}",
            conditions={"fact": "channel", "operator": "is", "value": of.slug},
        )
    made = response(channel=of.slug, **fields)
    drain.drain(now=MONDAY)
    found = Case.objects.get(opening_response=made)
    if owner is not None:
        from cem_cases.loop import cases

        found = cases.claim(found, by=owner, now=MONDAY)
    return found
