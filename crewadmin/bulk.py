"""Write very many rows in few statements: executemany on SQLite, COPY and INSERT ... SELECT on PostgreSQL.

`bulk_create` makes a model instance of each row and a statement of each batch, which costs several times as much.
Names of tables and columns come from models; values are parameters.
"""

import gc
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection, models
from django.db.models.expressions import RawSQL

_STAGE = "crewadmin_stage"


@contextmanager
def old_objects_left_alone() -> Iterator[None]:
    """Let the search for garbage pass over what is in memory already, such as all of Django.

    Very many new objects have it searched again and again, which takes a fifth of the time of an import.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def among(texts: Iterable[str]) -> RawSQL:
    """Return what `field__in` takes for very many texts: one parameter, where a list would be one for each."""
    function = "jsonb_array_elements_text(%s::jsonb)" if connection.vendor == "postgresql" else "json_each(%s)"
    return RawSQL(f"SELECT value FROM {function}", [json.dumps(list(texts))])  # noqa: S608, S611 - names of ours


def upsert(
    model: type[models.Model],
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    same: Mapping[str, Any],
    update: Sequence[str] = (),
) -> None:
    """Insert rows, or change those whose `uuid` is there already; call it inside a transaction.

    `rows` hold a value for each of `columns` (names of model fields), a sealed one as SealedBytes; `same` holds what is
    the same in all rows; a field in neither gets its default.
    `update` names the fields that a row which is there takes over; without it there is none.
    """
    same = {**_defaults(model, {*columns, *same}), **same}
    same = dict(zip(same, _all_prepared(model, list(same), [same.values()])[0], strict=True))
    if connection.vendor != "postgresql":
        _executed(model, columns, rows, same, update)
    elif update:
        _staged(model, columns, rows, same, update)
    else:
        _copied(model, columns, rows, same)


def _executed(
    model: type[models.Model],
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    same: Mapping[str, Any],
    update: Sequence[str],
) -> None:
    names = _names(model, [*columns, *same])
    sql = f"INSERT INTO {_table(model)} ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))})"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.executemany(
            sql + _on_conflict(model, update), [[*row, *same.values()] for row in _all_prepared(model, columns, rows)]
        )


def _copied(
    model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[Any]], same: Mapping[str, Any]
) -> None:
    prepared = _all_prepared(model, columns, rows)
    _copy(_table(model), model, [*columns, *same], ([*row, *same.values()] for row in prepared))


def _staged(
    model: type[models.Model],
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    same: Mapping[str, Any],
    update: Sequence[str],
) -> None:
    staged, constant = ", ".join(_names(model, columns)), _names(model, same)
    prepared = _all_prepared(model, columns, rows)
    insert = (
        f"INSERT INTO {_table(model)} ({', '.join([staged, *constant])}) "  # noqa: S608 - names of ours
        f"SELECT {', '.join([staged, *['%s'] * len(same)])} FROM {_STAGE}"
    )
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE {_STAGE} AS SELECT {staged} FROM {_table(model)} WITH NO DATA")  # noqa: S608
        _copy(_STAGE, model, columns, prepared)
        cursor.execute(insert + _on_conflict(model, update), list(same.values()))
        cursor.execute(f"DROP TABLE {_STAGE}")


def _copy(table: str, model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({', '.join(_names(model, columns))}) FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row(row)


def _defaults(model: type[models.Model], named: Collection[str]) -> dict[str, Any]:
    fields = [field for field in model._meta.concrete_fields if not field.primary_key and field.name not in named]
    return {field.name: field.get_default() for field in fields}


def _on_conflict(model: type[models.Model], update: Sequence[str]) -> str:
    if not update:
        return ""
    changes = ", ".join(f"{name} = excluded.{name}" for name in _names(model, update))
    return f" ON CONFLICT ({_names(model, ['uuid'])[0]}) DO UPDATE SET {changes}"


def _names(model: type[models.Model], fields: Iterable[str]) -> list[str]:
    return [connection.ops.quote_name(str(model._meta.get_field(name).column)) for name in fields]  # type: ignore[union-attr]  # columns


def _table(model: type[models.Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def _converters(model: type[models.Model], columns: Sequence[str]) -> dict[int, Callable[[Any], Any]]:
    """Return by its number how each column is written, where that is not as it is."""
    kinds = _KINDS if connection.vendor == "postgresql" else {**_KINDS, **_SQLITE_KINDS}
    fields = [model._meta.get_field(name) for name in columns]
    return {
        number: change
        for number, field in enumerate(fields)
        for kind, change in kinds.items()
        if isinstance(field, kind)
    }


def _all_prepared(model: type[models.Model], columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> list[list[Any]]:
    """Return rows as they are written. All at once: what makes them may ask the database, which is busy later."""
    prepared, converters = [list(row) for row in rows], list(_converters(model, columns).items())
    for values in prepared:
        for number, change in converters:
            values[number] = change(values[number])
    return prepared


_KINDS: dict[type[Any], Callable[[Any], Any]] = {
    models.JSONField: json.dumps,
    # Not SealedBytes, which drivers would look up an adapter for.
    models.BinaryField: lambda value: value and bytes(value),
}
#: As Django keeps these on SQLite.
_SQLITE_KINDS: dict[type[Any], Callable[[Any], Any]] = {
    models.UUIDField: lambda value: value.hex,
    models.DateTimeField: lambda value: connection.ops.adapt_datetimefield_value(value),
}
