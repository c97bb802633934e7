"""Invitations by rule: who is asked to answer, when, and with which link.

A row waits until its day. Then it is asked whether the customer may be invited, and the
e-mail becomes a letter like any other. The link's token is derived from the row's key
and a secret of the site, so that a repeat has the same link; only its hash is stored.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Coalesce

from cem_cases import outbound, rules
from cem_cases.conf import conf, site_secrets
from cem_cases.loop import bulk, notices, outgoing
from cem_cases.models import Customer, Invitation, Letter, Survey, Template

VALID_FOR = timedelta(days=30)
"""How long an invitation's link is good, from the day it is sent."""
NO_URL = 'CEM_CASES["SURVEY_URL"] is not set'
NOT_ACTIVE = "the survey is not active"

Wish = tuple[outgoing.Due, rules.Invite]


def write(wishes: Sequence[Wish], *, now: datetime) -> Sequence[Invitation]:
    """Write the invitations that rules want; call it inside the transaction.

    One to a survey that there is not leaves no row: the rule was refused when it was
    saved. Two statements.
    """
    wanted = {(due.once, effect.survey): (due, effect) for due, effect in wishes}
    if not wanted:
        return []
    slugs = {effect.survey for _, effect in wanted.values()}
    surveys = {survey.slug: survey for survey in Survey.objects.filter(slug__in=slugs)}
    rows = [
        _invitation(due, effect, surveys[effect.survey], now)
        for due, effect in wanted.values()
        if effect.survey in surveys
    ]
    return bulk.insert(rows, keys=False)


def _invitation(
    due: outgoing.Due, effect: rules.Invite, survey: Survey, now: datetime
) -> Invitation:
    send_after = now + timedelta(days=effect.in_days)
    key = outgoing.new_key()
    reason = NO_URL if not conf().SURVEY_URL else ""
    status = Invitation.Status.NOT_SENT if reason else Invitation.Status.WAITING
    return Invitation(
        survey=survey,
        customer_id=due.customer,
        key=key,
        token_hash=_token_hash(key),
        status=status,
        reason=reason,
        created_at=now,
        send_after=send_after,
        expires_at=send_after + VALID_FOR,
        **outgoing.by_whom(due),
    )


def _token_hash(key: str) -> str:
    token = outbound.secrets.link_token(site_secrets()[0], key)
    return outbound.secrets.fingerprint(token)


def prepare(*, now: datetime) -> int:
    """Make letters of the invitations that are due; return of how many there were one.

    The others say why there is none. Safe to run in any number of processes.
    """
    made, size = 0, conf().BATCH_SIZE
    due = Invitation.objects.to_send(now).order_by("send_after", "pk")
    while found := dict(due.values_list("pk", "customer_id")[:size]):
        prepared = _prepare(found, now)
        if not prepared:
            break  # somebody else has them
        made += sum(row.status == Invitation.Status.WAITING for row in prepared)
    return made


@transaction.atomic
def _prepare(found: Mapping[int, int], now: datetime) -> Sequence[Invitation]:
    """Decide over these invitations, by their customers.

    The customers are locked first: two processes never invite one at the same time.
    """
    customers = {
        customer.pk: customer
        for customer in Customer.objects.select_for_update(no_key=True)
        .filter(bulk.any_of("pk", set(found.values())))
        .order_by("pk")
    }
    rows = list(
        Invitation.objects.to_send(now)
        .filter(bulk.any_of("pk", list(found)))
        .select_related("survey")
        .select_for_update(no_key=True, skip_locked=True, of=("self",))
        .order_by("send_after", "pk")
    )
    invited = _last_invited(customers)
    going = []
    for row in rows:
        row.reason = _obstacle(row, customers[row.customer_id], invited, now)
        if row.reason:
            row.status = Invitation.Status.NOT_SENT
            continue
        row.token_hash, row.expires_at = _token_hash(row.key), now + VALID_FOR
        invited[row.customer_id] = now
        going.append(row)
    bulk.update(rows, ["status", "reason", "token_hash", "expires_at"])
    _write_letters(going, now)
    return rows


def _obstacle(
    row: Invitation,
    customer: Customer,
    invited: Mapping[int, datetime],
    now: datetime,
) -> str:
    """Return why this customer is not invited; empty: they are.

    Whether they may be written to is asked once more when the letter is sent.
    """
    if not conf().SURVEY_URL:
        return NO_URL
    if not row.survey.is_active:
        return NOT_ACTIVE
    if because := customer.not_mailed_because:
        return because
    days, last = row.survey.contact_every_days, invited.get(customer.pk)
    if last is not None and now - last < timedelta(days=days):
        return f"was invited less than {days} days before"
    return ""


def _last_invited(customers: Collection[int]) -> dict[int, datetime]:
    """Return when these customers were invited last, to whichever survey."""
    sent = Q(sent_at__isnull=False) | Q(letter__state=Letter.State.WAITING)
    rows = (
        Invitation.objects.filter(sent, bulk.any_of("customer_id", customers))
        .annotate(at=Coalesce("sent_at", "letter__created_at"))
        .order_by("at")
    )
    return dict(rows.values_list("customer_id", "at"))


def _write_letters(rows: Sequence[Invitation], now: datetime) -> None:
    if not rows:
        return
    slug = outbound.placeholders.INVITATION
    template = Template.objects.filter(slug=slug).first()
    domain = notices.domain()
    bulk.insert(
        [
            Letter(
                name=slug,
                template=template,
                customer_id=row.customer_id,
                invitation=row,
                message_id=f"<{outgoing.new_key()}@{domain}>",
                **outgoing.sending(now),
            )
            for row in rows
        ],
        keys=False,
    )
