"""Writing many rows at once: the one place that knows how each database likes it.

PostgreSQL takes keys ahead from the sequence and then one COPY; the others take
`bulk_create`. Either way the instances have their keys afterwards, and on PostgreSQL the
number of statements depends on the number of calls, not of rows.
"""

from __future__ import annotations

import gc
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager
from datetime import datetime
from operator import attrgetter, getitem
from types import MappingProxyType
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
        for row, key in zip(
            rows, _take_keys(connection, model, len(rows)), strict=True
        ):
            row.pk = key
    written = sorted(rows, key=_order(unique, getattr)) if unique else rows
    if len(rows) < COPY_FROM:
        model._default_manager.bulk_create(written)
        return rows
    fields = [f for f in model._meta.concrete_fields if keys or not f.primary_key]
    read = attrgetter(*(field.attname for field in fields))
    _copy(connection, model, fields, map(read, written))
    for row in rows:
        row._state.adding = False
        row._state.db = connection.alias
    return rows


def add(
    model: type[models.Model],
    names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    same: Mapping[str, Any] = MappingProxyType({}),
    unique: Sequence[str] = (),
    keys: bool = True,
) -> list[Any]:
    """Insert rows of this model: like `insert`, without instances. Return their keys.

    Each row has the values of `names` (of a relation: the key), and all of them those
    in `same`; other fields take their defaults. Where many rows come in, instances take
    more time than all the rest.
    """
    connection = connections[router.db_for_write(model)]
    fields: list[Any] = [model._meta.get_field(name) for name in names]
    shared = {model._meta.get_field(name): value for name, value in same.items()}
    if connection.vendor != "postgresql" or len(rows) < COPY_FROM:
        every = tuple(shared.values())
        made = [_instance(model, [*fields, *shared], (*row, *every)) for row in rows]
        return [row.pk for row in insert(made, unique=unique, keys=keys)]
    for field in model._meta.concrete_fields:
        if field not in fields and (default := field.get_default()) is not None:
            shared.setdefault(field, default)
    every = tuple(map(_text_of_moment, shared.values()))
    fields += shared
    tails, taken = [every] * len(rows), []
    if keys:
        taken = _take_keys(connection, model, len(rows))
        tails = [(*every, key) for key in taken]
        fields.append(model._meta.pk)
    written = list(zip(rows, tails, strict=True))
    if unique:
        order = _order([names.index(name) for name in unique], getitem)
        written.sort(key=lambda pair: order(pair[0]))
    _copy(connection, model, fields, ((*row, *tail) for row, tail in written))
    return taken


def _text_of_moment(value: Any) -> Any:
    """Return a moment as its text: said once, and not for every row."""
    return str(value) if isinstance(value, datetime) else value


def add_missing(
    model: type[models.Model], names: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Insert those of these rows that no unique constraint refuses.

    Every field but the key is in `names`. Who inserts the same at the same time waits
    until the other is through: give the rows in an order.
    """
    if not rows:
        return
    connection = connections[router.db_for_write(model)]
    fields: list[Any] = [model._meta.get_field(name) for name in names]
    if connection.vendor != "postgresql":
        made = [_instance(model, fields, row) for row in rows]
        model._default_manager.bulk_create(made, ignore_conflicts=True)
        return
    quote = connection.ops.quote_name
    columns = ", ".join(quote(field.column) for field in fields)
    arrays = ", ".join(f"unnest(%s::{_type(connection, field)}[])" for field in fields)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {quote(model._meta.db_table)} ({columns}) "
            f"SELECT {arrays} ON CONFLICT DO NOTHING",
            [_array(column) for column in zip(*rows, strict=True)],
        )


def update(rows: Sequence[Row], names: Sequence[str]) -> None:
    """Write these fields of these rows of one model: one statement on PostgreSQL."""
    if len(rows) == 1:
        rows[0].save(update_fields=names)
    elif rows:
        model = type(rows[0])
        fields: list[Any] = [model._meta.get_field(name) for name in names]
        read = attrgetter("pk", *(field.attname for field in fields))
        change(model, names, list(map(read, rows)))


def change(
    model: type[models.Model],
    names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    same: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Write these fields of rows of this model: like `update`, without instances.

    Each row is the key, and then the values of `names` (of a relation: the key); all of
    them get those in `same`.
    """
    if not rows:
        return
    connection = connections[router.db_for_write(model)]
    fields: list[Any] = [model._meta.pk, *map(model._meta.get_field, names)]
    shared: list[Any] = [model._meta.get_field(name) for name in same]
    if connection.vendor != "postgresql":
        made = [
            _instance(model, [*fields, *shared], [*row, *same.values()]) for row in rows
        ]
        model._default_manager.bulk_update(
            made, [*names, *same], batch_size=SQLITE_BATCH
        )
        return
    columns = zip(*_with_documents_as_text(fields, rows), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            _update_sql(connection, model, fields, shared),
            [*same.values(), *map(_array, columns)],
        )


def among(values: Collection[Any], kind: str = "bigint") -> Any:
    """Return what to compare with `__in`, for as many values as a batch has.

    Many go to PostgreSQL as one array: a thousand parameters cost more to send than
    their rows cost to find. Few go as they are: then it takes the index for sure.
    `kind` is the type of the column there.
    """
    if not _is_postgresql() or len(values) < COPY_FROM:
        return list(values)
    return RawSQL(f"SELECT unnest(%s::{kind}[])", [_array(values)])  # noqa: S611


def any_of(name: str, values: Collection[Any]) -> Any:
    """Return the filter for rows whose field is one of these, for use in `filter`.

    As fast as it gets with the thousand of a batch: one parameter, and the index is
    read once from the lowest to the highest.
    """
    if not _is_postgresql() or len(values) < COPY_FROM:
        return models.Q(**{f"{name}__in": list(values)})
    return _EqualsAny(models.F(name), _array(values))


class _EqualsAny(models.Lookup):
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        sql, params = self.process_lhs(compiler, connection)
        return f"{sql} = ANY(%s)", (*params, self.rhs)


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


@contextmanager
def unwatched() -> Iterator[None]:
    """Let Python's collector of cycles wait while a batch is worked on.

    It would look through thousands of values again and again, all of them in use and
    none of them in a cycle: a sixth of the time that capturing takes.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _is_postgresql() -> bool:
    return bool(connections[router.db_for_write(AuditHead)].vendor == "postgresql")


def _instance(
    model: type[models.Model], fields: Iterable[Any], values: Iterable[Any]
) -> models.Model:
    return model(**{f.attname: v for f, v in zip(fields, values, strict=True)})


def _array(values: Iterable[Any]) -> str:
    """Return these values as PostgreSQL writes an array: psycopg takes five times as long."""
    return "{" + ",".join(map(_quoted, values)) + "}"


def _quoted(value: Any) -> str:
    if value is None:
        return "NULL"
    return '"' + str(value).replace("\\", r"\\").replace('"', r"\"") + '"'


def _order(
    names: Sequence[Any], get: Callable[[Any, Any], Any]
) -> Callable[[Any], tuple[str, ...]]:
    return lambda row: tuple([str(get(row, name) or "") for name in names])


def _take_keys(connection: Any, model: type[models.Model], count: int) -> list[int]:
    table = connection.ops.quote_name(model._meta.db_table)
    # the sequence is looked up once, not for every key
    sql = (
        "WITH its AS MATERIALIZED (SELECT pg_get_serial_sequence(%s, %s)::regclass "
        "AS sequence) SELECT nextval(sequence) FROM its, generate_series(1, %s)"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [table, model._meta.pk.column, count])
        return [key for (key,) in cursor.fetchall()]


def _copy(
    connection: Any,
    model: type[models.Model],
    fields: Sequence[Any],
    rows: Iterable[Sequence[Any]],
) -> None:
    quote = connection.ops.quote_name
    names = ", ".join(quote(field.column) for field in fields)
    sql = f"COPY {quote(model._meta.db_table)} ({names}) FROM STDIN"
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(sql) as copy,
    ):
        for row in _with_documents_as_text(fields, rows):
            copy.write_row(row)


def _update_sql(
    connection: Any,
    model: type[models.Model],
    fields: Sequence[Any],
    shared: Sequence[Any],
) -> str:
    quote = connection.ops.quote_name
    table = quote(model._meta.db_table)
    key, *columns = [quote(field.column) for field in fields]
    sets = ", ".join(
        [
            *(f"{quote(field.column)} = %s" for field in shared),
            *(f"{column} = new.{column}" for column in columns),
        ]
    )
    arrays = ", ".join(f"unnest(%s::{_type(connection, field)}[])" for field in fields)
    return (
        f"UPDATE {table} SET {sets} FROM (SELECT {arrays}) "  # noqa: S608
        f"AS new ({', '.join([key, *columns])}) WHERE {table}.{key} = new.{key}"
    )


def _type(connection: Any, field: Any) -> str:
    """Return the type of this column, of varchar without its length.

    A text that is too long must raise, not be cut.
    """
    return str(field.db_type(connection)).split("(")[0]


def _with_documents_as_text(
    fields: Sequence[Any], rows: Iterable[Sequence[Any]]
) -> Iterable[Sequence[Any]]:
    """Return these rows with the values of JSON fields as the text of the document."""
    documents = [n for n, f in enumerate(fields) if isinstance(f, models.JSONField)]
    return _encoded(rows, documents) if documents else rows


def _encoded(
    rows: Iterable[Sequence[Any]], documents: Sequence[int]
) -> Iterator[Sequence[Any]]:
    encode = DjangoJSONEncoder().encode
    for row in rows:
        values = list(row)
        for n in documents:
            if values[n] is not None:  # that is NULL, as it is for Django
                values[n] = encode(values[n])
        yield values
