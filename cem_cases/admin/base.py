"""What the admin's pages have in common: who sees what, and which lookups exist."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.auth import get_permission_codename
from django.core.paginator import Paginator
from django.db import models
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import cached_property
from django.utils.html import format_html

from cem_cases.admin.fields import JsonField, RawIdWidget
from cem_cases.models import sees_everything

MOST_COUNTED = 10_000


class CappedPaginator(Paginator):
    """Counts no further than anybody pages: a count of a million rows is never made."""

    @cached_property
    def count(self) -> int:
        found: models.QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return found.order_by()[:MOST_COUNTED].count()


class Page(admin.ModelAdmin):
    """A model's pages. Rows are those that `visible_to` shows, where the model has it.

    Only the lookups that the filters offer can be asked for: everything else in the
    address is refused, so nothing can be found out by guessing.
    """

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    links: Sequence[str] = ()
    """Lookups that pages of ours link to, beside the filters."""

    class Media:
        css = {"all": ("cem_cases/cem_cases.css",)}

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return visible(super().get_queryset(request), request)

    def lookup_allowed(
        self, lookup: str, value: str, request: HttpRequest | None = None
    ) -> bool:
        offered = {_parameter(found) for found in self.list_filter}
        return lookup in offered or lookup in self.links

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        return guarded_foreignkey(self, super(), db_field, request, **kwargs)

    def url(self, of: models.Model, page: str = "change") -> str | None:
        """Return the address of this row's page on this site, if it has one."""
        meta = of._meta
        name = f"{self.admin_site.name}:{meta.app_label}_{meta.model_name}_{page}"
        try:
            return reverse(name, args=[of.pk])
        except NoReverseMatch:
            return None

    def link(self, of: models.Model, text: str) -> str:
        """Return a link to this row's page, or the bare text where it has none."""
        url = self.url(of)
        return format_html('<a href="{}">{}</a>', url, text) if url else text


class Inline(admin.TabularInline):
    """Rows that belong to the row of the page."""

    extra = 0
    most_rows: int | None = None
    """How many there can be at all: whoever sends more only keeps the server busy."""

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        if self.most_rows is not None:
            bound = {"max_num": self.most_rows, "absolute_max": self.most_rows}
            kwargs = {**bound, **kwargs}
        return super().get_formset(request, obj, **kwargs)

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        return guarded_foreignkey(self, super(), db_field, request, **kwargs)


class ReadOnly:
    """Nothing is added, changed or deleted here: it comes about in the loop."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class KeptForGood:
    """Rows that decided over cases are switched off, never deleted."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ForManagers(ReadOnly):
    """Read-only, and about all teams at once: only for those who see everything."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed: bool = super().has_view_permission(request, obj)  # type: ignore[misc]
        return allowed and sees_everything(request.user)  # type: ignore[arg-type]


class Choice(admin.SimpleListFilter):
    """A filter in the sidebar. A value that it does not offer is refused."""

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> models.QuerySet[Any]:
        value = self.value()
        if value is None:
            return queryset
        if value not in {str(key) for key, _ in self.lookup_choices}:
            raise IncorrectLookupParameters
        return self.narrow(queryset, value, request)

    def narrow(
        self, queryset: models.QuerySet[Any], value: str, request: HttpRequest
    ) -> models.QuerySet[Any]:
        return queryset.filter(**{self.parameter_name or "": value})

    def lookups(
        self, request: HttpRequest, model_admin: Any
    ) -> Iterable[tuple[Any, Any]]:
        raise NotImplementedError


def _parameter(found: Any) -> str:
    """Return what this filter is called in the address."""
    if isinstance(found, str):
        return f"{found}__exact"
    name: str = found.parameter_name
    return name


def visible(rows: models.QuerySet[Any], request: HttpRequest) -> models.QuerySet[Any]:
    """Return those of these rows that the user may see."""
    see = getattr(rows, "visible_to", None)
    return rows if see is None else see(request.user)


def guarded_foreignkey(
    page: Any, stock: Any, field: Any, request: HttpRequest, **kwargs: Any
) -> Any:
    """Return a form field that neither offers nor names rows the user may not see."""
    rows = field.remote_field.model._default_manager.all()
    kwargs.setdefault("queryset", visible(rows, request))
    if field.name in page.raw_id_fields:
        kwargs["widget"] = RawIdWidget(
            field.remote_field, page.admin_site, user=request.user
        )
    return stock.formfield_for_foreignkey(field, request, **kwargs)


def may_view(request: HttpRequest, model: type[models.Model]) -> bool:
    """Whether the user has the permission to view rows of this model."""
    meta = model._meta
    codes = (get_permission_codename(verb, meta) for verb in ("view", "change"))
    return any(request.user.has_perm(f"{meta.app_label}.{code}") for code in codes)


json_fields: Any = {models.JSONField: {"form_class": JsonField}}
"""For `formfield_overrides`: JSON as people can read it, safe to store."""
