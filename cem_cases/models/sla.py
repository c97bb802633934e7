from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cem_cases import rules
from cem_cases.models.cases import Case
from cem_cases.sla import InvalidCalendar, parse_calendar


class BusinessCalendar(models.Model):
    """When people work: openings per weekday in one zone, less the closed dates."""

    name = models.CharField(_("name"), max_length=200, unique=True)
    zone = models.CharField(_("time zone"), max_length=100, default="UTC")
    hours = models.JSONField(
        _("hours"),
        default=dict,
        help_text=_('{"mon": [["09:00", "12:00"], ["13:00", "24:00"]], …}'),
    )
    closed = models.JSONField(
        _("closed dates"), default=list, blank=True, help_text=_('["2026-12-25", …]')
    )
    special = models.JSONField(
        _("special hours"),
        default=dict,
        blank=True,
        help_text=_('{"2026-12-24": [["09:00", "12:00"]], …}'),
    )

    class Meta:
        verbose_name = _("business calendar")
        verbose_name_plural = _("business calendars")
        ordering = ("name",)

    def __str__(self) -> str:
        return f"{self.name} ({self.zone})"

    def clean(self) -> None:
        """Refuse a calendar that never opens, or whose entries contradict."""
        try:
            parse_calendar(self.as_data(), opens_within_year_of=timezone.localdate())
        except InvalidCalendar as error:
            field = re.split(r"[.[]", error.path)[0]
            known = field in ("zone", "hours", "closed", "special")
            raise ValidationError({field if known else "hours": str(error)}) from None

    def as_data(self) -> dict[str, Any]:
        """Return what `cem_cases.sla.parse_calendar` reads."""
        return {
            "zone": self.zone,
            "hours": self.hours,
            "closed": self.closed,
            "special": self.special,
        }


class SlaPolicy(models.Model):
    """What we promise, to whom; the first active one whose conditions hold counts."""

    name = models.CharField(_("name"), max_length=200, unique=True)
    position = models.PositiveIntegerField(_("position"), default=0)
    conditions = models.JSONField(
        _("conditions"),
        default=dict,
        blank=True,
        help_text=_("Empty: holds for every case."),
    )
    # indexed: may this calendar be deleted?
    calendar = models.ForeignKey(
        BusinessCalendar,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="policies",
        verbose_name=_("calendar"),
        help_text=_("Empty: around the clock."),
    )
    is_active = models.BooleanField(_("active"), default=True)
    version = models.PositiveIntegerField(_("version"), default=1, editable=False)

    class Meta:
        verbose_name = _("SLA policy")
        verbose_name_plural = _("SLA policies")
        ordering = ("position", "pk")

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        try:
            rules.parse_conditions(self.conditions)
        except rules.InvalidRule as error:
            raise ValidationError({"conditions": str(error)}) from None


class ClockMetric(models.TextChoices):
    """What a clock measures, from the opening of the case on."""

    FIRST_CONTACT = "first contact", _("first contact")
    RESOLUTION = "resolution", _("resolution")


class Target(models.Model):
    """How long one metric may take at one priority."""

    policy = models.ForeignKey(
        SlaPolicy,
        models.CASCADE,
        related_name="targets",
        db_index=False,  # cem_target_unique begins with it
        verbose_name=_("policy"),
    )
    metric = models.CharField(_("metric"), max_length=13, choices=ClockMetric)
    priority = models.PositiveSmallIntegerField(_("priority"), choices=Case.Priority)
    seconds = models.PositiveIntegerField(
        _("seconds"), help_text=_("Open time of the policy's calendar, in seconds.")
    )
    warn_percent = models.PositiveSmallIntegerField(_("warn at %"), default=75)

    class Meta:
        verbose_name = _("target")
        verbose_name_plural = _("targets")
        ordering = ("policy", "metric", "priority")
        constraints = (
            models.UniqueConstraint(
                fields=["policy", "metric", "priority"], name="cem_target_unique"
            ),
            models.CheckConstraint(
                condition=Q(seconds__gt=0), name="cem_target_takes_time"
            ),
            models.CheckConstraint(
                condition=Q(warn_percent__gte=1, warn_percent__lte=100),
                name="cem_target_warn_percent",
                violation_error_message=_("Warn at 1 to 100 percent."),
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_metric_display()}, {self.get_priority_display()}"


RUNNING = Q(completed_at=None, cancelled_at=None)


class ClockQuerySet(models.QuerySet["Clock"]):
    def running(self) -> Self:
        """Clocks that have neither been completed nor cancelled."""
        return self.filter(RUNNING)

    def to_breach(self, now: datetime) -> Self:
        """Running clocks whose due time has passed and which are not marked yet.

        What is done at the very due instant is in time.
        """
        return self.running().filter(breached_at=None, due_at__lt=now)

    def to_warn(self, now: datetime) -> Self:
        """Running clocks whose warning time has come and which are not marked yet."""
        return self.running().filter(breached_at=None, warned_at=None, warn_at__lte=now)


class Clock(models.Model):
    """The running (or finished) time of one metric of one case."""

    case = models.ForeignKey(
        Case,
        models.PROTECT,
        related_name="clocks",
        db_index=False,  # cem_clock_unique begins with it
        verbose_name=_("case"),
    )
    metric = models.CharField(_("metric"), max_length=13, choices=ClockMetric)
    cycle = models.PositiveSmallIntegerField(_("cycle"), default=1)
    policy = models.ForeignKey(
        SlaPolicy,
        models.PROTECT,
        related_name="+",
        db_index=False,  # a policy with clocks is never deleted in passing
        verbose_name=_("policy"),
    )
    policy_version = models.PositiveIntegerField(_("policy version"))
    started_at = models.DateTimeField(_("started at"))
    target_seconds = models.PositiveIntegerField(_("target in seconds"))
    warn_at = models.DateTimeField(_("warn at"))
    due_at = models.DateTimeField(_("due at"))
    warned_at = models.DateTimeField(_("warned at"), null=True, blank=True)
    breached_at = models.DateTimeField(_("breached at"), null=True, blank=True)
    completed_at = models.DateTimeField(_("completed at"), null=True, blank=True)
    cancelled_at = models.DateTimeField(_("cancelled at"), null=True, blank=True)
    business_elapsed = models.PositiveIntegerField(
        _("business seconds taken"), null=True, blank=True
    )
    calendar_elapsed = models.PositiveIntegerField(
        _("calendar seconds taken"), null=True, blank=True
    )

    objects = ClockQuerySet.as_manager()

    class Meta:
        verbose_name = _("clock")
        verbose_name_plural = _("clocks")
        ordering = ("case", "cycle", "metric")
        constraints = (
            models.UniqueConstraint(
                fields=["case", "metric", "cycle"], name="cem_clock_unique"
            ),
            models.CheckConstraint(
                condition=Q(metric__in=["first contact", "resolution"]),
                name="cem_clock_metric_known",
            ),
            models.CheckConstraint(
                condition=Q(completed_at=None) | Q(cancelled_at=None),
                name="cem_clock_one_end",
            ),
            models.CheckConstraint(
                condition=Q(
                    completed_at=None, business_elapsed=None, calendar_elapsed=None
                )
                | Q(
                    completed_at__isnull=False,
                    business_elapsed__isnull=False,
                    calendar_elapsed__isnull=False,
                ),
                name="cem_clock_completed_elapsed",
            ),
            models.CheckConstraint(
                condition=Q(warn_at__lte=F("due_at")), name="cem_clock_warns_before"
            ),
        )
        indexes = (
            # the sweep: running clocks that are due and not marked as breached
            models.Index(
                fields=["due_at"],
                condition=RUNNING & Q(breached_at=None),
                name="cem_clock_to_breach",
            ),
            # the sweep: running clocks about which nobody has been warned
            models.Index(
                fields=["warn_at"],
                condition=RUNNING & Q(breached_at=None, warned_at=None),
                name="cem_clock_to_warn",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_metric_display()} ({self.cycle})"

    @property
    def is_running(self) -> bool:
        return self.completed_at is None and self.cancelled_at is None


class Pause(models.Model):
    """A span in which a clock stands still; open while `until_at` is empty."""

    # indexed: a clock's pauses
    clock = models.ForeignKey(
        Clock, models.PROTECT, related_name="pauses", verbose_name=_("clock")
    )
    reason = models.CharField(_("reason"), max_length=200)
    from_at = models.DateTimeField(_("from"))
    expected_end_at = models.DateTimeField(_("expected end"), null=True, blank=True)
    until_at = models.DateTimeField(_("until"), null=True, blank=True)

    class Meta:
        verbose_name = _("pause")
        verbose_name_plural = _("pauses")
        ordering = ("from_at",)
        constraints = (
            models.CheckConstraint(
                condition=Q(until_at=None) | Q(from_at__lte=F("until_at")),
                name="cem_pause_ends_after_start",
            ),
            models.UniqueConstraint(
                fields=["clock"], condition=Q(until_at=None), name="cem_pause_one_open"
            ),
        )
        indexes = (
            # the sweep: open pauses whose expected end has come
            models.Index(
                fields=["expected_end_at"],
                condition=Q(until_at=None),
                name="cem_pause_to_end",
            ),
        )

    def __str__(self) -> str:
        return self.reason


class EscalationStep(models.Model):
    """Who hears of it when a clock has used up so much of its target."""

    class Action(models.TextChoices):
        NOTIFY_OWNER = "notify owner", _("notify the owner")
        NOTIFY_LEAD = "notify lead", _("notify the team's leads")
        REASSIGN_TO_LEAD = "reassign to lead", _("reassign to a lead")
        RAISE_PRIORITY = "raise priority", _("raise the priority")

    policy = models.ForeignKey(
        SlaPolicy,
        models.CASCADE,
        related_name="escalation_steps",
        db_index=False,  # cem_step_unique begins with it
        verbose_name=_("policy"),
    )
    metric = models.CharField(_("metric"), max_length=13, choices=ClockMetric)
    percent = models.PositiveSmallIntegerField(_("at % of the target"), default=100)
    action = models.CharField(_("action"), max_length=16, choices=Action)

    class Meta:
        verbose_name = _("escalation step")
        verbose_name_plural = _("escalation steps")
        ordering = ("policy", "metric", "percent")
        constraints = (
            models.UniqueConstraint(
                fields=["policy", "metric", "percent", "action"],
                name="cem_step_unique",
            ),
        )

    def __str__(self) -> str:
        return f"{self.percent} %: {self.get_action_display()}"


class Escalation(models.Model):
    """That one step was taken for one clock; at most once."""

    clock = models.ForeignKey(
        Clock,
        models.PROTECT,
        related_name="escalations",
        db_index=False,  # cem_escalation_once begins with it
        verbose_name=_("clock"),
    )
    # indexed: may this step be deleted?
    step = models.ForeignKey(
        EscalationStep, models.PROTECT, related_name="+", verbose_name=_("step")
    )
    at = models.DateTimeField(_("at"))
    acknowledged_at = models.DateTimeField(_("acknowledged at"), null=True, blank=True)
    # indexed: may this user be deleted?
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("acknowledged by"),
    )

    class Meta:
        verbose_name = _("escalation")
        verbose_name_plural = _("escalations")
        constraints = (
            models.UniqueConstraint(
                fields=["clock", "step"], name="cem_escalation_once"
            ),
        )

    def __str__(self) -> str:
        return str(self.step)
