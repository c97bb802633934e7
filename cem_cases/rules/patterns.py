"""Looking for words, and for patterns where google-re2 is installed.

A pattern never goes to Python's own `re`, which needs exponential time for some: re2
needs time in proportion to the text, whatever the pattern is. Words do go there; they
are escaped, and an alternation of words cannot explode.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

MOST_LETTERS = 200
"""Of a pattern."""


class PatternsNeedRe2(ValueError):
    """google-re2 is not installed."""


def any_word(words: Sequence[str]) -> Callable[[str], bool]:
    """Return what finds out whether one of these words is in a casefolded text.

    A word stands alone: `bill` is not in `billing`. It may be several: `money back`.

    >>> any_word(["refund", "money back"])("i want my money back!")
    True
    """
    found = re.compile(_alone("|".join(map(_escaped, words)))).search
    begins = tuple({word.casefold().split()[0] for word in words})

    def test(text: str) -> bool:
        for begin in begins:
            if begin in text:  # which is much quicker to find out
                return found(text) is not None
        return False

    return test


def all_words(words: Sequence[str]) -> Callable[[str], bool]:
    """Return what finds out whether all of these words are in a casefolded text."""
    searches = [re.compile(_alone(_escaped(word))).search for word in words]
    return lambda text: all(search(text) for search in searches)


@cache
def pattern(source: str) -> Callable[[str], bool]:
    """Return what finds out whether this pattern is found somewhere in a text.

    Upper and lower case are the same. Raises PatternsNeedRe2, and ValueError with what is
    wrong with the pattern, never quoting it.
    """
    re2 = _re2()
    if len(source) > MOST_LETTERS:
        raise ValueError(f"must have {MOST_LETTERS} characters at most.")
    options = re2.Options()
    options.log_errors = False  # or the pattern would be on stderr
    options.case_sensitive = False
    options.max_mem = 1 << 20
    try:
        compiled = re2.compile(source, options)
    except (re2.error, UnicodeError) as error:
        raise ValueError("is not a pattern that google-re2 understands.") from error
    return lambda text: compiled.search(text) is not None


def _re2() -> Any:
    try:
        return importlib.import_module("re2")
    except ImportError:
        raise PatternsNeedRe2(
            "patterns need google-re2: pip install 'django-cem-cases[patterns]'."
        ) from None


def _escaped(word: str) -> str:
    return r"\s+".join(map(re.escape, word.casefold().split()))


def _alone(inner: str) -> str:
    return rf"(?<!\w)(?:{inner})(?!\w)"
