from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import F, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from cem_cases.admin import casepage, several, words
from cem_cases.admin.base import Page, ReadOnly, visible
from cem_cases.admin.customers import matching
from cem_cases.admin.filters import (
    BandFilter,
    DueFilter,
    EscalatedFilter,
    OwnerFilter,
    PriorityFilter,
    StatusFilter,
    TeamFilter,
)
from cem_cases.admin.sla import OfCases
from cem_cases.admin.timeline import name_of
from cem_cases.admin.verbforms import VerbForm
from cem_cases.admin.verbs import VERBS, Verb
from cem_cases.exceptions import CemCasesError
from cem_cases.loop import cases, escalation
from cem_cases.models import WORK, Case, Contact, Escalation, Tag


def is_number(text: str) -> bool:
    """Whether this may be the number of a case, and fits into a key."""
    return text.isascii() and text.isdigit() and len(text) < 19


@admin.register(Case)
class CaseAdmin(ReadOnly, Page):
    """The desk: the list of cases, and the page on which one is worked.

    Nothing of a case is edited. Things happen to it: each verb has its form, each form
    calls the loop.
    """

    list_display = (
        "number",
        "customer_and_score",
        "due",
        "priority_word",
        "status_word",
        "owner_and_team",
    )
    list_filter = (
        StatusFilter,
        OwnerFilter,
        DueFilter,
        EscalatedFilter,
        PriorityFilter,
        TeamFilter,
        BandFilter,
    )
    # cem_case_newest is this order
    ordering = ("-opened_at", "-pk")
    sortable_by = ("number", "priority_word", "due")
    search_fields = ("customer__name",)
    search_help_text = _("Number, or the customer's name, e-mail or external id.")
    actions = ("claim_selected", "close_selected")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Case]:
        return super().get_queryset(request).for_list()  # type: ignore[attr-defined]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        text = search_term.strip()
        if not text:
            return queryset, False
        number = text.removeprefix("#")
        if not is_number(number):
            return queryset.filter(matching(text, "customer__")), False
        found = Q(pk=int(number))
        if number == text:
            found |= matching(text, "customer__")
        return queryset.filter(found), False

    def get_urls(self) -> list[Any]:
        act = path(
            "<path:object_id>/do/<slug:verb>/",
            self.admin_site.admin_view(self.verb_view),
            name="cem_cases_case_verb",
        )
        acknowledge = path(
            "<path:object_id>/acknowledge/<slug:key>/",
            self.admin_site.admin_view(self.acknowledge_view),
            name="cem_cases_case_acknowledge",
        )
        return [act, acknowledge, *super().get_urls()]

    def has_work_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(WORK)

    # The list

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        title = capfirst(self.opts.verbose_name_plural)
        return super().changelist_view(
            request, {"title": title, **(extra_context or {})}
        )

    @admin.display(description=_("number"), ordering="opened_at")
    def number(self, case: Case) -> str:
        return str(case)

    @admin.display(description=_("customer"))
    def customer_and_score(self, case: Case) -> str:
        response = case.opening_response
        score = words.band(response.score, response.band) if response else None
        return format_html(
            '<a href="{}"><bdi>{}</bdi></a> {}',
            self.url(case),
            case.customer,
            score.badge() if score else "",
        )

    @admin.display(description=_("priority"), ordering="priority")
    def priority_word(self, case: Case) -> str:
        return words.priority(case).badge()

    @admin.display(description=_("owner"))
    def owner_and_team(self, case: Case) -> str:
        return format_html(
            '{} <span class="cem-quiet">{}</span>',
            name_of(case.owner) if case.owner else _now("nobody yet"),
            case.team or _now("no team"),
        )

    @admin.display(description=_("status"))
    def status_word(self, case: Case) -> str:
        return words.status(case).badge()

    @admin.display(description=_("due"), ordering=F("due_at").asc(nulls_last=True))
    def due(self, case: Case) -> str:
        return format_html(
            '{} <span class="cem-quiet">{}</span>',
            words.due(case, timezone.now()).badge(),
            _now("opened %s") % words.day(case.opened_at),
        )

    @admin.action(description=_("Claim selected cases"), permissions=["work"])
    def claim_selected(self, request: HttpRequest, queryset: QuerySet[Case]) -> None:
        done = self._each(request, queryset, cases.claim)
        text = ngettext("%d case is yours now.", "%d cases are yours now.", done)
        several.report(self, request, text, done)

    @admin.action(
        description=_("Close selected cases that are resolved"), permissions=["work"]
    )
    def close_selected(self, request: HttpRequest, queryset: QuerySet[Case]) -> None:
        done = self._each(request, queryset, cases.close)
        text = ngettext("%d case closed.", "%d cases closed.", done)
        several.report(self, request, text, done)

    def _each(
        self,
        request: HttpRequest,
        queryset: QuerySet[Case],
        verb: Callable[..., Case],
    ) -> int:
        rows = visible(queryset, request).order_by("pk")[: several.MOST_AT_ONCE + 1]
        chosen = [(case.pk, case) for case in rows]
        return several.each(self, request, chosen, verb)

    # The page

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Case | None:
        """Return the case of this number: one of another team is like none."""
        if not is_number(object_id):
            return None
        found = casepage.rows(visible(Case.objects.all(), request))
        return found.filter(pk=int(object_id)).first()

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: Mapping[str, Any] | None = None,
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(
            request
        ):
            raise PermissionDenied
        case = self.get_object(request, unquote(object_id))
        if case is None:
            return self._nobody(request, object_id)
        return self._page(request, case)

    def history_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: Mapping[str, Any] | None = None,
    ) -> HttpResponse:
        """The page tells the history; nothing else is kept of a case."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        case = self.get_object(request, unquote(object_id))
        if case is None:
            return self._nobody(request, object_id)
        return HttpResponseRedirect(f"{self.url(case)}#timeline")

    def verb_view(
        self, request: HttpRequest, object_id: str, verb: str
    ) -> HttpResponse:
        """Show the form of a verb on the case's page; a POST does it."""
        found = VERBS.get(verb)
        if found is None:
            raise Http404
        if not self._may(request, found):
            raise PermissionDenied
        case = self.get_object(request, unquote(object_id))
        if case is None:
            return self._nobody(request, object_id)
        if request.method == "POST":
            return self._act(request, case, found)
        if found.is_one_click or not found.is_allowed(case, request.user):
            return HttpResponseRedirect(str(self.url(case)))
        form = found.form(case=case, user=request.user)
        return self._page(request, case, found, form)

    def _act(self, request: HttpRequest, case: Case, verb: Verb) -> HttpResponse:
        form = verb.form(request.POST, case=case, user=request.user)
        if form.is_valid() and verb.perform(form):
            self.message_user(request, str(verb.done), messages.SUCCESS)
            return HttpResponseRedirect(str(self.url(case)))
        fresh = self.get_object(request, str(case.pk))
        if fresh is None:
            return self._nobody(request, str(case.pk))
        if verb.is_one_click:
            for text in form.non_field_errors():
                self.message_user(request, str(text), messages.WARNING)
            return HttpResponseRedirect(str(self.url(case)))
        if form.is_stale:
            form.see(fresh)
        return self._page(request, fresh, verb, form)

    def acknowledge_view(
        self, request: HttpRequest, object_id: str, key: str
    ) -> HttpResponse:
        """Acknowledge one escalation of the case; looking does nothing."""
        if not self.has_view_permission(request) or not self.has_work_permission(
            request
        ):
            raise PermissionDenied
        case = self.get_object(request, unquote(object_id))
        if case is None:
            return self._nobody(request, object_id)
        if request.method == "POST":
            found = Escalation.objects.filter(clock__case=case)
            row = found.filter(pk=int(key)).first() if is_number(key) else None
            if row is None:
                raise Http404
            self._acknowledge(request, row)
        return HttpResponseRedirect(str(self.url(case)))

    def _acknowledge(self, request: HttpRequest, row: Escalation) -> None:
        try:
            escalation.acknowledge(row, by=request.user)  # type: ignore[arg-type]
        except CemCasesError as error:
            self.message_user(request, str(error), messages.WARNING)
        else:
            text = _now("You acknowledged the escalation: nobody is told again.")
            self.message_user(request, text, messages.SUCCESS)

    def _may(self, request: HttpRequest, verb: Verb) -> bool:
        return self.has_view_permission(request) and request.user.has_perm(
            verb.permission
        )

    def _nobody(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Answer as Django does for a row that is not there."""
        return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined]

    def _page(
        self,
        request: HttpRequest,
        case: Case,
        verb: Verb | None = None,
        form: VerbForm | None = None,
    ) -> HttpResponse:
        about = casepage.context(self, request, case, timezone.now())
        context = {
            **self.admin_site.each_context(request),
            **about,
            "title": f"{case} · {case.customer}",
            "opts": self.opts,
            "original": case,
            "media": self.media,
            "has_view_permission": True,
            "buttons": self._buttons(request, case),
            "escalated": [
                (row, name, self._acknowledge_url(request, case, row))
                for row, name in about["open_escalations"]
            ],
            "verb": verb,
            "verb_label": (form and form.label) or (verb and verb.label),
            "form": form,
            "case_url": self.url(case),
            "verb_url": self._verb_url(case, verb) if verb else None,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "cem_cases/admin/case.html", context)

    def _buttons(self, request: HttpRequest, case: Case) -> list[tuple[Any, ...]]:
        return [
            (verb, self._verb_url(case, verb), verb.label_for(case))
            for verb in VERBS.values()
            if self._may(request, verb) and verb.is_allowed(case, request.user)
        ]

    def _acknowledge_url(
        self, request: HttpRequest, case: Case, row: Escalation
    ) -> str | None:
        """Return where this user acknowledges it; None where they may not."""
        if not self.has_work_permission(request):
            return None
        name = f"{self.admin_site.name}:cem_cases_case_acknowledge"
        return reverse(name, args=[case.pk, row.pk])

    def _verb_url(self, case: Case, verb: Verb) -> str:
        name = f"{self.admin_site.name}:cem_cases_case_verb"
        return reverse(name, args=[case.pk, verb.slug])


@admin.register(Contact)
class ContactAdmin(OfCases):
    list_display = ("at", "case", "direction", "channel", "attempt", "author")
    list_display_links = ("at",)
    list_select_related = ("case", "author")
    ordering = ("-pk",)
    sortable_by = ()


@admin.register(Tag)
class TagAdmin(Page):
    search_fields = ("name",)
