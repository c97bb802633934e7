import importlib
import time

import pytest

from cem_cases.rules import Condition, InvalidRule, parse_conditions, patterns

WORDS = [
    # words, text, any, all
    (["bill"], "the bill, please", True, True),
    (["bill"], "billing", False, False),
    (["bill"], "e-bill", True, True),  # a hyphen ends a word
    (["bill"], "bill_2", False, False),
    (["money back"], "my MONEY   back!", True, True),
    (["money back"], "money\nback", True, True),
    (["money back"], "back money", False, False),
    (["money back", "refund"], "refund money", True, False),
    (["straße"], "In der STRASSE 5", True, True),
    (["STRASSE"], "straße", True, True),
    (["İzmir"], "nach İzmir geflogen", True, True),
    (["c++"], "written in c++.", True, True),  # nothing in a word is a pattern
    (["a.c"], "abc", False, False),
    (["(x"], "(x)", True, True),
    (["退款"], "我要 退款 !", True, True),
    (["退款"], "我要退款", False, False),  # no spaces, no words: use `contains`
    (["née"], "Marie, née Curie", True, True),
    (["don't"], "I DON'T know", True, True),
    (["😡"], "no 😡 no", True, True),
    (["b", "a"], "", False, False),
    (["  late  "], "too late", True, True),
]


@pytest.mark.parametrize(("words", "text", "some", "every"), WORDS)
def test_words_stand_alone(words, text, some, every):
    found = text.casefold()

    assert patterns.any_word(words)(found) is some
    assert patterns.all_words(words)(found) is every


def test_words_take_no_exponential_time():
    hostile = patterns.any_word(["a" * 50 + "!"] * 100)

    began = time.perf_counter()
    assert not hostile("a" * 40_000)
    assert time.perf_counter() - began < 1


def test_a_word_that_begins_as_another_text_is_still_looked_for():
    assert patterns.any_word(["late", "lateness"])("too much lateness")


# With google-re2


@pytest.fixture
def re2():
    return pytest.importorskip("re2")


def test_a_pattern_is_looked_for_without_regard_to_case(re2):
    holds = Condition("comment", "matches", r"ORDER\s+#\d{4}").holds

    assert holds({"comment": "My order  #1234 is late"})
    assert not holds({"comment": "My order #12"})
    assert not holds({})


def test_a_pattern_takes_time_in_proportion_to_the_text(re2):
    test = patterns.pattern("(a+)+$")

    began = time.perf_counter()
    assert not test("a" * 40_000 + "!")
    assert test("a" * 40_000)
    assert time.perf_counter() - began < 0.2


@pytest.mark.parametrize("wrong", ["(secret", "[secret", "(?=secret)", "secret\\1"])
def test_a_wrong_pattern_is_refused_and_never_repeated(re2, capfd, wrong):
    with pytest.raises(InvalidRule) as refusal:
        parse_conditions({"fact": "comment", "operator": "matches", "value": wrong})

    assert str(refusal.value) == (
        "conditions.value: is not a pattern that google-re2 understands."
    )
    assert "secret" not in "".join(capfd.readouterr())


def test_a_pattern_that_needs_much_memory_is_refused(re2, capfd):
    with pytest.raises(ValueError, match="not a pattern"):
        patterns.pattern("((a{100}){100}){100}")
    assert capfd.readouterr().err == ""


def test_a_long_pattern_is_refused(re2):
    with pytest.raises(ValueError, match="200 characters at most"):
        patterns.pattern("a" * 201)


# Without it


@pytest.fixture
def without_re2(monkeypatch):
    def nothing(name):
        raise ImportError(name)

    patterns.pattern.cache_clear()
    monkeypatch.setattr(importlib, "import_module", nothing)
    yield
    patterns.pattern.cache_clear()


def test_without_google_re2_patterns_are_refused_with_what_to_install(without_re2):
    with pytest.raises(
        InvalidRule, match=r"pip install 'django-cem-cases\[patterns\]'"
    ):
        parse_conditions({"fact": "comment", "operator": "matches", "value": "a"})


def test_without_google_re2_words_are_found_all_the_same(without_re2):
    assert Condition("comment", "contains any word", ("a",)).holds({"comment": "A b"})
