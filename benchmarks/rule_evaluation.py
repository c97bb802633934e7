"""Twenty rules of five conditions asked of varied answers, in memory, on one core.

    python -m benchmarks.rule_evaluation [--quick] [--rounds N]

Nothing is read or written: the facts lie ready, as the loop hands them to the rules. Timed
are the plan alone (what is to be done), the plan with its explanation, and the worst case:
rules whose conditions all hold up to the last of each, so that all 100 are looked at.

Where the package `rule-engine` is installed, the same rules are asked of it in the same
run, as one expression for each; both must agree on a sample first. It is not given what
it lacks: words, stop, the decision, the explanation. What is measured is time of the
processor.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from statistics import median
from time import process_time
from typing import Any, NamedTuple

import django

from benchmarks import table
from cem_cases import rules
from cem_cases.rules import AllOf, AnyOf, Condition, Node, Not

CHECKED = 500
"""Of so many answers, both packages must say the same before anything is timed."""
PLAN, EXPLAIN, WORST, PEER = "plan", "plan and explain", "worst case", "rule-engine"


class Way(NamedTuple):
    """Something to time: once with each of `items`."""

    name: str
    do: Callable[[Any], Any]
    items: Sequence[Mapping[str, Any]]


def main() -> None:
    """Measure, and print a table and, as the last line, one JSON object."""
    options = _options()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo_project.settings")
    django.setup()
    answers = [*_facts(options.answers)]
    ruleset = rules.RuleSet(RULES)
    ways = [*_ours(ruleset, answers), *_peer(answers[: options.peers])]
    evaluated = _evaluated(answers[:2_000])
    _print(ways, _measure(ways, options.rounds), evaluated)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rule_evaluation")
    parser.add_argument("--quick", action="store_true", help="fewer answers, 5 rounds")
    parser.add_argument("--rounds", type=int, help="default: 11")
    options = parser.parse_args()
    options.answers, options.peers = (20_000, 500) if options.quick else (50_000, 2_000)
    options.rounds = options.rounds or (5 if options.quick else 11)
    return options


def _if(fact: str, operator: str, value: Any = None, currency: str = "") -> Condition:
    return Condition(fact, operator, value, currency)


LOW = _if("band", "is", "detractor")
FINE = _if("band", "is", "promoter")
NPS = _if("survey", "is", "nps")
WRITTEN = _if("channel", "in", ("email", "web", "app"))
CALL = _if("wants_contact", "is", True)
NOT_OPEN = _if("has_open_case", "is", False)
VALUED = _if("customer.segment", "in", ("gold", "platinum"))
WORTH = _if("customer.annual_value", "at least", 5_000, "EUR")
YEARLY = _if("customer.attribute.contract", "is", "yearly")
OFTEN = _if("answer.ordered_before", "is", "often")
HARD = _if("answer.easy_to_use", "at most", 2)
LEAVING = _if("answer.would_buy_again", "is", False)
AGAIN = _if("history.detractors_in_days.90", "at least", 1)
MONEY = _if("comment", "contains any word", ("refund", "money back"))
SAID = _if("comment", "is not empty")
NEW = _if("customer.tenure_days", "less than", 90)
FRESH = _if("answered_days_ago", "at most", 14)
GERMAN = _if("customer.language", "is", "de")


def _at(place: str) -> Condition:
    return _if("touchpoint", "is", place)


def _score(operator: str, value: int) -> Condition:
    return _if("score", operator, value)


# What stands first in a rule is what a person writes first, not what fails first.
CONDITIONS: Sequence[Node] = (
    AllOf((NPS, LOW, _at("delivery"), FRESH, NOT_OPEN)),
    AllOf((NPS, LOW, _at("returns"), FRESH, NOT_OPEN)),
    AllOf((NPS, LOW, _at("support"), FRESH, NOT_OPEN)),
    AllOf((NPS, LOW, AnyOf((_at("billing"), MONEY)), FRESH)),
    AllOf((NPS, _score("at most", 6), FRESH, NOT_OPEN, Not(_at("delivery")))),
    AllOf((WRITTEN, VALUED, WORTH, _score("at most", 8), HARD)),
    AllOf((AnyOf((VALUED, WORTH, YEARLY)), LOW, CALL)),
    AllOf((CALL, AnyOf((OFTEN, YEARLY)), FRESH, _score("at most", 3))),
    AllOf((LEAVING, Not(FINE), AnyOf((OFTEN, VALUED)), WRITTEN)),
    AllOf((AGAIN, LOW, NPS, NOT_OPEN, SAID)),
    AllOf((SAID, MONEY, _score("at most", 7), NPS, Not(_at("support")))),
    AllOf((GERMAN, WRITTEN, LOW, SAID, NOT_OPEN)),
    AllOf((NEW, _at("order"), HARD, _score("at most", 8), NPS)),
    AllOf((HARD, OFTEN, Not(LOW), VALUED, FRESH)),
    AnyOf((AllOf((FINE, SAID, OFTEN)), AllOf((_score("is", 10), YEARLY)))),
    AllOf((WRITTEN, FINE, VALUED, SAID, _if("comment", "contains", "thank"))),
    AllOf((NPS, Not(AnyOf((LOW, FINE))), SAID, WORTH)),
    AllOf((FRESH, NEW, LEAVING, _score("at most", 6), CALL)),
    AllOf((YEARLY, WORTH, AGAIN, LEAVING, NOT_OPEN)),
    AllOf((NPS, FRESH, LOW, GERMAN, VALUED)),
)
ACTIONS: Sequence[tuple[rules.Action, ...]] = (
    (rules.OpenCase(rules.Priority.HIGH), rules.SetTeam("care")),
    (rules.SetPriority(rules.Priority.URGENT),),
    (rules.AddTags(("valued",)),),
    (rules.Assign((rules.Strategy.ROUND_ROBIN,)),),
)
RULES = [
    rules.Rule(n, 1, f"Rule {n}", tree, ACTIONS[n % len(ACTIONS)])
    for n, tree in enumerate(CONDITIONS)
]

# Five comparisons that hold, but for the last: nothing is decided before it.
WORST_RULES = [
    rules.Rule(
        n,
        1,
        f"Rule {n}",
        AllOf(
            (
                _score("at least", -n),
                _if("channel", "is not", f"channel {n}"),
                _if("customer.tenure_days", "more than", -1 - n),
                _if("touchpoint", "not in", ("nowhere", f"place {n}")),
                _if("customer.segment", "is", f"segment {n}"),
            )
        ),
        ACTIONS[0],
    )
    for n in range(len(RULES))
]


def _facts(count: int) -> Iterator[dict[str, Any]]:
    """Yield what is known of answers, as the loop reads it off their rows."""
    from benchmarks import content  # which knows models

    chance = random.Random(11)
    for batch in content.batches(count, 1_000):
        for answer in batch:
            yield _facts_of(answer, chance)


def _facts_of(answer: Mapping[str, Any], chance: random.Random) -> dict[str, Any]:
    customer, score = answer["customer"], answer["score"]
    facts = {
        "score": score,
        "band": "detractor" if score <= 6 else "passive" if score <= 8 else "promoter",
        "survey": answer["survey"],
        "touchpoint": answer["touchpoint"],
        "channel": answer["channel"],
        "comment": answer["comment"],
        "wants_contact": answer["wants_contact"],
        "answered_days_ago": chance.randrange(30),
        "has_open_case": chance.random() < 0.1,
        "customer.segment": customer["segment"],
        "customer.annual_value": Decimal(customer["annual_value"]),
        "customer.currency": customer["currency"],
        "customer.language": customer["language"],
        "customer.tenure_days": timedelta(chance.randrange(1_500)).days,
        "history.detractors_in_days.90": chance.choice([0, 0, 0, 1, 2]),
        **{f"answer.{key}": value for key, value in answer["answers"].items()},
        **{
            f"customer.attribute.{key}": value
            for key, value in customer.get("attributes", {}).items()
        },
    }
    return {name: value for name, value in facts.items() if value != ""}


def _ours(ruleset: rules.RuleSet, answers: Sequence[Mapping[str, Any]]) -> list[Way]:
    worst = rules.RuleSet(WORST_RULES)
    return [
        Way(PLAN, ruleset.plan, answers),
        Way(EXPLAIN, lambda f: ruleset.explain(ruleset.plan(f), f), answers),
        Way(WORST, worst.plan, answers),
    ]


def _evaluated(answers: Sequence[Mapping[str, Any]]) -> float:
    """Return how many of the conditions are looked at for one answer, on average."""
    looked_at = sum(_looked_at(r.conditions, f)[1] for f in answers for r in RULES)
    return looked_at / len(answers)


def _looked_at(node: Node, facts: Mapping[str, Any]) -> tuple[bool, int]:
    """Return whether a node holds, and how many conditions it takes to know that."""
    match node:
        case Condition():
            return node.holds(facts), 1
        case Not(part):
            holds, count = _looked_at(part, facts)
            return not holds, count
    settles, count = isinstance(node, AnyOf), 0
    for part in node.parts:
        holds, more = _looked_at(part, facts)
        count += more
        if holds is settles:
            return settles, count
    return not settles, count


def _measure(ways: Sequence[Way], rounds: int) -> Mapping[str, Sequence[float]]:
    """Return the processor's seconds for one answer, by way, round by round."""
    took: dict[str, list[float]] = {way.name: [] for way in ways}
    for number in range(1, rounds + 1):
        for way in ways if number % 2 else reversed(ways):
            do = way.do
            began = process_time()
            for item in way.items:
                do(item)
            took[way.name].append((process_time() - began) / len(way.items))
        print(f"round {number}/{rounds}", file=sys.stderr)
    return took


# The peer


def _peer(answers: Sequence[Mapping[str, Any]]) -> list[Way]:
    """The same rules for `rule-engine`, if it is installed."""
    try:
        engine = importlib.import_module("rule_engine")
    except ImportError:
        print("For a peer, first: pip install rule-engine", file=sys.stderr)
        return []
    context = engine.Context(default_value=None)
    asked = [engine.Rule(_expression(rule.conditions), context) for rule in RULES]
    items = [_for_peer(facts) for facts in answers]

    def matching(facts: Mapping[str, Any]) -> list[int]:
        return [n for n, rule in enumerate(asked) if rule.matches(facts)]

    ruleset = rules.RuleSet(RULES)
    for facts, item in zip(answers[:CHECKED], items, strict=False):
        ours = [rule.key for rule in ruleset.plan(facts).decision.matched]
        assert ours == matching(item), f"not the same of {facts}"
    return [Way(PEER, matching, items)]


def _for_peer(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts under names that `rule-engine` can read; it has no casefold."""
    return {
        _name(name): value.casefold() if isinstance(value, str) else value
        for name, value in facts.items()
    }


def _name(fact: str) -> str:
    return fact.replace(".", "_")


def _expression(node: Node) -> str:
    match node:
        case Not(part):
            return f"not ({_expression(part)})"
        case AllOf(parts):
            return "(" + " and ".join(map(_expression, parts)) + ")"
        case AnyOf(parts):
            return "(" + " or ".join(map(_expression, parts)) + ")"
        case Condition(fact, operator, value):
            return _comparison(_name(fact), operator, value)


SIGNS = {"is": "==", "at most": "<=", "at least": ">=", "less than": "<"}


def _comparison(name: str, operator: str, value: Any) -> str:
    there = f"{name} != null"
    match operator:
        case "is not empty":
            return f"({there})"
        case "in":
            return f"({there} and {name} in [{', '.join(map(json.dumps, value))}])"
        case "contains":
            return f"({there} and {json.dumps(value)} in {name})"
        case "contains any word":
            words = " or ".join(f"{json.dumps(word)} in {name}" for word in value)
            return f"({there} and ({words}))"
    return f"({there} and {name} {SIGNS[operator]} {json.dumps(value)})"


def _print(
    ways: Sequence[Way], took: Mapping[str, Sequence[float]], evaluated: float
) -> None:
    lines = [
        [way.name, 1 / median(took[way.name]), 1e6 * median(took[way.name])]
        for way in ways
    ]
    print(table.table(["", "answers per second", "µs each"], lines))
    print(
        f"{len(RULES)} rules, {evaluated:.1f} of 100 conditions looked at on average."
    )
    print(json.dumps(_figures(took, evaluated)))


def _figures(
    took: Mapping[str, Sequence[float]], evaluated: float
) -> Mapping[str, float]:
    figures = {
        "rounds": len(took[PLAN]),
        "conditions": sum(1 for r in RULES for _ in rules.conditions_in(r.conditions)),
        "conditions_evaluated": round(evaluated, 1),
        "responses_per_s": round(1 / median(took[PLAN])),
        "with_explanation_per_s": round(1 / median(took[EXPLAIN])),
        "worst_case_per_s": round(1 / median(took[WORST])),
    }
    if PEER in took:
        pairs = zip(took[PEER], took[PLAN], strict=True)
        ratios = sorted(peer / ours for peer, ours in pairs)
        figures |= {
            "peer_per_s": round(1 / median(took[PEER])),
            "ratio_to_peer": round(median(ratios)),
            "ratio_lowest": round(ratios[0]),
            "ratio_highest": round(ratios[-1]),
        }
    return figures


if __name__ == "__main__":
    main()
