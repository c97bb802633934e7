"""Where in a file stands what was refused when an entry of it was saved."""

from __future__ import annotations

import re
from collections.abc import Sequence

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import models


def check(rows: Sequence[models.Model], name: str, besides: set[str]) -> None:
    """Refuse rows whose fields are wrong, naming each: `holidays[3].name`."""
    wrong: dict[str, list[str]] = {}
    for n, row in enumerate(rows):
        try:
            row.full_clean(
                exclude=besides, validate_unique=False, validate_constraints=False
            )
        except ValidationError as error:
            for path, text in problems(error, type(row)):
                wrong.setdefault(f"{name}[{n}]{path and '.'}{path}", []).append(text)
    if wrong:
        raise ValidationError(wrong)


def problems(
    error: ValidationError, model: type[models.Model]
) -> list[tuple[str, str]]:
    """Return what was refused: where inside the entry, and what is wrong there.

    Most of ours begin with the place: `conditions.any[0].fact: is not a fact`.
    """
    if not hasattr(error, "error_dict"):
        return [_placed("", text) for text in error.messages]
    found = []
    for name, errors in error.error_dict.items():
        field = "" if name == NON_FIELD_ERRORS else name.replace("is_active", "active")
        for each in errors:
            if each.code == "invalid_choice" and (known := _choices(model, name)):
                found.append((field, f"must be one of: {', '.join(known)}"))
            else:
                found += [_placed(field, text) for text in each.messages]
    return found


def _placed(field: str, text: str) -> tuple[str, str]:
    place = re.match(rf"({re.escape(field) or '[a-z_]+'}[^ :]*): ", text)
    return (place[1], text[place.end() :]) if place else (field, text)


def _choices(model: type[models.Model], name: str) -> list[str]:
    fields = {field.name: field for field in model._meta.concrete_fields}
    return (
        [str(value) for value, _ in fields[name].flatchoices] if name in fields else []
    )
