"""The list of rules: what each says, when it last acted, in which order they act."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import (
    Case,
    Count,
    IntegerField,
    OuterRef,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.utils.functional import SimpleLazyObject
from django.utils.html import format_html
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from cem_cases.admin import rulebuilder, words
from cem_cases.admin.versioned import DecidingPage
from cem_cases.loop import config, order
from cem_cases.models import Rule, RuleRun

MOST_RUNS = 1_000
"""Runs of a rule are counted no further."""
MOST_AT_ONCE = 50

BY_TRIGGER = Case(
    *(When(trigger=each, then=Value(n)) for n, each in enumerate(Rule.Trigger.values)),
    output_field=IntegerField(),
)


def _know_runs(shown: Iterable[Any]) -> None:
    """Let these rules know how often they ran (`ran`) and when last (`last_at`).

    One query, whose cost does not grow with the runs.
    """
    runs = RuleRun.objects.filter(rule=OuterRef("pk"))
    # the end of the unique constraint's index, which is the newest subject
    newest = runs.order_by("-rule", "-subject", "-subject_id").values("at")[:1]
    some = RuleRun.objects.filter(rule=OuterRef(OuterRef("pk"))).order_by()
    counted = (
        RuleRun.objects.filter(pk__in=some.values("pk")[: MOST_RUNS + 1])
        .order_by()
        .annotate(one=Value(1))
        .values("one")
        .annotate(count=Count("pk"))
        .values("count")
    )
    rows = Rule.objects.filter(pk__in=[rule.pk for rule in shown])
    found = rows.annotate(last_at=Subquery(newest), ran=Subquery(counted))
    known = {pk: rest for pk, *rest in found.values_list("pk", "ran", "last_at")}
    for rule in shown:
        rule.ran, rule.last_at = known.get(rule.pk, (0, None))


class RuleListPage(DecidingPage):
    """The list, and what is done to several rules at once."""

    list_display = (
        "place",
        "named",
        "trigger",
        "is_active",
        "acted",
    )
    list_display_links = None  # the name is one, its sentence is none
    list_filter = ("is_active", "trigger")
    sortable_by = ()
    ordering = (BY_TRIGGER, "position", "pk")
    search_fields = ("name",)
    actions = ("switch_on", "switch_off", "duplicate")
    change_list_template = "cem_cases/admin/rules.html"

    class Media:
        css = {"all": ("cem_cases/admin/rule.css",)}

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        found = super().get_changelist_instance(request)
        _know_runs(found.result_list)
        names, may = SimpleLazyObject(rulebuilder.names), self.has_change_permission
        for rule in found.result_list:
            rule.names_for_list = names
            rule.can_move = may(request)
        return found

    # Columns

    @admin.display(description=_("position"))
    def place(self, rule: Any) -> str:
        if not getattr(rule, "can_move", False):
            return str(rule.position)
        name = f"{self.admin_site.name}:cem_cases_rule_move"
        return render_to_string(
            "cem_cases/admin/ruleplace.html",
            {"rule": rule, "url": reverse(name, args=[rule.pk])},
        )

    @admin.display(description=_("rule"))
    def named(self, rule: Any) -> str:
        """Return the name, which leads to its page, and what the rule means."""
        page = f"{self.admin_site.name}:cem_cases_rule_change"
        return format_html(
            '<a href="{}">{}</a><p class="cem-in-words" dir="auto">{}</p>',
            reverse(page, args=[rule.pk]),
            rule.name,
            words.rule_sentence(rule, rule.names_for_list),
        )

    @admin.display(description=_("acted"))
    def acted(self, rule: Any) -> str:
        if rule.last_at is None:
            return _now("never acted")
        count = rule.ran or 0
        if count > MOST_RUNS:
            times = _now("more than %s times") % f"{MOST_RUNS:,}"
        else:
            times = ngettext("%d time", "%d times", count) % count
        return _now("%(times)s, last %(at)s") % {
            "times": times,
            "at": words.moment(rule.last_at),
        }

    # The order

    def get_urls(self) -> list[Any]:
        move = path(
            "<path:object_id>/move/",
            self.admin_site.admin_view(self.move_view),
            name="cem_cases_rule_move",
        )
        return [move, *super().get_urls()]

    def move_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let a rule act one place earlier or later among those of its trigger."""
        return require_POST(self._move_view)(request, object_id)

    def _move_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not self.has_change_permission(request):
            raise PermissionDenied
        rule = self.get_object(request, unquote(object_id))
        if rule is not None:
            places = -1 if request.POST.get("move") == "up" else 1
            self._moved(request, rule, places)
        name = f"{self.admin_site.name}:cem_cases_rule_changelist"
        return HttpResponseRedirect(reverse(name))

    def _moved(self, request: HttpRequest, rule: Rule, places: int) -> None:
        try:
            moved = order.move(rule, places, by=request.user)  # type: ignore[arg-type]
        except ValidationError as error:
            self._refused(request, rule, error)
            return
        if moved:
            text = (
                _now("%s acts earlier now.")
                if places < 0
                else _now("%s acts later now.")
            )
            self.message_user(request, text % rule.name, messages.SUCCESS)

    def _refused(
        self, request: HttpRequest, rule: Rule, error: ValidationError
    ) -> None:
        said = " ".join(error.messages)
        self.message_user(request, f"{rule.name}: {said}", messages.WARNING)

    # Several at once

    def _each(
        self, request: HttpRequest, rows: QuerySet[Any], change: Callable[[Rule], Rule]
    ) -> int:
        """Save what `change` makes of each rule, and return how many could be saved."""
        done = 0
        for rule in rows.order_by("pk")[:MOST_AT_ONCE]:
            try:
                with transaction.atomic():
                    config.save(change(rule), by=request.user)  # type: ignore[arg-type]
            except ValidationError as error:
                self._refused(request, rule, error)
            else:
                done += 1
        return done

    def _say(self, request: HttpRequest, text: str, done: int) -> None:
        if done:
            self.message_user(request, text % done, messages.SUCCESS)

    @admin.action(description=_("Switch on"), permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[Rule]) -> None:
        done = self._each(request, queryset.filter(is_active=False), _switched(True))
        text = ngettext("%d rule is on now.", "%d rules are on now.", done)
        self._say(request, text, done)

    @admin.action(description=_("Switch off"), permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[Rule]) -> None:
        done = self._each(request, queryset.filter(is_active=True), _switched(False))
        text = ngettext("%d rule is off now.", "%d rules are off now.", done)
        self._say(request, text, done)

    @admin.action(
        description=_("Duplicate, as drafts that are switched off"), permissions=["add"]
    )
    def duplicate(self, request: HttpRequest, queryset: QuerySet[Rule]) -> None:
        done = self._each(request, queryset, _draft)
        text = ngettext("%d draft was made.", "%d drafts were made.", done)
        self._say(request, text, done)


def _switched(on: bool) -> Callable[[Rule], Rule]:
    def switch(rule: Rule) -> Rule:
        rule.is_active = on
        return rule

    return switch


def _draft(rule: Rule) -> Rule:
    """Return a copy that is switched off, under a name of its own."""
    return Rule(
        name=_free_name(rule.name),
        position=rule.position,
        trigger=rule.trigger,
        quiet_hours=rule.quiet_hours,
        conditions=rule.conditions,
        actions=rule.actions,
        stop=rule.stop,
    )


def _free_name(name: str) -> str:
    longest = Rule._meta.get_field("name").max_length or 200
    start = name[: longest - 20]
    taken = set(
        Rule.objects.filter(name__startswith=start).values_list("name", flat=True)
    )
    number, found = 1, _now("%s (copy)") % start
    while found in taken:
        number += 1
        found = _now("%(name)s (copy %(number)d)") % {"name": start, "number": number}
    return found
