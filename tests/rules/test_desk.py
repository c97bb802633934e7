from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cem_cases.rules import (
    Assign,
    Candidate,
    Desk,
    Hint,
    Strategy,
    Verdict,
    Wanted,
    folded,
    read_wanted,
    verdict,
    wanted,
)

ROUND = Wanted((Strategy.ROUND_ROBIN,))
LEAST = Wanted((Strategy.LEAST_LOADED,))


def candidate(number, load=0, capacity=None, last=0, **fields):
    fields = {"name": f"name-{number}", **fields}
    return Candidate(number, f"user-{number}", load, capacity, last, **fields)


def winner(desk, wanted=ROUND, **how):
    found = desk.choose(wanted, **how).winner
    return found and found.membership


def shares(desk, wanted, times, first=1):
    """Give so many cases; return who got how many."""
    taken = Counter()
    for turn in range(first, first + times):
        found = desk.choose(wanted).winner
        desk.take(found, turn)
        taken[found.membership] += 1
    return taken


@pytest.mark.parametrize("strategy", Strategy)
def test_nobody_is_chosen_who_may_not_take_a_case(strategy):
    desk = Desk(
        [
            candidate(1, is_absent=True),
            candidate(2, is_inactive=True),
            candidate(3, load=2, capacity=2),
            candidate(4, capacity=0),
            candidate(5, is_manager=True),
        ]
    )
    hint = Hint("user-1", "user-3")

    choice = desk.choose(Wanted((strategy,), owner="name-2"), hint)

    assert choice.winner is None
    assert [said.verdict for said in choice.refused] == [
        "absent",
        "inactive",
        "at capacity",
        "at capacity",
        "manager",
    ]


def test_least_loaded_breaks_ties_by_the_longest_wait_then_by_id():
    assert winner(Desk([candidate(1, 1, last=5), candidate(2, 1, last=3)]), LEAST) == 2
    assert winner(Desk([candidate(2, 1), candidate(1, 1)]), LEAST) == 1


def test_round_robin_goes_round_whatever_the_load():
    taken = shares(Desk([candidate(n, load=n) for n in (1, 2, 3)]), ROUND, 31)

    assert max(taken.values()) - min(taken.values()) <= 1


def test_least_loaded_fills_up_evenly_and_stops_at_capacity():
    candidates = [candidate(1, capacity=3), candidate(2, load=2), candidate(3)]

    shares(Desk(candidates), LEAST, 8)

    assert [c.load for c in candidates] == [3, 4, 3]


def test_who_was_released_may_take_another():
    ada = candidate(1, load=1, capacity=1)
    desk = Desk([ada])
    assert winner(desk) is None

    desk.release(ada)

    assert winner(desk) == 1


def test_every_candidate_gets_a_verdict_and_the_first_five_a_rank():
    desk = Desk([candidate(n, load=n) for n in range(1, 9)])
    desk.take(desk.members["user-1"])

    data = desk.choose(LEAST).as_data()

    assert [(c["user"], c["rank"], c["load"]) for c in data["candidates"]] == [
        ("user-1", 1, 2),
        ("user-2", 2, 2),
        ("user-3", 3, 3),
        ("user-4", 4, 4),
        ("user-5", 5, 5),
    ]
    assert data["more_eligible"] == 3


def test_of_many_who_may_not_twenty_are_kept_and_the_others_counted():
    desk = Desk([candidate(n, is_absent=True) for n in range(50)])

    data = desk.choose(ROUND).as_data()

    assert len(data["candidates"]) == 20
    assert data["more_refused"] == 30


def test_the_first_strategy_that_finds_somebody_decides():
    desk = Desk([candidate(1), candidate(2, is_absent=True)])
    chain = (Strategy.ACCOUNT_OWNER, Strategy.SAME_AGENT, Strategy.ROUND_ROBIN)

    choice = desk.choose(Wanted(chain), Hint(None, "user-2"))

    assert choice.winner.membership == 1
    assert choice.strategy == Strategy.ROUND_ROBIN
    assert [tuple(tried) for tried in choice.tried] == [
        ("account owner", None, "nobody"),
        ("same agent as before", "user-2", "absent"),
    ]


def test_whom_a_rule_names_comes_before_the_strategies():
    desk = Desk([candidate(1), candidate(2), candidate(3, capacity=0)])
    named = Wanted((Strategy.ROUND_ROBIN,), owner="name-2")
    full = Wanted((Strategy.ROUND_ROBIN,), owner="name-3")
    stranger = Wanted(owner="name-9")

    assert winner(desk, named) == 2
    assert winner(desk, full) == 1
    assert winner(desk, stranger) is None
    (tried,) = desk.choose(stranger).tried
    assert tuple(tried) == ("set owner", "name-9", "no member")


@pytest.mark.parametrize(
    ("substitutes", "takes"),
    [
        ({1: 2}, 2),
        ({1: 2, 2: 3}, 3),
        ({1: 2, 2: 3, 3: 4}, 4),
        ({1: 2, 2: 3, 3: 4, 4: 5}, None),  # four: too long
        ({1: 2, 2: 1}, None),  # in a circle
        ({1: 1}, None),
        ({1: 9}, None),  # no member
        ({1: None}, None),
    ],
)
def test_an_absent_ones_substitute_takes_what_is_theirs_by_name(substitutes, takes):
    desk = Desk(
        [
            candidate(
                n,
                is_absent=n in substitutes,
                substitute=substitutes.get(n) and f"user-{substitutes[n]}",
            )
            for n in range(1, 6)
        ]
    )

    choice = desk.choose(Wanted((Strategy.ACCOUNT_OWNER,)), Hint("user-1"))

    assert (choice.winner and choice.winner.membership) == takes
    assert choice.substitute_for == (takes and "user-1")


def test_only_absence_makes_a_substitute():
    desk = Desk([candidate(1, capacity=0, substitute="user-2"), candidate(2)])

    assert desk.choose(Wanted((Strategy.ACCOUNT_OWNER,)), Hint("user-1")).winner is None


def test_who_gave_a_case_back_is_passed_by():
    desk = Desk([candidate(1), candidate(2)])
    asked = Wanted((Strategy.ACCOUNT_OWNER, Strategy.ROUND_ROBIN))

    choice = desk.choose(asked, Hint("user-1"), declined={"user-1"})

    assert choice.winner.membership == 2
    assert choice.refused[0].verdict is Verdict.DECLINED
    assert winner(desk) == 1, "of this case only"


def test_skills_narrow_who_may_take_it():
    desk = Desk([candidate(1), candidate(2, skills=folded(["German"]))])

    assert winner(desk, Wanted((Strategy.ROUND_ROBIN,), folded(["GERMAN"]))) == 2
    assert winner(desk, Wanted((Strategy.ROUND_ROBIN,), folded(["dutch"]))) is None
    assert desk.has_room()
    assert not desk.has_room(folded(["dutch"]))


def test_it_waits_for_opening_where_somebody_would_take_it_then():
    tired, full = candidate(1, is_closed=True), candidate(2, capacity=0, is_closed=True)

    assert Desk([tired, full]).choose(ROUND).waits_for_opening
    assert not Desk([full]).choose(ROUND).waits_for_opening


def test_what_a_rule_wants_is_kept_and_read_again():
    asked = wanted(
        Assign((Strategy.SAME_AGENT, Strategy.ROUND_ROBIN), ("Dutch",)), "ada"
    )

    assert asked == Wanted(
        (Strategy.SAME_AGENT, Strategy.ROUND_ROBIN), frozenset({"dutch"}), "ada"
    )
    assert read_wanted(asked.as_data()) == asked
    assert wanted(None, None) is None
    assert wanted(None, "ada") == Wanted(owner="ada")


@pytest.mark.parametrize(
    "data",
    [
        *({}, {"by": None}, {"by": 7}, {"by": "round robin"}, {"skills": "german"}),
        {"by": ["by chance", 7, ["round robin"]], "skills": [7], "owner": 7},
        *(7, True, "round robin", [], ["by"]),
    ],
)
def test_what_cannot_be_read_is_left_out(data):
    assert read_wanted(data) == Wanted()


# Properties

SKILLS = st.frozensets(st.sampled_from(["german", "dutch", "billing"]), max_size=2)
members = st.builds(
    dict,
    load=st.integers(0, 4),
    capacity=st.none() | st.integers(0, 4),
    last=st.integers(0, 30),
    skills=SKILLS,
    is_absent=st.booleans(),
    is_inactive=st.booleans(),
    is_closed=st.booleans(),
    is_manager=st.booleans(),
    substitute=st.none() | st.integers(1, 6).map("user-{}".format),
)
desks = st.lists(members, max_size=6).map(
    lambda rows: Desk([candidate(n, **row) for n, row in enumerate(rows, start=1)])
)
users = st.none() | st.integers(1, 7).map("user-{}".format)
asked = st.builds(
    Wanted,
    st.lists(st.sampled_from(Strategy), max_size=3, unique=True).map(tuple),
    SKILLS,
    st.none() | st.integers(1, 7).map("name-{}".format),
)
hints = st.builds(Hint, users, users)
declines = st.frozensets(st.integers(1, 6).map("user-{}".format), max_size=3)


@given(desks, asked, hints, declines)
def test_the_winner_is_eligible_and_everybody_is_said_something_of(
    desk, asked, hint, declined
):
    choice = desk.choose(asked, hint, declined)

    won, people = choice.winner, len(desk.members)
    if won is not None:
        skills = frozenset() if choice.strategy == "set owner" else asked.skills
        said = verdict(won, skills=skills, declined=declined)
        assert said is Verdict.ELIGIBLE
        assert choice.ranked[0].user == won.user
        assert choice.strategy in {"set owner", *asked.strategies}
    assert len(choice.ranked) + choice.more + len(choice.refused) == people
    if choice.strategy != "set owner" and people:
        for said in choice.refused:
            found = verdict(
                desk.members[said.user], skills=asked.skills, declined=declined
            )
            assert found is not Verdict.ELIGIBLE


@given(desks, asked, hints, declines)
def test_somebody_is_found_wherever_somebody_may(desk, asked, hint, declined):
    may = [
        member
        for member in desk.members.values()
        if verdict(member, skills=asked.skills, declined=declined) is Verdict.ELIGIBLE
    ]
    anybody = {Strategy.ROUND_ROBIN, Strategy.LEAST_LOADED} & set(asked.strategies)

    choice = desk.choose(asked, hint, declined)

    if may and anybody:
        assert choice.winner is not None


@given(desks, asked, hints, declines)
def test_choosing_changes_nothing_and_is_never_random(desk, asked, hint, declined):
    first, second = (desk.choose(asked, hint, declined) for _ in range(2))

    assert first == second


@given(desks, st.lists(asked, max_size=12))
def test_what_was_found_out_once_stays_true_while_cases_are_given(desk, wants):
    for turn, asks in enumerate(wants, start=100):
        choice = desk.choose(asks)
        fresh = Desk(desk.members.values()).choose(asks)
        assert fresh.winner is choice.winner
        if choice.winner:
            desk.take(choice.winner, turn)
            assert (
                choice.winner.capacity is None
                or choice.winner.load <= choice.winner.capacity
            )


@given(desks, st.integers(0, 40))
def test_round_robin_is_fair_among_those_who_may_all_along(desk, times):
    everybody = [m for m in desk.members.values() if verdict(m) is Verdict.ELIGIBLE]
    unlimited = {m.membership for m in everybody if m.capacity is None}
    if not everybody or len(unlimited) < len(everybody):
        return

    taken = shares(desk, ROUND, times, first=100)

    counts = [taken[key] for key in unlimited]
    assert max(counts) - min(counts) <= 1
