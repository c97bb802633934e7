"""People who are told of cases, for tests."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from cem_cases.loop import audit, notices
from cem_cases.models import AuditEvent, Case, Notification, Team
from tests import make
from tests.make import MONDAY


@transaction.atomic
def event(of: Case, *, at: datetime = MONDAY) -> AuditEvent:
    (made,) = audit.append([audit.NewEvent("clock.warned", {}, of)], now=at)
    return AuditEvent.objects.get(pk=made.pk)


@transaction.atomic
def tell(
    person: Any, of: Case, text: str = "The first contact is due soon.", **fields: Any
) -> Notification:
    """Tell one person of a new event of this case; `at` is when."""
    at = fields.get("at", MONDAY)
    about = event(of, at=at)
    notices.tell([notices.Note(about, [person.pk], text)], now=at)
    return Notification.objects.get(event=about)


def agent(of: Team, name: str = "ada") -> Any:
    """An agent with an address."""
    made = make.agent(of, name)
    made.email = f"{name}@example.org"
    made.save()
    return made
