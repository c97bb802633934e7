"""What rules decide about cases that are there is done to them: in batches.

Each change has the event that it has when a person makes it, and says which rule it was.
What is not possible (a resolved case gets no owner) is left, and said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cem_cases import rules
from cem_cases.loop import (
    audit,
    bulk,
    clocks,
    owners,
    policies,
    staffing,
    tagging,
    targets,
)
from cem_cases.loop.roster import Roster
from cem_cases.models import Case, Team

SAVED = (
    *("priority", "team", "owner", "owner_is_manual", "status", "assignment"),
    *("is_complaint", "policy_version", "policy_is_set", "due_at"),
    *("waiting_reason", "waiting_until", "version"),
)


@dataclass(slots=True)
class Wish:
    """What rules want of one case, which is locked, with its team; and why."""

    case: Case
    decision: rules.Decision
    trigger: str
    looks: Mapping[int, rules.Look]
    """Of the rules that match, by key."""
    events: list[audit.NewEvent] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    """The names of the facts that have changed."""
    not_done: list[str] = field(default_factory=list)
    left: tuple[int | None, Any] | None = None
    """The team and the owner, by key, whose case it was until now."""
    choice: rules.Choice | None = None
    """What was said of whom; None: no owner was looked for."""

    def say(self, kind: str, **payload: Any) -> None:
        """Let this event be appended; it says which rules acted."""
        payload = {"by_rules": [rule.key for rule in self.decision.matched], **payload}
        payload["status"] = self.case.status
        self.events.append(audit.NewEvent(kind=kind, case=self.case, payload=payload))


def revise(wishes: Sequence[Wish], *, now: datetime) -> Sequence[audit.Appended]:
    """Do what these wishes ask, and return for each the event that tells why.

    A fixed number of statements, but of complaints. The owner whom a person chose stays,
    and with the owner the team.
    """
    _prioritize(wishes)
    _put_into_teams(wishes, now)
    _flag(wishes)
    fixed = _policies(wishes)
    _reckon(wishes, fixed, now)
    found = _give(wishes, now)
    _save(wishes)
    found.save()
    tagged = tagging.add((wish.case, wish.decision.tags) for wish in wishes)
    for wish in wishes:
        if new := tagged.get(wish.case.pk):
            wish.say("case.tagged", tags=new)
    return _append(wishes, now)


def _prioritize(wishes: Iterable[Wish]) -> None:
    for wish in wishes:
        case, priority = wish.case, wish.decision.priority
        if priority is None or priority == case.priority:
            continue
        if not case.is_active:
            wish.not_done.append("set priority")
            continue
        before, case.priority = rules.Priority(case.priority), priority
        wish.facts.append("case.priority")
        wish.say(
            "case.priority_set", priority=priority.word, priority_before=before.word
        )


def _put_into_teams(wishes: Sequence[Wish], now: datetime) -> None:
    slugs = {wish.decision.team for wish in wishes} - {None}
    left = []
    rows = Team.objects.filter(slug__in=slugs, is_active=True) if slugs else ()
    teams = {team.slug: team for team in rows}
    for wish in wishes:
        case, slug = wish.case, wish.decision.team
        if slug is None or (case.team and case.team.slug == slug):
            continue
        if not case.is_active or case.owner_is_manual or slug not in teams:
            wish.not_done.append(f"set team {slug}")
            continue
        if case.owner_id is not None:
            wish.left = case.team_id, case.owner_id
            left.append(wish)
        case.team = teams[slug]
        wish.facts.append("case.team")
        if case.owner_id is None:
            wish.say("case.unassigned", to=None, team=slug)
    _back_to_queue(left, now)


def _back_to_queue(wishes: Sequence[Wish], now: datetime) -> None:
    """Take these cases from their owners, and say so."""
    waited = staffing.to_queue([wish.case for wish in wishes], now=now)
    for wish in wishes:
        case = wish.case
        case.owner_id, case.owner_is_manual = None, False
        team = case.team and case.team.slug
        resumed = case.pk in waited
        wish.say("case.unassigned", to=None, team=team, resumed=resumed)


def _flag(wishes: Iterable[Wish]) -> None:
    for wish in wishes:
        case = wish.case
        if not wish.decision.is_complaint or case.is_complaint:
            continue
        if not case.is_active:
            wish.not_done.append("mark as complaint")
            continue
        case.is_complaint = True
        wish.facts.append("case.is_complaint")
        wish.say("case.complaint_marked", is_complaint=True)


def _policies(wishes: Sequence[Wish]) -> Mapping[int, policies.Choice]:
    """Return the policies that rules name for these cases, by the cases' keys."""
    names = {wish.decision.policy for wish in wishes} - {None}
    known = {p.version.policy.name: p for p in policies.current()} if names else {}
    fixed = {}
    for wish in wishes:
        name = wish.decision.policy
        if name is None:
            continue
        if name not in known or not wish.case.is_active:
            wish.not_done.append(f"set SLA policy {name}")
            continue
        wish.case.policy_is_set = True
        fixed[wish.case.pk] = policies.named(known[name])
    return fixed


def _reckon(
    wishes: Sequence[Wish], fixed: Mapping[int, policies.Choice], now: datetime
) -> None:
    """Give the clocks of changed cases their new targets; complaints get theirs."""
    changed = {name for wish in wishes for name in wish.facts}
    cases = [w.case for w in wishes if w.facts or w.case.pk in fixed]
    targets.reconsider(cases, changed=changed, now=now, fixed=fixed)
    for wish in wishes:
        if "case.is_complaint" in wish.facts:
            clocks.complaint(wish.case, at=now)


def _give(wishes: Sequence[Wish], now: datetime) -> Roster:
    """Give owners to the cases for which a rule wants one."""
    asking = []
    for wish in wishes:
        wanted = rules.wanted(wish.decision.assign, wish.decision.owner)
        if wanted is None and "case.team" in wish.facts and wish.case.assignment:
            wanted = rules.read_wanted(wish.case.assignment)
        if wanted is not None:
            asking.append((wish, wanted))
    _free([wish for wish, _ in asking], now)
    asking = [(w, wanted) for w, wanted in asking if w.case.status == Case.Status.NEW]
    cases = [wish.case for wish, _ in asking]
    found = _roster((case.team_id for case in cases), wishes, now)
    hints = owners.hints((w.case.customer_id, wanted) for w, wanted in asking)
    declined = staffing.declines_of(cases) if cases else {}
    for wish, wanted in asking:
        case = wish.case
        choice = staffing.give(
            case,
            wanted,
            found,
            hint=hints.of(case.customer_id),
            declined=declined.get(case.pk, ()),
        )
        wish.choice = choice
        hints.remember(case.customer_id, case.owner_id)
        acting = [rule.key for rule in wish.decision.matched]
        wish.events.append(staffing.event(case, choice, by_rules=acting))
    return found


def _roster(
    teams: Iterable[int | None], wishes: Iterable[Wish], now: datetime
) -> Roster:
    """Return these teams, and those whose members have a case less now."""
    left = [wish.left for wish in wishes if wish.left]
    keys = {key for key in [*teams, *(team for team, _ in left)] if key is not None}
    found = Roster(keys, now=now, also=[owner for _, owner in left])
    for team, owner in left:
        found.release(team, owner)
    return found


def _free(wishes: Sequence[Wish], now: datetime) -> None:
    """Take cases from their owners where a rule names another one.

    To have some owner, a case that has one needs nobody else; and it keeps the one it
    has where who is named may not take it now.
    """
    others = []
    for wish in wishes:
        case = wish.case
        if case.owner_id is None and case.is_active:
            continue
        name = wish.decision.owner
        if not case.is_active or case.owner_is_manual:
            wish.not_done.append("set owner" if name else "assign")
        elif name is not None and not _owns(case, name):
            others.append((wish, name))
    left = []
    for wish, is_possible in _may_get(others, now):
        if is_possible:
            wish.left = wish.case.team_id, wish.case.owner_id
            left.append(wish)
        else:
            wish.not_done.append("set owner")
    _back_to_queue(left, now)


def _may_get(
    wishes: Sequence[tuple[Wish, str]], now: datetime
) -> Iterator[tuple[Wish, bool]]:
    """Yield whether who is named, or the substitute, may take the case; locks nothing."""
    if not wishes:
        return
    cases = [wish.case for wish, _ in wishes]
    teams = {case.team_id for case in cases if case.team_id}
    seen = Roster(teams, now=now, is_simulated=True)
    declined = staffing.declines_of(cases)
    for wish, name in wishes:
        case, gone = wish.case, declined.get(wish.case.pk, ())
        named = rules.Wanted(owner=name)
        choice, _ = seen.assign(case.team_id or 0, named, declined=gone)
        yield wish, choice.winner is not None


def _owns(case: Case, name: str) -> bool:
    return case.owner is not None and case.owner.get_username() == name


def _save(wishes: Sequence[Wish]) -> None:
    for wish in wishes:
        if wish.events or wish.decision.policy:  # a mere notification is no new version
            wish.case.version += 1
    bulk.update([wish.case for wish in wishes], SAVED)


def _append(wishes: Sequence[Wish], now: datetime) -> list[audit.Appended]:
    """Append what was done, each case's after the event that says why.

    Leads are told of the cases that nobody could take.
    """
    events: list[audit.NewEvent] = []
    places = []
    for wish in wishes:
        places.append(len(events))
        events += [_why(wish), *wish.events]
    saved = audit.append(events, now=now)
    nobody = [
        staffing.nobody(event, wish.case, wish.choice)
        for wish, n in zip(wishes, places, strict=True)
        if wish.choice and not wish.choice.winner
        for event in saved[n : n + len(wish.events) + 1]
        if event.kind == "case.not_assigned"
    ]
    staffing.alert(nobody, now=now)
    return [saved[n] for n in places]


def _why(wish: Wish) -> audit.NewEvent:
    return audit.NewEvent(
        kind="case.rule_acted",
        case=wish.case,
        payload={
            "trigger": wish.trigger,
            "rules": [
                {
                    "rule": rule.key,
                    "version": rule.version,
                    "because": wish.looks[rule.key].because,
                    "actions": [str(action) for action in rule.actions],
                }
                for rule in wish.decision.matched
            ],
            "not_done": wish.not_done,
            "status": wish.case.status,
        },
    )
