from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from cem_cases import rules

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


class TeamQuerySet(models.QuerySet["Team"]):
    def of(self, user: AbstractBaseUser) -> Self:
        """Active teams that this user is an active member of."""
        return self.filter(
            is_active=True,
            memberships__user=user.pk,
            memberships__is_active=True,
        )


class Team(models.Model):
    """People who work the same queue."""

    slug = models.SlugField(_("slug"), max_length=100, unique=True)
    name = models.CharField(_("name"), max_length=200)
    # indexed: may this calendar be deleted?
    calendar = models.ForeignKey(
        "cem_cases.BusinessCalendar",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="teams",
        verbose_name=_("working hours"),
        help_text=_(
            "Outside of them nobody gets cases from rules: these wait in the queue. "
            "Empty: around the clock."
        ),
    )
    is_active = models.BooleanField(_("active"), default=True)
    assigned_count = models.PositiveBigIntegerField(
        _("assignments so far"), default=0, editable=False
    )

    objects = TeamQuerySet.as_manager()

    class Meta:
        verbose_name = _("team")
        verbose_name_plural = _("teams")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class MembershipQuerySet(models.QuerySet["Membership"]):
    def with_cases_left(self) -> Self:
        """Memberships of those who work there no more, and still have cases."""
        gone = Q(is_active=False) | Q(user__is_active=False)
        return self.filter(gone, open_cases__gt=0, team__is_active=True)


class Membership(models.Model):
    """That a user works in a team, and how much they may hold there."""

    class Role(models.TextChoices):
        AGENT = "agent", _("agent")
        LEAD = "lead", _("lead")
        MANAGER = "manager", _("manager")

    team = models.ForeignKey(
        Team,
        models.CASCADE,
        related_name="memberships",
        db_index=False,  # cem_membership_unique begins with it
        verbose_name=_("team"),
    )
    # indexed: the teams of a user, for visible_to()
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="cem_memberships",
        verbose_name=_("user"),
    )
    role = models.CharField(
        _("role"),
        max_length=7,
        choices=Role,
        default=Role.AGENT,
        help_text=_("Managers hear of escalations; rules give them no cases."),
    )
    capacity = models.PositiveSmallIntegerField(
        _("capacity"),
        null=True,
        blank=True,
        help_text=_("Most open cases at a time; empty: no limit."),
    )
    skills = models.JSONField(
        _("skills"),
        default=list,
        blank=True,
        help_text=_("Words such as german; a rule may ask for some of them."),
    )
    is_active = models.BooleanField(_("active"), default=True)
    open_cases = models.PositiveIntegerField(_("open cases"), default=0, editable=False)
    last_assigned = models.PositiveBigIntegerField(
        _("number of the last assignment"), default=0, editable=False
    )

    objects = MembershipQuerySet.as_manager()

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = (
            models.UniqueConstraint(
                fields=["team", "user"], name="cem_membership_unique"
            ),
        )

    def __str__(self) -> str:
        return f"{self.user} · {self.team}"


class AbsenceQuerySet(models.QuerySet["Absence"]):
    def visible_to(self, user: AbstractBaseUser) -> Self:
        """Absences of the members of this user's teams; all with the permission."""
        from cem_cases.models.cases import sees_everything

        if sees_everything(user):
            return self
        members = Membership.objects.filter(team__in=Team.objects.of(user))
        return self.filter(user__in=members.values("user"))

    def at(self, now: datetime) -> Self:
        """Absences that cover this moment."""
        return self.filter(from_at__lte=now, until_at__gt=now)

    def to_hand_over(self, now: datetime) -> Self:
        """Absences that have begun, and whose open cases are still to be handed over."""
        return (
            self.at(now)
            .filter(handed_over_at=None)
            .exclude(open_cases=Absence.OpenCases.STAY)
        )


class Absence(models.Model):
    """When a user takes no new cases, and what becomes of those they have."""

    class OpenCases(models.TextChoices):
        STAY = "stay", _("stay with them")
        SUBSTITUTE = "substitute", _("go to the substitute")
        QUEUE = "queue", _("go back to the queue")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="cem_absences",
        db_index=False,  # cem_absence_user begins with it
        verbose_name=_("user"),
    )
    from_at = models.DateTimeField(_("from"))
    until_at = models.DateTimeField(_("until"))
    # indexed: emptied when the substitute is deleted
    substitute = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("substitute"),
        help_text=_("Takes what would have been given to this person by name."),
    )
    open_cases = models.CharField(
        _("open cases"),
        max_length=10,
        choices=OpenCases,
        default=OpenCases.STAY,
        help_text=_("What becomes of their open cases when the absence begins."),
    )
    handed_over_at = models.DateTimeField(
        _("handed over at"), null=True, blank=True, editable=False
    )
    reason = models.CharField(_("reason"), max_length=200, blank=True)

    objects = AbsenceQuerySet.as_manager()

    class Meta:
        verbose_name = _("absence")
        verbose_name_plural = _("absences")
        constraints = (
            models.CheckConstraint(
                condition=Q(from_at__lt=F("until_at")),
                name="cem_absence_ends_after_start",
                violation_error_message=_("An absence must end after it begins."),
            ),
            models.CheckConstraint(
                condition=Q(substitute=None) | ~Q(substitute=F("user")),
                name="cem_absence_not_own_substitute",
                violation_error_message=_("Nobody is their own substitute."),
            ),
        )
        indexes = (
            # owners: is one of these users absent now?
            models.Index(fields=["user", "until_at"], name="cem_absence_user"),
            # the sweep: absences whose cases are still to be handed over
            models.Index(
                fields=["from_at"],
                condition=Q(handed_over_at=None) & ~Q(open_cases="stay"),
                name="cem_absence_to_hand_over",
            ),
        )

    def __str__(self) -> str:
        return f"{self.user}: {self.from_at:%Y-%m-%d} to {self.until_at:%Y-%m-%d}"

    def clean(self) -> None:
        """Refuse cases that go to a substitute whom nobody names."""
        if self.open_cases == self.OpenCases.SUBSTITUTE and not self.substitute_id:
            text = _("Say who takes the open cases, or let them go back to the queue.")
            raise ValidationError({"substitute": text})


class Rule(models.Model):
    """What is to happen when; edited by people, decided with by `cem_cases.rules`."""

    class Trigger(models.TextChoices):
        RESPONSE_RECEIVED = "response received", _("response received")
        CASE_OPENED = "case opened", _("case opened")
        CASE_CHANGED = "case changed", _("case changed")
        CONTACT_RECEIVED = "contact received", _("contact received")
        CLOCK_WARNED = "clock warned", _("clock warned")
        CLOCK_BREACHED = "clock breached", _("clock breached")
        NO_UPDATE = "no update", _("no update for some time")

    name = models.CharField(_("name"), max_length=200, unique=True)
    position = models.PositiveIntegerField(
        _("position"),
        default=0,
        help_text=_("Rules act from the lowest to the highest."),
    )
    trigger = models.CharField(
        _("trigger"),
        max_length=30,
        choices=Trigger,
        default=Trigger.RESPONSE_RECEIVED,
    )
    quiet_hours = models.PositiveSmallIntegerField(
        _("business hours without update"),
        null=True,
        blank=True,
        help_text=_("For the trigger “no update” only: after how many business hours."),
    )
    conditions = models.JSONField(
        _("conditions"),
        default=dict,
        blank=True,
        help_text=_("Empty: holds for every response."),
    )
    actions = models.JSONField(_("actions"), default=list)
    stop = models.BooleanField(
        _("stop"), default=False, help_text=_("No later rule acts after this one.")
    )
    is_active = models.BooleanField(_("active"), default=False)
    active_since = models.DateTimeField(
        _("active since"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("It never acts on what was there before."),
    )
    version = models.PositiveIntegerField(_("version"), default=1, editable=False)

    class Meta:
        verbose_name = _("rule")
        verbose_name_plural = _("rules")
        ordering = ("position", "pk")
        constraints = (
            models.CheckConstraint(
                condition=Q(trigger="no update", quiet_hours__gt=0)
                | (~Q(trigger="no update") & Q(quiet_hours=None)),
                name="cem_rule_quiet_hours",
                violation_error_message=_(
                    "The trigger “no update” needs its business hours, and only it."
                ),
            ),
        )

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse what could not be decided with, pointing at the places."""
        found: dict[str, list[str]] = {}
        for problem in rules.problems(self.trigger, self.conditions, self.actions):
            field = problem.path.split(".")[0].split("[")[0]
            found.setdefault(field, []).append(str(problem))
        if found:
            raise ValidationError(found)

    def value(self) -> rules.Rule:
        """Return the rule as it is decided with. Raises InvalidRule."""
        conditions, actions = rules.parse_rule(
            self.trigger, self.conditions, self.actions
        )
        return rules.Rule(
            key=self.pk,
            version=self.version,
            name=self.name,
            conditions=conditions,
            actions=actions,
            stop=self.stop,
        )


class RuleRun(models.Model):
    """That a rule acted on something: once, whatever happens, because it is unique."""

    class Subject(models.IntegerChoices):
        """What a rule acts on; the key of it is `subject_id`."""

        RESPONSE = 1, _("response")
        CASE = 2, _("case")
        EVENT = 3, _("event of a case")

    rule = models.ForeignKey(
        Rule,
        models.CASCADE,
        related_name="runs",
        db_index=False,  # cem_rulerun_once begins with it
        verbose_name=_("rule"),
    )
    rule_version = models.PositiveIntegerField(_("version of the rule"))
    subject = models.PositiveSmallIntegerField(_("subject"), choices=Subject)
    subject_id = models.BigIntegerField(_("key of the subject"))
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("run of a rule")
        verbose_name_plural = _("runs of rules")
        constraints = (
            models.UniqueConstraint(
                fields=["rule", "subject", "subject_id"], name="cem_rulerun_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.rule_id}: {self.get_subject_display()} {self.subject_id}"
