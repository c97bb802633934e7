"""Letters: e-mails to customers, as rows that `channels.letters` sends.

An automatic letter is noted as a contact of its case, but it does not complete the
clock of the first contact: nobody has spoken with the customer yet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from cem_cases import rules
from cem_cases.conf import conf
from cem_cases.loop import audit, batches, bulk, notices, outgoing
from cem_cases.models import Case, Contact, Invitation, Letter, Template

NO_TEMPLATE = "there is no template with this slug"

Wish = tuple[outgoing.Due, rules.SendTemplate]


def write(wishes: Sequence[Wish], *, now: datetime) -> Sequence[Letter]:
    """Write the letters that rules want; call it inside the transaction.

    Whether a customer may be written to is asked when a letter is sent. Two statements.
    """
    wanted = {(due.once, effect.template): (due, effect) for due, effect in wishes}
    if not wanted:
        return []
    slugs = {effect.template for _, effect in wanted.values()}
    templates = dict(Template.objects.filter(slug__in=slugs).values_list("slug", "pk"))
    domain = notices.domain()
    rows = [
        _letter(due, effect.template, templates, domain, now)
        for due, effect in wanted.values()
    ]
    return bulk.insert(rows, keys=False)


def _letter(
    due: outgoing.Due,
    slug: str,
    templates: Mapping[str, int],
    domain: str,
    now: datetime,
) -> Letter:
    found = templates.get(slug)
    return Letter(
        name=slug,
        template_id=found,
        customer_id=due.customer,
        case_id=due.case,
        response_id=due.response,
        message_id=f"<{outgoing.new_key()}@{domain}>",
        **outgoing.by_whom(due),
        **outgoing.sending(now),
        **({} if found else outgoing.refused(NO_TEMPLATE)),
    )


def settle(*, now: datetime) -> int:
    """Tell cases and invitations what came of their letters; return of how many.

    A letter that was sent becomes a contact of its case, and an event; its words move
    there. Safe to run in any number of processes.
    """
    done = Counter[str]()
    batches.through(
        lambda only: _settle(done, now, only), Letter.objects.filter(_TO_NOTE)
    )
    return done["noted"]


_TO_NOTE = Q(noted_at=None) & ~Q(state=Letter.State.WAITING)


@transaction.atomic
def _settle(done: Counter[str], now: datetime, only: int | None) -> int:
    waiting = Letter.objects.filter(_TO_NOTE)
    if only is not None:
        waiting = waiting.filter(pk=only)
    locked = waiting.select_for_update(no_key=True, skip_locked=True, of=("self",))
    found = locked.order_by("pk").select_related("invitation")[: conf().BATCH_SIZE]
    rows = _with_their_cases(list(found))
    _note([row for row in rows if row.state == Letter.State.SENT and row.case], now)
    _tell_invitations([row for row in rows if row.invitation is not None])
    for row in rows:
        row.noted_at = now
        if row.case is not None:  # the contact has its words
            row.subject = row.body = ""
    bulk.update(rows, ["noted_at", "subject", "body"])
    done["noted"] += len(rows)
    return len(rows)


def _with_their_cases(rows: Sequence[Letter]) -> list[Letter]:
    """Return those whose cases nobody has locked, with these, locked now.

    Who appends to the stream of a case has its lock: else two of them could wait for
    each other.
    """
    keys = {row.case_id for row in rows if row.case_id is not None}
    cases = Case.objects.filter(pk__in=bulk.among(list(keys))).order_by("pk")
    locked = cases.select_for_update(no_key=True, skip_locked=True)
    found = {case.pk: case for case in locked} if keys else {}
    free = [row for row in rows if row.case_id is None or row.case_id in found]
    for row in free:
        row.case = found.get(row.case_id or 0)
    return free


def _note(letters: Iterable[Letter], now: datetime) -> None:
    noted = [(letter, _contact(letter)) for letter in letters]
    bulk.insert([contact for _, contact in noted])
    audit.append([_noted(letter, contact) for letter, contact in noted], now=now)


def _contact(letter: Letter) -> Contact:
    """Return the contact that a letter is which was sent, and has a case."""
    return Contact(
        case_id=letter.case_id,  # type: ignore[misc]
        direction=Contact.Direction.OUT,
        channel="email",
        attempt=Contact.Attempt.SENT,
        subject=letter.subject,
        body=letter.body,
        at=letter.sent_at,
    )


def _noted(letter: Letter, contact: Contact) -> audit.NewEvent:
    case: Case = letter.case  # type: ignore[assignment]
    payload: dict[str, Any] = {
        "contact": contact.pk,
        "direction": contact.direction,
        "channel": contact.channel,
        "attempt": contact.attempt,
        "resumed": False,
        "by_rule": letter.rule_id,
        "template": letter.name,
        "status": case.status,
    }
    return audit.NewEvent(kind="case.contacted", case=case, payload=payload)


def _tell_invitations(letters: Iterable[Letter]) -> None:
    rows = []
    for letter in letters:
        invitation: Invitation = letter.invitation  # type: ignore[assignment]
        if invitation.status != Invitation.Status.WAITING:
            continue  # answered or revoked meanwhile
        if letter.state == Letter.State.SENT:
            invitation.status, invitation.reason = Invitation.Status.SENT, ""
            invitation.sent_at = letter.sent_at
        else:
            invitation.status = Invitation.Status.NOT_SENT
            invitation.reason = letter.error
        rows.append(invitation)
    bulk.update(rows, ["status", "reason", "sent_at"])


@transaction.atomic
def retry_failed(letters: Iterable[Letter], *, now: datetime) -> int:
    """Let failed letters wait again, from their first attempt; return how many."""
    keys = [letter.pk for letter in letters]
    failed = Letter.objects.failed().filter(pk__in=keys)
    found = list(failed.select_for_update(no_key=True).values_list("pk", flat=True))
    Letter.objects.filter(pk__in=found).update(noted_at=None)
    Invitation.objects.filter(
        letter__in=found, status=Invitation.Status.NOT_SENT
    ).update(status=Invitation.Status.WAITING, reason="")
    return Letter.objects.filter(pk__in=found).retry(now)
