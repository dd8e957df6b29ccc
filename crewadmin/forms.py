"""How every form of ours is rendered, and the cleaning that every typed text goes through."""

import unicodedata

from django import forms
from django.core.exceptions import ValidationError
from django.forms.renderers import TemplatesSetting
from django.utils.translation import gettext_lazy as _

# Control characters, surrogates, private use, line separators; and of the format characters all but the joiners that
# scripts need.
_UNWANTED_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"


class FormRenderer(TemplatesSetting):
    """Templates of ours first, Django's for the rest; a field's label, help and errors come from one template."""

    field_template_name = "components/field.html"


def clean_text(text: str) -> str:
    """Return a one-line text in its normal form (NFC, trimmed), or raise ValidationError for what cannot be seen.

    Refused are control characters, lone surrogates (SQLite and PostgreSQL fail on them in different places) and
    characters that make a name look like another one: zero-width, direction marks.
    """
    text = unicodedata.normalize("NFC", text).strip()
    if text.isascii() and text.isprintable():
        return text  # nearly all, and an import has very many
    if any(unicodedata.category(char) in _UNWANTED_CATEGORIES and char not in _JOINERS for char in text):
        raise ValidationError(
            _("Remove characters that cannot be seen: line breaks, control or zero-width characters."),
            code="invisible",
        )
    return text


class UnshownTextarea(forms.Textarea):
    """A text over several lines that may be secret, such as a private key; it is never written back into a page."""

    def format_value(self, value: object) -> None:
        """Show nothing, whatever was sent."""


class TextField(forms.CharField):
    """A one-line text of ours: trimmed, in normal form, free of characters that cannot be seen."""

    def to_python(self, value: object) -> str:
        """Clean before Django's length validators count."""
        return clean_text(super().to_python(value) or "")
