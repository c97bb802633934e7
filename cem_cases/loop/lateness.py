"""What waits for too long: for a sweep, a worker, the mail server, a seal.

Each function yields what the doctor says of one subject, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Min, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from cem_cases.conf import conf
from cem_cases.loop import findings
from cem_cases.loop.findings import Said
from cem_cases.models import (
    AuditEvent,
    AuditHead,
    Case,
    Clock,
    Delivery,
    Escalation,
    Happening,
    Invitation,
    Letter,
    Notification,
    Outgoing,
    Response,
    WebhookCall,
    WebhookEndpoint,
    address_of,
)
from cem_cases.models.notices import of_own_team

LATE = timedelta(seconds=60)
"""Two sweeps."""
TOO_LATE = timedelta(minutes=10)
MAIL_LATE = timedelta(hours=1)
RECENT = timedelta(days=7)
SEALED_WITHIN = timedelta(days=2)


def of_sweep(now: datetime) -> Iterator[Said]:
    """What there is to say about the clocks, waits and reminders that are due."""
    hint = (
        "Do workers and beat run? Without Celery: does cron run `manage.py cem_drain`? "
        "If so: their log says which clocks cannot be marked, and `manage.py "
        "cem_verify_audit` why."
    )
    looks: tuple[tuple[str, QuerySet[Any], str, str], ...] = (
        ("A clock", Clock.objects.waiting(now), "next_at", "case"),
        ("The end of a wait", Case.objects.to_resume(now), "waiting_until", "pk"),
        ("A reminder", Escalation.objects.to_nag(now), "nag_at", "clock__case"),
    )
    for what, rows, column, case in looks:
        oldest = rows.order_by(column).values_list(column, case).first()
        if oldest is None:
            yield findings.ok(f"{what} that is due: none.")
            continue
        late = now - oldest[0]
        says = (
            f"{what} of case #{oldest[1]} has waited {findings.span(late)} for a sweep."
        )
        yield findings.by_limits(late, (LATE, TOO_LATE), says, hint)


def of_answers(now: datetime) -> Iterator[Said]:
    """What there is to say about the answers that wait for a worker, or failed."""
    since = Coalesce("next_attempt_at", "received_at")
    due = (
        Response.objects.waiting(now)
        .annotate(since=since)
        .order_by("pk")[: findings.MOST]
    )
    waiting = due.aggregate(count=Count("pk"), oldest=Min("since"))
    if waiting["count"]:
        late = now - waiting["oldest"]
        yield findings.by_limits(
            late,
            (LATE, TOO_LATE),
            f"Answers that wait for a worker: {findings.count(waiting['count'])}, the oldest "
            f"for {findings.span(late)}.",
            "Do workers and beat run? After a large import this passes; "
            "`manage.py cem_drain` helps them.",
        )
    else:
        yield findings.ok("Answers that wait for a worker: none.")
    failed = Response.objects.failed().order_by("-failed_at")
    errors = list(failed.values_list("error", flat=True)[: findings.MOST])
    if errors:
        yield findings.warning(
            f"Answers that failed and were parked: {findings.count(len(errors))}; the last "
            f"one: {errors[0]}.",
            "Mend the cause, then choose *try again* in the admin.",
        )
    else:
        yield findings.ok("Answers that failed and were parked: none.")
    parked = Happening.objects.failed().order_by("-failed_at")
    errors = list(parked.values_list("error", flat=True)[: findings.MOST])
    if errors:
        yield findings.warning(
            f"Happenings of cases at which rules failed to look: "
            f"{findings.count(len(errors))}; the last one: {errors[0]}.",
            "Mend the cause, then choose *let the rules try again* in the admin.",
        )


def of_mails(now: datetime) -> Iterator[Said]:
    """What there is to say about the e-mails that wait, failed, or were never made."""
    said = [*_mails_that_wait(now), *_mails_that_failed(now)]
    # while e-mails wait, so does the news after them
    said = said or list(_news_without_mail(now))
    yield from said or [findings.ok("None waits for long, and none failed lately.")]


def _mails_that_wait(now: datetime) -> Iterator[Said]:
    rows = Delivery.objects.filter(state=Delivery.State.WAITING)
    waiting = rows.order_by("next_attempt_at", "pk")[: findings.MOST].aggregate(
        count=Count("pk"), due=Min("next_attempt_at"), oldest=Min("created_at")
    )
    if not waiting["count"]:
        return
    count, age = (
        findings.count(waiting["count"]),
        findings.span(now - waiting["oldest"]),
    )
    says = f"E-mails that wait: {count}, the oldest for {age}."
    if now - waiting["due"] > TOO_LATE:
        yield findings.warning(
            f"{says} Nobody tries to send them.",
            "They are sent by the task `cem_cases.sweep`, or by `cem_drain`; their log "
            "says why not.",
        )
    elif now - waiting["oldest"] > MAIL_LATE:
        hint = "Is the mail server away? Each says in the admin what it answered."
        yield findings.warning(f"{says} They were tried in vain.", hint)


def _mails_that_failed(now: datetime) -> Iterator[Said]:
    failed = Q(state=Delivery.State.FAILED, created_at__gte=now - RECENT)
    newest = Delivery.objects.order_by("-pk")[: findings.MOST]
    count = newest.aggregate(count=Count("pk", filter=failed))["count"]
    if count:
        yield findings.warning(
            f"E-mails of the last {RECENT.days} days that could not be delivered: "
            f"{findings.count(count)}.",
            "Each says why in the admin: mend that, then let it be sent again.",
        )


def _news_without_mail(now: datetime) -> Iterator[Said]:
    """Whoever has no address, or may not see the case, gets no e-mail anyway."""
    since = now - MAIL_LATE - timedelta(minutes=conf().DIGEST_MINUTES)
    rows = Notification.objects.to_mail(now).filter(of_own_team(), at__lt=since)
    for row in rows.select_related("recipient").order_by("at")[: findings.MOST]:
        if address_of(row.recipient):
            yield findings.warning(
                f"News of case #{row.case_id} has waited {findings.span(now - row.at)} for its "
                "e-mail.",
                "E-mails are made and sent by the task `cem_cases.sweep`, or by "
                "`cem_drain`: does one of them run, and are the mail settings of the "
                "site right?",
            )
            return


def of_outgoing(now: datetime) -> Iterator[Said]:
    """What there is to say about letters, calls of webhooks, and invitations."""
    said = [
        *_going_out(Letter.objects.all(), "Letters to customers", now),
        *_going_out(WebhookCall.objects.all(), "Calls of webhooks", now),
        *_endpoints(now),
        *_invitations(now),
    ]
    yield from said or [findings.ok("Nothing waits for long, and nothing failed.")]


def _going_out(rows: QuerySet[Any], what: str, now: datetime) -> Iterator[Said]:
    """Whatever waits for its next attempt is not late: it was tried, and says why."""
    waiting = rows.filter(state=Outgoing.State.WAITING).order_by("next_attempt_at")
    due = waiting.filter(next_attempt_at__lt=now - TOO_LATE)
    # what is off, or left in peace after failures, is said of the endpoint
    if rows.model is WebhookCall:
        due = due.filter(endpoint__in=WebhookEndpoint.objects.free(now))
    count = due[: findings.MOST].count()
    if count:
        yield findings.warning(
            f"{what} that nobody tries to send: {findings.count(count)}.",
            "They are sent by the task `cem_cases.sweep`, or by `cem_drain`; their log "
            "says why not.",
        )
    failed = Q(state=Outgoing.State.FAILED, created_at__gte=now - RECENT)
    newest = rows.order_by("-pk")[: findings.MOST]
    count = newest.aggregate(count=Count("pk", filter=failed))["count"]
    if count:
        yield findings.warning(
            f"{what} of the last {RECENT.days} days that failed: "
            f"{findings.count(count)}.",
            "Each says why in the admin: mend that, then let it be sent again.",
        )


def _endpoints(now: datetime) -> Iterator[Said]:
    for endpoint in WebhookEndpoint.objects.exclude(
        disabled_at=None, failing_since=None
    ):
        if endpoint.disabled_at:
            yield findings.warning(
                f"The webhook endpoint '{endpoint.name}' was switched off "
                f"{findings.span(now - endpoint.disabled_at)} ago: "
                f"{endpoint.disabled_because}.",
                "Mend it there, and switch it on again in the admin.",
            )
        elif endpoint.failing_since and now - endpoint.failing_since > MAIL_LATE:
            since = findings.span(now - endpoint.failing_since)
            yield findings.warning(
                f"The webhook endpoint '{endpoint.name}' has failed for {since}.",
                "Its calls say in the admin what it answered.",
            )


def _invitations(now: datetime) -> Iterator[Said]:
    late = Invitation.objects.to_send(now - TOO_LATE)
    count = late[: findings.MOST].count()
    if count:
        yield findings.warning(
            f"Invitations that are due and were not sent: {findings.count(count)}.",
            "They are sent by the task `cem_cases.sweep`, or by `cem_drain`.",
        )


def of_audit(now: datetime) -> Iterator[Said]:
    """What there is to say about the streams that grew since they were sealed."""
    first_unsealed = AuditEvent.objects.filter(
        stream=OuterRef("stream"), sequence=OuterRef("sealed_sequence") + 1
    )
    heads = (
        AuditHead.objects.filter(sequence__gt=F("sealed_sequence"))
        .annotate(since=Subquery(first_unsealed.values("at")[:1]))
        .order_by("stream")[: findings.MOST]
        .aggregate(count=Count("pk"), oldest=Min("since"))
    )
    if not heads["count"]:
        yield findings.ok("Every stream is sealed up to its end.")
        return
    says = f"Streams that grew since the last seal: {findings.count(heads['count'])}"
    if heads["oldest"] is not None and now - heads["oldest"] > SEALED_WITHIN:
        yield findings.warning(
            f"{says}, one of them {findings.span(now - heads['oldest'])} ago.",
            "Beat runs `cem_cases.seal` daily; without it, let cron run "
            "`manage.py cem_seal`.",
        )
    else:
        yield findings.ok(f"{says}, none of them {SEALED_WITHIN.days} days ago.")
