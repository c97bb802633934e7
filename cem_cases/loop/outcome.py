"""From counts to the result of a replay: with names, and examples put into words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model

from cem_cases import rules
from cem_cases.loop.floor import Desk, Room, Simulated
from cem_cases.loop.rehearsal import Real, Rehearsal, Span
from cem_cases.loop.replayed import (
    UNNAMED,
    Difference,
    Differences,
    Example,
    Fate,
    Look,
    PersonTally,
    Replay,
    RuleTally,
    TeamTally,
)
from cem_cases.loop.tally import Kept, Pair, Tally
from cem_cases.models import Customer, Rule, Team, sees_everything


def tell(
    span: Span,
    rule: Rule | None,
    days_open: float | None,
    tally: Tally,
    rehearsal: Rehearsal,
    assumptions: Sequence[str],
) -> Replay:
    """Return the result, with everything called by its name."""
    rooms = rehearsal.floor.end(span.until)
    kept = sorted(tally.examples.chosen(), key=lambda kept: kept.step.answer.pk)
    pairs = {kind: spread.chosen() for kind, spread in tally.differences.items()}
    names = _names(kept, [pair for some in pairs.values() for pair in some])
    return Replay(
        since=span.since,
        until=span.until,
        survey=span.survey.slug if span.survey else None,
        rule=rule.name or UNNAMED if rule else None,
        rule_id=rule.pk if rule else None,
        days_open=days_open,
        answers=tally.answers,
        matched=tally.matched,
        opened=tally.opened,
        joined=tally.joined,
        covered=tally.covered,
        opened_by_all=tally.opened_by_all,
        really_opened=tally.really_opened,
        really_joined=tally.really_joined,
        rules=_rules(tally),
        teams=[_team(room, tally, span) for room in rooms],
        policies=dict(tally.policies.most_common()),
        differences=_differences(tally, pairs, names),
        examples=[_example(each, tally, names) for each in kept],
        assumptions=assumptions,
    )


def _rules(tally: Tally) -> list[RuleTally]:
    looked_at, matched = tally.looks()
    return [
        RuleTally(
            id=rule.key or None,
            name=rule.name,
            looked_at=looked_at.get(n, 0),
            matched=matched[rule.key],
            opened=tally.opened_by[rule.key],
        )
        for n, rule in enumerate(tally.ruleset.rules)
    ]


def _team(room: Room, tally: Tally, span: Span) -> TeamTally:
    team = room.team
    people = [_person(desk) for desk in room.desks.values()]
    agents = [person for person in people if not person.is_manager]
    limits = [person.capacity for person in agents]
    known = [limit for limit in limits if limit is not None]
    return TeamTally(
        slug=team.slug if team else None,
        name=team.name if team else "No team",
        opened=room.opened,
        by_rule=tally.by_team[team.pk if team else None],
        peak=room.peak,
        capacity=sum(known) if known and len(known) == len(limits) else None,
        unasked=room.unasked,
        waited=dict(room.waited.most_common()),
        waiting=room.waiting(span.until),
        people=sorted(people, key=lambda person: (-person.given, person.username)),
    )


def _person(desk: Desk) -> PersonTally:
    member = desk.member
    return PersonTally(
        username=member.name,
        given=desk.given,
        began_with=desk.began_with,
        peak=desk.peak,
        capacity=member.capacity,
        full_days=desk.full_days,
        is_manager=member.is_manager,
    )


@dataclass(frozen=True, slots=True)
class _Names:
    """How the rows of the examples are called."""

    customers: Mapping[int, str]
    teams: Mapping[int, str]
    users: Mapping[Any, str]


def _names(kept: Sequence[Kept], pairs: Iterable[Pair]) -> _Names:
    customers = [each.step.answer.customer_id for each in kept]
    cases = [each.step.case for each in kept]
    cases += [case for pair in pairs for case in (pair.made, pair.real)]
    owners = {case.owner for case in cases if case is not None and case.owner}
    rows = get_user_model()._default_manager.filter(pk__in=owners)
    return _Names(
        customers={c.pk: str(c) for c in Customer.objects.filter(pk__in=customers)},
        teams=dict(Team.objects.values_list("pk", "slug")),
        users={user.pk: user.get_username() for user in rows},
    )


def _fate(case: Simulated | Real | None, names: _Names) -> Fate | None:
    if case is None:
        return None
    team = case.team_id if isinstance(case, Simulated) else case.team
    return Fate(
        kind=str(case.kind),
        priority=rules.Priority(case.priority).word,
        team=names.teams.get(team or 0),
        owner=names.users.get(case.owner),
    )


def _example(kept: Kept, tally: Tally, names: _Names) -> Example:
    step, answer = kept.step, kept.step.answer
    case = step.case
    does = "no case"
    if case is not None:
        does = "joins a case" if step.is_join else "opens a case"
    is_new = isinstance(case, Simulated) and not step.is_join
    joins = case.pk if isinstance(case, Real) else None
    is_for_all = tally.by is None or sees_everything(tally.by)
    return Example(
        response=answer.pk,
        customer=answer.customer_id,
        customer_name=names.customers.get(answer.customer_id, ""),
        survey=answer.survey.slug,
        received_at=answer.received_at,
        score=answer.score,
        does=does,
        case=_fate(case, names),
        joins=joins if is_for_all or joins == answer.case_id else None,
        really=answer.case_id,
        policy=case.policy if isinstance(case, Simulated) else "",
        waits=case.waits if is_new and isinstance(case, Simulated) else "",
        looks=_looks(kept.looks, tally.ruleset.rules),
    )


def _looks(text: str, known: Collection[rules.Rule]) -> list[Look]:
    names = {rule.key: rule.name for rule in known}
    return [
        Look(look.rule or None, names.get(look.rule, ""), look.matched, look.because)
        for look in rules.read_looks(text)
    ]


def _differences(
    tally: Tally, pairs: Mapping[str, Sequence[Pair]], names: _Names
) -> Differences:
    return Differences(
        **tally.differ,
        examples={
            kind: [_difference(pair, names) for pair in sorted(some)]
            for kind, some in sorted(pairs.items())
        },
    )


def _difference(pair: Pair, names: _Names) -> Difference:
    return Difference(
        response=pair.response,
        received_at=pair.received_at,
        score=pair.score,
        number=pair.real and pair.real.pk,
        really_in=pair.really_in,
        replayed=_fate(pair.made, names),
        real=_fate(pair.real, names),
    )
