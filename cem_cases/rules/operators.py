"""What an operator means: given the wanted value, a test of the value that is found.

Text is compared without regard to case. A test is never asked about a missing value.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import Any

from cem_cases.rules import patterns
from cem_cases.rules.facts import Kind

Test = Callable[[Any], bool]
Operator = Callable[[Any], Test]

_NUMBERS = frozenset({int, float, Decimal})


def is_number(value: Any) -> bool:
    """Whether this is a number; True and False are not."""
    return value.__class__ in _NUMBERS


def exactly(number: Any) -> Decimal:
    """Return the number that was meant: 99.9 is not a little more."""
    return Decimal(str(number)) if number.__class__ is float else Decimal(number)


def _number(compare: Callable[[Any, Any], bool]) -> Operator:
    """Return an operator that compares a number with the wanted one, as it was meant."""

    def operator_(wanted: Any) -> Test:
        if wanted.__class__ is int:
            return lambda found: found.__class__ in _NUMBERS and compare(found, wanted)
        exact, rough = exactly(wanted), float(wanted)
        return lambda found: (
            found.__class__ in _NUMBERS
            and compare(found, rough if found.__class__ is float else exact)
        )

    return operator_


_equal = _number(operator.eq)


def _same(wanted: Any) -> Test:
    if isinstance(wanted, str):
        folded = wanted.casefold()
        return lambda found: found.__class__ is str and found.casefold() == folded
    if isinstance(wanted, bool):
        return lambda found: found is wanted
    return _equal(wanted)


def _among(wanted: Collection[Any]) -> Test:
    texts = frozenset(item.casefold() for item in wanted if isinstance(item, str))
    if len(texts) == len(wanted):
        return lambda found: found.__class__ is str and found.casefold() in texts
    tests = [_same(item) for item in wanted]
    return lambda found: any(test(found) for test in tests)


def _contains(wanted: str) -> Test:
    folded = wanted.casefold()
    return lambda found: found.__class__ is str and folded in found.casefold()


def _text(make: Callable[[Any], Callable[[str], bool]]) -> Operator:
    def operator_(wanted: Any) -> Test:
        test = make(wanted)
        return lambda found: found.__class__ is str and test(found.casefold())

    return operator_


def _any_tag(wanted: Collection[str]) -> Test:
    tags = frozenset(tag.casefold() for tag in wanted)
    return lambda found: any(tag.casefold() in tags for tag in found)


def _all_tags(wanted: Collection[str]) -> Test:
    tags = frozenset(tag.casefold() for tag in wanted)
    return lambda found: tags <= {tag.casefold() for tag in found}


def _not(operator_: Operator) -> Operator:
    def turned(wanted: Any) -> Test:
        test = operator_(wanted)
        return lambda found: not test(found)

    return turned


def _empty(_: Any) -> Test:
    return lambda found: found == "" or found == ()


def _not_empty(_: Any) -> Test:
    return lambda found: found != "" and found != ()


OPERATORS: Mapping[str, Operator] = {
    "is": _same,
    "is not": _not(_same),
    "at most": _number(operator.le),
    "at least": _number(operator.ge),
    "less than": _number(operator.lt),
    "more than": _number(operator.gt),
    "in": _among,
    "not in": _not(_among),
    "contains": _contains,
    "does not contain": _not(_contains),
    "contains any word": _text(patterns.any_word),
    "contains all words": _text(patterns.all_words),
    "matches": _text(patterns.pattern),
    "has any of": _any_tag,
    "has all of": _all_tags,
    "has none of": _not(_any_tag),
    "is empty": _empty,
    "is not empty": _not_empty,
}
UNARY = ("is empty", "is not empty")
WORDS = ("contains any word", "contains all words")
TAGS = ("has any of", "has all of", "has none of")
LISTS = ("in", "not in", *WORDS, *TAGS)
"""Those that take several values."""
ORDER = ("at most", "at least", "less than", "more than")

_SET = ("is", "is not", "in", "not in")
_TEXT = ("contains", "does not contain", *WORDS, "matches")
APPLIES: Mapping[Kind, tuple[str, ...]] = {
    Kind.NUMBER: (*ORDER, *_SET, *UNARY),
    Kind.MONEY: (*ORDER, "is", "is not", *UNARY),
    Kind.TEXT: (*_SET, *_TEXT, *UNARY),
    Kind.CHOICE: (*_SET, *UNARY),
    Kind.BOOLEAN: ("is",),
    Kind.TAGS: (*TAGS, *UNARY),
    Kind.ANY: (*_SET, *ORDER, *_TEXT, *UNARY),
}
"""The operators that make sense for each kind of fact."""
