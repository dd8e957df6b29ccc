"""What the support site's pages show: labels, values as people read them, and the ways between lists and objects."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.templatetags.admin_list import result_headers
from django.contrib.admin.utils import display_for_field, label_for_field, lookup_field
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from .templatetags.ui import timestamp

if TYPE_CHECKING:
    from .admin import ReadOnlyAdmin

#: What stands where a row has nothing.
NOTHING = "\N{EN DASH}"

#: Django's name for the column of check boxes.
_CHECK_BOX = "action_checkbox"


@dataclass(frozen=True)
class Fact:
    """One column of a row: its label, its value, and the address of the page that the value is about, or nothing."""

    label: str
    value: str
    address: str = ""


@dataclass(frozen=True)
class Line:
    """A row of a list: its key and name for the check box, its page, and its columns."""

    key: Any
    name: str
    address: str
    facts: Sequence[Fact]


def facts_of(page: "ReadOnlyAdmin", row: models.Model, names: Sequence[Any]) -> list[Fact]:
    """Return what these columns or methods of a page show of a row."""
    facts = []
    for name in names:
        field, _attribute, value = lookup_field(name, row, page)
        facts.append(Fact(label_of(page, name), _in_words(value, field)))
    return facts


def linked_facts_of(page: "ReadOnlyAdmin", row: models.Model, request: HttpRequest) -> list[Fact]:
    """Return what a page shows of its object, with the ways to the objects that it names and the person may see."""
    names = page.get_fields(request, row)
    return [
        replace(fact, address=_address_of(page.admin_site, getattr(row, str(name), None), request))
        for name, fact in zip(names, facts_of(page, row, names), strict=True)
    ]


def _address_of(site: admin.AdminSite, other: object, request: HttpRequest) -> str:
    if not isinstance(other, models.Model) or not site.is_registered(type(other)):
        return ""
    if not site.get_model_admin(type(other)).has_view_permission(request, other):
        return ""
    return reverse(f"admin:{other._meta.app_label}_{other._meta.model_name}_change", args=[other.pk])


def label_of(page: "ReadOnlyAdmin", name: Any) -> str:
    """Return a column's label: as the page calls it, or else the model."""
    return capfirst(str(page.labels.get(name) or label_for_field(name, page.model, page)))


def _in_words(value: Any, field: Any) -> str:
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False) if value else NOTHING
    if field is None or field.remote_field is not None:
        return str(value)
    return str(display_for_field(value, field, NOTHING))


class Listing(ChangeList):
    """A list as templates/admin/change_list.html shows it; `previous` and `next` are what the pager reads."""

    model_admin: "ReadOnlyAdmin"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.columns = [name for name in self.list_display if name != _CHECK_BOX]
        for shown in self.filter_specs:
            shown.title = label_of(self.model_admin, shown.field_path)  # type: ignore[attr-defined]  # of a field each

    def headers(self) -> Iterator[Mapping[str, Any]]:
        """Yield the columns' labels with the addresses that sort by them."""
        for name, header in zip(self.list_display, result_headers(self), strict=True):
            if name != _CHECK_BOX:
                yield header | {"text": label_of(self.model_admin, name)}

    def lines(self) -> Iterator[Line]:
        """Yield the rows of this page."""
        for row in self.result_list:
            yield Line(row.pk, str(row), self.url_for_result(row), facts_of(self.model_admin, row, self.columns))

    @property
    def choice_name(self) -> str:
        """The name of the check boxes that choose rows for an action."""
        return ACTION_CHECKBOX_NAME

    @property
    def previous(self) -> str | None:
        """The query string of the page before this one, or None."""
        return self._page(self.page_num - 1)

    @property
    def next(self) -> str | None:
        """The query string of the page after this one, or None."""
        return self._page(self.page_num + 1)

    def _page(self, number: int) -> str | None:
        return self.get_query_string({PAGE_VAR: number}) if 1 <= number <= self.paginator.num_pages else None
