"""Actions on several rows: each by itself, and those that are refused are named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.translation import gettext as _

from cem_cases.exceptions import CemCasesError
from cem_cases.loop.audit import stream_of

MOST_AT_ONCE = 200
"""Rows that one action takes; each of them is a transaction of its own."""
MOST_REFUSALS_SHOWN = 10


def each(
    page: admin.ModelAdmin[Any],
    request: HttpRequest,
    chosen: Sequence[tuple[int, Any]],
    verb: Callable[..., object],
) -> int:
    """Do this to each row, tell which were refused, and return how many were not.

    `chosen` are rows with the number of their case, one more than may be taken at most.
    """
    # the order in which audit streams are locked, where the host makes one transaction
    # of the request
    ordered = sorted(chosen[:MOST_AT_ONCE], key=lambda pair: stream_of(pair[0]))
    done, refusals = 0, []
    for _number, row in ordered:
        try:
            verb(row, by=request.user)
        except CemCasesError as error:
            refusals.append(str(error))
        else:
            done += 1
    if len(refusals) > MOST_REFUSALS_SHOWN:
        more = len(refusals) - MOST_REFUSALS_SHOWN
        refusals[MOST_REFUSALS_SHOWN:] = [_("%d more were refused.") % more]
    if len(chosen) > MOST_AT_ONCE:
        refusals.append(_("At most %d at a time were taken.") % MOST_AT_ONCE)
    for text in refusals:
        page.message_user(request, text, messages.WARNING)
    return done


def report(
    page: admin.ModelAdmin[Any], request: HttpRequest, text: str, done: int
) -> None:
    """Say how many it was done to, if to any."""
    if done:
        page.message_user(request, text % done, messages.SUCCESS)
