"""The form of a rule: JSON, with what is wrong told by its place, for the builder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from cem_cases import rules
from cem_cases.admin.fields import JsonField
from cem_cases.admin.versioned import VersionedForm
from cem_cases.loop import lint
from cem_cases.models import Rule

CONDITIONS_HELP = _(
    'Empty: it always holds. {"fact": …, "operator": …, "value": …}, joined by '
    '{"all": […]}, {"any": […]} or {"not": …}. Example: {"all": [{"fact": "score", '
    '"operator": "at most", "value": 6}, {"fact": "wants_contact", "operator": "is", '
    '"value": true}]}. All facts are listed below.'
)
ACTIONS_HELP = _(
    'Example: [{"do": "open case", "priority": "high"}, {"do": "set team", "team": '
    '"care"}, {"do": "assign", "by": ["account owner", "least loaded"]}].'
)
MOST_PLACES = 20
PLACE = re.compile(r"((?:conditions|actions)[\w.\[\]]*): (.*)", re.DOTALL)
"""A message that begins with its place: `conditions.any[0].fact: …`."""


class RuleForm(VersionedForm):
    """The fields of a rule; `quiet_hours` belong to one trigger only."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, help_text in (
            ("conditions", CONDITIONS_HELP),
            ("actions", ACTIONS_HELP),
        ):
            if name in self.fields:
                self.fields[name].help_text = help_text

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        wants_hours = self.cleaned_data.get("trigger") == Rule.Trigger.NO_UPDATE
        if not wants_hours:
            self.cleaned_data["quiet_hours"] = None
        elif (
            not self.cleaned_data.get("quiet_hours")
            and "quiet_hours" not in self.errors
        ):
            self.add_error("quiet_hours", _("After how many business hours?"))
        return cleaned

    def _post_clean(self) -> None:
        """Ask the linter, too, once the row stands and can be read."""
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        for name, texts in lint.errors(self.instance).items():
            for text in texts:
                self.add_error(name if name in self.fields else None, text)

    def places(self) -> list[tuple[str, str]]:
        """Return what is wrong at which place of conditions and actions."""
        texts = [str(text) for name in JSON for text in self.errors.get(name, ())]
        return [match.groups() for text in texts if (match := PLACE.match(text))]  # type: ignore[misc]


JSON = ("conditions", "actions")


def checked(data: Mapping[str, Any], names: rules.Names) -> dict[str, Any]:
    """Return the sentence of a rule as it is typed, or what is wrong at which place."""
    found: dict[str, Any] = {}
    errors: list[tuple[str, str]] = []
    for name, start in (("conditions", dict), ("actions", list)):
        field = JsonField(required=False, initial=start)
        try:
            found[name] = field.clean(_text(data, name))
        except ValidationError as error:
            errors.append((name, " ".join(error.messages)))
    unread = tuple(name for name, _ in errors)
    errors += [
        (place, text)
        for place, text in _problems(
            _text(data, "trigger"), found.get("conditions"), found.get("actions")
        )
        if not place.startswith(unread)
    ]
    said = {"errors": errors[:MOST_PLACES]} if errors else {}
    if any(not path.startswith("actions") for path, _ in errors):
        return said
    return {**said, "sentence": _sentence(data, found, names, is_whole=not errors)}


def _sentence(
    data: Mapping[str, Any], found: Any, names: rules.Names, *, is_whole: bool
) -> str:
    """Return the sentence; of conditions alone, where the actions are not right yet."""
    trigger = rules.Trigger(_text(data, "trigger"))
    tree = rules.parse_conditions(found["conditions"], known=rules.KNOWN[trigger])
    actions = rules.parse_actions(found["actions"], trigger=trigger) if is_whole else ()
    return rules.sentence(
        trigger,
        tree,
        actions,
        stop=bool(data.get("stop")),
        quiet_hours=_hours(data),
        names=names,
    )


def _problems(trigger: str, conditions: Any, actions: Any) -> Iterable[tuple[str, str]]:
    for problem in rules.problems(trigger, conditions, actions):
        yield problem.path, problem.problem


def _text(data: Mapping[str, Any], name: str) -> str:
    return str(data.get(name, ""))


def _hours(data: Mapping[str, Any]) -> int | None:
    field = forms.IntegerField(required=False, min_value=1, max_value=32_767)
    try:
        hours: int | None = field.clean(_text(data, "quiet_hours"))
    except ValidationError:
        return None
    return hours
