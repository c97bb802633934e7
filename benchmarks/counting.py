"""Counting what is sent to the database, COPY included, at next to no cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import psycopg
from django.db import connection


class Count:
    """How many statements were sent: BEGIN and COMMIT are not, SAVEPOINTs are."""

    def __init__(self) -> None:
        self.statements = 0

    def __call__(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        self.statements += 1
        return execute(*arguments)


@contextmanager
def counted() -> Iterator[Count]:
    """Count the statements of this block."""
    count = Count()
    copy = psycopg.Cursor.copy

    def counted_copy(*arguments: Any, **options: Any) -> Any:
        count.statements += 1
        return copy(*arguments, **options)

    with (
        connection.execute_wrapper(count),
        mock.patch.object(psycopg.Cursor, "copy", counted_copy),
    ):
        yield count
