"""What a customer's past says to a condition: earlier answers, earlier cases.

Counted as it was when the answer reached us, the answer itself left out. So a replay
sees what the worker saw.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from cem_cases import rules
from cem_cases.loop import bulk, facts
from cem_cases.loop.facts import Answer
from cem_cases.models import Case, Response

LOWEST = ("detractor", "dissatisfied", "difficult")
"""The bands that count as detractor responses."""

DETRACTORS = "history.detractors_in_days."
RESPONSES = "history.responses_in_days."
CASES = "history.cases_in_days."
SINCE_LAST_CASE = "history.days_since_last_case"
HAS_OPEN_CASE = "has_open_case"
OF_CASES = (SINCE_LAST_CASE, HAS_OPEN_CASE)
"""The facts of the catalogue that this module knows, besides the families."""

Instant = tuple[datetime, int]
"""When, and the key of the row: two at the same moment have an order, too."""


def fill(
    answers: Sequence[Answer], names: Collection[str], *, without: Collection[int] = ()
) -> None:
    """Put what these names ask of the past among the facts of analysed answers.

    `without`: cases that do not count.
    """
    responses(answers, names)
    cases(answers, names, without=without)


def responses(answers: Sequence[Answer], names: Iterable[str]) -> None:
    """Put what is asked of earlier responses among the facts: one query."""
    wanted = _windows(names, (DETRACTORS, RESPONSES))
    if not wanted or not answers:
        return
    times = _response_times(answers, max(days for _, _, days in wanted))
    for answer in answers:
        until = (answer.received_at, answer.pk)
        for name, family, days in wanted:
            found = times[family].get(answer.customer_id, ())
            answer.facts[name] = _count(found, until, days)


def _response_times(
    answers: Sequence[Answer], days: int
) -> Mapping[str, Mapping[int, Sequence[Instant]]]:
    """Return, by family and customer, when responses came in: those of the batch, too."""
    first = min(answer.received_at for answer in answers) - timedelta(days=days)
    last = max(answer.received_at for answer in answers)
    keys = {answer.pk for answer in answers}
    rows = Response.objects.filter(
        customer__in=bulk.among({answer.customer_id for answer in answers}),
        received_at__gte=first,
        received_at__lte=last,
    ).values_list("customer_id", "band", "received_at", "pk")
    found: dict[str, dict[int, list[Instant]]] = {
        DETRACTORS: defaultdict(list),
        RESPONSES: defaultdict(list),
    }
    batch = [(a.customer_id, a.band, a.received_at, a.pk) for a in answers]
    for customer, band, at, key in [
        *batch,
        *(row for row in rows if row[3] not in keys),
    ]:
        found[RESPONSES][customer].append((at, key))
        if band in LOWEST:
            found[DETRACTORS][customer].append((at, key))
    for family in found.values():
        for instants in family.values():
            instants.sort()
    return found


def cases(
    answers: Sequence[Answer], names: Collection[str], *, without: Collection[int] = ()
) -> None:
    """Put what is asked of the customers' cases among the facts: two queries.

    `without`: these cases do not count.
    """
    if HAS_OPEN_CASE in names:
        _has_open_case(answers, without)
    wanted = _windows(names, (CASES,))
    if not wanted and SINCE_LAST_CASE not in names:
        return
    opened: dict[int, list[Instant]] = defaultdict(list)
    customers = {answer.customer_id for answer in answers}
    rows = Case.objects.filter(customer__in=bulk.among(customers))
    for customer, at, key in rows.order_by("opened_at", "pk").values_list(
        "customer_id", "opened_at", "pk"
    ):
        if key not in without:
            opened[customer].append((at, key))
    for answer in answers:
        fill_from(answer, opened.get(answer.customer_id, ()), names, wanted)


def fill_from(
    answer: Answer,
    opened: Sequence[Instant],
    names: Collection[str],
    wanted: Sequence[tuple[str, str, int]],
) -> None:
    """Put what is asked of cases opened at these instants, in order, among the facts.

    A case of the same instant as the answer is earlier.
    """
    until = (answer.received_at, LAST)
    for name, _, days in wanted:
        answer.facts[name] = _count(opened, until, days)
    before = bisect_left(opened, until)
    if SINCE_LAST_CASE in names and before:
        answer.facts[SINCE_LAST_CASE] = (
            answer.received_at - opened[before - 1][0]
        ).days


LAST = 1 << 63


def _has_open_case(answers: Sequence[Answer], without: Collection[int]) -> None:
    customers = {answer.customer_id for answer in answers}
    active = Case.objects.active().filter(customer__in=bulk.among(customers))
    if without:
        active = active.exclude(pk__in=without)
    having = set(active.values_list("customer_id", flat=True))
    for answer in answers:
        answer.facts[HAS_OPEN_CASE] = answer.customer_id in having


def _windows(
    names: Iterable[str], families: Collection[str]
) -> list[tuple[str, str, int]]:
    """Return the names that look back, with family and days."""
    found = [(name, rules.window(name)) for name in names]
    return [(name, *w) for name, w in found if w and w[0] in families]


def windows_of_cases(names: Iterable[str]) -> list[tuple[str, str, int]]:
    """Return the names that count cases, with family and days; see `fill_from`."""
    return _windows(names, (CASES,))


def _count(instants: Sequence[Instant], until: Instant, days: int) -> int:
    since: Any = (until[0] - timedelta(days=days), 0)
    return bisect_left(instants, until) - bisect_left(instants, since)


def of_cases(
    cases: Collection[Case], names: Collection[str]
) -> dict[int, dict[str, Any]]:
    """Return what is known of the answers that opened these cases, and of customers.

    By the keys of the cases. Of a case that no answer opened only the customer is known.
    """
    keys = {key for case in cases if (key := case.opening_response_id)}
    answers = facts.answers(keys, names) if keys else []
    fill(answers, names, without={case.pk for case in cases})
    by_answer = {answer.pk: answer.facts for answer in answers}
    others = {case.customer_id for case in cases if case.opening_response_id is None}
    customers = facts.of_customers(others, names) if others else {}
    return {
        case.pk: dict(
            by_answer[case.opening_response_id]
            if case.opening_response_id
            else customers[case.customer_id]
        )
        for case in cases
    }
