"""Calls of webhooks: rows that `channels.webhooks` sends, and the endpoints they go to.

What is told is fixed when the rule acts: number, status and owner of a case may be
others by the time a receiver that was away comes back.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import transaction

from cem_cases import outbound, rules, scores
from cem_cases.conf import conf, site_secrets
from cem_cases.loop import audit, bulk, moment, outgoing
from cem_cases.models import Case, Response, WebhookCall, WebhookEndpoint

NO_ENDPOINT = "there is no webhook endpoint of this name"
SWITCHED_OFF = "the webhook endpoint is switched off"

Wish = tuple[outgoing.Due, rules.CallWebhook]


def write(wishes: Sequence[Wish], *, now: datetime) -> Sequence[WebhookCall]:
    """Write the calls that rules want; call it inside the transaction.

    Four statements at most.
    """
    wanted = {(due.once, effect.webhook): (due, effect) for due, effect in wishes}
    if not wanted:
        return []
    names = {effect.webhook for _, effect in wanted.values()}
    found = WebhookEndpoint.objects.filter(name__in=names)
    endpoints = {endpoint.name: endpoint for endpoint in found}
    about = _About([due for due, _ in wanted.values()], endpoints.values())
    rows = [
        _call(due, effect.webhook, endpoints.get(effect.webhook), about, now)
        for due, effect in wanted.values()
    ]
    return bulk.insert(rows, keys=False)


def _call(
    due: outgoing.Due,
    name: str,
    endpoint: WebhookEndpoint | None,
    about: _About,
    now: datetime,
) -> WebhookCall:
    key = f"msg_{outgoing.new_key()}"
    refused: Mapping[str, Any] = {}
    if endpoint is None:
        refused = outgoing.refused(NO_ENDPOINT)
    elif not endpoint.is_active:
        refused = outgoing.refused(SWITCHED_OFF)
    with_comment = endpoint is not None and endpoint.include_comment
    told = about.told(due, key, now, with_comment=with_comment and not refused)
    return WebhookCall(
        name=name,
        endpoint=endpoint,
        customer_id=due.customer,
        case_id=due.case,
        message_id=key,
        payload=json.dumps(told, separators=(",", ":")),
        **outgoing.by_whom(due),
        **outgoing.sending(now),
        **refused,
    )


class _About:
    """What is told of cases and responses: two statements, whatever their number."""

    def __init__(
        self, due: Sequence[outgoing.Due], endpoints: Collection[WebhookEndpoint]
    ) -> None:
        cases = {each.case for each in due} - {None}
        answers = {each.response for each in due} - {None}
        with_comments = any(endpoint.include_comment for endpoint in endpoints)
        columns = [*RESPONSE_FIELDS, *(["comment"] if with_comments else [])]
        rows = Response.objects.filter(bulk.any_of("pk", answers)) if answers else None
        found = () if rows is None else rows.values_list(*columns)
        self._responses = {row[0]: row for row in found}
        self._cases = (
            {
                case.pk: _case(case)
                for case in Case.objects.filter(bulk.any_of("pk", cases))
                .select_related("team")
                .only(*CASE_FIELDS, "team__slug")
            }
            if cases
            else {}
        )

    def told(
        self, due: outgoing.Due, key: str, now: datetime, *, with_comment: bool
    ) -> Mapping[str, Any]:
        """Return the payload."""
        return {
            "id": key,
            "type": "rule.matched",
            "timestamp": now.isoformat(),
            "data": {
                "rule": {
                    "key": due.rule.key,
                    "name": due.rule.name,
                    "version": due.rule.version,
                },
                "event": due.event,
                "case": self._cases.get(due.case or 0),
                "response": self._response(due.response, with_comment),
            },
        }

    def _response(self, key: int | None, with_comment: bool) -> Any:
        row = self._responses.get(key or 0)
        if row is None:
            return None
        pk, score, survey, metric, lowest, highest, *comment = row
        # its row gets the band at the end of the transaction only
        band = None if score is None else scores.band(metric, score, lowest, highest)
        told = {"id": pk, "survey": survey, "score": score, "band": band}
        return told | ({"comment": comment[0]} if with_comment else {})


RESPONSE_FIELDS = (
    *("pk", "score", "survey__slug", "survey__metric", "survey__scale_min"),
    "survey__scale_max",
)
CASE_FIELDS = (
    *("status", "priority", "kind", "is_complaint", "opened_at", "due_at", "team"),
)


def _case(case: Case) -> Mapping[str, Any]:
    return {
        "number": case.pk,
        "status": case.status,
        "priority": rules.Priority(case.priority).word,
        "kind": case.kind,
        "team": case.team and case.team.slug,
        "is_complaint": case.is_complaint,
        "opened_at": case.opened_at.isoformat(),
        "due_at": case.due_at and case.due_at.isoformat(),
    }


@transaction.atomic
def save_endpoint(
    endpoint: WebhookEndpoint,
    *,
    by: AbstractBaseUser | None,
    now: datetime | None = None,
) -> str:
    """Save an endpoint; return the secret of a new one, and else nothing.

    Nobody is shown the secret again: only its fingerprint is kept. Switching an
    endpoint on forgets its failures. Raises ValidationError.
    """
    now = now or moment.now()
    is_new, secret = endpoint._state.adding, ""
    if is_new:
        endpoint.created_at = now
        secret = _new_secret(endpoint)
    if endpoint.is_active:
        endpoint.disabled_at, endpoint.disabled_because = None, ""
    check_url(endpoint)
    endpoint.full_clean()
    if is_new:
        endpoint.save()
    else:
        _change(endpoint)
    _record(endpoint, "created" if is_new else "changed", by, now)
    return secret


@transaction.atomic
def rotate_secret(
    endpoint: WebhookEndpoint,
    *,
    by: AbstractBaseUser | None,
    now: datetime | None = None,
) -> str:
    """Give the endpoint another secret, from the next call on, and return it."""
    now = now or moment.now()
    locked = WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
    secret = _new_secret(locked)
    locked.save(update_fields=["key", "fingerprint"])
    _record(locked, "rotated", by, now)
    return secret


def check_url(endpoint: WebhookEndpoint) -> None:
    """Raise ValidationError where the settings do not allow this URL."""
    http = conf().WEBHOOK_HTTP
    if problem := outbound.urls.problem(endpoint.url, allow_http=http):
        raise ValidationError({"url": problem})


def retry_failed(calls: Iterable[WebhookCall], *, now: datetime) -> int:
    """Let failed calls wait again, from their first attempt; return how many."""
    keys = [call.pk for call in calls]
    return WebhookCall.objects.filter(pk__in=keys).retry(now)


def _new_secret(endpoint: WebhookEndpoint) -> str:
    endpoint.key = outgoing.new_key()
    secret = outbound.secrets.signing_secret(site_secrets()[0], endpoint.key)
    endpoint.fingerprint = outbound.secrets.fingerprint(secret)
    return secret


def _change(endpoint: WebhookEndpoint) -> None:
    """Write what people edit, not what the calls keep there meanwhile."""
    before = WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
    names = ["name", "url", "is_active", "include_comment"]
    if (endpoint.is_active and not before.is_active) or endpoint.url != before.url:
        endpoint.free_at = endpoint.failing_since = None
        endpoint.failures = 0
        names += ["free_at", "failing_since", "failures"]
    endpoint.save(update_fields=[*names, "disabled_at", "disabled_because"])


def _record(
    endpoint: WebhookEndpoint, done: str, by: AbstractBaseUser | None, now: datetime
) -> None:
    payload = {
        "id": endpoint.pk,
        "name": endpoint.name,
        "url": endpoint.url,
        "is_active": endpoint.is_active,
        "include_comment": endpoint.include_comment,
    }
    event = audit.NewEvent(kind=f"webhookendpoint.{done}", actor=by, payload=payload)
    audit.append([event], now=now)
