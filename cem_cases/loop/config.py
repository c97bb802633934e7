"""Saving what decides over cases: each edit is a new version and an audit event."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction

from cem_cases import rules, sla
from cem_cases.loop import audit, bulk, lint, moment, policies
from cem_cases.models import (
    BusinessCalendar,
    EscalationStep,
    Holiday,
    Membership,
    PolicyVersion,
    Rule,
    SlaPolicy,
    Target,
    Team,
    sees_everything,
)

ROLES = {
    sla.Action.NOTIFY_LEAD: Membership.Role.LEAD,
    sla.Action.REASSIGN_TO_LEAD: Membership.Role.LEAD,
    sla.Action.NOTIFY_MANAGER: Membership.Role.MANAGER,
}


@transaction.atomic
def save(
    rule: Rule, *, by: AbstractBaseUser | None, now: datetime | None = None
) -> None:
    """Save a rule as its next version, and note who did it.

    Cases keep the version that opened them. A rule acts on what comes in after it was
    switched on, never on what was there before. Raises ValidationError, also for what
    `lint.errors` says.
    """
    now = now or moment.now()
    is_new = rule._state.adding
    since: datetime | None = now
    if not is_new:
        saved = Rule.objects.select_for_update(no_key=True).get(pk=rule.pk)
        rule.version = saved.version + 1
        since = saved.active_since if saved.is_active else now
    rule.full_clean()
    if found := lint.errors(rule):
        raise ValidationError(found)
    rule.active_since = since if rule.is_active else None
    rule.save()
    _record(rule, is_new, by, now, **_fields(rule))


@transaction.atomic
def save_policy(
    policy: SlaPolicy,
    *,
    targets: Sequence[Target] | None = None,
    steps: Sequence[EscalationStep] | None = None,
    by: AbstractBaseUser | None,
    now: datetime | None = None,
) -> PolicyVersion:
    """Save a policy with its targets and steps as its next version; return that.

    `targets`, `steps`: all of them, replacing those that are saved; None leaves them as
    they are. Running clocks keep the version with which they began (`sla.migrate` moves
    them). Raises ValidationError, also for a policy that is dead: see `problems`.
    """
    now = now or moment.now()
    is_new = policy._state.adding
    if not is_new:
        saved = SlaPolicy.objects.select_for_update(no_key=True).get(pk=policy.pk)
        policy.version = saved.version
    if policy.calendar_id is not None:  # as it is now, and nobody saves it meanwhile
        rows = BusinessCalendar.objects.select_for_update(no_key=True)
        policy.calendar = rows.get(pk=policy.calendar_id)
    policy.full_clean()
    targets = _kept(policy, "targets", targets)
    steps = _kept(policy, "escalation_steps", steps)
    if found := problems(policy, targets, steps, now=now):
        raise ValidationError([f"{path}: {text}" for path, text in found])
    policy.save()
    _replace(policy, Target, targets)
    _replace(policy, EscalationStep, steps)
    terms = policies.terms_data(policy, targets, steps)
    version = policies.publish(policy, terms, now=now)
    _record(policy, is_new, by, now, **_fields(policy), terms=_plain(terms))
    return version


def _kept(policy: SlaPolicy, name: str, given: Sequence[Any] | None) -> Sequence[Any]:
    if given is not None:
        return given
    return [] if policy.pk is None else list(getattr(policy, name).all())


def _replace(policy: SlaPolicy, model: Any, rows: Sequence[Any]) -> None:
    """Keep these rows of the policy, and no others; they get new keys."""
    for row in rows:
        row.policy = policy
        row.full_clean(validate_unique=False, validate_constraints=False)
    model.objects.filter(policy=policy).delete()
    bulk.insert(_as_new(rows))


def _as_new(rows: Sequence[Any]) -> Sequence[Any]:
    for row in rows:
        row.pk, row._state.adding = None, True
    return rows


def problems(
    policy: SlaPolicy,
    targets: Iterable[Target],
    steps: Iterable[EscalationStep],
    *,
    now: datetime,
    holidays: Iterable[Holiday] | None = None,
) -> list[tuple[str, str]]:
    """Return why this policy must not be saved: where, and what is wrong there.

    It could not be read; or it is dead: a calendar that never opens, a target that it
    never reaches, a metric without a target for some priority, a policy behind or before
    one that holds for everything, an escalation to nobody.
    """
    targets, steps = list(targets), list(steps)
    try:
        sla.parse_terms(policies.terms_data(policy, targets, steps, holidays), on=now)
    except sla.InvalidPolicy as error:
        return [(error.path, error.message)]
    return [*_hidden(policy), *_to_nobody(steps)]


def _hidden(policy: SlaPolicy) -> list[tuple[str, str]]:
    """Of two policies, one of which holds for everything, the later is never chosen."""
    if not policy.is_active:
        return []
    others = SlaPolicy.objects.filter(is_active=True).exclude(pk=policy.pk)
    place = (policy.position, policy.pk or float("inf"))
    for other in others.order_by("position", "pk"):
        is_before = (other.position, other.pk) < place
        if is_before and _holds_always(other):
            return [
                (
                    "position",
                    f"it is never chosen: {other.name!r} comes before it, and "
                    "holds for every case. Give it a lower position.",
                )
            ]
        if not is_before and _holds_always(policy):
            return [
                (
                    "position",
                    f"it holds for every case, so that {other.name!r} would "
                    "never be chosen. Give it a higher position.",
                )
            ]
    return []


def _holds_always(policy: SlaPolicy) -> bool:
    try:
        tree = rules.parse_conditions(policy.conditions, known=rules.FOR_POLICIES)
    except rules.InvalidRule:
        return False
    return tree == rules.AllOf()


def _to_nobody(steps: Sequence[EscalationStep]) -> list[tuple[str, str]]:
    """An escalation that nobody would hear of."""
    members = Membership.objects.filter(
        is_active=True, user__is_active=True, team__is_active=True
    )
    roles = set(members.values_list("role", flat=True).distinct()) if steps else set()
    for n, step in enumerate(steps):
        role = ROLES.get(sla.Action(step.action))
        if role is not None and role not in roles:
            return [(f"steps[{n}].action", f"no active team has a {role.label}")]
        if step.user_id is not None and not _sees_cases(step.user_id, members):
            return [
                (
                    f"steps[{n}].user",
                    "must be an active user who sees cases of some team",
                )
            ]
    return []


def _sees_cases(user_id: Any, members: models.QuerySet[Membership]) -> bool:
    user = get_user_model()._default_manager.filter(pk=user_id, is_active=True).first()
    if user is None:
        return False
    return sees_everything(user) or members.filter(user=user).exists()


@transaction.atomic
def save_calendar(
    calendar: BusinessCalendar,
    *,
    holidays: Sequence[Holiday] | None = None,
    by: AbstractBaseUser | None,
    now: datetime | None = None,
) -> list[PolicyVersion]:
    """Save a calendar; each policy that uses it gets a new version. Return those.

    `holidays`: all of them, replacing those that are saved; None leaves them as they
    are. Running clocks keep the calendar with which they began. Raises ValidationError,
    also where a policy would be dead with it.
    """
    now = now or moment.now()
    is_new = calendar._state.adding
    if not is_new:
        lock_calendar(calendar.pk)
    rows = list(
        holidays if holidays is not None else [] if is_new else calendar.holidays.all()
    )
    calendar.clean_fields()
    calendar.validate_unique()
    calendar.check_opens(rows, now.date())
    calendar.save()
    if holidays is not None:
        _keep_holidays(calendar, rows)
    versions = [
        _republish(policy, calendar, rows, now)
        for policy in SlaPolicy.objects.select_for_update(no_key=True)
        .filter(calendar=calendar)
        .order_by("pk")
    ]
    _record(
        calendar,
        is_new,
        by,
        now,
        **_fields(calendar),
        closed=_plain(calendar.as_data(rows)["closed"]),
        policies=[version.policy_id for version in versions],
    )
    return versions


def lock_calendar(key: int) -> BusinessCalendar:
    """Lock a calendar and return it; the policies that use it first, as everywhere."""
    policies = SlaPolicy.objects.select_for_update(no_key=True).filter(calendar=key)
    list(policies.order_by("pk").values_list("pk"))
    return BusinessCalendar.objects.select_for_update(no_key=True).get(pk=key)


def _keep_holidays(calendar: BusinessCalendar, rows: Sequence[Holiday]) -> None:
    for row in rows:
        row.calendar = calendar
        row.full_clean(validate_unique=False, validate_constraints=False)
    calendar.holidays.all().delete()
    bulk.insert(_as_new(rows))


def _republish(
    policy: SlaPolicy,
    calendar: BusinessCalendar,
    holidays: Sequence[Holiday],
    now: datetime,
) -> PolicyVersion:
    policy.calendar = calendar
    targets = list(policy.targets.all())
    steps = list(policy.escalation_steps.all())
    terms = policies.terms_data(policy, targets, steps, holidays)
    try:
        sla.parse_terms(terms, on=now)
    except sla.InvalidPolicy as error:
        raise ValidationError(f"Policy {policy.name!r}: {error}") from None
    return policies.publish(policy, terms, now=now)


@transaction.atomic
def save_team(
    team: Team,
    *,
    members: Sequence[Membership] | None = None,
    by: AbstractBaseUser | None,
    now: datetime | None = None,
) -> None:
    """Save a team with these memberships, new or changed, and note who did it.

    Members that are not given stay as they are: nobody is taken out, who leaves is
    switched off. What rules count, with the team and with its members, is not touched.
    Raises ValidationError.
    """
    now = now or moment.now()
    is_new = team._state.adding
    if not is_new:
        saved = Team.objects.select_for_update(no_key=True).get(pk=team.pk)
        team.assigned_count = saved.assigned_count
    team.full_clean()
    team.save()
    _keep_members(team, members or ())
    _record(team, is_new, by, now, **_fields(team), members=_plain(_members(team)))


def _keep_members(team: Team, rows: Sequence[Membership]) -> None:
    locked = Membership.objects.select_for_update(no_key=True).filter(team=team)
    saved = {row.pk: row for row in locked.order_by("pk")} if rows else {}
    for row in rows:
        row.team = team
        if found := saved.get(row.pk):
            row.open_cases = found.open_cases
            row.last_assigned = found.last_assigned
        row.full_clean()
        row.save()


def _members(team: Team) -> list[dict[str, Any]]:
    names = ("user", "role", "capacity", "skills", "is_active")
    return list(team.memberships.order_by("user").values(*names))


def _fields(row: models.Model) -> dict[str, Any]:
    return {
        field.attname: _plain(field.value_from_object(row))
        for field in row._meta.concrete_fields
    }


def _record(
    row: models.Model,
    is_new: bool,
    by: AbstractBaseUser | None,
    now: datetime,
    **payload: Any,
) -> None:
    kind = f"{row._meta.model_name}.{'created' if is_new else 'changed'}"
    audit.append([audit.NewEvent(kind=kind, actor=by, payload=payload)], now=now)


def _plain(value: Any) -> str | int | None:
    if value is None or isinstance(value, bool | int | str):
        return value
    return json.dumps(value, cls=DjangoJSONEncoder, sort_keys=True)
