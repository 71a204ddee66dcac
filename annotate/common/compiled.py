"""Queries whose SQL is written once: Django spends more on writing a query than PostgreSQL on answering it.

For the few requests that many people send all day. The query stays a queryset, in one place; what is kept is its SQL.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import reduce
from typing import Any, Generic, TypeVar, cast

from django.db import DEFAULT_DB_ALIAS, connection, models
from django.db.models.query import get_related_populators
from psycopg import Cursor, sql
from psycopg.types.numeric import Int8

Row = TypeVar("Row")

# Stand for the values while the SQL is written; no constant of a query looks like them.
_NUMBERS = [7_310_000_000_000_000_001 + number for number in range(8)]
_TEXTS = [f"\x01value {number}" for number in range(8)]


class _PreparedCursor(Cursor[Any]):
    def execute(self, query: Any, params: Any = None, **options: Any) -> "_PreparedCursor":
        super().execute(query, params, prepare=True, **options)
        if connection.queries_logged:  # Django's log reads it here; psycopg forgets it for a prepared statement
            self._query = self._query or self._query_cls(self._tx)
            self._query.query = query.encode()
        return self


def prepared() -> AbstractContextManager[Any]:
    """A cursor as `connection.cursor()`, whose statements PostgreSQL parses and plans once for each connection.

    Planning takes longer than what follows. With CONN_MAX_AGE=0 the statements are planned each time, as ever.
    Values are bound by the server, so a condition that an index depends on is to be written out.
    """
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    with connection.wrap_database_errors:
        return cast(Any, connection)._prepare_cursor(_PreparedCursor(connection.connection))  # it logs and counts them


class Compiled(Generic[Row]):
    """`build(*values)` gives a queryset; calling this with values runs it. `kinds` are their types: int or str.

    The shape of the query may not depend on the values. Rows are instances, with what `select_related` names, or tuples
    where the queryset says `values_list`. Nothing of the values or the rows is kept.
    """

    def __init__(self, build: Callable[..., models.QuerySet[Any, Row]], *kinds: type) -> None:
        self._build, self._kinds = build, kinds
        self._statement: _Statement | None = None

    def __call__(self, *values: Any) -> list[Row]:
        # Two threads that come first write the same twice.
        statement = self._statement = self._statement or _Statement(self._build, self._kinds)
        return cast("list[Row]", statement.run(values))

    def first(self, *values: Any) -> Row | None:
        """The first row of a query that asks for one."""
        return next(iter(self(*values)), None)


class _Statement:
    def __init__(self, build: Callable[..., models.QuerySet[Any, Any]], kinds: tuple[type, ...]) -> None:
        stand_ins = [_NUMBERS[at] if kind is int else _TEXTS[at] for at, kind in enumerate(kinds)]
        self._kinds = kinds
        queryset = build(*stand_ins)
        compiler = queryset.query.get_compiler(DEFAULT_DB_ALIAS)
        text, parameters = compiler.as_sql()
        # Constants go into the text: PostgreSQL has to see them to use an index with a condition.
        pieces, self._order = text.split("%s"), list[int]()
        if len(pieces) != len(parameters) + 1:
            raise ValueError(f"a query with a literal percent sign: {text}")
        text = pieces[0]
        for parameter, piece in zip(parameters, pieces[1:], strict=True):
            if parameter in stand_ins:
                self._order.append(stand_ins.index(parameter))
                text += "%s" + piece
            else:
                text += sql.Literal(parameter).as_string(connection.connection).replace("%", "%%") + piece
        if set(self._order) != set(range(len(kinds))):
            raise ValueError(f"a value is not found again in the query: {text}")
        self._text = text
        self._converters = compiler.get_converters(expression for expression, *_ in compiler.select)
        self._has_instances = queryset._fields is None  # type: ignore[attr-defined]  # set by values_list
        if self._has_instances:
            klass_info, select = compiler.klass_info, compiler.select
            columns = klass_info["select_fields"]
            self._model, self._columns = klass_info["model"], slice(columns[0], columns[-1] + 1)
            self._names = [select[at][0].target.attname for at in columns]
            self._related = get_related_populators(klass_info, select, DEFAULT_DB_ALIAS)  # type: ignore[call-arg]  # the stubs are of Django 6.1
            self._annotations = compiler.annotation_col_map or {}

    def run(self, values: tuple[Any, ...]) -> list[Any]:
        values = tuple(Int8(value) if kind is int else value for value, kind in zip(values, self._kinds, strict=True))
        with prepared() as cursor:
            cursor.execute(self._text, [values[at] for at in self._order])
            rows = cursor.fetchall()
        if self._converters:
            rows = [self._converted(list(row)) for row in rows]
        return [self._instance(row) for row in rows] if self._has_instances else rows

    def _converted(self, row: list[Any]) -> list[Any]:
        for at, (converters, expression) in self._converters.items():
            row[at] = reduce(lambda value, convert: convert(value, expression, connection), converters, row[at])
        return row

    def _instance(self, row: Any) -> models.Model:
        instance = self._model.from_db(DEFAULT_DB_ALIAS, self._names, row[self._columns])
        for populator in self._related:
            populator.populate(row, instance)
        for name, at in self._annotations.items():
            setattr(instance, name, row[at])
        return instance
