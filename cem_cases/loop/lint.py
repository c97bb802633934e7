"""What is wrong with rules that can be read: refused when saved, or warned of.

`errors` are refused, at every door, by `config.save`; `warnings` are said after saving,
and by the doctor. The number of statements does not depend on how many rules there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cem_cases import rules
from cem_cases.loop import references, surroundings
from cem_cases.models import Rule
from cem_cases.rules import InvalidRule, lint

FIELDS = ("trigger", "conditions", "actions")


def errors(rule: Rule) -> dict[str, list[str]]:
    """Return why this rule must not be saved, by field; each begins with its place.

    A saved rule that says the same as before is not asked again, unless it is being
    switched on: one whose team is gone can still be moved, and switched off. What cannot
    be read is for `Rule.clean`.
    """
    value = _value(rule)
    if value is None or _is_let_be(rule):
        return {}
    there = references.look_up([value.actions])
    found: dict[str, list[str]] = {}
    for problem in _problems(value, there):
        found.setdefault(problem.path.split(".")[0].split("[")[0], []).append(
            str(problem)
        )
    return found


def warnings(rule: Rule) -> list[str]:
    """Return what there is to say about this saved rule beside the active ones.

    If it is not active: what there would be to say if it were.
    """
    others = Rule.objects.filter(is_active=True, trigger=rule.trigger).exclude(
        pk=rule.pk
    )
    rows = sorted([*others, rule], key=lambda row: (row.position, row.pk))
    found = [(row, value) for row in rows if (value := _value(row))]
    mine = [value for row, value in found if row.pk == rule.pk]
    there = references.look_up(value.actions for value in mine)
    around = surroundings.look_up(value.conditions for value in mine)
    said = [str(problem) for value in mine for problem in _problems(value, there)]
    said += [str(doubt) for value in mine for doubt in _doubts(value, there, around)]
    about = _beside(rule, found)
    remarks = lint.remarks(about, rule.trigger, rule.pk)
    return [*said, *(remark.says for remark in remarks)]


def of_active(found: Sequence[tuple[Rule, rules.Rule]]) -> Iterator[tuple[str, str]]:
    """Yield what there is to say about all active rules, and what to do about it."""
    there = references.look_up(value.actions for _, value in found)
    around = surroundings.look_up(value.conditions for _, value in found)
    for row, value in found:
        for problem in (*_problems(value, there), *_doubts(value, there, around)):
            yield f"Rule {row.name!r}: {problem}", "Mend it in the admin."
    groups = dict.fromkeys((row.trigger, row.quiet_hours) for row, _ in found)
    for trigger, hours in groups:
        same = [v for r, v in found if (r.trigger, r.quiet_hours) == (trigger, hours)]
        for remark in lint.remarks(same, trigger):
            if remark.matters:
                hint = "Give it a lower position." if remark.other else "Mend it."
                yield remark.says, hint


def _value(rule: Rule) -> rules.Rule | None:
    try:
        return rule.value()
    except InvalidRule:
        return None


def _is_let_be(rule: Rule) -> bool:
    saved = None if rule.pk is None else Rule.objects.filter(pk=rule.pk).first()
    if saved is None or any(getattr(saved, f) != getattr(rule, f) for f in FIELDS):
        return False
    return saved.is_active or not rule.is_active


def _problems(value: rules.Rule, there: references.There) -> Iterator[InvalidRule]:
    if found := lint.contradiction(value.conditions):
        yield found
    yield from references.problems(value.actions, there)


def _doubts(
    value: rules.Rule, there: references.There, around: surroundings.Surroundings
) -> Iterator[InvalidRule]:
    yield from references.doubts(value.actions, there)
    if not lint.contradiction(value.conditions):
        yield from lint.dead_branches(value.conditions)
    yield from surroundings.doubts(value.conditions, around)


def _beside(rule: Rule, found: Sequence[tuple[Rule, rules.Rule]]) -> list[rules.Rule]:
    """Return the rules that act at the same moments as this one, in their order."""
    return [value for row, value in found if row.quiet_hours == rule.quiet_hours]
