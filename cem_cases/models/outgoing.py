from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cem_cases.models.capture import Invitation
from cem_cases.models.cases import Case, Template, sees_everything
from cem_cases.models.customers import Customer
from cem_cases.models.route import Rule, RuleRun
from cem_cases.outbound import urls

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

TRIED_FOR = timedelta(hours=72)
"""How long something that goes out is tried; what is older is given up."""


class OutgoingQuerySet(models.QuerySet["Outgoing"]):
    def due(self, now: datetime) -> Self:
        """What a worker may take now."""
        return self.filter(state=Outgoing.State.WAITING, next_attempt_at__lte=now)

    def failed(self) -> Self:
        """What is not tried any more."""
        return self.filter(state=Outgoing.State.FAILED)

    def retry(self, now: datetime) -> int:
        """Let what failed wait again, from its first attempt; return how many."""
        return self.failed().update(
            state=Outgoing.State.WAITING,
            attempts=0,
            error="",
            next_attempt_at=now,
            give_up_at=now + TRIED_FOR,
        )

    def visible_to(self, user: AbstractBaseUser) -> Self:
        """What goes out about cases that this user may see; all with the permission."""
        if sees_everything(user):
            return self
        return self.filter(case__in=Case.objects.visible_to(user))


class Outgoing(models.Model):
    """One thing that a rule lets go out, on its way.

    Written in the transaction of the decision. A worker takes it by lease, sends it
    outside any transaction, and marks it; a repeat has the same `message_id`.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")
        NOT_SENT = "not sent", _("not sent")

    rule = models.ForeignKey(
        Rule,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,  # the constraint `…_once` begins with it
        verbose_name=_("rule"),
    )
    rule_version = models.PositiveIntegerField(
        _("version of the rule"), null=True, blank=True
    )
    subject_kind = models.PositiveSmallIntegerField(
        _("what it acted on"), choices=RuleRun.Subject, null=True, blank=True
    )
    subject_id = models.BigIntegerField(
        _("key of what it acted on"), null=True, blank=True
    )
    name = models.CharField(
        _("name"), max_length=200, help_text=_("As the rule names it.")
    )
    message_id = models.CharField(_("message id"), max_length=300)
    state = models.CharField(
        _("state"), max_length=8, choices=State, default=State.WAITING
    )
    created_at = models.DateTimeField(_("created at"))
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(
        _("next attempt"), help_text=_("While it is being sent: the end of the lease.")
    )
    give_up_at = models.DateTimeField(_("given up at"))
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    error = models.CharField(_("reason"), max_length=200, blank=True)

    class Meta:
        abstract = True
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"{self.name} · {self.created_at:%Y-%m-%d %H:%M}"


class Letter(Outgoing):
    """One e-mail to one customer, because a rule says so."""

    # indexed: what was sent to this customer lately? (the limits of automatic mail)
    customer = models.ForeignKey(
        Customer, models.CASCADE, related_name="letters", verbose_name=_("customer")
    )
    # indexed: the letters of a case, for `visible_to`
    case = models.ForeignKey(
        Case,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="letters",
        verbose_name=_("case"),
    )
    # indexed: emptied when the template is deleted
    template = models.ForeignKey(
        Template,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("template"),
    )
    response = models.ForeignKey(
        "cem_cases.Response",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,  # responses are not deleted
        verbose_name=_("response"),
    )
    invitation = models.OneToOneField(
        Invitation,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="letter",
        verbose_name=_("invitation"),
    )
    subject = models.CharField(_("subject"), max_length=200, blank=True)
    body = models.TextField(
        _("body"),
        blank=True,
        help_text=_("As it was sent; moves to the contact of the case."),
    )
    noted_at = models.DateTimeField(
        _("noted at"),
        null=True,
        blank=True,
        help_text=_("When its case, or its invitation, was told what came of it."),
    )

    objects = OutgoingQuerySet.as_manager()

    class Meta(Outgoing.Meta):
        abstract = False
        verbose_name = _("letter")
        verbose_name_plural = _("letters")
        constraints = (
            models.UniqueConstraint(
                fields=["rule", "subject_kind", "subject_id", "name"],
                name="cem_letter_once",
            ),
            models.UniqueConstraint(
                fields=["message_id"], name="cem_letter_message_id"
            ),
            models.CheckConstraint(
                condition=Q(state="sent", sent_at__isnull=False)
                | (~Q(state="sent") & Q(sent_at=None)),
                name="cem_letter_sent_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(state="not sent") | ~Q(error=""),
                name="cem_letter_not_sent_why",
            ),
        )
        indexes = (
            # what waits to be sent
            models.Index(
                fields=["next_attempt_at", "id"],
                condition=Q(state="waiting"),
                name="cem_letter_waiting",
            ),
            # what is done, and its case or invitation does not know yet
            models.Index(
                fields=["id"],
                condition=Q(noted_at=None) & ~Q(state="waiting"),
                name="cem_letter_to_note",
            ),
        )


class WebhookEndpointQuerySet(models.QuerySet["WebhookEndpoint"]):
    def free(self, now: datetime) -> Self:
        """Endpoints that are on, and at this moment neither called nor left in peace."""
        return self.filter(is_active=True).filter(Q(free_at=None) | Q(free_at__lte=now))


class WebhookEndpoint(models.Model):
    """Another system that rules can tell; its secret is derived, and not in here."""

    name = models.CharField(
        _("name"), max_length=200, unique=True, help_text=_("Rules name it by this.")
    )
    url = models.CharField(
        _("URL"),
        max_length=urls.LONGEST,
        help_text=_("On the public internet, by https, port 443 or 8443."),
    )
    is_active = models.BooleanField(_("active"), default=True)
    include_comment = models.BooleanField(
        _("include the comment"),
        default=False,
        help_text=_(
            "What the customer wrote is personal data: does the other need it?"
        ),
    )
    key = models.CharField(_("key"), max_length=32, editable=False)
    fingerprint = models.CharField(
        _("fingerprint of the secret"), max_length=64, editable=False
    )
    created_at = models.DateTimeField(_("created at"), editable=False)
    free_at = models.DateTimeField(
        _("not called before"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("The end of a call's lease, or of the wait after failures."),
    )
    failures = models.PositiveIntegerField(
        _("failures in a row"), default=0, editable=False
    )
    failing_since = models.DateTimeField(
        _("failing since"), null=True, blank=True, editable=False
    )
    disabled_at = models.DateTimeField(
        _("switched off by itself at"), null=True, blank=True, editable=False
    )
    disabled_because = models.CharField(
        _("why it was switched off"), max_length=200, blank=True, editable=False
    )

    objects = WebhookEndpointQuerySet.as_manager()

    class Meta:
        verbose_name = _("webhook endpoint")
        verbose_name_plural = _("webhook endpoints")
        ordering = ("name",)
        permissions = (
            ("rotate_webhook_secret", _("Can give webhook endpoints a new secret")),
        )

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse what cannot be on the public internet; http is asked of the settings."""
        problem = self.url and urls.problem(self.url, allow_http=True)
        if problem:
            raise ValidationError({"url": problem})


class WebhookCall(Outgoing):
    """One event that another system is told, signed."""

    endpoint = models.ForeignKey(
        WebhookEndpoint,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="calls",
        db_index=False,  # cem_webhookcall_waiting; endpoints are not deleted
        verbose_name=_("endpoint"),
    )
    # indexed: the calls of a case, for `visible_to`
    case = models.ForeignKey(
        Case,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("case"),
    )
    # indexed: erasing a customer's words
    customer = models.ForeignKey(
        Customer, models.CASCADE, related_name="+", verbose_name=_("customer")
    )
    # Text, not JSON: what is signed is what is stored, to the byte.
    payload = models.TextField(_("payload"))
    status = models.PositiveSmallIntegerField(
        _("status of the last answer"), null=True, blank=True
    )
    answer = models.TextField(
        _("last answer"), blank=True, help_text=_("The first 2,048 bytes.")
    )

    objects = OutgoingQuerySet.as_manager()

    class Meta(Outgoing.Meta):
        abstract = False
        verbose_name = _("webhook call")
        verbose_name_plural = _("webhook calls")
        constraints = (
            models.UniqueConstraint(
                fields=["rule", "subject_kind", "subject_id", "name"],
                name="cem_webhookcall_once",
            ),
            models.UniqueConstraint(
                fields=["message_id"], name="cem_webhookcall_message_id"
            ),
            models.CheckConstraint(
                condition=Q(state="sent", sent_at__isnull=False)
                | (~Q(state="sent") & Q(sent_at=None)),
                name="cem_webhookcall_sent_has_time",
            ),
        )
        indexes = (
            # what waits for one endpoint, the oldest first
            models.Index(
                fields=["endpoint", "next_attempt_at", "id"],
                condition=Q(state="waiting"),
                name="cem_webhookcall_waiting",
            ),
        )
