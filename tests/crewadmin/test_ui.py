"""crewadmin.templatetags.ui: controls, moments and the current place."""

from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from django import forms
from django.template import Context

from crewadmin.templatetags.ui import aria_current, control, is_checkbox, timestamp


class Form(forms.Form):
    name = forms.CharField(widget=forms.TextInput(attrs={"class": "font-monospace"}))
    kind = forms.ChoiceField(choices=[("a", "A")])
    on = forms.BooleanField(required=False)


@pytest.mark.parametrize(
    ("name", "classes"), [("name", "font-monospace form-control"), ("kind", "form-select"), ("on", "form-check-input")]
)
def test_a_control_has_the_class_of_its_kind_beside_its_own(name: str, classes: str) -> None:
    assert f'class="{classes}"' in control(Form()[name])


def test_a_control_with_an_error_says_so() -> None:
    assert "is-invalid" in control(Form({})["name"])
    assert "is-invalid" not in control(Form({"name": "x"})["name"])


def test_a_checkbox_is_one() -> None:
    assert [is_checkbox(field) for field in Form()] == [False, False, True]


def test_a_moment_is_shown_in_utc_wherever_it_comes_from() -> None:
    moment = datetime(2026, 1, 2, 5, 4, 59, tzinfo=timezone(timedelta(hours=2)))
    expected = '<time datetime="2026-01-02T03:04:59Z">2026-01-02 03:04 UTC</time>'
    assert timestamp(moment) == timestamp(moment.astimezone(UTC)) == expected


def test_no_moment_shows_nothing() -> None:
    assert timestamp(None) == ""


@pytest.mark.parametrize(
    ("url_name", "mark"),
    [
        ("variable_list", ' aria-current="page"'),
        ("variable_edit", ' aria-current="true"'),
        ("automation_list", ""),
        (None, ""),
    ],
)
def test_the_current_place_is_marked(url_name: str | None, mark: str) -> None:
    request: Any = SimpleNamespace(resolver_match=SimpleNamespace(url_name=url_name))
    assert aria_current(Context({"request": request}), "variable_") == mark


@pytest.mark.parametrize("context", [{}, {"request": SimpleNamespace(resolver_match=None)}])
def test_a_page_without_a_place_marks_none(context: dict[str, Any]) -> None:
    assert aria_current(Context(context), "variable_") == ""
