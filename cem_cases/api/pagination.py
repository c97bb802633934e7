"""Pages that begin after a row, not at a number: nothing is skipped while rows come in.

Neither counts, nor reads what it does not show. Rows with the same time (an import
stores thousands at once) are told apart by their key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core import signing
from django.db.models import F, Model, Q, QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

PAGE_SIZE = 50
MAX_PAGE_SIZE = 200
SALT = "cem_cases.api.cursor"


@dataclass(frozen=True, slots=True)
class Order:
    """By one field, then by key. Rows without a value come last, and only ascending."""

    field: str
    descending: bool = False
    nullable: bool = False

    def sort(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        if self.descending:
            return rows.order_by(f"-{self.field}", "-pk")
        first = F(self.field).asc(nulls_last=True) if self.nullable else self.field
        return rows.order_by(first, "pk")

    def after(self, rows: QuerySet[Any], value: Any, pk: int) -> QuerySet[Any]:
        """Return the rows that come after the one with this value and key."""
        beyond = "lt" if self.descending else "gt"
        same = Q(**{self.field: value, f"pk__{beyond}": pk})
        if value is None:
            return rows.filter(same)
        later = Q(**{f"{self.field}__{beyond}": value}) | same
        if self.nullable:
            return rows.filter(later | Q(**{self.field: None}))
        # Says the same once more, as a range that an index can be entered at.
        return rows.filter(later, **{f"{self.field}__{beyond}e": value})


class KeysetPagination(BasePagination):
    """Pages in one of the view's `orders` (name → Order); the first is the default."""

    parameters = ("cursor", "page_size", "ordering")

    def paginate_queryset(
        self, queryset: Any, request: Request, view: APIView | None = None
    ) -> list[Any]:
        given = request.query_params
        orders: Mapping[str, Order] = view.orders  # type: ignore[union-attr]
        name = given.get("ordering", next(iter(orders)))
        if name not in orders:
            raise ValidationError({"ordering": [f"Use one of: {', '.join(orders)}."]})
        size = _page_size(given.get("page_size"))
        order = orders[name]
        if "cursor" in given:
            queryset = order.after(queryset, *_read_cursor(given["cursor"], name))
        rows = list(order.sort(queryset)[: size + 1])
        self._next = None
        if len(rows) > size:
            cursor = _cursor(rows[size - 1], name, order)
            here = request.build_absolute_uri()
            self._next = replace_query_param(here, "cursor", cursor)
        return rows[:size]

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"next": self._next, "results": data})


def _page_size(given: str | None) -> int:
    if given is None:
        return PAGE_SIZE
    if given.isascii() and given.isdigit() and len(given) <= 3:
        size = int(given)
        if 1 <= size <= MAX_PAGE_SIZE:
            return size
    raise ValidationError({"page_size": [f"Must be from 1 to {MAX_PAGE_SIZE}."]})


def _cursor(row: Model, name: str, order: Order) -> str:
    """Return where this row stands. Signed, so what comes back is what we gave out."""
    value = getattr(row, order.field)
    if isinstance(value, datetime):
        value = value.isoformat()
    return signing.dumps([name, value, row.pk], salt=SALT)


def _read_cursor(given: str, name: str) -> tuple[Any, int]:
    try:
        ordering, value, pk = signing.loads(given, salt=SALT)
    except signing.BadSignature:
        raise ValidationError(
            {"cursor": ["Is not a cursor from one of our answers."]}
        ) from None
    if ordering != name:
        raise ValidationError({"cursor": ["Belongs to another ordering."]})
    return (datetime.fromisoformat(value) if isinstance(value, str) else value), pk
