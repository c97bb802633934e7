from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cem_cases.models.audit import AuditEvent
from cem_cases.models.cases import Case
from cem_cases.models.route import Rule

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


class HappeningQuerySet(models.QuerySet["Happening"]):
    def waiting(self, now: datetime) -> Self:
        """Happenings at which rules may look now."""
        return self.filter(failed_at=None).filter(
            Q(next_attempt_at=None) | Q(next_attempt_at__lte=now)
        )

    def visible_to(self, user: AbstractBaseUser) -> Self:
        """Happenings of the cases that this user may see."""
        return self.filter(case__in=Case.objects.visible_to(user))

    def failed(self) -> Self:
        """Happenings that were parked after too many attempts."""
        return self.exclude(failed_at=None)


class Happening(models.Model):
    """Something happened to a case, and rules have not looked at it yet.

    Written in the transaction of what happened, where some rule asks for it; deleted in
    the transaction of what the rules did about it.
    """

    # indexed: may this case be deleted?
    case = models.ForeignKey(
        Case, models.PROTECT, related_name="+", verbose_name=_("case")
    )
    trigger = models.CharField(_("trigger"), max_length=30, choices=Rule.Trigger)
    event = models.ForeignKey(
        AuditEvent,
        models.PROTECT,
        related_name="+",
        db_index=False,  # events are never deleted
        verbose_name=_("event"),
    )
    at = models.DateTimeField(_("at"))
    chain = models.JSONField(
        _("rules that led to it"),
        default=list,
        blank=True,
        help_text=_("Keys of the rules that acted one upon the other until here."),
    )
    attempts = models.PositiveSmallIntegerField(_("failed attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt at"), null=True, blank=True)
    failed_at = models.DateTimeField(_("failed at"), null=True, blank=True)
    error = models.CharField(_("error"), max_length=200, blank=True)

    objects = HappeningQuerySet.as_manager()

    class Meta:
        verbose_name = _("happening")
        verbose_name_plural = _("happenings")
        indexes = (
            # the drain: what waits, oldest first
            models.Index(
                fields=["id"], condition=Q(failed_at=None), name="cem_happening_waiting"
            ),
        )

    def __str__(self) -> str:
        return f"{self.trigger}: {self.case}"
