from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from cem_cases.models.capture import Survey


class ImportJob(models.Model):
    """One file on its way in: how far it came, and what became of its rows.

    Changed in the transaction that stores the rows it counts, so its totals are true
    whatever process dies when.
    """

    survey = models.ForeignKey(
        Survey,
        models.PROTECT,
        related_name="imports",
        db_index=False,  # jobs are few, and a survey is hardly ever deleted
        verbose_name=_("survey"),
    )
    file_name = models.CharField(
        _("file name"),
        max_length=200,
        blank=True,
        help_text=_("For people to read; never used as a path."),
    )
    file_hash = models.CharField(_("hash of the file"), max_length=64)
    mapping_hash = models.CharField(_("hash of the mapping"), max_length=64)
    rows_done = models.PositiveIntegerField(_("rows done"), default=0)
    created = models.PositiveIntegerField(_("created"), default=0)
    duplicates = models.PositiveIntegerField(_("duplicates"), default=0)
    rejected = models.PositiveIntegerField(_("rejected"), default=0)
    started_at = models.DateTimeField(_("started at"))
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,  # jobs are few, and users are hardly ever deleted
        verbose_name=_("by"),
    )

    class Meta:
        verbose_name = _("import")
        verbose_name_plural = _("imports")
        ordering = ("-started_at", "-pk")
        constraints = (
            models.CheckConstraint(
                condition=Q(rows_done=F("created") + F("duplicates") + F("rejected")),
                name="cem_importjob_totals_add_up",
            ),
            # Whoever starts the same file again resumes it, or works along.
            models.UniqueConstraint(
                fields=["survey", "file_hash", "mapping_hash"],
                condition=Q(finished_at=None),
                name="cem_importjob_one_running",
            ),
        )
        indexes = (
            # the admin's list, newest first
            models.Index(fields=["-started_at", "-id"], name="cem_importjob_newest"),
        )

    def __str__(self) -> str:
        return self.file_name or f"#{self.pk}"

    @property
    def state(self) -> str:
        """Return `finished` or `running`; a job whose process died is running."""
        return "finished" if self.finished_at else "running"

    def count(self, *, created: int, duplicates: int, rejected: int) -> None:
        """Add the rows of one chunk. Changes this row's fields only; the caller saves."""
        self.created += created
        self.duplicates += duplicates
        self.rejected += rejected
        self.rows_done += created + duplicates + rejected

    def finish(self, at: datetime) -> None:
        """Mark as finished. Changes this row's fields only; the caller saves."""
        self.finished_at = at


class ImportReject(models.Model):
    """A row that was not taken: its line and why, never what stood in it."""

    job = models.ForeignKey(
        ImportJob,
        models.CASCADE,
        related_name="rejects",
        db_index=False,  # cem_importreject_line begins with it
        verbose_name=_("import"),
    )
    line = models.PositiveIntegerField(_("line"))
    reason = models.CharField(_("reason"), max_length=500)

    class Meta:
        verbose_name = _("rejected row")
        verbose_name_plural = _("rejected rows")
        ordering = ("job", "line")
        constraints = (
            # Also the query of the report: the rejected rows of a job, by line.
            models.UniqueConstraint(
                fields=["job", "line"], name="cem_importreject_line"
            ),
        )

    def __str__(self) -> str:
        return f"{self.line}: {self.reason}"
