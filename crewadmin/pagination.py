"""Pages of long lists by key: each page starts after the last row of the one before, however many rows there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from django.db import models
from django.http import QueryDict

ROWS_PER_PAGE = 50

Row = TypeVar("Row", bound=models.Model)


@dataclass(frozen=True)
class Page(Generic[Row]):
    """One page of rows, the search text it is for, and the query strings of its neighbours (None at the ends)."""

    rows: Sequence[Row]
    query: str
    next: str | None
    previous: str | None


def page_of(
    rows: "models.QuerySet[Row]",
    parameters: QueryDict,
    key: str,
    *,
    search: Sequence[str] = (),
    filters: Mapping[str, str] | None = None,
) -> Page[Row]:
    """Return the page that a list's address asks for: `q` searches in `key`, `after` and `before` name its edges.

    `key` is a column that is unique among `rows`; the page is in its order. One query, whatever the page.
    `search` names the columns to search in where they are others; `filters` are the parameters by which the rows were
    narrowed already, for the addresses of the neighbours.
    """
    query = parameters.get("q", "").replace("\0", "").strip()[:200]
    carried = {"q": query, **(filters or {})}
    if query:
        rows = rows.filter(reduce(or_, (models.Q(**{f"{column}__icontains": query}) for column in search or (key,))))
    before, after = parameters.get("before", "").replace("\0", ""), parameters.get("after", "").replace("\0", "")
    if before:
        found = list(rows.filter(**{f"{key}__lt": before}).order_by(f"-{key}")[: ROWS_PER_PAGE + 1])
        if found:  # else there is nothing before: the first page it is
            return _page(
                found[:ROWS_PER_PAGE][::-1], carried, key, has_previous=len(found) > ROWS_PER_PAGE, has_next=True
            )
    start = rows.filter(**{f"{key}__gt": after}) if after else rows
    found = list(start.order_by(key)[: ROWS_PER_PAGE + 1])
    return _page(found[:ROWS_PER_PAGE], carried, key, has_previous=bool(after), has_next=len(found) > ROWS_PER_PAGE)


def newest_page_of(rows: "models.QuerySet[Row]", parameters: QueryDict, kept: Mapping[str, str]) -> Page[Row]:
    """Return the page of `rows`, newest first, that a list's address asks for: `older` and `newer` name its edges.

    The edges are UUIDs of rows, which keeps primary keys out of addresses; the order is that of the primary keys.
    `kept` is what the addresses of the neighbours carry besides. At most two queries, whatever the page.
    """
    older, newer = (_edge(rows, parameters.get(name, "")) for name in ("older", "newer"))
    if newer is not None:
        found = list(rows.filter(pk__gt=newer).order_by("pk")[: ROWS_PER_PAGE + 1])
        if found:  # else there is nothing newer: the first page it is
            return _newest_page(found[:ROWS_PER_PAGE][::-1], kept, newer=len(found) > ROWS_PER_PAGE, older=True)
    start = rows if older is None else rows.filter(pk__lt=older)
    found = list(start.order_by("-pk")[: ROWS_PER_PAGE + 1])
    return _newest_page(found[:ROWS_PER_PAGE], kept, newer=older is not None, older=len(found) > ROWS_PER_PAGE)


def _edge(rows: "models.QuerySet[Any]", text: str) -> int | None:
    """Return the primary key of the row that an address names, or None."""
    try:
        uuid = UUID(text)
    except ValueError:
        return None
    found: int | None = rows.order_by().filter(uuid=uuid).values_list("pk", flat=True).first()
    return found


def _newest_page(rows: Sequence[Row], kept: Mapping[str, str], *, newer: bool, older: bool) -> Page[Row]:
    edges: list[Any] = [rows[0], rows[-1]] if rows else [None, None]
    return Page(
        rows=rows,
        query="",
        previous="?" + urlencode({**kept, "newer": edges[0].uuid}) if rows and newer else None,
        next="?" + urlencode({**kept, "older": edges[1].uuid}) if rows and older else None,
    )


def _page(
    rows: Sequence[Row], carried: Mapping[str, str], key: str, *, has_previous: bool, has_next: bool
) -> Page[Row]:
    return Page(
        rows=rows,
        query=carried["q"],
        next=_address(carried, "after", getattr(rows[-1], key)) if rows and has_next else None,
        previous=_address(carried, "before", getattr(rows[0], key)) if rows and has_previous else None,
    )


def _address(carried: Mapping[str, str], edge: str, value: str) -> str:
    return "?" + urlencode({name: text for name, text in carried.items() if text} | {edge: value})
