"""What is wrong with rules that can be read: what never holds, never acts, never counts.

Only rows are missing here: whether a team or a survey that is named is there is looked up
in `loop.lint`. What is claimed is proven (`reasoning`); where that would take too long,
nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice

from cem_cases.rules.actions import Assign, Effect, OpenCase, SetOwner, SetTeam
from cem_cases.rules.conditions import AllOf, AnyOf, Condition, Node, Not
from cem_cases.rules.plan import Rule
from cem_cases.rules.reading import InvalidRule
from cem_cases.rules.reasoning import always_holds, can_hold, implies, is_possible
from cem_cases.rules.triggers import Trigger

MOST_PAIRS = 5_000
"""How many pairs of rules are compared."""


def contradiction(node: Node, path: str = "conditions") -> InvalidRule | None:
    """Return where the conditions contradict each other, if they can never hold.

    >>> low, high = Condition("score", "at most", 3), Condition("score", "at least", 7)
    >>> print(contradiction(AllOf((low, Condition("channel", "is", "web"), high))))
    conditions.all[2]: 'score at least 7' and 'score at most 3' never hold together.
    """
    if can_hold(node):
        return None
    match node:
        case AllOf(parts):
            return _between(parts, f"{path}.all") or InvalidRule(
                f"{path}.all", "can never hold together."
            )
        case AnyOf(parts) if parts:
            return contradiction(parts[0], f"{path}.any[0]")
    return InvalidRule(path, f"'{node}' can never hold.")


def _between(parts: Sequence[Node], path: str) -> InvalidRule | None:
    for n, part in enumerate(parts):
        if found := contradiction(part, f"{path}[{n}]"):
            return found
    for (_, one), (n, other) in combinations(enumerate(parts), 2):
        if not can_hold(AllOf((one, other))):
            text = f"'{other}' and '{one}' never hold together."
            return InvalidRule(f"{path}[{n}]", text)
    return None


def dead_branches(node: Node, path: str = "conditions") -> Iterator[InvalidRule]:
    """Yield alternatives that can never hold, in a tree that can."""
    match node:
        case AnyOf(parts):
            for n, part in enumerate(parts):
                found = contradiction(part, f"{path}.any[{n}]")
                yield from [found] if found else dead_branches(part, f"{path}.any[{n}]")
        case AllOf(parts):
            for n, part in enumerate(parts):
                yield from dead_branches(part, f"{path}.all[{n}]")


@dataclass(frozen=True, slots=True)
class Remark:
    """What there is to say about a rule beside others of its trigger."""

    rule: Rule
    says: str
    """One sentence, with the names of the rules."""
    other: Rule | None = None
    """The rule that is to blame, which stands before it."""
    matters: bool = True
    """Whether nobody can want it so; else it is only good to know."""


def remarks(
    rules: Sequence[Rule], trigger: str, about: int | None = None
) -> list[Remark]:
    """Return what there is to say about these rules, which act in this order.

    `about`: only what one of them, by key, is a part of.
    """
    found = list(_never_act(rules, about))
    dead = {remark.rule.key for remark in found}
    alive = [rule for rule in rules if rule.key not in dead]
    if trigger == Trigger.RESPONSE_RECEIVED:
        found += _opened_before(alive, about)
        for rule in alive:
            if about in (None, rule.key):
                found += _without_case_or_team(rule, alive)
    return found


def _pairs(
    before: Sequence[Rule], rules: Sequence[Rule], about: int | None
) -> Iterator[tuple[Rule, Rule]]:
    """Yield pairs of different rules, the earlier one of which is among `before`."""
    place = {rule.key: n for n, rule in enumerate(rules)}
    pairs = (
        (one, other)
        for other in rules
        for one in before
        if place[one.key] < place[other.key] and about in (None, one.key, other.key)
    )
    return islice(pairs, MOST_PAIRS)


def _never_act(rules: Sequence[Rule], about: int | None) -> Iterator[Remark]:
    told: set[int] = set()
    stops = [rule for rule in rules if rule.stop]
    for one, other in _pairs(stops, rules, about):
        if other.key in told or one.key in told:
            continue
        if implies(other.conditions, one.conditions):
            told.add(other.key)
            how = (
                "always holds"
                if always_holds(one.conditions)
                else ("holds wherever it does")
            )
            says = (
                f"Rule {other.name!r} never acts: {one.name!r} comes before it, {how}, "
                "and says stop."
            )
            yield Remark(other, says, one)


def _opened_before(rules: Sequence[Rule], about: int | None) -> Iterator[Remark]:
    openers = [rule for rule in rules if _opening(rule)]
    told: set[int] = set()
    for one, other in _pairs(openers, openers, about):
        if other.key in told:
            continue
        if implies(other.conditions, one.conditions):
            told.add(other.key)
            says = (
                f"The case that rule {other.name!r} opens never counts: {one.name!r} "
                "comes before it, and opens one wherever it holds."
            )
            yield Remark(other, says, one)
        elif _opening(one) != _opening(other) and can_hold(
            AllOf((one.conditions, other.conditions))
        ):
            says = (
                f"Rules {one.name!r} and {other.name!r} can both hold: {one.name!r} "
                f"comes first, so it decides ({_opening(one)})."
            )
            yield Remark(other, says, one, matters=False)


def _opening(rule: Rule) -> OpenCase | None:
    return next((a for a in rule.actions if isinstance(a, OpenCase)), None)


def _sets_team(rule: Rule) -> bool:
    return any(isinstance(action, SetTeam) for action in rule.actions)


def _without_case_or_team(rule: Rule, rules: Sequence[Rule]) -> Iterator[Remark]:
    opened = AnyOf(tuple(r.conditions for r in rules if _opening(r)))
    acts = AllOf((rule.conditions,) if _opening(rule) else (rule.conditions, opened))
    if not can_hold(acts):
        yield from _no_case(rule)
        return
    assigns = any(isinstance(action, Assign | SetOwner) for action in rule.actions)
    if not (_opening(rule) or assigns):
        return
    teams = [
        r.conditions for r in rules if _sets_team(r) and _acts_beside(r, rule, rules)
    ]
    if is_possible(AllOf((acts, *map(Not, teams)))):
        may = "may open" if teams else "opens"
        says = (
            f"Rule {rule.name!r} {may} cases without a team: nobody's queue shows them."
        )
        if not _opening(rule):
            may = "may assign" if teams else "assigns"
            says = f"Rule {rule.name!r} {may} cases without a team: they get no owner."
        yield Remark(rule, says)


def _acts_beside(one: Rule, rule: Rule, rules: Sequence[Rule]) -> bool:
    """Whether a rule still acts where another one has: it may have said stop."""
    return not rule.stop or rules.index(one) <= rules.index(rule)


def _no_case(rule: Rule) -> Iterator[Remark]:
    for n, action in enumerate(rule.actions):
        if not isinstance(action, Effect):
            says = (
                f"Rule {rule.name!r}: actions[{n}] ({action}) never counts, because no "
                "active rule opens a case where this one holds."
            )
            yield Remark(rule, says)
            return


def conditions_at(
    node: Node, path: str = "conditions"
) -> Iterator[tuple[str, Condition]]:
    """Yield every condition of the tree with its path, in reading order."""
    match node:
        case Condition():
            yield path, node
        case Not(part):
            yield from conditions_at(part, f"{path}.not")
        case AllOf(parts) | AnyOf(parts):
            word = "all" if isinstance(node, AllOf) else "any"
            for n, part in enumerate(parts):
                yield from conditions_at(part, f"{path}.{word}[{n}]")
