"""From rows to facts: what conditions may ask, read off answers and cases.

Rows are fetched as tuples of what is asked for, a fixed number of queries for a batch.
What looks back on the customer's past is in `past`. The names are those of the catalogue
in `cem_cases.rules`; a test holds both to the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from cem_cases import rules
from cem_cases.loop import bulk
from cem_cases.models import Case, Customer, Response, Survey, Touchpoint


@dataclass(slots=True)
class Answer:
    """One response as rules look at it: light, where a model instance is heavy."""

    pk: int
    survey: Survey
    customer_id: int
    case_id: int | None
    score: int | None
    received_at: datetime
    facts: dict[str, Any]
    """Those asked for that are known, by name."""
    band: str = ""
    sentiment: Decimal | None = None
    account_owner_id: Any = None


def wanted(trees: Iterable[rules.Node]) -> set[str]:
    """Return the names of the facts about which these conditions ask."""
    return {name for tree in trees for name in rules.facts_in(tree)}


def answers(
    keys: Collection[int], names: Collection[str], *, with_account_owners: bool = False
) -> list[Answer]:
    """Return these responses by key, with the facts of these names.

    Not with what is in `past`; with what `analyze` finds out only if it has been there.
    Three queries at most, whatever the number.
    """
    own = [(name, RESPONSE[name]) for name in names if name in RESPONSE]
    own += [(n, f"customer__{CUSTOMER[n]}") for n in names if n in CUSTOMER]
    days = [(name, *DAYS[name]) for name in names if name in DAYS]
    documents = _documents(names)
    columns = [
        *COLUMNS,
        *(column for _, column in own),
        *(column for column, _, _ in documents),
        *(column for _, column, _ in days),
        *(["customer__account_owner"] if with_account_owners else []),
    ]
    wanted = Response.objects.filter(bulk.any_of("pk", keys)).order_by("pk")
    rows: list[Any] = list(wanted.values_list(*columns))
    surveys = _shared(Survey, {row[0] for row in rows}, SURVEY, names)
    places = {row[1] for row in rows} - {None}
    touchpoints = _shared(Touchpoint, places, TOUCHPOINT, names)
    read = _reader([name for name, _ in own], documents)
    found, fixed = [], len(COLUMNS)
    reckoned = fixed + len(own) + len(documents)
    for row in rows:
        survey, known = surveys[row[0]]
        known = known.copy()
        if row[1] in touchpoints:
            known |= touchpoints[row[1]][1]
        read(row[fixed:reckoned], known)
        answer = Answer(row[2], survey, row[3], row[4], row[5], row[6], known)
        answer.band = known.get("band", "")
        for (name, _, reckon), value in zip(days, row[reckoned:], strict=False):
            if value is not None:
                known[name] = reckon(answer.received_at, value)
        if with_account_owners:
            answer.account_owner_id = row[-1]
        found.append(answer)
    return found


COLUMNS = (
    *("survey_id", "touchpoint_id", "pk", "customer_id", "case_id"),
    *("score", "received_at"),
)
"""What is fetched of every response."""

RESPONSE: Mapping[str, str] = {
    "score": "score",
    "channel": "channel",
    "source_system": "source_system",
    "comment": "comment",
    "language": "language",
    "wants_contact": "wants_contact",
    "band": "band",
    "sentiment": "sentiment",
}
"""Facts that are columns of the response, with the column."""

CUSTOMER: Mapping[str, str] = {
    "customer.segment": "segment",
    "customer.annual_value": "annual_value",
    "customer.currency": "currency",
    "customer.language": "language",
    "customer.opted_out": "opted_out_at",
    "customer.has_account_owner": "account_owner",
    "customer.organization": "organization__name",
    "organization.segment": "organization__segment",
}
"""Facts that are columns of the customer, with the column."""

SURVEY: Mapping[str, str] = {
    "metric": "metric",
    "survey": "slug",
    "survey.kind": "kind",
}
TOUCHPOINT: Mapping[str, str] = {
    "touchpoint": "slug",
    "journey_stage": "journey_stage",
    "department": "department",
}
DAYS: Mapping[str, tuple[str, Callable[[datetime, Any], int]]] = {
    "answered_days_ago": ("answered_at", lambda at, answered: (at - answered).days),
    "customer.tenure_days": (
        "customer__since",
        lambda at, since: (at.date() - since).days,
    ),
}
"""Facts that are days until the answer reached us: since which column, and how many."""

YES_OR_NO = frozenset({"customer.opted_out", "customer.has_account_owner"})
"""Facts that say whether a column has a value."""

FAMILIES: Mapping[str, str] = {
    "answer.": "answers",
    "customer.attribute.": "customer__attributes",
}
"""Families of facts, with the document in which they are."""

Document = tuple[str, str, Sequence[str]]
"""A column, the prefix of its facts, and the keys that are asked for."""


def _documents(names: Iterable[str]) -> list[Document]:
    found: list[Document] = []
    for prefix, column in FAMILIES.items():
        keys = [n.removeprefix(prefix) for n in names if n.startswith(prefix)]
        if keys:
            found.append((column, prefix, keys))
    return found


def _reader(
    names: Sequence[str], documents: Sequence[Document]
) -> Callable[[Sequence[Any], dict[str, Any]], None]:
    """Return what puts the values of a row among the facts; what is unknown is not."""
    yes_or_no = [name for name in names if name in YES_OR_NO]
    count = len(names)

    def read(values: Sequence[Any], known: dict[str, Any]) -> None:
        for name, value in zip(names, values, strict=False):
            if value is not None and value != "":
                known[name] = value
        for name in yes_or_no:
            known[name] = name in known
        for (_, prefix, keys), document in zip(documents, values[count:], strict=True):
            for key in keys:
                value = document.get(key)
                if value is not None:
                    known[prefix + key] = value

    return read


Shared = Mapping[int, tuple[Any, dict[str, Any]]]


def _shared(
    model: type[Any],
    keys: Collection[int],
    columns: Mapping[str, str],
    names: Collection[str],
) -> Shared:
    """Return rows that many answers have in common, with the facts that each gives.

    Touchpoints are fetched only if something is asked of them.
    """
    asked = [(name, column) for name, column in columns.items() if name in names]
    if not asked and model is Touchpoint:
        return {}
    return {
        row.pk: (row, {n: v for n, column in asked if (v := getattr(row, column))})
        for row in model.objects.filter(pk__in=keys)
    }


def of_case(case: Case) -> dict[str, Any]:
    """Return what SLA policies may ask of a case; its team must be loaded."""
    return {name: read(case) for name, read in FOR_POLICIES.items()}


FOR_POLICIES: Mapping[str, Callable[[Case], Any]] = {
    "case.priority": lambda case: rules.Priority(case.priority).word,
    "case.team": lambda case: case.team and case.team.slug,
    "case.is_complaint": lambda case: case.is_complaint,
}


def of_customers(
    keys: Collection[int], names: Iterable[str]
) -> dict[int, dict[str, Any]]:
    """Return the facts of these customers, for cases that no response has opened."""
    columns = [name for name in names if name in CUSTOMER]
    documents = [
        (column.removeprefix("customer__"), prefix, found)
        for column, prefix, found in _documents(names)
        if column.startswith("customer__")
    ]
    read = _reader(columns, documents)
    found: dict[int, dict[str, Any]] = {}
    rows = Customer.objects.filter(pk__in=bulk.among(keys)).values_list(
        "pk",
        *(CUSTOMER[name] for name in columns),
        *(column for column, _, _ in documents),
    )
    for key, *values in rows:
        read(values, found.setdefault(key, {}))
    return found
