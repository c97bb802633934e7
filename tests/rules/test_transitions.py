import pytest

from cem_cases.models import Case
from cem_cases.rules import TRANSITIONS, Priority, Status, allowed, target

TABLE = {
    # verb: the statuses (n)ew (o)pen (p)ending on (h)old (r)esolved (c)losed lead to
    "claim": "o-----",
    "assign": "ooph--",
    "decline": "-nnn--",
    "unassign": "nnnn--",
    "set priority": "noph--",
    "mark complaint": "noph--",
    "set pending": "-ppp--",
    "put on hold": "-hhh--",
    "resume": "--oo--",
    "note": "nophrc",
    "contact": "nophr-",
    "resolve": "rrrr--",
    "reopen": "----o-",
    "close": "----c-",
}
LETTERS = dict(zip("nophrc", Status, strict=True))


def test_the_table_lists_every_verb():
    assert TRANSITIONS.keys() == TABLE.keys()


@pytest.mark.parametrize("verb", TABLE)
def test_a_verb_leads_where_the_table_says(verb):
    expected = [LETTERS.get(letter) for letter in TABLE[verb]]

    assert [target(verb, status) for status in Status] == expected


def test_a_closed_case_allows_a_note_and_nothing_else():
    assert allowed("closed") == ("note",)


def test_rows_use_the_same_words():
    assert Case.Status.values == [status.value for status in Status]
    assert {p.value: p.word for p in Priority} == {
        value: label.lower() for value, label in Case.Priority.choices
    }
