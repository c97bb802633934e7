"""Whether what decides over cases can be read and reached: policies, calendars, rules.

Each function yields what the doctor says of one subject, and changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Exists, F, Max, OuterRef, Q

from cem_cases import rules, sla
from cem_cases.exceptions import CemCasesError
from cem_cases.loop import config, findings, holidays, lint, policies
from cem_cases.loop.findings import Said
from cem_cases.models import (
    BusinessCalendar,
    Clock,
    Holiday,
    Membership,
    PolicyVersion,
    Rule,
    SlaPolicy,
    Team,
    sees_everything,
)

MOST_NAMES = 10
YEAR = timedelta(days=366)

SAVE_POLICY = "Save it in the admin: that makes a version of what its rows say."


def of_policies(now: datetime) -> Iterator[Said]:
    """What there is to say about the active policies, and the versions in force."""
    rows = list(
        SlaPolicy.objects.filter(is_active=True)
        .select_related("calendar")
        .prefetch_related("targets", "escalation_steps", "calendar__holidays")
        .order_by("position", "pk")
    )
    said: list[Said] = []
    in_force = list(_in_force(rows, now, said))
    said += [*_hidden(in_force), *_to_nobody(in_force), *_broken_versions()]
    if not rows:
        said.append(
            findings.warning(
                "No SLA policy is active: the clocks of new cases do not start.",
                "Make one in the admin, or switch one on.",
            )
        )
    fine = findings.ok(f"{len(rows):,} active, each in force as its rows say.")
    yield from said or [fine]


def _in_force(
    rows: Sequence[SlaPolicy], now: datetime, said: list[Said]
) -> Iterator[policies.Policy]:
    """Yield the newest version of each policy that has one which can be read."""
    numbers = PolicyVersion.objects.filter(number=F("policy__version"))
    newest = {v.policy_id: v for v in numbers.filter(policy__in=rows)}
    for row in rows:
        version = newest.get(row.pk)
        if version is None:
            says = f"Policy {row.name!r} is active, but has no version: cases go without it."
            said.append(findings.error(says, SAVE_POLICY))
            continue
        version.policy = row
        value, why_not = _read(version.value)
        if why_not:
            says = f"Policy {row.name!r} cannot be read, and is left out: {why_not}."
            said.append(findings.error(says, SAVE_POLICY))
            continue
        policy = policies.Policy(version, *value)
        said += [*_dead(policy, now), *_not_in_force(policy)]
        yield policy


def _dead(policy: policies.Policy, now: datetime) -> Iterator[Said]:
    """What would be refused if it were saved today."""
    raw = json.loads(policy.version.terms)
    if why_not := _read(lambda: sla.parse_terms(raw, on=now))[1]:
        says = f"Policy {policy.version.policy.name!r} is dead: {why_not}."
        yield findings.error(
            says, "It would be refused if it were saved: mend it in the admin."
        )


def _not_in_force(policy: policies.Policy) -> Iterator[Said]:
    """Rows that were changed around the loop."""
    row, number = policy.version.policy, policy.version.number
    changed, why_not = _read(lambda: ", ".join(_changed(row, policy)))
    if why_not:
        says = f"its rows cannot be read ({why_not})"
    elif changed:
        says = f"its {changed} are not what they say"
    else:
        return
    yield findings.warning(
        f"Policy {row.name!r} was changed around the loop: {says}. Version {number} "
        "stays in force.",
        SAVE_POLICY,
    )


def _changed(row: SlaPolicy, policy: policies.Policy) -> Iterator[str]:
    raw = policies.terms_data(row, row.targets.all(), row.escalation_steps.all())
    said, force = sla.parse_terms(raw), policy.terms
    if (
        rules.parse_conditions(row.conditions, known=rules.FOR_POLICIES)
        != policy.conditions
    ):
        yield "conditions"
    if said.calendar != force.calendar:
        yield "calendar's hours or holidays"
    if said.promises != force.promises:
        yield "targets"
    if _steps(said) != _steps(force):
        yield "escalation steps"
    if said.pauses != force.pauses:
        yield "pauses"


def _steps(terms: sla.Terms) -> set[sla.Step]:
    return {step for steps in terms.steps.values() for step in steps}


def _hidden(found: Sequence[policies.Policy]) -> Iterator[Said]:
    for n, policy in enumerate(found):
        if policy.conditions == rules.AllOf():
            for later in found[n + 1 :]:
                yield findings.error(
                    f"Policy {later.version.policy.name!r} is never chosen: "
                    f"{policy.version.policy.name!r} comes before it, and holds for "
                    "every case.",
                    "Give it a lower position.",
                )
            return


def _to_nobody(found: Sequence[policies.Policy]) -> Iterator[Said]:
    """Escalations that nobody, or nobody in some team, would hear of."""
    steps = [
        (policy.version.policy.name, step)
        for policy in found
        for step in _steps(policy.terms)
    ]
    by_role: dict[Membership.Role, str] = {}
    by_watcher: dict[str, str] = {}
    for name, step in steps:
        if role := config.ROLES.get(step.action):
            by_role.setdefault(role, name)
        if step.user is not None:
            by_watcher.setdefault(step.user, name)
    yield from _roles_without_people(by_role)
    for key in sorted(set(by_watcher) - _who_see_cases(by_watcher)):
        yield findings.error(
            f"Policy {by_watcher[key]!r} adds a watcher who sees no cases: user {key}.",
            "Let an active user who works in some team watch instead.",
        )


def _roles_without_people(
    by_role: Mapping[Membership.Role, str],
) -> Iterator[Said]:
    """Roles to which some policy escalates (which one), and that some team lacks."""
    if not by_role:
        return
    members = Membership.objects.filter(
        team=OuterRef("pk"), is_active=True, user__is_active=True
    )
    teams = list(
        Team.objects.filter(Exists(members), is_active=True)
        .annotate(**{f"has_{r.value}": Exists(members.filter(role=r)) for r in by_role})
        .order_by("name", "pk")
    )
    for role, policy in sorted(by_role.items()):
        lacking = [t.name for t in teams if not getattr(t, f"has_{role.value}")]
        if len(lacking) == len(teams):
            yield findings.error(
                f"Policy {policy!r} escalates to a {role.label}, and no active team "
                "has one.",
                "Make somebody one.",
            )
        elif lacking:
            yield findings.warning(
                f"Policy {policy!r} escalates to a {role.label}: nobody hears of it in "
                f"{_names(lacking)}.",
                "Make somebody there one.",
            )


def _names(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMES
    shown = ", ".join(map(repr, names[:MOST_NAMES]))
    return f"{shown} and {more:,} more" if more > 0 else shown


def _who_see_cases(keys: Iterable[str]) -> set[str]:
    """Return those of these keys of users, given as text, who see cases of some team."""
    users, primary = get_user_model()._default_manager, get_user_model()._meta.pk
    read = [_read(lambda key=key: primary.to_python(key))[0] for key in keys]  # type: ignore[misc]
    members = Membership.objects.filter(
        user=OuterRef("pk"), is_active=True, team__is_active=True
    )
    rows = users.filter(pk__in=[key for key in read if key is not None], is_active=True)
    return {
        str(user.pk)
        for user in rows.annotate(works_cases=Exists(members))
        if user.works_cases or sees_everything(user)
    }


def _broken_versions() -> Iterator[Said]:
    """Versions that cannot be read, but by which clocks still run."""
    rows = PolicyVersion.objects.select_related("policy").order_by("-pk")
    newest = rows[: findings.MOST]
    broken = {row: why for row in newest if (why := _read(row.value)[1])}
    if not broken:
        return
    running = Clock.objects.running().filter(version__in=broken).order_by()
    used = set(running.values_list("version", flat=True).distinct())
    for row, why_not in broken.items():
        if row.pk in used:
            yield findings.error(
                f"Clocks run by version {row.number} of policy {row.policy.name!r}, "
                f"which cannot be read: {why_not}. They neither warn nor breach.",
                "Move them to its newest version: `loop.sla.migrate`.",
            )


def of_calendars(now: datetime) -> Iterator[Said]:
    """What there is to say about the holidays of the calendars in use."""
    of_country = Q(holidays__source=Holiday.Source.COUNTRY)
    rows = list(
        BusinessCalendar.objects.filter(
            Exists(SlaPolicy.objects.filter(calendar=OuterRef("pk"), is_active=True))
        )
        .annotate(last_day=Max("holidays__day", filter=of_country))
        .order_by("name")
    )
    said = [said for row in rows for said in _holidays(row, now)]
    yield from said or [findings.ok(f"{len(rows):,} in use, with holidays for a year.")]


def _holidays(row: Any, now: datetime) -> Iterator[Said]:
    add = (
        "`manage.py cem_holidays` adds the next ones; so does the page of the calendar."
    )
    if row.last_day and row.last_day < (now + YEAR).date():
        ends = "ended" if row.last_day < now.date() else "end"
        yield findings.warning(
            f"The public holidays of calendar {row.name!r} {ends} on {row.last_day}: "
            "later ones are working days.",
            add,
        )
    elif row.country and not row.last_day:
        yield findings.warning(
            f"Calendar {row.name!r} has none of the public holidays of {row.country!r}.",
            add,
        )
    if row.country:
        try:
            holidays.check_country(row.country, row.subdivision)
        except CemCasesError as error:
            yield findings.warning(
                f"The public holidays of {row.country!r}, for calendar {row.name!r}, "
                "cannot be looked up.",
                str(error),
            )


def of_rules() -> Iterator[Said]:
    """What there is to say about the active rules."""
    rows = list(Rule.objects.filter(is_active=True).order_by("position", "pk"))
    said: list[Said] = []
    found: list[tuple[Rule, rules.Rule]] = []
    for row in rows:
        value, why_not = _read(row.value)
        if why_not:
            says = f"Rule {row.name!r} cannot be read, and is left out: {why_not}."
            said.append(findings.error(says, "Mend it in the admin."))
        else:
            found.append((row, value))
    said += [findings.warning(*each) for each in lint.of_active(found)]
    if not rows:
        says = "No rule is active: no answer opens a case."
        said.append(findings.warning(says, "Make one in the admin, or switch one on."))
    yield from said or [findings.ok(f"{len(rows):,} active, all of them readable.")]


def _read(value: Callable[[], Any]) -> tuple[Any, str]:
    """Return what this reads and "", or None and why it cannot be read."""
    try:
        return value(), ""
    except (rules.InvalidRule, sla.InvalidPolicy, sla.InvalidCalendar) as error:
        return None, str(error).rstrip(".")
    except Exception as error:  # anything may have been written into a row
        return None, type(error).__name__
