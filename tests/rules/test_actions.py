import pytest

from cem_cases.rules import (
    AddTags,
    Assign,
    Audience,
    CallWebhook,
    CaseKind,
    Invite,
    MarkComplaint,
    Notify,
    OpenCase,
    Priority,
    SendTemplate,
    SetOwner,
    SetPolicy,
    SetPriority,
    SetTeam,
    Strategy,
    parse_actions,
    references,
)

ROBIN, LEAST = Strategy.ROUND_ROBIN, Strategy.LEAST_LOADED

TABLE = [
    # as written, as read, in words, what it refers to
    ({"do": "open case"}, OpenCase(), "open case, priority normal", []),
    (
        {"do": "open case", "priority": "urgent", "kind": "praise"},
        OpenCase(Priority.URGENT, CaseKind.PRAISE),
        "open case of praise, priority urgent",
        [],
    ),
    (
        {"do": "set priority", "priority": "low"},
        SetPriority(Priority.LOW),
        "set priority low",
        [],
    ),
    (
        {"do": "set team", "team": "care"},
        SetTeam("care"),
        "set team care",
        [("actions[0].team", "team", "care")],
    ),
    (
        {"do": "set owner", "user": "ada"},
        SetOwner("ada"),
        "set owner ada",
        [("actions[0].user", "user", "ada")],
    ),
    (
        {"do": "add tags", "tags": ["a", "b"]},
        AddTags(("a", "b")),
        "add tags a, b",
        [("actions[0].tags[0]", "tag", "a"), ("actions[0].tags[1]", "tag", "b")],
    ),
    (
        {"do": "set SLA policy", "policy": "Gold"},
        SetPolicy("Gold"),
        "set SLA policy Gold",
        [("actions[0].policy", "policy", "Gold")],
    ),
    (
        {"do": "assign", "by": "round robin"},
        Assign((ROBIN,)),
        "assign round robin",
        [],
    ),
    (
        {"do": "assign", "by": ["round robin", "least loaded"], "skills": ["x", "y"]},
        Assign((ROBIN, LEAST), ("x", "y")),
        "assign round robin, else least loaded, with x and y",
        [],
    ),
    ({"do": "mark as complaint"}, MarkComplaint(), "mark as complaint", []),
    (
        {"do": "notify", "who": "leads", "users": ["ada"]},
        Notify((Audience.LEADS,), ("ada",)),
        "notify leads, ada",
        [("actions[0].users[0]", "user", "ada")],
    ),
    (
        {"do": "notify", "who": ["owner", "team"]},
        Notify((Audience.OWNER, Audience.TEAM)),
        "notify owner, team",
        [],
    ),
    (
        {"do": "send template", "template": "sorry"},
        SendTemplate("sorry"),
        "send template sorry",
        [("actions[0].template", "template", "sorry")],
    ),
    (
        {"do": "call webhook", "webhook": "crm"},
        CallWebhook("crm"),
        "call webhook crm",
        [("actions[0].webhook", "webhook", "crm")],
    ),
    (
        {"do": "invite to survey", "survey": "after", "in_days": 7},
        Invite("after", 7),
        "invite to survey after in 7 days",
        [("actions[0].survey", "survey", "after")],
    ),
    (
        {"do": "invite to survey", "survey": "after"},
        Invite("after"),
        "invite to survey after",
        [("actions[0].survey", "survey", "after")],
    ),
]


@pytest.mark.parametrize(("raw", "action", "words", "named"), TABLE)
def test_an_action_is_read_and_said_and_names_what_it_needs(raw, action, words, named):
    (found,) = parse_actions([raw])

    assert (found, str(found)) == (action, words)
    assert [(r.path, r.kind, r.name) for r in references([found])] == named


def test_every_action_is_in_the_table():
    from cem_cases.rules.parse import ACTIONS

    assert {raw["do"] for raw, *_ in TABLE} == set(ACTIONS)


def test_references_say_at_which_action():
    found = list(references([OpenCase(), SetTeam("care")]))

    assert found[0].path == "actions[1].team"
