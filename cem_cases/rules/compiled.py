"""Conditions made quick: a rule set is compiled once, and asked of each answer.

Each node becomes a function of the facts. It returns an outcome: whether the node holds,
and the numbers of the conditions that decided, so that one walk gives the decision and
its explanation. `Node.holds` and `deciding` say the same more slowly; a property test
holds the two to each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cem_cases.rules.conditions import AllOf, AnyOf, Condition, Node, Not
from cem_cases.rules.facts import Facts
from cem_cases.rules.operators import OPERATORS

Outcome = tuple[bool, tuple[int, ...]]
Run = Callable[[Facts], Outcome]


def compile_node(node: Node, conditions: list[Condition]) -> Run:
    """Return what finds out how this node comes out.

    Its conditions are appended to `conditions`; outcomes name them by their places.
    """
    match node:
        case Condition():
            place = len(conditions)
            conditions.append(node)
            return _leaf(node, (True, (place,)), (False, (place,)))
        case Not(part):
            return _turned(compile_node(part, conditions))
        case AllOf(parts):
            return _group([compile_node(part, conditions) for part in parts], False)
        case AnyOf(parts):
            return _group([compile_node(part, conditions) for part in parts], True)


def _leaf(condition: Condition, yes: Outcome, no: Outcome) -> Run:
    if condition.currency or condition.operator == "is empty":
        holds = condition.test()
        return lambda facts: yes if holds(facts) else no
    name, test = condition.fact, OPERATORS[condition.operator](condition.value)

    def leaf(facts: Facts) -> Outcome:  # as `Condition.test`, with one call less
        found = facts.get(name)
        return yes if found is not None and test(found) else no

    return leaf


def _turned(run: Run) -> Run:
    def turned(facts: Facts) -> Outcome:
        holds, decided = run(facts)
        return not holds, decided

    return turned


def _group(runs: Sequence[Run], settles: bool) -> Run:
    """All of them (`settles` False: the first failure decides), or any of them."""

    def group(facts: Facts) -> Outcome:
        for run in runs:
            outcome = run(facts)
            if outcome[0] is settles:
                return outcome
        # rarely: the deciding ones are those of all parts
        return not settles, tuple(n for run in runs for n in run(facts)[1])

    return group
