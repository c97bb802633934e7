"""What lists can be narrowed by. Strict: nothing that was asked is silently ignored."""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import suppress
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError as Invalid
from django.db.models import Exists, IntegerField, OuterRef, Q, QuerySet
from django.http import QueryDict
from django.utils import timezone
from django_filters import rest_framework as filters  # type: ignore[import-untyped]
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from cem_cases import rules
from cem_cases.api.pagination import KeysetPagination
from cem_cases.api.serializers import NO_INSTANT, instant
from cem_cases.intake.values import MAX_TEXT, SLUG
from cem_cases.models import Case, Escalation
from cem_cases.scores import Band

MAX_SEARCH = 200
DIGITS = re.compile(r"[0-9]{1,18}")


class StrictFilters(filters.DjangoFilterBackend):
    """Refuses unknown, repeated, empty and wrong parameters, and names each of them."""

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: APIView
    ) -> QuerySet[Any]:
        filterset = self.get_filterset(request, queryset, view)
        names = [] if filterset is None else list(filterset.filters)
        errors = parameter_errors(
            request.query_params, {*names, *KeysetPagination.parameters}
        )
        if filterset is not None:
            errors |= {
                name: said for name, said in filterset.errors.items() if name in names
            }
        if errors:
            raise ValidationError(errors)
        return queryset if filterset is None else filterset.qs


def parameter_errors(given: QueryDict, known: Collection[str]) -> dict[str, list[str]]:
    """Return what is wrong with the parameters themselves, by name."""
    errors = {}
    for name, values in given.lists():
        if name not in known:
            errors[name[:MAX_TEXT]] = ["Is not a known parameter."]
        elif len(values) > 1:
            errors[name] = ["Is given more than once."]
        elif not values[0].strip():
            errors[name] = ["Is empty: leave it out."]
    return errors


class _WordField(forms.CharField):
    """One of some words. Its error lists them, and does not repeat the wrong one."""

    def __init__(self, *, words: Collection[str], **options: Any) -> None:
        super().__init__(**options)
        self.words = words

    def to_python(self, value: Any) -> Any:
        word = super().to_python(value)
        if word and word not in self.words:
            raise Invalid(f"Use one of: {', '.join(self.words)}.")
        return word


class WordFilter(filters.Filter):
    field_class = _WordField


class _WordsField(_WordField):
    def to_python(self, value: Any) -> Any:
        words = value.split(",") if value else []
        if not set(words) <= set(self.words):
            raise Invalid(f"Use one or more, with commas: {', '.join(self.words)}.")
        return words


class WordsFilter(filters.Filter):
    """Any of some words, separated by commas."""

    field_class = _WordsField

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, lookup_expr="in", **options)


class _MomentField(forms.CharField):
    def to_python(self, value: Any) -> Any:
        if not (text := super().to_python(value)):
            return None
        if at := instant(text):
            return at
        raise Invalid(NO_INSTANT)


class MomentFilter(filters.Filter):
    field_class = _MomentField


class _OwnerField(forms.CharField):
    """The key of a user, whatever sort of key the host's users have; or `me`, `none`."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or ""
        if text in ("", "me", "none"):
            return text
        key = get_user_model()._meta.pk
        if not isinstance(key, IntegerField) or DIGITS.fullmatch(text):
            with suppress(Invalid, ValueError):
                return key.to_python(text)
        raise Invalid("Must be the id of a user, or me, or none.")


class OwnerFilter(filters.Filter):
    field_class = _OwnerField


class SlugFilter(filters.CharFilter):
    """Exactly this slug; one that nobody uses finds nothing, as one unseen does."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, max_length=100, validators=[_check_slug], **options)


def _check_slug(text: str) -> None:
    if not SLUG.fullmatch(text):
        raise Invalid("Must be a slug: letters, digits, hyphens, underscores.")


class CaseFilters(filters.FilterSet):
    """The filters of the list of cases."""

    status = WordsFilter(words=[status.value for status in rules.Status])
    priority = WordsFilter(
        words=[priority.word for priority in rules.Priority], method="_priority"
    )
    team = SlugFilter("team__slug")
    owner = OwnerFilter(method="_owner")
    overdue = WordFilter(words=["true", "false"], method="_overdue")
    escalated = WordFilter(words=["true", "false"], method="_escalated")
    due_before = MomentFilter("due_at", lookup_expr="lt")
    opened_after = MomentFilter("opened_at", lookup_expr="gt")
    opened_before = MomentFilter("opened_at", lookup_expr="lt")
    band = WordsFilter("opening_response__band", words=[band.value for band in Band])
    survey = SlugFilter("opening_response__survey__slug")
    touchpoint = SlugFilter("opening_response__touchpoint__slug")
    customer = filters.CharFilter("customer__external_id", max_length=MAX_TEXT)
    q = filters.CharFilter(method="_search", max_length=MAX_SEARCH)

    class Meta:
        model = Case
        fields: tuple[str, ...] = ()

    def _priority(self, rows: QuerySet[Case], name: str, value: Any) -> Any:
        return rows.filter(priority__in=[rules.Priority[w.upper()] for w in value])

    def _owner(self, rows: QuerySet[Case], name: str, value: Any) -> Any:
        if value == "none":
            return rows.filter(owner=None)
        return rows.filter(owner=self.request.user.pk if value == "me" else value)

    def _overdue(self, rows: Any, name: str, value: str) -> Any:
        overdue = rows.overdue(timezone.now())
        return overdue if value == "true" else rows.exclude(pk__in=overdue.values("pk"))

    def _escalated(self, rows: QuerySet[Case], name: str, value: str) -> Any:
        """Those with an escalation that nobody has acknowledged, or those without."""
        waits = Exists(Escalation.objects.open().filter(clock__case=OuterRef("pk")))
        return rows.filter(waits if value == "true" else ~waits)

    def _search(self, rows: QuerySet[Case], name: str, value: str) -> Any:
        """Search, literally, in who it is about and in what they wrote."""
        found = (
            Q(customer__name__icontains=value)
            | Q(customer__external_id__icontains=value)
            | Q(customer__email__icontains=value)
            | Q(opening_response__comment__icontains=value)
        )
        if DIGITS.fullmatch(number := value.removeprefix("#")):
            found |= Q(pk=int(number))
        return rows.filter(found)
