"""Writing many rows at once: the one place that knows how each database likes it.

PostgreSQL takes keys ahead from the sequence and then one COPY; the others take
`bulk_create`. Either way the instances have their keys afterwards, and the number of
statements depends on the number of calls, not of rows.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, TypeVar

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connections, models, router

Row = TypeVar("Row", bound=models.Model)

COPY_FROM = 25
"""From so many rows on a COPY is faster than an INSERT."""


def insert(rows: Sequence[Row]) -> Sequence[Row]:
    """Insert these new rows of one model and return them, with their keys.

    Call it inside a transaction. Raises IntegrityError, like any insert.
    """
    if not rows:
        return rows
    model = type(rows[0])
    connection = connections[router.db_for_write(model)]
    if connection.vendor == "postgresql" and len(rows) >= COPY_FROM:
        _copy(connection, model, rows)
    else:
        model._default_manager.bulk_create(rows, batch_size=_batch_size(connection))
    return rows


def update(rows: Sequence[Row], names: Sequence[str]) -> None:
    """Write these fields of these rows of one model: one statement on PostgreSQL."""
    if not rows:
        return
    model = type(rows[0])
    connection = connections[router.db_for_write(model)]
    if connection.vendor != "postgresql" or len(rows) == 1:
        model._default_manager.bulk_update(rows, names, batch_size=500)
        return
    quote = connection.ops.quote_name
    key = model._meta.pk
    fields = [key, *(model._meta.get_field(name) for name in names)]
    arrays = ", ".join(f"unnest(%s::{f.db_type(connection)}[])" for f in fields)
    columns = [quote(f.column) for f in fields]
    sets = ", ".join(f"{column} = new.{column}" for column in columns[1:])
    table = quote(model._meta.db_table)
    sql = (
        f"UPDATE {table} SET {sets} FROM (SELECT {arrays}) "  # noqa: S608
        f"AS new ({', '.join(columns)}) WHERE {table}.{columns[0]} = new.{columns[0]}"
    )
    values = [[getattr(row, f.attname) for row in rows] for f in fields]
    with connection.cursor() as cursor:
        cursor.execute(sql, values)


def _batch_size(connection: Any) -> int | None:
    # SQLite compiles a statement per row count; PostgreSQL needs no limit.
    return 500 if connection.vendor == "sqlite" else None


def _copy(connection: Any, model: type[models.Model], rows: Sequence[Row]) -> None:
    columns, values = _layout(model)
    with connection.cursor() as cursor:
        cursor.execute(_next_keys_sql(connection, model), [len(rows)])
        for row, (key,) in zip(rows, cursor.fetchall(), strict=True):
            row.pk = key
        with (
            connection.wrap_database_errors,
            cursor.copy(_copy_sql(connection, model, columns)) as copy,
        ):
            for row in rows:
                copy.write_row(values(row))
    for row in rows:
        row._state.adding = False
        row._state.db = connection.alias


def _next_keys_sql(connection: Any, model: type[models.Model]) -> str:
    table = connection.ops.quote_name(model._meta.db_table)
    column = model._meta.pk.column
    return (
        f"SELECT nextval(pg_get_serial_sequence('{table}', '{column}'))"  # noqa: S608
        " FROM generate_series(1, %s)"
    )


def _copy_sql(
    connection: Any, model: type[models.Model], columns: Sequence[str]
) -> str:
    quote = connection.ops.quote_name
    names = ", ".join(quote(column) for column in columns)
    return f"COPY {quote(model._meta.db_table)} ({names}) FROM STDIN"


@functools.cache
def _layout(
    model: type[models.Model],
) -> tuple[tuple[str, ...], Callable[[models.Model], Sequence[Any]]]:
    """Return the columns of this model, and what reads their values off a row."""
    fields = model._meta.concrete_fields
    columns = tuple(field.column for field in fields)
    read = attrgetter(*(field.attname for field in fields))
    documents = [n for n, f in enumerate(fields) if isinstance(f, models.JSONField)]
    if not documents:
        return columns, read

    def read_with_documents(row: models.Model) -> list[Any]:
        values = list(read(row))
        for n in documents:
            values[n] = json.dumps(values[n], cls=DjangoJSONEncoder)
        return values

    return columns, read_with_documents
