"""Writing many rows at once: the one place that knows how each database likes it.

PostgreSQL takes keys ahead from the sequence and then one COPY; the others take
`bulk_create`. Either way the instances have their keys afterwards, and on PostgreSQL the
number of statements depends on the number of calls, not of rows.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Sequence
from operator import attrgetter
from typing import Any, TypeVar

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connections, models, router
from django.db.models.expressions import RawSQL

from cem_cases.models import AuditHead

Row = TypeVar("Row", bound=models.Model)

COPY_FROM = 25
"""From so many rows on a COPY is faster than an INSERT."""
SQLITE_BATCH = 500


def insert(
    rows: Sequence[Row], *, unique: Sequence[str] = (), keys: bool = True
) -> Sequence[Row]:
    """Insert these new rows of one model and return them, with their keys.

    Without `keys` the rows may be left without theirs: one statement less.
    `unique` names the fields by which two processes may insert the same: the rows are
    written in their order, so that overlapping batches wait for each other, but never
    in a circle. Keys are given in the order of `rows`.
    Call it inside a transaction. Raises IntegrityError, like any insert.
    """
    if not rows:
        return rows
    model = type(rows[0])
    connection = connections[router.db_for_write(model)]
    if connection.vendor != "postgresql" or len(rows) == 1:
        model._default_manager.bulk_create(rows, batch_size=SQLITE_BATCH)
        return rows
    if keys:
        _give_keys(connection, model, rows)
    written = sorted(rows, key=_order(unique)) if unique else rows
    if len(rows) >= COPY_FROM:
        _copy(connection, model, written, with_keys=keys)
    else:
        model._default_manager.bulk_create(written)
    return rows


def update(rows: Sequence[Row], names: Sequence[str]) -> None:
    """Write these fields of these rows of one model: one statement on PostgreSQL."""
    if not rows:
        return
    model = type(rows[0])
    connection = connections[router.db_for_write(model)]
    if len(rows) == 1:
        rows[0].save(update_fields=names)
        return
    if connection.vendor != "postgresql":
        model._default_manager.bulk_update(rows, names, batch_size=SQLITE_BATCH)
        return
    fields: tuple[Any, ...] = (
        model._meta.pk,
        *(model._meta.get_field(name) for name in names),
    )
    columns = zip(*map(_reader(fields), rows), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            _update_sql(connection, model, fields), [list(column) for column in columns]
        )


def change(
    model: type[models.Model], names: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Write these fields of rows of this model: like `update`, without instances.

    Each row is the key, and then the values of `names` (of a relation: the key).
    """
    if not rows:
        return
    connection = connections[router.db_for_write(model)]
    fields: tuple[Any, ...] = (
        model._meta.pk,
        *(model._meta.get_field(name) for name in names),
    )
    if connection.vendor != "postgresql":
        attributes = [field.attname for field in fields]
        model._default_manager.bulk_update(
            [model(**dict(zip(attributes, row, strict=True))) for row in rows],
            names,
            batch_size=SQLITE_BATCH,
        )
        return
    with connection.cursor() as cursor:
        columns = [list(column) for column in zip(*rows, strict=True)]
        cursor.execute(_update_sql(connection, model, fields), columns)


def among(values: Collection[Any], kind: str = "bigint") -> Any:
    """Return what to compare with `__in`, for as many values as a batch has.

    Many go to PostgreSQL as one array: a thousand parameters cost more to send than
    their rows cost to find. Few go as they are: then it takes the index for sure.
    `kind` is the type of the column there.
    """
    is_postgresql = connections[router.db_for_write(AuditHead)].vendor == "postgresql"
    if not is_postgresql or len(values) < COPY_FROM:
        return list(values)
    return RawSQL(f"SELECT unnest(%s::{kind}[])", [list(values)])  # noqa: S611


def exist(*queries: models.QuerySet[Any]) -> tuple[bool, ...]:
    """Return, for each of these queries, whether it finds a row: in one statement."""
    connection = connections[router.db_for_read(AuditHead)]
    parts: list[str] = []
    values: list[Any] = []
    for query in queries:
        sql, params = query.order_by().values("pk")[:1].query.sql_with_params()
        parts.append(f"EXISTS ({sql})")
        values += params
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(parts)}", values)
        return tuple(map(bool, cursor.fetchone()))


def _order(names: Sequence[str]) -> Callable[[models.Model], Any]:
    def key(row: models.Model) -> tuple[str, ...]:
        return tuple(str(getattr(row, name) or "") for name in names)

    return key


def _give_keys(connection: Any, model: type[models.Model], rows: Sequence[Row]) -> None:
    table = connection.ops.quote_name(model._meta.db_table)
    sequence = f"pg_get_serial_sequence('{table}', '{model._meta.pk.column}')"
    sql = f"SELECT nextval({sequence}) FROM generate_series(1, %s)"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(sql, [len(rows)])
        for row, (key,) in zip(rows, cursor.fetchall(), strict=True):
            row.pk = key


def _copy(
    connection: Any, model: type[models.Model], rows: Sequence[Row], *, with_keys: bool
) -> None:
    fields: tuple[Any, ...] = tuple(
        field
        for field in model._meta.concrete_fields
        if with_keys or not field.primary_key
    )
    read = _reader(fields)
    quote = connection.ops.quote_name
    names = ", ".join(quote(field.column) for field in fields)
    sql = f"COPY {quote(model._meta.db_table)} ({names}) FROM STDIN"
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(sql) as copy,
    ):
        for row in rows:
            copy.write_row(read(row))
    for row in rows:
        row._state.adding = False
        row._state.db = connection.alias


def _update_sql(
    connection: Any, model: type[models.Model], fields: Sequence[Any]
) -> str:
    quote = connection.ops.quote_name
    table = quote(model._meta.db_table)
    key, *columns = [quote(field.column) for field in fields]
    sets = ", ".join(f"{column} = new.{column}" for column in columns)
    # varchar without its length: a text that is too long must raise, not be cut
    types = (field.db_type(connection).split("(")[0] for field in fields)
    arrays = ", ".join(f"unnest(%s::{type_}[])" for type_ in types)
    return (
        f"UPDATE {table} SET {sets} FROM (SELECT {arrays}) "  # noqa: S608
        f"AS new ({', '.join([key, *columns])}) WHERE {table}.{key} = new.{key}"
    )


@functools.cache
def _reader(fields: tuple[Any, ...]) -> Callable[[models.Model], Sequence[Any]]:
    """Return what reads these fields off a row, documents as their text."""
    read = attrgetter(*(field.attname for field in fields))
    documents = [n for n, f in enumerate(fields) if isinstance(f, models.JSONField)]
    if not documents:
        return read
    encode = DjangoJSONEncoder().encode

    def read_with_documents(row: models.Model) -> list[Any]:
        values = list(read(row))
        for n in documents:
            if values[n] is not None:  # NULL, not the document that says null
                values[n] = encode(values[n])
        return values

    return read_with_documents
