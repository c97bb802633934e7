"""From a case, and what happened to it, to facts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from cem_cases import rules
from cem_cases.loop import bulk, facts, past
from cem_cases.models import Case, Contact, Happening

HOUR = timedelta(hours=1)


def facts_of(
    happenings: Sequence[Happening],
    cases: Mapping[int, Case],
    names: Collection[str],
    *,
    now: datetime,
) -> dict[int, dict[str, Any]]:
    """Return the facts of these names, by the keys of the happenings.

    The cases are as they are now, with their teams and owners; the events are loaded.
    """
    wanted = [cases[row.case_id] for row in happenings]
    known = past.of_cases(wanted, names)
    tags = _tags(wanted) if "case.tags" in names else {}
    contacts = _contacts(happenings, names)
    found = {}
    for row in happenings:
        case = cases[row.case_id]
        values = known[case.pk] | facts.of_case(case)
        values |= {n: CASE[n](case, now) for n in names if n in CASE}
        values["case.tags"] = tags.get(case.pk, ())
        values |= _happened(row, contacts)
        found[row.pk] = {name: v for name, v in values.items() if v is not None}
    return found


CASE: Mapping[str, Callable[[Case, datetime], Any]] = {
    "case.status": lambda case, _: case.status,
    "case.kind": lambda case, _: case.kind,
    "case.owner": lambda case, _: case.owner and case.owner.get_username(),
    "case.age_hours": lambda case, now: (now - case.opened_at) // HOUR,
    "case.cycle": lambda case, _: case.cycle,
    "case.first_contact_made": lambda case, _: case.first_contact_at is not None,
}
"""Facts that are read off the case; its tags are fetched for all of them."""


def _tags(cases: Collection[Case]) -> Mapping[int, tuple[str, ...]]:
    rows = Case.tags.through.objects.filter(
        case__in=bulk.among([case.pk for case in cases])
    )
    found: dict[int, tuple[str, ...]] = {}
    for key, name in rows.values_list("case_id", "tag__name"):
        found[key] = (*found.get(key, ()), name)
    return found


def _contacts(
    happenings: Sequence[Happening], names: Collection[str]
) -> Mapping[int, Contact]:
    if not {"contact.channel", "contact.text"} & set(names):
        return {}
    said = [row for row in happenings if row.trigger == rules.Trigger.CONTACT_RECEIVED]
    return Contact.objects.in_bulk([row.event.data["contact"] for row in said])


def _happened(row: Happening, contacts: Mapping[int, Contact]) -> dict[str, Any]:
    """Return what is known of what happened."""
    data = row.event.data
    match row.trigger:
        case rules.Trigger.CASE_CHANGED:
            return {
                "change.what": row.event.kind.removeprefix("case."),
                "change.by_person": row.event.actor_id is not None,
            }
        case rules.Trigger.CONTACT_RECEIVED:
            contact = contacts.get(data["contact"])
            if contact is None:
                return {}
            text = f"{contact.subject}\n{contact.body}".strip()
            return {"contact.channel": contact.channel, "contact.text": text or None}
        case rules.Trigger.CLOCK_WARNED | rules.Trigger.CLOCK_BREACHED:
            return {
                "clock.metric": data["metric"],
                "clock.percent": data.get("percent", 100),
            }
    return {}
