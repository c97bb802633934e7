"""Whether what conditions ask for occurs here at all: surveys, channels, scores, tags."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cem_cases import rules, scores
from cem_cases.loop import findings
from cem_cases.models import Customer, Question, Response, Survey, Tag, Team, Touchpoint
from cem_cases.rules import Condition, InvalidRule, lint

ANSWER = "answer."


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What there is; None: it was not asked for."""

    values: Mapping[str, Collection[str]]
    """By fact: the values that exist, casefolded."""
    keys: Collection[str] = ()
    """Of questions."""
    scales: Sequence[tuple[str, int, int]] = field(default_factory=tuple)
    """Of active surveys: metric, lowest and highest score."""
    currencies: Collection[str] = ()


def look_up(trees: Iterable[rules.Node]) -> Surroundings:
    """Return what there is of what these conditions ask for: eight statements at most.

    Of answers and customers the newest are looked at.
    """
    conditions = [c for tree in trees for c in rules.conditions_in(tree)]
    asked = {condition.fact for condition in conditions}
    values = {name: _folded(read()) for name, read in VALUES.items() if name in asked}
    keys: set[str] = set()
    if "channel" in asked or any(name.startswith(ANSWER) for name in asked):
        newest = Response.objects.order_by("-pk").values_list("channel", "answers")
        rows = list(newest[: findings.MOST])
        keys.update(key for _, answers in rows for key in answers)
        if "channel" in asked:
            values["channel"] |= _folded(channel for channel, _ in rows)
    if any(name.startswith(ANSWER) for name in asked):
        keys.update(Question.objects.values_list("key", flat=True).distinct())
    active = Survey.objects.filter(is_active=True)
    scales = active.values_list("metric", "scale_min", "scale_max").distinct()
    is_money = any(rules.currency_of(name) for name in asked)
    return Surroundings(
        values,
        keys,
        list(scales) if asked & {"score", "band"} else (),
        _currencies() if is_money else (),
    )


VALUES: Mapping[str, Callable[[], Iterable[str]]] = {
    "survey": lambda: Survey.objects.values_list("slug", flat=True),
    "touchpoint": lambda: Touchpoint.objects.values_list("slug", flat=True),
    "channel": lambda: Touchpoint.objects.values_list("channel", flat=True).distinct(),
    "case.team": lambda: Team.objects.values_list("slug", flat=True),
    "case.tags": lambda: Tag.objects.values_list("name", flat=True),
}


def _folded(words: Iterable[str]) -> set[str]:
    return {word.casefold() for word in words if word}


def _currencies() -> set[str]:
    newest = Customer.objects.order_by("-pk").values_list("currency", flat=True)
    return {currency for currency in newest[: findings.MOST] if currency}


def doubts(tree: rules.Node, around: Surroundings) -> Iterator[InvalidRule]:
    """Yield the conditions that ask for what does not occur."""
    for path, condition in lint.conditions_at(tree):
        for text in _doubts(condition, around):
            yield InvalidRule(path, text)


NAMED = ("is", "is not", "in", "not in", "has any of", "has all of", "has none of")


def _doubts(condition: Condition, around: Surroundings) -> Iterator[str]:
    name, value = condition.fact, condition.value
    wanted = value if isinstance(value, tuple) else (value,)
    known = around.values.get(name)
    if known is not None and condition.operator in NAMED:
        for word in wanted:
            # where nothing has come in yet, nothing is known of channels
            if word.casefold() not in known and (known or name != "channel"):
                yield f"there is no {NOUNS[name]} {word!r}."
    elif name == "score" and value is not None:
        yield from _off_scale(wanted, around.scales)
    elif name == "band" and value is not None:
        bands = {
            band for m, *_ in around.scales for band in scores.BANDS[scores.Metric(m)]
        }
        for band in wanted:
            if bands and band not in bands:
                yield f"no active survey's metric has the band {band!r}."
    elif name.startswith(ANSWER) and name.removeprefix(ANSWER) not in around.keys:
        yield f"no question has the key {name.removeprefix(ANSWER)!r}."
    elif len(around.currencies) > 1 and _lacks_currency(condition):
        several = ", ".join(sorted(around.currencies)[:5])
        yield f"say in which currency: customers have values in {several}."


def _lacks_currency(condition: Condition) -> bool:
    of = rules.currency_of(condition.fact)
    return bool(of) and condition.value is not None and not condition.currency


NOUNS: Mapping[str, str] = {
    "survey": "survey",
    "touchpoint": "touchpoint",
    "channel": "channel",
    "case.team": "team",
    "case.tags": "tag",
}


def _off_scale(
    wanted: Sequence[float], scales: Sequence[tuple[str, int, int]]
) -> Iterator[str]:
    if not scales:
        return
    lowest = min(scale[1] for scale in scales)
    highest = max(scale[2] for scale in scales)
    for score in wanted:
        if not lowest <= score <= highest:
            yield (
                f"{score} is beyond the scale of every active survey "
                f"({lowest} to {highest})."
            )
