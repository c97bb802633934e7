from __future__ import annotations

import json
import re
from datetime import date
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cem_cases import rules
from cem_cases import sla as business_time
from cem_cases.models.cases import Case


class BusinessCalendar(models.Model):
    """When people work: openings per weekday in one zone, less the holidays."""

    name = models.CharField(_("name"), max_length=200, unique=True)
    zone = models.CharField(_("time zone"), max_length=100, default="UTC")
    hours = models.JSONField(
        _("hours"),
        default=dict,
        help_text=_('{"mon": [["09:00", "12:00"], ["13:00", "24:00"]], …}'),
    )
    special = models.JSONField(
        _("special hours"),
        default=dict,
        blank=True,
        help_text=_('{"2026-12-24": [["09:00", "12:00"]], …}'),
    )
    country = models.CharField(
        _("country"),
        max_length=10,
        blank=True,
        help_text=_("Whose public holidays are listed below: DE, GB, US, …"),
    )
    subdivision = models.CharField(
        _("subdivision"),
        max_length=10,
        blank=True,
        help_text=_("State or region, where its holidays differ: BY, SCT, CA, …"),
    )

    class Meta:
        verbose_name = _("business calendar")
        verbose_name_plural = _("business calendars")
        ordering = ("name",)

    def __str__(self) -> str:
        return f"{self.name} ({self.zone})"

    def clean(self) -> None:
        """Refuse a calendar that never opens, or whose entries contradict."""
        self.check_opens(self.holidays.all() if self.pk else (), timezone.localdate())

    def check_opens(self, holidays: Any, on: date) -> None:
        """Refuse what cannot be read, or does not open in the year from `on`.

        `holidays`: these instead of the saved ones. Raises ValidationError for the field.
        """
        try:
            business_time.parse_calendar(
                self.as_data(holidays), opens_within_year_of=on
            )
        except business_time.InvalidCalendar as error:
            field = re.split(r"[.[]", error.path)[0]
            known = field in ("zone", "hours", "special")
            raise ValidationError({field if known else "hours": str(error)}) from None

    def as_data(self, holidays: Any = None) -> dict[str, Any]:
        """Return what `cem_cases.sla.parse_calendar` reads.

        `holidays`: these instead of the saved ones.
        """
        found = self.holidays.all() if holidays is None else holidays
        return {
            "zone": self.zone,
            "hours": self.hours,
            "closed": sorted({h.day.isoformat() for h in found if h.is_active}),
            "special": self.special,
        }


class Holiday(models.Model):
    """One date on which a calendar is closed; switched off, it is a day like others."""

    class Source(models.TextChoices):
        OWN = "own", _("own")
        COUNTRY = "country", _("country")
        ICS = "ics", _("calendar file")

    calendar = models.ForeignKey(
        BusinessCalendar,
        models.CASCADE,
        related_name="holidays",
        db_index=False,  # cem_holiday_unique begins with it
        verbose_name=_("calendar"),
    )
    day = models.DateField(_("day"))
    name = models.CharField(_("name"), max_length=200, blank=True)
    source = models.CharField(
        _("source"), max_length=7, choices=Source, default=Source.OWN, editable=False
    )
    is_active = models.BooleanField(_("closed"), default=True)

    class Meta:
        verbose_name = _("holiday")
        verbose_name_plural = _("holidays")
        ordering = ("day",)
        constraints = (
            models.UniqueConstraint(
                fields=["calendar", "day"], name="cem_holiday_unique"
            ),
        )

    def __str__(self) -> str:
        return f"{self.day.isoformat()} {self.name}".strip()


class SlaPolicy(models.Model):
    """What we promise, to whom; the first active one whose conditions hold counts.

    It is edited here; cases and clocks go by its versions (`PolicyVersion`).
    """

    name = models.CharField(_("name"), max_length=200, unique=True)
    position = models.PositiveIntegerField(
        _("position"),
        default=0,
        help_text=_("The first policy whose conditions hold is the one of a case."),
    )
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
    pauses_pending = models.BooleanField(
        _("pauses while pending"),
        default=True,
        help_text=_("Waiting on the customer stops next update and resolution."),
    )
    pauses_on_hold = models.BooleanField(
        _("pauses while on hold"),
        default=False,
        help_text=_("Waiting on others stops next update and resolution."),
    )
    is_active = models.BooleanField(_("active"), default=True)
    version = models.PositiveIntegerField(_("version"), default=0, editable=False)

    class Meta:
        verbose_name = _("SLA policy")
        verbose_name_plural = _("SLA policies")
        ordering = ("position", "pk")

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        try:
            rules.parse_conditions(self.conditions, known=rules.FOR_POLICIES)
        except rules.InvalidRule as error:
            raise ValidationError({"conditions": str(error)}) from None


class ClockMetric(models.TextChoices):
    """What a clock measures."""

    FIRST_CONTACT = business_time.Metric.FIRST_CONTACT.value, _("first contact")
    NEXT_UPDATE = business_time.Metric.NEXT_UPDATE.value, _("next update")
    RESOLUTION = business_time.Metric.RESOLUTION.value, _("resolution")
    STATUTORY = business_time.Metric.STATUTORY.value, _("statutory response")


class TimeUnit(models.TextChoices):
    """In what a target is counted."""

    BUSINESS_SECONDS = business_time.Unit.BUSINESS_SECONDS.value, _("business seconds")
    CALENDAR_SECONDS = business_time.Unit.CALENDAR_SECONDS.value, _("calendar seconds")
    BUSINESS_DAYS = business_time.Unit.BUSINESS_DAYS.value, _("business days")


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
    amount = models.PositiveIntegerField(
        _("amount"), help_text=_("In the unit: seconds, or business days.")
    )
    unit = models.CharField(
        _("unit"), max_length=16, choices=TimeUnit, default=TimeUnit.BUSINESS_SECONDS
    )
    warn_percents = models.JSONField(
        _("warn at %"), default=list, blank=True, help_text=_("[75], or [50, 90]")
    )

    class Meta:
        verbose_name = _("target")
        verbose_name_plural = _("targets")
        ordering = ("policy", "metric", "priority")
        constraints = (
            models.UniqueConstraint(
                fields=["policy", "metric", "priority"], name="cem_target_unique"
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=0),
                name="cem_target_takes_time",
                violation_error_message=_("A target takes some time."),
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_metric_display()}, {self.get_priority_display()}"


class EscalationStep(models.Model):
    """What happens when a clock comes to a point before, at or after its due time.

    The point is a share of the target (`percent`), or so many `minutes` from the due
    time: before it when negative.
    """

    class Action(models.TextChoices):
        NOTIFY_OWNER = business_time.Action.NOTIFY_OWNER.value, _("notify the owner")
        NOTIFY_LEAD = business_time.Action.NOTIFY_LEAD.value, _("notify the leads")
        NOTIFY_MANAGER = (
            business_time.Action.NOTIFY_MANAGER.value,
            _("notify the managers"),
        )
        REASSIGN_TO_LEAD = (
            business_time.Action.REASSIGN_TO_LEAD.value,
            _("reassign to a lead"),
        )
        RAISE_PRIORITY = (
            business_time.Action.RAISE_PRIORITY.value,
            _("raise the priority"),
        )
        ADD_WATCHER = business_time.Action.ADD_WATCHER.value, _("add a watcher")

    policy = models.ForeignKey(
        SlaPolicy,
        models.CASCADE,
        related_name="escalation_steps",
        # indexed: the steps of a policy
        verbose_name=_("policy"),
    )
    metric = models.CharField(_("metric"), max_length=13, choices=ClockMetric)
    percent = models.PositiveSmallIntegerField(_("at %"), null=True, blank=True)
    minutes = models.IntegerField(
        _("or minutes from due"),
        null=True,
        blank=True,
        help_text=_("Before it: negative."),
    )
    action = models.CharField(_("action"), max_length=16, choices=Action)
    # indexed: may this user be deleted?
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("watcher"),
        help_text=_("Only for: add a watcher."),
    )

    class Meta:
        verbose_name = _("escalation step")
        verbose_name_plural = _("escalation steps")
        ordering = ("policy", "metric", "percent", "minutes", "pk")
        constraints = (
            models.CheckConstraint(
                condition=Q(percent=None, minutes__isnull=False)
                | Q(percent__gt=0, minutes=None),
                name="cem_step_one_point",
                violation_error_message=_(
                    "Give either a percentage or minutes from the due time."
                ),
            ),
            models.CheckConstraint(
                condition=Q(action="add watcher", user__isnull=False)
                | (~Q(action="add watcher") & Q(user=None)),
                name="cem_step_watcher",
                violation_error_message=_("A watcher goes with: add a watcher."),
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_metric_display()}: {self.get_action_display()}"


class PolicyVersion(models.Model):
    """A policy as it was saved once, its calendar included; it never changes.

    Clocks keep the version with which they started.
    """

    policy = models.ForeignKey(
        SlaPolicy,
        models.PROTECT,
        related_name="versions",
        db_index=False,  # cem_policyversion_unique begins with it
        verbose_name=_("policy"),
    )
    number = models.PositiveIntegerField(_("version"))
    # what `cem_cases.sla.parse_terms` reads, as canonical text
    terms = models.TextField(_("terms"))
    created_at = models.DateTimeField(_("created at"))

    class Meta:
        verbose_name = _("version of an SLA policy")
        verbose_name_plural = _("versions of SLA policies")
        ordering = ("policy", "number")
        constraints = (
            models.UniqueConstraint(
                fields=["policy", "number"], name="cem_policyversion_unique"
            ),
        )

    def __str__(self) -> str:
        return f"{self.policy_id} v{self.number}"

    def value(self) -> tuple[rules.Node, business_time.Terms]:
        """Return its conditions and its terms, as they are reckoned with.

        Raises InvalidRule or InvalidPolicy where somebody changed them with SQL.
        """
        return _compile(self.terms)


@lru_cache(maxsize=256)
def _compile(text: str) -> tuple[rules.Node, business_time.Terms]:
    # The calendar inside lays out its years once; as long as the text is the same.
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        raise business_time.InvalidPolicy("terms", "are not JSON") from None
    if not isinstance(raw, dict):
        raise business_time.InvalidPolicy("terms", "must be an object")
    conditions = rules.parse_conditions(raw.get("conditions"), known=rules.FOR_POLICIES)
    return conditions, business_time.parse_terms(raw)
