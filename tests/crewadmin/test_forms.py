"""crewadmin.forms: what one-line texts may hold."""

import pytest
from django import forms
from django.core.exceptions import ValidationError

from crewadmin.forms import TextField, clean_text


@pytest.mark.parametrize(
    ("typed", "cleaned"),
    [
        ("", ""),
        ("  aws-prod\t", "aws-prod"),
        ("\n aws-prod \r\n", "aws-prod"),
        ("two  words", "two  words"),
        ("e\u0301te\u0301", "été"),
        ("\u212b", "\u00c5"),
        ("名前", "名前"),
        ("👩‍💻", "👩‍💻"),  # a joiner that the sign needs
        ("می‌خواهم", "می‌خواهم"),  # a non-joiner that the word needs
        ("100%_'\"\\<b>", "100%_'\"\\<b>"),
    ],
)
def test_a_text_is_trimmed_and_brought_into_its_normal_form(typed: str, cleaned: str) -> None:
    assert clean_text(typed) == cleaned


@pytest.mark.parametrize(
    "char",
    [
        *"\0\x01\x07\x08\n\r\t\x1b\x7f\x80\x85\x9f",
        *"\ud800\udbff\udc00\udfff",
        *"\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff\u00ad",
        *"\u061c\u180e\u2028\u2029\u2061\u2064\u206a\ufff9\U000e0001\U000e0041",
        *"\ue000\U000f0000",
        *"\uffff\ufdd0\u0378",
    ],
    ids=lambda char: f"U+{ord(char):04X}",
)
def test_what_cannot_be_seen_is_refused(char: str) -> None:
    with pytest.raises(ValidationError) as caught:
        clean_text(f"aws{char}prod")
    assert caught.value.code == "invisible"
    assert char not in str(caught.value.message)


class NameForm(forms.Form):
    name = TextField(max_length=5)


def test_a_text_field_cleans_before_it_counts() -> None:
    form = NameForm({"name": "  e\u0301e\u0301e\u0301e\u0301e\u0301  "})
    assert form.is_valid()
    assert form.cleaned_data["name"] == "ééééé"


@pytest.mark.parametrize("typed", ["", "   ", "\u200b", "toolong", "a\0b"])
def test_a_text_field_refuses_nothing_too_much_and_the_unseen(typed: str) -> None:
    assert not NameForm({"name": typed}).is_valid()
