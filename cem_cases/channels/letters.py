"""Letters: sends the e-mails to customers that rules want, or says why not.

Whether a customer may be written to is asked at the last moment. So is what the letter
says: a repeat after a crash has the same Message-ID and the same link.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import Q
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from cem_cases.channels import mailing, outbox
from cem_cases.conf import conf, site_secrets
from cem_cases.models import Customer, Invitation, Letter
from cem_cases.outbound import placeholders, secrets

DAY = timedelta(days=1)
"""Within it rules send a customer the same template once, and `MOST_A_DAY` in all."""
APART = timedelta(minutes=10)
"""A customer gets at most one automatic e-mail in so long: then no loop is fast."""
MOST_A_DAY = 20
TOLD = (
    *("customer__organization", "template", "invitation__survey"),
    *("response__survey", "response__touchpoint", "case__owner", "case__team"),
)


def send_waiting(*, now: datetime, seconds: float | None = None) -> mailing.Sent:
    """Send what waits until nothing does, the time is up, or the mail server is away.

    Safe to run at any time, in any number of processes. Raises what the site's mail
    settings raise when they are wrong; whatever goes wrong with one letter is kept there.
    """
    kind = mailing.Kind(Letter.objects.due, outbox.WAITS, _send, _finish)
    return mailing.send_waiting(kind, now=now, seconds=seconds)


def _send(taken: Letter, connection: Any, now: datetime) -> mailing.Outcome:
    """Hand the letter to the mail server, or return why it is not sent."""
    letter = Letter.objects.select_related(*TOLD).get(pk=taken.pk)
    reason = _closed(letter.customer) or _pointless(letter)
    if reason:
        return mailing.Outcome(Letter.State.NOT_SENT, reason)
    if held := _held(letter, now):
        return held
    with (
        translation.override(_language(letter)),
        timezone.override(timezone.get_default_timezone()),
    ):
        subject, body = _words(letter)
    message = mail.EmailMessage(
        subject=mailing.one_line(placeholders.one_line(subject)),
        body=body.strip() + "\n",
        from_email=conf().MAIL_FROM,
        to=[letter.customer.email],
        headers={"Message-ID": letter.message_id, **mailing.HEADERS},
    )
    connection.send_messages([message])
    # an invitation holds its link, of which we keep the hash only
    kept = {"subject": message.subject, "body": message.body}
    return mailing.Outcome(Letter.State.SENT, changes={} if letter.invitation else kept)


def _finish(letter: Letter, said: Mapping[str, Any]) -> None:
    outbox.mark(letter, **said)


def _closed(customer: Customer) -> str:
    """Return why nobody may write to this customer; empty: we may."""
    if because := customer.not_mailed_because:
        return because
    try:
        validate_email(customer.email)
    except ValidationError:
        return "the e-mail address is not valid"
    return ""


def _pointless(letter: Letter) -> str:
    """Return why this letter is not wanted any more, or cannot be written."""
    if letter.invitation is None:
        return "" if letter.template else "the template is gone"
    if letter.invitation.status != Invitation.Status.WAITING:
        return letter.invitation.status
    return "" if conf().SURVEY_URL else 'CEM_CASES["SURVEY_URL"] is not set'


def _held(letter: Letter, now: datetime) -> mailing.Outcome | None:
    """Return how the limits of automatic mail hold this letter; None: they do not.

    What somebody else is sending at this moment counts as sent, if it is older: of two
    at the same time one goes, and the other sees it.
    """
    on_its_way = Q(
        state=Letter.State.WAITING,
        error=outbox.INTERRUPTED,
        next_attempt_at__gt=now,
        pk__lt=letter.pk,
    )
    rows = Letter.objects.filter(
        Q(sent_at__gt=now - DAY) | on_its_way, customer=letter.customer_id
    ).exclude(pk=letter.pk)
    recent = list(rows.values_list("name", "rule", "sent_at"))
    by_rules = {name for name, rule, _ in recent if rule is not None}
    if letter.rule_id is not None and letter.name in by_rules:
        reason = "the same template went to the customer within 24 hours"
        return mailing.Outcome(Letter.State.NOT_SENT, reason)
    if len(recent) >= MOST_A_DAY:
        reason = f"the customer got {MOST_A_DAY} automatic e-mails within 24 hours"
        return mailing.Outcome(Letter.State.NOT_SENT, reason)
    free_at = max((sent_at or now for _, _, sent_at in recent), default=now - DAY)
    if free_at + APART <= now:
        return None
    reason = "at most one automatic e-mail in 10 minutes"
    return mailing.Outcome(Letter.State.WAITING, reason, until=free_at + APART)


def _language(letter: Letter) -> str:
    template = letter.template
    return (template and template.language) or settings.LANGUAGE_CODE


def _words(letter: Letter) -> tuple[str, str]:
    """Return subject and body."""
    values = _values(letter)
    if letter.template is None:
        return _built_in(letter, values)
    subject = letter.template.subject or _("Your feedback")
    return (
        placeholders.fill(subject, values),
        placeholders.fill(letter.template.body, values),
    )


def _built_in(letter: Letter, values: Mapping[str, str]) -> tuple[str, str]:
    """Return the words of an invitation for which there is no template."""
    invitation = letter.invitation
    valid_for = invitation.expires_at - letter.created_at if invitation else DAY
    context = {**values, "days": valid_for // DAY}
    subject, body = (
        render_to_string(f"cem_cases/email/{name}", context)
        for name in ("invitation_subject.txt", "invitation.txt")
    )
    return subject, body


def _values(letter: Letter) -> dict[str, str]:
    """Return what stands for each placeholder."""
    customer, case, answer = letter.customer, letter.case, letter.response
    invitation = letter.invitation
    survey = invitation.survey if invitation else answer and answer.survey
    owner: Any = case and case.owner
    score = None if answer is None else answer.score
    on = answer and date_format(timezone.localtime(answer.answered_at), "DATE_FORMAT")
    place = answer and answer.touchpoint
    return {
        "customer_name": customer.name or _("customer"),
        "company": str(customer.organization or ""),
        "case_number": "" if case is None else str(case.pk),
        "survey_name": str(survey or ""),
        "score": "" if score is None else str(score),
        "touchpoint_name": str(place or ""),
        "answered_on": on or "",
        "agent_name": (owner and owner.get_full_name()) or _("our team"),
        "team_name": str((case and case.team) or _("our team")),
        placeholders.LINK: _link(invitation) if invitation else "",
    }


def _link(invitation: Invitation) -> str:
    """Return the link, the same each time; a new one if the site's secret is another."""
    token = secrets.recover(
        secrets.link_token, site_secrets(), invitation.key, invitation.token_hash
    )
    if token is None:
        token = secrets.link_token(site_secrets()[0], invitation.key)
        mine = Invitation.objects.filter(pk=invitation.pk)
        mine.update(token_hash=secrets.fingerprint(token))
    return conf().SURVEY_URL.replace("{token}", token)
