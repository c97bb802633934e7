from cem_cases.rules import (
    AllOf,
    Assign,
    Condition,
    OpenCase,
    Priority,
    Rule,
    SetPriority,
    SetTeam,
    Strategy,
    decide,
    explain,
    plan,
)

LOW = Condition("score", "at most", 6)
VIP = Condition("customer.annual_value", "more than", 10_000)


def rule(key, conditions, *actions, stop=False):
    return Rule(key, 1, f"Rule {key}", conditions, actions, stop)


def test_nothing_matches_nothing_is_decided():
    decision = decide(plan([rule(1, LOW, OpenCase())], {"score": 9}))

    assert decision.opened_by is None


def test_the_first_rule_that_opens_is_the_one_that_counts():
    first = rule(1, LOW, OpenCase(Priority.LOW))
    second = rule(2, LOW, OpenCase(Priority.URGENT))

    decision = decide(plan([first, second], {"score": 1}))

    assert (decision.opened_by, decision.priority) == (first, Priority.LOW)


def test_a_priority_that_is_set_beats_the_one_of_the_opening_wherever_it_stands():
    opens = rule(1, LOW, OpenCase(Priority.LOW))
    raises = rule(2, VIP, SetPriority(Priority.URGENT))
    facts = {"score": 1, "customer.annual_value": 20_000}

    for rules in ([opens, raises], [raises, opens]):
        assert decide(plan(rules, facts)).priority is Priority.URGENT


def test_of_several_teams_and_strategies_the_last_counts():
    rules = [
        rule(1, AllOf(), OpenCase(), SetTeam("north"), Assign(Strategy.ROUND_ROBIN)),
        rule(2, AllOf(), SetTeam("south"), Assign(Strategy.LEAST_LOADED)),
    ]

    decision = decide(plan(rules, {}))

    assert (decision.team, decision.strategy) == ("south", Strategy.LEAST_LOADED)


def test_stop_ends_the_looking():
    rules = [
        rule(1, LOW, OpenCase(), stop=True),
        rule(2, AllOf(), SetPriority(Priority.URGENT)),
    ]

    assert decide(plan(rules, {"score": 1})).priority is Priority.NORMAL
    assert [look.rule for look in explain(rules, {"score": 1})] == [1]
    assert [look.rule for look in explain(rules, {"score": 9})] == [1, 2]


def test_the_explanation_names_what_decided():
    rules = [rule(1, AllOf((LOW, VIP)), OpenCase()), rule(2, AllOf(), OpenCase())]

    looks = list(explain(rules, {"score": 3}))

    assert [(look.matched, look.because) for look in looks] == [
        (False, "customer.annual_value more than 10000 (was missing)"),
        (True, "always"),
    ]
