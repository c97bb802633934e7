from __future__ import annotations

import json
from typing import Any, NoReturn

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from cem_cases import audit
from cem_cases.models.cases import Case
from cem_cases.models.customers import Customer

SYSTEM = "system"
"""The stream of what belongs to no case: rules, policies, failures."""


class AuditHead(models.Model):
    """The end of one stream; whoever appends to it holds its lock."""

    stream = models.CharField(_("stream"), max_length=40)
    sequence = models.PositiveIntegerField(_("sequence"))
    hash = models.CharField(_("hash"), max_length=64)
    sealed_sequence = models.PositiveIntegerField(_("sealed up to"), default=0)

    class Meta:
        verbose_name = _("end of an audit stream")
        verbose_name_plural = _("ends of audit streams")
        constraints = (
            # not `unique=True`: on PostgreSQL that makes a second index, for LIKE
            models.UniqueConstraint(fields=["stream"], name="cem_head_stream"),
        )
        indexes = (
            # the daily seal: streams that grew since the last one
            models.Index(
                fields=["stream"],
                condition=Q(sequence__gt=F("sealed_sequence")),
                name="cem_head_unsealed",
            ),
        )

    def __str__(self) -> str:
        return f"{self.stream} #{self.sequence}"


class AppendOnly(models.QuerySet["AuditEvent"]):
    """Rows that are written once. The database refuses it, too."""

    def update(self, **changes: Any) -> NoReturn:
        raise TypeError("Audit events are never changed.")

    def delete(self) -> NoReturn:
        raise TypeError("Audit events are never deleted.")


class AuditEvent(models.Model):
    """That something happened: history for people, outbox, and source of reports.

    Written in the transaction of the change it tells of. It holds no personal text;
    that is kept beside it, in `AuditDetail`, where it can be erased.
    """

    stream = models.CharField(_("stream"), max_length=40)
    sequence = models.PositiveIntegerField(_("sequence"))
    case = models.ForeignKey(
        Case,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="events",
        db_index=False,  # a case's events are found by their stream
        verbose_name=_("case"),
    )
    at = models.DateTimeField(_("at"))
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        db_constraint=False,  # who did it stays, also when the user is gone
        null=True,
        blank=True,
        related_name="+",
        db_index=False,  # nobody asks for all that one user did, but reports by time
        verbose_name=_("actor"),
    )
    kind = models.CharField(_("kind"), max_length=40)
    # Text, not JSON: what is hashed is what is stored, to the byte.
    payload = models.TextField(_("payload"))
    previous_hash = models.CharField(_("previous hash"), max_length=64)
    key_id = models.CharField(_("key id"), max_length=40)
    hash = models.CharField(_("hash"), max_length=64)

    objects = AppendOnly.as_manager()

    class Meta:
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")
        ordering = ("stream", "sequence")
        constraints = (
            models.UniqueConstraint(
                fields=["stream", "sequence"], name="cem_event_sequence"
            ),
        )
        indexes = (
            # reports and export: events of some kinds over a span of time
            models.Index(fields=["kind", "at"], name="cem_event_kind_at"),
        )

    def __str__(self) -> str:
        return f"{self.stream} #{self.sequence} {self.kind}"

    @property
    def data(self) -> dict[str, Any]:
        """Return the payload as it was given."""
        data: dict[str, Any] = json.loads(self.payload)
        return data

    def link(self) -> audit.Link:
        """Return the event as it is hashed."""
        return audit.Link(
            stream=self.stream,
            sequence=self.sequence,
            at=self.at,
            actor="" if self.actor_id is None else str(self.actor_id),
            kind=self.kind,
            payload=self.payload,
            previous_hash=self.previous_hash,
            key_id=self.key_id,
            hash=self.hash,
        )


class AuditDetail(models.Model):
    """The private text of an event; erased with the person it is about.

    The event keeps `commitment(salt, text)`: as long as this row is there, it proves
    the text; afterwards it reveals nothing.
    """

    event = models.OneToOneField(
        AuditEvent, models.PROTECT, related_name="detail", verbose_name=_("event")
    )
    # indexed: erasing a customer's words
    customer = models.ForeignKey(
        Customer,
        models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("customer"),
    )
    salt = models.CharField(_("salt"), max_length=32)
    text = models.TextField(_("text"))

    class Meta:
        verbose_name = _("audit detail")
        verbose_name_plural = _("audit details")

    def __str__(self) -> str:
        return f"#{self.pk}"


class Seal(models.Model):
    """The ends of all streams that grew since the seal before, signed together.

    With it, cutting off the end of a stream is found out, too.
    """

    at = models.DateTimeField(_("at"))
    # [[stream, sequence, hash], …] as canonical text
    entries = models.TextField(_("entries"))
    previous_hash = models.CharField(_("previous hash"), max_length=64)
    key_id = models.CharField(_("key id"), max_length=40)
    hash = models.CharField(_("hash"), max_length=64)

    class Meta:
        verbose_name = _("seal")
        verbose_name_plural = _("seals")
        ordering = ("pk",)
        constraints = (
            # two seals at a time would fork the chain; the second is refused
            models.UniqueConstraint(fields=["previous_hash"], name="cem_seal_one_next"),
        )

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M}"
