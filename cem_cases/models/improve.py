from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class RootCause(models.Model):
    """Why a customer was let down; a tree, each branch of one department."""

    code = models.SlugField(_("code"), max_length=100, unique=True)
    name = models.CharField(_("name"), max_length=200)
    department = models.CharField(_("department"), max_length=100, blank=True)
    # indexed: the causes below one
    parent = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="children",
        verbose_name=_("part of"),
    )
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("root cause")
        verbose_name_plural = _("root causes")
        ordering = ("department", "name")

    def __str__(self) -> str:
        return f"{self.department} · {self.name}" if self.department else self.name
