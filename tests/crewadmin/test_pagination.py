"""crewadmin.pagination: walking a long list both ways, and addresses that nobody wrote for us."""

from typing import Any

import pytest
from django.db.models import QuerySet
from django.http import QueryDict

from crewadmin.pagination import ROWS_PER_PAGE, Page, page_of
from envvars.models import Automation
from organizations.models import Organization


@pytest.fixture
def rows(acme: Organization) -> "QuerySet[Automation]":
    """120 automations, by name."""
    Automation.objects.bulk_create(
        Automation(organization=acme, name=f"Crew {number:03}", slug=f"crew-{number:03}") for number in range(120)
    )
    return Automation.objects.for_organization(acme)


def page(rows: "QuerySet[Automation]", address: str | None = "") -> Page[Automation]:
    assert address is not None
    return page_of(rows, QueryDict(address.lstrip("?")), "name")


def numbers(page: Page[Automation]) -> list[int]:
    return [int(row.name.split()[1]) for row in page.rows]


def test_walking_there_and_back_shows_every_row_once_in_order(rows: "QuerySet[Automation]") -> None:
    first = page(rows)
    second = page(rows, first.next)
    third = page(rows, second.next)
    assert [numbers(one) for one in (first, second, third)] == [
        list(range(50)),
        list(range(50, 100)),
        list(range(100, 120)),
    ]
    assert (first.previous, third.next) == (None, None)
    back = page(rows, third.previous)
    assert numbers(back) == numbers(second)
    assert numbers(page(rows, back.previous)) == numbers(first)
    assert page(rows, back.previous).previous is None
    assert page(rows, back.previous).next == first.next


def test_a_search_is_kept_while_walking(rows: "QuerySet[Automation]") -> None:
    first = page(rows, "q=crew+0")
    assert first.query == "crew 0"
    assert numbers(first) == list(range(50))
    assert numbers(page(rows, first.next)) == list(range(50, 100))
    assert page(rows, first.next).next is None


def test_a_search_takes_its_text_as_it_is(rows: "QuerySet[Automation]", acme: Organization) -> None:
    Automation.objects.create(organization=acme, name="100%_'\"\\", slug="odd")
    for text in ("%", "_", "'", '"', "\\"):
        address = QueryDict(mutable=True)
        address["q"] = text
        assert [row.slug for row in page(rows, address.urlencode()).rows] == ["odd"], text


def test_exactly_one_page_has_no_neighbours(acme: Organization, rows: "QuerySet[Automation]") -> None:
    only = page(rows.filter(name__lt=f"Crew {ROWS_PER_PAGE:03}"))
    assert (len(only.rows), only.next, only.previous) == (ROWS_PER_PAGE, None, None)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("after=%00", 50),
        ("before=%00", 50),
        ("q=%00", 50),
        ("q=" + "x" * 10_000, 0),
        ("after=" + "x" * 10_000, 0),
        ("after=%ff%fe", 0),
        ("after=%F4%8F%BF%BF", 0),
        ("before=A", 50),
        ("after=A&before=Crew+010", 10),
        ("after=%27%3B+DROP+TABLE+x%3B--", 50),
        ("q=nothing+has+this", 0),
        ("after=%ED%A0%80", 0),
    ],
)
def test_addresses_that_nobody_wrote_for_us_break_nothing(
    rows: "QuerySet[Automation]", address: str, expected: int
) -> None:
    assert len(page(rows, address).rows) == expected


@pytest.mark.parametrize("address", ["", "after=Crew+050", "before=Crew+050", "q=crew&after=Crew+050"])
def test_a_page_is_one_query_whatever_it_is(
    rows: "QuerySet[Automation]", django_assert_num_queries: Any, address: str
) -> None:
    with django_assert_num_queries(1):
        page(rows, address)


def test_a_name_of_odd_characters_survives_the_address(acme: Organization) -> None:
    Automation.objects.bulk_create(
        Automation(organization=acme, name=f"{number:03} & = ? # + é", slug=f"s{number}") for number in range(60)
    )
    rows = Automation.objects.for_organization(acme)
    assert numbers_of_first_word(page(rows, page(rows).next)) == list(range(50, 60))


def numbers_of_first_word(page: Page[Automation]) -> list[int]:
    return [int(row.name.split()[0]) for row in page.rows]


# --- Search in several columns, and lists that are narrowed ---------------------------------------------------------
def test_the_search_looks_into_every_column_that_is_named(rows: "QuerySet[Automation]") -> None:
    Automation.objects.filter(slug="crew-007").update(name="Bond")
    found = page_of(rows, QueryDict("q=bond"), "slug", search=("slug", "name"))
    assert [row.slug for row in found.rows] == ["crew-007"]
    assert not page_of(rows, QueryDict("q=bond"), "slug").rows


def test_the_addresses_of_the_neighbours_carry_the_filters(rows: "QuerySet[Automation]") -> None:
    first = page_of(rows, QueryDict("q=crew&state=active&other=1"), "slug", filters={"state": "active"})
    assert first.next == "?q=crew&state=active&after=crew-049"
    second = page_of(rows, QueryDict(first.next[1:]), "slug", filters={"state": "active"})
    assert second.previous == "?q=crew&state=active&before=crew-050"
