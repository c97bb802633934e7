"""What a template may ask for: a fixed set of names, replaced as plain text.

Nothing is evaluated: a value that itself looks like a placeholder stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

LONGEST = 200
"""Letters of one value: what customers type must not become the letter."""
LINK = "survey_link"
INVITATION = "survey-invitation"
"""The slug of the template of invitations, the only one that may ask for the link."""
_PLACE = re.compile(r"\{\{([^{}]*)\}\}")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One name, what stands for it, and an example."""

    help: str
    example: str


KNOWN: Mapping[str, Placeholder] = {
    "customer_name": Placeholder("the customer's name, or “customer”", "Ada Lovelace"),
    "company": Placeholder("the customer's organization", "Analytical Engines Ltd"),
    "case_number": Placeholder("the number of the case", "4711"),
    "survey_name": Placeholder("the survey that was answered", "After delivery"),
    "score": Placeholder("the score that was given", "3"),
    "touchpoint_name": Placeholder("where they met you", "Delivery"),
    "answered_on": Placeholder("the day of the answer", "3 March 2025"),
    "agent_name": Placeholder("the owner of the case, or “our team”", "Grace Hopper"),
    "team_name": Placeholder("the team of the case, or “our team”", "Customer Care"),
    LINK: Placeholder(
        f"the link to the survey; in the template {INVITATION} only",
        "https://example.org/s/4fD9…",
    ),
}


def names(text: str) -> set[str]:
    """Return the names for which a text asks.

    >>> sorted(names("Dear {{ customer_name }}, case {{case_number}}"))
    ['case_number', 'customer_name']
    """
    return {found.strip() for found in _PLACE.findall(text)}


def problems(text: str, *, is_invitation: bool = False) -> Iterator[str]:
    """Yield what is wrong with the text of a template, in sentences."""
    allowed = [name for name in KNOWN if name != LINK or is_invitation]
    unknown = sorted(names(text) - set(allowed))
    if unknown:
        yield (
            f"Unknown: {_written(unknown)}. There are: {_written(allowed)}. "
            "Nothing else is replaced."
        )
    if re.search(r"\{\{|\}\}|\{%|%\}", _PLACE.sub("", text)):
        yield "A placeholder is a name in double braces, {{ customer_name }}; {% is none."


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return the text with its placeholders replaced, each by one line.

    What has no value is replaced by nothing.

    >>> fill("Dear {{ customer_name }}!", {"customer_name": "Ada\\r\\nBcc: x@y"})
    'Dear Ada Bcc: x@y!'
    """

    def value(found: re.Match[str]) -> str:
        return one_line(values.get(found[1].strip(), ""))[:LONGEST]

    return _PLACE.sub(value, text)


def examples() -> dict[str, str]:
    """Return an example for each placeholder."""
    return {name: known.example for name, known in KNOWN.items()}


def one_line(text: str) -> str:
    """Return a text without line ends and letters that steer its reader.

    >>> one_line("a\\r\\n b\\u202e")
    'a b'
    """
    plain = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(plain.split())


def _written(found: Iterable[str]) -> str:
    return ", ".join(f"{{{{ {name} }}}}" for name in found)
