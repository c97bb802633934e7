from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from cem_cases.models.audit import AuditEvent
from cem_cases.models.cases import Case
from cem_cases.models.route import Membership

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

MAILED_FOR = timedelta(hours=72)
"""How long news waits for its e-mail, and an e-mail for its mail server.

What is older is in the list only.
"""


def address_of(user: AbstractBaseUser) -> str:
    """Return where to e-mail this user; empty: nowhere."""
    address = getattr(user, user.get_email_field_name(), "")
    return address or "" if user.is_active else ""


class LastDigestQuerySet(models.QuerySet["LastDigest"]):
    def of_the_ready(self, since: datetime) -> Self:
        """Of people who got no digest after `since` and for whom none is on its way."""
        on_its_way = Delivery.objects.filter(
            recipient=OuterRef("recipient"), state=Delivery.State.WAITING
        )
        return self.filter(Q(at=None) | Q(at__lte=since), ~Exists(on_its_way))


class LastDigest(models.Model):
    """When a person's last digest was made; once it is sent: when that was.

    Whoever makes the next one holds its lock, so that two never do.
    """

    recipient = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        primary_key=True,
        related_name="cem_last_digest",
        verbose_name=_("recipient"),
    )
    at = models.DateTimeField(_("at"), null=True, blank=True)

    objects = LastDigestQuerySet.as_manager()

    class Meta:
        verbose_name = _("last digest")
        verbose_name_plural = _("last digests")

    def __str__(self) -> str:
        return str(self.recipient)


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def due(self, now: datetime) -> Self:
        """Deliveries that a worker may take now."""
        return self.filter(state=Delivery.State.WAITING, next_attempt_at__lte=now)

    def failed(self) -> Self:
        """Deliveries that are not tried any more."""
        return self.filter(state=Delivery.State.FAILED)


class Delivery(models.Model):
    """One e-mail to one person, on its way: a digest of notifications.

    A worker takes it by lease, sends it outside any transaction, and marks it. Who dies
    in between leaves it to the next; the repeat has the same `message_id`.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")
        DROPPED = "dropped", _("not needed any more")

    # indexed: deleting a user
    recipient = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="cem_deliveries",
        verbose_name=_("recipient"),
    )
    message_id = models.CharField(_("message id"), max_length=300)
    state = models.CharField(
        _("state"), max_length=7, choices=State, default=State.WAITING
    )
    created_at = models.DateTimeField(_("created at"))
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(
        _("next attempt"), help_text=_("While it is being sent: the end of the lease.")
    )
    give_up_at = models.DateTimeField(_("given up at"))
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    error = models.CharField(_("error"), max_length=200, blank=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering = ("-pk",)
        constraints = (
            models.UniqueConstraint(
                fields=["message_id"], name="cem_delivery_message_id"
            ),
            models.CheckConstraint(
                condition=Q(state="sent", sent_at__isnull=False)
                | (~Q(state="sent") & Q(sent_at=None)),
                name="cem_delivery_sent_has_time",
            ),
        )
        indexes = (
            # what waits to be sent
            models.Index(
                fields=["next_attempt_at", "id"],
                condition=Q(state="waiting"),
                name="cem_delivery_waiting",
            ),
        )

    def __str__(self) -> str:
        return self.message_id


def of_own_team() -> Exists:
    """That a notification is about a case of a team in which its recipient works.

    What `visible_to` shows to everybody who does not see everything, for many recipients
    in one query.
    """
    return Exists(
        Membership.objects.filter(
            user=OuterRef("recipient"),
            team=OuterRef("case__team"),
            is_active=True,
            team__is_active=True,
        )
    )


class NotificationQuerySet(models.QuerySet["Notification"]):
    def visible_to(self, user: AbstractBaseUser) -> Self:
        """One's own, about cases that one may see."""
        seen = Case.objects.visible_to(user)
        return self.filter(recipient=user.pk, case__in=seen)

    def unread(self) -> Self:
        return self.filter(read_at=None)

    def to_mail(self, now: datetime) -> Self:
        """Unread ones of which no e-mail tells yet, as long as they are news."""
        return self.unread().filter(delivery=None, at__gte=now - MAILED_FOR)


class Notification(models.Model):
    """That somebody is told of an event of a case: an entry of their list.

    The e-mail that tells of it, if any, is its `delivery`. It holds no personal data of
    the customer.
    """

    recipient = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="cem_notifications",
        db_index=False,  # cem_notification_list begins with it
        verbose_name=_("recipient"),
    )
    # indexed: what was said about a case
    case = models.ForeignKey(
        Case, models.PROTECT, related_name="+", verbose_name=_("case")
    )
    event = models.ForeignKey(
        AuditEvent,
        models.PROTECT,
        related_name="+",
        db_index=False,  # cem_notification_once begins with it
        verbose_name=_("event"),
    )
    text = models.CharField(_("text"), max_length=300)
    at = models.DateTimeField(_("at"))
    read_at = models.DateTimeField(_("read at"), null=True, blank=True)
    # indexed: what a digest tells of
    delivery = models.ForeignKey(
        Delivery,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="notifications",
        verbose_name=_("delivery"),
    )

    objects = NotificationQuerySet.as_manager()

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        ordering = ("-pk",)
        constraints = (
            models.UniqueConstraint(
                fields=["event", "recipient"], name="cem_notification_once"
            ),
        )
        indexes = (
            # a person's list, the newest first
            models.Index(fields=["recipient", "-id"], name="cem_notification_list"),
            # what no e-mail tells of yet, as long as it is news
            models.Index(
                fields=["at"],
                condition=Q(delivery=None, read_at=None),
                name="cem_notification_to_mail",
            ),
        )

    def __str__(self) -> str:
        return self.text
