"""What an audit log can be narrowed by: person, action, object, days. The page and the export read it alike.

Each filter has an index of its own (see AuditEvent), and days become numbers of events, so that a page of any one of
them is read from its index. Two filters that are each common and seldom meet can still make a long search.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.translation import gettext_lazy as _

from crewadmin.forms import TextField

from .models import AuditEvent, AuditEventQuerySet, public_id

#: Days beyond these are typing errors, and the last of them still has a day after it.
_FIRST_DAY, _LAST_DAY = date(2000, 1, 1), date(2999, 12, 31)


def _actions() -> list[tuple[str, Any]]:
    return [("", _("Any action")), *((value, str(label).capitalize()) for value, label in AuditEvent.Action.choices)]


class DayField(forms.DateField):
    """A day in UTC, as browsers send it: 2026-11-24."""

    widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    default_validators = [MinValueValidator(_FIRST_DAY), MaxValueValidator(_LAST_DAY)]

    def __init__(self, label: Any) -> None:
        super().__init__(
            label=label,
            required=False,
            input_formats=["%Y-%m-%d"],
            error_messages={"invalid": _("Write a day as 2026-11-24.")},
        )


class AuditFilters(forms.Form):
    """The filters above the log, from the address."""

    person = TextField(label=_("Person"), required=False, max_length=254, empty_value="")
    action = forms.ChoiceField(
        label=_("Action"),
        required=False,
        choices=_actions,
        error_messages={"invalid_choice": _("There is no such action: choose one of the list.")},
    )
    object = TextField(label=_("Object"), required=False, max_length=255, empty_value="")
    since = DayField(_("From day (UTC)"))
    until = DayField(_("To day (UTC)"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["person"].widget.attrs |= {"placeholder": _("E-mail address"), "autocomplete": "off"}
        self.fields["object"].widget.attrs |= {"placeholder": _("Its whole name"), "autocomplete": "off"}

    def clean(self) -> dict[str, Any]:
        """Refuse days in the wrong order."""
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("since") and cleaned.get("until") and cleaned["until"] < cleaned["since"]:
            self.add_error("until", _("This day is before the first one."))
        return cleaned

    @property
    def used(self) -> dict[str, str]:
        """The filters that are set, as the address carries them; only of a valid form."""
        return {name: str(value) for name, value in self.cleaned_data.items() if value}

    @property
    def address(self) -> str:
        """The query string of the filters that are set, with its “?”, or an empty text."""
        return "?" + urlencode(self.used) if self.used else ""

    def narrow(self, events: AuditEventQuerySet) -> AuditEventQuerySet:
        """Return those of an organization's events that pass; only of a valid form."""
        asked, found = self.cleaned_data, events
        if asked["person"]:
            found = found.filter(actor_label=_label(asked["person"]))
        if asked["action"]:
            found = found.filter(action=asked["action"])
        if uuid := public_id(asked["object"]):
            found = found.filter(target_uuid=uuid)
        elif asked["object"]:
            found = found.filter(target_label=asked["object"])
        # The order of events is their order in time: the days' first and last event bound the numbers between.
        if asked["since"]:
            later = events.filter(created_at__gte=_midnight(asked["since"])).order_by("created_at", "id")
            found = found.filter(id__gte=later.values("id")[:1])
        if asked["until"]:
            earlier = events.filter(created_at__lt=_midnight(asked["until"] + timedelta(days=1)))
            found = found.filter(id__lte=earlier.order_by("-created_at", "-id").values("id")[:1])
        return found


def _label(person: str) -> str:
    """Return what the log calls somebody: addresses are in lower case, names of service tokens as they were given."""
    return person.lower() if "@" in person else person


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
