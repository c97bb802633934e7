from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from cem_cases import sla as business_time
from cem_cases.models.cases import Case
from cem_cases.models.sla import ClockMetric, PolicyVersion, TimeUnit

RUNNING = Q(completed_at=None, cancelled_at=None)


class ClockQuerySet(models.QuerySet["Clock"]):
    def running(self) -> Self:
        """Clocks that have neither been completed nor cancelled; paused ones, too."""
        return self.filter(RUNNING)

    def waiting(self, now: datetime) -> Self:
        """Clocks of which some level (warning, breach, escalation) has come."""
        return self.filter(next_at__lte=now)

    def explained(self) -> Self:
        """With all that `explain` takes: three queries, however many they are."""
        changes = TargetChange.objects.select_related("before_version")
        return self.select_related("version__policy").prefetch_related(
            models.Prefetch("pauses", Pause.objects.select_related("by")),
            models.Prefetch("target_changes", changes.defer("before_version__terms")),
        )


class Clock(models.Model):
    """The running (or finished) time of one metric of one case.

    `due_at` follows from the start, the target, the version's calendar and the pauses.
    `next_at` is when a sweep has to look at it; empty while it is paused, and for good
    once it is finished. A finished clock never changes: a trigger refuses it.
    """

    class BreachCause(models.TextChoices):
        LATE = "late", _("late")
        TARGET_CHANGED = "target changed", _("target changed")

    class CancelCause(models.TextChoices):
        MERGED = "merged", _("merged")
        RESOLVED = "resolved", _("resolved")
        NO_COMPLAINT = "no complaint", _("no complaint")
        POLICY_CHANGED = "policy changed", _("policy changed")

    case = models.ForeignKey(
        Case,
        models.PROTECT,
        related_name="clocks",  # indexed: a case's clocks
        verbose_name=_("case"),
    )
    metric = models.CharField(_("metric"), max_length=13, choices=ClockMetric)
    cycle = models.PositiveSmallIntegerField(_("cycle"), default=1)
    version = models.ForeignKey(
        PolicyVersion,
        models.PROTECT,
        related_name="clocks",
        db_index=False,  # cem_clock_version has the running ones
        verbose_name=_("policy version"),
    )
    started_at = models.DateTimeField(_("started at"))
    target_amount = models.PositiveIntegerField(_("target"))
    target_unit = models.CharField(_("unit"), max_length=16, choices=TimeUnit)
    due_at = models.DateTimeField(
        _("due at"), help_text=_("While it is paused: as of the pause's beginning.")
    )
    next_at = models.DateTimeField(_("next look at"), null=True, blank=True)
    paused_at = models.DateTimeField(
        _("paused since"),
        null=True,
        blank=True,
        help_text=_("On a finished clock: it was paused when it ended."),
    )
    warned_at = models.DateTimeField(_("warned at"), null=True, blank=True)
    breached_at = models.DateTimeField(_("breached at"), null=True, blank=True)
    breach_cause = models.CharField(
        _("cause of the breach"), max_length=14, choices=BreachCause, blank=True
    )
    completed_at = models.DateTimeField(_("completed at"), null=True, blank=True)
    cancelled_at = models.DateTimeField(_("cancelled at"), null=True, blank=True)
    cancel_cause = models.CharField(
        _("cause of the cancelling"), max_length=14, choices=CancelCause, blank=True
    )
    business_elapsed = models.PositiveIntegerField(
        _("business seconds taken"),
        null=True,
        blank=True,
        help_text=_("Open time of the calendar, without the pauses."),
    )
    calendar_elapsed = models.PositiveIntegerField(
        _("calendar seconds taken"),
        null=True,
        blank=True,
        help_text=_("What the customer waited: every second, pauses included."),
    )

    objects = ClockQuerySet.as_manager()

    class Meta:
        verbose_name = _("clock")
        verbose_name_plural = _("clocks")
        ordering = ("case", "cycle", "metric")
        constraints = (
            # a cancelled clock makes room: the case may come back to its policy
            models.UniqueConstraint(
                fields=["case", "metric", "cycle"],
                condition=Q(cancelled_at=None),
                name="cem_clock_unique",
            ),
            models.CheckConstraint(
                condition=Q(metric__in=[m.value for m in business_time.Metric]),
                name="cem_clock_metric_known",
            ),
            models.CheckConstraint(
                condition=Q(completed_at=None, cancelled_at=None)
                | Q(completed_at__isnull=False, cancelled_at=None, next_at=None)
                | Q(completed_at=None, cancelled_at__isnull=False, next_at=None),
                name="cem_clock_one_end",
            ),
            models.CheckConstraint(
                condition=Q(paused_at=None) | Q(next_at=None),
                name="cem_clock_paused_waits",
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
                condition=Q(breached_at=None, breach_cause="")
                | (Q(breached_at__isnull=False) & ~Q(breach_cause="")),
                name="cem_clock_breach_has_cause",
            ),
            models.CheckConstraint(
                condition=Q(cancelled_at=None, cancel_cause="")
                | (Q(cancelled_at__isnull=False) & ~Q(cancel_cause="")),
                name="cem_clock_cancel_has_cause",
            ),
        )
        indexes = (
            # the sweep: clocks of which some level has come; costs what is due
            models.Index(
                fields=["next_at"],
                condition=Q(next_at__isnull=False),
                name="cem_clock_next",
            ),
            # which running clocks go by a version?
            models.Index(
                fields=["version"], condition=RUNNING, name="cem_clock_version"
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_metric_display()} ({self.cycle})"

    @property
    def is_running(self) -> bool:
        """Whether it has not ended; a paused clock runs, too."""
        return self.completed_at is None and self.cancelled_at is None

    @property
    def target(self) -> business_time.Target:
        return business_time.Target(
            self.target_amount, business_time.Unit(self.target_unit)
        )

    @property
    def ended_at(self) -> datetime | None:
        """When it was completed or cancelled; None while it runs."""
        return self.completed_at or self.cancelled_at

    def explain(self, now: datetime) -> Explanation:
        """Return how its due time came about: every second from its start on, and why.

        Three queries, or none where `version`, `pauses` and `target_changes` are
        prefetched. Raises InvalidPolicy where the version was changed with SQL.
        """
        _, terms = self.version.value()
        pauses = list(self.pauses.all())
        until = self.ended_at or now
        spans = [
            business_time.Pause(p.from_at, p.end(until), str(n))
            for n, p in enumerate(pauses)
        ]
        due_at = terms.due(self.target, self.started_at, spans)
        end = until if self.ended_at else max(until, due_at)
        segments = business_time.explain(
            terms.calendar, self.started_at, end, self.target, spans
        )
        return Explanation(
            target=self.target,
            due_at=due_at,
            segments=[
                Segment(*part[:4], pauses[int(part.label)] if part.label else None)
                for part in segments
            ],
            changes=list(self.target_changes.all()),
        )


class Segment(NamedTuple):
    """A part of a clock's life: open, closed or paused; in UTC.

    `counted` is what it used up of the target: its length when open, else nothing.
    """

    start: datetime
    end: datetime
    kind: business_time.Kind
    counted: timedelta
    pause: Pause | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a due time came about. Up to it, what the segments counted is the target."""

    target: business_time.Target
    due_at: datetime
    segments: Sequence[Segment]
    changes: Sequence[TargetChange]
    """When the clock got another target: since then `target` counts."""


class Pause(models.Model):
    """A span in which a clock stands still; open while `until_at` is empty.

    Ended, it never changes: a trigger refuses it.
    """

    # indexed: a clock's pauses
    clock = models.ForeignKey(
        Clock, models.PROTECT, related_name="pauses", verbose_name=_("clock")
    )
    status = models.CharField(
        _("status"), max_length=8, choices=Case.Status, help_text=_("Of the case.")
    )
    # indexed: may this user be deleted?
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("by"),
    )
    reason = models.CharField(_("reason"), max_length=200)
    from_at = models.DateTimeField(_("from"))
    expected_end_at = models.DateTimeField(_("expected end"))
    until_at = models.DateTimeField(_("until"), null=True, blank=True)

    class Meta:
        verbose_name = _("pause")
        verbose_name_plural = _("pauses")
        ordering = ("from_at", "pk")
        constraints = (
            models.CheckConstraint(
                condition=Q(until_at=None) | Q(from_at__lte=F("until_at")),
                name="cem_pause_ends_after_start",
            ),
            models.UniqueConstraint(
                fields=["clock"], condition=Q(until_at=None), name="cem_pause_one_open"
            ),
        )

    def __str__(self) -> str:
        return self.reason

    def end(self, now: datetime) -> datetime:
        """Return when it ended; an open one ends now, or when it was expected to."""
        return max(self.until_at or min(now, self.expected_end_at), self.from_at)


class TargetChange(models.Model):
    """That a running clock got another target: from then on the new one counts.

    What was used up is kept, because the start stays.
    """

    class Cause(models.TextChoices):
        PRIORITY = "priority", _("priority changed")
        POLICY = "policy", _("another policy applies")
        MIGRATION = "migration", _("moved to a newer version")

    # indexed: a clock's changes
    clock = models.ForeignKey(
        Clock, models.PROTECT, related_name="target_changes", verbose_name=_("clock")
    )
    at = models.DateTimeField(_("at"))
    cause = models.CharField(_("cause"), max_length=9, choices=Cause)
    before_amount = models.PositiveIntegerField(_("target before"))
    before_unit = models.CharField(_("unit before"), max_length=16, choices=TimeUnit)
    before_version = models.ForeignKey(
        PolicyVersion,
        models.PROTECT,
        related_name="+",
        db_index=False,  # shown with the clock, never asked by
        verbose_name=_("version before"),
    )
    due_before_at = models.DateTimeField(_("due before"))
    due_after_at = models.DateTimeField(_("due after"))

    class Meta:
        verbose_name = _("change of a target")
        verbose_name_plural = _("changes of targets")
        ordering = ("at", "pk")

    def __str__(self) -> str:
        return self.get_cause_display()


class ClockMark(models.Model):
    """That one level of a clock was acted upon: at most once, says the constraint.

    Levels are `warn 75`, `breach`, and the keys of the escalation steps.
    """

    clock = models.ForeignKey(
        Clock,
        models.PROTECT,
        related_name="marks",
        db_index=False,  # cem_mark_once begins with it
        verbose_name=_("clock"),
    )
    level = models.CharField(_("level"), max_length=100)
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("mark of a clock")
        verbose_name_plural = _("marks of clocks")
        ordering = ("at", "pk")
        constraints = (
            models.UniqueConstraint(fields=["clock", "level"], name="cem_mark_once"),
        )

    def __str__(self) -> str:
        return self.level


class EscalationQuerySet(models.QuerySet["Escalation"]):
    def open(self) -> Self:
        """Escalations that nobody has acknowledged."""
        return self.filter(acknowledged_at=None)

    def to_nag(self, now: datetime) -> Self:
        """Escalations about which people are told again."""
        return self.filter(nag_at__lte=now)


class Escalation(models.Model):
    """That a clock came to one of its policy's steps, and what was done.

    Somebody acknowledges it; until then people are told again every day, as long as
    the case is not resolved.
    """

    clock = models.ForeignKey(
        Clock,
        models.PROTECT,
        related_name="escalations",
        db_index=False,  # cem_escalation_once begins with it
        verbose_name=_("clock"),
    )
    level = models.CharField(_("step"), max_length=100)
    action = models.CharField(_("action"), max_length=16)
    reason = models.CharField(_("reason"), max_length=200)
    done = models.CharField(_("what was done"), max_length=200, blank=True)
    at = models.DateTimeField(_("at"))
    nag_at = models.DateTimeField(_("tell again at"), null=True, blank=True)
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

    objects = EscalationQuerySet.as_manager()

    class Meta:
        verbose_name = _("escalation")
        verbose_name_plural = _("escalations")
        ordering = ("-at", "-pk")
        constraints = (
            models.UniqueConstraint(
                fields=["clock", "level"], name="cem_escalation_once"
            ),
            models.CheckConstraint(
                condition=Q(acknowledged_at=None, acknowledged_by=None)
                | Q(
                    acknowledged_at__isnull=False,
                    acknowledged_by__isnull=False,
                    nag_at=None,
                ),
                name="cem_escalation_acknowledged",
            ),
        )
        indexes = (
            # the sweep: escalations about which people are told again
            models.Index(
                fields=["nag_at"],
                condition=Q(nag_at__isnull=False),
                name="cem_escalation_nag",
            ),
        )

    def __str__(self) -> str:
        return self.reason
