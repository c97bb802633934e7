from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cem_cases import rules
from cem_cases.exceptions import NotAllowedNow
from cem_cases.models.capture import Response
from cem_cases.models.customers import Customer
from cem_cases.models.improve import RootCause
from cem_cases.models.route import Rule, Team
from cem_cases.outbound import placeholders

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

VIEW_ALL = "cem_cases.view_all_cases"
WORK = "cem_cases.work_case"
ASSIGN = "cem_cases.assign_case"


def sees_everything(user: AbstractBaseUser) -> bool:
    """Whether team boundaries do not apply to this user."""
    return user.is_active and user.has_perm(VIEW_ALL)  # type: ignore[attr-defined]


class Tag(models.Model):
    """A word by which cases are found together."""

    name = models.CharField(_("name"), max_length=100, unique=True)

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Template(models.Model):
    """A text to write to customers with."""

    slug = models.SlugField(_("slug"), max_length=100, unique=True)
    name = models.CharField(_("name"), max_length=200)
    language = models.CharField(_("language"), max_length=20, blank=True)
    subject = models.CharField(_("subject"), max_length=200, blank=True)
    body = models.TextField(_("body"))

    class Meta:
        verbose_name = _("template")
        verbose_name_plural = _("templates")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def is_invitation(self) -> bool:
        """Whether invitations are written with it."""
        return self.slug == placeholders.INVITATION

    def clean(self) -> None:
        """Refuse placeholders that nobody replaces, and an invitation without a link."""
        errors = {
            name: list(placeholders.problems(text, is_invitation=self.is_invitation))
            for name, text in (("subject", self.subject), ("body", self.body))
        }
        names = placeholders.names(self.body)
        if self.is_invitation and placeholders.LINK not in names:
            errors["body"].append(f"Must contain {{{{ {placeholders.LINK} }}}}.")
        if found := {name: said for name, said in errors.items() if said}:
            raise ValidationError(found)


class CaseQuerySet(models.QuerySet["Case"]):
    def active(self) -> Self:
        """Cases with which somebody still has to do something."""
        return self.filter(status__in=rules.ACTIVE)

    def to_resume(self, now: datetime) -> Self:
        """Pending and held cases whose expected end has come."""
        return self.filter(waiting_until__lte=now)

    def to_assign(self) -> Self:
        """Cases that wait for somebody to whom a rule can give them."""
        return self.filter(status=Case.Status.NEW, owner=None, assignment__isnull=False)

    def overdue(self, now: datetime) -> Self:
        """Active cases whose next due time has passed."""
        return self.active().filter(due_at__lt=now)

    def visible_to(self, user: AbstractBaseUser) -> Self:
        """The cases this user may see: those of their teams, or all of them.

        The one place where it is decided who may see what.
        """
        if sees_everything(user):
            return self
        if not user.is_active or user.pk is None:
            return self.none()
        return self.filter(team__in=Team.objects.of(user))

    def for_list(self) -> Self:
        """With all that a row of a list shows, in one query."""
        return self.select_related(
            "customer", "team", "owner", "opening_response", "opening_response__survey"
        )


class Case(models.Model):
    """What we owe one customer until the loop is closed.

    It is spoken of by its number, which is its key. Status, owner and due times change
    through `cem_cases.loop.cases` only.
    """

    class Status(models.TextChoices):
        NEW = rules.Status.NEW.value, _("new")
        OPEN = rules.Status.OPEN.value, _("open")
        PENDING = rules.Status.PENDING.value, _("pending")
        ON_HOLD = rules.Status.ON_HOLD.value, _("on hold")
        RESOLVED = rules.Status.RESOLVED.value, _("resolved")
        CLOSED = rules.Status.CLOSED.value, _("closed")

    class Priority(models.IntegerChoices):
        URGENT = rules.Priority.URGENT.value, _("urgent")
        HIGH = rules.Priority.HIGH.value, _("high")
        NORMAL = rules.Priority.NORMAL.value, _("normal")
        LOW = rules.Priority.LOW.value, _("low")

    class Kind(models.TextChoices):
        RECOVERY = "recovery", _("recovery")
        PRAISE = "praise", _("praise")

    class Outcome(models.TextChoices):
        RECOVERED = "recovered", _("recovered")
        NOT_RECOVERED = "not recovered", _("not recovered")
        NOT_REACHED = "not reached", _("not reached")
        NO_ACTION = "no action needed", _("no action needed")

    kind = models.CharField(
        _("kind"), max_length=8, choices=Kind, default=Kind.RECOVERY
    )
    customer = models.ForeignKey(
        Customer,
        models.PROTECT,
        related_name="cases",
        db_index=False,  # cem_case_customer begins with it
        verbose_name=_("customer"),
    )
    opening_response = models.OneToOneField(
        Response,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="opened_case",  # unique: a response opens at most one case
        verbose_name=_("response that opened it"),
    )
    rule = models.ForeignKey(
        Rule,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,  # shown on the case, never asked by
        verbose_name=_("rule that opened it"),
    )
    rule_version = models.PositiveIntegerField(
        _("version of the rule"), null=True, blank=True
    )
    team = models.ForeignKey(
        Team,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="cases",
        db_index=False,  # cem_case_team_queue begins with it
        verbose_name=_("team"),
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="cem_cases",
        db_index=False,  # cem_case_owner_desk begins with it
        verbose_name=_("owner"),
    )
    status = models.CharField(
        _("status"), max_length=8, choices=Status, default=Status.NEW
    )
    priority = models.PositiveSmallIntegerField(
        _("priority"), choices=Priority, default=Priority.NORMAL
    )
    opened_at = models.DateTimeField(
        _("opened at"), help_text=_("When the answer that opened it reached us.")
    )
    owner_is_manual = models.BooleanField(
        _("owner chosen by a person"),
        default=False,
        help_text=_("Then no rule gives it to somebody else."),
    )
    assignment = models.JSONField(
        _("assignment"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("How a rule wants its owner to be found: strategies and skills."),
    )
    last_activity_at = models.DateTimeField(
        _("last activity at"),
        help_text=_("When a person did something last, the customer included."),
    )
    quiet_hours = models.PositiveSmallIntegerField(
        _("quiet for"),
        default=0,
        editable=False,
        help_text=_("After how many business hours since then rules have been told."),
    )
    policy_is_set = models.BooleanField(
        _("SLA policy set by a rule"),
        default=False,
        help_text=_("Then it stays, whatever the conditions of the policies say."),
    )
    due_at = models.DateTimeField(
        _("due at"),
        null=True,
        blank=True,
        help_text=_("The earliest due time among its running clocks."),
    )
    first_contact_at = models.DateTimeField(
        _("first contact at"), null=True, blank=True
    )
    reopened_at = models.DateTimeField(
        _("reopened at"),
        null=True,
        blank=True,
        help_text=_("When its present cycle began; empty in the first."),
    )
    resolved_at = models.DateTimeField(_("resolved at"), null=True, blank=True)
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True)
    # indexed: the cases of a cause
    root_cause = models.ForeignKey(
        RootCause,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="cases",
        verbose_name=_("root cause"),
    )
    outcome = models.CharField(_("outcome"), max_length=16, choices=Outcome, blank=True)
    is_complaint = models.BooleanField(_("complaint"), default=False)
    # indexed: the follow-ups of a case
    parent = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="follow_ups",
        verbose_name=_("follows"),
    )
    # indexed: the cases merged into one
    merged_into = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="merged",
        verbose_name=_("merged into"),
    )
    policy_version = models.ForeignKey(
        "cem_cases.PolicyVersion",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,  # shown on the case; running clocks are found by theirs
        verbose_name=_("version of the SLA policy"),
    )
    waiting_reason = models.CharField(_("waits for"), max_length=200, blank=True)
    waiting_until = models.DateTimeField(
        _("waits until"),
        null=True,
        blank=True,
        help_text=_("Then it is open again by itself."),
    )
    cycle = models.PositiveSmallIntegerField(_("cycle"), default=1)
    version = models.PositiveIntegerField(_("version"), default=1)
    tags = models.ManyToManyField(
        Tag, blank=True, related_name="cases", verbose_name=_("tags")
    )
    watchers = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        blank=True,
        related_name="cem_watched_cases",
        verbose_name=_("watchers"),
    )

    objects = CaseQuerySet.as_manager()

    class Meta:
        verbose_name = _("case")
        verbose_name_plural = _("cases")
        permissions = (
            ("view_all_cases", _("Can view the cases of all teams")),
            ("work_case", _("Can work cases: claim to close, priority included")),
            ("assign_case", _("Can assign cases to others")),
        )
        constraints = (
            models.CheckConstraint(
                condition=Q(status__in=[status.value for status in rules.Status]),
                name="cem_case_status_known",
            ),
            models.CheckConstraint(
                condition=Q(priority__gte=1, priority__lte=4),
                name="cem_case_priority_known",
            ),
            models.CheckConstraint(
                condition=Q(status="new", owner=None)
                | (~Q(status="new") & Q(owner__isnull=False)),
                name="cem_case_new_has_no_owner",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["resolved", "closed"])
                | Q(resolved_at__isnull=False, root_cause__isnull=False)
                & ~Q(outcome=""),
                name="cem_case_resolved_says_why",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["resolved", "closed"])
                | Q(resolved_at=None, outcome=""),
                name="cem_case_unresolved_says_none",
            ),
            models.CheckConstraint(
                condition=Q(status="closed", closed_at__isnull=False)
                | (~Q(status="closed") & Q(closed_at=None)),
                name="cem_case_closed_has_time",
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=["pending", "on hold"], waiting_until__isnull=False
                )
                | (
                    ~Q(status__in=["pending", "on hold"])
                    & Q(waiting_until=None, waiting_reason="")
                ),
                name="cem_case_waiting_has_an_end",
            ),
        )
        indexes = (
            # the lists' order: newest first
            models.Index(fields=["-opened_at", "-id"], name="cem_case_newest"),
            # a team's queue, by due time
            models.Index(fields=["team", "due_at"], name="cem_case_team_queue"),
            # an agent's desk, by due time
            models.Index(fields=["owner", "due_at"], name="cem_case_owner_desk"),
            # "has this customer an open case?", and the customer's history
            models.Index(fields=["customer", "status"], name="cem_case_customer"),
            # the sweep: cases whose waiting ends
            models.Index(
                fields=["waiting_until"],
                condition=Q(waiting_until__isnull=False),
                name="cem_case_to_resume",
            ),
            # the sweep: cases that wait for somebody to become available
            models.Index(
                fields=["team", "priority", "opened_at"],
                condition=Q(status="new", assignment__isnull=False),
                name="cem_case_to_assign",
            ),
            # the sweep: active cases that nobody has touched for long
            models.Index(
                fields=["last_activity_at"],
                condition=Q(status__in=["new", "open", "pending", "on hold"]),
                name="cem_case_quiet",
            ),
        )

    def __str__(self) -> str:
        return f"#{self.pk}"

    @property
    def number(self) -> int | None:
        """The number by which people speak of it."""
        return self.pk

    @property
    def is_active(self) -> bool:
        """Whether somebody still has to do something."""
        return self.status in rules.ACTIVE

    @property
    def allowed_verbs(self) -> tuple[str, ...]:
        """The verbs that this case allows now."""
        return rules.allowed(self.status)

    def verbs_for(self, user: AbstractBaseUser) -> tuple[str, ...]:
        """The verbs that this case allows now, without those of its owner to others."""
        verbs = self.allowed_verbs
        if user.pk == self.owner_id:
            return verbs
        return tuple(verb for verb in verbs if verb not in rules.OWNERS_OWN)

    def move(self, verb: str) -> None:
        """Set the status that `verb` leads to; this row's field only.

        Raises NotAllowedNow where the table of transitions has no way.
        """
        status = rules.target(verb, self.status)
        if status is None:
            raise NotAllowedNow(
                f"Case {self} is {self.status}: {verb} is not possible. "
                f"Possible now: {', '.join(self.allowed_verbs)}."
            )
        self.status = status


class Decline(models.Model):
    """That somebody gave a case back: rules do not offer it to them again."""

    case = models.ForeignKey(
        Case,
        models.PROTECT,
        related_name="declines",
        db_index=False,  # cem_decline_once begins with it
        verbose_name=_("case"),
    )
    # indexed: deleting a user
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="+",
        verbose_name=_("user"),
    )
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("decline")
        verbose_name_plural = _("declines")
        constraints = (
            models.UniqueConstraint(fields=["case", "user"], name="cem_decline_once"),
        )

    def __str__(self) -> str:
        return f"{self.case}: {self.user}"


class Contact(models.Model):
    """One attempt to reach the customer, or one message from them."""

    class Direction(models.TextChoices):
        OUT = "out", _("to the customer")
        IN = "in", _("from the customer")

    class Attempt(models.TextChoices):
        """What came of it; a contact from the customer is always `received`."""

        SENT = "sent", _("sent")
        REACHED = "reached", _("reached")
        VOICEMAIL = "voicemail", _("voicemail")
        NO_ANSWER = "no answer", _("no answer")
        WRONG_NUMBER = "wrong number", _("wrong number")
        FAILED = "failed", _("failed")
        RECEIVED = "received", _("received")

    ARRIVED = (Attempt.SENT, Attempt.REACHED, Attempt.VOICEMAIL)
    """What completes the first-contact clock."""
    OUTGOING = tuple(choice for choice in Attempt.choices if choice[0] != "received")
    """The choices for a contact to the customer."""

    # indexed: a case's contacts
    case = models.ForeignKey(
        Case, models.PROTECT, related_name="contacts", verbose_name=_("case")
    )
    direction = models.CharField(
        _("direction"), max_length=3, choices=Direction, default=Direction.OUT
    )
    channel = models.CharField(_("channel"), max_length=100)
    attempt = models.CharField(
        _("outcome of the attempt"), max_length=12, choices=Attempt
    )
    subject = models.CharField(_("subject"), max_length=200, blank=True)
    body = models.TextField(_("body"), blank=True)
    # indexed: may this user be deleted?
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("author"),
    )
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("contact")
        verbose_name_plural = _("contacts")
        ordering = ("at", "pk")
        constraints = (
            models.CheckConstraint(
                condition=Q(direction="in", attempt="received")
                | (Q(direction="out") & ~Q(attempt="received")),
                name="cem_contact_in_is_received",
            ),
        )

    def __str__(self) -> str:
        return f"{self.channel}: {self.get_attempt_display()}"

    @property
    def arrived(self) -> bool:
        """Whether an outgoing contact reached the customer's channel."""
        return self.direction == self.Direction.OUT and self.attempt in self.ARRIVED
