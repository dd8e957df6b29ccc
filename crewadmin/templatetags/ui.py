"""What templates cannot say themselves: the classes of a control, icons, a moment in time, the current place."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from uuid import UUID

from django import forms, template
from django.forms import BoundField
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from heroicons.templatetags import heroicons

register = template.Library()

#: Bootstrap's class for each kind of control; the first kind that matches counts, everything else is a text control.
_CLASSES: tuple[tuple[type[forms.Widget], str], ...] = (
    (forms.CheckboxInput, "form-check-input"),
    (forms.Select, "form-select"),
)
_ICON_KINDS = {"outline": heroicons.heroicon_outline, "mini": heroicons.heroicon_mini}
_ANY = UUID(int=0)


@register.filter
def control(field: BoundField) -> SafeString:
    """Render a field's control with its classes, added to those that the form gave its widget."""
    widget = field.field.widget
    kind = next((name for kind, name in _CLASSES if isinstance(widget, kind)), "form-control")
    classes = [widget.attrs.get("class"), kind, "is-invalid" if field.errors else ""]
    return field.as_widget(attrs={"class": " ".join(filter(None, classes))})


@register.filter
def is_checkbox(field: BoundField) -> bool:
    """Whether the field is one check box, whose label stands after it."""
    return isinstance(field.field.widget, forms.CheckboxInput)


@register.filter
def timestamp(moment: datetime | None) -> SafeString:
    """Render an aware moment as a `<time>` element in UTC; static/js/times.js turns it into the reader's own time.

    Django's localized `date` filter costs more than the rest of a 50-row page, hence strftime. None renders nothing.
    """
    if moment is None:
        return SafeString()
    moment = moment.astimezone(UTC)
    return format_html('<time datetime="{}">{} UTC</time>', f"{moment:%Y-%m-%dT%H:%M:%SZ}", f"{moment:%Y-%m-%d %H:%M}")


@register.simple_tag
@cache
def icon(name: str, size: int = 18, kind: str = "outline", anchor: str = "") -> SafeString:
    """Render a Heroicon inline, `size` CSS pixels wide; kinds are "outline" (drawn for 24 px) and "mini" (for 20 px).

    `anchor` gives it an id to be repeated by `<use>`. Drawing one costs about 70 microseconds, and a page shows twenty:
    they are drawn once per process.
    """
    attributes = {"id": anchor} if anchor else {}
    return SafeString(_ICON_KINDS[kind](name, size=size, **attributes))


@dataclass(frozen=True)
class AddressParts:
    """An address without the UUID in its middle."""

    before: str
    after: str


@register.simple_tag
def address_parts(url_name: str, organization: UUID) -> AddressParts:
    """Return what stands before and after a row's UUID in an address: reversing each row's costs more than the row."""
    before, _uuid, after = reverse(url_name, args=[organization, _ANY]).partition(str(_ANY))
    return AddressParts(before, after)


@register.simple_tag(takes_context=True)
def aria_current(context: template.Context, prefix: str) -> SafeString:
    """Mark a link of the navigation as the current place.

    `prefix` is what the names of that section's URLs start with; its list is the page itself ("page"), the others are
    below it ("true"). A page without a request (500) is nowhere.
    """
    match = getattr(context.get("request"), "resolver_match", None)
    name = (match.url_name if match else None) or ""
    if not name.startswith(prefix):
        return SafeString()
    return format_html(' aria-current="{}"', "page" if name == f"{prefix}list" else "true")
