from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cem_cases.models.customers import Customer

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


class Touchpoint(models.Model):
    """A place in the customer's journey where we meet them."""

    slug = models.SlugField(_("slug"), max_length=100, unique=True)
    name = models.CharField(_("name"), max_length=200)
    journey_stage = models.CharField(_("journey stage"), max_length=100, blank=True)
    channel = models.CharField(_("channel"), max_length=100, blank=True)
    department = models.CharField(_("department"), max_length=100, blank=True)
    target_score = models.DecimalField(
        _("target score"), max_digits=6, decimal_places=2, null=True, blank=True
    )

    class Meta:
        verbose_name = _("touchpoint")
        verbose_name_plural = _("touchpoints")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Survey(models.Model):
    """A question we ask, its metric and its scale."""

    class Metric(models.TextChoices):
        NPS = "nps", _("NPS")
        CSAT = "csat", _("CSAT")
        CES = "ces", _("CES")

    class Kind(models.TextChoices):
        RELATIONAL = "relational", _("relational")
        TRANSACTIONAL = "transactional", _("transactional")

    class Repeat(models.TextChoices):
        """What a second response does while the customer has an open case."""

        JOIN = "join", _("join the open case")
        RAISE = "join and raise priority", _("join and raise its priority")
        ANOTHER = "open another", _("open another case")

    slug = models.SlugField(_("slug"), max_length=100, unique=True)
    name = models.CharField(_("name"), max_length=200)
    metric = models.CharField(_("metric"), max_length=4, choices=Metric)
    scale_min = models.SmallIntegerField(_("lowest score"), default=0)
    scale_max = models.SmallIntegerField(_("highest score"), default=10)
    kind = models.CharField(
        _("kind"), max_length=13, choices=Kind, default=Kind.TRANSACTIONAL
    )
    wording = models.TextField(_("wording of the question"), blank=True)
    # indexed: may this touchpoint be deleted?
    touchpoint = models.ForeignKey(
        Touchpoint,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="surveys",
        verbose_name=_("touchpoint"),
        help_text=_("Where responses belong that name no touchpoint themselves."),
    )
    repeat = models.CharField(
        _("second response"),
        max_length=23,
        choices=Repeat,
        default=Repeat.JOIN,
        help_text=_("What another response does while a case is open."),
    )
    contact_every_days = models.PositiveSmallIntegerField(
        _("days between invitations"),
        default=90,
        help_text=_("Nobody is invited again sooner than this."),
    )
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("survey")
        verbose_name_plural = _("surveys")
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                condition=Q(metric__in=["nps", "csat", "ces"]),
                name="cem_survey_metric_known",
            ),
            models.CheckConstraint(
                condition=Q(scale_min__lt=models.F("scale_max")),
                name="cem_survey_scale_rises",
                violation_error_message=_(
                    "The highest score must be above the lowest."
                ),
            ),
            models.CheckConstraint(
                condition=~Q(metric="nps") | Q(scale_min=0, scale_max=10),
                name="cem_survey_nps_scale",
                violation_error_message=_("NPS is asked on the scale from 0 to 10."),
            ),
        )

    def __str__(self) -> str:
        return self.name


class Question(models.Model):
    """One more question of a survey; its answer is found under its key."""

    class Kind(models.TextChoices):
        TEXT = "text", _("text")
        NUMBER = "number", _("number")
        CHOICE = "choice", _("choice")
        BOOLEAN = "boolean", _("yes or no")

    survey = models.ForeignKey(
        Survey,
        models.CASCADE,
        related_name="questions",
        db_index=False,  # cem_question_key_unique begins with it
        verbose_name=_("survey"),
    )
    key = models.SlugField(_("key"), max_length=100, db_index=False)
    text = models.TextField(_("text"), blank=True)
    kind = models.CharField(_("kind"), max_length=7, choices=Kind, default=Kind.TEXT)
    position = models.PositiveSmallIntegerField(_("position"), default=0)

    class Meta:
        verbose_name = _("question")
        verbose_name_plural = _("questions")
        ordering = ("survey", "position", "key")
        constraints = (
            models.UniqueConstraint(
                fields=["survey", "key"], name="cem_question_key_unique"
            ),
        )

    def __str__(self) -> str:
        return self.text or self.key


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def to_send(self, now: datetime) -> Self:
        """Invitations that are due, and of which no letter was made yet."""
        return self.filter(
            status=Invitation.Status.WAITING, send_after__lte=now, letter=None
        )


class Invitation(models.Model):
    """That a customer is asked to answer; holds only the hash of its token.

    The token is derived from `key` and a secret of the site (`outbound.secrets`).
    """

    class Status(models.TextChoices):
        WAITING = "waiting", _("waiting")
        SENT = "sent", _("sent")
        NOT_SENT = "not sent", _("not sent")
        ANSWERED = "answered", _("answered")
        REVOKED = "revoked", _("revoked")

    # indexed: a survey's invitations
    survey = models.ForeignKey(
        Survey, models.PROTECT, related_name="invitations", verbose_name=_("survey")
    )
    # indexed: when was this customer last invited?
    customer = models.ForeignKey(
        Customer, models.CASCADE, related_name="invitations", verbose_name=_("customer")
    )
    token_hash = models.CharField(_("hash of the token"), max_length=64, unique=True)
    status = models.CharField(
        _("status"), max_length=8, choices=Status, default=Status.WAITING
    )
    reason = models.CharField(_("why it was not sent"), max_length=200, blank=True)
    key = models.CharField(
        _("key of the token"), max_length=32, blank=True, editable=False
    )
    created_at = models.DateTimeField(_("created at"))
    send_after = models.DateTimeField(
        _("not sent before"),
        null=True,
        blank=True,
        help_text=_("Empty: we do not send it."),
    )
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    expires_at = models.DateTimeField(_("expires at"))
    # The rule that wanted it, and about what: empty where none did.
    rule = models.ForeignKey(
        "cem_cases.Rule",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,  # cem_invitation_once begins with it
        verbose_name=_("rule"),
    )
    rule_version = models.PositiveIntegerField(
        _("version of the rule"), null=True, blank=True
    )
    subject_kind = models.PositiveSmallIntegerField(
        _("what it acted on"), null=True, blank=True
    )
    subject_id = models.BigIntegerField(
        _("key of what it acted on"), null=True, blank=True
    )

    objects = InvitationQuerySet.as_manager()

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        constraints = (
            models.UniqueConstraint(
                fields=["rule", "subject_kind", "subject_id", "survey"],
                name="cem_invitation_once",
            ),
            models.CheckConstraint(
                condition=~Q(status="not sent") | ~Q(reason=""),
                name="cem_invitation_not_sent_why",
            ),
        )
        indexes = (
            # what is to be sent, the oldest first
            models.Index(
                fields=["send_after", "id"],
                condition=Q(status="waiting"),
                name="cem_invitation_waiting",
            ),
        )

    def __str__(self) -> str:
        return f"{self.survey} → {self.customer}"


class Explanation(models.Model):
    """Which rules were looked at, in their order, and what decided: text, kept once.

    Answers that came to the same in the same way share one. Private values are never in
    it. `cem_cases.rules.read_looks` reads it.
    """

    digest = models.CharField(_("digest"), max_length=64)
    looks = models.TextField(_("rules looked at"))

    class Meta:
        verbose_name = _("explanation")
        verbose_name_plural = _("explanations")
        constraints = (
            models.UniqueConstraint(
                fields=["digest"], name="cem_explanation_digest_unique"
            ),
        )

    def __str__(self) -> str:
        return self.digest[:12]


class ResponseQuerySet(models.QuerySet["Response"]):
    def unprocessed(self) -> Self:
        """Responses that wait for the loop, those included whose retry is not due."""
        return self.filter(processed_at=None, failed_at=None)

    def waiting(self, now: datetime) -> Self:
        """Responses that the loop may take up now."""
        return self.unprocessed().filter(
            Q(next_attempt_at=None) | Q(next_attempt_at__lte=now)
        )

    def failed(self) -> Self:
        """Responses that were parked after too many attempts."""
        return self.exclude(failed_at=None)

    def visible_to(self, user: AbstractBaseUser) -> Self:
        """Responses of the cases this user may see; all of them with the permission."""
        from cem_cases.models.cases import Case, sees_everything

        if sees_everything(user):
            return self
        return self.filter(case__in=Case.objects.visible_to(user))


class Response(models.Model):
    """One answer of one customer. A row without `processed_at` waits for the loop."""

    survey = models.ForeignKey(
        Survey,
        models.PROTECT,
        related_name="responses",
        db_index=False,  # cem_response_survey begins with it
        verbose_name=_("survey"),
    )
    # indexed: a customer's responses: the score path
    customer = models.ForeignKey(
        Customer,
        models.PROTECT,
        related_name="responses",
        verbose_name=_("customer"),
    )
    touchpoint = models.ForeignKey(
        Touchpoint,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="responses",
        db_index=False,  # reports ask by survey and time; a touchpoint is not deleted
        verbose_name=_("touchpoint"),
    )
    invitation = models.OneToOneField(
        Invitation,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="response",
        verbose_name=_("invitation"),
    )
    # indexed: a case's responses
    case = models.ForeignKey(
        "cem_cases.Case",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="responses",
        verbose_name=_("case"),
    )
    explanation = models.ForeignKey(
        Explanation,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,  # explanations are never deleted, nor asked for their responses
        verbose_name=_("explanation"),
    )
    source_system = models.CharField(_("source system"), max_length=200, blank=True)
    external_id = models.CharField(_("external id"), max_length=200)
    channel = models.CharField(_("channel"), max_length=200, blank=True)
    score = models.SmallIntegerField(_("score"), null=True, blank=True)
    band = models.CharField(_("band"), max_length=12, blank=True)
    weight = models.DecimalField(
        _("weight"), max_digits=16, decimal_places=10, default=1
    )
    comment = models.TextField(_("comment"), blank=True)
    language = models.CharField(_("language"), max_length=200, blank=True)
    sentiment = models.DecimalField(
        _("sentiment"), max_digits=4, decimal_places=3, null=True, blank=True
    )
    wants_contact = models.BooleanField(_("wants contact"), default=False)
    answers = models.JSONField(_("answers"), default=dict, blank=True)
    answered_at = models.DateTimeField(_("answered at"))
    received_at = models.DateTimeField(_("received at"))
    processed_at = models.DateTimeField(_("processed at"), null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(_("failed attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt at"), null=True, blank=True)
    failed_at = models.DateTimeField(_("failed at"), null=True, blank=True)
    error = models.CharField(_("error"), max_length=200, blank=True)

    objects = ResponseQuerySet.as_manager()

    class Meta:
        verbose_name = _("response")
        verbose_name_plural = _("responses")
        constraints = (
            models.UniqueConstraint(
                fields=["source_system", "external_id"],
                name="cem_response_once",
            ),
            models.CheckConstraint(
                condition=Q(weight__gt=0), name="cem_response_weight_positive"
            ),
            models.CheckConstraint(
                condition=Q(processed_at=None) | Q(failed_at=None),
                name="cem_response_done_or_failed",
            ),
        )
        indexes = (
            # the drain: what waits, oldest first
            models.Index(
                fields=["id"],
                condition=Q(processed_at=None, failed_at=None),
                name="cem_response_waiting",
            ),
            # the admin's list of what was parked
            models.Index(
                fields=["failed_at"],
                condition=Q(failed_at__isnull=False),
                name="cem_response_failed",
            ),
            # reports: one survey over a span of time
            models.Index(fields=["survey", "answered_at"], name="cem_response_survey"),
        )

    def __str__(self) -> str:
        score = "-" if self.score is None else self.score
        return f"{self.survey_id}: {score} ({self.external_id})"

    @property
    def state(self) -> str:
        """Return `processed`, `failed` or `waiting`."""
        if self.processed_at:
            return "processed"
        return "failed" if self.failed_at else "waiting"
