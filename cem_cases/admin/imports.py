from __future__ import annotations

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from cem_cases.admin import words
from cem_cases.admin.base import Page, ReadOnly
from cem_cases.models import ImportJob, ImportReject


@admin.register(ImportJob)
class ImportJobAdmin(ReadOnly, Page):
    list_display = (
        "__str__",
        "survey",
        "created",
        "duplicates",
        "rejects",
        "rows_done",
        "state",
        "started_at",
        "by",
    )
    list_select_related = ("survey", "by")
    sortable_by = ()
    readonly_fields = ("rejects", "state")

    @admin.display(description=_("rejected"))
    def rejects(self, job: ImportJob) -> str:
        if not job.rejected:
            return "0"
        meta = ImportReject._meta
        name = f"{self.admin_site.name}:{meta.app_label}_{meta.model_name}_changelist"
        url = f"{reverse(name)}?job__id__exact={job.pk}"
        return format_html('<a href="{}">{}</a>', url, job.rejected)

    @admin.display(description=_("state"))
    def state(self, job: ImportJob) -> str:
        text = _("finished") if job.finished_at else _("running")
        return words.Said(str(text), "quiet" if job.finished_at else "new").badge()


@admin.register(ImportReject)
class ImportRejectAdmin(ReadOnly, Page):
    list_display = ("job", "line", "reason")
    list_select_related = ("job",)
    links = ("job__id__exact",)
    sortable_by = ()
