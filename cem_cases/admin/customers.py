from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from cem_cases.admin import words
from cem_cases.admin.base import Inline, KeptForGood, Page, ReadOnly
from cem_cases.models import ChannelIdentity, Customer, Organization

LONGEST_SEARCH = 200


def matching(text: str, prefix: str = "") -> Q:
    """Return the filter for customers found by this text, taken as it is written.

    Never split into words: a search of ten thousand letters is one comparison.
    """
    text = text.strip()[:LONGEST_SEARCH]
    return (
        Q(**{f"{prefix}name__icontains": text})
        | Q(**{f"{prefix}email__icontains": text})
        | Q(**{f"{prefix}external_id__icontains": text})
    )


class IdentityInline(ReadOnly, Inline):
    model = ChannelIdentity
    fields = ("channel", "identifier")


@admin.register(Customer)
class CustomerAdmin(KeptForGood, Page):
    """What is known of a customer. By what they are recognised, only the loop changes."""

    list_display = (
        "__str__",
        "email",
        "external_id",
        "organization",
        "segment",
        "value",
    )
    list_select_related = ("organization",)
    ordering = ("-pk",)
    search_fields = ("name", "email", "external_id")
    search_help_text = _("Name, e-mail or external id.")
    raw_id_fields = ("organization", "account_owner")
    inlines = (IdentityInline,)
    readonly_fields = (
        "external_id",
        "email",
        "known_attributes",
        "opted_out_at",
        "erased_at",
        "created_at",
    )
    fields = (
        "name",
        "email",
        "external_id",
        "phone",
        "organization",
        "segment",
        ("annual_value", "currency"),
        ("language", "time_zone"),
        "since",
        "account_owner",
        "known_attributes",
        "opted_out_at",
        "erased_at",
        "created_at",
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.strip():
            return queryset, False
        return queryset.filter(matching(search_term)), False

    @admin.display(description=_("annual value"))
    def value(self, customer: Customer) -> str:
        if customer.annual_value is None:
            return words.NOTHING
        return f"{customer.annual_value:,.2f} {customer.currency}"

    @admin.display(description=_("attributes"))
    def known_attributes(self, customer: Customer) -> str:
        return words.value(customer.attributes) if customer.attributes else "—"


@admin.register(Organization)
class OrganizationAdmin(Page):
    list_display = ("name", "external_id", "segment")
    search_fields = ("name", "external_id")
