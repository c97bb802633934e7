"""Through what waits, batch by batch, so that one broken row holds up no other."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.db import IntegrityError
from django.db.models import QuerySet

from cem_cases.conf import conf

logger = logging.getLogger(__name__)


def through(batch: Callable[[int | None], int], waiting: QuerySet[Any]) -> None:
    """Take batches until one is not full. What is locked now is for the next sweep.

    `batch` takes what waits, or only the row with this key, and returns how many rows
    it had. Where one audit stream is broken its row fails alone, and the others go on.
    """
    try:
        while batch(None) >= conf().BATCH_SIZE:
            pass
    except IntegrityError:
        for key in list(waiting.values_list("pk", flat=True)):
            try:
                batch(key)
            except IntegrityError as error:
                logger.error(
                    "%s %d cannot be acted upon (%s): verify the audit of its case.",
                    waiting.model.__name__,
                    key,
                    type(error.__cause__ or error).__name__,
                )
